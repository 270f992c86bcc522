/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest RAM with and without a hole. */
#include "vmm/base/memory.h"

#include "tests/wrap.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

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
    ck_assert_int_eq(memory_create(&mem, 2 * MIB,
                                   &(struct memory_layout){0x10000, MIB + 0x10000, 4 * GIB},
                                   MEMORY_PAGES_AUTO),
                     0);
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

static const struct memory_layout no_hole = {0, GIB, GIB};

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
        ck_assert_int_eq(memory_create(&mem, sizes[i], &(struct memory_layout){0, 3 * GIB, 4 * GIB},
                                       MEMORY_PAGES_AUTO),
                         0);
        ck_assert_uint_eq((uintptr_t)mem.host % (2 * MIB), 0);
        mem.host[0] = mem.host[sizes[i] - 1] = 1;
        memory_destroy(&mem);
    }
}
END_TEST

START_TEST(small_ram_has_one_region)
{
    ck_assert_int_eq(
        memory_create(&mem, MIB, &(struct memory_layout){0, 3 * GIB, 4 * GIB}, MEMORY_PAGES_AUTO),
        0);
    ck_assert_uint_eq(mem.region_count, 1);
    ck_assert_uint_eq(memory_left(&mem, 0), MIB);
}
END_TEST

START_TEST(ram_that_ends_at_the_hole_has_one_region)
{
    ck_assert_int_eq(memory_create(&mem, 3 * GIB, &(struct memory_layout){0, 3 * GIB, 4 * GIB},
                                   MEMORY_PAGES_AUTO),
                     0);
    ck_assert_uint_eq(mem.region_count, 1);
    ck_assert_ptr_null(memory_at(&mem, 4 * GIB, 1));
}
END_TEST

