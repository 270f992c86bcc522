/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/config/config_json.c: a configuration from JSON and to it, and memory that runs out.
 */
#include "tests/alloc_fail.h"
#include "tests/vmm/config/config_kinds.h"

#include <jansson.h>
#include <string.h>

Suite *config_json_suite(void);

/* Reads, and keeps what was said in capture.text. */
static int load(const char *json)
{
    int r;

    capture_start(&capture);
    r = config_load_json(config, "vm.json", json, strlen(json));
    (void)capture_end(&capture);
    return r;
}

START_TEST(json_sets_options_and_devices)
{
    ck_assert_int_eq(
        load("{\"kernel\": \"k\", \"initrd\": \"\\u00e9\", \"mem\": \"1G\", \"cpus\": 4,"
             " \"time-limit\": \"2m\", \"serial\": \"file:a\","
             " \"snd\": [{\"host\": \"file\", \"path\": \"x.wav\", \"loop\": true,"
             " \"ring\": 4096, \"wait\": \"5ms\", \"expect\": \"freq=440,tol=1\"}, {}],"
             " \"plain\": [{}], \"rng\": []}"),
        0);
    const struct opts *snd = config_device(config, "snd", 0);
    ck_assert_str_eq(opts_str(config->options, "kernel"), "k");
    ck_assert_str_eq(opts_str(config->options, "initrd"), "\xc3\xa9");
    ck_assert_uint_eq(opts_bytes(config->options, "mem"), 1073741824);
    ck_assert_uint_eq(opts_u64(config->options, "cpus"), 4);
    ck_assert_uint_eq(opts_ns(config->options, "time-limit"), 120000000000);
    ck_assert_str_eq(opts_choice_arg(config->options, "serial"), "a");
    ck_assert_uint_eq(config_count(config, "snd"), 2);
    ck_assert_uint_eq(config_count(config, "plain"), 1);
    ck_assert_uint_eq(config_count(config, "rng"), 0);
    ck_assert_uint_eq(opts_choice(snd, "host"), 1);
    ck_assert_str_eq(opts_str(snd, "path"), "x.wav");
    ck_assert(opts_bool(snd, "loop"));
    ck_assert_uint_eq(opts_bytes(snd, "ring"), 4096);
    ck_assert_uint_eq(opts_ns(snd, "wait"), 5000000);
    ck_assert_str_eq(opts_str(snd, "expect"), "freq=440,tol=1");
}
END_TEST

START_TEST(json_number_means_what_a_plain_number_means_on_the_command_line)
{
    ck_assert_int_eq(load("{\"mem\": 1024, \"time-limit\": 90}"), 0);
    ck_assert_uint_eq(opts_bytes(config->options, "mem"), 1073741824);
    ck_assert_uint_eq(opts_ns(config->options, "time-limit"), 90000000000);
}
END_TEST

START_TEST(json_null_takes_a_value_back)
{
    ck_assert_int_eq(load("{\"initrd\": \"i\"}"), 0);
    ck_assert_int_eq(load("{\"initrd\": null}"), 0);
    ck_assert_ptr_null(opts_str(config->options, "initrd"));
}
END_TEST

