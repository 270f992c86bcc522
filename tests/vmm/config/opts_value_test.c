/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/config/opts_value.c: one value of each type, its bounds, and numbers back to text.
 */
#include "tests/capture.h"
#include "tests/vmm/config/opts_rows.h"

#include <check.h>
#include <string.h>

Suite *opts_value_suite(void);

static struct capture capture;

/* Parses as the key's row would, and keeps what was said in capture.text. */
static int parse(const char *key, const char *text, uint64_t *ret_number)
{
    int r;

    capture_start(&capture);
    r = opt_value_parse(opt_find(every_type, key), "--dev ", text, ret_number);
    (void)capture_end(&capture);
    return r;
}

static const struct {
    const char *key, *text, *said;
} error_rows[] = {
    {"short", "12345", "--dev short: too long; at most 4 bytes are taken"},
    {"path", "", "--dev path: \"\" will not do; give the name of a file"},
    {"label", ".x", "--dev label: \".x\" will not do; give up to 64 letters, digits"},
    {"label", "-x", "will not do"},
    {"label", "_x", "will not do"},
    {"label", "", "will not do"},
    {"label", "a/b", "will not do"},
    {"label", "\xc3\xa9", "will not do"},
    {"rate", "0", "--dev rate: \"0\" is out of range; give a whole number, 1 to 768000"},
    {"rate", "768001", "\"768001\" is out of range"},
    {"rate", "-1", "\"-1\" is out of range"},
    {"rate", "x", "--dev rate: \"x\" will not do; give a whole number, 1 to 768000"},
    {"rate", "", "\"\" will not do"},
    {"rate", "1.5", "will not do"},
    {"rate", " 1", "will not do"},
    {"rate", "1 ", "will not do"},
    {"rate", "+1", "will not do"},
    {"rate", "0x10", "will not do"},
    {"rate", "1K", "will not do"},
    {"rate", "-", "will not do"},
    {"big", "9223372036854775808", "\"9223372036854775808\" is out of range; give a whole number"},
    {"big", "18446744073709551616", "is out of range"},
    {"big", "184467440737095516165", "is out of range"}, /* 10 * 2^64 + 5 */
    {"big", "99999999999999999999999999999999", "is out of range"},
    {"size", "1B", "--dev size: \"1B\" will not do; give a whole number with K, M, G or T"},
    {"size", "1KB", "will not do"},
    {"size", "K", "will not do"},
    {"size", "1.5G", "will not do"},
    {"size", "8388608T", "is out of range"},
    {"size", "16777216T", "is out of range"},
    {"size", "18446744073709551615T", "is out of range"},
    {"mem", "0",
     "--dev mem: \"0\" is out of range; give a whole number with K, M, G or T, 16M to 1T, "
     "in steps of 1M"},
    {"mem", "15", "is out of range"},
    {"mem", "1025G", "is out of range"},
    {"mem", "16385K", "--dev mem: \"16385K\" is between two steps"},
    {"wait", "1us", "--dev wait: \"1us\" will not do; give a whole number with ms, s, m or h"},
    {"wait", "3601", "is out of range"},
    {"wait", "61m", "is out of range"},
    {"wait", "2h", "is out of range"},
    {"wait", "-1s", "is out of range"},
    {"text", "a\nb", "--dev text: \"a?b\" has control characters or is not UTF-8; give plain text"},
    {"text", "\xff", "--dev text: \"?\" has control characters or is not UTF-8"},
    {"loop", "", "--dev loop: \"\" will not do; give on or off"},
    {"loop", "maybe", "--dev loop: \"maybe\" will not do; give on or off"},
    {"loop", "2", "will not do"},
    {"host", "nul", "\"nul\" will not do; give alsa, file:PATH or null; did you mean \"null\"?"},
    {"host", "file", "\"file\" will not do; give alsa, file:PATH or null"},
    {"host", "file:", "\"file:\" will not do"},
    {"host", "alsa:", "\"alsa:\" will not do"},
    {"host", "", "will not do"},
};

START_TEST(wrong_value_is_refused_in_one_line)
{
    uint64_t number = 4711;

    ck_assert_int_eq(parse(error_rows[_i].key, error_rows[_i].text, &number), -EINVAL);
    ck_assert_uint_eq(number, 4711);
    ck_assert_one_error(capture.text, error_rows[_i].said);
}
END_TEST

