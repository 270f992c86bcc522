/* SPDX-License-Identifier: BSD-3-Clause */
/* Event loops, watches that come and go. */
#include "vmm/base/loop.h"

#include "tests/capture.h"
#include "tests/fake_clock.h"
#include "tests/wrap.h"

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct loop loop;

/* A watch that counts, and does what the test wants. */
struct counter {
    struct watch watch;
    atomic_uint count;
    struct counter *remove; /* removed when this one is served; may be itself */
    bool keep;              /* leave the cause */
    unsigned stop_at;       /* stop the loop at this count; 0: never */
};

static void counter_ready(struct watch *watch, uint32_t epoll_events)
{
    struct counter *counter = container_of(watch, struct counter, watch);
    struct loop *own = watch->loop;
    eventfd_t value;

    ck_assert_uint_eq(epoll_events, EPOLLIN);
    counter->count++;
    if (!counter->keep)
        (void)eventfd_read(watch->fd, &value);
    if (counter->remove != NULL)
        loop_remove(&counter->remove->watch);
    if (counter->count == counter->stop_at)
        loop_stop(own);
}

static void counter_init(struct counter *counter, unsigned pending)
{
    *counter = (struct counter){.watch.ready = counter_ready};
    counter->watch.fd = eventfd(pending, EFD_NONBLOCK);
    ck_assert_int_ge(counter->watch.fd, 0);
}

static void setup(void)
{
    ck_assert_int_eq(loop_init(&loop), 0);
}

static void teardown(void)
{
    loop_fini(&loop);
}

