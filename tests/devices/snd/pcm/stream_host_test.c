/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/pcm: streams whose host has a clock, is slow, or goes away. */
#include "tests/capture.h"
#include "tests/devices/snd/host/probe_fixture.h"

#include <string.h>

/* Sends a 10 ms period whose every sample is `value`. */
static uint16_t play(int16_t value)
{
    gpa_t data = rig_alloc(&rig, 1920);
    int16_t *samples = memory_at(&rig.mem, data, 1920);

    for (unsigned i = 0; i < 960; i++)
        samples[i] = value;
    return rig_play(&rig, 0, data, 1920);
}

static int16_t got(uint64_t frame)
{
    int16_t sample;

    memcpy(&sample, probe.got + frame * 4, sizeof(sample));
    return sample;
}

/* Plays `frames` frames of what the host holds, has the stream look. */
static void host_plays(uint64_t frames)
{
    probe.consumed += frames;
    ck_assert_uint_le(probe.consumed, probe.accepted);
    probe.host.wake(&probe.host);
}

/* -- a host with a clock -- */

/* T23. */
/* proves: SND-56 */
START_TEST(messages_complete_by_the_hosts_position_alone)
{
    struct rig_done done;

    set_up("host=null", true);
    rig_prepare(&rig, 0);
    probe.capacity = 1000;
    for (int16_t i = 0; i < 4; i++)
        (void)play(i);
    ck_assert_uint_eq(probe.accepted, 0); /* nothing before START: PREPARE may come again */
    command(RIG_START);
    ck_assert_uint_eq(probe.accepted, 1000); /* as far ahead as there is room */
    ck_assert_uint_eq(probe.starts, 1);
    rig_advance(&rig, 1000 * RIG_MS); /* a second by our clock, none by the host's */
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    host_plays(479);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(probe.accepted, 1479);
    probe.latency = 100;
    host_plays(1);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(done.latency_bytes, 400);
    host_plays(959);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    host_plays(1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    for (uint64_t frame = 0; frame < 1920; frame++)
        ck_assert_int_eq(got(frame), (int16_t)(frame / 480));
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 0);
    tear_down();
}
END_TEST

START_TEST(position_past_the_end_of_periods_completes_them_all)
{
    struct rig_done done;

    set_up("host=null", true);
    probe.capacity = 2000;
    rig_prepare(&rig, 0);
    for (int16_t i = 0; i < 4; i++)
        (void)play(i);
    command(RIG_START);
    host_plays(1100); /* two periods, and a part of the third */
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 2);
    probe.consumed = 5000; /* more than there is */
    probe.host.wake(&probe.host);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(done.latency_bytes, 0);
    rig_advance(&rig, RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    probe.capacity = UINT64_MAX;
    (void)play(5);
    probe.host.wake(&probe.host);
    ck_assert_int_eq(got(1920), 5);
    tear_down();
}
END_TEST

START_TEST(stream_looks_when_the_host_expects_a_period_to_end)
{
    set_up("host=null", true);
    rig_prepare(&rig, 0);
    (void)play(1);
    command(RIG_START);
    ck_assert_uint_eq(rig_next_alarm(&rig), 10 * RIG_MS);
    probe.consumed = 240;
    rig_advance(&rig, 10 * RIG_MS); /* the host's clock is slower */
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 0);
    ck_assert_uint_eq(rig_next_alarm(&rig), 5 * RIG_MS);
    probe.consumed = 480;
    rig_advance(&rig, 5 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(rig_next_alarm(&rig), 10 * RIG_MS); /* will the guest be late? */
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert_uint_eq(rig_next_alarm(&rig), UINT64_MAX);
    tear_down();
}
END_TEST

START_TEST(pause_loses_nothing)
{
    set_up("host=null", true);
    rig_prepare(&rig, 0);
    (void)play(1);
    (void)play(2);
    command(RIG_START);
    host_plays(100);
    command(RIG_STOP);
    ck_assert_uint_eq(probe.stops, 1);
    rig_advance(&rig, 1000 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 0);
    command(RIG_START);
    ck_assert_uint_eq(probe.accepted, 580);
    host_plays(480);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    for (uint64_t frame = 0; frame < 960; frame++)
        ck_assert_int_eq(got(frame), frame < 480 ? 1 : 2);
    tear_down();
}
END_TEST

