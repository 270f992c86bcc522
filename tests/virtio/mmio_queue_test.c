/* SPDX-License-Identifier: BSD-3-Clause */
/* Queue set-up, notifications, interrupts and config space over virtio-mmio (virtio 1.2 §4.2). */
#include "tests/virtio/echo_fixture.h"
#include "virtio/mmio.h"
#include "virtio/transport.h"

#include <sys/eventfd.h>

/* -- queue registers -- */

/* proves: MMIO-20, VQ-G-02, DEV-23 */
START_TEST(queue_beyond_the_last_does_not_exist)
{
    static const uint32_t sels[] = {2, 3, 16, 255, 256, 65535, 65536, 0x80000000, 0xffffffff};

    wr(FAKE_QUEUE_SEL, sels[_i]);
    ck_assert_uint_eq(rd(FAKE_QUEUE_SIZE_MAX), 0);
    wr(FAKE_QUEUE_SIZE, 8);
    for (uint64_t off = 0x080; off <= 0x0a4; off += 4)
        wr(off, 0x1000);
    wr(FAKE_QUEUE_READY, 1);
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 0);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    ping(0);
    ping(1);
}
END_TEST

/* proves: MMIO-20 */
START_TEST(existing_queues_tell_their_largest_size)
{
    wr(FAKE_QUEUE_SEL, (uint32_t)_i);
    ck_assert_uint_eq(rd(FAKE_QUEUE_SIZE_MAX), 256);
}
END_TEST

/* proves: MMIO-22 */
START_TEST(size_over_the_largest_is_not_stored)
{
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 0, 8);
    wr(FAKE_QUEUE_READY, 0);
    wr(FAKE_QUEUE_SIZE, 257);
    ck_assert_uint_eq(dev->queue[0].config.size, 0);
    wr(FAKE_QUEUE_READY, 1);
    wr(FAKE_STATUS, 15);
    ck_assert_uint_eq(rd(FAKE_STATUS), 15 | 64);
}
END_TEST

/* proves: MMIO-23 */
START_TEST(set_up_of_a_ready_queue_is_frozen)
{
    static const uint64_t offs[] = {0x038, 0x080, 0x084, 0x090, 0x094, 0x0a0, 0x0a4};

    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 0, 8);
    for (size_t i = 0; i < ARRAY_SIZE(offs); i++)
        wr(offs[i], 1);
    wr(FAKE_STATUS, 15);
    ping(0);
    for (size_t i = 0; i < ARRAY_SIZE(offs); i++)
        wr(offs[i], 1);
    ping(0);
}
END_TEST

/* proves: MMIO-24 */
START_TEST(address_halves_come_in_any_order)
{
    static const uint64_t orders[][6] = {
        {0x080, 0x084, 0x090, 0x094, 0x0a0, 0x0a4},
        {0x0a4, 0x0a0, 0x094, 0x090, 0x084, 0x080},
        {0x084, 0x0a0, 0x090, 0x080, 0x0a4, 0x094},
    };

    for (size_t i = 0; i < 6; i++)
        wr(orders[_i][i], 0x11111111u * (uint32_t)(orders[_i][i] / 4 % 8 + 1));
    ck_assert_uint_eq(dev->queue[0].config.desc, 0x2222222211111111);
    ck_assert_uint_eq(dev->queue[0].config.driver, 0x6666666655555555);
    ck_assert_uint_eq(dev->queue[0].config.device, 0x2222222211111111);
}
END_TEST

/* proves: MMIO-24 */
START_TEST(set_up_is_latched_when_ready)
{
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 0, 8);
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 1);
    wr(FAKE_QUEUE_READY, 0); /* and can be done again */
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 0);
    fake_queue_setup(&drv, 0, 16);
    wr(FAKE_STATUS, 15);
    ck_assert_uint_eq(dev->queue[0].size, 16);
    ping(0);
}
END_TEST

