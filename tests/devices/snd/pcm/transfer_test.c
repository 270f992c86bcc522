/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/pcm/transfer.c: messages and periods in simulated time. */
#include "tests/devices/snd/host/probe_fixture.h"

#include <string.h>

static const struct stream_counts *counts(void)
{
    return &rig.snd->pcm.streams[0].counts;
}

static uint16_t play(void)
{
    return rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
}

/* -- paced -- */

/* T24. */
/* proves: SND-57, SND-58, SND-61, SND-62 */
START_TEST(each_period_completes_at_its_own_deadline)
{
    struct rig_done done;
    uint16_t head[4];

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 4; i++)
        head[i] = play();
    rig_advance(&rig, 100 * RIG_MS);
    ck_assert(!rig_done(&rig, RIG_TX, &done)); /* not started */
    command(RIG_START);
    for (unsigned i = 0; i < 40; i++) {
        rig_advance(&rig, PERIOD_NS - 1);
        ck_assert(!rig_done(&rig, RIG_TX, &done));
        rig_advance(&rig, 1);
        ck_assert(rig_done(&rig, RIG_TX, &done));
        ck_assert_uint_eq(done.head, head[i % 4]);
        ck_assert_uint_eq(done.status, RIG_OK);
        ck_assert_uint_eq(done.latency_bytes, 0);
        ck_assert_uint_eq(done.used_len, 8);
        ck_assert(!rig_done(&rig, RIG_TX, &done));
        ck_assert_uint_eq(probe.got_frames, 480u * (i + 1));
        head[i % 4] = play();
    }
    ck_assert_uint_eq(counts()->messages, 40);
    ck_assert_uint_eq(counts()->frames, 40 * 480);
    ck_assert_uint_eq(counts()->xruns, 0);
    ck_assert_uint_eq(counts()->stalls, 0);
    tear_down();
}
END_TEST

/* The second channel is muted: every other sample, as it lies there, is. */
/* proves: SND-21 */
START_TEST(samples_of_a_frame_lie_side_by_side)
{
    const struct wire_ctl_value right_muted = {.number = {to_le32(256), to_le32(0)}};
    gpa_t data;

    set_up("host=null,controls=on", false);
    rig_prepare(&rig, 0);
    ctl_set(&rig.snd->ctls, 0, &right_muted);
    data = rig_alloc(&rig, PERIOD_BYTES);
    memset(memory_at(&rig.mem, data, PERIOD_BYTES), 0x12, PERIOD_BYTES);
    (void)rig_play(&rig, 0, data, PERIOD_BYTES);
    command(RIG_START);
    rig_advance(&rig, PERIOD_NS);
    for (unsigned i = 0; i < PERIOD_BYTES; i++)
        ck_assert_uint_eq(probe.got[i], i % 4 < 2 ? 0x12 : 0);
    tear_down();
}
END_TEST

START_TEST(each_completed_period_has_one_edge)
{
    set_up("host=null", false);
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 4; i++)
        play();
    command(RIG_START);
    (void)fake_edges(&rig.drv); /* those of the commands */
    for (unsigned i = 0; i < 8; i++) {
        fake_used_event_set(&rig.drv.ring[RIG_TX], rig.drv.ring[RIG_TX].used_seen);
        rig_advance(&rig, PERIOD_NS - 1);
        ck_assert_uint_eq(fake_edges(&rig.drv), 0);
        rig_advance(&rig, 1);
        ck_assert_uint_eq(fake_edges(&rig.drv), 1);
        ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
        play();
        ck_assert_uint_eq(fake_edges(&rig.drv), 0); /* none for what is only taken */
    }
    tear_down();
}
END_TEST