START_TEST(underrun_of_the_guest_is_counted_with_the_hosts_clock_too)
{
    set_up("host=null", true);
    rig_prepare(&rig, 0);
    (void)play(1);
    command(RIG_START);
    host_plays(480);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    rig_advance(&rig, 50 * RIG_MS);
    (void)play(2);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 1);
    host_plays(480);
    rig_advance(&rig, RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    tear_down();
}
END_TEST

/* -- a host that goes away (H12) -- */

static void fail_position(void)
{
    probe.position_result = -ENODEV;
}

static void fail_write(void)
{
    probe.write_result = -EIO;
}

static void (*const failures[])(void) = {fail_position, fail_write};

START_TEST(stream_goes_on_in_real_time_without_its_host)
{
    struct rig_done done;

    set_up("host=null", true);
    rig_prepare(&rig, 0);
    for (int16_t i = 0; i < 4; i++)
        (void)play(i);
    command(RIG_START);
    host_plays(300);
    failures[_i]();
    probe.open_result = -ENODEV;
    host_plays(0);
    ck_assert_uint_eq(probe.closes, 1);
    rig_advance(&rig, 180 * RIG_MS / 48 - 1); /* the rest of the first period */
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 2);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(done.status, RIG_OK);
    ck_assert_uint_eq(done.latency_bytes, 0);
    rig_advance(&rig, 30 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 3);
    unsigned opens = probe.opens;
    for (int16_t i = 0; i < 500; i++) { /* five seconds: tries about once a second */
        (void)play(i);
        rig_advance(&rig, 10 * RIG_MS);
    }
    ck_assert_uint_ge(probe.opens - opens, 4);
    ck_assert_uint_le(probe.opens - opens, 6);
    command(RIG_STOP);
    command(RIG_RELEASE);
    tear_down();
}
END_TEST

START_TEST(host_that_returns_is_heard_again)
{
    set_up("host=null", true);
    rig_prepare(&rig, 0);
    for (int16_t i = 0; i < 4; i++)
        (void)play(i);
    command(RIG_START);
    probe.position_result = -ENODEV;
    host_plays(0);
    probe.position_result = 0;
    for (int16_t i = 4; i < 110; i++) { /* until after the second try */
        rig_advance(&rig, 10 * RIG_MS);
        (void)play(i);
    }
    ck_assert_uint_eq(probe.opens, 2);
    ck_assert_uint_eq(probe.starts, 2);
    unsigned before = rig_done_count(&rig, RIG_TX);
    ck_assert_uint_ge(before, 99);
    ck_assert_uint_gt(probe.accepted, 0);
    rig_advance(&rig, 1000 * RIG_MS); /* it is the host's clock again */
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 0);
    host_plays(480);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 0);
    tear_down();
}
END_TEST

/* proves: SND-51 */
START_TEST(host_failure_in_prepare_leaves_the_state)
{
    set_up("host=null", true);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 4 * 1920, 1920, 2, RIG_S16, RIG_48000), RIG_OK);
    probe.open_result = -EBUSY;
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_IO_ERR);
    ck_assert_int_eq(rig.snd->pcm.streams[0].state, STREAM_PARAMS);
    probe.open_result = 0;
    command(RIG_PREPARE);
    command(RIG_RELEASE);
    probe.open_result = -EACCES;
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_IO_ERR);
    ck_assert_int_eq(rig.snd->pcm.streams[0].state, STREAM_RELEASED);
    probe.class.reopens = false; /* one that is gone for good */
    probe.open_result = -ENODEV;
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_IO_ERR);
    tear_down();
}
END_TEST

