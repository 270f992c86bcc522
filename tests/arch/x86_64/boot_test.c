/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What x86_64_load() leaves in RAM around a kernel, byte by byte, and what it refuses. Offsets and
 * values are those of Linux' Documentation/arch/x86/{boot,zero-page}.rst.
 */
#include "arch/arch.h"
#include "tests/arch/x86_64/x86_64_loading.h"

#define BOOT_PARAMS 0x7000

static struct loading l;
static const struct file nothing;

static void setup(void)
{
    loading_begin(&l, 128 * LOAD_MIB);
    l.kernel = fake_bzimage(&nothing);
}

static void teardown(void)
{
    loading_end(&l);
}

/* Like setup(), with other RAM. */
static void restart(uint64_t ram_bytes)
{
    teardown();
    loading_begin(&l, ram_bytes);
    l.kernel = fake_bzimage(&nothing);
}

START_TEST(boot_params_hold_the_kernels_header_and_our_fields)
{
    l.initrd = file_of_size(5000, 0x77);
    loading_accepted(&l);
    const uint8_t *p = ram(&l, BOOT_PARAMS, 4096);
    ck_assert_uint_eq(p[0x1f1], 1); /* setup_sects, as in the file */
    ck_assert_uint_eq(get16(p, 0x1fe), 0xaa55);
    ck_assert_mem_eq(p + 0x202, "HdrS", 4);
    ck_assert_uint_eq(get16(p, 0x206), 0x020f);
    ck_assert_uint_eq(p[0x210], 0xff);             /* type_of_loader: none registered */
    ck_assert_uint_eq(p[0x211], 0x01);             /* LOADED_HIGH */
    ck_assert_uint_eq(get32(p, 0x218), 0x7ffe000); /* ramdisk_image */
    ck_assert_uint_eq(get32(p, 0x21c), 5000);
    ck_assert_uint_eq(get32(p, 0x228), 0x20000); /* cmd_line_ptr */
    ck_assert_uint_eq(get32(p, 0x230), 0x200000);
    ck_assert_uint_eq(get64(p, 0x250), 0); /* setup_data: none */
    ck_assert_uint_eq(get64(p, 0x258), 0x1000000);
    ck_assert_uint_eq(get32(p, 0x260), 4 << 20);
    ck_assert_uint_eq(get32(p, 0x268), 0x12345678); /* a field we do not know */
    ck_assert_uint_eq(get64(p, 0x070), 0xe0000);    /* acpi_rsdp_addr */
    ck_assert_uint_eq(get32(p, 0x0c0), 0);          /* high halves */
    ck_assert_uint_eq(get32(p, 0x0c4), 0);
    ck_assert_uint_eq(get32(p, 0x0c8), 0);
    ck_assert_uint_eq(p[0x1ef], 0); /* sentinel */
}
END_TEST

START_TEST(seed_is_where_setup_data_says)
{
    struct platform_seed seed;

    memset(seed.rng, 0x5e, sizeof(seed.rng));
    l.platform.seed = &seed;
    loading_accepted(&l);
    gpa_t at = get64(ram(&l, BOOT_PARAMS, 4096), 0x250);
    const uint8_t *data = ram(&l, at, 16 + 64);
    ck_assert_uint_ge(at, 0x10000);
    ck_assert_uint_le(at + 16 + 64, 0x20000); /* the command line */
    ck_assert_uint_eq(get64(data, 0), 0);     /* next: none */
    ck_assert_uint_eq(get32(data, 8), 9);     /* SETUP_RNG_SEED */
    ck_assert_uint_eq(get32(data, 12), 64);
    ck_assert_mem_eq(data + 16, seed.rng, 64);
    ck_assert(ram_is_zero(&l, at + 16 + 64, 64));
}
END_TEST

START_TEST(boot_params_are_zero_elsewhere)
{
    loading_accepted(&l);
    ck_assert(ram_is_zero(&l, BOOT_PARAMS, 0x70));
    ck_assert(ram_is_zero(&l, BOOT_PARAMS + 0x78, 0x1e8 - 0x78));
    ck_assert(ram_is_zero(&l, BOOT_PARAMS + 0x1e9, 0x1f1 - 0x1e9));
    ck_assert(ram_is_zero(&l, BOOT_PARAMS + 0x218, 8)); /* no initrd */
    ck_assert(ram_is_zero(&l, BOOT_PARAMS + 0x26c, 0x2d0 - 0x26c));
    ck_assert(ram_is_zero(&l, BOOT_PARAMS + 0x2d0 + 4 * 20, 0x1000 - 0x2d0 - 4 * 20));
}
END_TEST

