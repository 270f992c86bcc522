/* SPDX-License-Identifier: BSD-3-Clause */
/* A network card whose queues the host's kernel serves (vhost-net): what the kernel is told, when
 * it runs, and what comes back. What it does with frames is the kernel's. */
#include "tests/devices/net/net_rig.h"
#include "tests/fake_vhost.h"

#include <sys/eventfd.h>

#define EVENTS    (FAKE_INDIRECT_DESC | FAKE_EVENT_IDX)
#define VHOST_ALL (FAKE_VERSION_1 | EVENTS | MRG_RXBUF)

static struct fake_vhosts vhosts;

static void setup_vhost(void)
{
    setup();
    vhosts = (struct fake_vhosts){.path = "/dev/vhost-net", .known = VHOST_ALL, .fails_at = -1};
    fake_vhost_start(&vhosts);
}

static void teardown_vhost(void)
{
    teardown();
    fake_vhost_stop();
}

static void create_one(void)
{
    ck_assert_int_eq(create("host=tap,name=tap7,vhost"), 0);
}

static void create_two(void)
{
    ck_assert_int_eq(create("host=tap,name=tap7,queues=2,vhost"), 0);
}

/* Ring `i` of vhost device `pair` runs on its tap, or does not. */
static bool runs(unsigned pair, unsigned i)
{
    int backend = vhosts.vhost[pair].ring[i].backend;

    ck_assert(backend == -1 || backend == tap.theirs[pair]);
    return backend != -1;
}

static bool is_readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    return poll(&wait, 1, 0) == 1;
}

START_TEST(kernel_is_told_of_features_memory_and_rings)
{
    const struct fake_vhost *vhost = &vhosts.vhost[0];

    create_one();
    ck_assert(vhost->owned && !runs(0, 0) && !runs(0, 1));
    ck_assert_uint_eq(fake_start(&drv, BASE | CSUM | MRG_RXBUF | FAKE_EVENT_IDX), 15);
    ck_assert_uint_eq(vhost->features, FAKE_VERSION_1 | FAKE_EVENT_IDX | MRG_RXBUF);
    ck_assert_uint_eq(vhost->regions, 1);
    ck_assert_uint_eq(vhost->region[0].guest_phys_addr, 0);
    ck_assert_uint_eq(vhost->region[0].memory_size, 0x800000);
    ck_assert_uint_eq(vhost->region[0].userspace_addr, (uintptr_t)mem.host);
    for (unsigned i = 0; i < 2; i++) {
        const struct fake_vring *ring = &vhost->ring[i];
        ck_assert_uint_eq(ring->num, 256);
        ck_assert_uint_eq(ring->base, 0);
        ck_assert_uint_eq(ring->addr.flags, 0);
        ck_assert_uint_eq(ring->addr.desc_user_addr, (uintptr_t)ram(drv.ring[i].desc, 1));
        ck_assert_uint_eq(ring->addr.avail_user_addr, (uintptr_t)ram(drv.ring[i].avail, 1));
        ck_assert_uint_eq(ring->addr.used_user_addr, (uintptr_t)ram(drv.ring[i].used, 1));
        ck_assert(runs(0, i));
        ck_assert(is_readable(ring->kick)); /* there may be something since before */
    }
}
END_TEST

