/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of devices/snd/hear/click.c, heard through the listener: what is lost, repeated or foreign
 * in a tone is found, and a waveform's own edges are not. Expected counts follow from how a sound
 * was made.
 */
#include "devices/snd/hear/click.h"
#include "tests/devices/snd/signals.h"

#include <string.h>

Suite *click_suite(void);

/* A second of a sine of 16 bits of which sample i is the sine's sample where(i). */
static double *spliced(uint32_t rate, double hz,
                       uint64_t (*where)(uint64_t i, uint64_t at, uint64_t n), uint64_t at,
                       uint64_t n)
{
    double *samples = signal_silence(rate);

    for (uint64_t i = 0; i < rate; i++)
        samples[i] = signal_round(0.5 * sin(2 * M_PI * hz * (double)where(i, at, n) / rate), 32768);
    return samples;
}

static uint64_t lost(uint64_t i, uint64_t at, uint64_t n)
{
    return i < at ? i : i + n;
}

static uint64_t repeated(uint64_t i, uint64_t at, uint64_t n)
{
    return i < at ? i : i - n;
}

/* The period at `at` is an old one; then the sound goes on as if it had not been. */
static uint64_t stale(uint64_t i, uint64_t at, uint64_t n)
{
    return i < at || i >= at + n ? i : i - n;
}

static uint64_t each_twice(uint64_t i, uint64_t at, uint64_t n)
{
    (void)at;
    return i / (2 * n) * n + i % n;
}

static uint64_t one_lost_in_each(uint64_t i, uint64_t at, uint64_t n)
{
    (void)at;
    return i + i / n;
}

static const uint32_t rates[] = {8000, 44100, 48000, 96000};

/* One click, and no gap, in a second of sound. */
static void check_joint(double *samples, uint32_t rate, uint64_t at)
{
    struct listener_channel heard = signal_hear(samples, rate, rate);

    ck_assert_uint_eq(heard.clicks.count, 1);
    ck_assert_uint_ge(heard.clicks.first[0].at_frame, at);
    ck_assert_uint_le(heard.clicks.first[0].at_frame, at + 1); /* the first may fit by chance */
    ck_assert_uint_eq(heard.gaps.count, 0);
}

/* 440 Hz crosses zero each 1/880 s: one frame is lost at such a place, and 1/8 wave after it. */
START_TEST(one_lost_frame_is_one_click_where_it_was)
{
    uint32_t rate = rates[_i];

    for (uint64_t k = 0; k < 10; k++) {
        double half_waves = 300 + 37 * (double)k + (k % 2 ? 0.25 : 0);
        uint64_t at = (uint64_t)(rate / 880.0 * half_waves);

        check_joint(spliced(rate, 440, lost, at, 1), rate, at);
    }
}
END_TEST

START_TEST(a_lost_period_is_one_click_at_the_joint)
{
    uint32_t rate = rates[_i];

    for (uint64_t at = rate / 2; at < rate / 2 + 2630; at += 263)
        check_joint(spliced(rate, 440, lost, at, rate / 100), rate, at);
}
END_TEST

START_TEST(a_repeated_period_is_one_click_at_the_joint)
{
    uint32_t rate = rates[_i];

    for (uint64_t at = rate / 2; at < rate / 2 + 2630; at += 263)
        check_joint(spliced(rate, 440, repeated, at, rate / 100), rate, at);
}
END_TEST

START_TEST(a_stale_period_is_a_click_at_each_end)
{
    struct listener_channel heard =
        signal_hear(spliced(48000, 440, stale, 20000, 480), 48000, 48000);

    ck_assert_uint_eq(heard.clicks.count, 2);
    ck_assert_uint_eq(heard.clicks.first[0].at_frame, 20000);
    ck_assert_uint_eq(heard.clicks.first[1].at_frame, 20480);
}
END_TEST

/* 100 periods, each twice but the last: a joint in each pair and one between pairs that is none. */
START_TEST(each_period_played_twice_is_a_click_each)
{
    struct listener_channel heard =
        signal_hear(spliced(48000, 440, each_twice, 0, 480), 48000, 48000);

    ck_assert_uint_eq(heard.clicks.count, 50);
    ck_assert_uint_eq(heard.clicks.first[0].at_frame, 480);
    ck_assert_uint_eq(heard.clicks.first[1].at_frame, 1440);
}
END_TEST

