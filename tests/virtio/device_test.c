/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a device: creation, activation, failure, reset, config space (virtio 1.2 §2, §3). */
#include "tests/alloc_fail.h"
#include "tests/entries.h"
#include "tests/virtio/echo_fixture.h"
#include "tests/wrap.h"
#include "virtio/device.h"

static unsigned threads_before; /* of this process, before the first test */

static bool threads_become(unsigned want)
{
    return entries_become("/proc/self/task", threads_before + want);
}

static int take_two_workers(struct virtio_device *device, const struct opts *opts)
{
    (void)opts;
    device->worker_count = 2;
    return 0;
}

static const struct virtio_class two_workers = {
    .name = "two",
    .id = 42,
    .queue_count = 4,
    .limits = {.size = 16, .chain_descs = 16},
    .instance_size = sizeof(struct virtio_device),
    .create = take_two_workers,
};

/* -- before and at DRIVER_OK -- */

/* proves: DEV-01, DEV-06, MMIO-12, MMIO-29 */
START_TEST(nothing_happens_before_driver_ok)
{
    uint32_t id, len;

    ck_assert_uint_eq(fake_negotiate(&drv, FAKE_VERSION_1), 11);
    fake_queue_setup(&drv, 0, 8);
    offer(0);
    kick(0);
    usleep(20000);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 0);
    ck_assert_uint_eq(fake_edges(&drv), 0);
    fake_write(&drv, FAKE_STATUS, 15);
    ck_assert(fake_wait_used(&drv, 0, &id, &len));
}
END_TEST

/* proves: DEV-06 */
START_TEST(buffers_offered_without_a_kick_before_driver_ok_are_served)
{
    uint32_t id, len;

    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 0, 8);
    fake_queue_setup(&drv, 1, 8);
    offer(1);
    fake_write(&drv, FAKE_STATUS, 15);
    ck_assert(fake_wait_used(&drv, 1, &id, &len));
}
END_TEST

/* proves: DEV-11 */
START_TEST(every_subset_of_features_works)
{
    uint64_t features = FAKE_VERSION_1;

    features |= (_i & 1) != 0 ? FAKE_INDIRECT_DESC : 0;
    features |= (_i & 2) != 0 ? FAKE_EVENT_IDX : 0;
    features |= (_i & 4) != 0 ? 1 : 0;
    features |= (_i & 8) != 0 ? 32 : 0;
    ck_assert_uint_eq(fake_start(&drv, features), 15);
    ck_assert_uint_eq(dev->driver_features, features | (fake_layout & FAKE_CORE));
    for (int i = 0; i < 20; i++) {
        fake_used_event_set(&drv.ring[i % 2], drv.ring[i % 2].used_seen);
        ping((uint16_t)(i % 2));
    }
}
END_TEST

START_TEST(queue_that_is_not_ready_stays_unused)
{
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 1, 8);
    fake_write(&drv, FAKE_STATUS, 15);
    ck_assert(!dev->queue[0].running);
    ping(1);
}
END_TEST

/* -- failure -- */

/* proves: DEV-02, DEV-03, DEV-09 */
START_TEST(broken_ring_needs_reset_and_starts_nothing_new)
{
    (void)fake_start(&drv, FAKE_VERSION_1);
    ping(0);
    fake_break(&drv.ring[0]);
    kick(0);
    int isr;
    do
        isr = fake_wait_irq(&drv, 30000); /* the ping's may still be on its way */
    while (isr >= 0 && (isr & 2) == 0);
    ck_assert_int_ge(isr, 2);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15 | 64);
    unsigned taken = echo->taken;
    offer(1);
    kick(1);
    usleep(20000);
    ck_assert_uint_eq(echo->taken, taken);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[1]), 0);
    /* An edge may have come, whose cause was read with the ping's. */
    ck_assert_uint_eq(fake_read(&drv, FAKE_INTERRUPT_STATUS), 0);
}
END_TEST

START_TEST(failure_is_told_once)
{
    (void)fake_start(&drv, FAKE_VERSION_1);
    fake_break(&drv.ring[0]);
    fake_break(&drv.ring[1]);
    kick(0);
    kick(1);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 2);
    for (int ms = 0; ms < 30000 && capture_look(&capture)[0] == '\0'; ms++)
        usleep(1000);
    usleep(20000);
    ck_assert_uint_eq(fake_edges(&drv), 0);
    const char *text = capture_end(&capture);
    ck_assert_str_eq(text, "linnet: warn: echo0: needs a reset: request: Protocol error\n");
    capture_start(&capture);
}
END_TEST