START_TEST(kicks_are_the_kernels_and_its_calls_the_drivers)
{
    const struct fake_vring *ring = &vhosts.vhost[0].ring[1];
    eventfd_t count;

    create_one();
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    ck_assert_int_eq(eventfd_read(ring->kick, &count), 0);
    transmit(plain, 60);
    ck_assert(is_readable(ring->kick));
    usleep(20000);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[1]), 0); /* nobody here looked */
    ck_assert_int_eq(eventfd_write(ring->call, 1), 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
    ck_assert_int_eq(eventfd_write(ring->call, 1), 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
    command("status", NULL, 0, "frames go through vhost-net: the interface counts them");
}
END_TEST

START_TEST(what_the_kernel_does_not_know_is_not_offered)
{
    vhosts.known &= ~FAKE_EVENT_IDX;
    create_one();
    ck_assert_uint_eq(fake_features(&drv) & VHOST_ALL, VHOST_ALL & ~FAKE_EVENT_IDX);
    ck_assert_uint_eq(fake_features(&drv) >> 33, 0);
    ck_assert_uint_eq(fake_start(&drv, VHOST_ALL), 15);
    ck_assert_uint_eq(vhosts.vhost[0].features, VHOST_ALL & ~FAKE_EVENT_IDX);
}
END_TEST

START_TEST(kernel_stands_still_in_a_pause)
{
    create_one();
    virtio_pause(dev); /* no driver yet */
    virtio_resume(dev, 1);
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    virtio_pause(dev);
    ck_assert(!runs(0, 0) && !runs(0, 1));
    command("link", "down", 0, "");
    command("link", "up", 0, "");
    ck_assert(!runs(0, 0) && !runs(0, 1));
    virtio_resume(dev, 1000000);
    ck_assert(runs(0, 0) && runs(0, 1));
}
END_TEST

START_TEST(kernel_stands_still_while_the_link_is_down)
{
    create_one();
    command("link", "down", 0, "");
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    ck_assert(!runs(0, 0) && !runs(0, 1));
    command("link", "up", 0, "");
    ck_assert(runs(0, 0) && runs(0, 1));
    command("link", "down", 0, "");
    ck_assert(!runs(0, 0) && !runs(0, 1));
    virtio_pause(dev);
    virtio_resume(dev, 1000000);
    ck_assert(!runs(0, 0) && !runs(0, 1));
}
END_TEST

START_TEST(kernel_ends_with_a_reset_and_begins_anew)
{
    create_one();
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    vhosts.vhost[0].ring[1].base = 0xfffe;
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert(!runs(0, 0) && !runs(0, 1));
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    ck_assert_uint_eq(vhosts.vhost[0].ring[1].base, 0);
    ck_assert(runs(0, 0) && runs(0, 1));
}
END_TEST

START_TEST(each_pair_has_a_kernels_device_and_the_control_queue_none)
{
    create_two();
    ck_assert_uint_eq(vhosts.opened, 2);
    ck_assert_uint_eq(fake_start(&drv, BASE | CTRL_VQ | MQ), 15);
    for (unsigned i = 0; i < 4; i++)
        ck_assert(runs(i / 2, i % 2));
    ck_assert_int_eq(eventfd_write(vhosts.vhost[1].ring[0].call, 1), 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
    offer(4, 0xffffffffff, 16, 0);
    kick(4);
    ck_assert(fake_wait_status(&drv, 64));
    command("link", "up", 0, ""); /* behind it */
    for (unsigned i = 0; i < 4; i++)
        ck_assert(!runs(i / 2, i % 2));
}
END_TEST

START_TEST(queue_that_is_not_set_up_is_not_the_kernels)
{
    create_one();
    ck_assert_uint_eq(fake_negotiate(&drv, BASE), 11);
    fake_queue_setup(&drv, 1, 0);
    fake_write(&drv, FAKE_STATUS, 15);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
    ck_assert(!runs(0, 0) && runs(0, 1));
    ck_assert_uint_eq(vhosts.vhost[0].ring[0].num, 0);
}
END_TEST

START_TEST(queue_that_stops_alone_needs_a_reset)
{
    create_one();
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    fake_write(&drv, FAKE_QUEUE_SEL, (unsigned)_i);
    fake_write(&drv, FAKE_QUEUE_READY, 0);
    ck_assert(fake_wait_status(&drv, 64));
    ck_assert(!runs(0, 0) && !runs(0, 1));
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    ck_assert(runs(0, 0) && runs(0, 1));
}
END_TEST

START_TEST(link_is_down_when_the_tap_goes)
{
    create_one();
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    (void)close(tap.ours[0]);
    tap.ours[0] = -1;
    wait_config();
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4) >> 16, 0);
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
}
END_TEST

/* -- what fails -- */