START_TEST(host_failure_in_start_or_stop_means_silence)
{
    set_up("host=null", true);
    rig_prepare(&rig, 0);
    for (int16_t i = 0; i < 4; i++)
        (void)play(i);
    probe.start_result = -EIO;
    command(RIG_START);
    ck_assert_uint_eq(probe.closes, 1);
    rig_advance(&rig, 9 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 0);
    rig_advance(&rig, 2 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    probe.start_result = 0;
    rig_advance(&rig, 1000 * RIG_MS); /* it is tried again */
    ck_assert_uint_eq(probe.starts, 2);
    probe.stop_result = -EIO;
    command(RIG_STOP);
    ck_assert_int_eq(rig.snd->pcm.streams[0].state, STREAM_STOPPED);
    ck_assert_uint_eq(probe.closes, 2);
    command(RIG_RELEASE);
    tear_down();
}
END_TEST

START_TEST(host_that_is_gone_at_prepare_means_silence)
{
    static const int gone[] = {-ENODEV, -ENOENT, -ENXIO, -ECONNREFUSED, -EHOSTDOWN, -ETIMEDOUT};

    set_up("host=null", true);
    probe.open_result = gone[_i];
    rig_prepare(&rig, 0);
    for (int16_t i = 0; i < 4; i++)
        (void)play(i);
    command(RIG_START);
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(probe.starts, 0);
    probe.open_result = 0;
    for (int16_t i = 4; i < 110; i++) { /* until it is tried again */
        rig_advance(&rig, 10 * RIG_MS);
        (void)play(i);
    }
    ck_assert_uint_eq(probe.opens, 2);
    ck_assert_uint_eq(probe.starts, 1);
    ck_assert_uint_gt(probe.accepted, 0);
    tear_down();
}
END_TEST

/* -- a host that is slow to open (T15) -- */

/* Sends PREPARE and comes back without an answer: where it will be. */
static gpa_t prepare_begin(void)
{
    const le32 request[] = {to_le32(RIG_PREPARE), to_le32(0)};

    ck_assert_uint_eq(rig_set_params(&rig, 0, 4 * 1920, 1920, 2, RIG_S16, RIG_48000), RIG_OK);
    return rig_ask(&rig, request, 8);
}

static void set_up_slow(void)
{
    set_up("host=null,streams=2", true);
    probe.open_result = -EINPROGRESS;
}

/* The host has been opened by now, or has not. */
static void opened(int r)
{
    probe.host.opened(&probe.host, r);
    rig_step(&rig);
}

/* proves: SND-11 */
START_TEST(slow_open_delays_its_own_answer_only)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_CONTROL];
    uint32_t id, used;

    set_up_slow();
    gpa_t reply = prepare_begin();
    ck_assert(!fake_used(ring, &id, &used));
    rig_prepare(&rig, 1); /* answered at once */
    opened(0);
    ck_assert(fake_used(ring, &id, &used));
    ck_assert_uint_eq(used, 4);
    ck_assert_uint_eq(rig_load32(&rig, reply), RIG_OK);
    ck_assert_int_eq(rig.snd->pcm.streams[0].state, STREAM_PREPARED);
    (void)play(1);
    command(RIG_START);
    ck_assert_uint_eq(probe.accepted, 480);
    tear_down();
}
END_TEST

