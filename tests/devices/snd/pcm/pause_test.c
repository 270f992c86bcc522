/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/pcm: the machine is paused, and goes on, while streams play and record; a
 * queue stops. */
#include "tests/capture.h"
#include "tests/devices/snd/host/probe_fixture.h"

#include <string.h>

#define PAUSE_NS (10000 * RIG_MS)

/* Nothing comes back while no time passes for the guest. */
static void pause_machine(void)
{
    uint16_t used[2];

    virtio_pause(rig.dev);
    for (unsigned i = 0; i < 2; i++)
        used[i] = rig.dev->queue[RIG_TX + i].next_used;
    rig_advance(&rig, PAUSE_NS);
    ck_assert_uint_eq(rig.dev->queue[RIG_TX].next_used, used[0]);
    ck_assert_uint_eq(rig.dev->queue[RIG_RX].next_used, used[1]);
    virtio_resume(rig.dev, PAUSE_NS);
    rig_step(&rig);
}

static void play(unsigned periods)
{
    static uint8_t next;

    for (unsigned i = 0; i < periods; i++) {
        gpa_t data = rig_alloc(&rig, PERIOD_BYTES);
        memset(memory_at(&rig.mem, data, PERIOD_BYTES), next++, PERIOD_BYTES);
        (void)rig_play(&rig, 0, data, PERIOD_BYTES);
    }
}

static void check_undisturbed(void)
{
    const struct stream_counts *counts = &rig.snd->pcm.streams[0].counts;

    ck_assert_uint_eq(counts->xruns, 0);
    ck_assert_uint_eq(counts->stalls, 0);
    ck_assert_uint_eq(counts->late_max_ns, 0);
    ck_assert_uint_eq(counts->bad_messages, 0);
}

START_TEST(playback_goes_on_in_the_middle_of_its_period)
{
    struct rig_done done;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    play(4);
    command(RIG_START);
    rig_advance(&rig, 14 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    pause_machine();
    rig_advance(&rig, 6 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    rig_advance(&rig, PERIOD_NS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    for (unsigned i = 1; i < 3; i++) /* each period once, in its place */
        ck_assert_uint_eq(probe.got[i * PERIOD_BYTES], (uint8_t)(probe.got[0] + i));
    ck_assert_uint_eq(probe.got_frames, 3 * 480);
    ck_assert_uint_eq(probe.stops, 0); /* such a host has no life of its own */
    check_undisturbed();
    tear_down();
}
END_TEST

/* What was played before a volume changes is moved first; in a pause nothing is played. */
START_TEST(volume_that_is_set_in_a_pause_moves_no_frame)
{
    const struct wire_ctl_value half = {.number = {to_le32(128), to_le32(128)}};

    set_up("host=null,controls=on", false);
    rig_prepare(&rig, 0);
    play(4);
    command(RIG_START);
    rig_advance(&rig, 14 * RIG_MS);
    virtio_pause(rig.dev);
    rig_advance(&rig, PAUSE_NS);
    ctl_set(&rig.snd->ctls, 0, &half);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].moved_frames, 14 * 48);
    virtio_resume(rig.dev, PAUSE_NS);
    rig_step(&rig);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].moved_frames, 14 * 48);
    check_undisturbed();
    tear_down();
}
END_TEST

START_TEST(recording_goes_on_without_a_lost_or_doubled_frame)
{
    gpa_t data[8];

    set_up("host=null,streams=0,capture=1", false);
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 8; i++) {
        data[i] = rig_alloc(&rig, PERIOD_BYTES);
        if (i < 4)
            (void)rig_record(&rig, 0, data[i], PERIOD_BYTES);
    }
    command(RIG_START);
    for (unsigned i = 0; i < 8; i++) {
        rig_advance(&rig, 3 * RIG_MS);
        pause_machine();
        rig_advance(&rig, 7 * RIG_MS);
        ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 1);
        if (i < 4)
            (void)rig_record(&rig, 0, data[i + 4], PERIOD_BYTES);
    }
    for (unsigned i = 0; i < 8 * PERIOD_BYTES; i++) {
        const uint8_t *byte = memory_at(&rig.mem, data[i / PERIOD_BYTES] + i % PERIOD_BYTES, 1);
        ck_assert_uint_eq(*byte, (uint8_t)i);
    }
    check_undisturbed();
    tear_down();
}
END_TEST

