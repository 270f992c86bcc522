/* SPDX-License-Identifier: BSD-3-Clause */
/* Both ends of vhost-user: a driver, our front-end, a socket, our back-end, a device that answers.
 * What goes by the rings is seen from the driver only. */
#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/fake_device.h"
#include "tests/fake_driver.h"
#include "virtio/vhost_user/backend.h"

#include <check.h>
#include <string.h>
#include <sys/socket.h>

#define RINGS 0x10000
#define DATA  0x80000

/* The back-end's side: its main loop is a thread here. */
static struct {
    struct memory mem;
    struct loop loop;
    struct thread thread;
    struct virtio_device *dev;
    struct vhost_user_backend backend;
} there;

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct capture capture;

static void run(void *arg)
{
    (void)arg;
    (void)loop_run(&there.loop);
}

static void left(struct vhost_user_backend *backend)
{
    (void)backend;
    loop_stop(&there.loop);
}

static void start_backend(int fd)
{
    memory_init_shared(&there.mem);
    ck_assert_int_eq(loop_init(&there.loop), 0);
    ck_assert_int_eq(fake_create(&echo_class, 0, &there.mem, NULL, &there.dev), 0);
    ck_assert_int_eq(virtio_start(there.dev), 0);
    there.backend = (struct vhost_user_backend){.socket = {.fd = -1}};
    ck_assert_int_eq(vhost_user_backend_init(&there.backend, there.dev, &there.mem, &there.loop),
                     0);
    there.backend.left = left;
    ck_assert_int_eq(vhost_user_backend_serve(&there.backend, fd), 0);
    ck_assert_int_eq(thread_start(&there.thread, THREAD_WORKER, "there", run, NULL), 0);
}

/* After the front-end has left, or the thread was told to end. */
static void end_backend(void)
{
    thread_join(&there.thread);
    vhost_user_backend_leave(&there.backend);
    virtio_destroy(there.dev);
    vhost_user_backend_fini(&there.backend);
    loop_fini(&there.loop);
    memory_destroy(&there.mem);
    there.dev = NULL;
}

