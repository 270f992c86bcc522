/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/summary.c: the file that says how a run went, after each way to end. */
#include "vmm/summary.h"

#include "tests/capture.h"

#include <check.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

static const struct config_device_kind kinds[] = {{0}};
static char folder[] = "/tmp/linnet-summary-XXXXXX", path[64];
static struct config *config;
static struct summary summary;
static struct capture capture;

static void setup(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s.json", folder);
    ck_assert_int_eq(config_create(kinds, &config), 0);
    ck_assert_int_eq(opts_set(config->options, "--", "kernel", "k"), 0);
    ck_assert_int_eq(opts_set(config->options, "--", "name", "n1"), 0);
    ck_assert_int_eq(opts_set(config->options, "--", "summary", path), 0);
    capture_start(&capture);
}

static void teardown(void)
{
    (void)capture_end(&capture);
    config_destroy(config);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else is left */
}

static json_t *look(void)
{
    json_t *object = json_load_file(path, 0, NULL);

    ck_assert_ptr_nonnull(object);
    return object;
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value == NULL ? "(none)" : value;
}

/* The keys that each has, and of which type. */
static void check_schema(const json_t *object)
{
    static const char *const texts[] = {"linnet", "name", "end", "message", "started"};

    ck_assert_int_eq(json_integer_value(json_object_get(object, "schema")), 1);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        ck_assert_msg(json_is_string(json_object_get(object, texts[i])), "%s", texts[i]);
    ck_assert(json_is_real(json_object_get(object, "seconds")));
    const json_t *guest = json_object_get(object, "guest");
    ck_assert_int_eq(json_integer_value(json_object_get(guest, "cpus")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(guest, "memory")), 512 << 20);
    ck_assert_str_eq(text(json_object_get(object, "config"), "kernel"), "k");
    ck_assert(json_is_object(json_object_get(object, "ports")));
    ck_assert_uint_eq(json_object_size(object), 13);
}

START_TEST(a_run_begins)
{
    ck_assert_int_eq(summary_begin(&summary, config, NULL), 0);
    json_t *object = look();
    check_schema(object);
    ck_assert_str_eq(text(object, "end"), "running");
    ck_assert_str_eq(text(object, "name"), "n1");
    ck_assert_uint_eq(strlen(text(object, "started")), strlen("2026-01-01T00:00:00Z"));
    ck_assert(json_is_null(json_object_get(object, "status")));
    ck_assert(json_is_null(json_object_get(object, "status_from")));
    ck_assert(json_is_null(json_object_get(object, "command")));
    json_decref(object);
}
END_TEST

static const struct {
    enum vm_end how;
    int status;
    bool by_command;
    const char *end, *from;
} cases[] = {
    {VM_POWEROFF, 0, false, "poweroff", "linnet"},
    {VM_POWEROFF, 38, false, "expectation", "linnet"},
    {VM_RESET, 32, false, "reset", "linnet"},
    {VM_CRASHED, 33, false, "crash", "linnet"},
    {VM_PANICKED, 34, false, "panic", "linnet"},
    {VM_HOST_ERROR, 1, false, "host", "linnet"},
    {VM_TIME_LIMIT, 37, false, "time-limit", "linnet"},
    {VM_BOOT_LIMIT, 37, false, "boot-limit", "linnet"},
    {VM_QUIT, 0, false, "quit", "linnet"},
    {VM_SIGNAL, 143, false, "signal", "linnet"},
    {VM_UNTIL, 0, false, "until", "linnet"},
    {VM_FAIL_ON, 38, false, "expectation", "linnet"},
    {VM_COMMAND, 38, true, "command", "command"},
    {VM_COMMAND, 125, false, "command", "linnet"},
};

START_TEST(a_run_ends)
{
    char *const command[] = {(char *)"aplay", (char *)"\xff", NULL};

    ck_assert_int_eq(summary_begin(&summary, config, command), 0);
    (void)log_error(0, "snd0: heard 439 Hz");
    ck_assert_int_eq(summary_end(&summary, cases[_i].how, cases[_i].status, cases[_i].by_command),
                     0);
    json_t *object = look();
    check_schema(object);
    ck_assert_str_eq(text(object, "end"), cases[_i].end);
    ck_assert_str_eq(text(object, "status_from"), cases[_i].from);
    ck_assert_str_eq(text(object, "message"), "snd0: heard 439 Hz");
    ck_assert_int_eq(json_integer_value(json_object_get(object, "status")), cases[_i].status);
    json_t *words = json_object_get(object, "command");
    ck_assert_uint_eq(json_array_size(words), 2);
    ck_assert_str_eq(json_string_value(json_array_get(words, 0)), "aplay");
    ck_assert(json_is_null(json_array_get(words, 1))); /* JSON cannot say it */
    json_decref(object);
}
END_TEST

START_TEST(ports_are_told_while_it_runs)
{
    ck_assert_int_eq(summary_begin(&summary, config, NULL), 0);
    results_port(&summary.results, "tcp:22", 40123);
    results_port(&summary.results, "udp:53", 40124);
    summary_running(&summary);
    json_t *object = look();
    check_schema(object);
    ck_assert_str_eq(text(object, "end"), "running");
    json_t *ports = json_object_get(object, "ports");
    ck_assert_uint_eq(json_object_size(ports), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(ports, "tcp:22")), 40123);
    ck_assert_int_eq(json_integer_value(json_object_get(ports, "udp:53")), 40124);
    json_decref(object);
    summary_fini(&summary);
}
END_TEST

START_TEST(nobody_wants_one)
{
    ck_assert_int_eq(opts_set(config->options, "--", "summary", NULL), 0);
    ck_assert_int_eq(summary_begin(&summary, config, NULL), 0);
    ck_assert_int_eq(summary_end(&summary, VM_POWEROFF, 0, false), 0);
    ck_assert_int_lt(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_refused)
{
    ck_assert_int_eq(opts_set(config->options, "--", "summary", "/nowhere/s.json"), 0);
    ck_assert_int_eq(summary_begin(&summary, config, NULL), -EINVAL);
    ck_assert(capture_is_one_error(capture_look(&capture)));
    ck_assert_ptr_nonnull(strstr(capture_look(&capture), "--summary /nowhere/s.json: No such"));
}
END_TEST

Suite *summary_suite(void);
Suite *summary_suite(void)
{
    Suite *suite = suite_create("summary");
    TCase *tcase = tcase_create("file");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_run_begins);
    tcase_add_loop_test(tcase, a_run_ends, 0, ARRAY_SIZE(cases));
    tcase_add_test(tcase, ports_are_told_while_it_runs);
    tcase_add_test(tcase, nobody_wants_one);
    tcase_add_test(tcase, a_file_that_cannot_be_written_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
