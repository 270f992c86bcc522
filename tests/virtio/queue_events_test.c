/* SPDX-License-Identifier: BSD-3-Clause */
/* Kicks and interrupts asked for and not asked for (virtio 1.2 §2.7.7, §2.7.10). */
#include "tests/virtio/queue_fixture.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>

#define SIZE 16

static void offer(void)
{
    const struct fake_piece piece = {DATA, 4, FAKE_WRITE};

    fake_offer(&ring, fake_chain(&ring, &piece, 1));
}

/* The driver offers `count`, the device answers them; then the device looks whether to notify. */
static bool serve(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        offer();
        virtq_round(&vq);
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        virtq_push(&vq, &chain);
    }
    return virtq_should_signal(&vq);
}

/* -- interrupts -- */

/* proves: VQ-E-01, VQ-E-02 */
START_TEST(without_event_idx_every_batch_notifies)
{
    start(SIZE, false, false);
    fake_used_event_set(&ring, 1000);
    ck_assert(serve(1));
    ck_assert(serve(3));
    ck_assert(serve(1));
}
END_TEST

/* proves: VQ-E-03 */
START_TEST(without_event_idx_the_flag_keeps_quiet)
{
    start(SIZE, false, false);
    fake_avail_flags_set(&ring, 1);
    ck_assert(!serve(1));
    ck_assert(!serve(3));
    fake_avail_flags_set(&ring, 0);
    ck_assert(serve(1));
    fake_avail_flags_set(&ring, 0xfffe); /* only bit 0 means something */
    ck_assert(serve(1));
}
END_TEST

START_TEST(nothing_used_notifies_nobody)
{
    start(SIZE, _i != 0, false);
    ck_assert(!virtq_should_signal(&vq));
    ck_assert(serve(1));
    ck_assert(!virtq_should_signal(&vq));
}
END_TEST

/* proves: VQ-E-04 */
START_TEST(with_event_idx_the_flag_is_ignored)
{
    start(SIZE, true, false);
    fake_avail_flags_set(&ring, 1);
    ck_assert(serve(1));
}
END_TEST

/* proves: VQ-E-05, VQ-E-06 */
START_TEST(used_event_left_at_0_notifies_first_and_65537th)
{
    unsigned notified[3] = {0}, count = 0;

    start(SIZE, true, false);
    for (unsigned i = 1; i <= 65540; i++)
        if (serve(1))
            notified[count++ % 3] = i;
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(notified[0], 1);
    ck_assert_uint_eq(notified[1], 65537);
}
END_TEST

static const struct {
    unsigned before, batch; /* entries used before, and in the batch */
    uint16_t used_event;
    bool notifies;
} batches[] = {
    {0, 1, 0, true},           {0, 1, 1, false},      {0, 4, 3, true},
    {0, 4, 4, false},          {0, 4, 0xffff, false}, {5, 3, 4, false},
    {5, 3, 5, true},           {5, 3, 7, true},       {5, 3, 8, false},
    {65535, 1, 65535, true},   {65535, 2, 0, true},   {65535, 2, 1, false},
    {65530, 10, 65535, true},  {65530, 10, 3, true},  {65530, 10, 4, false},
    {65530, 10, 65529, false}, {65536, 1, 0, true},   {65536, 1, 1, false},
};

/* proves: VQ-E-05, VQ-E-06 */
START_TEST(batch_notifies_when_it_crosses_used_event)
{
    start(SIZE, true, false);
    (void)serve(batches[_i].before);
    fake_used_event_set(&ring, batches[_i].used_event);
    ck_assert_int_eq(serve(batches[_i].batch), batches[_i].notifies);
}
END_TEST

/* -- kicks -- */

/* proves: VQ-E-08, VQ-E-09 */
START_TEST(without_event_idx_used_flags_are_1_at_work_and_0_at_rest)
{
    start(SIZE, false, false);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    ck_assert_uint_eq(fake_used_flags(&ring), 0);
    for (int i = 0; i < 3; i++) {
        offer();
        offer();
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        ck_assert_uint_eq(fake_used_flags(&ring), 1);
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        ck_assert_uint_eq(fake_used_flags(&ring), 1);
        ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
        ck_assert_uint_eq(fake_used_flags(&ring), 0);
    }
    ck_assert_uint_eq(fake_avail_event(&ring), 0);
}
END_TEST