START_TEST(queue_can_be_added_to_a_running_device)
{
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 0, 8);
    wr(FAKE_STATUS, 15);
    fake_queue_setup(&drv, 1, 8);
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 1);
    ping(0);
    ping(1);
}
END_TEST

/* proves: VQ-S-01 */
START_TEST(bad_queue_added_to_a_running_device_needs_reset)
{
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 0, 8);
    wr(FAKE_STATUS, 15);
    fake_queue_setup(&drv, 1, 257);
    ck_assert_uint_eq(rd(FAKE_STATUS), 15 | 64);
    wr(FAKE_QUEUE_READY, 0); /* does no harm, */
    wr(FAKE_QUEUE_SIZE, 8);
    wr(FAKE_QUEUE_READY, 1); /* and no good */
    offer(1);
    wr(FAKE_QUEUE_NOTIFY, 1);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    ck_assert_uint_eq(echo->taken, 0);
    ping(1);
}
END_TEST

/* proves: MMIO-12, MMIO-13 */
START_TEST(queue_disabled_while_running_is_not_touched)
{
    uint8_t before[224]; /* all of a ring of 8 */

    echo->hold = true;
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 0, 8);
    fake_queue_setup(&drv, 1, 8);
    wr(FAKE_STATUS, 15);
    offer(0);
    wr(FAKE_QUEUE_NOTIFY, 0);
    while (echo->taken == 0)
        usleep(1000);
    wr(FAKE_QUEUE_SEL, 0);
    wr(FAKE_QUEUE_READY, 0);
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 0);
    memcpy(before, memory_at(&mem, RINGS, sizeof(before)), sizeof(before));
    ck_assert_uint_eq(echo->queue_reset, 1);
    ck_assert_uint_eq(rd(FAKE_STATUS), 15);
    wr(FAKE_QUEUE_NOTIFY, 0);
    echo->hold = false;
    ping(1); /* the other one goes on */
    ck_assert_mem_eq(memory_at(&mem, RINGS, sizeof(before)), before, sizeof(before));
    fake_queue_setup(&drv, 0, 16);
    ping(0);
}
END_TEST

/* -- queue reset -- */

static void start_with_reset(void)
{
    echo->hold = true;
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | FAKE_RING_RESET), 15);
    ck_assert_uint_eq(rd(FAKE_QUEUE_RESET), 0);
    offer(0);
    wr(FAKE_QUEUE_NOTIFY, 0);
    while (echo->taken == 0)
        usleep(1000);
    wr(FAKE_QUEUE_SEL, 0);
}

/* proves: MMIO-15, MMIO-16, MMIO-18, VQ-R-01, VQ-R-02, VQ-R-03, VQ-R-05 */
START_TEST(queue_that_is_reset_starts_anew)
{
    start_with_reset();
    uint64_t edges = fake_edges(&drv);
    wr(FAKE_QUEUE_RESET, 1);
    echo->hold = false; /* the worker has it no more */
    ck_assert_uint_eq(rd(FAKE_QUEUE_RESET), 0);
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 0);
    ck_assert_uint_eq(dev->queue[0].config.size, 0);
    ck_assert_uint_eq(dev->queue[0].config.desc, 0);
    ck_assert_uint_eq(echo->queue_reset, 1);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 0); /* its request is gone */
    wr(FAKE_QUEUE_NOTIFY, 0);
    ck_assert_uint_eq(edges + fake_edges(&drv), edges);
    ping(1);
    ck_assert_uint_eq(rd(FAKE_STATUS), 15);
    drv.ring_addr += 0x8000;
    fake_queue_setup(&drv, 0, 16); /* smaller, and elsewhere */
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 1);
    ck_assert_uint_eq(rd(FAKE_QUEUE_RESET), 0);
    ping(0);
    ping(1);
    ck_assert_uint_eq(echo->reset, 0);
}
END_TEST

