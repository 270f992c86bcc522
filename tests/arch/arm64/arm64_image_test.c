/* SPDX-License-Identifier: BSD-3-Clause */
/* Which files arm64_load() takes for a kernel, packed ones too, and what it says of the others. */
#include "tests/arch/arm64/fake_image.h"

static struct loading l;

static void setup(void)
{
    loading_begin(&l, 64 * LOAD_MIB);
    l.kernel = fake_image(0, 4 * LOAD_MIB);
}

static void teardown(void)
{
    loading_end(&l);
}

START_TEST(image_is_at_the_start_of_ram_and_entered_there)
{
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_LINUX_ARM64);
    ck_assert_uint_eq(l.entry.pc, 0x40000000);
    ck_assert_mem_eq(ram(&l, 0x40000000, IMAGE_BYTES), l.kernel.bytes, IMAGE_BYTES);
    ck_assert_uint_eq(*ram(&l, 0x40000000 + IMAGE_BYTES, 1), 0);
}
END_TEST

START_TEST(image_with_a_text_offset_is_that_far_from_2_mib)
{
    put64(l.kernel.bytes, 0x08, 0x80000);
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.pc, 0x40080000);
    ck_assert_mem_eq(ram(&l, 0x40080000, IMAGE_BYTES), l.kernel.bytes, IMAGE_BYTES);
}
END_TEST

START_TEST(image_with_a_text_offset_of_2_mib_is_damaged)
{
    put64(l.kernel.bytes, 0x08, 0x1fffff);
    loading_accepted(&l);
    put64(l.kernel.bytes, 0x08, 0x200000);
    loading_refused(&l, -EBADMSG, "text offset");
    put64(l.kernel.bytes, 0x08, UINT64_MAX);
    loading_refused(&l, -EBADMSG, "text offset");
}
END_TEST

START_TEST(image_without_a_size_is_too_old)
{
    put64(l.kernel.bytes, 0x10, 0);
    loading_refused(&l, -ENOEXEC, "before Linux 3.17");
}
END_TEST

START_TEST(image_larger_than_ram_says_how_much_it_needs)
{
    put64(l.kernel.bytes, 0x10, 64 * LOAD_MIB + 1);
    loading_refused(&l, -ENOMEM, "at least 65 MiB, it is 64");
    put64(l.kernel.bytes, 0x10, UINT64_MAX);
    loading_refused(&l, -ENOMEM, "vmlinuz: needs --mem");
    put64(l.kernel.bytes, 0x10, 64 * LOAD_MIB); /* then the device tree has no room */
    loading_refused(&l, -ENOMEM, "device tree: needs --mem");
}
END_TEST

START_TEST(image_whose_file_is_cut_is_truncated)
{
    l.kernel.size = IMAGE_BYTES - 1;
    loading_refused(&l, -EBADMSG, "truncated: has 8191 bytes, its header says 8192");
    l.kernel.size = 0x68 + 39; /* in the section table */
    loading_refused(&l, -EBADMSG, "truncated");
    l.kernel.size = 63; /* in the header */
    loading_refused(&l, -ENOEXEC, "not a kernel");
}
END_TEST

/* Of the PE header at 0x40 and its one section at 0x68. */
static const struct {
    size_t at;
    uint32_t value;
} far_sections[] = {
    {0x54, 0xffff},          /* an optional header that ends behind the file */
    {0x46, 0xffff},          /* more sections than the file has room for */
    {0x68 + 16, 0xffffffff}, /* size of a section */
    {0x68 + 16, 0xfffff001}, /* with its offset, 1 in 32 bits */
    {0x68 + 20, 0xfffff000}, /* offset */
};

START_TEST(image_whose_sections_are_not_in_its_file_is_truncated)
{
    put64(l.kernel.bytes, 0x10, LOAD_MIB);
    if (far_sections[_i].at < 0x68)
        put16(l.kernel.bytes, far_sections[_i].at, (uint16_t)far_sections[_i].value);
    else
        put32(l.kernel.bytes, far_sections[_i].at, far_sections[_i].value);
    loading_refused(&l, -EBADMSG, "truncated: has 8192 bytes");
}
END_TEST

START_TEST(image_whose_file_is_larger_than_it_asks_for_is_damaged)
{
    put64(l.kernel.bytes, 0x10, IMAGE_BYTES - 1);
    loading_refused(&l, -EBADMSG, "larger than the RAM");
}
END_TEST

START_TEST(image_with_an_appendix_is_loaded_without_what_exceeds_its_size)
{
    put64(l.kernel.bytes, 0x10, IMAGE_BYTES);
    l.kernel.bytes = realloc(l.kernel.bytes, IMAGE_BYTES + 100);
    ck_assert_ptr_nonnull(l.kernel.bytes);
    memset(l.kernel.bytes + IMAGE_BYTES, 0xee, 100);
    l.kernel.size = IMAGE_BYTES + 100;
    loading_accepted(&l);
    ck_assert_uint_eq(*ram(&l, 0x40000000 + IMAGE_BYTES, 1), 0);
}
END_TEST