static const struct {
    const char *json, *said;
} error_rows[] = {
    {"", "vm.json:1:1: not JSON: "},
    {"{", "vm.json:1:1: not JSON: "},
    {"{\n  \"mem\": 1,\n  \"cpus\" 4\n}\n",
     "vm.json:3:10: not JSON: ':' expected near '4'; mend it"},
    {"{\"mem\": 1}x", "vm.json:1:11: not JSON: end of file expected near 'x'"},
    {"{\"mem\": 1,}", "vm.json:1:11: not JSON: "},
    {"{'mem': 1}", "vm.json:1:2: not JSON: "},
    {"{\"mem\": 01}", "not JSON: "},
    {"{\"mem\": NaN}", "not JSON: "},
    {"{\"name\": \"a\nb\"}", "vm.json:1:"},
    {"{\"name\": \"\xff\"}", "not JSON: "},
    {"{\"name\": \"\\ud800\"}", "not JSON: "},
    {"{\"append\": \"a\\u0000b\"}", "not JSON: a NUL character in a string; mend it there"},
    {"{\"me\\u0000m\": 1}", "not JSON: a NUL character in a string; mend it there"},
    {"{\"cpus\": 9223372036854775808}", "vm.json:1:28: not JSON: "},
    {"{\"mem\": 1, \"cpus\": 1, \"mem\": 2}",
     "vm.json:1:27: not JSON: duplicate object key near '\"mem\"'"},
    {"{\"snd\": [{\"path\": \"a\", \"path\": \"b\"}]}", "duplicate object key"},
    {"[]", "vm.json: is a list; give an object"},
    {"{\"mme\": 1}", "vm.json: \"mme\": no such key; did you mean \"mem\"?"},
    {"{\"time_limit\": 1}", "vm.json: \"time_limit\": no such key; did you mean \"time-limit\"?"},
    {"{\"Snd\": []}", "vm.json: \"Snd\": no such key; did you mean \"snd\"?"},
    {"{\"memory\": 1}", "vm.json: \"memory\": no such key; `linnet run --help` lists all"},
    {"{\"\": 1}", "vm.json: \"\": no such key"},
    {"{\"a\\nb\": 1}", "vm.json: \"a?b\": no such key"},
    {"{\"help\": \"text\"}", "vm.json: help: is for the command line only; take it out"},
    {"{\"config\": \"a.json\"}", "vm.json: config: is for the command line only"},
    {"{\"print-config\": true}", "vm.json: print-config: is for the command line only"},
    {"{\"kernel\": 1}", "vm.json: kernel: is a whole number; give a string: the name of a file"},
    {"{\"kernel\": \"\"}", "vm.json: kernel: \"\" will not do"},
    {"{\"append\": [\"a\"]}", "vm.json: append: is a list; give a string: text"},
    {"{\"append\": null}", "vm.json: append: is null; give a string: text"},
    {"{\"append\": \"a\\nb\"}", "vm.json: append: \"a?b\" has control characters"},
    {"{\"mem\": true}", "vm.json: mem: is true; give a string: a whole number with K, M, G or T, "
                        "16M to 1T, in steps of 1M"},
    {"{\"mem\": 512.0}", "vm.json: mem: is a fraction; give"},
    {"{\"mem\": 5e2}", "vm.json: mem: is a fraction; give"},
    {"{\"mem\": 0}", "vm.json: mem: \"0\" is out of range; give"},
    {"{\"mem\": -512}", "vm.json: mem: \"-512\" is out of range; give"},
    {"{\"mem\": -9223372036854775808}", "\"-9223372036854775808\" is out of range"},
    {"{\"mem\": 9223372036854775807}", "\"9223372036854775807\" is out of range"},
    {"{\"cpus\": \"4\"}", "vm.json: cpus: is a string; give a whole number, 1 to 64, or all"},
    {"{\"cpus\": 65}",
     "vm.json: cpus: \"65\" is out of range; give a whole number, 1 to 64, or all"},
    {"{\"cpus\": {}}", "vm.json: cpus: is an object; give a whole number, 1 to 64, or all"},
    {"{\"kvm\": false}", "vm.json: kvm: is false; give a string: hardware or any"},
    {"{\"kvm\": \"Any\"}", "vm.json: kvm: \"Any\" will not do; give hardware or any; did you mean "
                           "\"any\"?"},
    {"{\"snd\": {}}", "vm.json: snd: is an object; give a list of objects"},
    {"{\"snd\": null}", "vm.json: snd: is null; give a list of objects"},
    {"{\"snd\": [{}, 1]}",
     "vm.json: snd[1]: is a whole number; give an object of the device's keys"},
    {"{\"snd\": [{}, {\"pth\": \"a\"}]}",
     "vm.json: snd[1].\"pth\": no such key; did you mean \"path\"?"},
    {"{\"snd\": [{\"loop\": \"on\"}]}", "vm.json: snd[0].loop: is a string; give true or false"},
    {"{\"snd\": [{\"loop\": 1}]}", "vm.json: snd[0].loop: is a whole number; give true or false"},
    {"{\"snd\": [{\"streams\": 0}]}", "vm.json: snd[0].streams: \"0\" is out of range"},
    {"{\"snd\": [{\"ring\": \"2M\"}]}", "vm.json: snd[0].ring: \"2M\" is out of range"},
    {"{\"snd\": [{}, {}, {}]}", "vm.json: snd[2]: one too many; a machine has at most 2 of snd"},
    {"{\"disk\": [{}]}", "vm.json: disk[0].path: missing; give the name of a file (image)"},
    {"{\"disk\": [{\"path\": null}]}", "vm.json: disk[0].path: missing"},
    {"{\"plain\": [{\"a\": 1}]}", "vm.json: plain[0].\"a\": no such key; known keys: none"},
};

