/* SPDX-License-Identifier: BSD-3-Clause */
/* What every row of the table of virtio classes must keep to. */
#include "devices/registry.h"

#include "tests/fake_driver.h"
#include "tests/fake_tap.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>

/* Every class, with the options that its features depend on. A feature that needs another one, or a
 * transport's, has to be looked at before it is added here: nothing checks what a driver takes
 * without what it needs (DEV-21). */
static const struct {
    const struct virtio_class *class;
    const char *options;
    uint64_t features;
} offers[] = {
    {&virtio_rng, "", FAKE_CORE | FAKE_IN_ORDER},
    {&virtio_snd, "host=null", FAKE_CORE},
    {&virtio_snd, "host=null,controls=on", FAKE_CORE | 1u << 0},
    /* SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE (which wants FLUSH), MQ; DISCARD, WRITE_ZEROES
     * or RO. */
    {&virtio_blk, "path=/proc/self/fd/100,overlay", FAKE_CORE | 0x7e44},
    {&virtio_blk, "path=/proc/self/fd/100,ro", FAKE_CORE | 0x1e64},
    {&virtio_fs, "path=/usr,tag=usr", FAKE_CORE | FAKE_IN_ORDER},
    {&virtio_console, "name=a", FAKE_CORE | FAKE_IN_ORDER | 1u << 1},
    {&virtio_input, "kind=keyboard", FAKE_CORE},
    {&virtio_vsock, "path=/tmp/linnet-registry-test-vsock",
     FAKE_CORE | FAKE_IN_ORDER | 1u << 0 | 1u << 2},
    {&virtio_pmem, "path=/proc/self/fd/100", FAKE_CORE | FAKE_IN_ORDER},
    {&virtio_balloon, "", FAKE_CORE | FAKE_IN_ORDER | 1u << 1 | 1u << 2 | 1u << 5},
    {&virtio_balloon, "reporting=off", FAKE_CORE | FAKE_IN_ORDER | 1u << 1 | 1u << 2},
    /* MAC, MRG_RXBUF, STATUS; MTU; with a tap CSUM, GUEST_CSUM, TSO and ECN, with several queues
     * CTRL_VQ, MQ: rx.c and tx.c look at each that a frame needs */
    {&virtio_net, "host=socket,path=/tmp/linnet-registry-test", FAKE_CORE | 0x18020},
    {&virtio_net, "host=socket,path=/tmp/linnet-registry-test,mtu=1500", FAKE_CORE | 0x18028},
    {&virtio_net, "host=tap,name=t", FAKE_CORE | 0x1bba3},
    {&virtio_net, "host=tap,name=t,queues=2", FAKE_CORE | 0x43bba3},
};

/* A disk's image: descriptor 100, as long as the test's process lives. */
static void setup(void)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    ck_assert_int_eq(ftruncate(fd, 0x100000), 0);
    ck_assert_int_eq(dup2(fd, 100), 100);
    ck_assert_int_eq(close(fd), 0);
}

/* What a driver reads, not what the class says. */
/* proves: DEV-10, DEV-13, DEV-15, DEV-17, DEV-19, MMIO-31, MMIO-32, VQ-O-06 */
START_TEST(device_offers_exactly_these_features)
{
    struct virtio_device *dev;
    struct fake_driver drv;
    struct memory mem;
    struct fake_tap tap = {0};

    fake_memory(&mem, 0x100000);
    fake_tap_start(&tap);
    ck_assert_int_eq(fake_make(offers[_i].class, &mem, offers[_i].options, &dev), 0);
    fake_driver_init(&drv, dev, 0x1000);
    ck_assert_uint_eq(fake_features(&drv), offers[_i].features);
    for (uint32_t word = 2; word < 6; word++) {
        fake_write(&drv, FAKE_DEVICE_FEATURES_SEL, word);
        ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_FEATURES), 0);
    }
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    fake_tap_stop();
    memory_destroy(&mem);
}
END_TEST

START_TEST(every_class_is_among_them)
{
    for (size_t i = 0; virtio_slots[i].class != NULL; i++) {
        /* What another process serves, that one offers: vhost_user_create_test.c. */
        bool found = virtio_slots[i].class == &virtio_vhost_user;
        for (size_t k = 0; k < ARRAY_SIZE(offers); k++)
            found |= offers[k].class == virtio_slots[i].class;
        ck_assert_msg(found, "%s", virtio_slots[i].class->name);
    }
}
END_TEST

START_TEST(classes_are_whole)
{
    for (size_t i = 0; virtio_slots[i].class != NULL; i++) {
        const struct virtio_class *class = virtio_slots[i].class;
        ck_assert_ptr_nonnull(class->name);
        ck_assert_uint_le(strlen(class->name), 10); /* with an index it names a thread */
        ck_assert_ptr_nonnull(class->help);
        ck_assert_ptr_nonnull(class->opts);
        ck_assert(class->lends_queues != (class->notify != NULL));
        ck_assert_uint_gt(class->id, 0);
        ck_assert_uint_gt(class->queue_count, 0);
        ck_assert_uint_gt(class->limits.size, 0);
        ck_assert_uint_le(class->limits.size, VIRTQ_SIZE_MAX);
        ck_assert_uint_eq(class->limits.size & (class->limits.size - 1), 0);
        ck_assert_uint_gt(class->limits.chain_descs, 0);
        ck_assert_uint_gt(virtio_slots[i].count, 0);
        ck_assert_uint_le(class->instance_offset + sizeof(struct virtio_device),
                          class->instance_size);
    }
}
END_TEST

START_TEST(slots_and_names_do_not_clash)
{
    for (size_t i = 0; virtio_slots[i].class != NULL; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct virtio_slots *a = &virtio_slots[k], *b = &virtio_slots[i];
            ck_assert_int_le(a->first + a->count, b->first); /* in slot order */
            ck_assert_str_ne(a->class->name, b->class->name);
        }
    }
}
END_TEST

Suite *registry_suite(void);
Suite *registry_suite(void)
{
    Suite *suite = suite_create("registry");
    TCase *tcase = tcase_create("classes");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_loop_test(tcase, device_offers_exactly_these_features, 0, ARRAY_SIZE(offers));
    tcase_add_test(tcase, every_class_is_among_them);
    tcase_add_test(tcase, classes_are_whole);
    tcase_add_test(tcase, slots_and_names_do_not_clash);
    suite_add_tcase(suite, tcase);
    return suite;
}
