/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/pcm/clock.c. */
#include "devices/snd/pcm/clock.h"

#include <check.h>

#define START_NS 123456789ull

static const uint32_t rates[] = {5512, 8000, 11025, 44100, 48000, 192000, 384000};

START_TEST(deadline_of_a_frame_is_when_it_has_been_consumed)
{
    uint32_t rate_hz = rates[_i];
    struct clock clock;

    clock_init(&clock, CLOCK_KIND_TIMER, rate_hz, NULL);
    clock_start(&clock, START_NS);
    for (uint64_t frame = 1; frame < 100000; frame += 1 + frame / 7) {
        uint64_t when = clock_when(&clock, START_NS, frame);
        ck_assert_uint_eq(clock_consumed(&clock, when, UINT64_MAX), frame);
        ck_assert_uint_eq(clock_consumed(&clock, when - 1, UINT64_MAX), frame - 1);
    }
}
END_TEST

/* An hour, period by period, always a little late. */
START_TEST(an_hour_drifts_less_than_a_frame)
{
    uint32_t rate_hz = rates[_i];
    uint64_t period = rate_hz / 50 + 1, frames = 0, now = START_NS;
    struct clock clock;

    clock_init(&clock, CLOCK_KIND_TIMER, rate_hz, NULL);
    clock_start(&clock, now);
    while (frames < 3600ull * rate_hz) {
        frames += period;
        uint64_t when = clock_when(&clock, now, frames);
        now = when + frames % 1000; /* scheduling */
        ck_assert_uint_ge(clock_consumed(&clock, now, UINT64_MAX), frames);
    }
    double ideal_ns = (double)frames * 1e9 / rate_hz;
    double drift_ns = (double)(clock_when(&clock, now, frames) - START_NS) - ideal_ns;
    ck_assert_double_ge(drift_ns, -1e9 / rate_hz);
    ck_assert_double_le(drift_ns, 1e9 / rate_hz);
}
END_TEST

START_TEST(stopped_clock_stands_and_goes_on_where_it_stood)
{
    struct clock clock;

    clock_init(&clock, CLOCK_KIND_TIMER, 48000, NULL);
    ck_assert_uint_eq(clock_when(&clock, START_NS, 480), TIME_NEVER);
    ck_assert_uint_eq(clock_consumed(&clock, START_NS, 1000), 0);
    clock_start(&clock, START_NS);
    clock_stop(&clock, START_NS + 5000000, 10000); /* 240 frames */
    ck_assert_uint_eq(clock_consumed(&clock, START_NS + SECOND_NS, 10000), 240);
    ck_assert_uint_eq(clock_when(&clock, START_NS, 480), TIME_NEVER);
    clock_start(&clock, START_NS + SECOND_NS);
    ck_assert_uint_eq(clock_when(&clock, START_NS, 480), START_NS + SECOND_NS + 5000000);
}
END_TEST

START_TEST(consumed_frames_end_at_what_was_delivered)
{
    struct clock clock;

    clock_init(&clock, CLOCK_KIND_TIMER, 48000, NULL);
    clock_start(&clock, START_NS);
    ck_assert_uint_eq(clock_consumed(&clock, START_NS + SECOND_NS, 480), 480);
    clock_stop(&clock, START_NS + SECOND_NS, 480);
    ck_assert_uint_eq(clock.anchor_frames, 480);
}
END_TEST

START_TEST(shift_moves_the_rest_of_the_timeline)
{
    struct clock clock;

    clock_init(&clock, CLOCK_KIND_TIMER, 48000, NULL);
    clock_start(&clock, START_NS);
    clock_shift(&clock, START_NS + SECOND_NS, 480);
    ck_assert_uint_eq(clock_when(&clock, START_NS, 480), START_NS + SECOND_NS);
    ck_assert_uint_eq(clock_when(&clock, START_NS, 960), START_NS + SECOND_NS + 10000000);
}
END_TEST

START_TEST(free_clock_has_consumed_all_there_is)
{
    struct clock clock;

    clock_init(&clock, CLOCK_KIND_FREE, 48000, NULL);
    ck_assert_uint_eq(clock_when(&clock, START_NS, 480), TIME_NEVER);
    clock_start(&clock, START_NS);
    ck_assert_uint_eq(clock_when(&clock, START_NS, 480), 0);
    ck_assert_uint_eq(clock_consumed(&clock, START_NS, 9600), 9600);
    clock_stop(&clock, START_NS, 9600);
    ck_assert_uint_eq(clock_consumed(&clock, START_NS, 20000), 9600);
}
END_TEST

static int fixed_position(struct host *host, struct host_position *ret_position)
{
    (void)host;
    *ret_position = (struct host_position){.consumed_frames = 240};
    return 0;
}

static uint64_t ten_ms(struct host *host, uint64_t frame)
{
    (void)host;
    return frame == 1000 ? UINT64_MAX : 10000000;
}

START_TEST(host_clock_goes_by_the_host)
{
    const struct host_class class = {.position = fixed_position, .remaining_ns = ten_ms};
    struct host host = {.class = &class};
    struct clock clock;

    clock_init(&clock, CLOCK_KIND_HOST, 48000, &host);
    clock_start(&clock, START_NS);
    ck_assert_int_eq(clock_look(&clock), 0);
    ck_assert_uint_eq(clock_consumed(&clock, START_NS, 480), 240);
    ck_assert_uint_le(clock_when(&clock, START_NS, 240), START_NS);
    ck_assert_uint_eq(clock_when(&clock, START_NS, 480), START_NS + 10000000);
    ck_assert_uint_eq(clock_when(&clock, START_NS, 1000), TIME_NEVER);
}
END_TEST

Suite *clock_suite(void);
Suite *clock_suite(void)
{
    Suite *suite = suite_create("snd/clock");
    TCase *tcase = tcase_create("clock");
    int rate_count = (int)ARRAY_SIZE(rates);

    tcase_add_loop_test(tcase, deadline_of_a_frame_is_when_it_has_been_consumed, 0, rate_count);
    tcase_add_loop_test(tcase, an_hour_drifts_less_than_a_frame, 0, rate_count);
    tcase_add_test(tcase, stopped_clock_stands_and_goes_on_where_it_stood);
    tcase_add_test(tcase, consumed_frames_end_at_what_was_delivered);
    tcase_add_test(tcase, shift_moves_the_rest_of_the_timeline);
    tcase_add_test(tcase, free_clock_has_consumed_all_there_is);
    tcase_add_test(tcase, host_clock_goes_by_the_host);
    suite_add_tcase(suite, tcase);
    return suite;
}
