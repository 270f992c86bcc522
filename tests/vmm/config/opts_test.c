/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/config/opts.c: tables with values, "key=value,...", options among words. */
#include "vmm/config/opts.h"

#include "tests/alloc_fail.h"
#include "tests/capture.h"
#include "tests/vmm/config/opts_rows.h"

#include <check.h>
#include <string.h>

Suite *opts_suite(void);

static const struct opt required_opts[] = {
    {.name = "path", .help = "file to record into", .type = OPT_PATH, .flags = OPT_REQUIRED},
    {0},
};

static struct opts *opts;
static struct capture capture;

static void setup(void)
{
    int r = opts_create(every_type, &opts);

    ck_assert_int_eq(r, 0);
}

static void teardown(void)
{
    opts_destroy(opts);
    opts = NULL;
}

/* Parses, and keeps what was said in capture.text. */
static int parse(const char *text)
{
    int r;

    capture_start(&capture);
    r = opts_parse(opts, "--dev ", text);
    (void)capture_end(&capture);
    return r;
}

/* -- defaults and getters -- */

START_TEST(defaults_hold_until_something_is_given)
{
    ck_assert_str_eq(opts_str(opts, "text"), "none");
    ck_assert_ptr_null(opts_str(opts, "path"));
    ck_assert_uint_eq(opts_u64(opts, "rate"), 48000);
    ck_assert_uint_eq(opts_u64(opts, "big"), 0);
    ck_assert_uint_eq(opts_bytes(opts, "size"), 65536);
    ck_assert_uint_eq(opts_bytes(opts, "mem"), 536870912);
    ck_assert_uint_eq(opts_ns(opts, "wait"), 1000000000);
    ck_assert(!opts_bool(opts, "loop"));
    ck_assert(opts_bool(opts, "mix"));
    ck_assert_uint_eq(opts_choice(opts, "host"), 2);
    ck_assert_str_eq(opts_choice_arg(opts, "host"), "");
}
END_TEST

START_TEST(has_counts_defaults_and_given_does_not)
{
    ck_assert(opts_has(opts, "text"));
    ck_assert(!opts_given(opts, "text"));
    ck_assert(!opts_has(opts, "path"));
    ck_assert_int_eq(parse("path=x,text=none"), 0);
    ck_assert(opts_given(opts, "text"));
    ck_assert(opts_has(opts, "path"));
    ck_assert(opts_given(opts, "path"));
}
END_TEST

START_TEST(row_by_position_parses)
{
    struct opts *rng = NULL;

    ck_assert_int_eq(opts_create(rng_opts, &rng), 0);
    ck_assert_str_eq(opts_str(rng, "source"), "/dev/urandom");
    ck_assert_int_eq(opts_parse(rng, "--rng ", "source=/dev/zero"), 0);
    ck_assert_str_eq(opts_str(rng, "source"), "/dev/zero");
    opts_destroy(rng);
}
END_TEST

START_TEST(no_table_has_no_keys)
{
    struct opts *none = NULL;

    ck_assert_int_eq(opts_create(NULL, &none), 0);
    ck_assert_int_eq(opts_parse(none, "--dev ", ""), 0);
    capture_start(&capture);
    int r = opts_parse(none, "--dev ", "a=b");
    (void)capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_str_eq(capture.text, "linnet: error: --dev \"a\": no such key; known keys: none\n");
    opts_destroy(none);
}
END_TEST

START_TEST(set_replaces_and_null_goes_back_to_the_default)
{
    ck_assert_int_eq(opts_set(opts, "", "rate", "8000"), 0);
    ck_assert_int_eq(opts_set(opts, "", "rate", "16000"), 0);
    ck_assert_uint_eq(opts_u64(opts, "rate"), 16000);
    ck_assert_int_eq(opts_set(opts, "", "rate", NULL), 0);
    ck_assert_uint_eq(opts_u64(opts, "rate"), 48000);
    ck_assert(!opts_given(opts, "rate"));
}
END_TEST

START_TEST(failed_set_leaves_the_value)
{
    ck_assert_int_eq(opts_set(opts, "", "rate", "8000"), 0);
    ck_assert_int_eq(parse("rate=fast"), -EINVAL);
    ck_assert_uint_eq(opts_u64(opts, "rate"), 8000);
}
END_TEST

