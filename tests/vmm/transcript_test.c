/* SPDX-License-Identifier: BSD-3-Clause */
/* What --transcript writes for people and for programs, and --trace for a viewer. */
#include "vmm/trace.h"
#include "vmm/transcript.h"

#include "devices/registry.h"

#include <check.h>
#include <jansson.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <string.h>

enum { SND, BLK, NET, CONSOLE, RNG, BALLOON, VSOCK, FS, INPUT, PMEM, DEVICES };

static struct virtio_device devices[DEVICES];
static struct virtio_device *list[DEVICES];
static struct told_devices told = {list, DEVICES, NULL};
static struct transcript transcript;
static struct trace trace;
static FILE *out;
static char *text;
static size_t text_len;
static uint64_t now_ns;

static void begin(bool json)
{
    static const struct virtio_class *const classes[] = {
        &virtio_snd,     &virtio_blk,   &virtio_net, &virtio_console, &virtio_rng,
        &virtio_balloon, &virtio_vsock, &virtio_fs,  &virtio_input,   &virtio_pmem};

    for (unsigned i = 0; i < DEVICES; i++) {
        devices[i] = (struct virtio_device){
            .class = classes[i], .id = classes[i]->id, .queue_count = classes[i]->queue_count};
        (void)snprintf(devices[i].name, sizeof(devices[i].name), "%s0", classes[i]->name);
        list[i] = &devices[i];
    }
    devices[NET].queue_count = 3; /* one pair, and the control queue */
    out = open_memstream(&text, &text_len);
    ck_assert_int_eq(transcript_init(&transcript, out, json, &told), 0);
    now_ns = transcript.began_ns;
}

static void setup(void)
{
    begin(false);
}

static void setup_json(void)
{
    begin(true);
}

static void teardown(void)
{
    transcript_fini(&transcript);
    (void)fclose(out);
    free(text);
}

static void write_event(struct event event)
{
    now_ns += 1000;
    event.at_ns = now_ns;
    transcript.sink.write(&transcript.sink, &event);
}

/* A message of numbers of `width` bytes each, in the order of the wire. */
static struct event message(unsigned device, enum event_kind kind, uint16_t queue, unsigned width,
                            unsigned count, ...)
{
    struct event event = {.kind = (uint8_t)kind, .device = (uint8_t)device, .queue = queue};
    uint8_t *len = kind == EVENT_POP ? &event.sent : &event.answer;
    va_list args;

    va_start(args, count);
    for (unsigned i = 0; i < count; i++) {
        uint64_t val = htole64(va_arg(args, uint64_t));
        memcpy(event.data + *len, &val, width);
        *len = (uint8_t)(*len + width);
    }
    va_end(args);
    event.a = event.b = *len;
    return event;
}

static const char *written(void)
{
    (void)fflush(out);
    return text;
}

/* Somebody wrote that, in a line of its own. */
static void has(const char *what)
{
    ck_assert_msg(strstr(written(), what) != NULL, "no \"%s\" in\n%s", what, text);
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *at = written(); *at != '\0'; at++)
        count += *at == '\n';
    return count;
}

/* -- set-up -- */

START_TEST(device_is_told_with_what_it_is)
{
    write_event((struct event){.kind = EVENT_DEVICE, .device = SND, .a = 25, .b = 1});
    has("snd0      found      sound, id 25, mmio, slot 1");
    has("§5.14");
    has("virtsnd_probe()");
}
END_TEST

START_TEST(features_have_names)
{
    write_event((struct event){
        .kind = EVENT_FEATURES_READ, .device = SND, .a = 0, .b = 1u | 1u << 28 | 1u << 29});
    has("offered bits 0 to 31: CTLS INDIRECT_DESC EVENT_IDX ");
    write_event((struct event){.kind = EVENT_FEATURES_WRITE, .device = BLK, .a = 1, .b = 5});
    has("accepted bits 32 to 63: VERSION_1 RING_PACKED ");
    write_event((struct event){.kind = EVENT_FEATURES_WRITE, .device = BLK, .a = 7, .b = 0});
    has("accepted bits 224 to 255: none");
}
END_TEST

START_TEST(status_has_names_and_tells_what_was_refused)
{
    write_event((struct event){.kind = EVENT_STATUS, .device = SND, .a = 3, .b = 3});
    has("status     ACKNOWLEDGE DRIVER ");
    has("virtio_dev_probe()");
    write_event((struct event){.kind = EVENT_STATUS, .device = SND, .a = 11, .b = 3});
    has("FEATURES_OK (refused)");
    write_event((struct event){.kind = EVENT_STATUS, .device = SND, .a = 0, .b = 15});
    has("0: reset");
    has("virtio_reset_device()");
}
END_TEST