START_TEST(wrong_json_is_refused_in_one_line)
{
    ck_assert_int_eq(load(error_rows[_i].json), -EINVAL);
    ck_assert_one_error(capture.text, error_rows[_i].said);
}
END_TEST

START_TEST(nul_byte_in_json_text_is_refused)
{
    static const char json[] = "{\"mem\": 512}\0";
    int r;

    capture_start(&capture);
    r = config_load_json(config, "vm.json", json, sizeof(json) - 1);
    (void)capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(capture.text, "");
}
END_TEST

START_TEST(errno_of_earlier_is_not_taken_for_lack_of_memory)
{
    capture_start(&capture);
    errno = ENOMEM;
    int r = config_load_json(config, "vm.json", "{", 1);
    (void)capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
}
END_TEST

START_TEST(json_nested_without_end_is_refused)
{
    static char json[100000];

    memset(json, '[', sizeof(json) - 1);
    ck_assert_int_eq(load(json), -EINVAL);
    ck_assert_one_error(capture.text, "");
}
END_TEST

START_TEST(long_file_name_leaves_room_for_what_is_wrong)
{
    static const char json[] = "{\"snd\": [{\"streams\": 0}]}";
    char name[3001];
    int r;

    memset(name, 'n', sizeof(name) - 1);
    strcpy(name + 2995, ".json");
    capture_start(&capture);
    r = config_load_json(config, name, json, sizeof(json) - 1);
    (void)capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_ptr_nonnull(strstr(capture.text, "error: ...nnn"));
    ck_assert_ptr_nonnull(strstr(capture.text, "n.json: snd[0].streams: \"0\" is out of range"));
}
END_TEST

START_TEST(long_file_name_is_cut_between_characters)
{
    char name[241];

    for (size_t i = 0; i < 240; i += 3)
        memcpy(name + i, "\xe2\x82\xac", 3); /* 160 bytes from the end is inside one */
    name[240] = '\0';
    capture_start(&capture);
    int r = config_load_json(config, name, "[]", 2);
    (void)capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_ptr_nonnull(strstr(capture.text, "error: ...\xe2\x82\xac"));
}
END_TEST

/* -- printing -- */

static void print(const struct config *from, char *buf, size_t size)
{
    FILE *out = fmemopen(buf, size, "w");

    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(config_print(from, out), 0);
    ck_assert_int_eq(fclose(out), 0);
}