/* A driver need not kick before START: all that is in the ring then begins to play. */
START_TEST(messages_without_a_kick_are_there_at_start)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_TX];
    gpa_t in, data, out;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    in = rig_alloc(&rig, 4), data = rig_alloc(&rig, PERIOD_BYTES), out = rig_alloc(&rig, 8);
    const struct fake_piece pieces[] = {{in, 4, 0}, {data, PERIOD_BYTES, 0}, {out, 8, FAKE_WRITE}};
    virtq_kicks_off(&rig.dev->queue[RIG_TX]);
    uint16_t head = fake_chain(ring, pieces, 3);
    rig.status_of[RIG_TX][head] = out;
    fake_offer(ring, head);
    rig_step(&rig);
    ck_assert_ptr_null(rig.snd->pcm.streams[0].oldest);
    command(RIG_START);
    ck_assert_ptr_nonnull(rig.snd->pcm.streams[0].oldest);
    rig_advance(&rig, PERIOD_NS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 0);
    tear_down();
}
END_TEST

/* What Linux posts with 20 players at once: nothing is left behind. */
START_TEST(twenty_players_have_room_for_sixteen_periods_each)
{
    gpa_t data;

    set_up("host=null,streams=20", false);
    data = rig_alloc(&rig, 192);
    for (uint32_t stream = 0; stream < 20; stream++) {
        ck_assert_uint_eq(rig_set_params(&rig, stream, 16 * 192, 192, 2, RIG_S16, RIG_48000),
                          RIG_OK);
        ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, stream), RIG_OK);
        for (unsigned i = 0; i < 16; i++)
            (void)rig_play(&rig, stream, data, 192);
        ck_assert_uint_eq(rig_command(&rig, RIG_START, stream), RIG_OK);
    }
    rig_advance(&rig, 20 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 320);
    tear_down();
}
END_TEST

/* T21, and kernels before 6.7: what lies in the buffer when the period is played is what counts. */
START_TEST(frames_are_copied_when_they_are_played)
{
    const uint32_t old_bytes = 0x11111111, new_bytes = 0x22222222;
    uint32_t got;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    command(RIG_START);
    gpa_t data = rig_alloc(&rig, PERIOD_BYTES);
    ck_assert_int_eq(memory_write(&rig.mem, data, &old_bytes, 4), 0);
    (void)rig_play(&rig, 0, data, PERIOD_BYTES);
    rig_advance(&rig, PERIOD_NS - 1);
    ck_assert_int_eq(memory_write(&rig.mem, data, &new_bytes, 4), 0);
    rig_advance(&rig, 1);
    memcpy(&got, probe.got, 4);
    ck_assert_uint_eq(got, new_bytes);
    tear_down();
}
END_TEST

/* H9: the header is read once, when the message is taken. */
START_TEST(rewritten_header_is_not_seen)
{
    const le32 zero = to_le32(0), wrong = to_le32(0xffffffff);
    struct rig_done done;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    command(RIG_START);
    gpa_t header = rig_alloc(&rig, 4), data = rig_alloc(&rig, PERIOD_BYTES);
    gpa_t status = rig_alloc(&rig, 8);
    const struct fake_piece pieces[] = {
        {header, 4, 0}, {data, PERIOD_BYTES, 0}, {status, 8, FAKE_WRITE}};
    ck_assert_int_eq(memory_write(&rig.mem, header, &zero, 4), 0);
    rig.status_of[RIG_TX][rig_send(&rig, RIG_TX, pieces, 3)] = status;
    ck_assert_int_eq(memory_write(&rig.mem, header, &wrong, 4), 0);
    fake_desc(&rig.mem, rig.drv.ring[RIG_TX].desc, 1, (struct fake_piece){~0ull, ~0u, 0}, 1);
    rig_advance(&rig, PERIOD_NS);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(done.status, RIG_OK);
    ck_assert_uint_eq(probe.got_frames, 480);
    tear_down();
}
END_TEST

static const struct {
    uint8_t rate;
    uint32_t rate_hz, period_frames;
} drifts[] = {{6, 44100, 8191}, {7, 48000, 8192}, {2, 11025, 1103}};