START_TEST(image_without_a_pe_header_is_taken)
{
    put32(l.kernel.bytes, 0x3c, 0);
    loading_accepted(&l);
    put32(l.kernel.bytes, 0x3c, UINT32_MAX);
    loading_accepted(&l);
}
END_TEST

/* -- packed -- */

static const struct {
    enum fake_packing packing;
    const char *method;
} methods[] = {{FAKE_GZIP, "gzip"}, {FAKE_ZSTD, "zstd22"}, {FAKE_XZ, "xzkern"}, {FAKE_LZ4, "lz4"}};

START_TEST(zboot_image_is_unpacked)
{
    struct file plain = fake_image(_i % 2 == 0 ? 0 : 0x1000, 4 * LOAD_MIB);
    struct file payload = fake_pack(methods[_i].packing, &plain);

    file_free(&l.kernel);
    l.kernel = fake_zboot(&payload, methods[_i].method);
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.pc, _i % 2 == 0 ? 0x40000000 : 0x40001000);
    ck_assert_mem_eq(ram(&l, l.entry.pc, IMAGE_BYTES), plain.bytes, IMAGE_BYTES);
    file_free(&payload);
    file_free(&plain);
}
END_TEST

START_TEST(gzip_image_is_unpacked)
{
    struct file plain = fake_image(0, 4 * LOAD_MIB);

    file_free(&l.kernel);
    l.kernel = fake_pack(FAKE_GZIP, &plain);
    loading_accepted(&l);
    ck_assert_mem_eq(ram(&l, 0x40000000, IMAGE_BYTES), plain.bytes, IMAGE_BYTES);
    l.kernel.bytes[l.kernel.size / 2] ^= 0xff;
    loading_refused(&l, -EBADMSG, "cannot be unpacked");
    file_free(&plain);
}
END_TEST

START_TEST(gzip_file_of_something_else_is_told_what_it_is)
{
    struct file plain = {calloc(1, 600), 600};

    ck_assert_ptr_nonnull(plain.bytes);
    memcpy(plain.bytes, "070701", 6);
    file_free(&l.kernel);
    l.kernel = fake_pack(FAKE_GZIP, &plain);
    loading_refused(&l, -ENOEXEC, "a cpio archive");
    file_free(&plain);
}
END_TEST

START_TEST(zboot_image_that_is_damaged_is_refused)
{
    struct file plain = fake_image(0, 4 * LOAD_MIB);
    struct file payload = fake_pack(FAKE_ZSTD, &plain);
    uint32_t size = (uint32_t)payload.size - 4;

    file_free(&l.kernel);
    l.kernel = fake_zboot(&payload, "zstd22");
    put32(l.kernel.bytes, 12, (uint32_t)l.kernel.size - 4096 - 3); /* one byte too many */
    loading_refused(&l, -EBADMSG, "truncated");
    put32(l.kernel.bytes, 12, UINT32_MAX);
    loading_refused(&l, -EBADMSG, "truncated");
    put32(l.kernel.bytes, 12, size);
    put32(l.kernel.bytes, 8, UINT32_MAX);
    loading_refused(&l, -EBADMSG, "truncated");
    put32(l.kernel.bytes, 8, 4096);
    l.kernel.bytes[4096 + 20] ^= 0xff;
    loading_refused(&l, -EBADMSG, "(zstd22) cannot be unpacked");
    memset(l.kernel.bytes + 24, 'x', 32);
    loading_refused(&l, -EBADMSG, "no name");
    l.kernel.size = 63;
    loading_refused(&l, -EBADMSG, "not whole");
    file_free(&payload);
    file_free(&plain);
}
END_TEST

START_TEST(zboot_image_of_an_unknown_packing_is_named)
{
    struct file payload = {calloc(1, 100), 100};

    ck_assert_ptr_nonnull(payload.bytes);
    file_free(&l.kernel);
    l.kernel = fake_zboot(&payload, "lzma");
    loading_refused(&l, -ENOEXEC, "packed with \"lzma\"; unpack it first");
    put16(l.kernel.bytes, 0x44, 0x5064); /* RISC-V */
    loading_refused(&l, -ENOEXEC, "of another architecture; this is an arm64 host");
    file_free(&payload);
}
END_TEST

START_TEST(zboot_image_that_unpacks_to_more_than_ram_says_how_much_it_needs)
{
    struct file plain = {calloc(1, 5 << 20), 5 << 20};
    struct file payload = fake_pack(FAKE_GZIP, &plain);

    teardown();
    loading_begin(&l, 4 * LOAD_MIB);
    l.kernel = fake_zboot(&payload, "gzip");
    loading_refused(&l, -ENOMEM, "at least 5 MiB, it is 4");
    file_free(&payload);
    file_free(&plain);
}
END_TEST

