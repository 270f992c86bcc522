/* SPDX-License-Identifier: BSD-3-Clause */
/* What is found on a disk that is to be the root. */
#include "vmm/run/disk.h"

#include "tests/capture.h"
#include "tests/vmm/run/folder.h"
#include "vmm/base/base.h"

#include <fcntl.h>
#include <string.h>

static struct run_disk disk;
static struct capture capture;

static void setup(void)
{
    folder_make();
    file_write_text("disk", "");
}

static void put(off_t at, const char *bytes, size_t size)
{
    auto_close int fd = open(in_folder("disk"), O_WRONLY);

    ck_assert_int_eq(pwrite(fd, bytes, size, at), (ssize_t)size);
}

/* What was said, or "". */
static const char *find(int want)
{
    capture_start(&capture);
    int r = run_disk_find(in_folder("disk"), &disk);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, want);
    return said;
}

static const struct {
    const char *type, *mark;
    off_t at;
} types[] = {
    {"ext4", "\x53\xef", 0x438}, {"erofs", "\xe2\xe1\xf5\xe0", 0x400}, {"squashfs", "hsqs", 0},
    {"xfs", "XFSB", 0},          {"btrfs", "_BHRfS_M", 0x10040},
};

START_TEST(file_system_of_a_whole_disk)
{
    put(types[_i].at, types[_i].mark, strlen(types[_i].mark));
    ck_assert_str_eq(find(0), "");
    ck_assert_str_eq(disk.type, types[_i].type);
    ck_assert_str_eq(disk.device, "/dev/vda");
}
END_TEST

START_TEST(file_system_of_the_first_partition_of_an_mbr)
{
    put(510, "\x55\xaa", 2);
    put(454, "\0\x08\0\0", 4); /* at 2048 sectors */
    put(2048 * 512 + 0x438, "\x53\xef", 2);
    ck_assert_str_eq(find(0), "");
    ck_assert_str_eq(disk.type, "ext4");
    ck_assert_str_eq(disk.device, "/dev/vda1");
}
END_TEST

START_TEST(file_system_of_the_first_partition_of_a_gpt)
{
    put(510, "\x55\xaa", 2);
    put(454, "\1\0\0\0", 4); /* the protective entry */
    put(512, "EFI PART", 8);
    put(1024 + 32, "\x22\0\0\0\0\0\0\0", 8);
    put(34 * 512, "XFSB", 4);
    ck_assert_str_eq(find(0), "");
    ck_assert_str_eq(disk.type, "xfs");
    ck_assert_str_eq(disk.device, "/dev/vda1");
}
END_TEST

START_TEST(partition_beyond_all_files_is_none)
{
    put(510, "\x55\xaa", 2);
    put(512, "EFI PART", 8);
    put(1024 + 32, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    const char *said = find(-EINVAL);
    ck_assert_one_error(said, "");
}
END_TEST

START_TEST(disk_with_nothing_on_it_is_refused)
{
    put(100000, "", 1);
    const char *said = find(-EINVAL);
    ck_assert_one_error(said, "has no ext4");
}
END_TEST

START_TEST(disk_that_is_not_there_is_refused)
{
    ck_assert_int_eq(unlink(in_folder("disk")), 0);
    const char *said = find(-ENOENT);
    ck_assert_one_error(said, "");
}
END_TEST

Suite *run_disk_suite(void);
Suite *run_disk_suite(void)
{
    Suite *suite = suite_create("run_disk");
    TCase *tc = tcase_create("disk");

    tcase_add_checked_fixture(tc, setup, folder_remove);
    tcase_add_loop_test(tc, file_system_of_a_whole_disk, 0, ARRAY_SIZE(types));
    tcase_add_test(tc, file_system_of_the_first_partition_of_an_mbr);
    tcase_add_test(tc, file_system_of_the_first_partition_of_a_gpt);
    tcase_add_test(tc, partition_beyond_all_files_is_none);
    tcase_add_test(tc, disk_with_nothing_on_it_is_refused);
    tcase_add_test(tc, disk_that_is_not_there_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