/* proves: VQ-E-10, VQ-E-11 */
START_TEST(with_event_idx_avail_event_is_next_index_at_rest)
{
    uint16_t old;

    start(SIZE, true, false);
    for (uint16_t i = 0; i < 40; i++) {
        ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
        ck_assert_uint_eq(fake_avail_event(&ring), 2 * i);
        old = ring.avail_idx;
        offer();
        ck_assert(fake_kick_wanted(&ring, old, true)); /* at rest: yes */
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        virtq_push(&vq, &chain);
        old = ring.avail_idx;
        offer();
        ck_assert(!fake_kick_wanted(&ring, old, true)); /* at work: no */
        virtq_round(&vq);
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        virtq_push(&vq, &chain);
        ck_assert_uint_eq(fake_used_flags(&ring), 0);
    }
}
END_TEST

/* proves: VQ-E-12 */
START_TEST(pop_of_an_empty_ring_changes_nothing)
{
    start(SIZE, _i != 0, false);
    (void)serve(3);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
        ck_assert_uint_eq(fake_used_flags(&ring), 0);
        ck_assert_uint_eq(fake_avail_event(&ring), _i != 0 ? 3 : 0);
        ck_assert_uint_eq(fake_used_idx(&ring), 3);
    }
    offer();
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
}
END_TEST

START_TEST(spent_round_leaves_kicks_off)
{
    uint16_t old;

    start(SIZE, _i != 0, false);
    for (int i = 0; i < 128; i++) {
        offer();
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        virtq_push(&vq, &chain);
    }
    old = ring.avail_idx;
    offer();
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0); /* kicked itself */
    ck_assert(!fake_kick_wanted(&ring, old, _i != 0));
}
END_TEST

START_TEST(kicks_taken_back_stay_off_until_the_next_look)
{
    bool event_idx = _i != 0;
    uint16_t old;

    start(SIZE, event_idx, false);
    virtq_kicks_off(&vq); /* off already */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
        virtq_kicks_off(&vq);
        old = ring.avail_idx;
        offer();
        ck_assert(!fake_kick_wanted(&ring, old, event_idx));
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1); /* found all the same */
        virtq_push(&vq, &chain);
        ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
        old = ring.avail_idx;
        offer();
        ck_assert(fake_kick_wanted(&ring, old, event_idx)); /* asked for again */
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        virtq_push(&vq, &chain);
    }
    virtq_stop(&vq);
    virtq_kicks_off(&vq);
}
END_TEST

/* -- both sides at once -- */

#define REQUESTS  50000
#define SPINS_MAX 100000000

/* The device: sleeps until kicked, answers what is there. */
static void *device_main(void *arg)
{
    int irq_fd = *(int *)arg;
    struct pollfd pfd = {.fd = vq.kick.fd, .events = POLLIN};
    struct chain req;
    eventfd_t count;

    for (unsigned done = 0; done < REQUESTS;) {
        if (poll(&pfd, 1, 10000) != 1)
            return arg; /* a kick was lost */
        (void)eventfd_read(vq.kick.fd, &count);
        virtq_round(&vq);
        while (virtq_pop(&vq, &req) == 1) {
            (void)chain_write(&req, &done, sizeof(done));
            done++;
            virtq_push(&vq, &req);
        }
        if (virtq_should_signal(&vq))
            (void)eventfd_write(irq_fd, 1);
    }
    return NULL;
}

/* The driver's half of one step: takes what is used; true if something was. */
static bool driver_reap(unsigned *seen)
{
    uint32_t id, len;
    bool any = false;

    while (fake_used(&ring, &id, &len)) {
        unsigned got;
        ck_assert_uint_eq(len, 4);
        ck_assert_int_eq(memory_read(&mem, DATA + 4ull * id, &got, sizeof(got)), 0);
        ck_assert_uint_eq(got, *seen);
        *seen += 1;
        any = true;
    }
    return any;
}

static void driver_offer(unsigned *sent, unsigned seen, bool event_idx)
{
    uint16_t old = ring.avail_idx;

    while (*sent < REQUESTS && *sent - seen < SIZE) {
        uint16_t head = (uint16_t)(*sent % SIZE);
        ring.next_desc = head;
        (void)fake_chain(&ring, &(struct fake_piece){DATA + 4ull * head, 4, FAKE_WRITE}, 1);
        fake_offer(&ring, head);
        *sent += 1;
    }
    if (ring.avail_idx != old && fake_kick_wanted(&ring, old, event_idx))
        (void)eventfd_write(vq.kick.fd, 1);
}

