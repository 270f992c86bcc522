/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of commands to a device from outside the guest (virtio/device.c): who serves them, and that
 * none is lost or served twice however the driver comes and goes. */
#include "tests/fake_driver.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>

#define RAM_BYTES (1u << 20)
#define RING_ADDR 0x1000
#define COMMANDS  4000

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static FILE *nowhere;

/* -- a device that counts -- */

static unsigned served; /* not atomic: no two threads are ever in here */
static pthread_t server;

static int count_words(struct virtio_device *device, const char *const words[], FILE *reply)
{
    int count = 0;

    (void)device;
    (void)reply;
    while (words[count] != NULL)
        count++;
    served++;
    server = pthread_self();
    return count;
}

static const struct virtio_class counter = {.name = "counter",
                                            .id = 42,
                                            .queue_count = 1,
                                            .limits = {.size = 16, .chain_descs = 16},
                                            .instance_size = sizeof(struct virtio_device),
                                            .command = count_words};

struct call {
    struct virtio_command command;
    atomic_uint done;
};

static void call_done(struct virtio_command *command)
{
    (void)atomic_fetch_add(&container_of(command, struct call, command)->done, 1);
}

static const char *const two_words[] = {"a", "b", NULL};

static void post(struct call *call)
{
    *call = (struct call){
        .command = {.words = two_words, .reply = nowhere, .result = -1, .done = call_done}};
    virtio_command(dev, &call->command);
}

static void wait_done(struct call *call)
{
    for (unsigned i = 0; i < 5000 && atomic_load(&call->done) == 0; i++)
        (void)usleep(1000);
    ck_assert_uint_eq(atomic_load(&call->done), 1);
    ck_assert_int_eq(call->command.result, 2);
}

static void setup(void)
{
    served = 0;
    nowhere = fopen("/dev/null", "w");
    ck_assert_ptr_nonnull(nowhere);
    ck_assert_int_eq(memory_create(&mem, RAM_BYTES,
                                   &(struct memory_layout){0, RAM_BYTES, RAM_BYTES},
                                   MEMORY_PAGES_AUTO),
                     0);
    ck_assert_int_eq(fake_create(&counter, 0, &mem, NULL, &dev), 0);
    fake_driver_init(&drv, dev, RING_ADDR);
    ck_assert_int_eq(virtio_start(dev), 0);
}

static void teardown(void)
{
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    (void)fclose(nowhere);
}

static void start(void)
{
    drv.ring_addr = RING_ADDR;
    ck_assert_uint_eq(fake_start(&drv, UINT64_MAX), 15);
}

/* -- tests -- */

START_TEST(worker_serves_with_and_without_a_driver)
{
    struct call call;

    for (unsigned i = 0; i < 2; i++) {
        post(&call);
        wait_done(&call);
        ck_assert(!pthread_equal(server, pthread_self()));
        start();
        post(&call);
        wait_done(&call);
        fake_write(&drv, FAKE_STATUS, 0);
    }
    ck_assert_uint_eq(served, 4);
}
END_TEST

/* Before the threads are there, and when they are gone. */
START_TEST(device_without_threads_serves_at_once)
{
    struct call call;

    ck_assert_int_eq(virtio_finish(dev), 0);
    post(&call);
    ck_assert_uint_eq(atomic_load(&call.done), 1);
    ck_assert(pthread_equal(server, pthread_self()));
}
END_TEST

START_TEST(paused_device_still_serves)
{
    struct call call;

    start();
    virtio_pause(dev);
    post(&call);
    wait_done(&call);
    virtio_resume(dev, 1);
    post(&call);
    wait_done(&call);
}
END_TEST

START_TEST(failed_device_still_serves)
{
    struct call call;

    start();
    fake_break(&drv.ring[0]);           /* nobody looks */
    fake_write(&drv, FAKE_STATUS, 128); /* the driver gave up */
    post(&call);
    wait_done(&call);
}
END_TEST

static void *post_all(void *arg)
{
    struct call *calls = arg;

    for (unsigned i = 0; i < COMMANDS; i++)
        post(&calls[i]);
    return NULL;
}

START_TEST(commands_race_with_the_driver)
{
    static struct call calls[COMMANDS];
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, post_all, calls), 0);
    for (unsigned i = 0; i < 100; i++) {
        start();
        fake_write(&drv, FAKE_STATUS, 0);
    }
    start();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(virtio_finish(dev), 0);
    ck_assert_uint_eq(served, COMMANDS);
    for (unsigned i = 0; i < COMMANDS; i++)
        ck_assert_uint_eq(atomic_load(&calls[i].done), 1);
}
END_TEST

Suite *mail_suite(void);
Suite *mail_suite(void)
{
    Suite *suite = suite_create("mail");
    TCase *tcase = tcase_create("mail");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, worker_serves_with_and_without_a_driver);
    tcase_add_test(tcase, device_without_threads_serves_at_once);
    tcase_add_test(tcase, paused_device_still_serves);
    tcase_add_test(tcase, failed_device_still_serves);
    tcase_add_test(tcase, commands_race_with_the_driver);
    suite_add_tcase(suite, tcase);
    return suite;
}
