/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/base/memory_shared.c: regions of another process's RAM come and go. */
#include "vmm/base/memory.h"

#include "tests/entries.h"
#include "tests/wrap.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>

Suite *memory_shared_suite(void);

#define PAGE 4096ull
#define USER 0x7f0000000000ull

static struct memory mem;
static int file; /* of four pages */
static unsigned open_before;

static void setup(void)
{
    file = memfd_create("theirs", MFD_CLOEXEC);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(ftruncate(file, 4 * PAGE), 0);
    open_before = entries_count("/proc/self/fd");
    memory_init_shared(&mem);
}

static void teardown(void)
{
    memory_destroy(&mem);
    ck_assert_uint_eq(entries_count("/proc/self/fd"), open_before);
    (void)close(file);
}

static int add(gpa_t base, uint64_t size, uint64_t user, uint64_t offset)
{
    const struct memory_region region = {
        .base = base, .size = size, .user = user, .offset = offset};
    int fd = dup(file);
    int r = memory_add(&mem, &region, &fd);

    ck_assert_int_eq(fd, -1); /* taken, whatever became of it */
    return r;
}

/* proves: VU-13, VU-14 */
START_TEST(region_shows_the_others_bytes)
{
    ck_assert_int_eq(pwrite(file, "page two", 8, 2 * PAGE + 100), 8);
    ck_assert_int_eq(add(0x100000, PAGE, USER, 2 * PAGE + 100), 0); /* not at a page's start */
    ck_assert_mem_eq(memory_at(&mem, 0x100000, 8), "page two", 8);
    ck_assert_uint_eq(memory_left(&mem, 0x100000), PAGE);
    ck_assert_ptr_null(memory_at(&mem, 0x100000, PAGE + 1));
    ck_assert_ptr_null(memory_at(&mem, 0xfffff, 1));
    memcpy(memory_at(&mem, 0x100000 + PAGE - 4, 4), "last", 4);
    char last[4];
    ck_assert_int_eq(pread(file, last, 4, 3 * PAGE + 96), 4);
    ck_assert_mem_eq(last, "last", 4);
}
END_TEST

START_TEST(user_addresses_are_translated)
{
    gpa_t at = 0;

    ck_assert_int_eq(add(0, PAGE, USER, 0), 0);
    ck_assert_int_eq(add(0x100000, PAGE, USER + PAGE, PAGE), 0);
    ck_assert(memory_guest(&mem, USER + PAGE - 1, &at));
    ck_assert_uint_eq(at, PAGE - 1);
    ck_assert(memory_guest(&mem, USER + PAGE + 8, &at));
    ck_assert_uint_eq(at, 0x100008);
    ck_assert(!memory_guest(&mem, USER - 1, &at));
    ck_assert(!memory_guest(&mem, USER + 2 * PAGE, &at));
}
END_TEST

static const struct {
    uint64_t base, size, user, offset;
    int result;
} bounds[] = {
    {0x100000, 4 * PAGE, USER, 0, 0},
    {0x100000, 4 * PAGE + 1, USER, 0, -EINVAL}, /* the file ends before */
    {0x100000, PAGE, USER, 3 * PAGE, 0},
    {0x100000, PAGE, USER, 3 * PAGE + 1, -EINVAL},
    {0x100000, PAGE, USER, 5 * PAGE, -EINVAL},
    {0x100000, 0, USER, 0, -EINVAL},
    {UINT64_MAX - PAGE + 1, PAGE, USER, 0, -EINVAL}, /* sums that wrap */
    {UINT64_MAX - PAGE, PAGE, USER, 0, 0},
    {0x100000, PAGE, UINT64_MAX - PAGE + 1, 0, -EINVAL},
    {0x100000, PAGE, UINT64_MAX - PAGE, 0, 0},
    {0x100000, PAGE, USER, UINT64_MAX - PAGE + 1, -EINVAL},
    {0x100000, UINT64_MAX, 0, 0, -EINVAL},
    {0x100000, PAGE, USER, INT64_MAX, -EINVAL},
};

/* proves: VU-14 */
START_TEST(numbers_are_checked)
{
    ck_assert_int_eq(add(bounds[_i].base, bounds[_i].size, bounds[_i].user, bounds[_i].offset),
                     bounds[_i].result);
    ck_assert_uint_eq(mem.region_count, bounds[_i].result == 0 ? 1 : 0);
}
END_TEST

static const struct {
    uint64_t base, user;
    int result;
} neighbours[] = {
    {0x100000 - PAGE, USER - PAGE, 0}, {0x100000 + PAGE, USER + PAGE, 0},
    {0x100000 - PAGE + 1, 0, -EINVAL}, {0x100000 + PAGE - 1, 0, -EINVAL},
    {0, USER - PAGE + 1, -EINVAL},     {0, USER + PAGE - 1, -EINVAL},
    {0x100000, USER + PAGE, -EINVAL},
};

