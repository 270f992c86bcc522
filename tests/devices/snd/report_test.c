/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/report.c: the lines that tell what streams did. */
#include "tests/capture.h"
#include "tests/devices/snd/host/probe_host.h"
#include "tests/entries.h"

#include <check.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct rig rig;
static char path[PATH_MAX];

static void path_make(void)
{
    const char *tmp = getenv("TMPDIR");

    (void)snprintf(path, sizeof(path), "%s/report-XXXXXX", tmp != NULL ? tmp : "/tmp");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}

static void path_remove(void)
{
    (void)unlink(path);
}

static void set_up(const char *more)
{
    char options[PATH_MAX + 100];

    (void)snprintf(options, sizeof(options), "report=%s,%s", path, more);
    rig_start(&rig, options);
}

/* A 1 kHz sine at -20 dB in 10 ms periods. */
static void play_tone(unsigned periods)
{
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    for (unsigned period = 0; period < periods; period++) {
        gpa_t data = rig_alloc(&rig, 1920);
        int16_t *samples = memory_at(&rig.mem, data, 1920);
        for (unsigned i = 0; i < 960; i++)
            samples[i] = (int16_t)lrint(3276.8 * sin(2 * 3.14159265358979 * (i / 2) / 48));
        (void)rig_play(&rig, 0, data, 1920);
        rig_advance(&rig, 10 * RIG_MS);
    }
    (void)rig_done_count(&rig, RIG_TX);
}

/* Line `at` of the file as JSON. */
static json_t *line(unsigned at)
{
    FILE *file = fopen(path, "r");
    char text[8192] = "";

    ck_assert_ptr_nonnull(file);
    for (unsigned i = 0; i <= at; i++)
        ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    (void)fclose(file);
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(json);
    return json;
}

static double number(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    ck_assert_msg(json_is_number(value), "%s", key);
    return json_number_value(value);
}

START_TEST(line_of_a_tone_says_what_it_was)
{
    set_up("host=null,streams=2");
    play_tone(100);
    ck_assert_int_eq(virtio_finish(rig.dev), 0);
    rig_end(&rig);

    json_t *json = line(0);
    ck_assert_str_eq(json_string_value(json_object_get(json, "stream")), "snd0 out0");
    ck_assert_str_eq(json_string_value(json_object_get(json, "host")), "null");
    ck_assert_str_eq(json_string_value(json_object_get(json, "format")), "S16");
    ck_assert_double_eq(number(json, "rate_hz"), 48000);
    ck_assert_double_eq(number(json, "frames"), 48000);
    ck_assert_double_eq(number(json, "heard_frames"), 48000);
    ck_assert_double_eq(number(json, "messages"), 100);
    ck_assert_double_eq(number(json, "xruns"), 99); /* one period at a time, each late */
    const json_t *channel = json_array_get(json_object_get(json, "heard"), 1);
    ck_assert_double_eq_tol(number(channel, "freq_hz"), 1000, 0.5);
    ck_assert_double_eq_tol(number(channel, "peak_dbfs"), -20, 0.1);
    ck_assert_double_eq_tol(number(channel, "rms_dbfs"), -23, 0.1);
    ck_assert_double_eq(number(channel, "gaps"), 0);
    json_decref(json);

    json = line(1); /* a stream that did nothing */
    ck_assert_double_eq(number(json, "frames"), 0);
    ck_assert_ptr_null(json_object_get(json, "heard"));
    json_decref(json);
}
END_TEST

/* Nine periods end 100 us late, one 1 ms. */
START_TEST(lateness_is_told)
{
    set_up("host=null");
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)rig_play(&rig, 0, rig_alloc(&rig, 1920), 1920);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    for (unsigned i = 0; i < 10; i++) {
        rig_stall(&rig, rig_next_alarm(&rig) + (i == 4 ? 1000000 : 100000));
        ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
        (void)rig_play(&rig, 0, rig_alloc(&rig, 1920), 1920);
    }
    ck_assert_int_eq(virtio_finish(rig.dev), 0);
    rig_end(&rig);

    json_t *json = line(0);
    ck_assert_double_eq(number(json, "messages"), 10);
    ck_assert_double_eq(number(json, "late_max_us"), 1000);
    json_decref(json);
}
END_TEST

