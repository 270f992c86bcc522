/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/base/timebase.c. None waits for time to pass. */
#include "vmm/base/timebase.h"

#include <check.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define HOUR_NS (3600 * SECOND_NS)

static uint64_t now(void)
{
    return timebase_monotonic.now_ns(&timebase_monotonic);
}

static bool expires(int fd, int timeout_ms)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};

    return poll(&pollfd, 1, timeout_ms) == 1;
}

/* What is left, in ns; 0: not set. */
static uint64_t left_ns(int fd)
{
    struct itimerspec left;

    ck_assert_int_eq(timerfd_gettime(fd, &left), 0);
    return (uint64_t)left.it_value.tv_sec * SECOND_NS + (uint64_t)left.it_value.tv_nsec;
}

START_TEST(time_is_the_monotonic_clocks)
{
    struct timespec before, after;

    ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &before), 0);
    uint64_t time = now();
    ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &after), 0);
    ck_assert_uint_ge(time, (uint64_t)before.tv_sec * 1000000000 + (uint64_t)before.tv_nsec);
    ck_assert_uint_le(time, (uint64_t)after.tv_sec * 1000000000 + (uint64_t)after.tv_nsec);
}
END_TEST

START_TEST(timer_is_set_to_its_deadline_and_taken_back)
{
    int fd = timebase_timer();

    ck_assert_int_ge(fd, 0);
    timebase_monotonic.arm(&timebase_monotonic, fd, now() + HOUR_NS);
    ck_assert_uint_le(left_ns(fd), HOUR_NS);
    ck_assert_uint_gt(left_ns(fd), 0);
    ck_assert(!expires(fd, 0));
    timebase_monotonic.arm(&timebase_monotonic, fd, TIME_NEVER);
    ck_assert_uint_eq(left_ns(fd), 0);
    (void)close(fd);
}
END_TEST

/* 0 and all that is past. */
START_TEST(past_deadline_is_at_once)
{
    int fd = timebase_timer();

    ck_assert_int_ge(fd, 0);
    timebase_monotonic.arm(&timebase_monotonic, fd, _i == 0 ? 0 : now());
    ck_assert(expires(fd, -1));
    timebase_monotonic.arm(&timebase_monotonic, fd, TIME_NEVER);
    ck_assert(!expires(fd, 0)); /* setting it takes the expiration away */
    (void)close(fd);
}
END_TEST

Suite *timebase_suite(void);
Suite *timebase_suite(void)
{
    Suite *suite = suite_create("timebase");
    TCase *tcase = tcase_create("monotonic");

    tcase_add_test(tcase, time_is_the_monotonic_clocks);
    tcase_add_test(tcase, timer_is_set_to_its_deadline_and_taken_back);
    tcase_add_loop_test(tcase, past_deadline_is_at_once, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