/* proves: VU-13 */
START_TEST(regions_do_not_overlap)
{
    ck_assert_int_eq(add(0x100000, PAGE, USER, 0), 0);
    ck_assert_int_eq(add(neighbours[_i].base, PAGE, neighbours[_i].user, 0), neighbours[_i].result);
}
END_TEST

/* proves: VU-14 */
START_TEST(regions_are_at_most_64)
{
    for (unsigned i = 0; i < 64; i++)
        ck_assert_int_eq(add(i * PAGE, PAGE, i * PAGE, 0), 0);
    ck_assert_int_eq(add(64 * PAGE, PAGE, 64 * PAGE, 0), -ENOSPC);
    ck_assert_ptr_nonnull(memory_at(&mem, 63 * PAGE, PAGE));
}
END_TEST

START_TEST(removed_region_stays_mapped_until_swept)
{
    ck_assert_int_eq(add(0, PAGE, 0, 0), 0);
    ck_assert_int_eq(add(PAGE, PAGE, PAGE, PAGE), 0);
    uint8_t *byte = memory_at(&mem, 0, 1);
    ck_assert_int_eq(memory_remove(&mem, 0), 0);
    ck_assert_ptr_null(memory_at(&mem, 0, 1));
    ck_assert_ptr_nonnull(memory_at(&mem, PAGE, PAGE));
    *byte = 1;
    memory_sweep(&mem);
    ck_assert_int_eq(msync(byte, PAGE, MS_ASYNC), -1); /* no mapping */
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(removed_regions_are_bounded)
{
    for (unsigned i = 0; i < 64; i++) {
        ck_assert_int_eq(add(0, PAGE, 0, 0), 0);
        ck_assert_int_eq(memory_remove(&mem, 0), 0);
    }
    ck_assert_int_eq(add(0, PAGE, 0, 0), 0);
    ck_assert_int_eq(memory_remove(&mem, 0), -ENOSPC);
    ck_assert_ptr_nonnull(memory_at(&mem, 0, PAGE));
}
END_TEST

START_TEST(region_is_found_by_its_numbers_and_file)
{
    struct memory_region same = {.base = PAGE, .size = PAGE, .user = USER, .offset = PAGE};
    int other = memfd_create("another", MFD_CLOEXEC);

    ck_assert_int_eq(add(0, PAGE, 0, 0), 0);
    ck_assert_int_eq(add(PAGE, PAGE, USER, PAGE), 0);
    ck_assert_uint_eq(memory_find(&mem, &same, file), 1);
    ck_assert_uint_eq(memory_find(&mem, &same, -1), 1);
    ck_assert_uint_eq(memory_find(&mem, &same, other), 2);
    same.offset = 0;
    ck_assert_uint_eq(memory_find(&mem, &same, file), 2);
    same.size = 1;
    ck_assert_uint_eq(memory_find(&mem, &same, -1), 2);
    (void)close(other);
}
END_TEST

START_TEST(host_that_cannot_map_is_told)
{
    wrap_fail_after(WRAP_MMAP, 0, ENOMEM);
    ck_assert_int_eq(add(0, PAGE, 0, 0), -ENOMEM);
    ck_assert_uint_eq(wrap_stop(WRAP_MMAP), 1);
    ck_assert_int_eq(mem.region_count, 0);
}
END_TEST

START_TEST(pages_are_given_back_to_the_others_file)
{
    ck_assert_int_eq(pwrite(file, "aaaa", 4, PAGE), 4);
    ck_assert_int_eq(pwrite(file, "bbbb", 4, 2 * PAGE), 4);
    ck_assert_int_eq(add(0, PAGE, 0, 2 * PAGE), 0);
    ck_assert_int_eq(add(PAGE, PAGE, PAGE, PAGE), 0);
    memory_discard(&mem, memory_at(&mem, PAGE, PAGE), PAGE);
    char bytes[4];
    ck_assert_int_eq(pread(file, bytes, 4, PAGE), 4);
    ck_assert_mem_eq(bytes, "\0\0\0\0", 4);
    ck_assert_int_eq(pread(file, bytes, 4, 2 * PAGE), 4);
    ck_assert_mem_eq(bytes, "bbbb", 4);
}
END_TEST

Suite *memory_shared_suite(void)
{
    Suite *suite = suite_create("memory_shared");
    TCase *tcase = tcase_create("regions");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, region_shows_the_others_bytes);
    tcase_add_test(tcase, user_addresses_are_translated);
    tcase_add_loop_test(tcase, numbers_are_checked, 0, ARRAY_SIZE(bounds));
    tcase_add_loop_test(tcase, regions_do_not_overlap, 0, ARRAY_SIZE(neighbours));
    tcase_add_test(tcase, regions_are_at_most_64);
    tcase_add_test(tcase, removed_region_stays_mapped_until_swept);
    tcase_add_test(tcase, removed_regions_are_bounded);
    tcase_add_test(tcase, region_is_found_by_its_numbers_and_file);
    tcase_add_test(tcase, host_that_cannot_map_is_told);
    tcase_add_test(tcase, pages_are_given_back_to_the_others_file);
    suite_add_tcase(suite, tcase);
    return suite;
}