/* Asks for an interrupt at the next used entry, then looks once more, as Linux does. */
static bool driver_wait(int irq_fd, unsigned *seen)
{
    struct pollfd pfd = {.fd = irq_fd, .events = POLLIN};
    eventfd_t count;

    fake_avail_flags_set(&ring, 0);
    fake_used_event_set(&ring, ring.used_seen);
    __sync_synchronize(); /* partner: virtq_should_signal() */
    if (driver_reap(seen))
        return true;
    bool woken = poll(&pfd, 1, 10000) == 1;
    (void)eventfd_read(irq_fd, &count);
    fake_avail_flags_set(&ring, 1);
    return woken;
}

/* proves: VQ-E-07, VQ-E-11, VQ-S-08, VQ-S-15 */
START_TEST(no_wake_up_is_lost_between_two_threads)
{
    bool event_idx = _i != 0;
    int irq_fd = eventfd(0, EFD_NONBLOCK);
    unsigned sent = 0, seen = 0;
    pthread_t thread;
    void *device_lost = NULL;
    bool driver_lost = false;

    start(SIZE, event_idx, false);
    virtq_kick(&vq);
    ck_assert_int_eq(pthread_create(&thread, NULL, device_main, &irq_fd), 0);
    while (seen < REQUESTS && !driver_lost) {
        driver_offer(&sent, seen, event_idx);
        driver_lost = !driver_reap(&seen) && !driver_wait(irq_fd, &seen);
    }
    ck_assert_int_eq(pthread_join(thread, &device_lost), 0);
    close(irq_fd);
    ck_assert_ptr_null(device_lost);
    ck_assert(!driver_lost);
    ck_assert_uint_eq(seen, REQUESTS);
}
END_TEST

/* Sends the next request the moment that the last was answered, which is when the device looks for
 * more, finds none and asks for a kick: a look too early would leave both waiting. */
/* proves: VQ-E-07, VQ-E-11 */
START_TEST(request_that_comes_while_kicks_are_enabled_is_seen)
{
    bool event_idx = _i != 0;
    int irq_fd = eventfd(0, EFD_NONBLOCK);
    const struct fake_piece piece = {DATA, 4, FAKE_WRITE};
    void *device_lost = NULL;
    pthread_t thread;
    uint32_t id, len;

    start(SIZE, event_idx, false);
    fake_avail_flags_set(&ring, 1);
    virtq_kick(&vq); /* the first look, as at DRIVER_OK */
    ck_assert_int_eq(pthread_create(&thread, NULL, device_main, &irq_fd), 0);
    for (unsigned i = 0, spins = 0; i < REQUESTS && spins < SPINS_MAX; i++) {
        uint16_t old = ring.avail_idx;
        fake_offer(&ring, fake_chain(&ring, &piece, 1));
        if (fake_kick_wanted(&ring, old, event_idx))
            (void)eventfd_write(vq.kick.fd, 1);
        for (spins = 0; !fake_used(&ring, &id, &len) && spins < SPINS_MAX; spins++)
            if (spins % 1000 == 999)
                (void)sched_yield();
    }
    ck_assert_int_eq(pthread_join(thread, &device_lost), 0); /* it gives up after 10 s */
    close(irq_fd);
    ck_assert_ptr_null(device_lost);
}
END_TEST

Suite *queue_events_suite(void);
Suite *queue_events_suite(void)
{
    Suite *suite = suite_create("queue_events");
    TCase *tcase = tcase_create("events");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    if (fake_layout == 0) { /* of the split ring's own fields */
        tcase_add_test(tcase, without_event_idx_every_batch_notifies);
        tcase_add_test(tcase, without_event_idx_the_flag_keeps_quiet);
        tcase_add_test(tcase, with_event_idx_the_flag_is_ignored);
        tcase_add_test(tcase, used_event_left_at_0_notifies_first_and_65537th);
        tcase_add_loop_test(tcase, batch_notifies_when_it_crosses_used_event, 0,
                            (int)ARRAY_SIZE(batches));
        tcase_add_test(tcase, without_event_idx_used_flags_are_1_at_work_and_0_at_rest);
        tcase_add_test(tcase, with_event_idx_avail_event_is_next_index_at_rest);
        tcase_add_loop_test(tcase, pop_of_an_empty_ring_changes_nothing, 0, 2);
    }
    tcase_add_loop_test(tcase, nothing_used_notifies_nobody, 0, 2);
    tcase_add_loop_test(tcase, spent_round_leaves_kicks_off, 0, 2);
    tcase_add_loop_test(tcase, kicks_taken_back_stay_off_until_the_next_look, 0, 2);
    tcase_add_loop_test(tcase, no_wake_up_is_lost_between_two_threads, 0, 2);
    tcase_add_loop_test(tcase, request_that_comes_while_kicks_are_enabled_is_seen, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
