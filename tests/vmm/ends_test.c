/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/ends.c: what the console's text says about a machine's end. */
#include "vmm/ends.h"

#include "tests/capture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct opt rows[] = {{"until", NULL, ""}, {"fail-on", NULL, ""}, {0}};
static struct ends ends;
static struct opts *options;

static int init(const char *until, const char *fail_on)
{
    ck_assert_int_eq(opts_create(rows, &options), 0);
    ck_assert_int_eq(opts_set(options, "", "until", until), 0);
    ck_assert_int_eq(opts_set(options, "", "fail-on", fail_on), 0);
    return ends_init(&ends, options);
}

static void fini(void)
{
    ends_fini(&ends);
    opts_destroy(options);
}

static enum ends_verdict feed(const char *text)
{
    return ends_feed(&ends, (const uint8_t *)text, strlen(text), false);
}

static const struct {
    const char *until, *fail_on, *text;
    enum ends_verdict verdict;
    const char *line;
} cases[] = {
    {"done", NULL, "well done\n", ENDS_UNTIL, "well done"},
    {"^done$", NULL, "well done\r\ndone\r\nmore\n", ENDS_UNTIL, "done"},
    {"done", NULL, "do\nne\n", ENDS_NOT, ""},
    {"done", NULL, "done", ENDS_NOT, ""}, /* the line goes on */
    {"a+b", NULL, "aab\n", ENDS_UNTIL, "aab"},
    {"done", "bad", "bad and done\n", ENDS_FAIL_ON, "bad and done"},
    {"done", "bad", "done\nbad\n", ENDS_UNTIL, "done"}, /* the first counts */
    {NULL, "kernel", "WARNING: CPU: 0 PID: 1\n", ENDS_FAIL_ON, "WARNING: CPU: 0 PID: 1"},
    {NULL, "kernel", "[  1.0] Oops: 0000 [#1]\n", ENDS_FAIL_ON, "[  1.0] Oops: 0000 [#1]"},
    {NULL, "kernel", "------------[ cut here ]------------\n", ENDS_FAIL_ON,
     "------------[ cut here ]------------"},
    {NULL, "kernel", "all is well\n", ENDS_NOT, ""},
    {NULL, "x", "\033[1mx\xff\n", ENDS_FAIL_ON, "?[1mx?"},
    {"x", NULL, "\0\0x\n", ENDS_NOT, ""}, /* fed up to the NUL */
};

START_TEST(lines_are_matched)
{
    ck_assert_int_eq(init(cases[_i].until, cases[_i].fail_on), 0);
    ck_assert_int_eq(feed(cases[_i].text), cases[_i].verdict);
    ck_assert_str_eq(ends.text, cases[_i].line);
    fini();
}
END_TEST

START_TEST(bytes_one_by_one_say_the_same)
{
    enum ends_verdict verdict = ENDS_NOT;

    ck_assert_int_eq(init(cases[_i].until, cases[_i].fail_on), 0);
    for (const char *c = cases[_i].text; *c != '\0'; c++)
        verdict = ends_feed(&ends, (const uint8_t *)c, 1, false);
    ck_assert_int_eq(verdict, cases[_i].verdict);
    fini();
}
END_TEST

START_TEST(a_prompt_is_a_line_when_nothing_follows)
{
    ck_assert_int_eq(init("login: $", NULL), 0);
    ck_assert_int_eq(feed("debian login: "), ENDS_NOT);
    ck_assert_int_eq(ends_feed(&ends, NULL, 0, true), ENDS_UNTIL);
    ck_assert_str_eq(ends.text, "debian login: ");
    fini();
}
END_TEST

START_TEST(a_pause_does_not_end_the_line)
{
    ck_assert_int_eq(init("abcd", NULL), 0);
    ck_assert_int_eq(feed("ab"), ENDS_NOT);
    ck_assert_int_eq(ends_feed(&ends, NULL, 0, true), ENDS_NOT);
    ck_assert_int_eq(feed("cd\n"), ENDS_UNTIL);
    fini();
}
END_TEST