/* An hour of periods, each wake-up late by a random time below a period. */
START_TEST(an_hour_through_the_device_drifts_less_than_a_frame)
{
    const uint32_t rate_hz = drifts[_i].rate_hz, period = drifts[_i].period_frames;
    uint64_t frames = 0, jitter = 1, begin;

    rig_start(&rig, "host=null,rates=all");
    ck_assert_uint_eq(
        rig_set_params(&rig, 0, 8 * period * 4, period * 4, 2, RIG_S16, drifts[_i].rate), RIG_OK);
    command(RIG_PREPARE);
    gpa_t data = rig_alloc(&rig, period * 4);
    for (unsigned i = 0; i < 8; i++)
        (void)rig_play(&rig, 0, data, period * 4);
    begin = rig.now_ns;
    command(RIG_START);
    while (frames < 3600ull * rate_hz) {
        jitter = (jitter * 6364136223846793005u + 1442695040888963407u) >> 1;
        rig_stall(&rig, rig_next_alarm(&rig) + jitter % (3 * RIG_MS));
        for (unsigned n = rig_done_count(&rig, RIG_TX); n > 0; n--) {
            frames += period;
            (void)rig_play(&rig, 0, data, period * 4);
        }
    }
    ck_assert_uint_eq(counts()->xruns, 0);
    ck_assert_uint_eq(counts()->stalls, 0);
    /* When the next one would be due, against the ideal. */
    double due_ns = (double)(rig.now_ns + rig_next_alarm(&rig) - begin);
    double ideal_ns = (double)(frames + period) * 1e9 / rate_hz;
    ck_assert_double_le(due_ns - ideal_ns, 1e9 / rate_hz);
    ck_assert_double_ge(due_ns - ideal_ns, -1e9 / rate_hz);
    rig_end(&rig);
}
END_TEST

/* Whether the driver would have to kick for one more message. */
static bool kick_wanted(void)
{
    return fake_kick_wanted_next(&rig.drv.ring[RIG_TX], true);
}

/* While periods are held the driver need not kick: half of the exits. */
START_TEST(kicks_are_asked_for_only_when_they_matter)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_TX];

    set_up("host=null", false);
    ck_assert(kick_wanted());
    rig_prepare(&rig, 0);
    (void)play();
    (void)play();
    ck_assert(kick_wanted());
    command(RIG_START);
    for (unsigned i = 0; i < 5; i++) {
        uint16_t head = ring->next_desc;
        gpa_t header = rig_alloc(&rig, 4), data = rig_alloc(&rig, 1920),
              status = rig_alloc(&rig, 8);
        const struct fake_piece pieces[] = {
            {header, 4, 0}, {data, 1920, 0}, {status, 8, FAKE_WRITE}};
        ck_assert_uint_eq(fake_chain(ring, pieces, 3), head);
        rig.status_of[RIG_TX][head] = status;
        fake_offer(ring, head);
        ck_assert(!fake_kick_wanted(ring, (uint16_t)(ring->avail_idx - 1), true));
        rig_advance(&rig, PERIOD_NS);
        ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    }
    rig_advance(&rig, 2 * PERIOD_NS); /* dry: now it matters again */
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 2);
    ck_assert(kick_wanted());
    ck_assert_uint_eq(counts()->xruns, 0);
    tear_down();
}
END_TEST

/* -- pause, underrun, drain -- */

