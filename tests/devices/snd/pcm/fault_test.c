/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/pcm/fault.c, and of streams in which something goes wrong on command. */
#include "tests/capture.h"
#include "tests/devices/snd/host/probe_fixture.h"

#include <string.h>

static void set_up_prepared(const char *options)
{
    set_up(options, false);
    rig_prepare(&rig, 0);
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
    ck_assert_one_error(said, "fault");
}
END_TEST

START_TEST(option_reaches_the_streams)
{
    struct capture capture;

    capture_start(&capture);
    int r = rig_create(&rig, "fault='hum@1s'");
    ck_assert_one_error(capture_end(&capture), "");
    ck_assert_int_eq(r, -EINVAL);
}
END_TEST

/* -- what they do -- */

START_TEST(dropped_message_is_silence_and_completes_as_if_nothing_happened)
{
    struct rig_done done;

    set_up_prepared("fault='drop=2,drop@45ms'");
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

    set_up_prepared("fault='io-err=2'");
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

    set_up_prepared("fault='stall=300ms@15ms'");
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
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.stalls, 1);
    tear_down();
}
END_TEST

/* How Linux sees that it ran dry: nothing for most of the buffer (40 ms here, which is short: half
 * of it and 25 ms, since the last completion), then all at once. What it sends later has a new
 * time. */
START_TEST(xrun_ends_all_that_was_submitted_late_and_at_once)
{
    struct rig_done done;

    set_up_prepared("fault='xrun@15ms'");
    for (uint8_t i = 1; i <= 4; i++)
        play(i);
    command(RIG_START);
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    play(5);
    rig_advance(&rig, 45 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 0);
    rig_advance(&rig, 1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 4);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 1);
    for (unsigned i = 0; i < 5 * PERIOD_BYTES; i++)
        ck_assert_uint_eq(probe.got[i], i / PERIOD_BYTES + 1);
    rig_advance(&rig, RIG_MS);
    play(6);
    rig_advance(&rig, PERIOD_NS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 1);
    tear_down();
}
END_TEST

/* A host whose clock stands still took half of them: the rest is lost, and nothing else is. */
START_TEST(xrun_ends_messages_that_the_host_did_not_take)
{
    set_up("host=null,fault='xrun@5ms'", true);
    rig_prepare(&rig, 0);
    probe.capacity = 720;
    for (uint8_t i = 1; i <= 4; i++)
        play(i);
    command(RIG_START);
    probe.consumed = 480;
    probe.capacity = 240;
    probe.host.wake(&probe.host);
    rig_advance(&rig, 100 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 4);
    ck_assert_uint_eq(probe.accepted, 720);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].host->lost_frames, 1920 - 720);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 1);
    probe.capacity = 1000;
    play(5); /* takes its turn behind what the host has */
    ck_assert_uint_eq(probe.accepted, 1200);
    ck_assert_uint_eq(probe.got[720 * 4], 5);
    probe.consumed = 1199;
    probe.host.wake(&probe.host);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 0);
    probe.consumed = 1200;
    probe.host.wake(&probe.host);
    rig_advance(&rig, RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    tear_down();
}
END_TEST

START_TEST(xrun_ends_recordings_that_the_host_has_nothing_for)
{
    gpa_t data[2];

    set_up("host=null,streams=0,capture=1,fault='xrun@5ms'", true);
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 2; i++) {
        data[i] = rig_alloc(&rig, PERIOD_BYTES);
        (void)rig_record(&rig, 0, data[i], PERIOD_BYTES);
    }
    command(RIG_START);
    probe.consumed = 480;
    probe.host.wake(&probe.host);
    rig_advance(&rig, 100 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 2);
    ck_assert_uint_eq(*(const uint8_t *)memory_at(&rig.mem, data[0] + 1, 1), 1);
    ck_assert_uint_eq(*(const uint8_t *)memory_at(&rig.mem, data[1] + 1, 1), 0);
    tear_down();
}
END_TEST

/* proves: SND-70, SND-72 */
START_TEST(xrun_is_told_by_an_event)
{
    static const uint32_t set_params[6] = {
        RIG_SET_PARAMS,          0,
        4 * PERIOD_BYTES,        PERIOD_BYTES,
        1u << 4 /* EVT_XRUNS */, 2 | RIG_S16 << 8 | RIG_48000 << 16};
    uint32_t reply;

    set_up_prepared("fault='xrun@5ms'");
    ck_assert_uint_eq(rig_control(&rig, set_params, sizeof(set_params), &reply, 4, NULL), RIG_OK);
    command(RIG_PREPARE);
    gpa_t event = rig_alloc(&rig, 8);
    const struct fake_piece piece = {event, 8, FAKE_WRITE};
    (void)rig_send(&rig, RIG_EVENT, &piece, 1);
    play(1);
    command(RIG_START);
    rig_advance(&rig, 44 * RIG_MS);
    ck_assert_uint_eq(rig_load32(&rig, event), 0);
    rig_advance(&rig, RIG_MS);
    ck_assert_uint_eq(rig_load32(&rig, event), 0x1101);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    tear_down();
}
END_TEST

/* A guest that gives up meanwhile has it behind it. */
START_TEST(xrun_ends_with_release)
{
    struct rig_done done;

    set_up_prepared("fault='xrun@5ms'");
    play(1);
    command(RIG_START);
    rig_advance(&rig, 15 * RIG_MS);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    command(RIG_STOP);
    command(RIG_RELEASE);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    rig_prepare(&rig, 0);
    play(2);
    play(3);
    command(RIG_START);
    rig_advance(&rig, PERIOD_NS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 0);
    tear_down();
}
END_TEST

START_TEST(latency_is_larger_from_then_on)
{
    static const uint32_t want[] = {0, 50 * 48 * 4, 50 * 48 * 4};
    struct rig_done done;

    set_up_prepared("fault='latency=50ms@15ms'");
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

    set_up_prepared("clock=free,fault='io-err@55ms'");
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

    set_up_prepared("streams=0,capture=1,fault='drop=2'");
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
    tcase_add_test(deeds, xrun_ends_all_that_was_submitted_late_and_at_once);
    tcase_add_test(deeds, xrun_ends_messages_that_the_host_did_not_take);
    tcase_add_test(deeds, xrun_ends_recordings_that_the_host_has_nothing_for);
    tcase_add_test(deeds, xrun_is_told_by_an_event);
    tcase_add_test(deeds, xrun_ends_with_release);
    tcase_add_test(deeds, latency_is_larger_from_then_on);
    tcase_add_test(deeds, fault_happens_once_at_its_moment_of_the_stream);
    tcase_add_test(deeds, capture_can_fail_too);
    suite_add_tcase(suite, words);
    suite_add_tcase(suite, deeds);
    return suite;
}
