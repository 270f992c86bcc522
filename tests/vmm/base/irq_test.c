/* SPDX-License-Identifier: BSD-3-Clause */
/* An interrupt line, not connected and connected. */
#include "vmm/base/irq.h"

#include "tests/wrap.h"
#include "vmm/base/timebase.h"

#include <check.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

START_TEST(each_raise_is_an_edge)
{
    struct irq irq;
    eventfd_t edges = 0;

    ck_assert_int_eq(irq_init(&irq), 0);
    ck_assert_int_eq(eventfd_read(irq.fd, &edges), -1); /* none, and does not block */
    irq_raise(&irq);
    irq_raise(&irq);
    irq_raise(&irq);
    ck_assert_int_eq(eventfd_read(irq.fd, &edges), 0);
    ck_assert_uint_eq(edges, 3);
    irq_fini(&irq);
    irq_fini(&irq);
    ck_assert_int_eq(irq.fd, -1);
}
END_TEST

START_TEST(full_counter_does_not_block)
{
    struct irq irq;

    ck_assert_int_eq(irq_init(&irq), 0);
    ck_assert_int_eq(eventfd_write(irq.fd, UINT64_MAX - 1), 0);
    irq_raise(&irq);
    irq_fini(&irq);
}
END_TEST

START_TEST(line_without_eventfd_fails)
{
    struct irq irq = {.fd = 7};

    wrap_fail_after(WRAP_EVENTFD, 0, EMFILE);
    int r = irq_init(&irq);
    wrap_stop(WRAP_EVENTFD);
    ck_assert_int_eq(r, -EMFILE);
    ck_assert_int_eq(irq.fd, -1);
}
END_TEST

/* What connects the line: counts edges, and notes what is none. */
static int edges, faults;
static bool level;

static bool reaches;

static bool set_level(const struct irq *irq, bool high)
{
    (void)irq;
    faults += level == high;
    level = high;
    sched_yield(); /* for another thread to come in between */
    edges += high;
    return reaches;
}

static struct loop loop;

static void connect(struct irq *irq)
{
    edges = faults = 0;
    reaches = true;
    level = false;
    ck_assert_int_eq(loop_init(&loop), 0);
    ck_assert_int_eq(irq_init(irq), 0);
    ck_assert_int_eq(irq_connect(irq, &loop, set_level, -1, 0), 0);
}

static void disconnect(struct irq *irq)
{
    irq_fini(irq);
    loop_fini(&loop);
}

static void *raise_often(void *arg)
{
    for (int i = 0; i < 200; i++)
        irq_raise(arg);
    return NULL;
}

START_TEST(threads_pulse_one_after_the_other)
{
    struct irq irq;
    pthread_t thread[2];

    connect(&irq);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, raise_often, &irq), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_int_eq(edges, 400);
    ck_assert_int_eq(faults, 0);
    ck_assert(!level);
    disconnect(&irq);
}
END_TEST

/* The edge will be repeated, or it is time for that. */
static bool is_armed(const struct irq *irq)
{
    struct itimerspec left;

    ck_assert_int_eq(timerfd_gettime(irq->fd, &left), 0);
    return left.it_value.tv_sec != 0 || left.it_value.tv_nsec != 0 ||
           poll(&(struct pollfd){.fd = irq->fd, .events = POLLIN}, 1, 0) == 1;
}

/* proves: MMIO-06 */
START_TEST(edge_on_a_masked_pin_is_repeated_until_it_is_taken)
{
    struct irq irq;

    connect(&irq);
    reaches = false;
    irq_raise(&irq);
    for (int i = 1; i <= 12; i++) {
        ck_assert_int_eq(edges, i);
        ck_assert(is_armed(&irq));
        ck_assert_uint_eq(irq.repeat_ns, MIN(SECOND_NS, MS_NS << (i - 1)));
        irq.repeat.ready(&irq.repeat, EPOLLIN); /* its time has come */
    }
    reaches = true; /* the pin is unmasked */
    irq.repeat.ready(&irq.repeat, EPOLLIN);
    ck_assert_int_eq(edges, 14);
    ck_assert(!is_armed(&irq));
    reaches = false; /* and masked again: soon, as at first */
    irq_raise(&irq);
    ck_assert(is_armed(&irq));
    ck_assert_uint_eq(irq.repeat_ns, MS_NS);
    disconnect(&irq);
}
END_TEST

START_TEST(more_edges_on_a_masked_pin_put_off_no_repeat)
{
    struct irq irq;

    connect(&irq);
    reaches = false;
    for (int i = 0; i < 20; i++)
        irq_raise(&irq);
    ck_assert_int_eq(edges, 20);
    ck_assert(is_armed(&irq));
    ck_assert_uint_eq(irq.repeat_ns, MS_NS);
    disconnect(&irq);
}
END_TEST

START_TEST(edge_that_is_taken_needs_no_repeat_of_those_before)
{
    struct irq irq;

    connect(&irq);
    reaches = false;
    irq_raise(&irq);
    reaches = true;
    irq_raise(&irq);
    ck_assert(!is_armed(&irq));
    irq.repeat.ready(&irq.repeat, EPOLLIN); /* it was due just then */
    ck_assert_int_eq(edges, 2);
    disconnect(&irq);
}
END_TEST

START_TEST(main_loop_repeats)
{
    struct irq irq;

    connect(&irq);
    reaches = false;
    irq_raise(&irq);
    reaches = true;
    while (edges < 2) {
        loop_stop(&loop); /* one round: of the timer, or of this */
        ck_assert_int_eq(loop_run(&loop), 0);
    }
    ck_assert(!is_armed(&irq));
    disconnect(&irq);
}
END_TEST

START_TEST(line_that_cannot_be_connected_stays_an_eventfd)
{
    static const enum wrap_call calls[] = {WRAP_TIMERFD_CREATE, WRAP_EPOLL_CTL};
    struct irq irq;
    eventfd_t count = 0;

    ck_assert_int_eq(loop_init(&loop), 0);
    ck_assert_int_eq(irq_init(&irq), 0);
    wrap_fail_after(calls[_i], 0, EMFILE);
    int r = irq_connect(&irq, &loop, set_level, -1, 0);
    wrap_stop(calls[_i]);
    ck_assert_int_eq(r, -EMFILE);
    irq_raise(&irq);
    ck_assert_int_eq(eventfd_read(irq.fd, &count), 0);
    ck_assert_uint_eq(count, 1);
    disconnect(&irq);
}
END_TEST

Suite *irq_suite(void);
Suite *irq_suite(void)
{
    Suite *suite = suite_create("irq");
    TCase *tcase = tcase_create("line");

    tcase_add_test(tcase, each_raise_is_an_edge);
    tcase_add_test(tcase, full_counter_does_not_block);
    tcase_add_test(tcase, line_without_eventfd_fails);
    tcase_add_test(tcase, threads_pulse_one_after_the_other);
    tcase_add_test(tcase, edge_on_a_masked_pin_is_repeated_until_it_is_taken);
    tcase_add_test(tcase, more_edges_on_a_masked_pin_put_off_no_repeat);
    tcase_add_test(tcase, edge_that_is_taken_needs_no_repeat_of_those_before);
    tcase_add_test(tcase, main_loop_repeats);
    tcase_add_loop_test(tcase, line_that_cannot_be_connected_stays_an_eventfd, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