START_TEST(queue_is_told_with_size_and_addresses)
{
    struct event event = message(SND, EVENT_POP, 2, 8, 3, 0x1000ul, 0x2000ul, 0x3000ul);

    event.kind = EVENT_QUEUE;
    event.a = 64;
    event.b = 1024;
    event.value = 1;
    write_event(event);
    has("txq        enabled, size 64 of 1024, at 0x1000 0x2000 0x3000");
    has("vm_setup_vq()");
}
END_TEST

START_TEST(failure_is_told_in_its_words)
{
    struct event event = {.kind = EVENT_FAIL, .device = SND, .a = EPROTO, .sent = 4};

    memcpy(event.data, "r\033\"q", 4);
    write_event(event);
    has("needs a reset: \"r?");
    has(": Protocol error");
    ck_assert_ptr_null(strchr(text, '\033'));
}
END_TEST

/* -- messages -- */

START_TEST(sound_requests_are_decoded)
{
    struct event params = message(SND, EVENT_POP, 0, 4, 6, 0x101ul, 3ul, 7680ul, 1920ul, 0ul,
                                  2ul | 5ul << 8 | 7ul << 16);

    write_event(params);
    has("controlq   > SET_PARAMS stream 3: S16, 48000 Hz, 2 channels, period 1920 bytes, "
        "buffer 7680");
    has("§5.14.6.6.3");
    has("virtsnd_pcm_hw_params()");
    write_event(message(SND, EVENT_POP, 0, 4, 2, 0x104ul, 3ul));
    has("> START stream 3");
    write_event(message(SND, EVENT_PUSH, 0, 4, 1, 0x8001ul));
    has("< BAD_MSG");
    write_event(message(SND, EVENT_POP, 0, 4, 1, 0x7777ul));
    has("> unknown request");
    write_event(message(SND, EVENT_PUSH, 1, 4, 2, 0x1001ul, 2ul));
    has("eventq     < JACK_DISCONNECTED jack 2");
}
END_TEST

/* One stream: S16 and S32, 44100 and 48000 Hz, playback, 1 to 2 channels. */
START_TEST(answer_that_is_a_list_is_decoded)
{
    struct event event = message(SND, EVENT_POP, 0, 4, 4, 0x100ul, 0ul, 1ul, 32ul);
    const uint64_t info[] = {0, 1ul << 5 | 1ul << 17, 1ul << 6 | 1ul << 7, 0x020100};

    event.kind = EVENT_PUSH;
    event.answer = 36;
    memcpy(event.data + event.sent, &(uint32_t){htole32(0x8000)}, 4);
    memcpy(event.data + event.sent + 4, info, sizeof(info));
    write_event(event);
    has("< OK; #0 playback, 1 to 2 channels, S16 S32 44100 48000");
}
END_TEST

START_TEST(requests_of_all_classes_are_decoded)
{
    write_event(message(BLK, EVENT_POP, 0, 8, 2, 1ul, 2048ul));
    has("disk0     requestq 0 > OUT sector 2048, 15 bytes");
    write_event(message(BLK, EVENT_PUSH, 0, 1, 1, 2ul));
    has("< UNSUPP");
    write_event(message(NET, EVENT_POP, 2, 1, 4, 4ul, 0ul, 2ul, 0ul));
    has("net0      controlq 2 > MQ command 0: 2 pairs");
    write_event(message(CONSOLE, EVENT_POP, 3, 4, 2, 1ul, 6ul | 1ul << 16));
    has("console0  transmit 3 > PORT_OPEN port 1 value 1");
    write_event(message(RNG, EVENT_POP, 0, 1, 0));
    has("rng0      requestq   > room for 0 bytes");
    write_event(message(BALLOON, EVENT_POP, 0, 4, 2, 0x77ul, 0x78ul));
    has("inflateq   > 2 pages from 0x77 on");
    write_event(
        message(VSOCK, EVENT_POP, 1, 4, 8, 3ul, 0ul, 2ul, 0ul, 99ul, 4000ul, 0ul, 0x10001ul));
    has("vsock0    txq        > REQUEST 3:99 to 2:4000, 0 bytes, credit 0 of 0");
    write_event(
        message(FS, EVENT_POP, 1, 8, 6, 40ul | 1ul << 32, 5ul, 1ul, 0ul, 0ul, 0x74786574ul));
    has("share0    request0   > LOOKUP node 1 \"text\"");
    write_event(message(INPUT, EVENT_PUSH, 0, 8, 1, 1ul | 30ul << 16 | 1ul << 32));
    has("input0    eventq     < type 1 code 30 value 1");
    write_event(message(PMEM, EVENT_POP, 0, 4, 1, 0ul));
    has("pmem0     requestq   > FLUSH");
}
END_TEST

