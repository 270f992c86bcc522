/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/base/library.c with the mathematical library, which is everywhere. */
#include "vmm/base/library.h"

#include "tests/capture.h"

#include <check.h>
#include <math.h>
#include <string.h>

#define SOME(F) F(, sqrt) F(, floor)
struct some {
    SOME(LIBRARY_FIELD)
};

START_TEST(functions_are_there_after_loading)
{
    struct some some = {0};
    const struct library library = LIBRARY("libm.so.6", "libc6", some, SOME);

    ck_assert_int_eq(library_load(&library), 0);
    ck_assert_double_eq(some.sqrt(9), 3);
    ck_assert_double_eq(some.floor(3.5), 3);
    some.floor = NULL;
    ck_assert_int_eq(library_load(&library), 0); /* it was loaded: nothing happens */
    ck_assert_ptr_null((void *)some.floor);
}
END_TEST

START_TEST(library_that_is_missing_is_told_with_its_package)
{
    struct some some = {0};
    const struct library library = LIBRARY("libnone.so.7", "libnone7", some, SOME);
    struct capture capture;

    capture_start(&capture);
    int r = library_load(&library);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -ENOPKG);
    ck_assert_one_error(said, "libnone.so.7");
    ck_assert_ptr_nonnull(strstr(said, "install Debian's libnone7"));
}
END_TEST

START_TEST(library_without_a_function_is_not_used)
{
    struct some some = {0};
    const struct library library = {.file = "libm.so.6",
                                    .package = "libc6",
                                    .names = "sqrt\0fourth_root\0",
                                    .functions = &some};

    for (unsigned i = 0; i < 2; i++) {
        struct capture capture;
        capture_start(&capture);
        int r = library_load(&library);
        const char *said = capture_end(&capture);
        ck_assert_int_eq(r, -ENOPKG);
        ck_assert_one_error(said, "fourth_root");
        ck_assert_ptr_nonnull(strstr(said, "libc6"));
    }
}
END_TEST

Suite *library_suite(void);
Suite *library_suite(void)
{
    Suite *suite = suite_create("library");
    TCase *tcase = tcase_create("library");

    tcase_add_test(tcase, functions_are_there_after_loading);
    tcase_add_test(tcase, library_that_is_missing_is_told_with_its_package);
    tcase_add_test(tcase, library_without_a_function_is_not_used);
    suite_add_tcase(suite, tcase);
    return suite;
}