START_TEST(host_with_a_clock_stops_and_goes_on)
{
    set_up("host=null", true);
    probe.capacity = 1000;
    rig_prepare(&rig, 0);
    play(4);
    command(RIG_START);
    probe.consumed = 700;
    probe.host.wake(&probe.host);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    pause_machine();
    ck_assert_uint_eq(probe.stops, 1);
    ck_assert_uint_eq(probe.starts, 2);
    ck_assert_uint_eq(probe.opens, 1);
    ck_assert_uint_eq(probe.accepted, 1700);
    probe.consumed = 1700;
    probe.host.wake(&probe.host);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 2);
    ck_assert_uint_eq(probe.accepted, 1920);
    for (unsigned i = 1; i < 4; i++)
        ck_assert_uint_eq(probe.got[i * PERIOD_BYTES], (uint8_t)(probe.got[0] + i));
    check_undisturbed();
    tear_down();
}
END_TEST

START_TEST(host_that_fails_meanwhile_is_done_without)
{
    set_up("host=null", true);
    rig_prepare(&rig, 0);
    play(4);
    command(RIG_START);
    *(_i == 0 ? &probe.stop_result : &probe.start_result) = -ENODEV;
    pause_machine();
    ck_assert_uint_eq(probe.closes, 1);
    rig_advance(&rig, PERIOD_NS); /* in real time */
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    rig_advance(&rig,
                1000 * RIG_MS - PERIOD_NS); /* and tried again, a second of the guest's later */
    ck_assert_uint_eq(probe.opens, 2);
    tear_down();
}
END_TEST

START_TEST(free_clock_goes_on)
{
    set_up("host=null,clock=free", false);
    rig_prepare(&rig, 0);
    play(4);
    command(RIG_START);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 3);
    pause_machine();
    rig_advance(&rig, 99 * RIG_MS); /* the last one is held as long as ever */
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 0);
    rig_advance(&rig, RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    play(1);
    play(1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    check_undisturbed();
    tear_down();
}
END_TEST

START_TEST(stopped_stream_stays_so)
{
    set_up("host=null", true);
    rig_prepare(&rig, 0);
    play(2);
    pause_machine();
    ck_assert_uint_eq(probe.starts, 0);
    command(RIG_START);
    command(RIG_STOP);
    pause_machine();
    ck_assert_uint_eq(probe.starts, 1);
    ck_assert_uint_eq(probe.stops, 1);
    tear_down();
}
END_TEST

/* Linux's second, too, stands still. */
START_TEST(parked_request_waits_as_long_as_ever)
{
    const le32 request[] = {to_le32(RIG_PREPARE), to_le32(0)};
    struct capture capture;
    uint32_t id, used;

    set_up("host=null", true);
    probe.open_result = -EINPROGRESS;
    ck_assert_uint_eq(rig_set_params(&rig, 0, 7680, 1920, 2, RIG_S16, RIG_48000), RIG_OK);
    (void)rig_ask(&rig, request, sizeof(request));
    rig_advance(&rig, 300 * RIG_MS);
    pause_machine();
    rig_advance(&rig, 199 * RIG_MS);
    ck_assert(!fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    capture_start(&capture);
    rig_advance(&rig, RIG_MS);
    (void)capture_end(&capture);
    ck_assert(fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    tear_down();
}
END_TEST

/* The driver may have the memory of a queue back: what it holds is answered, and its streams begin
 * anew. */
/* proves: VQ-R-01 */
START_TEST(queue_that_stops_gives_its_messages_back)
{
    struct rig_done done;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    play(3);
    command(RIG_START);
    rig_advance(&rig, PERIOD_NS / 2);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    fake_write(&rig.drv, FAKE_QUEUE_SEL, RIG_TX);
    fake_write(&rig.drv, FAKE_QUEUE_READY, 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(rig_done(&rig, RIG_TX, &done));
        ck_assert_uint_eq(done.status, RIG_IO_ERR);
    }
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 10 * PERIOD_NS);
    fake_queue_setup(&rig.drv, RIG_TX, 64);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_NOT_SUPP);
    rig_prepare(&rig, 0);
    play(1);
    command(RIG_START);
    rig_advance(&rig, 2 * PERIOD_NS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    tear_down();
}
END_TEST

Suite *pause_suite(void);
Suite *pause_suite(void)
{
    Suite *suite = suite_create("snd/pause");
    TCase *tcase = tcase_create("pause");

    tcase_add_test(tcase, playback_goes_on_in_the_middle_of_its_period);
    tcase_add_test(tcase, volume_that_is_set_in_a_pause_moves_no_frame);
    tcase_add_test(tcase, recording_goes_on_without_a_lost_or_doubled_frame);
    tcase_add_test(tcase, host_with_a_clock_stops_and_goes_on);
    tcase_add_loop_test(tcase, host_that_fails_meanwhile_is_done_without, 0, 2);
    tcase_add_test(tcase, free_clock_goes_on);
    tcase_add_test(tcase, stopped_stream_stays_so);
    tcase_add_test(tcase, parked_request_waits_as_long_as_ever);
    tcase_add_test(tcase, queue_that_stops_gives_its_messages_back);
    suite_add_tcase(suite, tcase);
    return suite;
}