START_TEST(low_ram_that_kernels_look_at_is_zero)
{
    loading_accepted(&l);
    ck_assert(ram_is_zero(&l, 0, 0x5000)); /* 0x40e EBDA, 0x413 memory size */
    ck_assert(ram_is_zero(&l, 0xf000, 0x20000 - 0xf000));
    ck_assert(ram_is_zero(&l, 0x20800, 0xe0000 - 0x20800));
}
END_TEST

START_TEST(kernel_is_entered_at_its_64_bit_entry)
{
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_LINUX64);
    ck_assert_uint_eq(l.entry.pc, 0x1000200);
    ck_assert_uint_eq(l.entry.arg, BOOT_PARAMS);
    ck_assert_mem_eq(ram(&l, 0x1000000, 0x240), l.kernel.bytes + 1024, 0x240);
    ck_assert(ram_is_zero(&l, 0x100000, 0xf00000));
    ck_assert(ram_is_zero(&l, 0x1000240, 0x10000));
}
END_TEST

/* -- e820 -- */

struct range {
    uint64_t addr, size;
    uint32_t type;
};

static const struct {
    uint64_t ram_bytes;
    unsigned count;
    struct range range[5];
} maps[] = {
    {128 * LOAD_MIB,
     4,
     {{0, 0x9fc00, 1}, {0xe0000, 0x10000, 3}, {0xf0000, 0x10000, 2}, {0x100000, 0x7f00000, 1}}},
    {3072 * LOAD_MIB,
     4,
     {{0, 0x9fc00, 1}, {0xe0000, 0x10000, 3}, {0xf0000, 0x10000, 2}, {0x100000, 0xbff00000, 1}}},
    {3072 * LOAD_MIB + 4096,
     5,
     {{0, 0x9fc00, 1},
      {0xe0000, 0x10000, 3},
      {0xf0000, 0x10000, 2},
      {0x100000, 0xbff00000, 1},
      {0x100000000, 4096, 1}}},
    {6144 * LOAD_MIB,
     5,
     {{0, 0x9fc00, 1},
      {0xe0000, 0x10000, 3},
      {0xf0000, 0x10000, 2},
      {0x100000, 0xbff00000, 1},
      {0x100000000, 0xc0000000, 1}}},
};

START_TEST(e820_lists_ram_acpi_and_the_rest_below_1_mib)
{
    restart(maps[_i].ram_bytes);
    loading_accepted(&l);
    const uint8_t *p = ram(&l, BOOT_PARAMS, 4096);
    ck_assert_uint_eq(p[0x1e8], maps[_i].count);
    for (unsigned n = 0; n < maps[_i].count; n++) {
        const struct range *range = &maps[_i].range[n];
        ck_assert_uint_eq(get64(p, 0x2d0 + 20 * n), range->addr);
        ck_assert_uint_eq(get64(p, 0x2d0 + 20 * n + 8), range->size);
        ck_assert_uint_eq(get32(p, 0x2d0 + 20 * n + 16), range->type);
    }
}
END_TEST

/* -- initrd -- */

START_TEST(initrd_lies_page_aligned_at_the_top_of_low_ram)
{
    restart(6144 * LOAD_MIB);
    put32(l.kernel.bytes, 0x22c, 0xffffffff); /* initrd_addr_max */
    l.initrd = file_of_size(4097, 0x55);
    loading_accepted(&l);
    const uint8_t *p = ram(&l, BOOT_PARAMS, 4096);
    ck_assert_uint_eq(get32(p, 0x218), 0xbfffe000);
    ck_assert_uint_eq(get32(p, 0x21c), 4097);
    ck_assert_mem_eq(ram(&l, 0xbfffe000, 4097), l.initrd.bytes, 4097);
    ck_assert(ram_is_zero(&l, 0xbfffe000 + 4097, 4095));
}
END_TEST

START_TEST(initrd_stays_below_initrd_addr_max)
{
    restart(3072 * LOAD_MIB);
    l.initrd = file_of_size(8192, 0x55);
    loading_accepted(&l);
    ck_assert_uint_eq(get32(ram(&l, BOOT_PARAMS, 4096), 0x218), 0x7fffe000);
    put32(l.kernel.bytes, 0x22c, 0x2000fff); /* in the middle of a page's end */
    loading_accepted(&l);
    ck_assert_uint_eq(get32(ram(&l, BOOT_PARAMS, 4096), 0x218), 0x1fff000);
}
END_TEST

/* The kernel claims [16 MiB, 20 MiB). */
START_TEST(initrd_may_fill_all_that_the_kernel_leaves)
{
    restart(32 * LOAD_MIB);
    l.initrd = file_of_size(12 * LOAD_MIB, 0x55);
    loading_accepted(&l);
    ck_assert_uint_eq(get32(ram(&l, BOOT_PARAMS, 4096), 0x218), 20 * LOAD_MIB);
}
END_TEST