START_TEST(each_request_that_fails_is_told_and_a_reset_helps)
{
    vhosts.fails_at = _i;
    int r = create("host=tap,name=tap7,vhost");
    if (_i < 2) {
        ck_assert_int_eq(r, -EIO);
        ck_assert_ptr_nonnull(strstr(capture_look(&capture), "--net vhost: /dev/vhost-net: Input"));
        return;
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(fake_start(&drv, BASE), 15 | 64);
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    ck_assert(runs(0, 0) && runs(0, 1));
}
END_TEST

START_TEST(kernel_that_does_not_go_on_needs_a_reset)
{
    create_one();
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    command("link", "down", 0, "");
    vhosts.fails_at = vhosts.requests;
    command("link", "up", 0, "");
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

static const struct {
    int open_error;
    uint64_t known;
    const char *options, *line;
    int r;
} refused[] = {
    {ENOENT, VHOST_ALL, "host=tap,name=t,vhost",
     "--net vhost: /dev/vhost-net: load its module: sudo modprobe vhost-net: No such file",
     -ENOENT},
    {EACCES, VHOST_ALL, "host=tap,name=t,vhost",
     "--net vhost: /dev/vhost-net: let users have it: sudo chmod 666 /dev/vhost-net: Permission",
     -EACCES},
    {0, VHOST_ALL & ~MRG_RXBUF, "host=tap,name=t,vhost", "--net vhost: /dev/vhost-net: Operation",
     -ENOTSUP},
    {0, VHOST_ALL & ~FAKE_VERSION_1, "host=tap,name=t,vhost",
     "--net vhost: /dev/vhost-net: Operation", -ENOTSUP},
    {0, VHOST_ALL, "host=user,vhost", "--net vhost: the kernel serves a tap only; give --net tap",
     -EINVAL},
};

/* As of a machine whose device is a process of its own. */
START_TEST(memory_of_another_process_needs_a_reset)
{
    uint8_t *host = mem.host;

    create_one();
    mem.host = NULL;
    ck_assert_uint_eq(fake_start(&drv, BASE), 15 | 64);
    ck_assert_uint_eq(vhosts.vhost[0].regions, 0);
    mem.host = host;
}
END_TEST

START_TEST(what_can_not_be_is_refused)
{
    vhosts.open_error = refused[_i].open_error;
    vhosts.known = refused[_i].known;
    ck_assert_int_eq(create(refused[_i].options), refused[_i].r);
    const char *said = capture_look(&capture);
    ck_assert_msg(strstr(said, refused[_i].line) != NULL, "%s", said);
}
END_TEST

Suite *vhost_suite(void);
Suite *vhost_suite(void)
{
    Suite *suite = suite_create("vhost");
    TCase *cases = tcase_create("vhost");

    tcase_add_checked_fixture(cases, setup_vhost, teardown_vhost);
    tcase_add_test(cases, kernel_is_told_of_features_memory_and_rings);
    tcase_add_test(cases, kicks_are_the_kernels_and_its_calls_the_drivers);
    tcase_add_test(cases, what_the_kernel_does_not_know_is_not_offered);
    tcase_add_test(cases, kernel_stands_still_in_a_pause);
    tcase_add_test(cases, kernel_stands_still_while_the_link_is_down);
    tcase_add_test(cases, kernel_ends_with_a_reset_and_begins_anew);
    tcase_add_test(cases, each_pair_has_a_kernels_device_and_the_control_queue_none);
    tcase_add_test(cases, queue_that_is_not_set_up_is_not_the_kernels);
    tcase_add_loop_test(cases, queue_that_stops_alone_needs_a_reset, 0, 2);
    tcase_add_test(cases, link_is_down_when_the_tap_goes);
    tcase_add_loop_test(cases, each_request_that_fails_is_told_and_a_reset_helps, 0, 16);
    tcase_add_test(cases, kernel_that_does_not_go_on_needs_a_reset);
    tcase_add_test(cases, memory_of_another_process_needs_a_reset);
    tcase_add_loop_test(cases, what_can_not_be_is_refused, 0, ARRAY_SIZE(refused));
    suite_add_tcase(suite, cases);
    return suite;
}