START_TEST(report_on_demand_goes_on)
{
    set_up("host=null");
    play_tone(10);
    virtio_report(rig.dev);
    rig_step(&rig);
    json_t *json = line(0);
    ck_assert_double_eq(number(json, "frames"), 4800);
    json_decref(json);
    rig_restart(&rig);
    play_tone(10);
    ck_assert_int_eq(virtio_finish(rig.dev), 0);
    json = line(1);
    ck_assert_double_eq(number(json, "frames"), 9600);
    json_decref(json);
    rig_end(&rig);
}
END_TEST

START_TEST(without_a_file_the_log_has_a_line_each)
{
    struct capture capture;

    rig_start(&rig, "host=null,streams=2");
    play_tone(10);
    capture_start(&capture);
    virtio_report(rig.dev);
    rig_step(&rig);
    const char *said = capture_end(&capture);
    ck_assert_ptr_nonnull(strstr(said, "snd0 out0: 4800 frames, 9 underruns of the guest"));
    ck_assert_ptr_nonnull(strstr(said, "snd0 out1: 0 frames"));
    capture_start(&capture);
    ck_assert_int_eq(virtio_finish(rig.dev), 0);
    ck_assert_str_eq(capture_end(&capture), ""); /* a healthy end says nothing */
    rig_end(&rig);
}
END_TEST

START_TEST(file_that_can_not_be_written_is_refused)
{
    struct capture capture;

    capture_start(&capture);
    int r = rig_create(&rig, "report=/nonexistent/report");
    ck_assert_one_error(capture_end(&capture), "");
    ck_assert_int_eq(r, -ENOENT);
}
END_TEST

/* Nobody reads it: to open it would wait for ever. */
START_TEST(pipe_is_refused)
{
    struct capture capture;
    char options[PATH_MAX + 100];

    (void)unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    (void)snprintf(options, sizeof(options), "report=%s", path);
    capture_start(&capture);
    int r = rig_create(&rig, options);
    ck_assert_one_error(capture_end(&capture), "is a pipe; give it a file");
    ck_assert_int_eq(r, -EINVAL);
}
END_TEST

static unsigned threads_before; /* of this process, before the first test */

/* A card that is made after this one may fork a helper, and a child of threads is no good one. */
START_TEST(card_has_no_thread_before_it_is_started)
{
    char options[PATH_MAX + 100];
    const unsigned before = threads_before;

    (void)snprintf(options, sizeof(options), "report=%s", path);
    ck_assert_int_eq(rig_create(&rig, options), 0);
    ck_assert(entries_become("/proc/self/task", before));
    ck_assert_int_eq(virtio_start(rig.dev), 0);
    ck_assert(entries_become("/proc/self/task", before + 2)); /* worker and ear */
    rig_end(&rig);
}
END_TEST

Suite *report_suite(void);
Suite *report_suite(void)
{
    threads_before = threads_at_first();
    Suite *suite = suite_create("snd/report");
    TCase *tcase = tcase_create("report");

    tcase_add_checked_fixture(tcase, path_make, path_remove);
    tcase_add_test(tcase, line_of_a_tone_says_what_it_was);
    tcase_add_test(tcase, lateness_is_told);
    tcase_add_test(tcase, without_a_file_the_log_has_a_line_each);
    tcase_add_test(tcase, report_on_demand_goes_on);
    tcase_add_test(tcase, file_that_can_not_be_written_is_refused);
    tcase_add_test(tcase, pipe_is_refused);
    tcase_add_test(tcase, card_has_no_thread_before_it_is_started);
    suite_add_tcase(suite, tcase);
    return suite;
}
