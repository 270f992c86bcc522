/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/hear/ear.c through the device: what was played against expect=. */
#include "tests/capture.h"
#include "tests/devices/snd/sound_rig.h"

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
    ck_assert(capture_is_one_error(said));
    ck_assert_ptr_nonnull(strstr(said, "440"));
    ck_assert_ptr_nonnull(strstr(said, "523"));
    rig_end(&rig);
}
END_TEST

START_TEST(silence_where_a_tone_was_expected_fails)
{
    struct capture capture;

    rig_start(&rig, "host=null,streams=2,expect='freq=440,tol=1'");
    capture_start(&capture);
    int r = virtio_finish(rig.dev);
    ck_assert(capture_is_one_error(capture_end(&capture)));
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

START_TEST(malformed_expectation_is_refused)
{
    struct capture capture;

    capture_start(&capture);
    int r = rig_create(&rig, "host=null,expect='frq=440'");
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert(capture_is_one_error(said));
    ck_assert_ptr_nonnull(strstr(said, "expect"));
}
END_TEST

Suite *ear_suite(void);
Suite *ear_suite(void)
{
    Suite *suite = suite_create("snd/ear");
    TCase *tcase = tcase_create("expect");

    tcase_add_loop_test(tcase, expected_tone_passes, 0, ARRAY_SIZE(formats));
    tcase_add_loop_test(tcase, another_tone_fails_in_one_line, 0, ARRAY_SIZE(formats));
    tcase_add_test(tcase, silence_where_a_tone_was_expected_fails);
    tcase_add_test(tcase, streams_that_played_are_judged_and_others_not);
    tcase_add_test(tcase, each_format_is_a_sound_of_its_own);
    tcase_add_test(tcase, malformed_expectation_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