/* proves: MMIO-14 */
START_TEST(device_reset_ends_a_queue_reset)
{
    start_with_reset();
    wr(FAKE_QUEUE_RESET, 1);
    wr(FAKE_STATUS, 0);
    echo->hold = false;
    ck_assert_uint_eq(rd(FAKE_QUEUE_RESET), 0);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    ping(0);
}
END_TEST

/* Not before all that may touch the guest's memory has ended. */
/* proves: MMIO-17, VQ-R-04 */
START_TEST(queue_reset_reads_1_until_it_is_done)
{
    start_with_reset();
    virtio_lock(dev);
    ck_assert(virtio_queue_reset(dev, 0)); /* another vCPU's write */
    ck_assert(virtio_queue_resetting(dev, 0));
    ck_assert(!virtio_queue_resetting(dev, 1));
    virtio_unlock(dev);
    for (unsigned i = 0; rd(FAKE_QUEUE_RESET) != 0 && i < 5000; i++)
        usleep(1000);
    ck_assert_uint_eq(rd(FAKE_QUEUE_RESET), 0);
    ck_assert_uint_eq(echo->queue_reset, 1);
}
END_TEST

/* proves: MMIO-19, VQ-R-05 */
START_TEST(queue_reset_that_may_not_be_is_ignored)
{
    static const uint32_t vals[] = {0, 2, 0xffffffff};

    (void)fake_start(&drv, FAKE_VERSION_1 | (_i != 0 ? FAKE_RING_RESET : 0));
    wr(FAKE_QUEUE_SEL, _i == 0 ? 0 : 2); /* the feature is missing; the queue is */
    wr(FAKE_QUEUE_RESET, 1);
    wr(FAKE_QUEUE_SEL, 0);
    for (size_t i = 0; i < ARRAY_SIZE(vals); i++)
        wr(FAKE_QUEUE_RESET, vals[i]);
    ck_assert_uint_eq(rd(FAKE_QUEUE_RESET), 0);
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 1);
    ping(0);
    ping(1);
    ck_assert_uint_eq(echo->queue_reset, 0);
}
END_TEST

/* -- notifications of the driver -- */

/* proves: MMIO-28, MMIO-29, VQ-G-02, VQ-E-12, VQ-N-01 */
START_TEST(odd_notifications_are_harmless)
{
    static const uint32_t vals[] = {2, 15, 16, 255, 0xffff, 0x10000, 0x10001, 0xffffffff};

    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    for (size_t i = 0; i < ARRAY_SIZE(vals); i++)
        wr(FAKE_QUEUE_NOTIFY, vals[i]);
    fake_queue_setup(&drv, 0, 8);
    wr(FAKE_STATUS, 15);
    for (size_t i = 0; i < ARRAY_SIZE(vals); i++)
        wr(FAKE_QUEUE_NOTIFY, vals[i]);
    wr(FAKE_QUEUE_NOTIFY, 1); /* exists, not ready */
    ping(0);
    unsigned notified = echo->notified;
    for (int i = 0; i < 100; i++)
        wr(FAKE_QUEUE_NOTIFY, 0); /* nothing new */
    ping(0);
    ck_assert_uint_gt(echo->notified, notified);
    ck_assert_uint_eq(echo->taken, 2);
    ck_assert_uint_eq(rd(FAKE_STATUS), 15);
}
END_TEST

/* proves: MMIO-28 */
START_TEST(notification_names_its_queue)
{
    uint32_t id, len;

    (void)fake_start(&drv, FAKE_VERSION_1 | FAKE_EVENT_IDX);
    ping(0);
    ping(1);
    offer(1);
    fake_used_event_set(&drv.ring[1], drv.ring[1].used_seen);
    wr(FAKE_QUEUE_NOTIFY, 1);
    ck_assert(fake_wait_used(&drv, 1, &id, &len));
}
END_TEST

/* -- interrupts -- */

