/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what --transcript and --trace make of events: any numbers, of each class of devices. An
 * event is a byte each for kind, device, queue and how many bytes of a message there are in each
 * part, then those and its numbers.
 *
 * Beyond memory safety: what is written is text of whole lines, and one line an event for programs.
 */
#include "vmm/trace.h"
#include "vmm/transcript.h"

#include "devices/registry.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/base/text.h"

#include <string.h>

#define EVENTS_MAX 400

static struct virtio_device devices[16];
static struct virtio_device *list[16];
static struct told_devices told = {list, 0, false};

static void devices_make(void)
{
    for (; virtio_slots[told.count].class != NULL && told.count < ARRAY_SIZE(list); told.count++) {
        struct virtio_device *dev = &devices[told.count];
        *dev = (struct virtio_device){.class = virtio_slots[told.count].class,
                                      .id = virtio_slots[told.count].class->id,
                                      .queue_count = 5};
        (void)snprintf(dev->name, sizeof(dev->name), "%s0", dev->class->name);
        list[told.count] = dev;
    }
}

static struct event take_event(struct input *in)
{
    struct event event = {.kind = take_byte(in) % (EVENT_INTERRUPT + 2u)};
    unsigned parts = take_byte(in);

    if (event.kind == EVENT_THREAD) /* names of threads are ours */
        event.kind = EVENT_POP;
    event.device = (uint8_t)(take_byte(in) % told.count);
    event.queue = take_byte(in) % 5;
    event.id = take_byte(in);
    event.sent = parts % 4 * 16;
    event.answer = parts / 4 % 4 * 16;
    event.tail = parts / 16 % 4 * 5;
    for (int i = 0; i < event.sent + event.answer + event.tail; i++)
        event.data[i] = take_byte(in);
    event.a = take_word(in) * 0x10001u;
    event.b = take_word(in);
    event.value = (uint64_t)event.b << 40 | event.a;
    event.at_ns = (uint64_t)event.b << 20;
    return event;
}

/* Lines of text, the last one whole. Counts them. */
static unsigned check_text(const char *text, size_t len)
{
    unsigned lines = 0;

    for (const char *end; len > 0; lines++) {
        end = memchr(text, '\n', len);
        must(end != NULL, "whole lines");
        must(text_is_clean(text, (size_t)(end - text)), "clean text");
        len -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    return lines;
}

static void try(const uint8_t *data, size_t size, bool json)
{
    struct input in = {data, size};
    struct transcript transcript;
    struct trace trace;
    char *text = NULL;
    size_t len = 0;
    unsigned count = 0;
    FILE *out = open_memstream(&text, &len);

    must(out != NULL && transcript_init(&transcript, out, json, &told) == 0, "a transcript");
    must(trace_init(&trace, &told) == 0, "a trace");
    for (; in.left > 0 && count < EVENTS_MAX; count++) {
        struct event event = take_event(&in);
        transcript.sink.write(&transcript.sink, &event);
        trace.sink.write(&trace.sink, &event);
    }
    transcript_fini(&transcript);
    (void)fclose(out);
    unsigned lines = check_text(text, len);
    must(!json || lines <= count, "a line an event");
    free(text);
    out = open_memstream(&text, &len);
    trace_write(&trace, out);
    (void)fclose(out);
    (void)check_text(text, len);
    free(text);
    trace_fini(&trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    devices_make();
    try(data, size, false);
    try(data, size, true);
    return 0;
}
