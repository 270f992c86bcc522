/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of devices/snd/hear/listener.c with its part spectrum.c: pitch, level,
 * silence, gaps, and how it is fed. Clicks have click_test.c. What is expected follows from how a
 * signal was made.
 */
#include "devices/snd/hear/listener.h"

#include "tests/alloc_fail.h"
#include "tests/devices/snd/signals.h"

#include <malloc.h>
#include <string.h>

Suite *listener_suite(void);

static const uint32_t rates[] = {5512,  8000,  11025, 16000, 22050,  32000,  44100,
                                 48000, 64000, 88200, 96000, 176400, 192000, 384000};

/* -- pitch -- */

START_TEST(two_seconds_of_440_hz_are_heard_as_440)
{
    struct listener_channel heard =
        signal_hear(signal_sine16(96000, 48000, 440, 0.5), 96000, 48000);

    ck_assert_double_eq_tol(heard.freq_hz, 440.0, 0.001);
    ck_assert_double_ge(heard.share, 0.99);
    ck_assert(!heard.silent);
    ck_assert_uint_eq(heard.gaps.count, 0);
    ck_assert_uint_eq(heard.clicks.count, 0);
}
END_TEST

/* For each rate: the lowest pitch of interest, tones, and one close to half the rate; each in one
 * of the heights, which go down to a hundred steps of 16 bits, and in another at the next rate. */
START_TEST(tones_are_heard_at_each_rate)
{
    uint32_t rate = rates[_i];
    double tones[] = {20, 440, 1000.3, rate / 8.0, 0.23 * rate, 0.45 * rate};
    double heights[] = {1, 0.1, 0.003};

    for (size_t t = 0; t < ARRAY_SIZE(tones); t++) {
        double height = heights[(t + (size_t)_i) % ARRAY_SIZE(heights)];
        size_t frames = 2 * (size_t)rate;
        struct listener_channel heard =
            signal_hear(signal_sine16(frames, rate, tones[t], height), frames, rate);

        ck_assert_double_eq_tol(heard.freq_hz, tones[t], 0.02);
        ck_assert_uint_eq(heard.gaps.count, 0);
        ck_assert_uint_eq(heard.clicks.count, 0);
    }
}
END_TEST

START_TEST(a_tenth_of_a_second_is_enough_for_half_a_hertz)
{
    struct listener_channel heard = signal_hear(signal_sine16(4800, 48000, 440, 0.5), 4800, 48000);

    ck_assert_double_eq_tol(heard.freq_hz, 440.0, 0.5);
}
END_TEST

START_TEST(the_stronger_of_two_tones_is_the_pitch)
{
    double *samples = signal_sine(96000, 48000, 440, 0.2), *other;

    other = signal_sine(96000, 48000, 1234.5, 0.4);
    for (size_t i = 0; i < 96000; i++)
        samples[i] += other[i];
    free(other);
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_double_eq_tol(heard.freq_hz, 1234.5, 0.02);
    ck_assert_double_eq_tol(heard.share, 0.8, 0.01); /* 0.4² of 0.4² + 0.2² */
}
END_TEST

START_TEST(pitch_of_a_late_tone_after_silence_is_heard)
{
    double *samples = signal_silence(96000);

    for (size_t i = 90000; i < 96000; i++)
        samples[i] = 0.5 * sin(2 * M_PI * 440 * (double)i / 48000);
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_double_eq_tol(heard.freq_hz, 440, 0.5);
}
END_TEST

START_TEST(noise_has_no_pitch_no_gaps_and_no_clicks)
{
    size_t frames = 20 * 48000;
    double *samples = signal_silence(frames);
    uint64_t state = 1;

    for (size_t i = 0; i < frames; i++) {
        for (int k = 0; k < 12; k++)
            samples[i] += 0.1 * (signal_random(&state) - 0.5); /* close to Gaussian */
    }
    struct listener_channel heard = signal_hear(samples, frames, 48000);

    ck_assert_double_eq(heard.freq_hz, 0);
    ck_assert_uint_eq(heard.gaps.count, 0);
    ck_assert_uint_eq(heard.clicks.count, 0);
    ck_assert_double_eq_tol(heard.rms_dbfs, -20, 0.1); /* 12 times 0.1² / 12 */
}
END_TEST