static const struct {
    const char *key, *text;
    uint64_t number;
    const char *printed;
} number_rows[] = {
    {"rate", "1", 1, "1"},
    {"rate", "768000", 768000, "768000"},
    {"rate", "0008000", 8000, "8000"},
    {"big", "0", 0, "0"},
    {"big", "9223372036854775807", INT64_MAX, "9223372036854775807"},
    {"size", "0", 0, "0"},
    {"size", "4097", 4097, "4097"},
    {"size", "1024", KIB, "1K"},
    {"size", "1k", KIB, "1K"},
    {"size", "1536K", 1536 * KIB, "1536K"},
    {"size", "1024M", GIB, "1G"},
    {"size", "3G", 3 * GIB, "3G"},
    {"size", "8388607T", 8388607 * TIB, "8388607T"},
    {"mem", "16", 16 * MIB, "16M"},
    {"mem", "16M", 16 * MIB, "16M"},
    {"mem", "6G", 6 * GIB, "6G"},
    {"mem", "1048576", TIB, "1T"},
    {"mem", "1T", TIB, "1T"},
    {"mem", "17408K", 17 * MIB, "17M"},
    {"wait", "0", 0, "0"},
    {"wait", "0ms", 0, "0"},
    {"wait", "1", 1000000000, "1s"},
    {"wait", "1ms", 1000000, "1ms"},
    {"wait", "1500ms", 1500000000, "1500ms"},
    {"wait", "90s", 90000000000, "90s"},
    {"wait", "60s", 60000000000, "1m"},
    {"wait", "60m", 3600000000000, "1h"},
};

START_TEST(number_is_read_and_printed_and_read_back)
{
    const struct opt *row = opt_find(every_type, number_rows[_i].key);
    char printed[OPT_NUMBER_SIZE];
    uint64_t number = 0;

    ck_assert_int_eq(opt_value_parse(row, "", number_rows[_i].text, &number), 0);
    ck_assert_uint_eq(number, number_rows[_i].number);
    ck_assert_str_eq(opt_number_text(row, number, printed), number_rows[_i].printed);
    ck_assert_int_eq(opt_value_parse(row, "", printed, &number), 0);
    ck_assert_uint_eq(number, number_rows[_i].number);
}
END_TEST

static const struct {
    const char *key, *text;
    uint64_t number;
} word_rows[] = {
    {"loop", "on", 1},     {"loop", "yes", 1},   {"loop", "true", 1}, {"loop", "off", 0},
    {"loop", "no", 0},     {"loop", "false", 0}, {"host", "alsa", 0}, {"host", "file:x", 1},
    {"host", "file::", 1}, {"host", "null", 2},
};

START_TEST(word_is_read_as_its_number)
{
    uint64_t number = 4711;

    ck_assert_int_eq(parse(word_rows[_i].key, word_rows[_i].text, &number), 0);
    ck_assert_uint_eq(number, word_rows[_i].number);
    ck_assert_str_eq(capture.text, "");
}
END_TEST

static const struct {
    const char *key;
    size_t bytes_max;
    const char *said;
} length_rows[] = {
    {"short", 4, "--dev short: too long; at most 4 bytes are taken"},
    {"text", 4095, "--dev text: too long; at most 4095 bytes are taken"},
    {"path", 4095, "--dev path: too long; at most 4095 bytes are taken"},
    {"label", 64, "--dev label: too long; at most 64 bytes are taken"},
};

START_TEST(longest_value_is_taken_and_one_more_byte_is_not)
{
    char text[4097];
    uint64_t number;

    memset(text, 'a', sizeof(text));
    text[length_rows[_i].bytes_max + 1] = '\0';
    ck_assert_int_eq(parse(length_rows[_i].key, text, &number), -EINVAL);
    ck_assert_msg(strstr(capture.text, length_rows[_i].said) != NULL, "%s", capture.text);
    text[length_rows[_i].bytes_max] = '\0';
    ck_assert_int_eq(parse(length_rows[_i].key, text, &number), 0);
}
END_TEST

START_TEST(range_is_said_as_the_user_would_write_it)
{
    char buf[OPT_RANGE_SIZE];
    const struct opt open_end = {.name = "n", .help = "n", .type = OPT_INT, .min = 2};

    ck_assert_str_eq(opt_range(opt_find(every_type, "rate"), buf), "1 to 768000");
    ck_assert_str_eq(opt_range(opt_find(every_type, "mem"), buf), "16M to 1T");
    ck_assert_str_eq(opt_range(opt_find(every_type, "wait"), buf), "0 to 1h");
    ck_assert_str_eq(opt_range(opt_find(every_type, "big"), buf), "");
    ck_assert_str_eq(opt_range(opt_find(every_type, "short"), buf), "");
    ck_assert_str_eq(opt_range(&open_end, buf), "2 or more");
}
END_TEST

Suite *opts_value_suite(void)
{
    Suite *suite = suite_create("opts_value");
    TCase *tcase = tcase_create("opts_value");

    tcase_add_loop_test(tcase, wrong_value_is_refused_in_one_line, 0, ARRAY_SIZE(error_rows));
    tcase_add_loop_test(tcase, number_is_read_and_printed_and_read_back, 0,
                        ARRAY_SIZE(number_rows));
    tcase_add_loop_test(tcase, word_is_read_as_its_number, 0, ARRAY_SIZE(word_rows));
    tcase_add_loop_test(tcase, longest_value_is_taken_and_one_more_byte_is_not, 0,
                        ARRAY_SIZE(length_rows));
    tcase_add_test(tcase, range_is_said_as_the_user_would_write_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