/* proves: SND-46, SND-47 */
START_TEST(pause_keeps_messages_and_the_place_in_them)
{
    struct rig_done done;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    command(RIG_START);
    for (unsigned i = 0; i < 3; i++)
        (void)play();
    rig_advance(&rig, 13 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    command(RIG_STOP);
    rig_advance(&rig, 5000 * RIG_MS);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    command(RIG_START);
    rig_advance(&rig, 7 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(counts()->xruns, 0);
    tear_down();
}
END_TEST

/* proves: SND-71, SND-72 */
START_TEST(underrun_is_counted_once_and_what_follows_takes_its_full_time)
{
    struct rig_done done;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    command(RIG_START);
    (void)play();
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 77 * RIG_MS);        /* nothing to play */
    ck_assert_uint_eq(counts()->xruns, 0); /* it may be the end */
    (void)play();
    ck_assert_uint_eq(counts()->xruns, 1);
    rig_advance(&rig, 10 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(probe.got_frames, 960); /* no silence in a recording */
    tear_down();
}
END_TEST

START_TEST(drain_is_no_underrun)
{
    set_up("host=null", false);
    for (unsigned i = 0; i < 3; i++) {
        rig_prepare(&rig, 0);
        (void)play();
        command(RIG_START);
        rig_advance(&rig, 500 * RIG_MS);
        command(RIG_STOP);
        ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
        command(RIG_RELEASE);
    }
    ck_assert_uint_eq(counts()->xruns, 0);
    tear_down();
}
END_TEST

START_TEST(late_first_message_is_no_underrun)
{
    struct rig_done done;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    command(RIG_START);
    rig_advance(&rig, 500 * RIG_MS);
    (void)play();
    rig_advance(&rig, 10 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done)); /* it begins when it comes */
    rig_advance(&rig, 1);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(counts()->xruns, 0);
    tear_down();
}
END_TEST

/* proves: SND-63 */
START_TEST(short_last_message_takes_its_own_time)
{
    struct rig_done done;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    (void)play();
    (void)rig_play(&rig, 0, rig_alloc(&rig, 480), 480); /* 120 frames: 2.5 ms */
    command(RIG_START);
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 2500000 - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(probe.got_frames, 600);
    tear_down();
}
END_TEST

/* -- lateness -- */

/* The whole ring at once would read as no progress to the stock driver. */
START_TEST(last_message_is_held_when_all_are_due)
{
    struct rig_done done;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    (void)play();
    (void)play();
    command(RIG_START);
    rig_stall(&rig, 2 * PERIOD_NS); /* both are due, one of them not late enough for a shift */
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    rig_advance(&rig, 1 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(counts()->stalls, 0);
    tear_down();
}
END_TEST

START_TEST(small_lateness_does_not_move_the_timeline)
{
    struct rig_done done;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)play();
    command(RIG_START);
    rig_stall(&rig, PERIOD_NS + PERIOD_NS - 1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    rig_advance(&rig, 1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1); /* on time again */
    rig_advance(&rig, PERIOD_NS - 1);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(counts()->stalls, 0);
    ck_assert_uint_eq(counts()->late_max_ns, PERIOD_NS - 1);
    tear_down();
}
END_TEST

START_TEST(stalled_device_resumes_without_a_burst)
{
    struct rig_done done;

    set_up("host=null", false);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 16 * 1920, 1920, 2, RIG_S16, RIG_48000), RIG_OK);
    command(RIG_PREPARE);
    for (unsigned i = 0; i < 16; i++)
        (void)play();
    command(RIG_START);
    rig_advance(&rig, PERIOD_NS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    rig_stall(&rig, 3000 * RIG_MS); /* the VM was stopped */
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    for (unsigned i = 0; i < 14; i++) {
        rig_advance(&rig, PERIOD_NS - 1);
        ck_assert(!rig_done(&rig, RIG_TX, &done));
        rig_advance(&rig, 1);
        ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    }
    ck_assert_uint_eq(counts()->stalls, 1);
    ck_assert_uint_eq(counts()->stalled_ns, 3000 * RIG_MS - PERIOD_NS);
    ck_assert_uint_eq(counts()->xruns, 0);
    tear_down();
}
END_TEST

/* -- free clock -- */

START_TEST(free_clock_keeps_one_message_back)
{
    struct rig_done done;

    set_up("host=null,clock=free", false);
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)play();
    command(RIG_START);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 3);
    for (unsigned i = 0; i < 100; i++) {
        (void)play();
        ck_assert_uint_eq(rig_done_count(&rig, RIG_TX),
                          1); /* the one held before, no time passed */
    }
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 100 * RIG_MS - 1); /* time for a slow guest to feed it */
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    rig_advance(&rig, 1); /* drain: the last one, soon */
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(counts()->xruns, 0);
    ck_assert_uint_eq(probe.got_frames, 104 * 480);
    tear_down();
}
END_TEST

