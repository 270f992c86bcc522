/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/config/opts_help.c: tables told on a terminal and in Markdown. */
#include "tests/vmm/config/opts_rows.h"

#include <check.h>
#include <string.h>

Suite *opts_help_suite(void);

/* What a help function writes. */
static void help_text(void (*help)(FILE *, const struct opt *), const struct opt *rows, char *buf,
                      size_t size)
{
    FILE *out = fmemopen(buf, size, "w");

    ck_assert_ptr_nonnull(out);
    help(out, rows);
    ck_assert_int_eq(fclose(out), 0);
}

START_TEST(help_of_keys_says_value_meaning_range_and_default)
{
    char text[4096] = "";

    help_text(opts_help_keys, rng_opts, text, sizeof(text));
    ck_assert_str_eq(text, "    source=TEXT           file to read entropy from (default "
                           "/dev/urandom)\n");
    help_text(opts_help_keys, every_type, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "\n    rate=N                a rate (1 to 768000, default "
                                       "48000)\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n    host=alsa|file:PATH|null\n"
                                       "                          where (default null)\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n    loop=on|off           again\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n    mix=on|off            mixed (default on)\n"));
}
END_TEST

START_TEST(help_of_options_has_headings_and_wraps_at_80_columns)
{
    static const struct opt rows[] = {
        {.name = "path",
         .help =
             "a file whose description is so long that it cannot stay on one line of 80 columns",
         .type = OPT_PATH,
         .flags = OPT_REQUIRED,
         .group = "First"},
        {.name = "loop", .help = "again", .type = OPT_BOOL, .group = "Second"},
        {0},
    };
    char text[4096] = "";

    help_text(opts_help_options, rows, text, sizeof(text));
    ck_assert_str_eq(
        text, "First\n"
              "  --path FILE             a file whose description is so long that it cannot\n"
              "                          stay on one line of 80 columns (required)\n"
              "\nSecond\n"
              "  --loop                  again\n");
}
END_TEST

START_TEST(help_in_markdown_escapes_what_would_end_a_cell)
{
    static const char *const kinds[] = {"a", "b", NULL};
    static const struct opt rows[] = {
        {.name = "kind", .value = "a", .help = "which", .type = OPT_CHOICE, .choices = kinds},
        {.name = "n", .help = "count", .type = OPT_INT, .min = 1, .max = 2, .flags = OPT_REQUIRED},
        {0},
    };
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    ck_assert_ptr_nonnull(out);
    opts_help_markdown(out, rows, false);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, "| key | meaning | takes | default |\n"
                           "|---|---|---|---|\n"
                           "| `kind=a\\|b` | which |  | `a` |\n"
                           "| `n=N` | count | 1 to 2 | required |\n");
}
END_TEST

Suite *opts_help_suite(void)
{
    Suite *suite = suite_create("opts_help");
    TCase *tcase = tcase_create("opts_help");

    tcase_add_test(tcase, help_of_keys_says_value_meaning_range_and_default);
    tcase_add_test(tcase, help_of_options_has_headings_and_wraps_at_80_columns);
    tcase_add_test(tcase, help_in_markdown_escapes_what_would_end_a_cell);
    suite_add_tcase(suite, tcase);
    return suite;
}
