/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/control/control_request.c: requests read and written. */
#include "vmm/control/control_request.h"

#include "tests/alloc_fail.h"

#include <check.h>
#include <string.h>

Suite *control_request_suite(void);

static struct control_request request;
static char why[CONTROL_WHY_SIZE];

static void teardown(void)
{
    control_request_fini(&request);
}

static int parse(const char *line)
{
    control_request_fini(&request);
    return control_request_parse(line, strlen(line), &request, why);
}

START_TEST(words_are_those_of_the_list)
{
    ck_assert_int_eq(parse(" {\"do\": [\"snd0\", \"\", \"a b\", \"\\u00e4\"]} \r"), 0);
    ck_assert_str_eq(request.words[0], "snd0");
    ck_assert_str_eq(request.words[1], "");
    ck_assert_str_eq(request.words[2], "a b");
    ck_assert_str_eq(request.words[3], "\xc3\xa4");
    ck_assert_ptr_null(request.words[4]);
    ck_assert_ptr_null(request.id);
}
END_TEST

START_TEST(string_is_one_word)
{
    ck_assert_int_eq(parse("{\"id\": 1.5, \"do\": \"snd0 jack\"}"), 0);
    ck_assert_str_eq(request.words[0], "snd0 jack");
    ck_assert_ptr_null(request.words[1]);
    ck_assert_double_eq(json_real_value(request.id), 1.5);
}
END_TEST

START_TEST(word_64_is_the_last)
{
    char line[600] = "{\"do\":[\"x\"";

    for (unsigned i = 1; i < 64; i++)
        strcat(line, ",\"x\"");
    size_t len = strlen(line);
    strcat(line, "]}");
    ck_assert_int_eq(parse(line), 0);
    ck_assert_str_eq(request.words[63], "x");
    ck_assert_ptr_null(request.words[64]);
    strcpy(line + len, ",\"x\"]}");
    ck_assert_int_eq(parse(line), -EINVAL);
    ck_assert_str_eq(why, "\"do\" takes 1 to 64 words; {\"do\": \"help\"} lists what there is");
}
END_TEST

#define SHAPE "a request is {\"do\": [WORD, ...]}"
#define WORD  "a word of \"do\" is no text, or has control characters"

static const struct {
    const char *line, *why;
} wrong[] = {
    {"", "not JSON: "},
    {"status", "not JSON: "},
    {"{\"do\": \"status\"", "not JSON: "},
    {"{\"do\": \"status\"} {}", "not JSON: "},
    {"{\"do\": \"a\", \"do\": \"b\"}", "not JSON: duplicate object key"},
    {"{\"do\": \"\xff\"}", "not JSON: "},
    {"{\"do\": \"a\\u0000b\"}", "not JSON: "},
    {"{\"do\": \"\x1b[2J\"}", "not JSON: "},
    {"{\"do\": \"\\u001b[2J\"}", WORD},
    {"{\"do\": \"\\u0085\"}", WORD},
    {"{\"do\": [\"jack\", 0]}", WORD},
    {"{\"do\": [[\"jack\"]]}", WORD},
    {"{\"do\": []}", "\"do\" takes 1 to 64 words"},
    {"{\"do\": {\"a\": 1}}", "\"do\" takes 1 to 64 words"},
    {"{\"do\": null}", "\"do\" takes 1 to 64 words"},
    {"[]", SHAPE},
    {"[\"do\", \"status\"]", SHAPE},
    {"{}", SHAPE},
    {"{\"id\": 1}", SHAPE},
    {"{\"do\": \"a\", \"id\": [1]}", SHAPE},
    {"{\"do\": \"a\", \"id\": null}", SHAPE},
    {"{\"do\": \"a\", \"to\": 1}", SHAPE},
    {"{\"do\": \"a\", \"id\": 1, \"to\": 1}", SHAPE},
};

START_TEST(wrong_line_is_refused)
{
    ck_assert_int_eq(parse(wrong[_i].line), -EINVAL);
    ck_assert_msg(strncmp(why, wrong[_i].why, strlen(wrong[_i].why)) == 0, "%s", why);
}
END_TEST

