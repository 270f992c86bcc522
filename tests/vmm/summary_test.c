/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of vmm/summary.c, junit.c and record.c: the files that say how a run went, after each way
 * to end. JSON is read by jansson, XML by xmllint and a schema.
 */
#include "vmm/record.h"

#include "tests/capture.h"
#include "vmm/base/timebase.h"

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct config_device_kind kinds[] = {{0}};
static char folder[] = "/tmp/linnet-record-XXXXXX", json_path[64], xml_path[64];
static struct config *config;
static struct record record;
static struct capture capture;
static char xml[512 * 1024];

static void set(const char *option, const char *value)
{
    ck_assert_int_eq(opts_set(config->options, "--", option, value), 0);
}

static void setup(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(json_path, sizeof(json_path), "%s/s.json", folder);
    (void)snprintf(xml_path, sizeof(xml_path), "%s/j.xml", folder);
    ck_assert_int_eq(config_create(kinds, &config), 0);
    set("kernel", "boot/vmlinuz-6.12");
    set("name", "n1");
    set("summary", json_path);
    set("junit", xml_path);
    capture_start(&capture);
}

static void teardown(void)
{
    (void)capture_end(&capture);
    record_fini(&record);
    config_destroy(config);
    (void)unlink(json_path);
    (void)unlink(xml_path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else is left */
}

/* -- JSON -- */

static json_t *look(void)
{
    json_t *object = json_load_file(json_path, 0, NULL);

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
    static const char *const objects[] = {"host", "guest", "config", "ports", "use", "files"};
    static const char *const lists[] = {"stages", "expect", "console_tail"};
    size_t i;
    const json_t *stage;

    ck_assert_int_eq(json_integer_value(json_object_get(object, "schema")), 1);
    for (i = 0; i < ARRAY_SIZE(texts); i++)
        ck_assert_msg(json_is_string(json_object_get(object, texts[i])), "%s", texts[i]);
    for (i = 0; i < ARRAY_SIZE(objects); i++)
        ck_assert_msg(json_is_object(json_object_get(object, objects[i])), "%s", objects[i]);
    for (i = 0; i < ARRAY_SIZE(lists); i++)
        ck_assert_msg(json_is_array(json_object_get(object, lists[i])), "%s", lists[i]);
    ck_assert(json_is_real(json_object_get(object, "seconds")));
    const json_t *guest = json_object_get(object, "guest");
    ck_assert_int_eq(json_integer_value(json_object_get(guest, "cpus")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(guest, "memory")), 512 << 20);
    ck_assert_str_eq(text(json_object_get(object, "config"), "kernel"), "boot/vmlinuz-6.12");
    double last = 0;
    json_array_foreach(json_object_get(object, "stages"), i, stage)
    {
        ck_assert(json_is_string(json_array_get(stage, 0)));
        double at = json_real_value(json_array_get(stage, 1));
        ck_assert_double_ge(at, last);
        last = at;
    }
    ck_assert_uint_eq(json_object_size(object), 19);
}

/* -- XML -- */

/* What the file holds, which xmllint finds to be by the schema. */
static const char *look_xml(void)
{
    char command[256];

    (void)snprintf(command, sizeof(command),
                   "xmllint --noout --nonet --schema tests/junit.xsd %s 2>/dev/null", xml_path);
    ck_assert_int_eq(system(command), 0);
    FILE *file = fopen(xml_path, "re");
    ck_assert_ptr_nonnull(file);
    xml[fread(xml, 1, sizeof(xml) - 1, file)] = '\0';
    ck_assert_int_eq(fclose(file), 0);
    return xml;
}

static void has(const char *part)
{
    ck_assert_msg(strstr(xml, part) != NULL, "no %s in %s", part, xml);
}

/* -- cases -- */

START_TEST(a_panic_is_why)
{
    ck_assert_int_eq(record_begin(&record, config, NULL), 0);
    strcpy(record.panic, "Kernel panic - not syncing: no init");
    ck_assert_int_eq(record_end(&record, VM_PANICKED, 34), 0);
    json_t *object = look();
    ck_assert_str_eq(text(object, "message"), "Kernel panic - not syncing: no init");
    json_decref(object);
    (void)look_xml();
    has("panic, exit status 34: Kernel panic - not syncing: no init</failure>");
}
END_TEST

START_TEST(a_run_begins)
{
    ck_assert_int_eq(record_begin(&record, config, NULL), 0);
    json_t *object = look();
    check_schema(object);
    ck_assert_str_eq(text(object, "end"), "running");
    ck_assert_str_eq(text(object, "name"), "n1");
    ck_assert_uint_eq(strlen(text(object, "started")), strlen("2026-01-01T00:00:00Z"));
    ck_assert(json_is_null(json_object_get(object, "status")));
    ck_assert(json_is_null(json_object_get(object, "status_from")));
    ck_assert(json_is_null(json_object_get(object, "command")));
    json_decref(object);
    (void)look_xml();
    has("name=\"n1\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\"");
    has("the run has not ended, or was killed");
}
END_TEST

static const struct {
    enum vm_end how;
    int status;
    bool by_command, began;
    const char *end, *from;
    const char *counts; /* without a command, and with one */
    const char *counts_of_command;
} cases[] = {
#define NONE    "failures=\"0\" errors=\"0\" skipped=\"0\""
#define FAILURE "failures=\"1\" errors=\"0\" skipped=\"0\""
#define ERROR   "failures=\"0\" errors=\"1\" skipped=\"0\""
    {VM_POWEROFF, 0, false, true, "poweroff", "linnet", NONE, NONE},
    {VM_POWEROFF, 38, false, true, "expectation", "linnet", FAILURE, FAILURE},
    {VM_POWEROFF, 1, false, true, "poweroff", "linnet", ERROR, ERROR},
    {VM_POWEROFF, 125, false, true, "poweroff", "linnet", ERROR, ERROR},
    {VM_RESET, 32, false, true, "reset", "linnet", FAILURE, FAILURE},
    {VM_CRASHED, 33, false, true, "crash", "linnet", FAILURE, FAILURE},
    {VM_PANICKED, 34, false, true, "panic", "linnet", FAILURE, FAILURE},
    {VM_PANICKED, 34, false, false, "panic", "linnet", FAILURE,
     "failures=\"1\" errors=\"0\" skipped=\"1\""},
    {VM_HOST_ERROR, 1, false, true, "host", "linnet", ERROR, ERROR},
    {VM_HOST_ERROR, 125, false, false, "host", "linnet", ERROR,
     "failures=\"0\" errors=\"1\" skipped=\"1\""},
    {VM_HOST_ERROR, 35, false, false, "host", "linnet", ERROR,
     "failures=\"0\" errors=\"1\" skipped=\"1\""},
    {VM_WATCHDOG, 36, false, true, "watchdog", "linnet", FAILURE, FAILURE},
    {VM_TIME_LIMIT, 37, false, true, "time-limit", "linnet", FAILURE, FAILURE},
    {VM_BOOT_LIMIT, 37, false, false, "boot-limit", "linnet", FAILURE,
     "failures=\"1\" errors=\"0\" skipped=\"1\""},
    {VM_QUIT, 0, false, true, "quit", "linnet", NONE, NONE},
    {VM_SIGNAL, 143, false, true, "signal", "linnet", ERROR, ERROR},
    {VM_UNTIL, 0, false, true, "until", "linnet", NONE, NONE},
    {VM_FAIL_ON, 38, false, true, "expectation", "linnet", FAILURE, FAILURE},
    {VM_COMMAND, 0, true, true, "command", "command", NONE, NONE},
    {VM_COMMAND, 38, true, true, "command", "command", FAILURE, FAILURE},
    {VM_COMMAND, 38, false, true, "expectation", "linnet", FAILURE, FAILURE},
    {VM_COMMAND, 127, true, false, "command", "command", FAILURE, FAILURE},
    {VM_COMMAND, 125, false, true, "command", "linnet", ERROR, ERROR},
};

START_TEST(a_run_ends)
{
    const bool with_command = _i % 2 == 1;
    const size_t i = (size_t)_i / 2;
    char *const command[] = {(char *)"aplay", (char *)"\xff", NULL};
    char by[32];

    ck_assert_int_eq(record_begin(&record, config, with_command ? command : NULL), 0);
    (void)log_error(0, "snd0: heard 439 Hz");
    record.stage_ns[RECORD_EXEC] -= 10 * MS_NS;
    record.stage_ns[RECORD_FIRST_INSTRUCTION] = record.stage_ns[RECORD_EXEC] + MS_NS;
    if (cases[i].began)
        record.stage_ns[RECORD_COMMAND] = record.stage_ns[RECORD_EXEC] + 2 * MS_NS;
    record.by_command = cases[i].by_command;
    if (cases[i].by_command && !with_command)
        return;
    ck_assert_int_eq(record_end(&record, cases[i].how, cases[i].status), 0);
    json_t *object = look();
    check_schema(object);
    ck_assert_str_eq(text(object, "end"), cases[i].end);
    ck_assert_str_eq(text(object, "status_from"), cases[i].from);
    ck_assert_str_eq(text(object, "message"), "snd0: heard 439 Hz");
    ck_assert_int_eq(json_integer_value(json_object_get(object, "status")), cases[i].status);
    json_t *words = json_object_get(object, "command");
    ck_assert_uint_eq(json_array_size(words), with_command ? 2 : 0);
    if (with_command) {
        ck_assert_str_eq(json_string_value(json_array_get(words, 0)), "aplay");
        ck_assert(json_is_null(json_array_get(words, 1))); /* JSON cannot say it */
    }
    json_decref(object);
    (void)look_xml();
    has(with_command ? cases[i].counts_of_command : cases[i].counts);
    has("classname=\"n1\" name=\"boot\"");
    ck_assert_int_eq(strstr(xml, "name=\"command\"") != NULL, with_command);
    (void)snprintf(by, sizeof(by), "exit status %d", cases[i].status);
    ck_assert_int_eq(strstr(xml, by) != NULL, cases[i].status != 0);
}
END_TEST

START_TEST(expectations_are_testcases)
{
    ck_assert_int_eq(record_begin(&record, config, NULL), 0);
    results_expect(&record.results, "snd0", "freq=440,level=\"-6\"<&>", true, NULL);
    results_expect(&record.results, "console", "until login:", false, "it never said that");
    results_port(&record.results, "tcp:22", 1);
    results_file(&record.results, "a.wav");
    ck_assert_int_eq(record_end(&record, VM_POWEROFF, 38), 0);
    (void)look_xml();
    has("tests=\"3\" failures=\"1\" errors=\"0\"");
    has("name=\"boot\"");
    has("name=\"snd0: freq=440,level=&quot;-6&quot;&lt;&amp;&gt;\"");
    has("name=\"console: until login:\" time=\"0.000\"><failure message=\"it never said that\" "
        "type=\"expectation\">it never said that</failure>");
    json_t *object = look();
    check_schema(object);
    const json_t *expect = json_object_get(object, "expect");
    ck_assert_uint_eq(json_array_size(expect), 2);
    ck_assert_str_eq(text(json_array_get(expect, 0), "result"), "pass");
    ck_assert_str_eq(text(json_array_get(expect, 1), "device"), "console");
    ck_assert_str_eq(text(json_array_get(expect, 1), "result"), "fail");
    ck_assert_str_eq(text(json_array_get(expect, 1), "message"), "it never said that");
    const json_t *files = json_object_get(object, "files");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(files, "recordings"), 0)),
                     "a.wav");
    ck_assert(json_is_null(json_object_get(files, "console")));
    json_decref(object);
}
END_TEST

