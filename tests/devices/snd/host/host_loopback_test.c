/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/host/host_loopback.c: stream 0 plays, stream 1 records it. */
#include "tests/capture.h"
#include "tests/devices/snd/sound_rig.h"

#include <check.h>
#include <string.h>

#define PERIOD_BYTES 1920 /* 10 ms of S16 stereo at 48 kHz */

static struct rig rig;

static void command(uint32_t code, uint32_t stream)
{
    ck_assert_uint_eq(rig_command(&rig, code, stream), RIG_OK);
}

/* A period whose samples count up from `first`. */
static void play(uint32_t period_frames, uint32_t first)
{
    gpa_t data = rig_alloc(&rig, period_frames * 4);
    le32 *frames = memory_at(&rig.mem, data, period_frames * 4);

    for (uint32_t i = 0; i < period_frames; i++)
        frames[i] = to_le32(first + i);
    (void)rig_play(&rig, 0, data, period_frames * 4);
}

/* Plays periods of one length and records in those of another, with late wake-ups, for two
 * seconds: the record. Playback's frames count up from 1. */
static uint32_t *run(uint32_t play_frames, uint32_t record_frames, uint64_t late_ns,
                     uint32_t *ret_frames)
{
    uint32_t *record = calloc(200000, 4);
    gpa_t room[8];
    uint32_t next = 1, held = 0, recorded = 0, slot = 0;
    uint64_t x = 1, end = 2000 * RIG_MS;

    ck_assert_ptr_nonnull(record);
    rig_start(&rig, "host=loopback,rates=all");
    ck_assert_uint_eq(
        rig_set_params(&rig, 0, 8 * play_frames * 4, play_frames * 4, 2, RIG_S16, RIG_44100),
        RIG_OK);
    ck_assert_uint_eq(
        rig_set_params(&rig, 1, 8 * record_frames * 4, record_frames * 4, 2, RIG_S16, RIG_44100),
        RIG_OK);
    command(RIG_PREPARE, 0);
    command(RIG_PREPARE, 1);
    for (unsigned i = 0; i < 8; i++) {
        room[i] = rig_alloc(&rig, record_frames * 4);
        (void)rig_record(&rig, 1, room[i], record_frames * 4);
    }
    command(RIG_START, 1);
    rig_advance(&rig, 3210987);
    for (; held < 8; held++, next += play_frames)
        play(play_frames, next);
    command(RIG_START, 0);
    for (end += rig.now_ns; rig.now_ns < end;) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        rig_stall(&rig, rig_next_alarm(&rig) + (late_ns > 0 ? (x >> 33) % late_ns : 0));
        for (unsigned n = rig_done_count(&rig, RIG_TX); n > 0; n--, next += play_frames)
            play(play_frames, next);
        for (unsigned n = rig_done_count(&rig, RIG_RX); n > 0; n--, slot++) {
            ck_assert_int_eq(
                memory_read(&rig.mem, room[slot % 8], record + recorded, record_frames * 4), 0);
            recorded += record_frames;
            (void)rig_record(&rig, 1, room[slot % 8], record_frames * 4);
        }
    }
    rig_end(&rig);
    *ret_frames = recorded;
    return record;
}

static const struct {
    uint32_t play_frames, record_frames;
    uint64_t late_ns;
} runs[] = {
    {441, 441, 0},       {441, 441, 2 * RIG_MS},  {441, 1024, 2 * RIG_MS},
    {1000, 300, RIG_MS}, {4410, 128, 200 * 1000}, {64, 2205, 100 * 1000},
};

/* Sample by sample, without a hole, however the periods of the two lie. */
START_TEST(what_is_played_is_recorded_without_a_hole)
{
    uint32_t frames, first = 0;
    uint32_t *record = run(runs[_i].play_frames, runs[_i].record_frames, runs[_i].late_ns, &frames);

    ck_assert_uint_gt(frames, 80000);
    while (first < frames && record[first] == 0)
        first++;
    /* Played from 3.21 ms on, 141.6 frames; two more are kept back. */
    ck_assert_uint_ge(first, 141);
    ck_assert_uint_le(first, 146);
    for (uint32_t i = first; i < frames; i++)
        ck_assert_uint_eq(record[i], i - first + 1);
    free(record);
}
END_TEST

