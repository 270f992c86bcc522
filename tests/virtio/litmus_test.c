/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two moments at which both sides of a ring decide at once, each by what it reads after what it
 * wrote. With a barrier missing on either side both see the past, and sleep. Each round lets two
 * threads meet there; where they run at the same time (two CPUs), a missing barrier shows within
 * thousands of rounds. Where they seldom do (a busy machine), a time limit ends it.
 */
#include "tests/virtio/queue_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#define SIZE        16
#define ROUNDS      200000
#define SECONDS_MAX 10

/* Where the threads meet. */
static atomic_uint arrived;
static bool event_idx;
static bool device_acts; /* whether the device will tell the driver, or has found a request */
static bool is_last; /* as the driver says before the first meeting of a round; it stays so until
                        the last */
static struct timespec begun;

static void meet(unsigned *times)
{
    unsigned spins = 0;

    *times += 1;
    arrived++;
    while (arrived < 2 * *times)
        if (++spins % 1000 == 0)
            (void)sched_yield();
}

static void offer(void)
{
    const struct fake_piece piece = {DATA, 4, FAKE_WRITE};

    fake_offer(&ring, fake_chain(&ring, &piece, 1));
}

static bool last_round(unsigned i)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return i + 1 == ROUNDS || now.tv_sec - begun.tv_sec >= SECONDS_MAX;
}

static void begin(bool with_event_idx)
{
    event_idx = with_event_idx;
    arrived = 0;
    is_last = false;
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    start(SIZE, event_idx, false);
}

/* -- interrupts: used.idx against the driver's wish -- */

static void *device_pushes(void *arg)
{
    unsigned times = 0;

    for (bool last = false; !last;) {
        virtq_round(&vq);
        meet(&times); /* the driver has offered */
        last = is_last;
        bool got = virtq_pop(&vq, &chain) == 1;
        meet(&times);
        if (got)
            virtq_push(&vq, &chain);
        device_acts = virtq_should_signal(&vq) && got;
        meet(&times);
    }
    return arg;
}

/* proves: VQ-E-07, VQ-S-15 */
START_TEST(either_the_device_interrupts_or_the_driver_sees)
{
    unsigned times = 0, both_slept = 0;
    pthread_t device;
    uint32_t id, len;

    begin(_i != 0);
    ck_assert_int_eq(pthread_create(&device, NULL, device_pushes, NULL), 0);
    for (unsigned i = 0; !is_last; i++) {
        is_last = last_round(i);
        fake_avail_flags_set(&ring, 1); /* no interrupts: it is at work */
        fake_used_event_set(&ring, (uint16_t)(ring.used_seen - 1));
        offer();
        meet(&times);
        meet(&times);
        fake_avail_flags_set(&ring, 0); /* before it sleeps, it asks for one */
        fake_used_event_set(&ring, ring.used_seen);
        __sync_synchronize();
        bool saw = fake_used_idx(&ring) != ring.used_seen;
        meet(&times);
        both_slept += !saw && !device_acts;
        (void)fake_used(&ring, &id, &len);
    }
    ck_assert_int_eq(pthread_join(device, NULL), 0);
    ck_assert_uint_eq(both_slept, 0);
}
END_TEST

/* -- kicks: avail.idx against the device's wish -- */

static void *device_looks(void *arg)
{
    unsigned times = 0;

    for (bool last = false; !last;) {
        virtq_round(&vq);
        virtq_kicks_off(&vq); /* it is at work */
        meet(&times);
        last = is_last;
        device_acts = virtq_pop(&vq, &chain) == 1; /* before it sleeps, it asks for a kick */
        meet(&times);
        if (!device_acts)
            (void)virtq_pop(&vq, &chain);
        virtq_push(&vq, &chain);
    }
    return arg;
}

/* proves: VQ-E-07, VQ-E-11, VQ-S-08 */
START_TEST(either_the_driver_kicks_or_the_device_sees)
{
    unsigned times = 0, both_slept = 0;
    pthread_t device;
    uint32_t id, len;

    begin(_i != 0);
    ck_assert_int_eq(pthread_create(&device, NULL, device_looks, NULL), 0);
    for (unsigned i = 0; !is_last; i++) {
        is_last = last_round(i);
        meet(&times);
        uint16_t old = ring.avail_idx;
        offer();
        bool kicks = fake_kick_wanted(&ring, old, event_idx);
        meet(&times);
        both_slept += !kicks && !device_acts;
        while (!fake_used(&ring, &id, &len))
            (void)sched_yield();
    }
    ck_assert_int_eq(pthread_join(device, NULL), 0);
    ck_assert_uint_eq(both_slept, 0);
}
END_TEST

Suite *litmus_suite(void);
Suite *litmus_suite(void)
{
    Suite *suite = suite_create("litmus");
    TCase *tcase = tcase_create("two threads");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 240);
    tcase_add_loop_test(tcase, either_the_device_interrupts_or_the_driver_sees, 0, 2);
    tcase_add_loop_test(tcase, either_the_driver_kicks_or_the_device_sees, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
