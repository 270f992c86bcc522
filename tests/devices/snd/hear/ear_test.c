/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/hear/ear.c through the device: what was played against expect=. */
#include "tests/capture.h"
#include "tests/devices/snd/sound_rig.h"
#include "tests/wrap.h"

#include <check.h>
#include <math.h>
#include <string.h>

static struct rig rig;

/* Plays a sine at -6 dB of full scale for a second, in periods of 10 ms, by formats' own bytes. */
static void play_tone(uint32_t stream, uint8_t format, double freq_hz)
{
    unsigned bytes = format == RIG_S16 ? 4 : 8;

    ck_assert_uint_eq(
        rig_set_params(&rig, stream, 4 * 480 * bytes, 480 * bytes, 2, format, RIG_48000), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, stream), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, stream), RIG_OK);
    for (unsigned period = 0; period < 100; period++) {
        gpa_t data = rig_alloc(&rig, 480 * bytes);
        uint8_t *at = memory_at(&rig.mem, data, 480 * bytes);
        for (unsigned i = 0; i < 960; i++, at += bytes / 2) {
            double value =
                0.5 * sin(2 * 3.14159265358979 * freq_hz * (period * 480 + i / 2) / 48e3);
            int16_t s16 = (int16_t)(value * 32767);
            int32_t s24 = (int32_t)(value * 8388607), s32 = (int32_t)(value * 2147483647);
            float real = (float)value;
            memcpy(at,
                   format == RIG_S16   ? (void *)&s16
                   : format == RIG_S24 ? (void *)&s24
                   : format == RIG_S32 ? (void *)&s32
                                       : (void *)&real,
                   bytes / 2);
        }
        (void)rig_play(&rig, stream, data, 480 * bytes);
        rig_advance(&rig, 10 * RIG_MS);
    }
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 100);
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, stream), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, stream), RIG_OK);
}

static const uint8_t formats[] = {RIG_S16, RIG_S24, RIG_S32, RIG_FLOAT};

START_TEST(expected_tone_passes)
{
    struct capture capture;

    rig_start(&rig, "host=null,expect='freq=440,tol=1,seconds=1,gaps=0,level=-6'");
    play_tone(0, formats[_i], 440);
    capture_start(&capture);
    int r = virtio_finish(rig.dev);
    ck_assert_str_eq(capture_end(&capture), "");
    ck_assert_int_eq(r, 0);
    rig_end(&rig);
}
END_TEST

START_TEST(another_tone_fails_in_one_line)
{
    struct capture capture;

    rig_start(&rig, "host=null,expect='freq=440,tol=1'");
    play_tone(0, formats[_i], 523);
    capture_start(&capture);
    int r = virtio_finish(rig.dev);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EPROTO);
    ck_assert_one_error(said, "440");
    ck_assert_ptr_nonnull(strstr(said, "523"));
    rig_end(&rig);
}
END_TEST

/* What --summary and --junit are told: nothing before it was judged. */
START_TEST(verdict_is_a_result)
{
    struct results results = {0};
    struct capture capture;

    rig_start(&rig, "host=null,expect='freq=440,tol=1'");
    virtio_snd.results(rig.dev, &results);
    ck_assert_uint_eq(results.count, 0);
    play_tone(0, RIG_S16, _i == 0 ? 440 : 523);
    capture_start(&capture);
    int r = virtio_finish(rig.dev);
    (void)capture_end(&capture);
    ck_assert_int_eq(r, _i == 0 ? 0 : -EPROTO);
    virtio_snd.results(rig.dev, &results);
    ck_assert_uint_eq(results.count, 1);
    ck_assert_int_eq(results.at[0].kind, RESULT_EXPECT);
    ck_assert_str_eq(results.at[0].who, "snd0");
    ck_assert_str_eq(results.at[0].what, "freq=440,tol=1");
    ck_assert_int_eq(results.at[0].passed, _i == 0);
    ck_assert_int_eq(results.at[0].why != NULL && strstr(results.at[0].why, "523") != NULL, _i);
    results_fini(&results);
    rig_end(&rig);
}
END_TEST

