/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/fault.c, and of streams in which something goes wrong on command. */
#include "tests/capture.h"
#include "tests/devices/snd/probe_host.h"

#include <check.h>
#include <string.h>

#define PERIOD_BYTES 1920 /* 10 ms of S16 stereo at 48 kHz */
#define PERIOD_NS    (10 * RIG_MS)

static struct rig rig;
static struct probe probe;

static void set_up(const char *options)
{
    rig_start(&rig, options);
    probe_install(&probe, &rig, 0, false);
    rig_prepare(&rig, 0);
}

static void tear_down(void)
{
    rig_end(&rig);
    probe_fini(&probe);
}

static void command(uint32_t code)
{
    ck_assert_uint_eq(rig_command(&rig, code, 0), RIG_OK);
}

/* A period whose bytes are all `value`. */
static void play(uint8_t value)
{
    gpa_t data = rig_alloc(&rig, PERIOD_BYTES);

    memset(memory_at(&rig.mem, data, PERIOD_BYTES), value, PERIOD_BYTES);
    (void)rig_play(&rig, 0, data, PERIOD_BYTES);
}

/* -- words -- */

START_TEST(faults_are_read_as_written)
{
    struct faults faults;

    ck_assert_int_eq(
        faults_parse("xrun@1s,stall=300ms@2s,drop=7,io-err@3s,latency=50ms,drop@1500ms", &faults),
        0);
    ck_assert_uint_eq(faults.count, 6);
    ck_assert_int_eq(faults.item[0].kind, FAULT_XRUN);
    ck_assert_uint_eq(faults.item[0].at_ns, 1000 * RIG_MS);
    ck_assert_int_eq(faults.item[1].kind, FAULT_STALL);
    ck_assert_uint_eq(faults.item[1].value_ns, 300 * RIG_MS);
    ck_assert_uint_eq(faults.item[1].at_ns, 2000 * RIG_MS);
    ck_assert_int_eq(faults.item[2].kind, FAULT_DROP);
    ck_assert_uint_eq(faults.item[2].number, 7);
    ck_assert_int_eq(faults.item[3].kind, FAULT_IO_ERR);
    ck_assert_uint_eq(faults.item[3].number, 0);
    ck_assert_int_eq(faults.item[4].kind, FAULT_LATENCY);
    ck_assert_uint_eq(faults.item[4].at_ns, 0);
    ck_assert_uint_eq(faults.item[5].at_ns, 1500 * RIG_MS);
}
END_TEST

static const char *const wrong[] = {
    "",       ",",          "xrun",         "xrun=3@1s", "xrun@",          "stall@2s",
    "stall=", "stall=x@1s", "drop",         "drop=0",    "drop=-1",        "drop=7@1s",
    "io-err", "latency",    "latency=1s@x", "hum@1s",    "xrun@1s,",       "xrun@1s,,drop=7",
    "@1s",    "=1",         "stall=25h@1s", "drop=1.5",  "xrun@1s drop=7", "xrun@1s@2s",
};

START_TEST(malformed_fault_is_refused_in_one_line)
{
    struct capture capture;
    struct faults faults;

    capture_start(&capture);
    int r = faults_parse(wrong[_i], &faults);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_msg(capture_is_one_error(said), "%s", said);
    ck_assert_ptr_nonnull(strstr(said, "fault"));
}
END_TEST

START_TEST(option_reaches_the_streams)
{
    struct capture capture;

    capture_start(&capture);
    int r = rig_create(&rig, "fault='hum@1s'");
    ck_assert(capture_is_one_error(capture_end(&capture)));
    ck_assert_int_eq(r, -EINVAL);
}
END_TEST

/* -- what they do -- */

START_TEST(dropped_message_is_silence_and_completes_as_if_nothing_happened)
{
    struct rig_done done;

    set_up("fault='drop=2,drop@45ms'");
    for (uint8_t i = 1; i <= 6; i++)
        play(i);
    command(RIG_START);
    for (unsigned i = 0; i < 6; i++) {
        rig_advance(&rig, PERIOD_NS);
        ck_assert(rig_done(&rig, RIG_TX, &done));
        ck_assert_uint_eq(done.status, RIG_OK);
    }
    for (unsigned i = 0; i < 6 * PERIOD_BYTES; i++) {
        unsigned period = i / PERIOD_BYTES + 1;
        ck_assert_uint_eq(probe.got[i], period == 2 || period == 5 ? 0 : period);
    }
    tear_down();
}
END_TEST

START_TEST(failed_message_has_the_status_and_the_next_one_not)
{
    struct rig_done done;

    set_up("fault='io-err=2'");
    for (uint8_t i = 1; i <= 3; i++)
        play(i);
    command(RIG_START);
    for (unsigned i = 1; i <= 3; i++) {
        rig_advance(&rig, PERIOD_NS);
        ck_assert(rig_done(&rig, RIG_TX, &done));
        ck_assert_uint_eq(done.status, i == 2 ? RIG_IO_ERR : RIG_OK);
        ck_assert_uint_eq(done.used_len, 8);
    }
    ck_assert_uint_eq(probe.got[PERIOD_BYTES], 0);
    tear_down();
}
END_TEST

