/* SPDX-License-Identifier: BSD-3-Clause */
/* Where arm64_load() puts initrd and device tree, and what it says in /chosen. */
#include "tests/arch/arm64/fake_image.h"

#include <libfdt.h>

static struct loading l;
static const struct platform_seed seed = {.rng = {1, 2, 3, [63] = 4}, .kaslr = {5, [7] = 6}};

static void setup(void)
{
    loading_begin(&l, 64 * LOAD_MIB);
    l.kernel = fake_image(0, 4 * LOAD_MIB + 1);
    l.platform.seed = &seed;
}

static void teardown(void)
{
    loading_end(&l);
}

static void add_initrd(size_t size)
{
    l.initrd = (struct file){malloc(size), size};
    ck_assert_ptr_nonnull(l.initrd.bytes);
    memset(l.initrd.bytes, 0x5a, size);
}

static const void *tree(void)
{
    const void *fdt = ram(&l, l.entry.tree, l.entry.tree_size);

    ck_assert_int_eq(fdt_check_full(fdt, l.entry.tree_size), 0);
    return fdt;
}

static const void *chosen(const char *name, int size)
{
    int len = -1;
    const void *value = fdt_getprop(tree(), fdt_path_offset(tree(), "/chosen"), name, &len);

    ck_assert_int_eq(len, size);
    return value;
}

START_TEST(device_tree_is_in_x0_8_byte_aligned_behind_all)
{
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.arg, l.entry.tree);
    ck_assert_uint_eq(l.entry.tree, 0x40600000); /* kernel to 4 MiB and a byte, up to 2 MiB */
    ck_assert_uint_lt(l.entry.tree_size, 64 << 10);
    (void)tree();
}
END_TEST

START_TEST(initrd_is_page_aligned_behind_the_kernel_and_its_bss)
{
    add_initrd(5000);
    loading_accepted(&l);
    ck_assert_mem_eq(ram(&l, 0x40401000, 5000), l.initrd.bytes, 5000);
    ck_assert_mem_eq(chosen("linux,initrd-start", 8), "\0\0\0\0\x40\x40\x10\0", 8);
    ck_assert_mem_eq(chosen("linux,initrd-end", 8), "\0\0\0\0\x40\x40\x23\x88", 8);
    ck_assert_uint_eq(l.entry.tree, 0x40600000);
}
END_TEST

START_TEST(without_an_initrd_the_tree_has_none)
{
    loading_accepted(&l);
    ck_assert_ptr_null(
        fdt_getprop(tree(), fdt_path_offset(tree(), "/chosen"), "linux,initrd-start", NULL));
}
END_TEST

START_TEST(initrd_fits_to_the_last_byte_of_ram_but_the_tree_must_too)
{
    add_initrd(64 * LOAD_MIB - 0x401000);
    loading_refused(&l, -ENOMEM, "device tree: needs --mem of at least 65 MiB, it is 64");
    file_free(&l.initrd);
    add_initrd(64 * LOAD_MIB - 0x401000 + 1);
    loading_refused(&l, -ENOMEM, "initrd.img: needs --mem of at least 65 MiB, it is 64");
    file_free(&l.initrd);
    add_initrd(62 * LOAD_MIB - 0x401000);
    loading_accepted(&l);
}
END_TEST

START_TEST(chosen_has_command_line_console_and_seeds)
{
    loading_accepted(&l);
    ck_assert_mem_eq(chosen("bootargs", 20), "console=ttyS0 quiet", 20);
    ck_assert_mem_eq(chosen("stdout-path", 16), "/serial@9000000", 16);
    ck_assert_mem_eq(chosen("rng-seed", 64), seed.rng, 64);
    ck_assert_mem_eq(chosen("kaslr-seed", 8), seed.kaslr, 8);
    ck_assert_int_ge(fdt_path_offset(tree(), "/serial@9000000"), 0);
}
END_TEST

/* Huge or not: what nothing was loaded to holds zeroes. */
START_TEST(rest_of_ram_is_zero)
{
    loading_accepted(&l);
    gpa_t end = l.entry.tree + l.entry.tree_size, ram_end = 0x40000000 + 64 * LOAD_MIB;
    const uint8_t *rest = ram(&l, end, ram_end - end);

    ck_assert_uint_eq(rest[0], 0);
    ck_assert_int_eq(memcmp(rest, rest + 1, ram_end - end - 1), 0);
    ck_assert_int_eq(memcmp(ram(&l, 0x40000000, l.kernel.size), l.kernel.bytes, l.kernel.size), 0);
}
END_TEST