START_TEST(choice_with_text_gives_index_and_text)
{
    ck_assert_int_eq(parse("host=file:a:b.wav"), 0);
    ck_assert_uint_eq(opts_choice(opts, "host"), 1);
    ck_assert_str_eq(opts_choice_arg(opts, "host"), "a:b.wav");
    ck_assert_str_eq(opts_str(opts, "host"), "file:a:b.wav");
}
END_TEST

/* -- the language of "key=value,..." -- */

static const struct {
    const char *text, *text_is;
} text_rows[] = {
    {"text=a", "a"},
    {"text=", ""},
    {"text=a=b=c", "a=b=c"},
    {"text=a,,b", "a,b"},
    {"text=,,", ","},
    {"text=a,,", "a,"},
    {"text=,,a", ",a"},
    {"text=a,,,,b", "a,,b"},
    {"text=a,,,loop", "a,"}, /* from the left: a comma in the value, then the end of it */
    {"text=''", ""},
    {"text='a,b'", "a,b"},
    {"text='a,,b'", "a,,b"},
    {"text='it''s'", "it's"},
    {"text=''''", "'"},
    {"text='a',loop", "a"},
    {"text=it's", "it's"},
    {"text='freq=440,tol=1'", "freq=440,tol=1"},
    {"text=freq=440,,tol=1", "freq=440,tol=1"},
    {"loop,text=z", "z"},
    {"", "none"},
    {"loop", "none"},
};

START_TEST(text_value_is_read)
{
    ck_assert_int_eq(parse(text_rows[_i].text), 0);
    ck_assert_str_eq(opts_str(opts, "text"), text_rows[_i].text_is);
    ck_assert_str_eq(capture.text, "");
}
END_TEST

START_TEST(many_keys_are_read_in_one_text)
{
    ck_assert_int_eq(parse("path=/a/b c,rate=44100,size=1M,wait=1500ms,mix=off,loop,host=alsa"), 0);
    ck_assert_str_eq(opts_str(opts, "path"), "/a/b c");
    ck_assert_uint_eq(opts_u64(opts, "rate"), 44100);
    ck_assert_uint_eq(opts_bytes(opts, "size"), 1048576);
    ck_assert_uint_eq(opts_ns(opts, "wait"), 1500000000);
    ck_assert(!opts_bool(opts, "mix"));
    ck_assert(opts_bool(opts, "loop"));
    ck_assert_uint_eq(opts_choice(opts, "host"), 0);
}
END_TEST

static const struct {
    const char *text, *said;
} error_rows[] = {
    {"=", "--dev a key is missing before =; write key=value,key=value"},
    {",", "--dev a key is missing at a comma"},
    {"loop,", "--dev a key is missing at a comma"},
    {"loop,,text=a", "--dev a key is missing at a comma"},
    {"text=a,", "--dev a key is missing at a comma"},
    {"loop,=a", "--dev a key is missing before ="},
    {"tetx=a", "--dev \"tetx\": no such key; did you mean \"text\"?"},
    {"Text=a", "--dev \"Text\": no such key; did you mean \"text\"?"},
    {"zzzzzz=a", "no such key; known keys: text, short, path, label, rate, big, size, mem, wait, "
                 "loop, mix, host"},
    {"text=a,b",
     "--dev \"b\": no such key; did you mean \"big\"? (a comma in a value is written ,,)"},
    {"text=a,text=b", "--dev text: given twice"},
    {"text", "--dev text: needs a value; write text=VALUE"},
    {"text='a", "--dev text: the quote is not closed"},
    {"text='", "--dev text: the quote is not closed"},
    {"text='a''", "--dev text: the quote is not closed"},
    {"text='a'b", "--dev text: text after the closing quote"},
    {"text='a'=", "--dev text: text after the closing quote"},
    {"text=a\nb", "--dev text: \"a?b\" has control characters or is not UTF-8"},
    {"rate=0", "--dev rate: \"0\" is out of range; give a whole number, 1 to 768000"},
    {"te\nxt=a", "--dev \"te?xt\": no such key"},
};

START_TEST(wrong_text_is_refused_in_one_line)
{
    ck_assert_int_eq(parse(error_rows[_i].text), -EINVAL);
    ck_assert_one_error(capture.text, error_rows[_i].said);
}
END_TEST