START_TEST(device_that_fails_itself_answers_no_more)
{
    echo->fail = true;
    (void)fake_start(&drv, FAKE_VERSION_1);
    offer(0);
    offer(0);
    kick(0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 2);
    usleep(20000);
    ck_assert_uint_eq(fake_edges(&drv), 0);
    ck_assert_uint_eq(echo->taken, 1);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 0);
}
END_TEST

/* proves: DEV-02, VQ-S-01, VQ-S-02 */
START_TEST(bad_queue_needs_reset_at_driver_ok)
{
    static const struct {
        uint64_t reg;
        uint32_t val;
    } bad[] = {
        {FAKE_QUEUE_SIZE, 0},       {FAKE_QUEUE_SIZE, 512},      {FAKE_QUEUE_SIZE, 65536 + 8},
        {FAKE_QUEUE_DESC, 0x1008},  {FAKE_QUEUE_DRIVER, 0x1001}, {FAKE_QUEUE_DEVICE, 0x1002},
        {FAKE_QUEUE_DESC, 0xffff0}, {FAKE_QUEUE_DESC + 4, 1},
    };

    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_write(&drv, FAKE_QUEUE_SEL, 0);
    fake_write(&drv, FAKE_QUEUE_SIZE, 8);
    fake_write(&drv, FAKE_QUEUE_DESC, 0x1000);
    fake_write(&drv, FAKE_QUEUE_DRIVER, 0x2000);
    fake_write(&drv, FAKE_QUEUE_DEVICE, 0x3000);
    fake_write(&drv, bad[_i].reg, bad[_i].val);
    fake_write(&drv, FAKE_QUEUE_READY, 1);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 11);
    fake_write(&drv, FAKE_STATUS, 15);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15 | 64);
    ck_assert_uint_eq(fake_read(&drv, FAKE_INTERRUPT_STATUS), 2);
    ck_assert_uint_eq(fake_edges(&drv), 1);
    ck_assert_uint_eq(echo->activated, 0);
}
END_TEST

/* proves: DEV-35 */
START_TEST(activation_that_fails_needs_reset_and_works_afterwards)
{
    unsigned failed = 1;

    for (unsigned n = 0; failed > 0; n++) {
        ck_assert_uint_lt(n, 10);
        wrap_fail_after(WRAP_EPOLL_CTL, n, ENOMEM);
        uint32_t status = fake_start(&drv, FAKE_VERSION_1);
        failed = wrap_stop(WRAP_EPOLL_CTL);
        ck_assert_uint_eq(status, failed > 0 ? 15 | 64 : 15);
    }
    ping(0);
    ping(1);
}
END_TEST

START_TEST(activation_refused_by_the_class_needs_reset)
{
    echo->activate_result = -EBUSY;
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15 | 64);
    ck_assert_uint_eq(echo->reset, 1);
    ck_assert(!dev->active);
    echo->activate_result = 0;
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    ping(0);
}
END_TEST

/* -- creation -- */

START_TEST(creation_that_fails_leaves_nothing)
{
    static const enum wrap_call calls[] = {WRAP_EVENTFD, WRAP_EPOLL_CREATE1, WRAP_EPOLL_CTL,
                                           WRAP_MMAP};
    unsigned files = entries_count("/proc/self/fd");
    struct virtio_device *other = NULL;
    unsigned failed = 1;

    for (unsigned n = 0; failed > 0; n++) {
        ck_assert_uint_lt(n, 10);
        wrap_fail_after(calls[_i], n, ENOMEM);
        int r = fake_create(&echo_class, 1, &mem, NULL, &other);
        failed = wrap_stop(calls[_i]);
        ck_assert_int_eq(r, failed > 0 ? -ENOMEM : 0);
        ck_assert(failed > 0 ? other == NULL : other != NULL);
        virtio_destroy(other);
        ck_assert_uint_eq(entries_count("/proc/self/fd"), files);
    }
}
END_TEST

START_TEST(creation_without_memory_fails)
{
    struct virtio_device *other = NULL;
    unsigned n = 0;

    for (bool failed = true; failed; n++) {
        alloc_fail_after(n);
        int r = fake_create(&echo_class, 1, &mem, NULL, &other);
        failed = alloc_fail_stop();
        ck_assert_int_eq(r, failed ? -ENOMEM : 0);
        ck_assert(failed == (other == NULL));
    }
    virtio_destroy(other);
    ck_assert_uint_eq(n, 4); /* instance, queues, workers, and all of them */
}
END_TEST