START_TEST(initrd_a_byte_too_large_is_refused_with_what_it_needs)
{
    restart(32 * LOAD_MIB);
    l.initrd = file_of_size(12 * LOAD_MIB + 1, 0x55);
    loading_refused(&l, -ENOMEM, "initrd.img: needs --mem of at least 33 MiB");
    ck_assert_ptr_nonnull(strstr(l.capture.text, "it is 32"));
}
END_TEST

START_TEST(initrd_that_no_memory_would_help_is_refused)
{
    l.initrd = file_of_size(LOAD_MIB, 0x55);
    put32(l.kernel.bytes, 0x22c, 20 * LOAD_MIB + LOAD_MIB - 2); /* a byte short */
    loading_refused(&l, -ENOMEM, "initrd of 1 MiB");
    put32(l.kernel.bytes, 0x22c, 0);
    loading_refused(&l, -ENOMEM, "initrd of 1 MiB");
    put32(l.kernel.bytes, 0x22c, 20 * LOAD_MIB + LOAD_MIB - 1);
    loading_accepted(&l);
}
END_TEST

/* -- command line -- */

START_TEST(command_line_is_copied_with_its_nul)
{
    loading_accepted(&l);
    ck_assert_str_eq((const char *)ram(&l, 0x20000, 64), "console=ttyS0 quiet");
}
END_TEST

START_TEST(command_line_may_be_as_long_as_the_kernel_takes_and_no_longer)
{
    char cmdline[2049];

    memset(cmdline, 'a', sizeof(cmdline));
    cmdline[2047] = '\0';
    l.platform.cmdline = cmdline;
    loading_accepted(&l);
    ck_assert_uint_eq(strlen((const char *)ram(&l, 0x20000, 2048)), 2047);
    cmdline[2047] = 'a';
    cmdline[2048] = '\0';
    loading_refused(&l, -E2BIG, "command line of 2048 bytes, the kernel takes 2047");
    l.platform.cmdline = "12345678";
    put32(l.kernel.bytes, 0x238, 7);
    loading_refused(&l, -E2BIG, "command line of 8 bytes, the kernel takes 7");
    put32(l.kernel.bytes, 0x238, 8);
    loading_accepted(&l);
}
END_TEST

/* -- CPU state -- */

/* Walks the 4-level tables at 0x9000 as a CPU does (Intel SDM vol. 3, 4.5), large pages included.
 */
static uint64_t walk(uint64_t linear)
{
    uint64_t table = 0x9000;

    for (unsigned shift = 39; shift >= 12; shift -= 9) {
        uint64_t entry = get64(ram(&l, table, 4096), (linear >> shift & 511) * 8);
        if ((entry & 3) != 3) /* present, writable */
            return UINT64_MAX;
        table = entry & 0x000ffffffffff000;
        if (shift < 39 && (entry & 0x80) != 0)
            return (table & ~((1ULL << shift) - 1)) | (linear & ((1ULL << shift) - 1));
    }
    return table | (linear & 0xfff);
}

START_TEST(page_tables_map_the_low_4_gib_to_themselves)
{
    loading_accepted(&l);
    for (uint64_t addr = 0; addr < 0x100000000; addr += 0x200000) {
        ck_assert_uint_eq(walk(addr), addr);
        ck_assert_uint_eq(walk(addr + 0x1fffff), addr + 0x1fffff);
    }
    ck_assert_uint_eq(walk(0x100000000), UINT64_MAX);
    ck_assert_uint_eq(walk(0x8000000000), UINT64_MAX);
}
END_TEST

START_TEST(gdt_has_flat_code_at_0x10_and_data_at_0x18)
{
    loading_accepted(&l);
    const uint8_t *gdt = ram(&l, 0x5000, 32);
    ck_assert_uint_eq(get64(gdt, 0), 0);
    ck_assert_uint_eq(get64(gdt, 8), 0);
    ck_assert_uint_eq(get64(gdt, 0x10), 0x00af9b000000ffff);
    ck_assert_uint_eq(get64(gdt, 0x18), 0x00cf93000000ffff);
}
END_TEST

START_TEST(reset_vector_pulses_the_keyboard_controllers_reset_line)
{
    static const uint8_t stub[] = {0xfa, 0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd};

    loading_accepted(&l);
    ck_assert_mem_eq(ram(&l, 0xffff0, sizeof(stub)), stub, sizeof(stub));
}
END_TEST

START_TEST(acpi_tables_are_where_boot_params_say)
{
    loading_accepted(&l);
    ck_assert_mem_eq(ram(&l, 0xe0000, 8), "RSD PTR ", 8);
}
END_TEST