static const char everything[] = "{\n"
                                 "  \"kernel\": \"k\",\n"
                                 "  \"initrd\": null,\n"
                                 "  \"append\": \"\",\n"
                                 "  \"unpack\": \"host\",\n"
                                 "  \"kernel-cache\": \"on\",\n"
                                 "  \"seed\": null,\n"
                                 "  \"device-tree\": false,\n"
                                 "  \"dtb\": null,\n"
                                 "  \"dump-dtb\": null,\n"
                                 "  \"mem\": \"1G\",\n"
                                 "  \"hugepages\": \"auto\",\n"
                                 "  \"cpus\": 1,\n"
                                 "  \"watchdog\": false,\n"
                                 "  \"transport\": \"mmio\",\n"
                                 "  \"serial\": \"stdio\",\n"
                                 "  \"root\": \"/\",\n"
                                 "  \"cwd\": null,\n"
                                 "  \"user\": null,\n"
                                 "  \"tty\": \"auto\",\n"
                                 "  \"systemd\": false,\n"
                                 "  \"modules\": \"auto\",\n"
                                 "  \"boot-limit\": \"2m\",\n"
                                 "  \"name\": \"linnet\",\n"
                                 "  \"control\": null,\n"
                                 "  \"time-limit\": \"90s\",\n"
                                 "  \"summary\": null,\n"
                                 "  \"junit\": null,\n"
                                 "  \"transcript\": null,\n"
                                 "  \"trace\": null,\n"
                                 "  \"until\": null,\n"
                                 "  \"fail-on\": null,\n"
                                 "  \"kvm\": \"hardware\",\n"
                                 "  \"log\": \"info\",\n"
                                 "  \"rng\": [],\n"
                                 "  \"snd\": [\n"
                                 "    {\n"
                                 "      \"host\": \"null\",\n"
                                 "      \"path\": null,\n"
                                 "      \"streams\": 1,\n"
                                 "      \"ring\": \"64K\",\n"
                                 "      \"wait\": \"20ms\",\n"
                                 "      \"loop\": true,\n"
                                 "      \"expect\": \"freq=440,tol=1\"\n"
                                 "    },\n"
                                 "    {\n"
                                 "      \"host\": \"null\",\n"
                                 "      \"path\": null,\n"
                                 "      \"streams\": 1,\n"
                                 "      \"ring\": \"64K\",\n"
                                 "      \"wait\": \"20ms\",\n"
                                 "      \"loop\": false,\n"
                                 "      \"expect\": null\n"
                                 "    }\n"
                                 "  ],\n"
                                 "  \"disk\": [],\n"
                                 "  \"plain\": [\n"
                                 "    {}\n"
                                 "  ]\n"
                                 "}\n";

START_TEST(print_says_everything_in_the_order_of_the_tables)
{
    char text[4096] = "";

    ck_assert_int_eq(load("{\"plain\": [{}], \"mem\": 1024, \"time-limit\": 90, \"kernel\": \"k\","
                          " \"snd\": [{\"loop\": true, \"expect\": \"freq=440,tol=1\"}, {}]}"),
                     0);
    print(config, text, sizeof(text));
    ck_assert_str_eq(text, everything);
}
END_TEST

static const char *const round_trip_rows[] = {
    "{}",
    "{\"kernel\": \"k\", \"initrd\": \"i\", \"mem\": 17, \"cpus\": 64}",
    "{\"append\": \"\\\"a\\\\b\\\" \\u00e9 \\ud83d\\udc26 -- c/d\"}",
    "{\"serial\": \"file:a b\", \"name\": \"x.y_z-1\", \"time-limit\": \"8760h\", \"kvm\": "
    "\"any\"}",
    "{\"time-limit\": \"1ms\", \"serial\": \"none\", \"log\": \"error\"}",
    "{\"rng\": [{\"source\": \"a,b\"}]}",
    "{\"snd\": [{\"ring\": 4097, \"wait\": \"59s\", \"loop\": true}, {\"ring\": 0, \"wait\": 0}]}",
    "{\"disk\": [{\"path\": \"a\"}, {\"path\": \"b\"}, {\"path\": \"c,d'e\"}], \"plain\": [{}, "
    "{}]}",
};

START_TEST(print_reads_back_to_the_same)
{
    char first[8192] = "", second[8192] = "";
    struct config *copy = NULL;

    ck_assert_int_eq(load(round_trip_rows[_i]), 0);
    print(config, first, sizeof(first));
    ck_assert_int_eq(config_create(config_kinds, &copy), 0);
    ck_assert_int_eq(config_load_json(copy, "printed", first, strlen(first)), 0);
    print(copy, second, sizeof(second));
    ck_assert_str_eq(first, second);
    for (size_t i = 0; i < config->options->count; i++)
        ck_assert_uint_eq(copy->options->values[i].number, config->options->values[i].number);
    config_destroy(copy);
}
END_TEST