/* -- what is alike -- */

START_TEST(buffers_are_counted_after_the_first_few)
{
    for (unsigned i = 0; i < 100; i++) {
        write_event(message(SND, EVENT_POP, 2, 4, 1, 0ul));
        write_event((struct event){.kind = EVENT_PUSH, .device = SND, .queue = 2});
        write_event((struct event){.kind = EVENT_INTERRUPT, .device = SND, .queue = 2});
    }
    ck_assert_uint_eq(lines(), 1 + 6);
    write_event(message(SND, EVENT_POP, 0, 4, 2, 0x105ul, 0ul)); /* STOP */
    ck_assert_uint_eq(lines(), 1 + 6 + 2);
    has("txq        ... 98 more > and 98 < of frames, 784 bytes, 98 interrupts, in 0.000 s");
    write_event(message(SND, EVENT_POP, 2, 4, 1, 0ul)); /* the first of a new lot */
    ck_assert_uint_eq(lines(), 1 + 6 + 2 + 1);
}
END_TEST

START_TEST(what_goes_on_is_told_once_a_second)
{
    for (unsigned i = 0; i < 350; i++) {
        now_ns += 10000000;
        write_event(message(BLK, EVENT_POP, 0, 8, 2, 0ul, 1ul));
    }
    ck_assert_uint_eq(lines(), 1 + 6 + 3);
    transcript_fini(&transcript);
    ck_assert_uint_eq(lines(), 1 + 6 + 4);
    transcript = (struct transcript){0};
}
END_TEST

START_TEST(lost_events_are_told)
{
    write_event((struct event){.kind = EVENT_LOST, .value = 17});
    has("lost       17 events lost");
}
END_TEST

START_TEST(memory_for_its_counts_that_lacks_is_told)
{
    struct transcript other;
    char *other_text = NULL;
    FILE *other_out = open_memstream(&other_text, &text_len);

    ck_assert_int_eq(transcript_init(&other, other_out, true, &told), 0);
    transcript_fini(&other);
    transcript_fini(&(struct transcript){0});
    (void)fclose(other_out);
    ck_assert_str_eq(other_text, ""); /* JSON has no heading */
    free(other_text);
}
END_TEST

/* -- for programs -- */

START_TEST(json_has_an_object_a_line_with_all_bytes)
{
    for (unsigned i = 0; i < 20; i++)
        write_event(message(SND, EVENT_POP, 0, 4, 2, 0x104ul, 3ul));
    ck_assert_uint_eq(lines(), 20);
    json_t *object = json_loadb(text, strcspn(text, "\n"), 0, NULL);
    ck_assert_ptr_nonnull(object);
    ck_assert_str_eq(json_string_value(json_object_get(object, "device")), "snd0");
    ck_assert_str_eq(json_string_value(json_object_get(object, "event")), "pop");
    ck_assert_str_eq(json_string_value(json_object_get(object, "sent")), "0401000003000000");
    ck_assert_str_eq(json_string_value(json_object_get(object, "says")), "> START stream 3");
    ck_assert_int_eq(json_integer_value(json_object_get(object, "readable")), 8);
    json_decref(object);
}
END_TEST

START_TEST(json_quotes_what_the_guest_said)
{
    write_event(message(FS, EVENT_POP, 1, 8, 6, 40ul | 1ul << 32, 5ul, 1ul, 0ul, 0ul, 0x5c22ul));
    json_t *object = json_loads(written(), 0, NULL);
    ck_assert_ptr_nonnull(object);
    json_decref(object);
}
END_TEST

/* -- the timeline -- */

static void trace_setup(void)
{
    begin(false);
    ck_assert_int_eq(trace_init(&trace, &told), 0);
}

static void trace_teardown(void)
{
    trace_fini(&trace);
    teardown();
}

static void trace_event(struct event event)
{
    event.at_ns = trace.began_ns + 5000;
    event.thread = 77;
    trace.sink.write(&trace.sink, &event);
}

/* The file as it is read back; free it by json_decref(). */
static json_t *trace_file(void)
{
    char *bytes = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&bytes, &len);

    trace.sink.rest(&trace.sink);
    trace_write(&trace, file);
    (void)fclose(file);
    json_t *object = json_loadb(bytes, len, 0, NULL);
    ck_assert_msg(object != NULL, "no JSON: %.400s", bytes);
    free(bytes);
    return object;
}