START_TEST(start_that_fails_leaves_a_device_that_can_be_started)
{
    struct virtio_device *other;

    ck_assert_int_eq(fake_create(&two_workers, 1, &mem, NULL, &other), 0);
    for (unsigned n = 0; n < 2; n++) {
        wrap_fail_after(WRAP_PTHREAD_CREATE, n, EAGAIN);
        int r = virtio_start(other);
        wrap_stop(WRAP_PTHREAD_CREATE);
        ck_assert_int_eq(r, -EAGAIN);
        ck_assert(threads_become(1)); /* the fixture's device has one */
    }
    ck_assert_int_eq(virtio_start(other), 0);
    ck_assert(threads_become(3));
    virtio_destroy(other);
    ck_assert(threads_become(1));
}
END_TEST

static int refuse(struct virtio_device *refused, const struct opts *opts)
{
    (void)refused;
    (void)opts;
    return -ENODEV;
}

static unsigned destroyed;

static void note_destroy(struct virtio_device *refused)
{
    (void)refused;
    destroyed++;
}

START_TEST(creation_refused_by_the_class_destroys_what_it_made)
{
    struct virtio_class class = echo_class;
    struct virtio_device *other = NULL;

    class.create = refuse;
    class.destroy = note_destroy;
    destroyed = 0;
    ck_assert_int_eq(fake_create(&class, 1, &mem, NULL, &other), -ENODEV);
    ck_assert_uint_eq(destroyed, 1);
    ck_assert_ptr_null(other);
}
END_TEST

START_TEST(name_is_class_and_index)
{
    struct virtio_device *other;

    ck_assert_int_eq(fake_create(&echo_class, 12, &mem, NULL, &other), 0);
    ck_assert_str_eq(other->name, "echo12");
    ck_assert_uint_eq(other->index, 12);
    virtio_destroy(other);
    virtio_destroy(NULL);
}
END_TEST

START_TEST(finish_joins_the_worker_and_asks_the_class)
{
    echo->finish_result = -EPROTO;
    (void)fake_start(&drv, FAKE_VERSION_1);
    ck_assert(threads_become(1)); /* the driver makes no thread */
    ck_assert_int_eq(virtio_finish(dev), -EPROTO);
    ck_assert(threads_become(0));
    ck_assert_uint_eq(echo->reset, 1);
}
END_TEST

START_TEST(report_runs_on_the_worker_of_an_active_device)
{
    virtio_report(dev);
    (void)fake_start(&drv, FAKE_VERSION_1);
    ping(0);
    ck_assert_uint_eq(echo->reported, 0); /* what was asked for earlier was done earlier */
    virtio_report(dev);
    for (int ms = 0; ms < 30000 && echo->reported == 0; ms++)
        usleep(1000);
    ck_assert_uint_eq(echo->reported, 1);
}
END_TEST

/* -- reset -- */

/* proves: DEV-31, DEV-34, MMIO-09, MMIO-10 */
START_TEST(reset_forgets_what_the_driver_set_up)
{
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    (void)fake_start(&drv, FAKE_VERSION_1 | FAKE_EVENT_IDX | 1);
    offer(0);
    kick(0);
    while (fake_read(&drv, FAKE_INTERRUPT_STATUS) == 0)
        usleep(1000);
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_INTERRUPT_STATUS), 0);
    ck_assert_uint_eq(dev->driver_features, 0);
    ck_assert_uint_eq(echo->reset, 1);
    for (uint32_t i = 0; i < 2; i++) {
        fake_write(&drv, FAKE_QUEUE_SEL, i);
        ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_READY), 0);
        ck_assert_uint_eq(dev->queue[i].config.size, 0);
        ck_assert_uint_eq(dev->queue[i].config.desc, 0);
    }
    /* without writing features again there are none: not even VERSION_1 */
    fake_write(&drv, FAKE_STATUS, 11);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 3);
}
END_TEST

