/* SPDX-License-Identifier: BSD-3-Clause */
/* An interrupt line, not connected and connected. */
#include "vmm/base/irq.h"

#include "tests/wrap.h"

#include <check.h>
#include <sched.h>
#include <sys/eventfd.h>

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

static int set_level(const struct irq *irq, bool high)
{
    (void)irq;
    faults += level == high;
    level = high;
    sched_yield(); /* for another thread to come in between */
    edges += high;
    return 0;
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

    edges = faults = 0;
    ck_assert_int_eq(irq_init(&irq), 0);
    irq.set = set_level;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, raise_often, &irq), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_int_eq(edges, 400);
    ck_assert_int_eq(faults, 0);
    ck_assert(!level);
    irq_fini(&irq);
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
    suite_add_tcase(suite, tcase);
    return suite;
}