START_TEST(ready_watches_are_served_until_stop)
{
    struct counter a, b;

    counter_init(&a, 1);
    counter_init(&b, 0);
    a.stop_at = 1;
    ck_assert_int_eq(loop_add(&loop, &a.watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_add(&loop, &b.watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_eq(a.count, 1);
    ck_assert_uint_eq(b.count, 0);
}
END_TEST

START_TEST(watch_is_level_triggered)
{
    struct counter a;

    counter_init(&a, 1);
    a.keep = true;
    a.stop_at = 3;
    ck_assert_int_eq(loop_add(&loop, &a.watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_ge(a.count, 3);
}
END_TEST

START_TEST(stop_before_run_ends_it_and_it_runs_again)
{
    struct counter a;

    loop_stop(&loop);
    ck_assert_int_eq(loop_run(&loop), 0);
    counter_init(&a, 1);
    a.stop_at = 1;
    ck_assert_int_eq(loop_add(&loop, &a.watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_eq(a.count, 1);
}
END_TEST

START_TEST(removed_watch_is_not_served_even_in_its_round)
{
    struct counter a, b, end;

    counter_init(&a, 1);
    counter_init(&b, 1);
    a.remove = &b; /* whoever comes first */
    b.remove = &a;
    ck_assert_int_eq(loop_add(&loop, &a.watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_add(&loop, &b.watch, EPOLLIN), 0);
    counter_init(&end, 1);
    end.stop_at = 1;
    ck_assert_int_eq(loop_add(&loop, &end.watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_eq(a.count + b.count, 1);
}
END_TEST

START_TEST(watch_may_remove_itself_and_be_added_again)
{
    struct counter a;

    counter_init(&a, 1);
    a.remove = &a;
    a.keep = true;
    a.stop_at = 1;
    ck_assert_int_eq(loop_add(&loop, &a.watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_ptr_null(a.watch.loop);
    loop_remove(&a.watch);
    a.stop_at = 2;
    ck_assert_int_eq(loop_add(&loop, &a.watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_eq(a.count, 2);
}
END_TEST

START_TEST(changed_watch_waits_for_other_events)
{
    struct counter a, end;

    counter_init(&a, 1);
    counter_init(&end, 1);
    end.keep = true;
    end.stop_at = 5;
    ck_assert_int_eq(loop_add(&loop, &a.watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_change(&a.watch, 0), 0);
    ck_assert_int_eq(loop_add(&loop, &end.watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_eq(a.count, 0);
}
END_TEST

START_TEST(many_ready_watches_starve_none)
{
    struct counter all[40];

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        counter_init(&all[i], 1);
        all[i].keep = true; /* always ready */
        ck_assert_int_eq(loop_add(&loop, &all[i].watch, EPOLLIN), 0);
    }
    all[0].stop_at = 100;
    ck_assert_int_eq(loop_run(&loop), 0);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        ck_assert_uint_ge(all[i].count, 90);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        close(all[i].watch.fd);
}
END_TEST

START_TEST(bad_descriptor_is_refused)
{
    struct watch watch = {.fd = -1};

    ck_assert_int_eq(loop_add(&loop, &watch, EPOLLIN), -EBADF);
    ck_assert_ptr_null(watch.loop);
    loop_remove(&watch);
}
END_TEST

/* -- the alarm, by a clock of ours -- */

static struct fake_clock fake = FAKE_CLOCK;
static unsigned alarms;

static void alarm_rings(struct loop *own, void *ctx)
{
    ck_assert_ptr_eq(ctx, &alarms);
    ck_assert_uint_eq(own->alarm_ns, TIME_NEVER);
    alarms++;
    loop_stop(own);
}

static void alarm_is_at(uint64_t ns)
{
    loop.timebase = &fake.base;
    fake.now_ns = 5000;
    alarms = 0;
    loop_alarm(&loop, ns, alarm_rings, &alarms);
}

START_TEST(alarm_rings_once_when_it_is_time)
{
    struct counter a;

    counter_init(&a, 1);
    a.stop_at = 1;
    ck_assert_int_eq(loop_add(&loop, &a.watch, EPOLLIN), 0);
    alarm_is_at(5001);
    ck_assert_int_eq(loop_run(&loop), 0); /* stopped by the watch */
    ck_assert_uint_eq(alarms, 0);
    fake.now_ns = 5001;
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_eq(alarms, 1);
    loop_stop(&loop);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_eq(alarms, 1);
}
END_TEST

START_TEST(alarm_that_was_taken_back_does_not_ring)
{
    alarm_is_at(5000);
    loop_alarm(&loop, TIME_NEVER, alarm_rings, &alarms);
    loop_stop(&loop);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_eq(alarms, 0);
}
END_TEST

START_TEST(ready_watches_do_not_hold_up_an_alarm)
{
    struct counter a;

    counter_init(&a, 1);
    a.keep = true; /* always ready */
    ck_assert_int_eq(loop_add(&loop, &a.watch, EPOLLIN), 0);
    alarm_is_at(5000);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_eq(alarms, 1);
}
END_TEST

/* By this clock the alarm is not due when the wait begins, and is when it ends, however long this
 * thread was held up. */
static unsigned looks;

static uint64_t due_at_second_look(struct timebase *base)
{
    (void)base;
    return looks++ == 0 ? 0 : MS_NS;
}

/* The loop's wait ends by itself. As the kernel has it, and without epoll_pwait2(). */
START_TEST(alarm_ends_the_wait)
{
    static const int errors[] = {0, ENOSYS, EPERM};
    static struct timebase clock = {.now_ns = due_at_second_look};

    if (errors[_i] != 0)
        wrap_fail_after(WRAP_EPOLL_PWAIT2, 0, errors[_i]);
    alarms = looks = 0;
    loop.timebase = &clock;
    loop_alarm(&loop, MS_NS, alarm_rings, &alarms);
    int r = loop_run(&loop);
    ck_assert_uint_eq(wrap_stop(WRAP_EPOLL_PWAIT2) > 0, errors[_i] != 0);
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(alarms, 1);
}
END_TEST

/* -- who comes -- */

struct door {
    struct watch watch;
    unsigned tries, came;
};

static void door_ready(struct watch *watch, uint32_t epoll_events)
{
    struct door *door = container_of(watch, struct door, watch);
    int fd = loop_accept(watch);

    ck_assert_uint_eq(epoll_events, EPOLLIN);
    door->tries++;
    door->came += fd >= 0;
    fd_close(&fd);
}

static void door_ends(struct watch *watch, uint32_t epoll_events)
{
    door_ready(watch, epoll_events);
    loop_stop(watch->loop);
}

/* A socket that listens, watched, and somebody (ret_fd) who connects to it. */
static void door_open(struct door *door, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(address.sun_family); /* the kernel finds a name */

    *door = (struct door){.watch.ready = door_ready};
    door->watch.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(door->watch.fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(door->watch.fd, 4), 0);
    len = sizeof(address);
    ck_assert_int_eq(getsockname(door->watch.fd, (struct sockaddr *)&address, &len), 0);
    *ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(*ret_fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(loop_add(&loop, &door->watch, EPOLLIN), 0);
}

/* Rounds of the loop that end by themselves. */
static void run_rounds(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        loop_stop(&loop);
        ck_assert_int_eq(loop_run(&loop), 0);
    }
}

START_TEST(who_can_not_be_taken_waits_and_nothing_spins)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM};
    struct capture capture;
    struct door door[2];
    int fd[2];

    loop.timebase = &fake.base;
    fake.now_ns = 5000;
    door_open(&door[0], &fd[0]);
    door_open(&door[1], &fd[1]);
    capture_start(&capture);
    wrap_fail_after(WRAP_ACCEPT4, 0, errors[_i]);
    run_rounds(10);
    ck_assert_uint_eq(wrap_failures(WRAP_ACCEPT4), 2);
    fake.now_ns += SECOND_NS - 1;
    run_rounds(10);
    ck_assert_uint_eq(wrap_failures(WRAP_ACCEPT4), 2);
    fake.now_ns++;
    run_rounds(10);
    ck_assert_uint_eq(wrap_stop(WRAP_ACCEPT4), 4);
    loop_remove(&door[0].watch); /* while it rests */
    fake.now_ns += SECOND_NS;
    run_rounds(10);
    (void)capture_end(&capture);
    ck_assert_uint_eq(door[0].came, 0);
    ck_assert_uint_eq(door[1].came, 1);
    ck_assert_uint_eq(door[1].tries, 3);
    ck_assert_ptr_nonnull(strstr(capture.text, strerror(errors[_i])));
    ck_assert_ptr_eq(strchr(capture.text, '\n'), strrchr(capture.text, '\n')); /* one line */
    ck_assert_int_eq(loop_add(&loop, &door[0].watch, EPOLLIN), 0);
    run_rounds(2);
    ck_assert_uint_eq(door[0].came, 1);
}
END_TEST

START_TEST(who_has_left_again_is_nobody)
{
    struct door door;
    int fd;

    door_open(&door, &fd);
    wrap_fail_after(WRAP_ACCEPT4, 0, _i == 0 ? EAGAIN : ECONNABORTED);
    run_rounds(1);
    ck_assert_uint_eq(wrap_stop(WRAP_ACCEPT4), 1);
    run_rounds(2); /* it does not rest */
    ck_assert_uint_eq(door.came, 1);
}
END_TEST

START_TEST(rest_ends_the_wait)
{
    struct door door;
    int fd;

    door_open(&door, &fd);
    wrap_fail_after(WRAP_ACCEPT4, 0, EMFILE);
    run_rounds(1);
    (void)wrap_stop(WRAP_ACCEPT4);
    loop.rest_ns = monotonic_ns() + MS_NS; /* sooner than in a second */
    door.watch.ready = door_ends;
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_uint_eq(door.came, 1);
}
END_TEST

START_TEST(loop_that_cannot_be_made_leaves_nothing)
{
    static const enum wrap_call calls[] = {WRAP_EPOLL_CREATE1, WRAP_EVENTFD, WRAP_EPOLL_CTL};
    struct loop other;

    wrap_fail_after(calls[_i], 0, EMFILE);
    int r = loop_init(&other);
    wrap_stop(calls[_i]);
    ck_assert_int_eq(r, -EMFILE);
    ck_assert_int_eq(other.epoll_fd, -1);
    ck_assert_int_eq(other.stop.fd, -1);
}
END_TEST

Suite *loop_suite(void);
Suite *loop_suite(void)
{
    Suite *suite = suite_create("loop");
    TCase *tcase = tcase_create("watches");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, ready_watches_are_served_until_stop);
    tcase_add_test(tcase, watch_is_level_triggered);
    tcase_add_test(tcase, stop_before_run_ends_it_and_it_runs_again);
    tcase_add_test(tcase, removed_watch_is_not_served_even_in_its_round);
    tcase_add_test(tcase, watch_may_remove_itself_and_be_added_again);
    tcase_add_test(tcase, changed_watch_waits_for_other_events);
    tcase_add_test(tcase, many_ready_watches_starve_none);
    tcase_add_test(tcase, bad_descriptor_is_refused);
    tcase_add_test(tcase, alarm_rings_once_when_it_is_time);
    tcase_add_test(tcase, alarm_that_was_taken_back_does_not_ring);
    tcase_add_test(tcase, ready_watches_do_not_hold_up_an_alarm);
    tcase_add_loop_test(tcase, alarm_ends_the_wait, 0, 3);
    tcase_add_loop_test(tcase, who_can_not_be_taken_waits_and_nothing_spins, 0, 3);
    tcase_add_loop_test(tcase, who_has_left_again_is_nobody, 0, 2);
    tcase_add_test(tcase, rest_ends_the_wait);
    tcase_add_loop_test(tcase, loop_that_cannot_be_made_leaves_nothing, 0, 3);
    suite_add_tcase(suite, tcase);
    return suite;
}