/* proves: DEV-32, DEV-33, DEV-36, MMIO-33 */
START_TEST(reset_lets_go_of_guest_memory_with_requests_in_hand)
{
    struct memory none = {0};

    echo->hold = true;
    (void)fake_start(&drv, FAKE_VERSION_1);
    for (int i = 0; i < 5; i++)
        offer(0);
    kick(0);
    while (echo->taken < 5)
        usleep(1000);
    fake_write(&drv, FAKE_STATUS, 0);
    (void)fake_edges(&drv);
    memory_destroy(&mem); /* a stray access would now crash */
    kick(0);
    kick(1);
    virtio_report(dev);
    usleep(20000);
    ck_assert_uint_eq(fake_edges(&drv), 0);
    mem = none;
}
END_TEST

/* proves: DEV-35 */
START_TEST(reset_works_in_any_state)
{
    fake_write(&drv, FAKE_STATUS, 0); /* twice from power-on */
    fake_write(&drv, FAKE_STATUS, 0);
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 0, 8);
    fake_write(&drv, FAKE_STATUS, 0); /* half-way */
    (void)fake_start(&drv, FAKE_VERSION_1);
    fake_break(&drv.ring[0]);
    kick(0);
    ck_assert(fake_wait_status(&drv, 64));
    fake_write(&drv, FAKE_STATUS, 0); /* needs reset */
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    fake_write(&drv, FAKE_STATUS, 128);
    fake_write(&drv, FAKE_STATUS, 0); /* failed */
    (void)fake_start(&drv, FAKE_VERSION_1);
    ping(0);
}
END_TEST

/* -- config space -- */

/* proves: DEV-26, DEV-29, MMIO-11 */
START_TEST(config_change_moves_generation_and_notifies)
{
    uint8_t got[4];

    (void)fake_start(&drv, FAKE_VERSION_1);
    uint32_t before = fake_read(&drv, FAKE_CONFIG_GENERATION);
    (void)fake_edges(&drv);
    virtio_config_set(dev, 4, "wxyz", 4);
    ck_assert_uint_ne(fake_read(&drv, FAKE_CONFIG_GENERATION), before);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 2);
    fake_read_bytes(&drv, FAKE_CONFIG + 4, got, 4);
    ck_assert_mem_eq(got, "wxyz", 4);
}
END_TEST

/* proves: DEV-32 */
START_TEST(config_change_under_no_driver_is_silent)
{
    virtio_config_set(dev, 0, "a", 1);
    ck_assert_uint_eq(fake_edges(&drv), 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_INTERRUPT_STATUS), 0);
}
END_TEST

#define LOOP(test, count) tcase_add_loop_test(tcase, test, 0, (int)(count))

Suite *device_suite(void);
Suite *device_suite(void)
{
    threads_before = threads_at_first();
    Suite *suite = suite_create("device");
    TCase *tcase = tcase_create("life");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, nothing_happens_before_driver_ok);
    tcase_add_test(tcase, buffers_offered_without_a_kick_before_driver_ok_are_served);
    LOOP(every_subset_of_features_works, 16);
    tcase_add_test(tcase, queue_that_is_not_ready_stays_unused);
    tcase_add_test(tcase, broken_ring_needs_reset_and_starts_nothing_new);
    tcase_add_test(tcase, failure_is_told_once);
    tcase_add_test(tcase, device_that_fails_itself_answers_no_more);
    LOOP(bad_queue_needs_reset_at_driver_ok, 8);
    tcase_add_test(tcase, activation_that_fails_needs_reset_and_works_afterwards);
    tcase_add_test(tcase, activation_refused_by_the_class_needs_reset);
    LOOP(creation_that_fails_leaves_nothing, 4);
    tcase_add_test(tcase, creation_without_memory_fails);
    tcase_add_test(tcase, start_that_fails_leaves_a_device_that_can_be_started);
    tcase_add_test(tcase, creation_refused_by_the_class_destroys_what_it_made);
    tcase_add_test(tcase, name_is_class_and_index);
    tcase_add_test(tcase, finish_joins_the_worker_and_asks_the_class);
    tcase_add_test(tcase, report_runs_on_the_worker_of_an_active_device);
    tcase_add_test(tcase, reset_forgets_what_the_driver_set_up);
    tcase_add_test(tcase, reset_lets_go_of_guest_memory_with_requests_in_hand);
    tcase_add_test(tcase, reset_works_in_any_state);
    tcase_add_test(tcase, config_change_moves_generation_and_notifies);
    tcase_add_test(tcase, config_change_under_no_driver_is_silent);
    suite_add_tcase(suite, tcase);
    return suite;
}
