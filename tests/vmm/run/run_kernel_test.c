/* SPDX-License-Identifier: BSD-3-Clause */
/* What KERNEL may mean, in a folder that stands for the host's root. */
#include "vmm/run/kernel.h"

#include "arch/arch.h"
#include "tests/capture.h"
#include "tests/vmm/run/folder.h"

static struct run_kernel kernel;
static struct capture capture;

/* A file that tells a release as x86's boot protocol has it. */
static void bzimage_write(const char *name, const char *release)
{
    uint8_t file[0x400] = {0};

    memcpy(file + 0x202, "HdrS", 4);
    file[0x20e] = 0x80; /* text at 0x280 */
    (void)snprintf((char *)file + 0x280, 0x100, "%s (builder@host) #1 SMP", release);
    file_write(name, file, sizeof(file));
}

static void found(const char *word, const char *modules)
{
    ck_assert_int_eq(run_kernel_find(folder, word, modules, &kernel), 0);
}

static void refused(const char *word, const char *modules, const char *part)
{
    capture_start(&capture);
    int r = run_kernel_find(folder, word, modules, &kernel);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(text, part);
}

START_TEST(left_out_is_the_newest)
{
    bzimage_write("boot/vmlinuz-6.9.2", "6.9.2");
    bzimage_write("boot/vmlinuz-6.12.1-amd64", "6.12.1-amd64");
    bzimage_write("boot/vmlinuz-6.1.0", "6.1.0");
    file_write_text("boot/initrd.img-7.0", "x");
    file_write_text("lib/modules/6.12.1-amd64/modules.dep", "");
    found(NULL, NULL);
    ck_assert_str_eq(kernel.file, in_folder("boot/vmlinuz-6.12.1-amd64"));
    ck_assert_str_eq(kernel.release, "6.12.1-amd64");
    ck_assert_str_eq(kernel.modules, in_folder("lib/modules/6.12.1-amd64"));
}
END_TEST

START_TEST(left_out_without_any_is_one_line)
{
    refused(NULL, NULL, "name one");
}
END_TEST

START_TEST(release_is_looked_up)
{
    bzimage_write("boot/vmlinuz-6.1.0-9", "6.1.0-9");
    bzimage_write("lib/modules/6.20.3-200.fc50/vmlinuz", "6.20.3-200.fc50");
    found("6.1.0-9", NULL);
    ck_assert_str_eq(kernel.file, in_folder("boot/vmlinuz-6.1.0-9"));
    ck_assert_str_eq(kernel.modules, "");
    found("6.20.3-200.fc50", NULL);
    ck_assert_str_eq(kernel.file, in_folder("lib/modules/6.20.3-200.fc50/vmlinuz"));
}
END_TEST

START_TEST(neither_file_nor_release_tells_what_is_installed)
{
    bzimage_write("boot/vmlinuz-6.1.0-9", "6.1.0-9");
    refused("6.1", NULL, "\"6.1\": no such file, build tree or release; installed: 6.1.0-9");
}
END_TEST

START_TEST(build_tree_is_a_kernel_and_its_modules)
{
    char image[PATH_MAX];

    (void)snprintf(image, sizeof(image), "linux/%s", arch_layout->kernel_in_tree);
    bzimage_write(image, "6.18.0-rc1+");
    file_write_text("linux/modules.order", "");
    found(in_folder("linux"), NULL);
    ck_assert_str_eq(kernel.file, in_folder(image));
    ck_assert_str_eq(kernel.release, "6.18.0-rc1+");
    ck_assert_str_eq(kernel.modules, in_folder("linux"));
    found(in_folder(image), NULL); /* named itself */
    ck_assert_str_eq(kernel.modules, in_folder("linux"));
}
END_TEST

START_TEST(unpacked_package_is_a_kernel_and_its_modules)
{
    bzimage_write("package/boot/vmlinuz-6.5.1", "6.5.1");
    file_write_text("package/lib/modules/6.5.1/modules.order", "");
    found(in_folder("package"), NULL);
    ck_assert_str_eq(kernel.file, in_folder("package/boot/vmlinuz-6.5.1"));
    ck_assert_int_eq(access(kernel.modules, F_OK), 0);
    ck_assert_ptr_nonnull(strstr(kernel.modules, "/lib/modules/6.5.1"));
}
END_TEST