START_TEST(text_of_64_kib_is_taken_and_one_more_byte_is_not)
{
    static char text[65538];

    memset(text, ',', sizeof(text) - 1);
    memcpy(text, "short='", 7);
    text[65535] = '\'';
    text[65536] = '\0';
    ck_assert_int_eq(parse(text), -EINVAL); /* the text is taken, the value is not */
    ck_assert_ptr_nonnull(strstr(capture.text, "--dev short: too long; at most 4 bytes"));
    text[65535] = ',';
    text[65536] = '\'';
    ck_assert_int_eq(parse(text), -EINVAL);
    ck_assert_ptr_nonnull(strstr(capture.text, "--dev too long; at most 65536 bytes"));
}
END_TEST

/* A small generator: the same values on every run. */
static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 16;
}

/* Writes a value as the language has it, one way or the other. */
static size_t write_quoted(char *out, const char *value, bool quoted)
{
    const char mark = quoted ? '\'' : ',';
    size_t len = 0;

    if (quoted)
        out[len++] = '\'';
    for (; *value != '\0'; value++) {
        out[len++] = *value;
        if (*value == mark)
            out[len++] = mark;
    }
    if (quoted)
        out[len++] = '\'';
    out[len] = '\0';
    return len;
}

START_TEST(any_value_written_either_way_reads_back)
{
    static const char letters[] = "a,'=";
    uint32_t state = 1;

    for (unsigned round = 0; round < 20000; round++) {
        char value[9], text[64] = "text=";
        size_t len = random_next(&state) % sizeof(value);
        for (size_t i = 0; i < len; i++)
            value[i] = letters[random_next(&state) % 4];
        value[len] = '\0';
        /* Only in quotes can a value begin with one. */
        bool quoted = value[0] == '\'' || random_next(&state) % 2 == 0;
        size_t end = 5 + write_quoted(text + 5, value, quoted);
        strcpy(text + end, ",loop");
        ck_assert_int_eq(opts_parse(opts, "--dev ", text), 0);
        ck_assert_str_eq(opts_str(opts, "text"), value);
        ck_assert(opts_bool(opts, "loop"));
    }
}
END_TEST

/* -- options among a command's words -- */

static const struct {
    const char *words[3];
    int r, index;
    const char *text_is;
} take_rows[] = {
    {{"--text", "a"}, 1, 2, "a"},
    {{"--text=a", "b"}, 1, 1, "a"},
    {{"--text=", "b"}, 1, 1, ""},
    {{"--text", ""}, 1, 2, ""},
    {{"--text", "-"}, 1, 2, "-"},
    {{"--text", "-1"}, 1, 2, "-1"},
    {{"--text=--x"}, 1, 1, "--x"},
    {{"--text=a=b"}, 1, 1, "a=b"},
    {{"--text=a,b"}, 1, 1, "a,b"}, /* commas mean nothing here */
    {{"--loop", "text"}, 1, 1, "none"},
    {{"--text"}, -EINVAL, 0, "none"},
    {{"--text", "--loop"}, -EINVAL, 0, "none"},
    {{"--tex", "a"}, 0, 0, "none"},
    {{"--texts", "a"}, 0, 0, "none"},
    {{"--", "a"}, 0, 0, "none"},
    {{"--=a"}, 0, 0, "none"},
    {{"-text", "a"}, 0, 0, "none"},
    {{"text", "a"}, 0, 0, "none"},
    {{""}, 0, 0, "none"},
};

START_TEST(option_is_taken_from_the_words)
{
    char buf[3][16], *argv[4] = {NULL};
    const struct opt *row = NULL;
    int index = 0;

    for (size_t i = 0; i < 3 && take_rows[_i].words[i] != NULL; i++)
        argv[i] = strcpy(buf[i], take_rows[_i].words[i]);
    capture_start(&capture);
    int r = opts_take(opts, argv, &index, &row);
    (void)capture_end(&capture);
    ck_assert_int_eq(r, take_rows[_i].r);
    ck_assert_int_eq(index, take_rows[_i].index);
    ck_assert_str_eq(opts_str(opts, "text"), take_rows[_i].text_is);
    ck_assert_int_eq(row != NULL, r == 1);
    ck_assert_int_eq(capture_is_one_error(capture.text), r < 0);
}
END_TEST