START_TEST(id_of_a_wrong_request_is_known)
{
    ck_assert_int_eq(parse("{\"id\": \"x\", \"du\": 1}"), -EINVAL);
    ck_assert_str_eq(json_string_value(request.id), "x");
}
END_TEST

START_TEST(line_nested_as_deep_as_it_goes_is_refused)
{
    char line[CONTROL_LINE_MAX];

    memset(line, '[', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    ck_assert_int_eq(parse(line), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "depth"));
}
END_TEST

START_TEST(nul_in_the_line_is_refused)
{
    ck_assert_int_eq(control_request_parse("{\"do\":\0\"a\"}", 11, &request, why), -EINVAL);
}
END_TEST

START_TEST(no_memory_is_an_error)
{
    bool failed = true;

    json_set_alloc_funcs(alloc_fail_malloc, free);
    for (unsigned n = 0; n < 100 && failed; n++) {
        alloc_fail_after(n);
        int r = parse("{\"do\": [\"snd0\", \"jack\"], \"id\": 1}");
        failed = alloc_fail_stop();
        ck_assert_int_eq(r, failed ? -EINVAL : 0);
    }
    ck_assert(!failed);
    json_set_alloc_funcs(malloc, free);
}
END_TEST

/* -- writing -- */

START_TEST(words_survive_the_line)
{
    const char *const words[] = {"snd0", "",     "a b",      "it's", "\"x\"",
                                 "a\\b", "=50%", "\xc3\xa4", NULL};
    char line[CONTROL_LINE_MAX];

    int len = control_request_write(words, line);
    ck_assert_int_gt(len, 0);
    ck_assert_int_eq(line[len - 1], '\n');
    ck_assert_int_eq(control_request_parse(line, (size_t)len - 1, &request, why), 0);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_str_eq(request.words[i], words[i]);
    ck_assert_ptr_null(request.words[8]);
}
END_TEST

START_TEST(words_that_do_not_fit_are_refused)
{
    static char large[CONTROL_LINE_MAX], line[CONTROL_LINE_MAX];
    const char *words[CONTROL_WORDS_MAX + 2] = {large}, *one = "x";

    memset(large, 'x', CONTROL_LINE_MAX - 12); /* {"do":["..."]}, newline: 12 besides */
    ck_assert_int_eq(control_request_write(words, line), CONTROL_LINE_MAX);
    ck_assert_int_eq(line[CONTROL_LINE_MAX - 1], '\n');
    large[CONTROL_LINE_MAX - 12] = 'x';
    ck_assert_int_eq(control_request_write(words, line), -E2BIG);
    words[0] = "a\nb";
    ck_assert_int_eq(control_request_write(words, line), -EINVAL);
    words[0] = "\xff";
    ck_assert_int_eq(control_request_write(words, line), -EINVAL);
    for (unsigned i = 0; i < CONTROL_WORDS_MAX; i++)
        words[i] = one;
    ck_assert_int_gt(control_request_write(words, line), 0);
    words[CONTROL_WORDS_MAX] = one;
    ck_assert_int_eq(control_request_write(words, line), -E2BIG);
}
END_TEST

Suite *control_request_suite(void)
{
    Suite *suite = suite_create("control_request");
    TCase *tcase = tcase_create("all");

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_test(tcase, words_are_those_of_the_list);
    tcase_add_test(tcase, string_is_one_word);
    tcase_add_test(tcase, word_64_is_the_last);
    tcase_add_loop_test(tcase, wrong_line_is_refused, 0, ARRAY_SIZE(wrong));
    tcase_add_test(tcase, id_of_a_wrong_request_is_known);
    tcase_add_test(tcase, line_nested_as_deep_as_it_goes_is_refused);
    tcase_add_test(tcase, nul_in_the_line_is_refused);
    tcase_add_test(tcase, no_memory_is_an_error);
    tcase_add_test(tcase, words_survive_the_line);
    tcase_add_test(tcase, words_that_do_not_fit_are_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