START_TEST(free_clock_minute_takes_no_time)
{
    set_up("host=null,clock=free", false);
    rig_prepare(&rig, 0);
    uint64_t begin = rig.now_ns;
    gpa_t data = rig_alloc(&rig, PERIOD_BYTES);
    for (unsigned i = 0; i < 3; i++)
        (void)rig_play(&rig, 0, data, PERIOD_BYTES);
    command(RIG_START);
    unsigned completed = rig_done_count(&rig, RIG_TX);
    probe.write_result = 0;
    while (completed < 6000) {
        probe.got_frames = 0;
        (void)rig_play(&rig, 0, data, PERIOD_BYTES);
        completed += rig_done_count(&rig, RIG_TX);
    }
    ck_assert_uint_eq(rig.now_ns, begin);
    ck_assert_uint_eq(counts()->frames, 6000 * 480);
    tear_down();
}
END_TEST

START_TEST(free_clock_plays_all_of_what_is_released)
{
    set_up("host=null,clock=free", false);
    rig_prepare(&rig, 0);
    (void)play();
    (void)play();
    command(RIG_START);
    command(RIG_STOP);
    command(RIG_RELEASE);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 2);
    ck_assert_uint_eq(probe.got_frames, 960); /* reported as played, so it was */
    tear_down();
}
END_TEST

/* -- several streams -- */

/* proves: SND-59 */
START_TEST(stopped_stream_does_not_delay_another)
{
    struct rig_done done;

    set_up("host=null,streams=2", false);
    rig_prepare(&rig, 0);
    rig_prepare(&rig, 1);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 1), RIG_OK);
    for (unsigned i = 0; i < 4; i++)
        (void)play(); /* stream 0 stands */
    uint16_t head = rig_play(&rig, 1, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    rig_advance(&rig, PERIOD_NS);
    ck_assert(rig_done(&rig, RIG_TX, &done));
    ck_assert_uint_eq(done.head, head);
    ck_assert(!rig_done(&rig, RIG_TX, &done));
    tear_down();
}
END_TEST

/* 64 streams, each with four periods in the ring. */
START_TEST(many_streams_keep_their_deadlines)
{
    static const struct fake_piece table[] = {{0, 4, 0}, {0, 960, 0}, {0, 8, FAKE_WRITE}};
    struct rig_done done;
    unsigned completed = 0;

    rig_start(&rig, "host=null,streams=64");
    for (uint32_t s = 0; s < 64; s++) {
        ck_assert_uint_eq(rig_set_params(&rig, s, 3840, 960, 2, RIG_S16, RIG_48000), RIG_OK);
        ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, s), RIG_OK);
    }
    for (uint32_t s = 0; s < 64; s++) {
        for (unsigned i = 0; i < 4; i++) {
            struct fake_piece pieces[3];
            const le32 id = to_le32(s);
            memcpy(pieces, table, sizeof(pieces));
            for (unsigned p = 0; p < 3; p++)
                pieces[p].addr = rig_alloc(&rig, pieces[p].len);
            ck_assert_int_eq(memory_write(&rig.mem, pieces[0].addr, &id, 4), 0);
            uint16_t head =
                fake_chain_indirect(&rig.drv.ring[RIG_TX], rig_alloc(&rig, 64), pieces, 3);
            rig.status_of[RIG_TX][head] = pieces[2].addr;
            fake_offer(&rig.drv.ring[RIG_TX], head);
        }
    }
    fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, RIG_TX);
    rig_step(&rig);
    for (uint32_t s = 0; s < 64; s++)
        ck_assert_uint_eq(rig_command(&rig, RIG_START, s), RIG_OK);
    for (unsigned period = 0; period < 4; period++) {
        rig_advance(&rig, 5 * RIG_MS);
        while (rig_done(&rig, RIG_TX, &done)) {
            ck_assert_uint_eq(done.status, RIG_OK);
            completed++;
        }
        ck_assert_uint_eq(completed, 64 * (period + 1));
    }
    rig_end(&rig);
}
END_TEST