/* A used buffer and a change of the configuration, read and not acknowledged. */
static void set_both_bits(void)
{
    (void)fake_start(&drv, FAKE_VERSION_1);
    offer(0);
    wr(FAKE_QUEUE_NOTIFY, 0);
    while (rd(FAKE_INTERRUPT_STATUS) == 0)
        usleep(1000);
    virtio_config_set(dev, 0, "z", 1);
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 3);
}

/* proves: MMIO-04, MMIO-05, MMIO-07 */
START_TEST(status_bits_stay_until_each_is_acknowledged)
{
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 0);
    set_both_bits();
    wr(FAKE_INTERRUPT_ACK, 0xfffffffc); /* bits without meaning */
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 3);
    wr(FAKE_INTERRUPT_ACK, 1);
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 2);
    wr(FAKE_INTERRUPT_ACK, 1);
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 2);
    wr(FAKE_INTERRUPT_ACK, 2);
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 0);
}
END_TEST

/* As KVM does it, without an exit. */
START_TEST(acknowledgement_that_an_eventfd_counts_is_as_good)
{
    set_both_bits();
    ck_assert_int_eq(eventfd_write(drv.mmio.ack_fd, 1), 0);
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 2);
}
END_TEST

/* What comes between a look at the status and its acknowledgement may not be known to the driver.
 */
START_TEST(event_that_nobody_has_read_is_not_acknowledged)
{
    (void)fake_start(&drv, FAKE_VERSION_1);
    virtio_config_set(dev, 0, "a", 1);
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 2);
    virtio_config_set(dev, 0, "b", 1);
    wr(FAKE_INTERRUPT_ACK, 2);
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 2);
    wr(FAKE_INTERRUPT_ACK, 2);
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 0);
}
END_TEST

/* One is left from before the reset. */
START_TEST(acknowledgement_does_not_outlive_a_reset)
{
    (void)fake_start(&drv, FAKE_VERSION_1);
    ck_assert_int_eq(eventfd_write(drv.mmio.ack_fd, 1), 0);
    wr(FAKE_STATUS, 0);
    (void)fake_start(&drv, FAKE_VERSION_1);
    offer(0);
    wr(FAKE_QUEUE_NOTIFY, 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 60000), 1);
}
END_TEST

/* proves: MMIO-06 */
START_TEST(every_event_is_an_edge_even_if_its_bit_is_set)
{
    (void)fake_start(&drv, FAKE_VERSION_1);
    (void)fake_edges(&drv);
    virtio_config_set(dev, 0, "a", 1);
    virtio_config_set(dev, 0, "b", 1);
    ck_assert_uint_eq(fake_edges(&drv), 2);
    wr(FAKE_INTERRUPT_ACK, 2);
    ck_assert_uint_eq(fake_edges(&drv), 0);
}
END_TEST

/* Bit 0 alone says it (§4.2.2). */
START_TEST(queue_ready_is_one_bit)
{
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    wr(FAKE_QUEUE_SEL, 0);
    wr(FAKE_QUEUE_READY, 2);
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 0);
    wr(FAKE_QUEUE_READY, 0xffffffff);
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 1);
    wr(FAKE_QUEUE_READY, 0xfffffffe);
    ck_assert_uint_eq(rd(FAKE_QUEUE_READY), 0);
}
END_TEST

#define CHANGES 20000

static void *change_config(void *arg)
{
    for (uint32_t i = 1; i <= CHANGES; i++) {
        le32 val = to_le32(i);
        virtio_config_set(dev, 0, &val, 4);
    }
    return arg;
}

/* The worker raises bit 0, another thread bit 1, this one acknowledges: nothing is missed by a
 * driver that looks only at what InterruptStatus said, and only after an edge. */