/* Regular as a waveform's edges, but a sine this pure has none. */
START_TEST(a_frame_lost_in_each_period_is_a_click_each)
{
    struct listener_channel heard =
        signal_hear(spliced(48000, 997, one_lost_in_each, 0, 480), 48000, 48000);

    ck_assert_uint_eq(heard.clicks.count, 99);
}
END_TEST

/* 400 Hz has four whole waves in 480 frames: nothing but the length tells of it. */
START_TEST(whole_waves_leave_no_trace)
{
    struct listener_channel heard =
        signal_hear(spliced(48000, 400, lost, 20000, 480), 48000, 48000);

    ck_assert_uint_eq(heard.clicks.count, 0);
}
END_TEST

START_TEST(garbage_in_a_tone_is_one_click)
{
    double *samples = signal_sine16(96000, 48000, 440, 0.5);
    uint64_t state = 5;

    for (size_t i = 50000; i < 50480; i++)
        samples[i] = signal_random(&state) - 0.5;
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_uint_eq(heard.clicks.count, 1);
    ck_assert_uint_eq(heard.clicks.first[0].at_frame, 50000);
}
END_TEST

START_TEST(a_pop_in_silence_is_a_click)
{
    double *samples = signal_silence(96000);

    samples[50000] = 0.3;
    samples[50001] = -0.1;
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_uint_eq(heard.clicks.count, 1);
    ck_assert_uint_eq(heard.clicks.first[0].at_frame, 50000);
    ck_assert_uint_eq(heard.gaps.count, 0);
}
END_TEST

START_TEST(all_clicks_are_counted_and_sixteen_are_placed)
{
    double *samples = signal_sine16(96000, 48000, 440, 0.5);

    for (size_t k = 1; k <= 30; k++)
        samples[3000 * k] += 0.1;
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_uint_eq(heard.clicks.count, 30);
    ck_assert_uint_eq(heard.clicks.first[0].at_frame, 3000);
    ck_assert_uint_eq(heard.clicks.first[15].at_frame, 48000);
}
END_TEST

START_TEST(two_clicks_within_a_millisecond_are_one)
{
    double *samples = signal_sine16(96000, 48000, 440, 0.5);

    samples[50000] += 0.1;
    samples[50030] -= 0.1;
    ck_assert_uint_eq(signal_hear(samples, 96000, 48000).clicks.count, 1);
}
END_TEST

/* -- what is no click -- */

static double square(double phase)
{
    return phase < 0.5 ? 1 : -1;
}

static double saw_tooth(double phase)
{
    return 2 * phase - 1;
}

static double triangle(double phase)
{
    return phase < 0.5 ? 4 * phase - 1 : 3 - 4 * phase;
}

static double (*const shapes[])(double phase) = {square, saw_tooth, triangle};

/* Each tone in each shape at each rate, in one of the formats; at the three rates that is each. */
START_TEST(edges_of_a_waveform_are_neither_clicks_nor_gaps)
{
    static const double tones[] = {20, 21.3, 50, 123.4, 440, 440.7, 1000};
    static const double formats[] = {0, 128, 32768};
    static const uint32_t shape_rates[] = {44100, 48000, 192000};
    uint32_t rate = shape_rates[_i / (int)ARRAY_SIZE(shapes)];
    double (*shape)(double) = shapes[_i % (int)ARRAY_SIZE(shapes)];

    for (size_t k = 0; k < ARRAY_SIZE(tones); k++) {
        double hz = tones[k], steps = formats[(k + (size_t)_i + (size_t)_i / 3) % 3];
        double *samples = signal_silence(rate);

        for (size_t i = 0; i < rate; i++) {
            double phase = hz * (double)i / rate;

            samples[i] = signal_round(0.6 * shape(phase - floor(phase)), steps);
        }
        struct listener_channel heard = signal_hear(samples, rate, rate);

        ck_assert_uint_eq(heard.clicks.count, 0);
        ck_assert_uint_eq(heard.gaps.count, 0);
        ck_assert_double_eq_tol(heard.freq_hz, hz, 0.1);
    }
}
END_TEST