/* -- malformed messages (H5) -- */

static const struct {
    uint32_t stream, header_bytes, data_bytes, status_bytes;
    uint32_t status, used; /* status 0: none is written */
} malformed[] = {
    {0, 0, 0, 8, RIG_IO_ERR, 8}, /* SND-55: no header */
    {0, 1, 0, 8, RIG_IO_ERR, 8},
    {0, 3, 0, 8, RIG_IO_ERR, 8},
    {0, 4, 0, 8, RIG_IO_ERR, 8}, /* SND-63: empty */
    {0, 4, 1, 8, RIG_IO_ERR, 8}, /* a fraction of a frame */
    {0, 4, 1919, 8, RIG_IO_ERR, 8},
    {0, 4, 1922, 8, RIG_IO_ERR, 8},
    {0, 4, 7684, 8, RIG_IO_ERR, 8}, /* T14: more than the buffer */
    {0, 4, 1 << 20, 8, RIG_IO_ERR, 8},
    {1, 4, 1920, 8, RIG_IO_ERR, 8}, /* SND-53: no such stream */
    {64, 4, 1920, 8, RIG_IO_ERR, 8},
    {0xffffffff, 4, 1920, 8, RIG_IO_ERR, 8},
    {0, 4, 1920, 0, 0, 0}, /* SND-55: no room for the status */
    {0, 4, 1920, 7, 0, 0},
    {9, 4, 1920, 7, 0, 0},
};

/* T6, T8. */
/* proves: SND-53, SND-55, SND-63 */
START_TEST(malformed_message_is_refused_at_once)
{
    const le32 id = to_le32(malformed[_i].stream);
    uint32_t used, head;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    command(RIG_START);
    gpa_t header = rig_alloc(&rig, 4), data = rig_alloc(&rig, 1 << 20);
    gpa_t status = rig_alloc(&rig, 16);
    ck_assert_int_eq(memory_write(&rig.mem, header, &id, 4), 0);
    memset(memory_at(&rig.mem, status, 16), 0xee, 16);
    const struct fake_piece pieces[] = {{header, malformed[_i].header_bytes, 0},
                                        {data, malformed[_i].data_bytes, 0},
                                        {status, malformed[_i].status_bytes, FAKE_WRITE}};
    (void)rig_send(&rig, RIG_TX, pieces, 3);
    ck_assert(fake_used(&rig.drv.ring[RIG_TX], &head, &used));
    ck_assert_uint_eq(used, malformed[_i].used);
    ck_assert_uint_eq(rig_load32(&rig, status),
                      malformed[_i].status != 0 ? malformed[_i].status : 0xeeeeeeee);
    ck_assert_uint_eq(rig_load32(&rig, status + 8), 0xeeeeeeee);

    (void)play(); /* and the queue goes on */
    rig_advance(&rig, PERIOD_NS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    ck_assert_uint_eq(probe.got_frames, 480);
    tear_down();
}
END_TEST

/* proves: SND-54, SND-64 */
START_TEST(message_may_be_cut_into_single_bytes)
{
    uint8_t want[96];
    struct fake_piece pieces[4 + 96 + 8];

    set_up("host=null", false);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 96, 96, 2, RIG_S16, RIG_48000), RIG_OK);
    command(RIG_PREPARE);
    command(RIG_START);
    gpa_t bytes = rig_alloc(&rig, 3 * sizeof(pieces));
    gpa_t table = rig_alloc(&rig, 16 * ARRAY_SIZE(pieces));
    for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) /* apart from each other */
        pieces[i] = (struct fake_piece){bytes + 3 * i, 1, i < 100 ? 0 : FAKE_WRITE};
    for (uint8_t i = 0; i < 96; i++) {
        want[i] = (uint8_t)(i * 7);
        ck_assert_int_eq(memory_write(&rig.mem, pieces[4 + i].addr, &want[i], 1), 0);
    }
    uint16_t head = fake_chain_indirect(&rig.drv.ring[RIG_TX], table, pieces, ARRAY_SIZE(pieces));
    fake_offer(&rig.drv.ring[RIG_TX], head);
    fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, RIG_TX);
    rig_advance(&rig, RIG_MS);
    ck_assert_mem_eq(probe.got, want, 96);
    static const uint8_t status[8] = {0x00, 0x80, 0, 0, 0, 0, 0, 0};
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(*(uint8_t *)memory_at(&rig.mem, pieces[100 + i].addr, 1), status[i]);
    tear_down();
}
END_TEST