/* proves: MMIO-06, MMIO-07, MMIO-08 */
START_TEST(no_event_is_lost_between_read_and_acknowledge)
{
    const int requests = 5000;
    uint32_t id, len, config = 0;
    pthread_t thread;
    int answered = 0, isr = 1;

    (void)fake_start(&drv, FAKE_VERSION_1);
    ck_assert_int_eq(pthread_create(&thread, NULL, change_config, NULL), 0);
    while (answered < requests || config < CHANGES) {
        if ((isr & 1) != 0) {
            while (fake_used(&drv.ring[0], &id, &len))
                answered++;
            if (answered < requests) {
                offer(0);
                wr(FAKE_QUEUE_NOTIFY, 0);
            }
        }
        if ((isr & 2) != 0)
            config = rd(FAKE_CONFIG);
        if (answered >= requests && config >= CHANGES)
            break;
        isr = fake_wait_irq(&drv, 30000);
        if (isr < 0)
            break;
    }
    pthread_join(thread, NULL);
    ck_assert_int_ge(isr, 0);
    ck_assert_int_ge(answered, requests);
    ck_assert_uint_eq(config, CHANGES);
}
END_TEST

/* -- config space -- */

/* proves: DEV-24, DEV-25, DEV-27, DEV-30, MMIO-26 */
START_TEST(config_reads_any_shape)
{
    static const struct {
        uint16_t off, len;
        uint8_t bytes[8];
    } shapes[] = {
        {0, 4, {0xa0, 0xa1, 0xa2, 0xa3}},
        {0, 8, {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7}},
        {3, 1, {0xa3}},
        {1, 2, {0xa1, 0xa2}},
        {5, 3, {0xa5, 0xa6, 0xa7}},
        {11, 1, {0xab}},
        {11, 2, {0xab, 0}}, /* over the end */
        {10, 8, {0xaa, 0xab}},
        {12, 4, {0}},
        {0xff, 1, {0}},
        {0xf8, 8, {0}},
    };
    uint8_t got[8] = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee};

    fake_read_bytes(&drv, 0x100 + shapes[_i].off, got, shapes[_i].len);
    ck_assert_mem_eq(got, shapes[_i].bytes, shapes[_i].len);
}
END_TEST

/* proves: DEV-30, MMIO-26 */
START_TEST(config_writes_stop_at_the_end)
{
    static const uint8_t ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};

    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_write_bytes(&drv, 0x100 + 3, ones, 1);
    ck_assert_uint_eq(echo->config[2], 0xa2);
    ck_assert_uint_eq(echo->config[3], 1);
    ck_assert_uint_eq(echo->config[4], 0xa4);
    fake_write_bytes(&drv, 0x100 + 10, ones, 8);
    ck_assert_uint_eq(echo->config[9], 0xa9);
    ck_assert_uint_eq(echo->config[10], 1);
    ck_assert_uint_eq(echo->config[11], 1);
    ck_assert_uint_eq(echo->config_written, 2);
    fake_write_bytes(&drv, 0x100 + 12, ones, 4);
    fake_write_bytes(&drv, 0x1ff, ones, 1);
    ck_assert_uint_eq(echo->config_written, 2);
}
END_TEST

/* proves: DEV-28 */
START_TEST(config_writes_before_features_ok_are_ignored)
{
    wr(FAKE_CONFIG, 0);
    wr(FAKE_STATUS, 3);
    wr(FAKE_CONFIG, 0);
    ck_assert_uint_eq(rd(FAKE_CONFIG), 0xa3a2a1a0);
    ck_assert_uint_eq(echo->config_written, 0);
}
END_TEST

/* proves: DEV-30 */
START_TEST(read_only_config_ignores_writes)
{
    struct virtio_class class = echo_class;
    struct virtio_device *other;
    struct fake_driver other_drv;

    class.config_write = NULL;
    ck_assert_int_eq(fake_create(&class, 1, &mem, NULL, &other), 0);
    fake_driver_init(&other_drv, other, RINGS);
    (void)fake_start(&other_drv, FAKE_VERSION_1);
    fake_write(&other_drv, FAKE_CONFIG, 0);
    ck_assert_uint_eq(fake_read(&other_drv, FAKE_CONFIG), 0xa3a2a1a0);
    fake_driver_fini(&other_drv);
    virtio_destroy(other);
}
END_TEST