START_TEST(fewer_than_three_waves_are_no_pitch)
{
    struct listener_channel heard = signal_hear(signal_sine(180, 48000, 440, 0.5), 180, 48000);

    ck_assert_double_eq(heard.freq_hz, 0); /* 1.65 waves */
    ck_assert(!heard.silent);
}
END_TEST

/* -- level -- */

START_TEST(levels_of_a_sine_on_dc_are_its_own)
{
    double *samples = signal_sine(96000, 48000, 440, 0.5);

    for (size_t i = 0; i < 96000; i++)
        samples[i] += 0.25;
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_double_eq_tol(heard.peak_dbfs, 20 * log10(0.75), 0.001);
    ck_assert_double_eq_tol(heard.rms_dbfs, 10 * log10(0.25 * 0.25 + 0.5 * 0.5 / 2), 0.001);
    ck_assert_double_eq_tol(heard.freq_hz, 440, 0.02);
}
END_TEST

START_TEST(what_is_no_number_spoils_nothing)
{
    double *samples = signal_sine(96000, 48000, 440, 0.5);

    samples[100] = NAN;
    samples[50000] = INFINITY;
    samples[50001] = -INFINITY;
    samples[95999] = 1e300;
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_double_eq_tol(heard.peak_dbfs, 20 * log10(0.5), 0.001);
    ck_assert_double_eq_tol(heard.rms_dbfs, 20 * log10(0.5) - 3.0103, 0.01);
    ck_assert_double_eq_tol(heard.freq_hz, 440, 0.01);
}
END_TEST

/* -- feeding -- */

/* A sound of three channels with all there is to hear. */
static double *rich_sound(size_t frames)
{
    double *samples = calloc(frames * 3, sizeof(double));
    uint64_t state = 3;

    ck_assert_ptr_nonnull(samples);
    for (size_t i = 1000; i < frames; i++) {
        samples[3 * i] = (float)(0.5 * sin(2 * M_PI * 440 * (double)(i + (i > 30000)) / 44100));
        samples[3 * i + 1] = i % 20000 < 300 ? 0 : (float)signal_random(&state) - 0.5;
        samples[3 * i + 2] = (float)(1.5 * sin(2 * M_PI * 100 * (double)i / 44100));
    }
    return samples;
}

static void assert_same_report(const struct listener_report *a, const struct listener_report *b)
{
    ck_assert_uint_eq(a->frames, b->frames);
    for (unsigned c = 0; c < 3; c++) {
        const struct listener_channel *x = &a->channel[c], *y = &b->channel[c];

        ck_assert_double_eq_tol(x->freq_hz, y->freq_hz, 0.01);
        ck_assert_double_eq_tol(x->share, y->share, 0.001);
        ck_assert_double_eq(x->peak_dbfs, y->peak_dbfs);
        ck_assert_double_eq(x->rms_dbfs, y->rms_dbfs);
        ck_assert_uint_eq(x->lead_frames, y->lead_frames);
        ck_assert_uint_eq(x->gaps.count, y->gaps.count);
        ck_assert_uint_eq(x->clicks.count, y->clicks.count);
        ck_assert_mem_eq(&x->gaps, &y->gaps, sizeof(x->gaps));
        ck_assert_mem_eq(&x->clicks, &y->clicks, sizeof(x->clicks));
    }
}

START_TEST(the_size_of_blocks_and_asking_early_change_nothing)
{
    static const size_t blocks[] = {1, 7, 441, 4096, 8191, 8192, 8193};
    static struct listener_report whole, parts, early;
    size_t frames = 100000, block = blocks[_i];
    double *samples = rich_sound(frames);
    struct listener *listener;

    ck_assert_int_eq(listener_create(44100, 3, &listener), 0);
    listener_feed(listener, samples, frames);
    listener_report(listener, &whole);
    listener_destroy(listener);
    ck_assert_int_eq(listener_create(44100, 3, &listener), 0);
    for (size_t at = 0; at < frames; at += block) {
        listener_feed(listener, samples + 3 * at, MIN(block, frames - at));
        if (at / 10000 != (at + block) / 10000)
            listener_report(listener, &early);
    }
    listener_report(listener, &parts);
    listener_destroy(listener);
    free(samples);
    assert_same_report(&whole, &parts);
    ck_assert_uint_eq(whole.channel[0].clicks.count, 1);
    ck_assert_uint_eq(whole.channel[1].gaps.count, 4); /* at 20000, 40000, 60000, 80000 */
}
END_TEST

