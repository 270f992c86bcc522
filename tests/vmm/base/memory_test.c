/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest RAM with and without a hole. */
#include "vmm/base/memory.h"

#include "tests/wrap.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>

#define MIB 0x100000ull
#define GIB 0x40000000ull

static struct memory mem;

static void teardown(void)
{
    memory_destroy(&mem);
}

/* Two MiB: one from 64 KiB, to the hole at 1 MiB + 64 KiB; one from 4 GiB. */
static void setup_hole(void)
{
    ck_assert_int_eq(memory_create(&mem, 2 * MIB, 0x10000, MIB + 0x10000, 4 * GIB), 0);
}

static const struct {
    gpa_t addr;
    uint64_t len;
    bool inside;
    uint64_t left; /* memory_left(addr) */
} ranges[] = {
    {0x0ffff, 1, false, 0},
    {0x10000, 0, true, MIB},
    {0x10000, 1, true, MIB},
    {0x10000, MIB, true, MIB},
    {0x10000, MIB + 1, false, MIB},
    {0x0ffff, 2, false, 0},
    {MIB + 0xffff, 1, true, 1},
    {MIB + 0xffff, 2, false, 1},
    {MIB + 0xffff, UINT64_MAX, false, 1}, /* wraps */
    {MIB + 0x10000, 0, false, 0},
    {MIB + 0x10000, 1, false, 0},
    {4 * GIB - 1, 1, false, 0},
    {4 * GIB - 1, 2, false, 0},
    {4 * GIB, MIB, true, MIB},
    {4 * GIB, MIB + 1, false, MIB},
    {4 * GIB + MIB - 1, 1, true, 1},
    {4 * GIB + MIB, 0, false, 0},
    {4 * GIB + MIB, 1, false, 0},
    {0x10000, 4 * GIB, false, MIB}, /* over the hole */
    {UINT64_MAX, 1, false, 0},
    {UINT64_MAX, UINT64_MAX, false, 0},
};

START_TEST(range_is_inside_one_region_or_refused)
{
    uint8_t byte = 0;

    setup_hole();
    ck_assert_int_eq(memory_at(&mem, ranges[_i].addr, ranges[_i].len) != NULL, ranges[_i].inside);
    ck_assert_uint_eq(memory_left(&mem, ranges[_i].addr), ranges[_i].left);
    ck_assert_int_eq(memory_read(&mem, ranges[_i].addr, &byte, ranges[_i].left > 0),
                     ranges[_i].left > 0 ? 0 : -EFAULT);
}
END_TEST

START_TEST(copies_arrive_and_refuse_whole)
{
    char got[4] = "old";

    setup_hole();
    ck_assert_int_eq(memory_write(&mem, MIB + 0xfffd, "new", 3), 0);
    ck_assert_int_eq(memory_write(&mem, MIB + 0xfffd, "over", 4), -EFAULT);
    ck_assert_int_eq(memory_read(&mem, MIB + 0xfffd, got, 4), -EFAULT);
    ck_assert_str_eq(got, "old");
    ck_assert_int_eq(memory_read(&mem, MIB + 0xfffd, got, 3), 0);
    ck_assert_str_eq(got, "new");
}
END_TEST

START_TEST(regions_are_one_memfd)
{
    setup_hole();
    ck_assert_uint_eq(mem.region_count, 2);
    ck_assert_uint_eq(mem.region[1].base, 4 * GIB);
    ck_assert_uint_eq(mem.region[1].offset, MIB);
    ck_assert_int_eq(memory_write(&mem, 4 * GIB, "x", 1), 0);
    char got = 0;
    ck_assert_int_eq(pread(mem.fd, &got, 1, (off_t)MIB), 1);
    ck_assert_int_eq(got, 'x');
}
END_TEST

/* So that huge pages of the host are the guest's, too. */
START_TEST(ram_is_at_a_multiple_of_2_mib_whatever_its_size)
{
    static const uint64_t sizes[] = {4096, MIB, 2 * MIB, 3 * MIB + 4096};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        ck_assert_int_eq(memory_create(&mem, sizes[i], 0, 3 * GIB, 4 * GIB), 0);
        ck_assert_uint_eq((uintptr_t)mem.host % (2 * MIB), 0);
        mem.host[0] = mem.host[sizes[i] - 1] = 1;
        memory_destroy(&mem);
    }
}
END_TEST

START_TEST(small_ram_has_one_region)
{
    ck_assert_int_eq(memory_create(&mem, MIB, 0, 3 * GIB, 4 * GIB), 0);
    ck_assert_uint_eq(mem.region_count, 1);
    ck_assert_uint_eq(memory_left(&mem, 0), MIB);
}
END_TEST

START_TEST(ram_that_ends_at_the_hole_has_one_region)
{
    ck_assert_int_eq(memory_create(&mem, 3 * GIB, 0, 3 * GIB, 4 * GIB), 0);
    ck_assert_uint_eq(mem.region_count, 1);
    ck_assert_ptr_null(memory_at(&mem, 4 * GIB, 1));
}
END_TEST

START_TEST(no_hole_is_one_region_of_any_size)
{
    ck_assert_int_eq(memory_create(&mem, 6 * GIB, GIB, 0x8000000000, 0x8000000000), 0);
    ck_assert_uint_eq(mem.region_count, 1);
    ck_assert_ptr_nonnull(memory_at(&mem, GIB, 6 * GIB));
}
END_TEST