START_TEST(zboot_image_that_is_unpacked_with_more_than_ram_says_so)
{
    struct file plain = fake_image(0, LOAD_MIB);
    struct file payload = fake_pack(FAKE_XZ, &plain); /* by a dictionary of 8 MiB */

    teardown();
    loading_begin(&l, 4 * LOAD_MIB);
    l.kernel = fake_zboot(&payload, "xzkern");
    loading_refused(&l, -ENOMEM, "needs more --mem, to be unpacked");
    file_free(&payload);
    file_free(&plain);
}
END_TEST

/* -- what is no kernel -- */

static const struct {
    size_t at;
    const char *bytes;
    const char *says;
} strangers[] = {
    {0x202, "HdrS", "an x86_64 bzImage; this is an arm64 host"},
    {0,
     "\x7f"
     "ELF",
     "an ELF file, and not for arm64"},
    {0x38, "RSC\x05", "a riscv64 kernel"},
    {0x24, "\x18\x28\x6f\x01", "a 32-bit ARM kernel"},
    {0, "\x28\xb5\x2f\xfd", "a zstd file"},
    {0,
     "\xfd"
     "7zXZ",
     "an xz file"},
    {0, "\x02\x21\x4c\x18", "an LZ4 file"},
    {0, "BZh9", "a bzip2 file"},
    {0, "070701", "a cpio archive"},
    {0, "\xd0\x0d\xfe\xed", "give it as --dtb"},
    {0, "ANDROID!", "an Android boot image"},
    {0, "#!/bin/sh", "give an arm64 Image, Image.gz or EFI zboot image"},
};

START_TEST(stranger_is_named)
{
    memset(l.kernel.bytes, 0, l.kernel.size);
    memcpy(l.kernel.bytes + strangers[_i].at, strangers[_i].bytes, strlen(strangers[_i].bytes));
    loading_refused(&l, -ENOEXEC, strangers[_i].says);
}
END_TEST

START_TEST(vmlinux_for_arm64_is_told_from_others)
{
    memset(l.kernel.bytes, 0, l.kernel.size);
    memcpy(l.kernel.bytes,
           "\x7f"
           "ELF",
           4);
    put16(l.kernel.bytes, 0x12, 0xb7);
    loading_refused(&l, -ENOEXEC, "an ELF file (vmlinux); give the Image made from it");
}
END_TEST

START_TEST(empty_file_is_told)
{
    l.kernel.size = 0;
    loading_refused(&l, -ENOEXEC, "an empty file");
}
END_TEST

Suite *arm64_image_suite(void);
Suite *arm64_image_suite(void)
{
    Suite *suite = suite_create("arm64_image");
    TCase *tcase = tcase_create("arm64_image");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, image_is_at_the_start_of_ram_and_entered_there);
    tcase_add_test(tcase, image_with_a_text_offset_is_that_far_from_2_mib);
    tcase_add_test(tcase, image_with_a_text_offset_of_2_mib_is_damaged);
    tcase_add_test(tcase, image_without_a_size_is_too_old);
    tcase_add_test(tcase, image_larger_than_ram_says_how_much_it_needs);
    tcase_add_test(tcase, image_whose_file_is_cut_is_truncated);
    tcase_add_loop_test(tcase, image_whose_sections_are_not_in_its_file_is_truncated, 0,
                        (int)ARRAY_SIZE(far_sections));
    tcase_add_test(tcase, image_whose_file_is_larger_than_it_asks_for_is_damaged);
    tcase_add_test(tcase, image_with_an_appendix_is_loaded_without_what_exceeds_its_size);
    tcase_add_test(tcase, image_without_a_pe_header_is_taken);
    tcase_add_loop_test(tcase, zboot_image_is_unpacked, 0, ARRAY_SIZE(methods));
    tcase_add_test(tcase, gzip_image_is_unpacked);
    tcase_add_test(tcase, gzip_file_of_something_else_is_told_what_it_is);
    tcase_add_test(tcase, zboot_image_that_is_damaged_is_refused);
    tcase_add_test(tcase, zboot_image_of_an_unknown_packing_is_named);
    tcase_add_test(tcase, zboot_image_that_unpacks_to_more_than_ram_says_how_much_it_needs);
    tcase_add_test(tcase, zboot_image_that_is_unpacked_with_more_than_ram_says_so);
    tcase_add_loop_test(tcase, stranger_is_named, 0, ARRAY_SIZE(strangers));
    tcase_add_test(tcase, vmlinux_for_arm64_is_told_from_others);
    tcase_add_test(tcase, empty_file_is_told);
    suite_add_tcase(suite, tcase);
    return suite;
}