START_TEST(print_to_a_full_disk_is_told)
{
    FILE *full = fopen("/dev/full", "w");
    int r;

    ck_assert_ptr_nonnull(full);
    capture_start(&capture);
    r = config_print(config, full);
    (void)capture_end(&capture);
    (void)fclose(full);
    ck_assert_int_eq(r, -ENOSPC);
    ck_assert_str_eq(capture.text, "linnet: error: --print-config: No space left on device\n");
}
END_TEST

/* -- memory runs out -- */

/* Makes, reads and prints a configuration: 0 or the first failure. */
static int whole_life(FILE *out)
{
    static const char json[] = "{\"kernel\": \"k\", \"cpus\": 2, \"snd\": [{\"path\": \"a\"}, {}]}";
    char *argv[] = {(char[]){"--rng"}, (char[]){"source=a"}, (char[]){"--mem=1G"}, NULL};
    struct config *made = NULL;
    int r = config_create(config_kinds, &made);

    if (r == 0)
        r = config_load_json(made, "vm.json", json, sizeof(json) - 1);
    if (r == 0)
        r = config_parse_args(made, argv);
    if (r == 0)
        r = config_print(made, out);
    config_destroy(made);
    return r;
}

START_TEST(every_failed_allocation_is_told_and_nothing_leaks)
{
    json_malloc_t json_malloc_real;
    json_free_t json_free_real;
    FILE *out = fopen("/dev/null", "w");
    unsigned failures = 0;
    bool failed = true;

    ck_assert_ptr_nonnull(out);
    json_get_alloc_funcs(&json_malloc_real, &json_free_real);
    json_set_alloc_funcs(alloc_fail_malloc, free);
    for (unsigned n = 0; n < 500 && failed; n++) {
        capture_start(&capture);
        alloc_fail_after(n);
        int r = whole_life(out);
        failed = alloc_fail_stop();
        (void)capture_end(&capture);
        ck_assert_msg(r == (failed ? -ENOMEM : 0), "%u: %d %s", n, r, capture.text);
        ck_assert_msg(capture_is_one_error(capture.text) == failed, "%u: %s", n, capture.text);
        failures += failed;
    }
    json_set_alloc_funcs(json_malloc_real, json_free_real);
    (void)fclose(out);
    ck_assert(!failed);
    ck_assert_uint_gt(failures, 50);
}
END_TEST

START_TEST(no_memory_to_read_a_file_is_told)
{
    capture_start(&capture);
    alloc_fail_after(0);
    int r = config_load_file(config, "/dev/null");
    bool failed = alloc_fail_stop();
    (void)capture_end(&capture);
    ck_assert(failed);
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_str_eq(capture.text, "linnet: error: --config: Cannot allocate memory\n");
}
END_TEST

Suite *config_json_suite(void)
{
    Suite *suite = suite_create("config_json");
    TCase *tcase = tcase_create("config_json");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, json_sets_options_and_devices);
    tcase_add_test(tcase, json_number_means_what_a_plain_number_means_on_the_command_line);
    tcase_add_test(tcase, json_null_takes_a_value_back);
    tcase_add_loop_test(tcase, wrong_json_is_refused_in_one_line, 0, ARRAY_SIZE(error_rows));
    tcase_add_test(tcase, nul_byte_in_json_text_is_refused);
    tcase_add_test(tcase, errno_of_earlier_is_not_taken_for_lack_of_memory);
    tcase_add_test(tcase, json_nested_without_end_is_refused);
    tcase_add_test(tcase, long_file_name_leaves_room_for_what_is_wrong);
    tcase_add_test(tcase, long_file_name_is_cut_between_characters);
    tcase_add_test(tcase, no_memory_to_read_a_file_is_told);
    tcase_add_test(tcase, print_says_everything_in_the_order_of_the_tables);
    tcase_add_loop_test(tcase, print_reads_back_to_the_same, 0, ARRAY_SIZE(round_trip_rows));
    tcase_add_test(tcase, print_to_a_full_disk_is_told);
    tcase_add_test(tcase, every_failed_allocation_is_told_and_nothing_leaks);
    suite_add_tcase(suite, tcase);
    return suite;
}