static void console_says(const char *said, size_t len)
{
    record.console = malloc(len);
    ck_assert_ptr_nonnull(record.console);
    memcpy(record.console, said, len);
    record.console_len = len;
}

START_TEST(what_a_guest_says_is_cleaned)
{
    static const char said[] = "one\r\n\x1b[1mtwo\x01\xff\xc3\xa4 \xef\xbf\xbf]]><a>&\0\tend";

    ck_assert_int_eq(record_begin(&record, config, NULL), 0);
    console_says(said, sizeof(said) - 1);
    ck_assert_int_eq(record_end(&record, VM_RESET, 32), 0);
    (void)look_xml();
    has("\n\nThe end of the console:\none\n[1mtwo\xc3\xa4 ]]&gt;&lt;a&gt;&amp;\tend</failure>");
    json_t *object = look();
    check_schema(object);
    const json_t *tail = json_object_get(object, "console_tail");
    ck_assert_uint_eq(json_array_size(tail), 2);
    ck_assert_str_eq(json_string_value(json_array_get(tail, 0)), "one");
    ck_assert_str_eq(json_string_value(json_array_get(tail, 1)),
                     "?[1mtwo??\xc3\xa4 \xef\xbf\xbf]]><a>&? end");
    json_decref(object);
}
END_TEST

