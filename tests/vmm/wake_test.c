/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals and the time limit, as events of the main loop. */
#include "vmm/wake.h"

#include "tests/capture.h"
#include "tests/fake_clock.h"
#include "tests/wrap.h"

#include <check.h>
#include <signal.h>
#include <unistd.h>

static struct wake wake;
static struct loop loop;
static struct capture capture;
static sigset_t old_mask;
static unsigned ends, reports;
static bool by_signal;
static struct fake_clock fake = FAKE_CLOCK;

static void ended(struct wake *which, bool signal)
{
    ck_assert_ptr_eq(which, &wake);
    ends++;
    by_signal = signal;
    loop_stop(&loop);
}

static void report(struct wake *which)
{
    ck_assert_ptr_eq(which, &wake);
    reports++;
}

static void setup(void)
{
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &old_mask), 0);
    ck_assert_int_eq(loop_init(&loop), 0);
    fake.now_ns = 1000;
    wake_init(&wake, &fake.base);
    wake.ended = ended;
    wake.report = report;
    ends = reports = 0;
}

static void teardown(void)
{
    wake_fini(&wake);
    loop_fini(&loop);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &old_mask, NULL), 0);
}

/* Serves what is ready, without waiting. */
static void serve(void)
{
    loop_stop(&loop);
    ck_assert_int_eq(loop_run(&loop), 0);
}

static const int ending[] = {SIGTERM, SIGINT, SIGHUP};

START_TEST(signal_ends_the_machine_and_is_told)
{
    ck_assert_int_eq(wake_on_signals(&wake, &loop), 0);
    serve();
    ck_assert_uint_eq(ends, 0);
    ck_assert_int_eq(kill(getpid(), ending[_i]), 0);
    serve();
    ck_assert_uint_eq(ends, 1);
    ck_assert(by_signal);
    ck_assert_int_eq(wake.signal, ending[_i]);
    serve();
    ck_assert_uint_eq(ends, 1);
}
END_TEST

START_TEST(usr1_asks_for_a_report)
{
    ck_assert_int_eq(wake_on_signals(&wake, &loop), 0);
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
    serve();
    ck_assert_uint_eq(reports, 1);
    ck_assert_uint_eq(ends, 0);
}
END_TEST

START_TEST(closed_pipe_is_an_error_and_no_signal)
{
    int out[2];

    ck_assert_int_eq(wake_on_signals(&wake, &loop), 0);
    ck_assert_int_eq(pipe(out), 0);
    (void)close(out[0]);
    ck_assert_int_eq(write(out[1], "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    (void)close(out[1]);
}
END_TEST

START_TEST(time_limit_ends_the_machine_once)
{
    ck_assert_int_eq(wake_after(&wake, &loop, 5000), 0);
    ck_assert_uint_eq(fake.armed_ns, 6000);
    serve();
    ck_assert_uint_eq(ends, 0);
    timebase_monotonic.arm(&timebase_monotonic, fake.armed_fd, 0);
    ck_assert_int_eq(loop_run(&loop), 0); /* ended() stops it */
    ck_assert_uint_eq(ends, 1);
    ck_assert(!by_signal);
}
END_TEST

START_TEST(limit_past_the_end_of_time_is_none)
{
    ck_assert_int_eq(wake_after(&wake, &loop, UINT64_MAX), 0);
    ck_assert_uint_eq(fake.armed_ns, TIME_NEVER);
}
END_TEST

static void assert_one_error(int r, int want)
{
    const char *text = capture_end(&capture);

    ck_assert_int_eq(r, want);
    ck_assert_one_error(text, "");
}

START_TEST(what_cannot_be_watched_is_one_line)
{
    capture_start(&capture);
    wrap_fail_after(WRAP_EPOLL_CTL, 0, ENOSPC);
    int r = wake_on_signals(&wake, &loop);
    ck_assert_uint_eq(wrap_stop(WRAP_EPOLL_CTL), 1);
    assert_one_error(r, -ENOSPC);

    capture_start(&capture);
    wrap_fail_after(WRAP_EPOLL_CTL, 0, ENOMEM);
    r = wake_after(&wake, &loop, 1);
    ck_assert_uint_eq(wrap_stop(WRAP_EPOLL_CTL), 1);
    assert_one_error(r, -ENOMEM);
}
END_TEST

START_TEST(timer_that_cannot_be_had_is_one_line)
{
    capture_start(&capture);
    wrap_fail_after(WRAP_TIMERFD_CREATE, 0, EMFILE);
    int r = wake_after(&wake, &loop, 1);
    ck_assert_uint_eq(wrap_stop(WRAP_TIMERFD_CREATE), 1);
    assert_one_error(r, -EMFILE);
}
END_TEST

Suite *wake_suite(void);
Suite *wake_suite(void)
{
    Suite *suite = suite_create("wake");
    TCase *tc = tcase_create("events");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, signal_ends_the_machine_and_is_told, 0, ARRAY_SIZE(ending));
    tcase_add_test(tc, usr1_asks_for_a_report);
    tcase_add_test(tc, closed_pipe_is_an_error_and_no_signal);
    tcase_add_test(tc, time_limit_ends_the_machine_once);
    tcase_add_test(tc, limit_past_the_end_of_time_is_none);
    tcase_add_test(tc, what_cannot_be_watched_is_one_line);
    tcase_add_test(tc, timer_that_cannot_be_had_is_one_line);
    suite_add_tcase(suite, tc);
    return suite;
}
