/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said of huge pages that a host cannot give. */
#include "vmm/hugepages.h"

#include "tests/capture.h"
#include "vmm/config/config.h"

#include <check.h>
#include <string.h>

static const struct config_device_kind no_kinds[] = {{0}};

static const struct {
    const char *pages;
    int r;
    const char *line;
} refusals[] = {
    {"2M", -EINVAL, "--hugepages 2M: --mem must be a multiple of that, it is 300 MiB"},
    {"1G", -ENODEV, "--hugepages 1G: this host has none of that size; use --hugepages auto"},
    {"2M", -ENOMEM,
     "--hugepages 2M: 150 such pages are not free; as root write a larger number to "
     "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages, or use --hugepages auto"},
    {"2M", -EMFILE, "--hugepages 2M: 300 MiB of guest RAM: Too many open files"},
    {"auto", -ENOMEM, "--mem: 300 MiB of guest RAM: Cannot allocate memory"},
    {"off", -ENOMEM, "--mem: 300 MiB of guest RAM: Cannot allocate memory"},
};

START_TEST(refusal_names_the_option_and_the_remedy)
{
    char pages[] = "--hugepages", mem[] = "--mem", size[] = "300M", kernel[] = "k", value[8];
    char *const words[] = {pages, value, mem, size, kernel, NULL};
    char line[256];
    struct config *config;
    struct capture capture;

    strcpy(value, refusals[_i].pages);
    ck_assert_int_eq(config_create(no_kinds, &config), 0);
    ck_assert_int_eq(config_parse_args(config, words), 0);
    capture_start(&capture);
    int r = hugepages_refused(refusals[_i].r, config->options);
    capture_end(&capture);
    config_destroy(config);
    ck_assert_int_eq(r, refusals[_i].r);
    snprintf(line, sizeof(line), "linnet: error: %s\n", refusals[_i].line);
    ck_assert_str_eq(capture.text, line);
}
END_TEST

START_TEST(doctors_line_counts_what_is_free)
{
    char text[160] = "";

    (void)hugepages_tell(text, sizeof(text)); /* what this host has is its own affair */
    ck_assert_ptr_nonnull(strstr(text, "(--hugepages auto): "));
    ck_assert_ptr_nonnull(strstr(text, "free for 2M: "));
    ck_assert_ptr_nonnull(strstr(text, "for 1G: "));
}
END_TEST

Suite *hugepages_suite(void);
Suite *hugepages_suite(void)
{
    Suite *suite = suite_create("hugepages");
    TCase *tcase = tcase_create("lines");

    tcase_add_loop_test(tcase, refusal_names_the_option_and_the_remedy, 0,
                        (int)ARRAY_SIZE(refusals));
    tcase_add_test(tcase, doctors_line_counts_what_is_free);
    suite_add_tcase(suite, tcase);
    return suite;
}