START_TEST(texts_have_an_end)
{
    static char said[65536];

    memset(said, '<', sizeof(said)); /* each is four bytes in XML */
    memcpy(said + sizeof(said) - 4, "last", 4);
    for (size_t i = 0; i < 100; i++)
        said[i * 400] = '\n';
    ck_assert_int_eq(record_begin(&record, config, NULL), 0);
    console_says(said, sizeof(said));
    ck_assert_int_eq(record_end(&record, VM_RESET, 32), 0);
    (void)look_xml();
    const char *begin = strstr(xml, "\">reset, exit"), *end = strstr(xml, "last</failure>");
    ck_assert_ptr_nonnull(begin);
    ck_assert_ptr_nonnull(end);
    ck_assert_int_gt(end - begin, 65000);
    ck_assert_int_le(end - begin, 65536);
    json_t *object = look();
    ck_assert_uint_eq(json_array_size(json_object_get(object, "console_tail")), 40);
    json_decref(object);
}
END_TEST

START_TEST(stages_are_told_as_far_as_they_were_seen)
{
    ck_assert_int_eq(record_begin(&record, config, NULL), 0);
    record.stage_ns[RECORD_EXEC] -= 1000 * MS_NS;
    record.stage_ns[RECORD_CONSOLE] = record.stage_ns[RECORD_EXEC] + 250 * MS_NS;
    record.exits = 7;
    ck_assert_int_eq(record_end(&record, VM_POWEROFF, 0), 0);
    json_t *object = look();
    check_schema(object);
    const json_t *stages = json_object_get(object, "stages");
    ck_assert_uint_eq(json_array_size(stages), 3);
    const json_t *console = json_array_get(stages, 1);
    ck_assert_str_eq(json_string_value(json_array_get(console, 0)), "console");
    ck_assert_double_eq_tol(json_real_value(json_array_get(console, 1)), 0.25, 1e-9);
    ck_assert_double_ge(json_real_value(json_object_get(object, "seconds")), 1);
    const json_t *use = json_object_get(object, "use");
    ck_assert_int_eq(json_integer_value(json_object_get(use, "exits")), 7);
    ck_assert_int_gt(json_integer_value(json_object_get(use, "memory_peak")), 1 << 20);
    ck_assert_double_ge(json_real_value(json_object_get(use, "cpu_vmm_s")), 0);
    json_decref(object);
}
END_TEST

