/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket device served by the host's kernel (vhost-vsock): what that is told, and when it runs.
 * What is common to all vhost devices is in tests/devices/net/vhost_test.c. */
#include "tests/devices/vsock/vsock_rig.h"

#include "tests/fake_vhost.h"

#include <sys/eventfd.h>

#define VHOST_ALL (FAKE_VERSION_1 | FAKE_INDIRECT_DESC | FAKE_EVENT_IDX)

static struct fake_vhosts vhosts;
static const struct fake_vhost *const vhost = &vhosts.vhost[0];

static void setup_kernel(void)
{
    setup();
    vhosts = (struct fake_vhosts){.path = "/dev/vhost-vsock", .known = VHOST_ALL, .fails_at = -1};
    fake_vhost_start(&vhosts);
}

static void teardown_kernel(void)
{
    teardown();
    fake_vhost_stop();
}

static void create_kernel(void)
{
    ck_assert_int_eq(try_at("vhost", ",cid=42", &dev), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

START_TEST(kernel_has_the_address_and_the_packets)
{
    char text[FAKE_REPLY_BYTES];

    create_kernel();
    ck_assert_uint_eq(vhost->cid, 42);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 42);
    ck_assert_uint_eq(fake_features(&drv) >> 24, VHOST_ALL >> 24);
    ck_assert_int_eq(vhost->running, 0);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | 1), 15);
    ck_assert_int_eq(vhost->running, 1);
    ck_assert_uint_eq(vhost->features, FAKE_VERSION_1);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_uint_eq(vhost->ring[i].addr.desc_user_addr,
                          (uintptr_t)memory_at(&mem, drv.ring[i].desc, 1));
    ck_assert_int_eq(eventfd_write(vhost->ring[0].call, 1), 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
    ck_assert_int_eq(fake_command(dev, "status", NULL, text), 0);
    ck_assert_str_eq(text, "guest's address 42, of this host's AF_VSOCK\n");
}
END_TEST

START_TEST(kernel_stands_still_in_a_pause_and_ends_with_a_reset)
{
    create_kernel();
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    virtio_pause(dev);
    ck_assert_int_eq(vhost->running, 0);
    virtio_resume(dev, 1000000);
    ck_assert_int_eq(vhost->running, 1);
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_int_eq(vhost->running, 0);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    ck_assert_int_eq(vhost->running, 1);
}
END_TEST

START_TEST(each_request_that_fails_is_told_and_a_reset_helps)
{
    vhosts.fails_at = _i;
    if (_i < 3) {
        ck_assert_int_eq(try_at("vhost", "", &dev), -EIO);
        ck_assert_ptr_nonnull(strstr(capture_look(&capture), "error: --vsock"));
        return;
    }
    create_kernel();
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15 | 64);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    ck_assert_int_eq(vhost->running, 1);
}
END_TEST

START_TEST(kernel_that_does_not_go_on_needs_a_reset)
{
    create_kernel();
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    virtio_pause(dev);
    vhosts.fails_at = vhosts.requests;
    virtio_resume(dev, 1000000);
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

START_TEST(what_can_not_be_is_refused)
{
    static const struct {
        int open_error;
        const char *more, *line;
        int r;
    } rows[] = {
        {ENOENT, "", "--vsock: /dev/vhost-vsock: load its module: sudo modprobe vhost-vsock: No",
         -ENOENT},
        {0, ",cid=7", "--vsock cid: 7 is another machine's; give another one", -EADDRINUSE},
        {0, ",forward=tcp:127.0.0.1:0-1", "--vsock forward: not with vhost", -EINVAL},
    };

    vhosts.open_error = rows[_i].open_error;
    vhosts.cid_taken = 7;
    ck_assert_int_eq(try_at("vhost", rows[_i].more, &dev), rows[_i].r);
    const char *said = capture_look(&capture);
    ck_assert_msg(strstr(said, rows[_i].line) != NULL, "%s", said);
}
END_TEST

Suite *vsock_kernel_suite(void);
Suite *vsock_kernel_suite(void)
{
    Suite *suite = suite_create("vsock_kernel");
    TCase *cases = tcase_create("vsock_kernel");

    tcase_add_checked_fixture(cases, setup_kernel, teardown_kernel);
    tcase_add_test(cases, kernel_has_the_address_and_the_packets);
    tcase_add_test(cases, kernel_stands_still_in_a_pause_and_ends_with_a_reset);
    tcase_add_loop_test(cases, each_request_that_fails_is_told_and_a_reset_helps, 0, 16);
    tcase_add_test(cases, kernel_that_does_not_go_on_needs_a_reset);
    tcase_add_loop_test(cases, what_can_not_be_is_refused, 0, 3);
    suite_add_tcase(suite, cases);
    return suite;
}