START_TEST(without_a_seed_the_tree_has_none)
{
    l.platform.seed = NULL;
    loading_accepted(&l);
    int node = fdt_path_offset(tree(), "/chosen");
    ck_assert_ptr_null(fdt_getprop(tree(), node, "rng-seed", NULL));
    ck_assert_ptr_null(fdt_getprop(tree(), node, "kaslr-seed", NULL));
}
END_TEST

START_TEST(command_line_may_have_2047_bytes)
{
    char text[2049];

    memset(text, 'x', sizeof(text));
    text[2047] = '\0';
    l.platform.cmdline = text;
    loading_accepted(&l);
    ck_assert_mem_eq(chosen("bootargs", 2048), text, 2048);
    text[2047] = 'x';
    text[2048] = '\0';
    loading_refused(&l, -E2BIG, "command line of 2048 bytes, the kernel takes 2047");
}
END_TEST

START_TEST(same_machine_gives_the_same_bytes)
{
    uint8_t first[65536];

    loading_accepted(&l);
    size_t size = l.entry.tree_size;
    ck_assert_uint_le(size, sizeof(first));
    memcpy(first, tree(), size);
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.tree_size, size);
    ck_assert_mem_eq(tree(), first, size);
}
END_TEST

/* -- the user's tree -- */

static struct file small_tree(void)
{
    struct file file = {calloc(1, 512), 512};

    ck_assert_ptr_nonnull(file.bytes);
    ck_assert_int_eq(fdt_create_empty_tree(file.bytes, 512), 0);
    ck_assert_int_eq(fdt_setprop_string(file.bytes, 0, "model", "mine"), 0);
    return file;
}

START_TEST(own_tree_takes_the_place_of_linnets_but_for_chosen)
{
    struct file file = small_tree();

    l.platform.tree.base = (struct image){"my.dtb", file.bytes, file.size};
    loading_accepted(&l);
    ck_assert_str_eq(fdt_getprop(tree(), 0, "model", NULL), "mine");
    ck_assert_int_lt(fdt_path_offset(tree(), "/timer"), 0);
    ck_assert_mem_eq(chosen("bootargs", 20), "console=ttyS0 quiet", 20);
    ck_assert_mem_eq(chosen("rng-seed", 64), seed.rng, 64);
    ck_assert_ptr_null(
        fdt_getprop(tree(), fdt_path_offset(tree(), "/chosen"), "stdout-path", NULL));
    file_free(&file);
}
END_TEST

START_TEST(own_tree_that_is_none_is_refused)
{
    struct file file = small_tree();

    l.platform.tree.base = (struct image){"my.dtb", l.kernel.bytes, l.kernel.size};
    loading_refused(&l, -EINVAL, "my.dtb: not a device tree (.dtb); compile one with dtc");
    l.platform.tree.base = (struct image){"my.dtb", file.bytes, 100};
    loading_refused(&l, -EINVAL, "my.dtb: a device tree, but damaged (FDT_ERR_TRUNCATED)");
    l.platform.tree.base = (struct image){"my.dtb", file.bytes, 3};
    loading_refused(&l, -EINVAL, "my.dtb: not a device tree");
    file_free(&file);
}
END_TEST

Suite *arm64_boot_suite(void);
Suite *arm64_boot_suite(void)
{
    Suite *suite = suite_create("arm64_boot");
    TCase *tcase = tcase_create("arm64_boot");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, device_tree_is_in_x0_8_byte_aligned_behind_all);
    tcase_add_test(tcase, initrd_is_page_aligned_behind_the_kernel_and_its_bss);
    tcase_add_test(tcase, without_an_initrd_the_tree_has_none);
    tcase_add_test(tcase, initrd_fits_to_the_last_byte_of_ram_but_the_tree_must_too);
    tcase_add_test(tcase, chosen_has_command_line_console_and_seeds);
    tcase_add_test(tcase, rest_of_ram_is_zero);
    tcase_add_test(tcase, without_a_seed_the_tree_has_none);
    tcase_add_test(tcase, command_line_may_have_2047_bytes);
    tcase_add_test(tcase, same_machine_gives_the_same_bytes);
    tcase_add_test(tcase, own_tree_takes_the_place_of_linnets_but_for_chosen);
    tcase_add_test(tcase, own_tree_that_is_none_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