START_TEST(ram_is_zeroed)
{
    static const uint8_t zero[4096];

    setup_hole();
    ck_assert_mem_eq(memory_at(&mem, 0x10000, 4096), zero, 4096);
    ck_assert_mem_eq(memory_at(&mem, 4 * GIB + MIB - 4096, 4096), zero, 4096);
}
END_TEST

/* -- a file in the place of RAM -- */

/* Four pages of 1, 2, 3, 4. */
static int make_file(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    uint8_t page[4096];

    ck_assert_int_ge(fd, 0);
    for (int i = 1; i <= 4; i++) {
        memset(page, i, sizeof(page));
        ck_assert_int_eq(write(fd, page, sizeof(page)), sizeof(page));
    }
    return fd;
}

static uint8_t byte_at(gpa_t addr)
{
    uint8_t byte;

    ck_assert_int_eq(memory_read(&mem, addr, &byte, 1), 0);
    return byte;
}

START_TEST(mapped_file_is_ram)
{
    int fd = make_file();
    uint8_t byte;

    setup_hole();
    ck_assert_int_eq(memory_map(&mem, 0x12000, 0x2000, fd, 0x1000), 0);
    ck_assert_uint_eq(byte_at(0x11fff), 0);
    ck_assert_uint_eq(byte_at(0x12000), 2);
    ck_assert_uint_eq(byte_at(0x13fff), 3);
    ck_assert_uint_eq(byte_at(0x14000), 0);
    ck_assert_int_eq(memory_write(&mem, 0x11fff, "\7\7", 2), 0);
    ck_assert_uint_eq(byte_at(0x12000), 7);
    ck_assert_int_eq(pread(fd, &byte, 1, 0x1000), 1);
    ck_assert_uint_eq(byte, 2); /* the file is as it was */
    close(fd);
    ck_assert_uint_eq(byte_at(0x13000), 3);
}
END_TEST

static const struct {
    gpa_t addr;
    uint64_t len, offset;
} unmappable[] = {
    {0x12000, 0, 0},
    {0x12001, 0x1000, 0},
    {0x12000, 0x1001, 0},
    {0x12000, 0x1000, 1},
    {0x12000, 0x1000, 0xfffffffffffff000},
    {0xf000, 0x1000, 0},
    {0xf000, 0x2000, 0},
    {MIB + 0xf000, 0x2000, 0}, /* over the hole */
    {0x12000, 0xfffffffffffff000, 0},
};

START_TEST(what_cannot_be_mapped_leaves_ram_alone)
{
    int fd = make_file();

    setup_hole();
    ck_assert_int_eq(
        memory_map(&mem, unmappable[_i].addr, unmappable[_i].len, fd, unmappable[_i].offset),
        -EINVAL);
    ck_assert_uint_eq(byte_at(0x12000), 0);
    ck_assert_uint_eq(byte_at(MIB + 0xf000), 0);
    close(fd);
}
END_TEST

START_TEST(refusal_to_map_is_told)
{
    int fd = make_file();

    setup_hole();
    wrap_fail_after(WRAP_MMAP, 0, ENOMEM);
    int r = memory_map(&mem, 0x12000, 0x1000, fd, 0);
    wrap_stop(WRAP_MMAP);
    ck_assert_int_eq(r, -ENOMEM);
    close(fd);
}
END_TEST

START_TEST(failed_creation_can_be_destroyed)
{
    wrap_fail_after(WRAP_MMAP, 0, ENOMEM);
    int r = memory_create(&mem, MIB, 0, GIB, GIB);
    wrap_stop(WRAP_MMAP);
    ck_assert_int_eq(r, -ENOMEM);
    int fd = mem.fd;
    memory_destroy(&mem);
    ck_assert_int_eq(close(fd), -1); /* it was closed */
    memory_destroy(&mem);            /* again, and zeroed */
    mem = (struct memory){0};
    memory_destroy(&mem);
}
END_TEST

Suite *memory_suite(void);
Suite *memory_suite(void)
{
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("ram");

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_loop_test(tcase, range_is_inside_one_region_or_refused, 0, (int)ARRAY_SIZE(ranges));
    tcase_add_test(tcase, copies_arrive_and_refuse_whole);
    tcase_add_test(tcase, regions_are_one_memfd);
    tcase_add_test(tcase, ram_is_at_a_multiple_of_2_mib_whatever_its_size);
    tcase_add_test(tcase, small_ram_has_one_region);
    tcase_add_test(tcase, ram_that_ends_at_the_hole_has_one_region);
    tcase_add_test(tcase, no_hole_is_one_region_of_any_size);
    tcase_add_test(tcase, ram_is_zeroed);
    tcase_add_test(tcase, mapped_file_is_ram);
    tcase_add_loop_test(tcase, what_cannot_be_mapped_leaves_ram_alone, 0,
                        (int)ARRAY_SIZE(unmappable));
    tcase_add_test(tcase, refusal_to_map_is_told);
    tcase_add_test(tcase, failed_creation_can_be_destroyed);
    suite_add_tcase(suite, tcase);
    return suite;
}