START_TEST(end_of_the_sound_is_recorded_to_its_last_frame)
{
    gpa_t room[4];

    rig_start(&rig, "host=loopback");
    rig_prepare(&rig, 0);
    rig_prepare(&rig, 1);
    for (unsigned i = 0; i < 4; i++) {
        room[i] = rig_alloc(&rig, PERIOD_BYTES);
        (void)rig_record(&rig, 1, room[i], PERIOD_BYTES);
    }
    play(480, 1);
    play(480, 481);
    command(RIG_START, 0);
    command(RIG_START, 1);
    rig_advance(&rig, 25 * RIG_MS);
    command(RIG_STOP, 0); /* drained */
    command(RIG_RELEASE, 0);
    rig_advance(&rig, 15 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 4);
    for (uint32_t i = 0; i < 4 * 480; i++)
        ck_assert_uint_eq(rig_load32(&rig, room[i / 480] + i % 480 * 4),
                          i >= 2 && i < 962 ? i - 1 : 0);
    rig_end(&rig);
}
END_TEST

/* proves: SND-29 */
START_TEST(ring_holds_a_whole_buffer)
{
    gpa_t room[5];
    uint32_t at = 0;

    rig_start(&rig, "host=loopback");
    rig_prepare(&rig, 0); /* a buffer of four periods */
    rig_prepare(&rig, 1);
    command(RIG_START, 1); /* records, and gives no room */
    for (uint32_t i = 0; i < 4; i++)
        play(480, 1 + 480 * i);
    command(RIG_START, 0);
    rig_advance(&rig, 60 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 4);
    for (unsigned i = 0; i < 5; i++) {
        room[i] = rig_alloc(&rig, PERIOD_BYTES);
        (void)rig_record(&rig, 1, room[i], PERIOD_BYTES);
    }
    rig_advance(&rig, 60 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 5);
    while (rig_load32(&rig, room[at / 480] + at % 480 * 4) == 0)
        at++;
    for (uint32_t i = 1; i <= 4 * 480; i++, at++)
        ck_assert_uint_eq(rig_load32(&rig, room[at / 480] + at % 480 * 4), i);
    rig_end(&rig);
}
END_TEST

START_TEST(sound_before_the_recording_is_not_in_it)
{
    rig_start(&rig, "host=loopback");
    rig_prepare(&rig, 0);
    rig_prepare(&rig, 1);
    for (uint32_t i = 0; i < 8; i++)
        play(480, 480 * i);
    command(RIG_START, 0);
    rig_advance(&rig, 25 * RIG_MS); /* in the middle of a period */
    gpa_t room = rig_alloc(&rig, PERIOD_BYTES);
    (void)rig_record(&rig, 1, room, PERIOD_BYTES);
    command(RIG_START, 1);
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 1);
    for (uint32_t i = 0; i < 480; i++)
        ck_assert_uint_eq(rig_load32(&rig, room + i * 4), i < 2 ? 0 : 1200 + i - 2);

    command(RIG_STOP, 1); /* nor is what was kept back by an earlier recording */
    rig_advance(&rig, 10 * RIG_MS);
    (void)rig_record(&rig, 1, room, PERIOD_BYTES);
    command(RIG_START, 1);
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 1);
    for (uint32_t i = 0; i < 480; i++)
        ck_assert_uint_eq(rig_load32(&rig, room + i * 4), i < 2 ? 0 : 2160 + i - 2);
    rig_end(&rig);
}
END_TEST

START_TEST(other_parameters_at_the_other_end_are_refused)
{
    struct capture capture;

    rig_start(&rig, "host=loopback");
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_set_params(&rig, 1, 1920, 1920, 2, RIG_S16, RIG_44100), RIG_OK);
    capture_start(&capture);
    uint32_t status = rig_command(&rig, RIG_PREPARE, 1);
    const char *said = capture_end(&capture);
    ck_assert_uint_eq(status, RIG_IO_ERR);
    ck_assert_ptr_nonnull(strstr(said, "48000"));
    command(RIG_RELEASE, 0);
    command(RIG_PREPARE, 1); /* free now */
    rig_end(&rig);
}
END_TEST

START_TEST(free_clock_is_refused)
{
    struct capture capture;

    capture_start(&capture);
    int r = rig_create(&rig, "host=loopback,clock=free");
    ck_assert_one_error(capture_end(&capture), "");
    ck_assert_int_eq(r, -EINVAL);
}
END_TEST

Suite *host_loopback_suite(void);
Suite *host_loopback_suite(void)
{
    Suite *suite = suite_create("snd/host_loopback");
    TCase *tcase = tcase_create("loopback");

    tcase_add_loop_test(tcase, what_is_played_is_recorded_without_a_hole, 0, ARRAY_SIZE(runs));
    tcase_add_test(tcase, end_of_the_sound_is_recorded_to_its_last_frame);
    tcase_add_test(tcase, ring_holds_a_whole_buffer);
    tcase_add_test(tcase, sound_before_the_recording_is_not_in_it);
    tcase_add_test(tcase, other_parameters_at_the_other_end_are_refused);
    tcase_add_test(tcase, free_clock_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
