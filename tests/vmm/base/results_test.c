/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/base/results.c. */
#include "vmm/base/results.h"

#include "tests/alloc_fail.h"

#include <check.h>

START_TEST(what_is_told_is_kept_in_order)
{
    struct results results = {0};
    char name[] = "tcp:22";

    results_port(&results, name, 40123);
    name[0] = '?'; /* it was copied */
    results_file(&results, "a.wav");
    results_expect(&results, "snd0", "freq=440", false, "heard 439.2 Hz");
    results_expect(&results, "snd0", "gaps=0", true, "not told");
    ck_assert_uint_eq(results.count, 4);
    ck_assert_int_eq(results.at[0].kind, RESULT_PORT);
    ck_assert_str_eq(results.at[0].what, "tcp:22");
    ck_assert_uint_eq(results.at[0].port, 40123);
    ck_assert_str_eq(results.at[1].what, "a.wav");
    ck_assert_str_eq(results.at[2].who, "snd0");
    ck_assert_str_eq(results.at[2].why, "heard 439.2 Hz");
    ck_assert(!results.at[2].passed);
    ck_assert(results.at[3].passed);
    ck_assert_ptr_null(results.at[3].why);
    results_fini(&results);
    ck_assert_uint_eq(results.count, 0);
    results_fini(&results);
}
END_TEST

START_TEST(without_memory_that_is_noted)
{
    struct results results = {0};

    alloc_fail_after((unsigned)_i);
    results_expect(&results, "snd0", "freq=440", false, "no sound");
    ck_assert(alloc_fail_stop());
    ck_assert(results.lost);
    ck_assert_uint_eq(results.count, 0);
    results_fini(&results);
}
END_TEST

Suite *results_suite(void);
Suite *results_suite(void)
{
    Suite *suite = suite_create("results");
    TCase *tcase = tcase_create("list");

    tcase_add_test(tcase, what_is_told_is_kept_in_order);
    tcase_add_loop_test(tcase, without_memory_that_is_noted, 0, 3);
    suite_add_tcase(suite, tcase);
    return suite;
}