/* T13. */
/* proves: SND-54 */
START_TEST(status_is_the_last_eight_bytes)
{
    const le32 id = to_le32(0);
    uint32_t used, head;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    command(RIG_START);
    gpa_t header = rig_alloc(&rig, 4), data = rig_alloc(&rig, PERIOD_BYTES);
    gpa_t status = rig_alloc(&rig, 24);
    ck_assert_int_eq(memory_write(&rig.mem, header, &id, 4), 0);
    memset(memory_at(&rig.mem, status, 24), 0xee, 24);
    const struct fake_piece pieces[] = {{header, 4, 0},
                                        {data, PERIOD_BYTES, 0},
                                        {status, 10, FAKE_WRITE},
                                        {status + 10, 10, FAKE_WRITE}};
    (void)rig_send(&rig, RIG_TX, pieces, 4);
    rig_advance(&rig, PERIOD_NS);
    ck_assert(fake_used(&rig.drv.ring[RIG_TX], &head, &used));
    ck_assert_uint_eq(used, 8);
    ck_assert_uint_eq(rig_load32(&rig, status + 0), 0); /* what the length covers was written */
    ck_assert_uint_eq(rig_load32(&rig, status + 12), RIG_OK);
    ck_assert_uint_eq(rig_load32(&rig, status + 16), 0);
    ck_assert_uint_eq(rig_load32(&rig, status + 20), 0xeeeeeeee);
    tear_down();
}
END_TEST

/* T14, H5. */
/* proves: SND-60 */
START_TEST(one_buffer_may_be_queued_many_times)
{
    set_up("host=null", false);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 96, 96, 2, RIG_S16, RIG_48000), RIG_OK);
    command(RIG_PREPARE);
    gpa_t data = rig_alloc(&rig, 96);
    for (unsigned i = 0; i < 85; i++) /* three descriptors each: all 255 */
        (void)rig_play(&rig, 0, data, 96);
    command(RIG_START);
    rig_advance(&rig, 85 * 500000);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 85);
    ck_assert_uint_eq(probe.got_frames, 85 * 24);
    tear_down();
}
END_TEST

START_TEST(playback_message_in_the_capture_queue_is_refused)
{
    const le32 id = to_le32(0);
    uint32_t used, head;

    set_up("host=null", false);
    rig_prepare(&rig, 0);
    gpa_t header = rig_alloc(&rig, 4), data = rig_alloc(&rig, 1920), status = rig_alloc(&rig, 8);
    ck_assert_int_eq(memory_write(&rig.mem, header, &id, 4), 0);
    const struct fake_piece pieces[] = {{header, 4, 0}, {data, 1920, 0}, {status, 8, FAKE_WRITE}};
    (void)rig_send(&rig, RIG_RX, pieces, 3);
    ck_assert(fake_used(&rig.drv.ring[RIG_RX], &head, &used));
    ck_assert_uint_eq(rig_load32(&rig, status), RIG_IO_ERR);
    tear_down();
}
END_TEST

