/* SPDX-License-Identifier: BSD-3-Clause */
/* What every row of the table of virtio classes must keep to. */
#include "devices/registry.h"

#include <check.h>
#include <string.h>

/* Feature bits by device type that need no other feature (virtio 1.2 §5). A class with a feature
 * that needs another has to be looked at before it is added here. */
static const struct {
    uint32_t id;
    uint64_t features;
} independent[] = {
    {4, 0},       /* entropy: none exist */
    {25, 1 << 0}, /* sound: CTLS */
};

/* proves: DEV-10, DEV-21 */
START_TEST(offered_features_need_no_other)
{
    for (size_t i = 0; virtio_slots[i].class != NULL; i++) {
        uint64_t unknown = UINT64_MAX;
        for (size_t k = 0; k < ARRAY_SIZE(independent); k++)
            if (independent[k].id == virtio_slots[i].class->id)
                unknown = virtio_slots[i].class->features & ~independent[k].features;
        ck_assert_msg(unknown == 0, "%s", virtio_slots[i].class->name);
    }
}
END_TEST

/* proves: DEV-13 */
START_TEST(features_are_of_the_device_type)
{
    /* 0 to 23, 41, 42, from 50 on: device types. 41 and 42 are taken by transports and net. */
    const uint64_t own = 0xfffc000000ffffff;

    for (size_t i = 0; virtio_slots[i].class != NULL; i++)
        ck_assert_uint_eq(virtio_slots[i].class->features & ~own, 0);
    ck_assert_uint_eq(VIRTIO_CORE_FEATURES, 1ull << 28 | 1ull << 29 | 1ull << 32);
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
        ck_assert_ptr_nonnull(class->notify);
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

    tcase_add_test(tcase, offered_features_need_no_other);
    tcase_add_test(tcase, features_are_of_the_device_type);
    tcase_add_test(tcase, classes_are_whole);
    tcase_add_test(tcase, slots_and_names_do_not_clash);
    suite_add_tcase(suite, tcase);
    return suite;
}