START_TEST(silence_where_a_tone_was_expected_fails)
{
    struct capture capture;

    rig_start(&rig, "host=null,streams=2,expect='freq=440,tol=1'");
    capture_start(&capture);
    int r = virtio_finish(rig.dev);
    ck_assert_one_error(capture_end(&capture), "");
    ck_assert_int_eq(r, -EPROTO);
    rig_end(&rig);
}
END_TEST

START_TEST(streams_that_played_are_judged_and_others_not)
{
    rig_start(&rig, "host=null,streams=3,expect='freq=440,tol=1'");
    play_tone(1, RIG_S16, 440);
    ck_assert_int_eq(virtio_finish(rig.dev), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(each_format_is_a_sound_of_its_own)
{
    struct capture capture;

    rig_start(&rig, "host=null,expect='freq=440,tol=1,seconds=1'");
    play_tone(0, RIG_S16, 440);
    play_tone(0, RIG_S32, 440);
    ck_assert_int_eq(virtio_finish(rig.dev), 0);
    rig_end(&rig);

    rig_start(&rig, "host=null,expect='seconds=1'");
    play_tone(0, RIG_S16, 440);
    play_tone(0, RIG_S16, 440); /* goes on: two seconds */
    capture_start(&capture);
    int r = virtio_finish(rig.dev);
    (void)capture_end(&capture);
    ck_assert_int_eq(r, -EPROTO);
    rig_end(&rig);
}
END_TEST

/* Two formats in turn, a period each: a hundred sounds, none of which is a second long. */
START_TEST(guest_of_many_sounds_does_not_flood_the_log)
{
    struct capture capture;
    unsigned lines = 0;

    rig_start(&rig, "host=null,expect=seconds=1");
    capture_start(&capture);
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_uint_eq(
            rig_set_params(&rig, 0, 7680, 1920, 2, i % 2 == 0 ? RIG_S16 : RIG_S32, RIG_48000),
            RIG_OK);
        ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
        ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
        (void)rig_play(&rig, 0, rig_alloc(&rig, 1920), 1920);
        rig_advance(&rig, 20 * RIG_MS);
        ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
        ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
    }
    int r = virtio_finish(rig.dev);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EPROTO);
    for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    ck_assert_uint_eq(lines, 9);
    ck_assert_ptr_nonnull(strstr(said, "snd0 out0: 100 sounds in all were not as expected\n"));
    rig_end(&rig);
}
END_TEST

START_TEST(malformed_expectation_is_refused)
{
    struct capture capture;

    capture_start(&capture);
    int r = rig_create(&rig, "host=null,expect='frq=440'");
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(said, "expect");
}
END_TEST

/* What nothing could judge is no expectation. */
static const struct {
    const char *options, *word;
} unjudged[] = {
    {"host=null,streams=0,capture=1,expect='freq=440'", "streams=0"},
    {"host=null,streams=0,capture=1,expect=silence", "streams=0"},
};

START_TEST(expectation_that_nothing_can_judge_is_refused)
{
    struct capture capture;

    capture_start(&capture);
    int r = rig_create(&rig, unjudged[_i].options);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(said, "expect");
    ck_assert_ptr_nonnull(strstr(said, unjudged[_i].word));
}
END_TEST

/* -- the ear is late -- */

