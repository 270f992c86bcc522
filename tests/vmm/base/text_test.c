/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/base/text.c: clean text, quoting, the nearest word. */
#include "vmm/base/text.h"

#include <check.h>
#include <string.h>

Suite *text_suite(void);

static const struct {
    const char *text;
    size_t len;
    bool clean;
} clean_rows[] = {
    {"", 0, true},
    {"a.wav", 5, true},
    {" ~", 2, true},
    {"\xc3\xa9", 2, true},         /* U+00E9 */
    {"\xc2\xa0", 2, true},         /* U+00A0, first behind C1 */
    {"\xe2\x82\xac", 3, true},     /* U+20AC */
    {"\xed\x9f\xbf", 3, true},     /* U+D7FF, last before the surrogates */
    {"\xee\x80\x80", 3, true},     /* U+E000, first behind them */
    {"\xf0\x9f\x90\xa6", 4, true}, /* U+1F426 */
    {"\xf4\x8f\xbf\xbf", 4, true}, /* U+10FFFF, the last */
    {"\n", 1, false},
    {"a\tb", 3, false},
    {"a\0b", 3, false},
    {"\x1f", 1, false},
    {"\x7f", 1, false},
    {"\xc2\x80", 2, false}, /* C1 begins */
    {"\xc2\x9f", 2, false}, /* C1 ends */
    {"\x80", 1, false},     /* continuation alone */
    {"\xbf", 1, false},
    {"\xc3", 1, false},             /* cut short */
    {"\xe2\x82", 2, false},         /* cut short */
    {"\xf0\x9f\x90", 3, false},     /* cut short */
    {"\xc3(", 2, false},            /* no continuation */
    {"\xe2\x82(", 3, false},        /* no continuation */
    {"\xf0\x9f\x90(", 4, false},    /* no continuation */
    {"\xc0\xaf", 2, false},         /* overlong */
    {"\xc1\xbf", 2, false},         /* overlong */
    {"\xe0\x9f\xbf", 3, false},     /* overlong */
    {"\xf0\x8f\xbf\xbf", 4, false}, /* overlong */
    {"\xed\xa0\x80", 3, false},     /* surrogate */
    {"\xf4\x90\x80\x80", 4, false}, /* above U+10FFFF */
    {"\xf5\x80\x80\x80", 4, false},
    {"\xff", 1, false},
};

START_TEST(clean_text_is_told_from_the_rest)
{
    ck_assert_int_eq(text_is_clean(clean_rows[_i].text, clean_rows[_i].len), clean_rows[_i].clean);
}
END_TEST

START_TEST(quote_keeps_what_is_short)
{
    char buf[TEXT_QUOTE_SIZE];

    ck_assert_str_eq(text_quote(buf, "a b"), "\"a b\"");
    ck_assert_str_eq(text_quote(buf, ""), "\"\"");
}
END_TEST

START_TEST(quote_of_64_bytes_is_whole_and_of_65_is_cut)
{
    char buf[TEXT_QUOTE_SIZE], text[66];

    memset(text, 'x', sizeof(text));
    text[64] = '\0';
    ck_assert_uint_eq(strlen(text_quote(buf, text)), 66);
    ck_assert_ptr_null(strstr(buf, "..."));
    text[64] = 'x';
    text[65] = '\0';
    ck_assert_uint_eq(strlen(text_quote(buf, text)), 69);
    ck_assert_ptr_nonnull(strstr(buf, "x...\""));
}
END_TEST

START_TEST(quote_is_cut_between_characters)
{
    char buf[TEXT_QUOTE_SIZE], text[80];

    memset(text, 'x', 63);
    strcpy(text + 63, "\xe2\x82\xac"
                      "end"); /* its second byte is the 65th */
    text_quote(buf, text);
    ck_assert(text_is_clean(buf, strlen(buf)));
    ck_assert_uint_eq(strlen(buf), 63 + 5);
}
END_TEST

START_TEST(quote_shows_what_is_not_clean_as_question_marks)
{
    char buf[TEXT_QUOTE_SIZE];

    ck_assert_str_eq(text_quote(buf, "a\nb\x7f"), "\"a?b?\"");
    ck_assert_str_eq(text_quote(buf, "\xc2\x85\xff\xc3"), "\"????\"");
    ck_assert_str_eq(text_quote(buf, "\xc3\xa9"), "\"\xc3\xa9\"");
}
END_TEST