/* Made for a higher rate and more channels, and full of noise. */
START_TEST(listener_that_heard_another_sound_hears_as_a_new_one)
{
    static const struct {
        uint32_t rate_hz;
        unsigned channels;
    } before[] = {{96000, 8}, {44100, 3}, {8000, 1}};
    static struct listener_report fresh, used;
    struct listener *a, *b;
    size_t frames = 60000;
    double *samples = rich_sound(frames);
    uint64_t state = 3;

    ck_assert_int_eq(listener_create(44100, 3, &a), 0);
    ck_assert_int_eq(listener_create(96000, 8, &b), 0);
    listener_tune(b, before[_i].rate_hz, before[_i].channels);
    for (unsigned i = 0; i < 40000; i++) {
        double noise[8];
        for (unsigned c = 0; c < 8; c++)
            noise[c] = signal_random(&state) * 1.5 - 1;
        listener_feed(b, noise, 1);
    }
    listener_tune(b, 44100, 3);
    listener_feed(a, samples, frames);
    listener_feed(b, samples, frames);
    listener_report(a, &fresh);
    listener_report(b, &used);
    listener_destroy(a);
    listener_destroy(b);
    free(samples);
    assert_same_report(&fresh, &used);
}
END_TEST

START_TEST(each_of_up_to_32_channels_is_heard_alone)
{
    static const unsigned counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 32};
    static struct listener_report report;
    unsigned channels = counts[_i];
    size_t frames = 48000;
    double *samples = calloc(frames * channels, sizeof(double));
    struct listener *listener;

    ck_assert_ptr_nonnull(samples);
    for (size_t i = 0; i < frames * channels; i++) {
        double number = (double)(i % channels);

        samples[i] =
            sin(2 * M_PI * (300 + 50 * number) * (double)(i / channels) / 48000) / (number + 2);
    }
    ck_assert_int_eq(listener_create(48000, channels, &listener), 0);
    listener_feed(listener, samples, frames);
    listener_report(listener, &report);
    ck_assert_uint_eq(report.channels, channels);
    ck_assert_uint_eq(report.frames, 48000);
    ck_assert_uint_eq(report.rate_hz, 48000);
    for (unsigned c = 0; c < channels; c++) {
        ck_assert_double_eq_tol(report.channel[c].freq_hz, 300 + 50.0 * c, 0.05);
        ck_assert_double_eq_tol(report.channel[c].peak_dbfs, -20 * log10(c + 2.0), 0.1);
        ck_assert_uint_eq(report.channel[c].gaps.count, 0);
        ck_assert_uint_eq(report.channel[c].clicks.count, 0);
    }
    listener_destroy(listener);
    free(samples);
}
END_TEST

START_TEST(any_number_of_frames_can_be_reported)
{
    static struct listener_report report;

    for (size_t frames = 0; frames < 1000; frames = frames < 70 ? frames + 1 : frames * 5 / 4) {
        struct listener *listener;
        double *samples = signal_sine(frames, 8000, 440, 0.5);

        ck_assert_int_eq(listener_create(8000, 1, &listener), 0);
        listener_feed(listener, samples, frames);
        listener_report(listener, &report);
        ck_assert_uint_eq(report.frames, frames);
        ck_assert_uint_eq(report.channel[0].clicks.count, 0);
        ck_assert_uint_eq(report.channel[0].gaps.count, 0);
        ck_assert(report.silent == (frames < 2)); /* the first sample is 0 */
        listener_destroy(listener);
        free(samples);
    }
}
END_TEST

