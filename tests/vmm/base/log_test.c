/* SPDX-License-Identifier: BSD-3-Clause */
/* One line an event, nothing forged, and a budget for what a guest provokes. */
#include "vmm/base/log.h"

#include "tests/capture.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static struct capture capture;

static void teardown(void)
{
    log_set_level(LOG_LEVEL_INFO);
}

/* All levels, as one text. */
static const char *say_everything(void)
{
    capture_start(&capture);
    (void)log_error(0, "e");
    log_warn("w");
    log_info("i");
    log_debug("d");
    return capture_end(&capture);
}

START_TEST(level_hides_what_is_below)
{
    static const char *const shown[] = {
        "linnet: error: e\n",
        "linnet: error: e\nlinnet: warn: w\n",
        "linnet: error: e\nlinnet: warn: w\nlinnet: info: i\n",
        "linnet: error: e\nlinnet: warn: w\nlinnet: info: i\nlinnet: debug: d\n",
    };
    static const char *const names[] = {"error", "warn", "info", "debug"};

    log_set_level((enum log_level)_i);
    ck_assert_str_eq(log_level_name(), names[_i]);
    ck_assert_str_eq(log_level_names[_i], names[_i]);
    ck_assert_str_eq(say_everything(), shown[_i]);
}
END_TEST

START_TEST(default_level_is_info)
{
    ck_assert_str_eq(say_everything(), "linnet: error: e\nlinnet: warn: w\nlinnet: info: i\n");
}
END_TEST

START_TEST(error_returns_and_names_its_number)
{
    capture_start(&capture);
    int r = log_error(-ENOENT, "open %s", "/nowhere");
    ck_assert_str_eq(capture_end(&capture),
                     "linnet: error: open /nowhere: No such file or directory\n");
    ck_assert_int_eq(r, -ENOENT);
}
END_TEST

START_TEST(errno_is_kept)
{
    capture_start(&capture);
    errno = EXDEV;
    (void)log_error(-ENOENT, "x");
    int after = errno;
    (void)capture_end(&capture);
    ck_assert_int_eq(after, EXDEV);
}
END_TEST

START_TEST(control_characters_are_shown_as_question_marks)
{
    capture_start(&capture);
    log_info("a\nlinnet: error: forged\r\x1b[31m\x7f\t.");
    ck_assert_str_eq(capture_end(&capture), "linnet: info: a?linnet: error: forged??[31m??.\n");
}
END_TEST