START_TEST(ports_are_told_while_it_runs)
{
    ck_assert_int_eq(record_begin(&record, config, NULL), 0);
    results_port(&record.results, "tcp:22", 40123);
    results_port(&record.results, "udp:53", 40124);
    record_running(&record);
    json_t *object = look();
    check_schema(object);
    ck_assert_str_eq(text(object, "end"), "running");
    json_t *ports = json_object_get(object, "ports");
    ck_assert_uint_eq(json_object_size(ports), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(ports, "tcp:22")), 40123);
    ck_assert_int_eq(json_integer_value(json_object_get(ports, "udp:53")), 40124);
    json_decref(object);
}
END_TEST

/* In a folder that others write to, too, a NAME.new may be there before. */
START_TEST(link_that_somebody_laid_is_not_followed)
{
    char link[80], other[80];

    (void)snprintf(link, sizeof(link), "%s.new", json_path);
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    ck_assert_int_eq(symlink(other, link), 0);
    ck_assert_int_eq(record_begin(&record, config, NULL), 0);
    json_decref(look());
    ck_assert_int_eq(unlink(other), -1);
    ck_assert_int_eq(readlink(json_path, other, sizeof(other)), -1);
}
END_TEST

START_TEST(nobody_wants_one)
{
    set("summary", NULL);
    set("junit", NULL);
    ck_assert(!record_wanted(config));
    ck_assert_int_eq(record_begin(&record, config, NULL), 0);
    record_running(&record);
    ck_assert_int_eq(record_end(&record, VM_POWEROFF, 0), 0);
    ck_assert_int_lt(access(json_path, F_OK), 0);
    ck_assert_int_lt(access(xml_path, F_OK), 0);
}
END_TEST