START_TEST(required_key_is_missed_until_given)
{
    struct opts *required = NULL;

    ck_assert_int_eq(opts_create(required_opts, &required), 0);
    capture_start(&capture);
    int r = opts_check(required, "--dev ");
    (void)capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_str_eq(capture.text, "linnet: error: --dev path: missing; give the name of a file "
                                   "(file to record into)\n");
    ck_assert_int_eq(opts_parse(required, "--dev ", "path=a"), 0);
    ck_assert_int_eq(opts_check(required, "--dev "), 0);
    opts_destroy(required);
}
END_TEST

/* -- several of a kind -- */

static int check_unique(const char *const texts[], unsigned count)
{
    static const struct opt rows[] = {
        {.name = "tag", .help = "name", .flags = OPT_UNIQUE}, {.name = "text", .help = "any"}, {0}};
    struct opts *items[3];
    int r = 0;

    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_eq(opts_create(rows, &items[i]), 0);
        ck_assert_int_eq(opts_parse(items[i], "--dev ", texts[i]), 0);
    }
    capture_start(&capture);
    r = opts_check_unique(items, count, "dev");
    (void)capture_end(&capture);
    while (count > 0)
        opts_destroy(items[--count]);
    return r;
}

START_TEST(values_that_must_differ_do)
{
    ck_assert_int_eq(check_unique((const char *const[]){"tag=a,text=x", "tag=b,text=x"}, 2), 0);
    ck_assert_int_eq(check_unique((const char *const[]){"text=x", "text=x", "tag=x"}, 3), 0);
    ck_assert_int_eq(check_unique(NULL, 0), 0);
    ck_assert_str_eq(capture.text, "");
}
END_TEST

START_TEST(value_that_two_have_is_refused)
{
    ck_assert_int_eq(check_unique((const char *const[]){"tag=a", "tag=b", "tag=a"}, 3), -EINVAL);
    ck_assert_str_eq(capture.text,
                     "linnet: error: --dev tag: two have \"a\"; give each one of its own\n");
}
END_TEST

/* -- memory runs out -- */

START_TEST(every_failed_allocation_is_told_and_nothing_leaks)
{
    unsigned failures = 0;
    bool failed = true;

    for (unsigned n = 0; n < 20 && failed; n++) {
        struct opts *made = NULL;
        capture_start(&capture);
        alloc_fail_after(n);
        int r = opts_create(every_type, &made);
        if (r == 0)
            r = opts_parse(made, "--dev ", "text=a,path=b,rate=1");
        failed = alloc_fail_stop();
        (void)capture_end(&capture);
        opts_destroy(made);
        ck_assert_int_eq(r, failed ? -ENOMEM : 0);
        ck_assert_int_eq(capture_is_one_error(capture.text), failed);
        failures += failed;
    }
    ck_assert_uint_eq(failures, 5); /* the struct, the text, three values */
}
END_TEST

Suite *opts_suite(void)
{
    Suite *suite = suite_create("opts");
    TCase *tcase = tcase_create("opts");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, defaults_hold_until_something_is_given);
    tcase_add_test(tcase, has_counts_defaults_and_given_does_not);
    tcase_add_test(tcase, row_by_position_parses);
    tcase_add_test(tcase, no_table_has_no_keys);
    tcase_add_test(tcase, set_replaces_and_null_goes_back_to_the_default);
    tcase_add_test(tcase, failed_set_leaves_the_value);
    tcase_add_test(tcase, choice_with_text_gives_index_and_text);
    tcase_add_loop_test(tcase, text_value_is_read, 0, ARRAY_SIZE(text_rows));
    tcase_add_test(tcase, many_keys_are_read_in_one_text);
    tcase_add_loop_test(tcase, wrong_text_is_refused_in_one_line, 0, ARRAY_SIZE(error_rows));
    tcase_add_test(tcase, text_of_64_kib_is_taken_and_one_more_byte_is_not);
    tcase_add_test(tcase, any_value_written_either_way_reads_back);
    tcase_add_loop_test(tcase, option_is_taken_from_the_words, 0, ARRAY_SIZE(take_rows));
    tcase_add_test(tcase, required_key_is_missed_until_given);
    tcase_add_test(tcase, values_that_must_differ_do);
    tcase_add_test(tcase, value_that_two_have_is_refused);
    tcase_add_test(tcase, every_failed_allocation_is_told_and_nothing_leaks);
    suite_add_tcase(suite, tcase);
    return suite;
}
