/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of devices/snd/hear/listener.c: silence, lead, trail and gaps.
 * What is expected follows from how a signal was made.
 */
#include "tests/devices/snd/signals.h"

#include <string.h>

Suite *silence_suite(void);

static const uint32_t rates[] = {5512,  8000,  11025, 16000, 22050,  32000,  44100,
                                 48000, 64000, 88200, 96000, 176400, 192000, 384000};

START_TEST(silence_is_silent)
{
    struct listener_channel heard = signal_hear(signal_silence(5000), 5000, 48000);

    ck_assert(heard.silent);
    ck_assert_double_eq(heard.peak_dbfs, -200);
    ck_assert_double_eq(heard.rms_dbfs, -200);
    ck_assert_double_eq(heard.freq_hz, 0);
    ck_assert_uint_eq(heard.lead_frames, 5000);
    ck_assert_uint_eq(heard.trail_frames, 0);
    ck_assert_uint_eq(heard.gaps.count, 0);
}
END_TEST

/* 0.0001 of full scale is silent, the next double above is not. */
START_TEST(silence_ends_above_80_db_below_full_scale)
{
    double *at = signal_silence(1000), *above = signal_silence(1000);

    at[500] = 1e-4;
    above[500] = nextafter(1e-4, 1);
    ck_assert(signal_hear(at, 1000, 48000).silent);
    ck_assert(!signal_hear(above, 1000, 48000).silent);
}
END_TEST

START_TEST(silence_around_the_sound_is_lead_and_trail_and_no_gap)
{
    double *samples = signal_silence(96000);

    for (size_t i = 12345; i < 80000; i++)
        samples[i] = 0.5 * cos(2 * M_PI * 440 * (double)i / 48000);
    samples[12345] = samples[79999] = 0.25; /* loud, whatever the phase */
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_uint_eq(heard.lead_frames, 12345);
    ck_assert_uint_eq(heard.trail_frames, 16000);
    ck_assert_uint_eq(heard.gaps.count, 0);
    ck_assert_uint_eq(heard.clicks.count, 0);
}
END_TEST

/* A sine of 440 Hz with `count` samples zeroed behind its sample `at`, which is loud, as is the
 * first one after. */
static double *with_gap(double *samples, size_t at, size_t count)
{
    ck_assert_double_gt(fabs(samples[at - 1]), 0.05);
    ck_assert_double_gt(fabs(samples[at + count]), 0.05);
    memset(samples + at, 0, count * sizeof(*samples));
    return samples;
}

START_TEST(a_zeroed_period_is_one_gap_and_no_click)
{
    double *samples = with_gap(signal_sine16(96000, 48000, 440, 0.5), 50000, 480);
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_uint_eq(heard.gaps.count, 1);
    ck_assert_uint_eq(heard.gaps.first[0].at_frame, 50000);
    ck_assert_uint_eq(heard.gaps.first[0].frames, 480);
    ck_assert_uint_eq(heard.clicks.count, 0);
    ck_assert_double_eq_tol(heard.freq_hz, 440, 0.05);
}
END_TEST

/* 1 ms, and 8 samples where that is more. */
static const struct {
    uint32_t rate;
    size_t min;
} shortest[] = {{5512, 8}, {8000, 8}, {44100, 45}, {48000, 48}, {192000, 192}, {384000, 384}};

START_TEST(a_gap_is_at_least_a_millisecond_and_eight_samples)
{
    uint32_t rate = shortest[_i].rate;
    size_t at = rate / 2 + 3, min = shortest[_i].min;
    double *shorter = signal_sine16(rate, rate, 440, 0.5);
    double *enough = signal_sine16(rate, rate, 440, 0.5);

    shorter[at - 1] = shorter[at + min - 1] = enough[at - 1] = enough[at + min] = 0.3;
    ck_assert_uint_eq(signal_hear(with_gap(shorter, at, min - 1), rate, rate).gaps.count, 0);
    ck_assert_uint_eq(signal_hear(with_gap(enough, at, min), rate, rate).gaps.count, 1);
}
END_TEST

START_TEST(dithered_silence_is_a_gap_too)
{
    double *samples = with_gap(signal_sine16(96000, 48000, 440, 0.5), 50000, 480);
    uint64_t state = 7;

    for (size_t i = 50000; i < 50480; i++)
        samples[i] = (floor(3 * signal_random(&state)) - 1) / 32768; /* a step up, down, or none */
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_uint_eq(heard.gaps.count, 1);
    ck_assert_uint_eq(heard.gaps.first[0].frames, 480);
}
END_TEST

START_TEST(all_gaps_are_counted_and_sixteen_are_placed)
{
    double *samples = signal_sine16(96000, 48000, 440, 0.5);

    for (size_t k = 0; k < 20; k++) {
        samples[4000 * (k + 1) - 1] = samples[4000 * (k + 1) + 100 + k] = 0.5;
        (void)with_gap(samples, 4000 * (k + 1), 100 + k);
    }
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_uint_eq(heard.gaps.count, 20);
    ck_assert_uint_eq(heard.gaps.first[15].at_frame, 64000);
    ck_assert_uint_eq(heard.gaps.first[15].frames, 115);
}
END_TEST

/* 20 Hz as loud as 8 and 16 bits and floats allow, and down to where a millisecond is silent. */
START_TEST(zero_crossings_of_a_slow_sine_are_no_gaps)
{
    static const struct {
        double height, steps;
    } rows[] = {{1, 0}, {1, 128}, {1, 32768}, {0.1, 128}, {0.01, 32768}, {0.002, 0}};
    uint32_t rate = rates[_i];
    size_t frames = rate / 2; /* ten waves */

    for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
        double *samples = signal_sine(frames, rate, 20, rows[k].height);

        for (size_t i = 0; i < frames; i++)
            samples[i] = signal_round(samples[i], rows[k].steps);
        ck_assert_uint_eq(signal_hear(samples, frames, rate).gaps.count, 0);
    }
}
END_TEST

START_TEST(a_sine_that_touches_zero_has_no_gaps)
{
    double *samples = signal_sine16(96000, 48000, 20, 0.5);

    for (size_t i = 0; i < 96000; i++)
        samples[i] += 0.5;
    ck_assert_uint_eq(signal_hear(samples, 96000, 48000).gaps.count, 0);
}
END_TEST

Suite *silence_suite(void)
{
    Suite *suite = suite_create("silence");
    TCase *tcase = tcase_create("silence");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, silence_is_silent);
    tcase_add_test(tcase, silence_ends_above_80_db_below_full_scale);
    tcase_add_test(tcase, silence_around_the_sound_is_lead_and_trail_and_no_gap);
    tcase_add_test(tcase, a_zeroed_period_is_one_gap_and_no_click);
    tcase_add_loop_test(tcase, a_gap_is_at_least_a_millisecond_and_eight_samples, 0,
                        ARRAY_SIZE(shortest));
    tcase_add_test(tcase, dithered_silence_is_a_gap_too);
    tcase_add_test(tcase, all_gaps_are_counted_and_sixteen_are_placed);
    tcase_add_loop_test(tcase, zero_crossings_of_a_slow_sine_are_no_gaps, 0, ARRAY_SIZE(rates));
    tcase_add_test(tcase, a_sine_that_touches_zero_has_no_gaps);
    suite_add_tcase(suite, tcase);
    return suite;
}