static const struct {
    const char *word, *nearest;
} nearest_rows[] = {
    {"mem", "mem"},
    {"mme", "mem"},   /* swapped */
    {"meme", "mem"},  /* added */
    {"cpu", "cpus"},  /* dropped */
    {"spus", "cpus"}, /* changed */
    {"MEM", "mem"},   /* case is free */
    {"time_limit", "time-limit"},
    {"time", "time-limit"}, /* its beginning */
    {"t", "time-limit"},
    {"tiem-lmit", "time-limit"},
    {"", NULL},
    {"xyzzy", NULL},
    {"limit", NULL},
    {"cqut", NULL},                                      /* 2 of 4 letters, twice what is near */
    {"time-limittime-limittime-limittime-limit-", NULL}, /* 41 bytes: not searched */
};

START_TEST(nearest_word_is_found_when_one_is_near)
{
    static const char *const known[] = {"mem", "cpus", "time-limit"};
    struct text_nearest nearest;

    text_nearest_init(&nearest, nearest_rows[_i].word);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        text_nearest_offer(&nearest, known[i]);
    ck_assert_pstr_eq(nearest.best, nearest_rows[_i].nearest);
}
END_TEST

START_TEST(nearest_prefers_the_smaller_distance_then_the_first)
{
    struct text_nearest nearest;

    text_nearest_init(&nearest, "pathx");
    text_nearest_offer(&nearest, "patch");
    text_nearest_offer(&nearest, "path");
    ck_assert_str_eq(nearest.best, "path");
    text_nearest_offer(&nearest, "paths");
    ck_assert_str_eq(nearest.best, "path");
}
END_TEST

START_TEST(nearest_passes_over_a_known_word_that_is_too_long)
{
    struct text_nearest nearest;
    char known[42];

    memset(known, 'a', 41);
    known[41] = '\0';
    text_nearest_init(&nearest, "aaa");
    text_nearest_offer(&nearest, known);
    ck_assert_ptr_null(nearest.best);
    known[40] = '\0';
    text_nearest_offer(&nearest, known);
    ck_assert_ptr_nonnull(nearest.best);
}
END_TEST

START_TEST(words_of_a_list_are_taken_one_by_one)
{
    const char *text = "mic+line-in++";
    char word[TEXT_WORD_SIZE], wide[100];

    ck_assert(text_word(&text, '+', word));
    ck_assert_str_eq(word, "mic");
    ck_assert(text_word(&text, '+', word));
    ck_assert_str_eq(word, "line-in");
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(text_word(&text, '+', word));
        ck_assert_str_eq(word, "");
    }
    ck_assert(!text_word(&text, '+', word));
    memset(wide, 'a', sizeof(wide));
    wide[98] = '+';
    wide[99] = '\0';
    text = wide;
    ck_assert(text_word(&text, '+', word));
    ck_assert_uint_eq(strlen(word), TEXT_WORD_SIZE - 1);
    ck_assert(text_word(&text, '+', word));
    ck_assert_str_eq(word, "");
    ck_assert_ptr_null(text);
}
END_TEST

Suite *text_suite(void)
{
    Suite *suite = suite_create("text");
    TCase *tcase = tcase_create("text");

    tcase_add_loop_test(tcase, clean_text_is_told_from_the_rest, 0, ARRAY_SIZE(clean_rows));
    tcase_add_test(tcase, quote_keeps_what_is_short);
    tcase_add_test(tcase, quote_of_64_bytes_is_whole_and_of_65_is_cut);
    tcase_add_test(tcase, quote_is_cut_between_characters);
    tcase_add_test(tcase, quote_shows_what_is_not_clean_as_question_marks);
    tcase_add_loop_test(tcase, nearest_word_is_found_when_one_is_near, 0, ARRAY_SIZE(nearest_rows));
    tcase_add_test(tcase, words_of_a_list_are_taken_one_by_one);
    tcase_add_test(tcase, nearest_prefers_the_smaller_distance_then_the_first);
    tcase_add_test(tcase, nearest_passes_over_a_known_word_that_is_too_long);
    suite_add_tcase(suite, tcase);
    return suite;
}