/* Two minutes with a click each second, in the periods of a player. */
START_TEST(two_minutes_need_no_more_memory_than_the_first_second)
{
    static struct listener_report report;
    double period[80];
    struct listener *listener;
    size_t before = 0;

    ck_assert_int_eq(listener_create(8000, 1, &listener), 0);
    for (uint64_t at = 0; at < 120 * 8000; at += ARRAY_SIZE(period)) {
        for (uint64_t i = 0; i < ARRAY_SIZE(period); i++)
            period[i] = 0.5 * sin(2 * M_PI * 440 * (double)((at + i) % 8000) / 8000) +
                        ((at + i) % 8000 == 4321 ? 0.2 : 0);
        listener_feed(listener, period, ARRAY_SIZE(period));
        if (at == 8000)
            before = mallinfo2().uordblks;
    }
    ck_assert_uint_le(mallinfo2().uordblks, before);
    listener_report(listener, &report);
    ck_assert_uint_eq(report.frames, 960000);
    ck_assert_uint_eq(report.channel[0].clicks.count, 120);
    ck_assert_uint_eq(report.channel[0].clicks.first[0].at_frame, 4321);
    ck_assert_uint_eq(report.channel[0].clicks.first[15].at_frame, 15 * 8000 + 4321);
    ck_assert_double_eq_tol(report.channel[0].freq_hz, 440, 0.001);
    listener_destroy(listener);
}
END_TEST

START_TEST(what_cannot_be_heard_is_refused)
{
    struct listener *listener = NULL;

    ck_assert_int_eq(listener_create(0, 1, &listener), -EINVAL);
    ck_assert_int_eq(listener_create(1000001, 1, &listener), -EINVAL);
    ck_assert_int_eq(listener_create(48000, 0, &listener), -EINVAL);
    ck_assert_int_eq(listener_create(48000, 33, &listener), -EINVAL);
    ck_assert_ptr_null(listener);
    ck_assert_int_eq(listener_create(1, 1, &listener), 0);
    listener_destroy(listener);
    ck_assert_int_eq(listener_create(1000000, 1, &listener), 0);
    listener_destroy(listener);
    listener_destroy(NULL);
}
END_TEST

START_TEST(memory_that_runs_out_fails_create_without_a_leak)
{
    struct listener *listener = NULL;
    bool failed = true;
    unsigned failures = 0;

    for (unsigned n = 0; n < 100 && failed; n++) {
        alloc_fail_after(n);
        int r = listener_create(48000, 2, &listener);

        failed = alloc_fail_stop();
        ck_assert_int_eq(r, failed ? -ENOMEM : 0);
        failures += failed;
    }
    listener_destroy(listener);
    ck_assert_uint_ge(failures, 2); /* itself, and its samples */
}
END_TEST

Suite *listener_suite(void)
{
    Suite *suite = suite_create("listener");
    TCase *pitch = tcase_create("pitch"), *level = tcase_create("level");
    TCase *feeding = tcase_create("feeding");

    tcase_set_timeout(pitch, 60);
    tcase_add_test(pitch, two_seconds_of_440_hz_are_heard_as_440);
    tcase_add_loop_test(pitch, tones_are_heard_at_each_rate, 0, ARRAY_SIZE(rates));
    tcase_add_test(pitch, a_tenth_of_a_second_is_enough_for_half_a_hertz);
    tcase_add_test(pitch, the_stronger_of_two_tones_is_the_pitch);
    tcase_add_test(pitch, pitch_of_a_late_tone_after_silence_is_heard);
    tcase_add_test(pitch, noise_has_no_pitch_no_gaps_and_no_clicks);
    tcase_add_test(pitch, fewer_than_three_waves_are_no_pitch);
    suite_add_tcase(suite, pitch);

    tcase_add_test(level, levels_of_a_sine_on_dc_are_its_own);
    tcase_add_test(level, what_is_no_number_spoils_nothing);
    suite_add_tcase(suite, level);

    tcase_set_timeout(feeding, 60);
    tcase_add_loop_test(feeding, the_size_of_blocks_and_asking_early_change_nothing, 0, 7);
    tcase_add_loop_test(feeding, each_of_up_to_32_channels_is_heard_alone, 0, 9);
    tcase_add_test(feeding, any_number_of_frames_can_be_reported);
    tcase_add_test(feeding, two_minutes_need_no_more_memory_than_the_first_second);
    tcase_add_test(feeding, what_cannot_be_heard_is_refused);
    tcase_add_test(feeding, memory_that_runs_out_fails_create_without_a_leak);
    tcase_add_loop_test(feeding, listener_that_heard_another_sound_hears_as_a_new_one, 0, 3);
    suite_add_tcase(suite, feeding);
    return suite;
}