/* Debian's from 6.16 on, unpacked: package/usr/lib/modules has all. */
START_TEST(kernel_among_its_modules_is_found)
{
    bzimage_write("package/usr/lib/modules/7.2.9/vmlinuz", "7.2.9");
    bzimage_write("package/usr/lib/modules/7.10.1/vmlinuz", "7.10.1");
    file_write_text("package/usr/lib/modules/7.10.1/modules.order", "");
    file_write_text("package/usr/lib/modules/7.11.0/modules.order", ""); /* no kernel there */
    found(in_folder("package"), NULL);
    ck_assert_str_eq(kernel.file, in_folder("package/usr/lib/modules/7.10.1/vmlinuz"));
    ck_assert_str_eq(kernel.modules, in_folder("package/usr/lib/modules/7.10.1"));
    found(in_folder("package/usr/lib/modules/7.10.1/vmlinuz"), NULL); /* named itself */
    ck_assert_str_eq(kernel.release, "7.10.1");
    ck_assert_str_eq(kernel.modules, in_folder("package/usr/lib/modules/7.10.1"));
    found(in_folder("package/usr/lib/modules/7.2.9/vmlinuz"), NULL); /* without modules */
    ck_assert_str_eq(kernel.modules, "");
}
END_TEST

START_TEST(folder_with_no_kernel_is_one_line)
{
    file_write_text("folder/x", "");
    refused(in_folder("folder"), NULL, "a folder with no ");
}
END_TEST

START_TEST(modules_may_be_named)
{
    bzimage_write("kernel", "6.5.1");
    file_write_text("a/lib/modules/6.5.1/modules.order", "");
    file_write_text("b/modules.dep", "");
    file_write_text("c/x", "");
    found(in_folder("kernel"), in_folder("a"));
    ck_assert_str_eq(kernel.modules, in_folder("a/lib/modules/6.5.1"));
    found(in_folder("kernel"), in_folder("b"));
    ck_assert_str_eq(kernel.modules, in_folder("b"));
    refused(in_folder("kernel"), in_folder("c"), "--modules ");
}
END_TEST

START_TEST(release_is_in_the_text_of_an_image_that_is_not_packed)
{
    char release[RELEASE_SIZE];

    file_write_text("Image", "....Linux version %s (%s)....Linux version 6.12.9-arm64 (x@y) #1");
    ck_assert(run_kernel_release(in_folder("Image"), release));
    ck_assert_str_eq(release, "6.12.9-arm64");
}
END_TEST

START_TEST(release_of_a_packed_image_is_in_its_name)
{
    char release[RELEASE_SIZE];

    file_write_text("vmlinuz-6.12.9-arm64", "\x1f\x8b...");
    ck_assert(run_kernel_release(in_folder("vmlinuz-6.12.9-arm64"), release));
    ck_assert_str_eq(release, "6.12.9-arm64");
}
END_TEST

/* A release that points out of its file, or is as long as the file. */
START_TEST(release_ends_with_its_file)
{
    uint8_t file[0x300];
    char release[RELEASE_SIZE];

    memset(file, 'x', sizeof(file));
    memcpy(file + 0x202, "HdrS", 4);
    file[0x20e] = file[0x20f] = 0xff;
    file_write("beyond", file, sizeof(file));
    ck_assert(!run_kernel_release(in_folder("beyond"), release));
    file[0x20e] = 0x80;
    file[0x20f] = 0;
    file_write("long", file, sizeof(file));
    ck_assert(run_kernel_release(in_folder("long"), release));
    ck_assert_uint_eq(strlen(release), RELEASE_SIZE - 1);
    file_write("short", file, 0x20f);
    ck_assert(!run_kernel_release(in_folder("short"), release));
}
END_TEST

Suite *run_kernel_suite(void);
Suite *run_kernel_suite(void)
{
    Suite *suite = suite_create("run_kernel");
    TCase *tc = tcase_create("kernel");

    tcase_add_checked_fixture(tc, folder_make, folder_remove);
    tcase_add_test(tc, left_out_is_the_newest);
    tcase_add_test(tc, left_out_without_any_is_one_line);
    tcase_add_test(tc, release_is_looked_up);
    tcase_add_test(tc, neither_file_nor_release_tells_what_is_installed);
    tcase_add_test(tc, build_tree_is_a_kernel_and_its_modules);
    tcase_add_test(tc, unpacked_package_is_a_kernel_and_its_modules);
    tcase_add_test(tc, kernel_among_its_modules_is_found);
    tcase_add_test(tc, folder_with_no_kernel_is_one_line);
    tcase_add_test(tc, modules_may_be_named);
    tcase_add_test(tc, release_is_in_the_text_of_an_image_that_is_not_packed);
    tcase_add_test(tc, release_of_a_packed_image_is_in_its_name);
    tcase_add_test(tc, release_ends_with_its_file);
    suite_add_tcase(suite, tc);
    return suite;
}