START_TEST(no_hole_is_one_region_of_any_size)
{
    ck_assert_int_eq(memory_create(&mem, 6 * GIB,
                                   &(struct memory_layout){GIB, 0x8000000000, 0x8000000000},
                                   MEMORY_PAGES_AUTO),
                     0);
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

/* -- its descriptor -- */

START_TEST(regions_have_descriptor_and_offset)
{
    setup_hole();
    ck_assert_int_eq(mem.region[0].fd, mem.fd);
    ck_assert_uint_eq(mem.region[0].offset, 0);
    ck_assert_int_eq(mem.region[1].fd, mem.fd);
    ck_assert_uint_eq(mem.region[1].offset, MIB);
}
END_TEST

/* Whoever has the descriptor can neither cut RAM off nor take the seals back. */
START_TEST(size_is_sealed)
{
    setup_hole();
    ck_assert_int_eq(ftruncate(mem.fd, MIB), -1);
    ck_assert_int_eq(ftruncate(mem.fd, 4 * MIB), -1);
    ck_assert_int_eq(fcntl(mem.fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}
END_TEST

/* The lines of /proc/self/smaps about the mapping at `host`, or "" if there is none. */
static const char *smaps(const void *host, char ret_text[4096])
{
    FILE *file = fopen("/proc/self/smaps", "re");
    char start[32], line[512];
    bool inside = false;

    ck_assert_ptr_nonnull(file);
    snprintf(start, sizeof(start), "%lx-", (unsigned long)(uintptr_t)host);
    ret_text[0] = '\0';
    while (fgets(line, sizeof(line), file) != NULL) {
        inside = strncmp(line, start, strlen(start)) == 0 ||
                 (inside && line[0] >= 'A' && line[0] <= 'Z');
        if (inside && strlen(ret_text) + strlen(line) < 4096)
            strcat(ret_text, line);
    }
    fclose(file);
    return ret_text;
}

/* Does /proc tell what madvise() was told? Under QEMU's user emulation it does not. */
static bool advice_shows(void)
{
    char text[4096];
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_int_eq(madvise(page, 4096, MADV_DONTDUMP), 0);
    bool shows = strstr(smaps(page, text), " dd") != NULL;
    munmap(page, 4096);
    return shows;
}

START_TEST(ram_is_in_no_core_dump_and_asks_for_huge_pages)
{
    char text[4096];

    if (!advice_shows())
        return;
    setup_hole();
    ck_assert_ptr_nonnull(strstr(smaps(mem.host, text), " dd"));
    ck_assert_ptr_nonnull(strstr(text, " hg"));
    memory_destroy(&mem);
    ck_assert_int_eq(memory_create(&mem, MIB, &no_hole, MEMORY_PAGES_OFF), 0);
    ck_assert_ptr_nonnull(strstr(smaps(mem.host, text), " dd"));
    ck_assert_ptr_nonnull(strstr(text, " nh"));
}
END_TEST

START_TEST(destroyed_ram_is_not_mapped)
{
    char text[4096];

    setup_hole();
    const void *host = mem.host;
    ck_assert_str_ne(smaps(host, text), "");
    memory_destroy(&mem);
    ck_assert_str_eq(smaps(host, text), "");
}
END_TEST

/* -- pages set aside -- */

static const struct {
    enum memory_pages pages;
    uint64_t bytes;
    unsigned flags;
} aside[] = {
    {MEMORY_PAGES_2M, 2 * MIB, 0x4u | 21u << 26},
    {MEMORY_PAGES_1G, GIB, 0x4u | 30u << 26},
};

START_TEST(pages_set_aside_are_asked_for_and_reserved)
{
    char text[4096];

    wrap_memfd_ordinary();
    int r = memory_create(&mem, 2 * aside[_i].bytes, &no_hole, aside[_i].pages);
    unsigned flags = wrap_memfd_stop();
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(flags, MFD_CLOEXEC | MFD_ALLOW_SEALING | aside[_i].flags);
    ck_assert_uint_eq(memory_pages_bytes(aside[_i].pages), aside[_i].bytes);
    ck_assert_uint_eq((uintptr_t)mem.host % aside[_i].bytes, 0);
    ck_assert_ptr_null(strstr(smaps(mem.host, text), " nr")); /* VmFlags: no reserve */
}
END_TEST

static const struct {
    enum wrap_call call;
    unsigned after; /* calls */
    int error;
} lacking[] = {
    {WRAP_MEMFD_CREATE, 0, ENODEV}, /* no pages of that size */
    {WRAP_MMAP, 1, ENOMEM},         /* not enough of them are free */
};

START_TEST(pages_that_the_host_lacks_are_told)
{
    wrap_memfd_ordinary();
    wrap_fail_after(lacking[_i].call, lacking[_i].after, lacking[_i].error);
    int r = memory_create(&mem, 4 * MIB, &no_hole, MEMORY_PAGES_2M);
    wrap_stop(lacking[_i].call);
    wrap_memfd_stop();
    ck_assert_int_eq(r, -lacking[_i].error);
}
END_TEST

START_TEST(size_that_is_no_multiple_of_its_pages_is_refused)
{
    ck_assert_int_eq(memory_create(&mem, aside[_i].bytes + MIB, &no_hole, aside[_i].pages),
                     -EINVAL);
    memory_destroy(&mem);
}
END_TEST

static uint64_t taken_bytes(void)
{
    struct stat st;

    ck_assert_int_eq(fstat(mem.fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* Pages set aside are not given back: who else wants some might have them before the guest. */
START_TEST(cleared_ram_is_zero_and_small_pages_are_given_back)
{
    wrap_memfd_ordinary();
    int r = memory_create(&mem, 2 * MIB, &no_hole, _i == 0 ? MEMORY_PAGES_OFF : MEMORY_PAGES_2M);
    wrap_memfd_stop();
    ck_assert_int_eq(r, 0);
    memset(mem.host, 0xee, 2 * MIB);
    memory_clear(&mem, 0x10001, 0x4000);
    ck_assert_int_eq(taken_bytes() == 2 * MIB, _i == 1); /* what is read is taken again */
    ck_assert_uint_eq(mem.host[0x10000], 0xee);
    ck_assert_uint_eq(mem.host[0x10001], 0);
    ck_assert_mem_eq(mem.host + 0x10001, mem.host + 0x10002, 0x3fff);
    ck_assert_uint_eq(mem.host[0x14001], 0xee);
}
END_TEST

/* Whatever the host makes of it. */
START_TEST(expected_ram_is_as_zero_as_any)
{
    static const uint8_t zero[4096];

    ck_assert_int_eq(memory_create(&mem, 6 * MIB, &no_hole, MEMORY_PAGES_AUTO), 0);
    memory_expect(&mem, MIB, 4 * MIB);
    memory_expect(&mem, 5 * MIB, 4096);       /* no huge page of it */
    memory_expect(&mem, 4 * MIB, UINT64_MAX); /* not all of it is there */
    memory_expect(&mem, 6 * MIB, 2 * MIB);    /* none of it */
    for (uint64_t at = 0; at < 6 * MIB; at += 4096)
        ck_assert_mem_eq(mem.host + at, zero, 4096);
}
END_TEST

START_TEST(failed_creation_can_be_destroyed)
{
    wrap_fail_after(WRAP_MMAP, 0, ENOMEM);
    int r = memory_create(&mem, MIB, &(struct memory_layout){0, GIB, GIB}, MEMORY_PAGES_AUTO);
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
    tcase_add_test(tcase, regions_have_descriptor_and_offset);
    tcase_add_test(tcase, size_is_sealed);
    tcase_add_test(tcase, ram_is_in_no_core_dump_and_asks_for_huge_pages);
    tcase_add_test(tcase, destroyed_ram_is_not_mapped);
    tcase_add_loop_test(tcase, pages_set_aside_are_asked_for_and_reserved, 0,
                        (int)ARRAY_SIZE(aside));
    tcase_add_loop_test(tcase, pages_that_the_host_lacks_are_told, 0, (int)ARRAY_SIZE(lacking));
    tcase_add_loop_test(tcase, size_that_is_no_multiple_of_its_pages_is_refused, 0,
                        (int)ARRAY_SIZE(aside));
    tcase_add_loop_test(tcase, cleared_ram_is_zero_and_small_pages_are_given_back, 0, 2);
    tcase_add_test(tcase, expected_ram_is_as_zero_as_any);
    tcase_add_test(tcase, failed_creation_can_be_destroyed);
    suite_add_tcase(suite, tcase);
    return suite;
}