static const char *string_of(json_t *file, size_t event, const char *key)
{
    return json_string_value(
        json_object_get(json_array_get(json_object_get(file, "traceEvents"), event), key));
}

START_TEST(trace_has_threads_and_what_they_did)
{
    struct event thread = {.kind = EVENT_THREAD, .sent = 5};

    memcpy(thread.data, "vcpu0", 5);
    trace_event(thread);
    trace_event((struct event){
        .kind = EVENT_EXIT, .a = KVM_EXIT_MMIO, .value = 0xfeb00050, .took_ns = 1500});
    trace_event((struct event){.kind = EVENT_KICK, .device = SND, .queue = 2, .took_ns = 10});
    trace_event((struct event){.kind = EVENT_POP, .device = SND, .queue = 2});
    trace_event((struct event){.kind = EVENT_PERIOD, .device = SND, .a = 0, .b = 480});
    trace_event((struct event){.kind = EVENT_CONFIG_READ, .device = SND}); /* is none of these */
    json_t *file = trace_file();
    ck_assert_uint_eq(json_array_size(json_object_get(file, "traceEvents")), 6);
    ck_assert_str_eq(string_of(file, 1, "name"), "thread_name");
    ck_assert_str_eq(string_of(file, 2, "name"), "exit mmio");
    ck_assert_str_eq(string_of(file, 2, "ph"), "X");
    ck_assert_str_eq(string_of(file, 3, "name"), "snd0 txq kick");
    ck_assert_str_eq(string_of(file, 4, "name"), "snd0 txq pop");
    ck_assert_str_eq(string_of(file, 4, "ph"), "i");
    ck_assert_str_eq(string_of(file, 5, "name"), "snd0 stream 0 period");
    json_decref(file);
}
END_TEST

START_TEST(trace_keeps_the_newest)
{
    for (unsigned i = 0; i < TRACE_EVENTS_MAX + 5; i++)
        trace_event(
            (struct event){.kind = EVENT_POP, .device = BLK, .id = (uint16_t)(i & 7), .a = i});
    trace_event((struct event){.kind = EVENT_LOST, .value = 3});
    json_t *file = trace_file(), *events = json_object_get(file, "traceEvents");
    json_t *other = json_object_get(file, "otherData");
    ck_assert_int_eq(json_integer_value(json_object_get(other, "events")), TRACE_EVENTS_MAX + 5);
    ck_assert_int_eq(json_integer_value(json_object_get(other, "lost")), 3);
    ck_assert_uint_eq(json_array_size(events), TRACE_EVENTS_MAX + 1);
    ck_assert_int_eq(json_integer_value(
                         json_object_get(json_object_get(json_array_get(events, 1), "args"), "a")),
                     5);
    json_decref(file);
}
END_TEST

Suite *transcript_suite(void);
Suite *transcript_suite(void)
{
    Suite *suite = suite_create("transcript");
    TCase *people = tcase_create("people");
    TCase *programs = tcase_create("programs");
    TCase *timeline = tcase_create("timeline");

    tcase_add_checked_fixture(people, setup, teardown);
    tcase_add_test(people, device_is_told_with_what_it_is);
    tcase_add_test(people, features_have_names);
    tcase_add_test(people, status_has_names_and_tells_what_was_refused);
    tcase_add_test(people, queue_is_told_with_size_and_addresses);
    tcase_add_test(people, failure_is_told_in_its_words);
    tcase_add_test(people, sound_requests_are_decoded);
    tcase_add_test(people, answer_that_is_a_list_is_decoded);
    tcase_add_test(people, requests_of_all_classes_are_decoded);
    tcase_add_test(people, buffers_are_counted_after_the_first_few);
    tcase_add_test(people, what_goes_on_is_told_once_a_second);
    tcase_add_test(people, lost_events_are_told);
    tcase_add_test(people, memory_for_its_counts_that_lacks_is_told);
    suite_add_tcase(suite, people);
    tcase_add_checked_fixture(programs, setup_json, teardown);
    tcase_add_test(programs, json_has_an_object_a_line_with_all_bytes);
    tcase_add_test(programs, json_quotes_what_the_guest_said);
    suite_add_tcase(suite, programs);
    tcase_add_checked_fixture(timeline, trace_setup, trace_teardown);
    tcase_set_timeout(timeline, 60);
    tcase_add_test(timeline, trace_has_threads_and_what_they_did);
    tcase_add_test(timeline, trace_keeps_the_newest);
    suite_add_tcase(suite, timeline);
    return suite;
}