static const struct {
    const char *option, *path, *said;
} bad[] = {
    {"summary", "/nowhere/s.json", "--summary /nowhere/s.json: No such"},
    {"junit", "/nowhere/j.xml", "--junit /nowhere/j.xml: No such"},
    {"junit", "/dev/null", "--junit /dev/null: is there and no regular file"},
    {"summary", "/tmp", "--summary /tmp: is there and no regular file"},
    {"junit", json_path, "is the file of --summary, too"},
};

START_TEST(a_file_that_cannot_be_written_is_refused)
{
    set(bad[_i].option, bad[_i].path);
    ck_assert_int_eq(record_begin(&record, config, NULL), -EINVAL);
    ck_assert_one_error(capture_look(&capture), bad[_i].said);
}
END_TEST

/* A file may not grow any more, as on a disk that is full. */
START_TEST(where_there_is_no_room_the_first_ones_stay)
{
    struct rlimit old, full = {.rlim_cur = 100};
    int null;

    ck_assert_int_eq(record_begin(&record, config, NULL), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    full.rlim_max = old.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_ge(null = open("/dev/null", O_WRONLY | O_CLOEXEC), 0);
    ck_assert_int_ge(dup2(null, STDERR_FILENO), 0); /* where it goes else may not grow either */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
    int r = record_end(&record, VM_POWEROFF, 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)close(null);
    ck_assert_int_eq(r, -EFBIG);
    json_t *object = look();
    check_schema(object);
    ck_assert_str_eq(text(object, "end"), "running");
    json_decref(object);
    (void)look_xml();
    has("the run has not ended, or was killed");
}
END_TEST

Suite *summary_suite(void);
Suite *summary_suite(void)
{
    Suite *suite = suite_create("summary");
    TCase *tcase = tcase_create("files");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_panic_is_why); /* before any error is logged */
    tcase_add_test(tcase, a_run_begins);
    tcase_add_loop_test(tcase, a_run_ends, 0, 2 * ARRAY_SIZE(cases));
    tcase_add_test(tcase, expectations_are_testcases);
    tcase_add_test(tcase, what_a_guest_says_is_cleaned);
    tcase_add_test(tcase, texts_have_an_end);
    tcase_add_test(tcase, stages_are_told_as_far_as_they_were_seen);
    tcase_add_test(tcase, ports_are_told_while_it_runs);
    tcase_add_test(tcase, link_that_somebody_laid_is_not_followed);
    tcase_add_test(tcase, nobody_wants_one);
    tcase_add_loop_test(tcase, a_file_that_cannot_be_written_is_refused, 0, ARRAY_SIZE(bad));
    tcase_add_test(tcase, where_there_is_no_room_the_first_ones_stay);
    suite_add_tcase(suite, tcase);
    return suite;
}