START_TEST(stall_completes_nothing_and_then_goes_on_without_a_burst)
{
    struct rig_done done;

    set_up("fault='stall=300ms@15ms'");
    for (uint8_t i = 0; i < 4; i++)
        play(i);
    command(RIG_START);
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    rig_advance(&rig, 310 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    rig_advance(&rig, 10 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(rig.snd->streams[0].counts.stalls, 1);
    tear_down();
}
END_TEST

/* The guest runs dry: all but the last message at once, the last a moment later, or the stock
 * driver would see no progress. */
START_TEST(xrun_ends_all_that_was_submitted)
{
    struct rig_done done;

    set_up("fault='xrun@15ms'");
    for (uint8_t i = 1; i <= 4; i++)
        play(i);
    command(RIG_START);
    rig_advance(&rig, 20 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 3);
    rig_advance(&rig, RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(probe.got_frames, 4 * 480);
    rig_advance(&rig, RIG_MS);
    play(5);
    ck_assert_uint_eq(rig.snd->streams[0].counts.xruns, 1);
    rig_advance(&rig, PERIOD_NS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    tear_down();
}
END_TEST

START_TEST(latency_is_larger_from_then_on)
{
    static const uint32_t want[] = {0, 50 * 48 * 4, 50 * 48 * 4};
    struct rig_done done;

    set_up("fault='latency=50ms@15ms'");
    for (uint8_t i = 0; i < 3; i++)
        play(i);
    command(RIG_START);
    for (unsigned i = 0; i < 3; i++) {
        rig_advance(&rig, PERIOD_NS);
        ck_assert(rig_done(&rig, RIG_TX, &done));
        ck_assert_uint_eq(done.latency_bytes, want[i]);
    }
    tear_down();
}
END_TEST

/* By the stream's own time, whatever the clock; and once, whatever the guest does. */
START_TEST(fault_happens_once_at_its_moment_of_the_stream)
{
    struct rig_done done;
    unsigned failed = 0, number = 0;

    set_up("clock=free,fault='io-err@55ms'");
    for (unsigned round = 0; round < 5; round++) {
        command(RIG_START);
        for (uint8_t i = 0; i < 4; i++)
            play(i);
        rig_advance(&rig, 100 * RIG_MS);
        while (rig_done(&rig, RIG_TX, &done)) {
            number++;
            failed += done.status == RIG_IO_ERR;
            ck_assert(done.status == RIG_OK || number == 6);
        }
        command(RIG_STOP);
        command(RIG_RELEASE);
        rig_prepare(&rig, 0);
    }
    ck_assert_uint_eq(number, 20);
    ck_assert_uint_eq(failed, 1);
    tear_down();
}
END_TEST

START_TEST(capture_can_fail_too)
{
    struct rig_done done;

    set_up("streams=0,capture=1,fault='drop=2'");
    gpa_t data[3];
    for (unsigned i = 0; i < 3; i++) {
        data[i] = rig_alloc(&rig, PERIOD_BYTES);
        (void)rig_record(&rig, 0, data[i], PERIOD_BYTES);
    }
    command(RIG_START);
    rig_advance(&rig, 3 * PERIOD_NS);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(rig_done(&rig, RIG_RX, &done));
    ck_assert_uint_eq(rig_load32(&rig, data[0]), 0x03020100);
    ck_assert_uint_eq(rig_load32(&rig, data[1] + 100), 0);
    ck_assert_uint_ne(rig_load32(&rig, data[2]), 0);
    tear_down();
}
END_TEST

Suite *fault_suite(void);
Suite *fault_suite(void)
{
    Suite *suite = suite_create("snd/fault");
    TCase *words = tcase_create("words");
    TCase *deeds = tcase_create("deeds");

    tcase_add_test(words, faults_are_read_as_written);
    tcase_add_loop_test(words, malformed_fault_is_refused_in_one_line, 0, ARRAY_SIZE(wrong));
    tcase_add_test(words, option_reaches_the_streams);
    tcase_add_test(deeds, dropped_message_is_silence_and_completes_as_if_nothing_happened);
    tcase_add_test(deeds, failed_message_has_the_status_and_the_next_one_not);
    tcase_add_test(deeds, stall_completes_nothing_and_then_goes_on_without_a_burst);
    tcase_add_test(deeds, xrun_ends_all_that_was_submitted);
    tcase_add_test(deeds, latency_is_larger_from_then_on);
    tcase_add_test(deeds, fault_happens_once_at_its_moment_of_the_stream);
    tcase_add_test(deeds, capture_can_fail_too);
    suite_add_tcase(suite, words);
    suite_add_tcase(suite, deeds);
    return suite;
}