START_TEST(same_configuration_gives_the_same_bytes)
{
    auto_free uint8_t *first = malloc(128 * LOAD_MIB);

    ck_assert_ptr_nonnull(first);
    l.initrd = file_of_size(5000, 0x77);
    loading_accepted(&l);
    memcpy(first, l.mem.host, 128 * LOAD_MIB);
    restart(128 * LOAD_MIB);
    l.initrd = file_of_size(5000, 0x77);
    loading_accepted(&l);
    ck_assert_int_eq(memcmp(first, l.mem.host, 128 * LOAD_MIB), 0);
}
END_TEST

/* -- what is not a kernel -- */

static const struct {
    size_t at;
    const char *magic;
    const char *text;
} not_kernels[] = {
    {0, "#!/bin/sh", "not a kernel; give a Linux bzImage (vmlinuz) or an ELF vmlinux"},
    {0x38, "ARM\x64", "arm64"},
    {0x38, "RSC\x05", "riscv64"},
    {0x24, "\x18\x28\x6f\x01", "32-bit ARM"},
    {4, "zimg", "EFI zboot"},
    {0, "\x1f\x8b\x08", "gzip"},
    {0, "\x28\xb5\x2f\xfd", "zstd"},
    {0,
     "\xfd"
     "7zXZ",
     "xz"},
    {0, "070701", "cpio"},
    {0x1fe, "\x55\xaa", "not a kernel"}, /* a boot sector */
    {0x202, "HdrS", "not a kernel"},     /* no boot sector */
};

START_TEST(other_files_are_refused_by_name)
{
    file_free(&l.kernel);
    l.kernel = file_of_size(4096, 0);
    memcpy(l.kernel.bytes + not_kernels[_i].at, not_kernels[_i].magic,
           strlen(not_kernels[_i].magic));
    loading_refused(&l, -ENOEXEC, not_kernels[_i].text);
    ck_assert_ptr_nonnull(strstr(l.capture.text, "vmlinuz: "));
}
END_TEST

START_TEST(empty_and_tiny_files_are_refused)
{
    file_free(&l.kernel);
    loading_refused(&l, -ENOEXEC, "vmlinuz: an empty file, not a kernel");
    l.kernel = file_of_size(1, 0x7f);
    loading_refused(&l, -ENOEXEC, "not a kernel");
}
END_TEST

START_TEST(little_ram_is_refused_with_what_is_needed)
{
    restart(4096);
    loading_refused(&l, -ENOMEM, "vmlinuz: needs --mem of at least 20 MiB, it is 0");
    restart(20 * LOAD_MIB - 4096);
    loading_refused(&l, -ENOMEM, "vmlinuz: needs --mem of at least 20 MiB, it is 19");
    restart(20 * LOAD_MIB);
    loading_accepted(&l);
}
END_TEST

Suite *boot_suite(void);
Suite *boot_suite(void)
{
    Suite *suite = suite_create("boot");
    TCase *tcase = tcase_create("boot");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, boot_params_hold_the_kernels_header_and_our_fields);
    tcase_add_test(tcase, seed_is_where_setup_data_says);
    tcase_add_test(tcase, boot_params_are_zero_elsewhere);
    tcase_add_test(tcase, low_ram_that_kernels_look_at_is_zero);
    tcase_add_test(tcase, kernel_is_entered_at_its_64_bit_entry);
    tcase_add_loop_test(tcase, e820_lists_ram_acpi_and_the_rest_below_1_mib, 0, ARRAY_SIZE(maps));
    tcase_add_test(tcase, initrd_lies_page_aligned_at_the_top_of_low_ram);
    tcase_add_test(tcase, initrd_stays_below_initrd_addr_max);
    tcase_add_test(tcase, initrd_may_fill_all_that_the_kernel_leaves);
    tcase_add_test(tcase, initrd_a_byte_too_large_is_refused_with_what_it_needs);
    tcase_add_test(tcase, initrd_that_no_memory_would_help_is_refused);
    tcase_add_test(tcase, command_line_is_copied_with_its_nul);
    tcase_add_test(tcase, command_line_may_be_as_long_as_the_kernel_takes_and_no_longer);
    tcase_add_test(tcase, page_tables_map_the_low_4_gib_to_themselves);
    tcase_add_test(tcase, gdt_has_flat_code_at_0x10_and_data_at_0x18);
    tcase_add_test(tcase, reset_vector_pulses_the_keyboard_controllers_reset_line);
    tcase_add_test(tcase, acpi_tables_are_where_boot_params_say);
    tcase_add_test(tcase, same_configuration_gives_the_same_bytes);
    tcase_add_loop_test(tcase, other_files_are_refused_by_name, 0, ARRAY_SIZE(not_kernels));
    tcase_add_test(tcase, empty_and_tiny_files_are_refused);
    tcase_add_test(tcase, little_ram_is_refused_with_what_is_needed);
    suite_add_tcase(suite, tcase);
    return suite;
}
