/* SPDX-License-Identifier: BSD-3-Clause */
/* The device tree that x86_64 kernels get by setup_data: where it is, and what is in it. */
#include "arch/x86_64/x86_64.h"
#include "tests/arch/x86_64/x86_64_loading.h"

#include <libfdt.h>

#define BOOT_PARAMS 0x7000

static struct loading l;
static const struct file nothing;

static void setup(void)
{
    loading_begin(&l, 128 * LOAD_MIB);
    l.kernel = fake_bzimage(&nothing);
    l.platform.tree.wanted = true;
}

static void teardown(void)
{
    loading_end(&l);
}

/* The setup_data at `at`: type, length and contents checked; the tree in it. */
static const void *tree_at(gpa_t at)
{
    const uint8_t *data = ram(&l, at, 16);

    ck_assert_uint_eq(get64(data, 0), 0); /* next: none */
    ck_assert_uint_eq(get32(data, 8), 2); /* SETUP_DTB */
    uint32_t size = get32(data, 12);
    const void *fdt = ram(&l, at + 16, size);
    ck_assert_int_eq(fdt_check_full(fdt, size), 0);
    ck_assert_uint_eq(l.entry.tree, at + 16);
    ck_assert_uint_eq(l.entry.tree_size, size);
    return fdt;
}

static const void *tree(void)
{
    return tree_at(get64(ram(&l, BOOT_PARAMS, 4096), 0x250));
}

static const char *string_at(const char *path, const char *name)
{
    int node = fdt_path_offset(tree(), path);

    ck_assert_msg(node >= 0, "no %s", path);
    return fdt_getprop(tree(), node, name, NULL);
}

START_TEST(without_a_wish_there_is_no_tree)
{
    l.platform.tree.wanted = false;
    loading_accepted(&l);
    ck_assert_uint_eq(get64(ram(&l, BOOT_PARAMS, 4096), 0x250), 0);
    ck_assert_uint_eq(l.entry.tree_size, 0);
}
END_TEST

START_TEST(tree_is_behind_the_seed)
{
    struct platform_seed seed = {.rng = {1, 2, 3}};

    l.platform.seed = &seed;
    loading_accepted(&l);
    const uint8_t *data = ram(&l, get64(ram(&l, BOOT_PARAMS, 4096), 0x250), 16);
    ck_assert_uint_eq(get32(data, 8), 9); /* SETUP_RNG_SEED */
    (void)tree_at(get64(data, 0));
}
END_TEST

START_TEST(tree_is_at_the_top_of_low_ram)
{
    loading_accepted(&l);
    (void)tree();
    ck_assert_uint_eq(get64(ram(&l, BOOT_PARAMS, 4096), 0x250), 128 * LOAD_MIB - 4096);
}
END_TEST

START_TEST(tree_is_below_the_initrd_and_tells_of_it)
{
    l.initrd = file_of_size(5000, 0x77);
    loading_accepted(&l);
    ck_assert_uint_eq(get64(ram(&l, BOOT_PARAMS, 4096), 0x250), 128 * LOAD_MIB - 3 * 4096);
    ck_assert_mem_eq(string_at("/chosen", "linux,initrd-start"), "\0\0\0\0\x07\xff\xe0\0", 8);
    ck_assert_mem_eq(ram(&l, 0x7ffe000, 5000), l.initrd.bytes, 5000);
}
END_TEST

START_TEST(tree_has_the_facts_of_the_machine)
{
    l.platform.cpu_count = 2;
    l.platform.device[l.platform.device_count++] = (struct platform_device){
        .kind = PLATFORM_VIRTIO, .index = 1, .base = 0xd0001000, .size = 0x200, .irq = 6};
    loading_accepted(&l);
    ck_assert_str_eq(string_at("/chosen", "bootargs"), "console=ttyS0 quiet");
    ck_assert_str_eq(string_at("/memory@0", "device_type"), "memory");
    ck_assert_mem_eq(string_at("/memory@0", "reg"), "\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0", 16);
    ck_assert_mem_eq(string_at("/cpus/cpu@1", "reg"), "\0\0\0\1", 4);
    ck_assert_mem_eq(string_at("/virtio@d0001000", "reg"), "\0\0\0\0\xd0\0\x10\0\0\0\0\0\0\0\2\0",
                     16);
    ck_assert_str_eq(string_at("/virtio@d0001000", "status"), "disabled"); /* ACPI has it */
}
END_TEST

START_TEST(own_tree_that_is_none_is_refused)
{
    l.platform.tree.base = (struct image){"my.dtb", l.kernel.bytes, l.kernel.size};
    loading_refused(&l, -EINVAL, "my.dtb: not a device tree");
}
END_TEST

START_TEST(kernel_entered_by_pvh_takes_no_tree)
{
    const struct fake_elf elf = {
        .entry = 0,
        .pvh_entry = 0x1000000,
        .count = 1,
        .segment = {{.offset = 4096, .addr = 0x1000000, .file_size = 64, .mem_size = 64}},
    };

    file_free(&l.kernel);
    l.kernel = fake_elf(&elf);
    loading_refused(&l, -EINVAL, "enters by PVH, which has no place for a device tree");
    l.platform.tree.wanted = false;
    loading_accepted(&l);
}
END_TEST

Suite *x86_64_tree_suite(void);
Suite *x86_64_tree_suite(void)
{
    Suite *suite = suite_create("x86_64_tree");
    TCase *tcase = tcase_create("x86_64_tree");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, without_a_wish_there_is_no_tree);
    tcase_add_test(tcase, tree_is_behind_the_seed);
    tcase_add_test(tcase, tree_is_at_the_top_of_low_ram);
    tcase_add_test(tcase, tree_is_below_the_initrd_and_tells_of_it);
    tcase_add_test(tcase, tree_has_the_facts_of_the_machine);
    tcase_add_test(tcase, own_tree_that_is_none_is_refused);
    tcase_add_test(tcase, kernel_entered_by_pvh_takes_no_tree);
    suite_add_tcase(suite, tcase);
    return suite;
}