START_TEST(sound_that_begins_and_ends_off_zero_has_no_clicks)
{
    double *samples = signal_silence(96000);

    for (size_t i = 0; i < 96000; i++)
        samples[i] = i / 12000 % 2 ? 0.5 * cos(2 * M_PI * 440 * (double)i / 48000) : 0;
    struct listener_channel heard = signal_hear(samples, 96000, 48000);

    ck_assert_uint_eq(heard.clicks.count, 0);
    ck_assert_uint_eq(heard.gaps.count, 3);
}
END_TEST

START_TEST(a_tone_that_fades_in_and_out_has_no_clicks)
{
    double *samples = signal_sine16(96000, 48000, 440, 0.5);

    for (size_t i = 0; i < 96000; i++)
        samples[i] *= fmin(1, (double)MIN(i, 95999 - i) / 960); /* 20 ms */
    ck_assert_uint_eq(signal_hear(samples, 96000, 48000).clicks.count, 0);
}
END_TEST

START_TEST(a_sweep_and_a_chord_have_no_clicks)
{
    double *sweep = signal_silence(96000), *chord = signal_silence(96000);

    for (size_t i = 0; i < 96000; i++) {
        double t = (double)i / 48000;

        sweep[i] = 0.5 * sin(2 * M_PI * 20 * (pow(1000, t / 2) - 1) * 2 / log(1000));
        chord[i] = 0.3 * (sin(2 * M_PI * 440 * t) + sin(2 * M_PI * 554.37 * t) +
                          sin(2 * M_PI * 659.26 * t));
    }
    ck_assert_uint_eq(signal_hear(sweep, 96000, 48000).clicks.count, 0);
    ck_assert_uint_eq(signal_hear(chord, 96000, 48000).clicks.count, 0);
}
END_TEST

/* Ten minutes of noise with long tails (Laplacian), in which a threshold set too low would show. */
START_TEST(ten_minutes_of_noise_have_next_to_no_clicks)
{
    static struct listener_report report;
    double block[800];
    struct listener *listener;
    uint64_t state = 9;

    ck_assert_int_eq(listener_create(8000, 1, &listener), 0);
    for (int k = 0; k < 6000; k++) {
        for (size_t i = 0; i < ARRAY_SIZE(block); i++)
            block[i] =
                0.05 * log(signal_random(&state) + 1e-12) * (signal_random(&state) < 0.5 ? 1 : -1);
        listener_feed(listener, block, ARRAY_SIZE(block));
    }
    listener_report(listener, &report);
    listener_destroy(listener);
    ck_assert_uint_le(report.channel[0].clicks.count, 5);
    ck_assert_uint_eq(report.channel[0].gaps.count, 0);
}
END_TEST

#define WINDOW 1024

/* What is not searched has no click: tones of any level and pitch, some rounded, some noisy, with a
 * click now and then, looked at both ways. */
START_TEST(a_window_that_needs_no_search_has_none)
{
    static double samples[200 * WINDOW / 2 + WINDOW];
    static double errors[WINDOW];
    struct click_block blocks[CLICK_BLOCKS] = {0};
    struct click_events events;
    unsigned none = 0, with_clicks = 0;
    uint64_t state = 1 + (uint64_t)_i;
    double hz = 100 + 3000 * signal_random(&state), level = pow(10, -3 * signal_random(&state));
    double noise = _i % 3 == 0 ? 1e-3 * signal_random(&state) : 0;

    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        samples[i] = level * sin(2 * M_PI * hz * (double)i / 8000) +
                     noise * (signal_random(&state) - 0.5) +
                     (signal_random(&state) < 1e-4 ? level * signal_random(&state) : 0);
    for (size_t i = 0; i < ARRAY_SIZE(samples) && _i % 2 == 0; i++)
        samples[i] = signal_round(samples[i], 32768);
    for (size_t at = 0; at + WINDOW <= ARRAY_SIZE(samples); at += WINDOW / 2) {
        const struct click_window window = {.samples = samples + at,
                                            .frames = WINDOW,
                                            .block_frames = WINDOW / CLICK_BLOCKS,
                                            .blocks = blocks,
                                            .edge_frames = 8,
                                            .errors = errors};

        memcpy(blocks, blocks + CLICK_BLOCKS / 2, sizeof(blocks) / 2);
        click_fit(samples + at, WINDOW / CLICK_BLOCKS, at == 0 ? 0 : CLICK_BLOCKS / 2, CLICK_BLOCKS,
                  blocks);
        click_search(&window, &events);
        ck_assert(!click_none(blocks) || events.count == 0);
        none += click_none(blocks);
        with_clicks += events.count > 0;
    }
    ck_assert(with_clicks > 0 || noise > 0);
    ck_assert(none > 20 || level < 0.05 || noise > 0);
}
END_TEST