/* A 64-bit value whose halves are equal, as a driver reads it: halves, between two generations. */
static uint32_t read_untorn(void)
{
    uint32_t low, high, before;

    do {
        before = rd(FAKE_CONFIG_GENERATION);
        low = rd(FAKE_CONFIG);
        high = rd(FAKE_CONFIG + 4);
    } while (rd(FAKE_CONFIG_GENERATION) != before);
    ck_assert_uint_eq(low, high);
    return low;
}

static void *change_both_halves(void *arg)
{
    for (uint32_t i = 1; i <= CHANGES; i++) {
        const le32 val[2] = {to_le32(i), to_le32(i)};
        virtio_config_set(dev, 0, val, 8);
    }
    return arg;
}

/* proves: DEV-26, DEV-27, MMIO-11 */
START_TEST(generation_shows_a_torn_read)
{
    const le32 start[2] = {to_le32(0), to_le32(0)};
    pthread_t thread;

    virtio_config_set(dev, 0, start, 8);
    ck_assert_int_eq(pthread_create(&thread, NULL, change_both_halves, NULL), 0);
    for (uint32_t seen = 0; seen < CHANGES;) {
        uint32_t now = read_untorn();
        ck_assert_uint_ge(now, seen);
        seen = now;
    }
    pthread_join(thread, NULL);
}
END_TEST

#define LOOP(test, count) tcase_add_loop_test(tcase, test, 0, (int)(count))

Suite *mmio_queue_suite(void);
Suite *mmio_queue_suite(void)
{
    Suite *suite = suite_create("mmio_queue");
    TCase *tcase = tcase_create("queues, interrupts, config");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    LOOP(queue_beyond_the_last_does_not_exist, 9);
    LOOP(existing_queues_tell_their_largest_size, 2);
    tcase_add_test(tcase, size_over_the_largest_is_not_stored);
    tcase_add_test(tcase, set_up_of_a_ready_queue_is_frozen);
    LOOP(address_halves_come_in_any_order, 3);
    tcase_add_test(tcase, set_up_is_latched_when_ready);
    tcase_add_test(tcase, queue_can_be_added_to_a_running_device);
    tcase_add_test(tcase, bad_queue_added_to_a_running_device_needs_reset);
    tcase_add_test(tcase, queue_disabled_while_running_is_not_touched);
    tcase_add_test(tcase, queue_that_is_reset_starts_anew);
    tcase_add_test(tcase, device_reset_ends_a_queue_reset);
    tcase_add_test(tcase, queue_reset_reads_1_until_it_is_done);
    LOOP(queue_reset_that_may_not_be_is_ignored, 2);
    tcase_add_test(tcase, odd_notifications_are_harmless);
    tcase_add_test(tcase, notification_names_its_queue);
    tcase_add_test(tcase, status_bits_stay_until_each_is_acknowledged);
    tcase_add_test(tcase, acknowledgement_that_an_eventfd_counts_is_as_good);
    tcase_add_test(tcase, event_that_nobody_has_read_is_not_acknowledged);
    tcase_add_test(tcase, acknowledgement_does_not_outlive_a_reset);
    tcase_add_test(tcase, every_event_is_an_edge_even_if_its_bit_is_set);
    tcase_add_test(tcase, queue_ready_is_one_bit);
    tcase_add_test(tcase, no_event_is_lost_between_read_and_acknowledge);
    LOOP(config_reads_any_shape, 11);
    tcase_add_test(tcase, config_writes_stop_at_the_end);
    tcase_add_test(tcase, config_writes_before_features_ok_are_ignored);
    tcase_add_test(tcase, read_only_config_ignores_writes);
    tcase_add_test(tcase, generation_shows_a_torn_read);
    suite_add_tcase(suite, tcase);
    return suite;
}
