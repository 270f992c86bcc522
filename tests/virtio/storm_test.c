/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device under load while vCPUs reset it, disable its queues and kick it, all at once. Meant for
 * the thread sanitizer.
 */
#include "tests/virtio/echo_fixture.h"

#include <sched.h>

#define RESETS 10000

static atomic_bool done;

static void setup_undone(void)
{
    setup();
    done = false;
}

/* Puts as much into queue 0 as it holds and kicks. */
static void load(void)
{
    const struct fake_piece pieces[] = {{DATA, 64, 0}, {DATA + 64, 64, FAKE_WRITE}};

    for (int i = 0; i < 100; i++)
        fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], pieces, 2));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
}

/* Another vCPU: reads and kicks without end, with a breath so that the first one gets the bus. */
static void *other_vcpu(void *arg)
{
    struct fake_driver *shared = arg;

    while (!done) {
        (void)sched_yield();
        fake_write(shared, FAKE_QUEUE_NOTIFY, 0);
        fake_write(shared, FAKE_QUEUE_NOTIFY, 1);
        (void)fake_read(shared, FAKE_INTERRUPT_STATUS);
        fake_write(shared, FAKE_INTERRUPT_ACK, 3);
        (void)fake_read(shared, FAKE_CONFIG);
    }
    return NULL;
}

/* proves: DEV-32, DEV-33, DEV-35, MMIO-33 */
START_TEST(reset_storm_under_load)
{
    pthread_t thread;
    int bad = 0;

    ck_assert_int_eq(pthread_create(&thread, NULL, other_vcpu, &drv), 0);
    for (int i = 0; i < RESETS; i++) {
        bad += fake_start(&drv, FAKE_VERSION_1) != 15;
        load();
        fake_write(&drv, FAKE_STATUS, 0);
        uint16_t used = fake_used_idx(&drv.ring[0]);
        bad += fake_read(&drv, FAKE_STATUS) != 0 || used > 100;
        bad += used != fake_used_idx(&drv.ring[0]);
    }
    done = true;
    pthread_join(thread, NULL);
    ck_assert_int_eq(bad, 0);
    ck_assert_uint_eq(echo_of(dev)->activated, RESETS);
    ck_assert_uint_eq(echo_of(dev)->reset, RESETS);
}
END_TEST

START_TEST(queue_disabled_and_enabled_under_load)
{
    pthread_t thread;
    int bad = 0;

    ck_assert_int_eq(pthread_create(&thread, NULL, other_vcpu, &drv), 0);
    for (int i = 0; i < 1000; i++) {
        bad += fake_start(&drv, FAKE_VERSION_1) != 15;
        load();
        fake_write(&drv, FAKE_QUEUE_SEL, (uint32_t)i % 2);
        fake_write(&drv, FAKE_QUEUE_READY, 0);
        bad += fake_read(&drv, FAKE_QUEUE_READY) != 0;
        fake_write(&drv, FAKE_QUEUE_READY, 1);
        bad += fake_read(&drv, FAKE_QUEUE_READY) != 1;
        bad += fake_read(&drv, FAKE_STATUS) != 15;
        fake_write(&drv, FAKE_STATUS, 0);
    }
    done = true;
    pthread_join(thread, NULL);
    ck_assert_int_eq(bad, 0);
}
END_TEST

/* A driver that refills queue 0 as fast as the device empties it, from another thread. */
static void *refill(void *arg)
{
    const struct fake_piece pieces[] = {{DATA, 1, 0}, {DATA + 64, 1, FAKE_WRITE}};
    struct fake_ring *ring = &drv.ring[0];
    uint32_t id, len, free = ring->size / 2u;

    while (!done) {
        uint16_t old = ring->avail_idx;
        for (; free > 0; free--)
            fake_offer(ring, fake_chain(ring, pieces, 2));
        if (ring->avail_idx != old && fake_kick_wanted(ring, old, false))
            fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
        while (fake_used(ring, &id, &len))
            free++;
    }
    return arg;
}

/* proves: VQ-G-13 */
START_TEST(endless_work_on_one_queue_starves_no_other)
{
    const struct fake_piece pieces[] = {{DATA, 4, 0}, {DATA + 64, 4, FAKE_WRITE}};
    uint32_t id, len;
    pthread_t thread;

    (void)fake_start(&drv, FAKE_VERSION_1);
    fake_avail_flags_set(&drv.ring[0], 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, refill, NULL), 0);
    while (echo_of(dev)->taken < 1000)
        usleep(100);
    for (int i = 0; i < 100; i++) {
        fake_offer(&drv.ring[1], fake_chain(&drv.ring[1], pieces, 2));
        fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
        ck_assert(fake_wait_used(&drv, 1, &id, &len));
    }
    unsigned taken = echo_of(dev)->taken;
    fake_write(&drv, FAKE_STATUS, 0); /* and the worker can still be stopped */
    done = true;
    pthread_join(thread, NULL);
    ck_assert_uint_gt(taken, 1000);
}
END_TEST

Suite *storm_suite(void);
Suite *storm_suite(void)
{
    Suite *suite = suite_create("storm");
    TCase *tcase = tcase_create("threads");

    tcase_add_checked_fixture(tcase, setup_undone, teardown);
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, reset_storm_under_load);
    tcase_add_test(tcase, queue_disabled_and_enabled_under_load);
    tcase_add_test(tcase, endless_work_on_one_queue_starves_no_other);
    suite_add_tcase(suite, tcase);
    return suite;
}