START_TEST(broken_ring_needs_a_reset_and_stops_the_streams)
{
    set_up("host=null", false);
    rig_prepare(&rig, 0);
    (void)play();
    command(RIG_START);
    const struct fake_piece unmapped[] = {{1ull << 40, 4, 0}};
    (void)rig_send(&rig, RIG_TX, unmapped, 1);
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_STATUS) & 64, 64);
    rig_advance(&rig, 1000 * RIG_MS);
    ck_assert_uint_eq(fake_used_idx(&rig.drv.ring[RIG_TX]), 0);
    rig_restart(&rig);
    rig_prepare(&rig, 0);
    tear_down();
}
END_TEST

Suite *transfer_suite(void);
Suite *transfer_suite(void)
{
    Suite *suite = suite_create("snd/transfer");
    TCase *paced = tcase_create("paced");
    TCase *free_clock = tcase_create("free");
    TCase *streams = tcase_create("streams");
    TCase *bad = tcase_create("malformed");

    tcase_set_timeout(paced, 60);
    tcase_add_test(paced, each_period_completes_at_its_own_deadline);
    tcase_add_test(paced, samples_of_a_frame_lie_side_by_side);
    tcase_add_test(paced, each_completed_period_has_one_edge);
    tcase_add_test(paced, messages_without_a_kick_are_there_at_start);
    tcase_add_test(paced, twenty_players_have_room_for_sixteen_periods_each);
    tcase_add_test(paced, frames_are_copied_when_they_are_played);
    tcase_add_test(paced, rewritten_header_is_not_seen);
    tcase_add_loop_test(paced, an_hour_through_the_device_drifts_less_than_a_frame, 0,
                        ARRAY_SIZE(drifts));
    tcase_add_test(paced, kicks_are_asked_for_only_when_they_matter);
    tcase_add_test(paced, pause_keeps_messages_and_the_place_in_them);
    tcase_add_test(paced, underrun_is_counted_once_and_what_follows_takes_its_full_time);
    tcase_add_test(paced, drain_is_no_underrun);
    tcase_add_test(paced, late_first_message_is_no_underrun);
    tcase_add_test(paced, short_last_message_takes_its_own_time);
    tcase_add_test(paced, last_message_is_held_when_all_are_due);
    tcase_add_test(paced, small_lateness_does_not_move_the_timeline);
    tcase_add_test(paced, stalled_device_resumes_without_a_burst);
    tcase_add_test(free_clock, free_clock_keeps_one_message_back);
    tcase_add_test(free_clock, free_clock_minute_takes_no_time);
    tcase_add_test(free_clock, free_clock_plays_all_of_what_is_released);
    tcase_add_test(streams, stopped_stream_does_not_delay_another);
    tcase_add_test(streams, many_streams_keep_their_deadlines);
    tcase_add_loop_test(bad, malformed_message_is_refused_at_once, 0, ARRAY_SIZE(malformed));
    tcase_add_test(bad, message_may_be_cut_into_single_bytes);
    tcase_add_test(bad, status_is_the_last_eight_bytes);
    tcase_add_test(bad, one_buffer_may_be_queued_many_times);
    tcase_add_test(bad, playback_message_in_the_capture_queue_is_refused);
    tcase_add_test(bad, broken_ring_needs_a_reset_and_stops_the_streams);
    suite_add_tcase(suite, paced);
    suite_add_tcase(suite, free_clock);
    suite_add_tcase(suite, streams);
    suite_add_tcase(suite, bad);
    return suite;
}