static void setup(void)
{
    struct opts *opts;
    char keys[48];
    int ends[2];

    capture_start(&capture);
    ck_assert_int_eq(memory_create(&mem, 0x400000,
                                   &(struct memory_layout){0, 0x200000, 0x100000000},
                                   MEMORY_PAGES_AUTO),
                     0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    start_backend(ends[1]);
    (void)snprintf(keys, sizeof(keys), "kind=42,fd=%d", ends[0]);
    ck_assert_int_eq(opts_create(virtio_vhost_user.opts, &opts), 0);
    ck_assert_int_eq(opts_parse(opts, "", keys), 0);
    ck_assert_int_eq(fake_create(&virtio_vhost_user, 0, &mem, opts, &dev), 0);
    opts_destroy(opts);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

static void teardown(void)
{
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    if (there.dev != NULL)
        end_backend();
    memory_destroy(&mem);
    (void)capture_end(&capture);
}

/* Offers four bytes to be copied to behind them, perhaps in the upper region. */
static void offer(uint16_t queue, gpa_t at)
{
    const struct fake_piece pieces[] = {{at, 4, 0}, {at + 4, 4, FAKE_WRITE}};

    ck_assert_int_eq(memory_write(&mem, at, "ping\0\0\0\0", 8), 0);
    fake_offer(&drv.ring[queue], fake_chain(&drv.ring[queue], pieces, 2));
}

static void answered(uint16_t queue, gpa_t at)
{
    uint32_t id, len;

    ck_assert(fake_wait_used(&drv, queue, &id, &len));
    ck_assert_uint_eq(len, 4);
    ck_assert_mem_eq(memory_at(&mem, at + 4, 4), "ping", 4);
}

static void ping(uint16_t queue, gpa_t at)
{
    offer(queue, at);
    fake_write(&drv, FAKE_QUEUE_NOTIFY, queue);
    answered(queue, at);
}

static void start(uint64_t features)
{
    ck_assert_uint_eq(fake_start(&drv, features), 15);
}

START_TEST(requests_are_answered_by_the_other_process)
{
    static const uint64_t features[] = {FAKE_VERSION_1, FAKE_VERSION_1 | FAKE_EVENT_IDX,
                                        FAKE_VERSION_1 | FAKE_INDIRECT_DESC | FAKE_EVENT_IDX};

    start(features[_i]);
    for (unsigned i = 0; i < 400; i++) {
        if ((features[_i] & FAKE_EVENT_IDX) != 0)
            fake_used_event_set(&drv.ring[i % 2], drv.ring[i % 2].used_seen);
        ping((uint16_t)(i % 2), i % 3 == 0 ? 0x100000000 : DATA);
    }
    ck_assert_uint_eq(echo_of(there.dev)->taken, 400);
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

START_TEST(request_that_waits_since_before_driver_ok_is_answered)
{
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 0, 8);
    fake_queue_setup(&drv, 1, 8);
    offer(1, DATA);
    fake_write(&drv, FAKE_STATUS, 15);
    answered(1, DATA);
}
END_TEST

/* The positions of the rings go over and back. */
START_TEST(pause_loses_nothing)
{
    start(FAKE_VERSION_1);
    for (unsigned i = 0; i < 50; i++) {
        ping(0, DATA);
        offer(1, DATA + 64);
        virtio_pause(dev);
        offer(0, DATA + 128); /* no driver does, but nothing forbids it */
        virtio_resume(dev, 1000);
        fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
        answered(0, DATA + 128);
        answered(1, DATA + 64);
    }
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

START_TEST(reset_begins_anew)
{
    for (unsigned i = 0; i < 30; i++) {
        start(FAKE_VERSION_1);
        for (unsigned k = 0; k < i % 4; k++)
            ping(1, DATA);
        fake_write(&drv, FAKE_STATUS, 0);
        ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    }
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

START_TEST(config_space_goes_both_ways)
{
    const uint8_t bytes[] = {1, 2, 3, 4};

    start(FAKE_VERSION_1);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 0xa3a2a1a0);
    virtio_config_set(there.dev, 8, "\x11\x22\x33\x44", 4);
    while (fake_read(&drv, FAKE_CONFIG + 8) != 0x44332211) /* there may be older news */
        ck_assert_int_ge(fake_wait_irq(&drv, 30000), 0);
    fake_write_bytes(&drv, FAKE_CONFIG, bytes, 4);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

START_TEST(back_end_that_ends_in_use_ends_the_device_only)
{
    start(FAKE_VERSION_1);
    ping(0, DATA);
    loop_stop(&there.loop);
    end_backend();
    ck_assert(fake_wait_status(&drv, 64));
    for (unsigned i = 0; i < 3000 && capture_look(&capture)[0] == 0; i++)
        usleep(10000);
    ck_assert_str_ne(capture.text, "");
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
}
END_TEST

/* Its own device fails: it has no way to say so but to serve no more (VU-33); ours can be reset. */
START_TEST(device_that_fails_there_can_be_reset_here)
{
    echo_of(there.dev)->fail = true;
    start(FAKE_VERSION_1);
    offer(0, DATA);
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    for (unsigned i = 0; i < 3000 && echo_of(there.dev)->taken == 0; i++)
        usleep(10000);
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    echo_of(there.dev)->fail = false;
    start(FAKE_VERSION_1);
    ping(0, DATA);
}
END_TEST

Suite *vhost_user_ends_suite(void);
Suite *vhost_user_ends_suite(void)
{
    Suite *suite = suite_create("vhost_user_ends");
    TCase *tcase = tcase_create("both ends");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, requests_are_answered_by_the_other_process, 0, 3);
    tcase_add_test(tcase, request_that_waits_since_before_driver_ok_is_answered);
    tcase_add_test(tcase, pause_loses_nothing);
    tcase_add_test(tcase, reset_begins_anew);
    tcase_add_test(tcase, config_space_goes_both_ways);
    tcase_add_test(tcase, back_end_that_ends_in_use_ends_the_device_only);
    tcase_add_test(tcase, device_that_fails_there_can_be_reset_here);
    suite_add_tcase(suite, tcase);
    return suite;
}
