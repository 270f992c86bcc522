/* SPDX-License-Identifier: BSD-3-Clause */
/* What init says, whole, in pieces and as nonsense; and which exit status it means. */
#include "vmm/run/ctl.h"

#include <check.h>
#include <signal.h>
#include <string.h>

static struct ctl ctl;

static void setup(void)
{
    ctl = (struct ctl){0};
}

static int hear(const char *bytes, size_t size)
{
    return ctl_hear(&ctl, (const uint8_t *)bytes, size);
}

START_TEST(a_run_is_heard_whole_and_in_pieces)
{
    static const char said[] = "h\0b\0x\1\7";

    for (size_t piece = 1; piece < sizeof(said); piece++) {
        ctl = (struct ctl){0};
        for (size_t at = 0; at < sizeof(said) - 1; at += piece)
            ck_assert_int_eq(hear(said + at, MIN(piece, sizeof(said) - 1 - at)), 0);
        ck_assert(ctl.hello);
        ck_assert(ctl.started);
        ck_assert_int_eq(ctl.end, CTL_EXITED);
        ck_assert_int_eq(ctl_status(&ctl), 7);
    }
}
END_TEST

static const struct {
    char said[3];
    int status;
} ends[] = {
    {{'x', 1, 0}, 0},         {{'x', 1, 1}, 1},           {{'x', 1, 34}, 34},
    {{'x', 1, 125}, 125},     {{'x', 1, (char)255}, 255}, {{'k', 1, SIGABRT}, 134},
    {{'k', 1, SIGKILL}, 137}, {{'k', 1, SIGSEGV}, 139},   {{'k', 1, (char)255}, 255},
    {{'n', 1, ENOENT}, 127},  {{'n', 1, EACCES}, 126},    {{'n', 1, ENOEXEC}, 126},
};

START_TEST(end_means_a_status)
{
    ck_assert_int_eq(hear(ends[_i].said, 3), 0);
    ck_assert_int_eq(ctl.end, ends[_i].said[0]);
    ck_assert_int_eq(ctl_status(&ctl), ends[_i].status);
}
END_TEST

START_TEST(unfit_guest_says_why)
{
    char said[2 + 255];

    memset(said, 'w', sizeof(said));
    said[0] = CTL_UNFIT;
    said[1] = (char)255;
    ck_assert_int_eq(hear(said, sizeof(said)), 0);
    ck_assert_uint_eq(strlen(ctl.text), 255);
    ck_assert_int_eq(ctl_status(&ctl), 125);
}
END_TEST

START_TEST(nothing_said_is_a_failure_of_ours)
{
    ck_assert_int_eq(ctl_status(&ctl), 125);
}
END_TEST

static const struct {
    const char *said;
    size_t size;
} wrong[] = {{"?", 1}, {"\0", 1}, {"h\1", 2}, {"x\0", 2}, {"x\2", 2}, {"h\0n\0", 4}, {"s\1\x9", 3}};

START_TEST(what_is_no_message_is_refused)
{
    ck_assert_int_eq(hear(wrong[_i].said, wrong[_i].size), -EPROTO);
    ck_assert_int_eq(ctl.end, 0);
}
END_TEST

START_TEST(behind_the_end_nothing_counts)
{
    ck_assert_int_eq(hear("x\1\0x\1\5???", 9), 0);
    ck_assert_int_eq(ctl_status(&ctl), 0);
    ck_assert_int_eq(hear("u\0", 2), 0);
    ck_assert_int_eq(ctl.end, CTL_EXITED);
}
END_TEST

Suite *run_ctl_suite(void);
Suite *run_ctl_suite(void)
{
    Suite *suite = suite_create("run_ctl");
    TCase *tc = tcase_create("ctl");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, a_run_is_heard_whole_and_in_pieces);
    tcase_add_loop_test(tc, end_means_a_status, 0, ARRAY_SIZE(ends));
    tcase_add_test(tc, unfit_guest_says_why);
    tcase_add_test(tc, nothing_said_is_a_failure_of_ours);
    tcase_add_loop_test(tc, what_is_no_message_is_refused, 0, ARRAY_SIZE(wrong));
    tcase_add_test(tc, behind_the_end_nothing_counts);
    suite_add_tcase(suite, tc);
    return suite;
}