START_TEST(failing_slow_open_is_told)
{
    uint32_t id, used;

    set_up_slow();
    gpa_t reply = prepare_begin();
    opened(-EBUSY);
    ck_assert(fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    ck_assert_uint_eq(rig_load32(&rig, reply), RIG_IO_ERR);
    ck_assert_int_eq(rig.snd->pcm.streams[0].state, STREAM_PARAMS);
    tear_down();
}
END_TEST

/* Linux gives up after a second. */
START_TEST(hanging_open_is_answered_in_time_and_heard_later)
{
    struct capture capture;
    uint32_t id, used;

    set_up_slow();
    gpa_t reply = prepare_begin();
    rig_advance(&rig, 499 * RIG_MS);
    ck_assert(!fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    capture_start(&capture);
    rig_advance(&rig, 1 * RIG_MS);
    const char *said = capture_end(&capture);
    ck_assert_ptr_nonnull(strstr(said, "slow to open"));
    ck_assert(fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    ck_assert_uint_eq(rig_load32(&rig, reply), RIG_OK);
    for (int16_t i = 0; i < 4; i++)
        (void)play(i);
    command(RIG_START);
    rig_advance(&rig, 10 * RIG_MS); /* in real time */
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(probe.got_frames, 0);
    rig_advance(&rig, 5 * RIG_MS);
    opened(0);
    ck_assert_uint_eq(probe.starts, 1);
    ck_assert_uint_eq(probe.accepted, 480);
    ck_assert_int_eq(got(0), 1); /* from the middle of the second period on */
    ck_assert_int_eq(got(239), 1);
    ck_assert_int_eq(got(240), 2);
    host_plays(240);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    tear_down();
}
END_TEST

START_TEST(another_command_ends_the_wait)
{
    struct capture capture;
    uint32_t id, used;

    set_up_slow();
    gpa_t reply = prepare_begin();
    capture_start(&capture);
    const le32 request[] = {to_le32(RIG_RELEASE), to_le32(0)};
    gpa_t out = rig_ask(&rig, request, 8);
    (void)capture_end(&capture);
    ck_assert(fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    ck_assert(fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    ck_assert_uint_eq(rig_load32(&rig, reply), RIG_OK);
    ck_assert_uint_eq(rig_load32(&rig, out), RIG_OK);
    ck_assert_int_eq(rig.snd->pcm.streams[0].state, STREAM_RELEASED);
    ck_assert_uint_eq(probe.opens, 1);
    ck_assert_uint_eq(probe.closes, 1); /* nobody wants it any more */
    tear_down();
}
END_TEST

START_TEST(second_prepare_waits_for_the_same_open)
{
    struct capture capture;
    uint32_t id, used;

    set_up_slow();
    gpa_t first = prepare_begin();
    const le32 request[] = {to_le32(RIG_PREPARE), to_le32(0)};
    capture_start(&capture);
    gpa_t second = rig_ask(&rig, request, 8);
    (void)capture_end(&capture);
    ck_assert(fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    ck_assert_uint_eq(rig_load32(&rig, first), RIG_OK);
    ck_assert(!fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    opened(0);
    ck_assert_uint_eq(rig_load32(&rig, second), RIG_OK);
    ck_assert_uint_eq(probe.opens, 1);
    tear_down();
}
END_TEST

START_TEST(new_parameters_take_a_slow_open_back)
{
    struct capture capture;
    uint32_t id, used;

    set_up_slow();
    (void)prepare_begin();
    capture_start(&capture);
    rig_advance(&rig, 500 * RIG_MS);
    (void)capture_end(&capture);
    ck_assert(fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    ck_assert_uint_eq(rig_set_params(&rig, 0, 3840, 1920, 2, RIG_S32, RIG_44100), RIG_OK);
    ck_assert_uint_eq(probe.closes, 1);
    probe.open_result = 0;
    command(RIG_PREPARE);
    ck_assert_uint_eq(probe.opens, 2);
    ck_assert_uint_eq(probe.frame_bytes, 8);
    tear_down();
}
END_TEST

START_TEST(reset_takes_a_slow_open_back)
{
    set_up_slow();
    (void)prepare_begin();
    rig_restart(&rig);
    ck_assert_uint_eq(probe.closes, 1);
    gpa_t reply = prepare_begin();
    opened(0);
    ck_assert_uint_eq(rig_load32(&rig, reply), RIG_OK);
    ck_assert_uint_eq(probe.opens, 2);
    tear_down();
}
END_TEST

Suite *stream_host_suite(void);
Suite *stream_host_suite(void)
{
    Suite *suite = suite_create("snd/stream_host");
    TCase *clock = tcase_create("clock");
    TCase *gone = tcase_create("gone");
    TCase *slow = tcase_create("slow");

    tcase_add_test(clock, messages_complete_by_the_hosts_position_alone);
    tcase_add_test(clock, position_past_the_end_of_periods_completes_them_all);
    tcase_add_test(clock, stream_looks_when_the_host_expects_a_period_to_end);
    tcase_add_test(clock, pause_loses_nothing);
    tcase_add_test(clock, underrun_of_the_guest_is_counted_with_the_hosts_clock_too);
    tcase_add_loop_test(gone, stream_goes_on_in_real_time_without_its_host, 0,
                        ARRAY_SIZE(failures));
    tcase_add_test(gone, host_that_returns_is_heard_again);
    tcase_add_test(gone, host_failure_in_prepare_leaves_the_state);
    tcase_add_test(gone, host_failure_in_start_or_stop_means_silence);
    tcase_add_loop_test(gone, host_that_is_gone_at_prepare_means_silence, 0, 6);
    tcase_add_test(slow, slow_open_delays_its_own_answer_only);
    tcase_add_test(slow, failing_slow_open_is_told);
    tcase_add_test(slow, hanging_open_is_answered_in_time_and_heard_later);
    tcase_add_test(slow, another_command_ends_the_wait);
    tcase_add_test(slow, second_prepare_waits_for_the_same_open);
    tcase_add_test(slow, new_parameters_take_a_slow_open_back);
    tcase_add_test(slow, reset_takes_a_slow_open_back);
    suite_add_tcase(suite, clock);
    suite_add_tcase(suite, gone);
    suite_add_tcase(suite, slow);
    return suite;
}
