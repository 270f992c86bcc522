/* SPDX-License-Identifier: BSD-3-Clause */
/* A device whose queues another process serves: what is left for us to do with them is nothing. */
#include "tests/capture.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <fcntl.h>
#include <sys/eventfd.h>

#define RINGS 0x10000

static unsigned notified;

static int lender_create(struct virtio_device *dev, const struct opts *opts)
{
    (void)opts;
    dev->id = 77;
    dev->limits.size = 32;
    return 0;
}

static void lender_notify(struct virtio_device *dev, struct virtq *vq)
{
    (void)dev;
    (void)vq;
    notified++;
}

static int lender_command(struct virtio_device *dev, const char *const words[], FILE *reply)
{
    (void)words;
    (void)reply;
    virtio_call(dev, &dev->queue[1]);
    return 0;
}

static const struct virtio_class lender = {
    .name = "lender",
    .id = 42,
    .queue_count = 2,
    .limits = {.size = 64, .chain_descs = 64},
    .lends_queues = true,
    .instance_size = sizeof(struct virtio_device),
    .create = lender_create,
    .notify = lender_notify,
    .command = lender_command,
};

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct capture capture;

static void setup(void)
{
    capture_start(&capture);
    fake_memory(&mem, 0x100000);
    ck_assert_int_eq(fake_create(&lender, 0, &mem, NULL, &dev), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
    notified = 0;
}

static void teardown(void)
{
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    (void)capture_end(&capture);
}

START_TEST(instance_has_its_own_id_and_queue_size)
{
    ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_ID), 77);
    fake_write(&drv, FAKE_QUEUE_SEL, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_SIZE_MAX), 32);
}
END_TEST

START_TEST(kicks_stay_in_the_eventfd_and_the_ring_is_left_alone)
{
    char reply[FAKE_REPLY_BYTES];
    eventfd_t count;

    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
    ck_assert_int_eq(fake_command(dev, "anything", NULL, reply), 0); /* the worker was there */
    ck_assert_uint_eq(notified, 0);
    ck_assert_int_eq(eventfd_read(dev->queue[1].kick.fd, &count), 0);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(fake_device_event(&drv.ring[1]), 0);
}
END_TEST

START_TEST(news_of_another_process_reach_the_driver)
{
    char reply[FAKE_REPLY_BYTES];

    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    ck_assert_int_eq(fake_command(dev, "call", NULL, reply), 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
}
END_TEST

/* Who shares it may do with it what an eventfd allows. */
START_TEST(full_eventfd_that_blocks_holds_nobody_up)
{
    const int fd = dev->queue[0].kick.fd;

    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    ck_assert_int_eq(eventfd_write(fd, UINT64_MAX - 1), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
}
END_TEST

START_TEST(bad_areas_are_found_as_ever)
{
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 0, 16);
    fake_write(&drv, FAKE_QUEUE_SEL, 1);
    fake_write(&drv, FAKE_QUEUE_SIZE, 16);
    fake_write(&drv, FAKE_QUEUE_DESC, 0x200000);
    fake_write(&drv, FAKE_QUEUE_READY, 1);
    fake_write(&drv, FAKE_STATUS, 15);
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

Suite *lend_suite(void);
Suite *lend_suite(void)
{
    Suite *suite = suite_create("lend");
    TCase *tcase = tcase_create("queues served elsewhere");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, instance_has_its_own_id_and_queue_size);
    tcase_add_test(tcase, kicks_stay_in_the_eventfd_and_the_ring_is_left_alone);
    tcase_add_test(tcase, news_of_another_process_reach_the_driver);
    tcase_add_test(tcase, full_eventfd_that_blocks_holds_nobody_up);
    tcase_add_test(tcase, bad_areas_are_found_as_ever);
    suite_add_tcase(suite, tcase);
    return suite;
}