#define LOUDEST 1e6 /* that is taken for sound: 120 dBFS */

/* Bursts as loud as can be, beside next to nothing: rounding leaves nothing of the numbers that a
 * predictor is made of, and what it predicts may be infinite. */
START_TEST(sound_that_nothing_predicts_is_survived)
{
    static const double bursts[][7] = {
        {0, 0, LOUDEST, LOUDEST, -LOUDEST, 24860.75, 0},
        {-LOUDEST, 24860.75, 1.5, -LOUDEST, 24860.75, LOUDEST, 24860.75},
        {24860.75, 1.5, -1e5, 24860.75, 1.5, -LOUDEST, 24860.75},
    };
    static const double rest[] = {1e-10, 1e-8, 1e-12};
    double *samples = signal_silence(8192);

    for (size_t i = 0; i < 8192; i++) /* a burst in each block of a window of 256 */
        samples[i] = i % 32 < 7 ? bursts[_i][i % 32] : rest[_i];
    ck_assert_double_eq_tol(signal_hear(samples, 8192, 1500).peak_dbfs, 120, 0.01);
}
END_TEST

Suite *click_suite(void)
{
    Suite *suite = suite_create("click");
    TCase *found = tcase_create("found"), *none = tcase_create("none");

    tcase_set_timeout(found, 60);
    tcase_add_loop_test(found, one_lost_frame_is_one_click_where_it_was, 0, ARRAY_SIZE(rates));
    tcase_add_loop_test(found, a_lost_period_is_one_click_at_the_joint, 0, ARRAY_SIZE(rates));
    tcase_add_loop_test(found, a_repeated_period_is_one_click_at_the_joint, 0, ARRAY_SIZE(rates));
    tcase_add_test(found, a_stale_period_is_a_click_at_each_end);
    tcase_add_test(found, each_period_played_twice_is_a_click_each);
    tcase_add_test(found, a_frame_lost_in_each_period_is_a_click_each);
    tcase_add_test(found, whole_waves_leave_no_trace);
    tcase_add_test(found, garbage_in_a_tone_is_one_click);
    tcase_add_test(found, a_pop_in_silence_is_a_click);
    tcase_add_test(found, all_clicks_are_counted_and_sixteen_are_placed);
    tcase_add_test(found, two_clicks_within_a_millisecond_are_one);
    suite_add_tcase(suite, found);

    tcase_set_timeout(none, 60);
    tcase_add_loop_test(none, edges_of_a_waveform_are_neither_clicks_nor_gaps, 0, 9);
    tcase_add_test(none, sound_that_begins_and_ends_off_zero_has_no_clicks);
    tcase_add_test(none, a_tone_that_fades_in_and_out_has_no_clicks);
    tcase_add_test(none, a_sweep_and_a_chord_have_no_clicks);
    tcase_add_test(none, ten_minutes_of_noise_have_next_to_no_clicks);
    tcase_add_loop_test(none, a_window_that_needs_no_search_has_none, 0, 12);
    tcase_add_loop_test(none, sound_that_nothing_predicts_is_survived, 0, 3);
    suite_add_tcase(suite, none);
    return suite;
}