/* Sends zeros, in messages of 64 KiB, for the ears not to hear: how many came back. */
static unsigned play_to_nobody(unsigned messages)
{
    ck_assert_uint_eq(rig_set_params(&rig, 0, 16 << 16, 1 << 16, 2, RIG_S16, RIG_48000), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    rig.snd->ears.count = 0;
    for (unsigned i = 0; i < messages; i++) {
        (void)rig_play(&rig, 0, rig_alloc(&rig, 1 << 16), 1 << 16);
        rig_advance(&rig, 400 * RIG_MS);
    }
    rig.snd->ears.count = 1;
    return rig_done_count(&rig, RIG_TX);
}

/* With a free clock a guest is as fast as the ear, and all of it is judged. */
START_TEST(free_clock_waits_for_the_ear)
{
    rig_start(&rig, "host=null,clock=free,expect=frames=163840");
    unsigned done = play_to_nobody(10);
    ck_assert_uint_ge(done, 4); /* 256 KiB */
    ck_assert_uint_le(done, 6);
    rig_advance(&rig, 200 * RIG_MS);
    ck_assert_uint_eq(done + rig_done_count(&rig, RIG_TX), 10);
    ck_assert_int_eq(virtio_finish(rig.dev), 0);
    rig_end(&rig);
}
END_TEST

/* In real time nobody waits. What the ear was not given cannot be as expected. */
START_TEST(real_time_does_not_wait_for_the_ear)
{
    struct capture capture;

    rig_start(&rig, "host=null,expect=silence");
    capture_start(&capture);
    unsigned done = play_to_nobody(300);
    const char *said = capture_end(&capture);
    ck_assert_uint_eq(done, 300);
    ck_assert_one_error(said, "too far behind");
    ck_assert_int_eq(virtio_finish(rig.dev), -EPROTO);
    rig_end(&rig);
}
END_TEST

/* -- on a thread of their own -- */

static const struct wire_pcm_info mono = {.rates = {1 << 7}, .channels_max = 1}; /* 48 kHz */
static unsigned answers, answered_frames;

static void count_answer(void *ctx, const void *question, const struct listener_report *heard)
{
    ck_assert_ptr_eq(ctx, &answers);
    ck_assert_str_eq(question, "well?");
    answers++;
    answered_frames += heard != NULL ? (unsigned)heard->frames : 0;
}

START_TEST(ears_hear_all_on_their_thread)
{
    const struct pcm_params params = {
        .format = pcm_format_by_code(RIG_FLOAT), .rate_hz = 48000, .channels = 1, .frame_bytes = 4};
    struct ears ears = {.told = count_answer, .ctx = &answers};
    float block[480];

    ck_assert_int_eq(ears_init(&ears, 3), 0); /* one is deaf */
    ck_assert_int_eq(ear_open(&ears, 0, "left", "freq=1000,frames=480000,gaps=0,clicks=0", &mono),
                     0);
    ck_assert_int_eq(ear_open(&ears, 2, "right", "freq=1000,frames=480000,gaps=0,clicks=0", &mono),
                     0);
    ck_assert_int_eq(ears_start(&ears, "snd7"), 0);
    for (unsigned i = 0; i < 3; i++)
        ear_tune(&ears.ear[i], &params);
    for (unsigned i = 0; i < 480; i++)
        block[i] = (float)(0.25 * sin(2 * 3.14159265358979 * i / 48));
    for (unsigned k = 0; k < 1000; k++) {
        while (ear_is_behind(&ears.ear[0]) || ear_is_behind(&ears.ear[2]))
            continue;
        for (unsigned i = 0; i < 3; i++)
            ear_hear(&ears.ear[i], block, 480);
        if (k == 499)
            ear_ask(&ears.ear[2], "well?", 6);
    }
    ears_stop(&ears);
    ck_assert_uint_eq(answers, 1);
    ck_assert_uint_eq(answered_frames, 240000); /* those before the question, and no others */
    ck_assert_int_eq(ears_judge(&ears), 0);
    ck_assert_uint_eq(ears.ear[0].judged + ears.ear[2].judged, 2);
    ears_fini(&ears);
}
END_TEST

/* Else frames of one size would be cut up as those of another. */
START_TEST(format_that_did_not_fit_is_not_heard)
{
    struct pcm_params params = {
        .format = pcm_format_by_code(RIG_FLOAT), .rate_hz = 48000, .channels = 1, .frame_bytes = 4};
    struct ears ears = {.wake_fd = -1, .told = count_answer, .ctx = &answers};
    static const uint8_t block[RING_RECORD_BYTES];
    struct capture capture;

    ck_assert_int_eq(ears_init(&ears, 1), 0);
    ck_assert_int_eq(ear_open(&ears, 0, "ear", "silence", &mono), 0);
    ear_tune(&ears.ear[0], &params);
    capture_start(&capture);
    while (!ears.ear[0].lost)
        ear_hear(&ears.ear[0], block, sizeof(block) / 4);
    const char *said = capture_end(&capture);
    ck_assert_one_error(said, "");
    params.format = pcm_format_by_code(RIG_S16);
    params.frame_bytes = 2;
    while (ring_put(&ears.ear[0].ring, 1, block, 4)) /* a record of frames */
        continue;
    ear_tune(&ears.ear[0], &params);
    ears_hear(&ears);
    ear_hear(&ears.ear[0], block, 100);
    answered_frames = 0;
    ck_assert_uint_eq(ring_used(&ears.ear[0].ring), 0);
    ear_tune(&ears.ear[0], &params);
    ear_hear(&ears.ear[0], block, 100);
    ear_ask(&ears.ear[0], "well?", 6);
    ears_hear(&ears);
    ck_assert_uint_eq(answered_frames, 100);
    ears_fini(&ears);
}
END_TEST

/* Whatever rate of those that are offered a guest chooses, in whatever order. */
START_TEST(ear_is_ready_for_each_rate_that_is_offered)
{
    const struct wire_pcm_info all = {.rates = {0xffff}, .channels_max = 2};
    struct ears ears = {.wake_fd = -1};
    int16_t block[512] = {0};

    ck_assert_int_eq(ears_init(&ears, 1), 0);
    ck_assert_int_eq(ear_open(&ears, 0, "ear", "frames=256", &all), 0);
    for (unsigned i = 0; i < 16; i++) {
        const struct pcm_params params = {.format = pcm_format_by_code(RIG_S16),
                                          .rate_hz = pcm_rate_hz((i * 5 + 13) % 16),
                                          .channels = 2,
                                          .frame_bytes = 4};
        ear_tune(&ears.ear[0], &params);
        ear_hear(&ears.ear[0], block, 256);
    }
    ears_hear(&ears);
    ck_assert_int_eq(ears_judge(&ears), 0);
    ck_assert_uint_eq(ears.ear[0].judged, 16);
    ears_fini(&ears);
}
END_TEST

START_TEST(ears_that_can_not_be_started_are_told)
{
    static const enum wrap_call calls[] = {WRAP_EVENTFD, WRAP_PTHREAD_CREATE, WRAP_MMAP};
    struct ears ears = {.told = count_answer};
    struct capture capture;

    ck_assert_int_eq(ears_init(&ears, 1), 0);
    ck_assert_int_eq(ear_open(&ears, 0, "ear", NULL, &mono), 0);
    wrap_fail_after(calls[_i], 0, EAGAIN);
    capture_start(&capture);
    int r = ears_start(&ears, "snd7");
    const char *said = capture_end(&capture);
    (void)wrap_stop(calls[_i]);
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_one_error(said, "snd7");
    ears_fini(&ears);
}
END_TEST

Suite *ear_suite(void);
Suite *ear_suite(void)
{
    Suite *suite = suite_create("snd/ear");
    TCase *tcase = tcase_create("expect");

    tcase_add_loop_test(tcase, expected_tone_passes, 0, ARRAY_SIZE(formats));
    tcase_add_loop_test(tcase, another_tone_fails_in_one_line, 0, ARRAY_SIZE(formats));
    tcase_add_loop_test(tcase, verdict_is_a_result, 0, 2);
    tcase_add_test(tcase, silence_where_a_tone_was_expected_fails);
    tcase_add_test(tcase, streams_that_played_are_judged_and_others_not);
    tcase_add_test(tcase, each_format_is_a_sound_of_its_own);
    tcase_add_test(tcase, guest_of_many_sounds_does_not_flood_the_log);
    tcase_add_test(tcase, malformed_expectation_is_refused);
    tcase_add_loop_test(tcase, expectation_that_nothing_can_judge_is_refused, 0,
                        ARRAY_SIZE(unjudged));
    tcase_add_test(tcase, free_clock_waits_for_the_ear);
    tcase_add_test(tcase, real_time_does_not_wait_for_the_ear);
    tcase_add_test(tcase, ears_hear_all_on_their_thread);
    tcase_add_test(tcase, format_that_did_not_fit_is_not_heard);
    tcase_add_test(tcase, ear_is_ready_for_each_rate_that_is_offered);
    tcase_add_loop_test(tcase, ears_that_can_not_be_started_are_told, 0, 3);
    suite_add_tcase(suite, tcase);
    return suite;
}
