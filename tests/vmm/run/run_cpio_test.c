/* SPDX-License-Identifier: BSD-3-Clause */
/* Archives byte by byte, and as cpio(1) reads them. */
#include "vmm/run/cpio.h"

#include "tests/vmm/run/folder.h"

static struct bytes cpio;

static void teardown(void)
{
    bytes_free(&cpio);
}

START_TEST(file_is_a_head_a_name_and_its_bytes)
{
    static const char wanted[] = "070701"
                                 "00000000"
                                 "000081a4"
                                 "00000000"
                                 "00000000"
                                 "00000001"
                                 "00000000"
                                 "00000003"
                                 "00000000"
                                 "00000000"
                                 "00000000"
                                 "00000000"
                                 "00000002"
                                 "00000000"
                                 "a\0"
                                 "hi!\0";

    cpio_add(&cpio, "a", S_IFREG | 0644, "hi!", 3);
    ck_assert_uint_eq(cpio.size, sizeof(wanted) - 1);
    ck_assert_mem_eq(cpio.at, wanted, sizeof(wanted) - 1);
}
END_TEST

START_TEST(every_part_begins_at_a_multiple_of_four)
{
    char name[8] = "";

    for (size_t i = 1; i < 8; i++) {
        memset(name, 'n', i);
        cpio_add(&cpio, name, S_IFREG | 0600, "1234567", i);
        ck_assert_uint_eq(cpio.size % 4, 0);
    }
}
END_TEST

START_TEST(cpio_reads_it_back)
{
    char command[2 * PATH_MAX + 64], line[128];
    char text[1024] = "";

    cpio_add(&cpio, "dev", S_IFDIR | 0755, NULL, 0);
    cpio_add(&cpio, "dev/with space", S_IFREG | 0755, "abc", 3);
    cpio_add(&cpio, "empty", S_IFREG | 0644, NULL, 0);
    cpio_end(&cpio);
    file_write("archive", cpio.at, cpio.size);
    (void)snprintf(command, sizeof(command),
                   "cd %s && cpio --quiet -i -d <archive 2>&1 && "
                   "stat -c '%%A %%s %%n' dev/* empty",
                   folder);
    FILE *out = popen(command, "re");
    ck_assert_ptr_nonnull(out);
    while (fgets(line, sizeof(line), out) != NULL)
        (void)strncat(text, line, sizeof(text) - strlen(text) - 1);
    ck_assert_int_eq(pclose(out), 0);
    ck_assert_str_eq(text, "-rwxr-xr-x 3 dev/with space\n-rw-r--r-- 0 empty\n");
}
END_TEST

Suite *run_cpio_suite(void);
Suite *run_cpio_suite(void)
{
    Suite *suite = suite_create("run_cpio");
    TCase *tc = tcase_create("archive");

    tcase_add_checked_fixture(tc, folder_make, folder_remove);
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, file_is_a_head_a_name_and_its_bytes);
    tcase_add_test(tc, every_part_begins_at_a_multiple_of_four);
    tcase_add_test(tc, cpio_reads_it_back);
    suite_add_tcase(suite, tc);
    return suite;
}