START_TEST(long_line_is_cut_to_1024_bytes)
{
    static char text[5000];

    memset(text, 'x', sizeof(text) - 1);
    capture_start(&capture);
    log_info("%s", text);
    const char *line = capture_end(&capture);
    ck_assert_uint_le(strlen(line), 1024);
    ck_assert_uint_ge(strlen(line), 1000);
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(long_line_with_errno_stays_in_bounds)
{
    static char text[1100];

    memset(text, 'x', (size_t)(1000 + _i)); /* around the end of the buffer */
    text[1000 + _i] = '\0';
    capture_start(&capture);
    (void)log_error(-ENOENT, "%s", text);
    const char *line = capture_end(&capture);
    ck_assert_uint_le(strlen(line), 1024);
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

static unsigned lines(const char *text)
{
    unsigned count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* Whoever logs, a vCPU for one, would hang in the write. */
START_TEST(line_that_nobody_reads_is_lost)
{
    const uint8_t filling[4096] = {0};
    int out[2], saved = dup(STDERR_FILENO);
    char text[2 * 4096];
    ssize_t last = 0, n;

    ck_assert_int_eq(pipe2(out, O_NONBLOCK), 0);
    while (write(out[1], filling, sizeof(filling)) > 0)
        ;
    ck_assert_int_eq(fcntl(out[1], F_SETFL, 0), 0);
    ck_assert_int_eq(dup2(out[1], STDERR_FILENO), STDERR_FILENO);
    log_warn("lost");
    log_warn("lost, too");
    while ((n = read(out[0], text, sizeof(text))) > 0)
        last = n;
    log_warn("read");
    n = read(out[0], text, sizeof(text));
    ck_assert_int_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    (void)close(saved);
    (void)close(out[0]);
    (void)close(out[1]);
    ck_assert_int_gt(last, 0);
    ck_assert_int_eq(n, 19);
    ck_assert_mem_eq(text, "linnet: warn: read\n", 19);
}
END_TEST

static pthread_barrier_t round_edge;

static void *say_a_line_each_round(void *rounds)
{
    for (int i = 0; i < *(const int *)rounds; i++) {
        (void)pthread_barrier_wait(&round_edge);
        log_warn("for one of us there is room");
        (void)pthread_barrier_wait(&round_edge);
    }
    return NULL;
}

START_TEST(room_for_one_line_is_not_taken_for_room_for_two)
{
    pthread_t thread[8];
    int out[2], rounds = 10, saved = dup(STDERR_FILENO);
    char text[4096];

    ck_assert_int_eq(pthread_barrier_init(&round_edge, NULL, 9), 0);
    ck_assert_int_eq(pipe2(out, O_DIRECT), 0); /* each line needs a page of its own */
    ck_assert_int_ge(fcntl(out[1], F_SETPIPE_SZ, sizeof(text)), 4096);
    ck_assert_int_eq(dup2(out[1], STDERR_FILENO), STDERR_FILENO);
    for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, say_a_line_each_round, &rounds), 0);
    for (int i = 0; i < rounds; i++) {
        (void)pthread_barrier_wait(&round_edge);
        (void)pthread_barrier_wait(&round_edge); /* none hangs in its write */
        ck_assert_int_gt(read(out[0], text, sizeof(text)), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_int_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    (void)close(saved);
    (void)close(out[0]);
    (void)close(out[1]);
    (void)pthread_barrier_destroy(&round_edge);
}
END_TEST

START_TEST(guest_gets_8_messages_at_once)
{
    struct log_limit limit = {0};

    capture_start(&capture);
    for (int i = 0; i < 1000; i++)
        log_guest(&limit, "noise");
    ck_assert_uint_eq(lines(capture_end(&capture)), 8);
}
END_TEST

START_TEST(guest_gets_one_more_each_second_and_losses_are_told)
{
    struct log_limit limit = {0};

    capture_start(&capture);
    for (int i = 0; i < 20; i++)
        log_guest(&limit, "noise");
    (void)capture_end(&capture);
    limit.last_ns -= 1500000000; /* a second and a half ago */
    capture_start(&capture);
    for (int i = 0; i < 20; i++)
        log_guest(&limit, "noise %d", i);
    ck_assert_str_eq(capture_end(&capture),
                     "linnet: warn: 12 messages of the guest's doing were left out\n"
                     "linnet: warn: noise 0\n");
}
END_TEST

Suite *log_suite(void);
Suite *log_suite(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("lines");

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_loop_test(tcase, level_hides_what_is_below, 0, 4);
    tcase_add_test(tcase, default_level_is_info);
    tcase_add_test(tcase, error_returns_and_names_its_number);
    tcase_add_test(tcase, errno_is_kept);
    tcase_add_test(tcase, control_characters_are_shown_as_question_marks);
    tcase_add_test(tcase, long_line_is_cut_to_1024_bytes);
    tcase_add_loop_test(tcase, long_line_with_errno_stays_in_bounds, 0, 30);
    tcase_add_test(tcase, line_that_nobody_reads_is_lost);
    tcase_add_test(tcase, room_for_one_line_is_not_taken_for_room_for_two);
    tcase_add_test(tcase, guest_gets_8_messages_at_once);
    tcase_add_test(tcase, guest_gets_one_more_each_second_and_losses_are_told);
    suite_add_tcase(suite, tcase);
    return suite;
}