START_TEST(long_lines_are_cut_and_NULs_left_out)
{
    static uint8_t text[3000];

    ck_assert_int_eq(init("ab", "end"), 0);
    memset(text, 'x', sizeof(text));
    memcpy(text + 2990, "end\n", 4);
    memcpy(text + 2994, "a\0b", 3);
    ck_assert_int_eq(ends_feed(&ends, text, sizeof(text), true), ENDS_UNTIL);
    ck_assert_str_eq(ends.text, "abxxx");
    fini();
}
END_TEST

START_TEST(a_kernel_panics)
{
    static const char *const before[] = {"", "[    1.500000] ", "[    1.500000][    T1] "};
    char text[128];

    ck_assert_int_eq(init(NULL, "kernel"), 0);
    (void)snprintf(text, sizeof(text), "%sKernel panic - not syncing: why\r\n", before[_i]);
    ck_assert_int_eq(feed("---[ end Kernel panic - not syncing: early ]---\n"), ENDS_NOT);
    ck_assert_int_eq(feed(text), ENDS_NOT);
    ck_assert(ends.panicked);
    ck_assert_ptr_nonnull(strstr(ends.text, "not syncing: why"));
    ck_assert_int_eq(feed("Call Trace:\n"), ENDS_NOT);
    (void)snprintf(text, sizeof(text), "%s---[ end Kernel panic - not syncing: why ]---\n",
                   before[_i]);
    ck_assert_int_eq(feed(text), ENDS_PANIC);
    ck_assert_ptr_nonnull(strstr(ends.text, "not syncing: why"));
    fini();
}
END_TEST

START_TEST(a_panic_that_pauses_is_told_whole)
{
    ck_assert_int_eq(init(NULL, NULL), 0);
    ck_assert_int_eq(feed("[ 1.0] Kernel panic - not syncing:"), ENDS_NOT);
    ck_assert_int_eq(ends_feed(&ends, NULL, 0, true), ENDS_NOT);
    ck_assert(ends.panicked);
    ck_assert_int_eq(feed(" why\nmore\n[ 2.0] Kernel panic - not syncing: again\n"), ENDS_NOT);
    ck_assert_str_eq(ends.text, "[ 1.0] Kernel panic - not syncing: why");
    fini();
}
END_TEST

START_TEST(a_program_that_talks_of_panic_is_none)
{
    ck_assert_int_eq(init(NULL, NULL), 0);
    ck_assert_int_eq(feed("grep: Kernel panic - not syncing: found\n"), ENDS_NOT);
    ck_assert(!ends.panicked);
    fini();
}
END_TEST

START_TEST(bad_expressions_are_refused)
{
    static const char *const bad[][2] = {{"(", NULL}, {NULL, "a[b"}, {"", NULL}, {NULL, "*("}};
    struct capture capture;

    capture_start(&capture);
    int r = init(bad[_i][0], bad[_i][1]);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(said, "");
    ck_assert_ptr_nonnull(strstr(said, bad[_i][0] != NULL ? "--until" : "--fail-on"));
    fini();
}
END_TEST

Suite *ends_suite(void);
Suite *ends_suite(void)
{
    Suite *suite = suite_create("ends");
    TCase *tcase = tcase_create("text");

    tcase_add_loop_test(tcase, lines_are_matched, 0, ARRAY_SIZE(cases));
    tcase_add_loop_test(tcase, bytes_one_by_one_say_the_same, 0, ARRAY_SIZE(cases));
    tcase_add_test(tcase, a_prompt_is_a_line_when_nothing_follows);
    tcase_add_test(tcase, a_pause_does_not_end_the_line);
    tcase_add_test(tcase, long_lines_are_cut_and_NULs_left_out);
    tcase_add_loop_test(tcase, a_kernel_panics, 0, 3);
    tcase_add_test(tcase, a_panic_that_pauses_is_told_whole);
    tcase_add_test(tcase, a_program_that_talks_of_panic_is_none);
    tcase_add_loop_test(tcase, bad_expressions_are_refused, 0, 4);
    suite_add_tcase(suite, tcase);
    return suite;
}
