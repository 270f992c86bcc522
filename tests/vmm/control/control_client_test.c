/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/control/control_client.c: what is sent, and how answers look. A thread of the test
 * is the machine: it takes one request, and says what the test wants. */
#include "vmm/control/control_client.h"

#include "tests/capture.h"
#include "vmm/base/unix_listener.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

Suite *control_client_suite(void);

#define WORDS_MAX 10

static char folder[64], path[80];
static struct unix_listener listener;
static const char *to_say; /* by the machine; NULL: it says nothing until the client has gone */
static char asked[4097];   /* what it was sent, a line */
static char out[4096];     /* what the client wrote */
static struct capture err;

/* The program's calls, by --wrap: patience is over at once where nothing is to be said. */
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    static const struct timeval moment = {.tv_usec = 1};

    return __real_setsockopt(fd, level, name,
                             name == SO_RCVTIMEO && to_say == NULL ? &moment : value, size);
}

static void setup(void)
{
    strcpy(folder, "/tmp/linnet-client-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    listener = (struct unix_listener){.fd = -1};
    ck_assert_int_eq(unix_listen("--control", path, &listener), 0);
    (void)fcntl(listener.fd, F_SETFL, 0); /* the thread waits */
}

static void teardown(void)
{
    unix_unlisten(&listener);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void *machine(void *arg)
{
    int fd = accept(listener.fd, NULL, NULL);
    size_t len = 0;
    ssize_t got = 1;

    (void)arg;
    while (got > 0 && memchr(asked, '\n', len) == NULL) {
        got = recv(fd, asked + len, sizeof(asked) - 1 - len, 0);
        len += (size_t)MAX(got, 0);
    }
    asked[len] = '\0';
    if (to_say != NULL)
        (void)send(fd, to_say, strlen(to_say), MSG_NOSIGNAL);
    while (to_say == NULL && recv(fd, (char[1]){0}, 1, 0) > 0)
        ;
    (void)close(fd);
    return NULL;
}

/* Runs `linnet control` with words separated by '|': its exit status. */
static int run(const char *line)
{
    char words[256], *argv[WORDS_MAX + 1] = {NULL}, *rest = words;
    int argc = 0, saved_fd = dup(STDOUT_FILENO), fd = memfd_create("out", MFD_CLOEXEC);

    (void)snprintf(words, sizeof(words), "%s", line);
    while (rest != NULL && argc < WORDS_MAX)
        argv[argc++] = strsep(&rest, "|");
    (void)fflush(stdout);
    ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
    capture_start(&err);
    int status = control_main(argc, argv);
    (void)capture_end(&err);
    (void)fflush(stdout);
    ck_assert_int_eq(dup2(saved_fd, STDOUT_FILENO), STDOUT_FILENO);
    ssize_t len = pread(fd, out, sizeof(out) - 1, 0);
    ck_assert_int_ge(len, 0);
    out[len] = '\0';
    (void)close(saved_fd);
    (void)close(fd);
    return status;
}

/* The same with a machine that answers. */
static int ask(const char *words, const char *answer)
{
    pthread_t thread;
    char line[200];

    to_say = answer;
    (void)snprintf(line, sizeof(line), "%s|%s", path, words);
    ck_assert_int_eq(pthread_create(&thread, NULL, machine, NULL), 0);
    int status = run(line);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return status;
}

static const struct {
    const char *words, *asked, *answer, *out;
} talks[] = {
    {"snd0|jack|0|un plug", "{\"do\":[\"snd0\",\"jack\",\"0\",\"un plug\"]}\n", "{\"ok\": true}\n",
     ""},
    {"snd0|jack", "{\"do\":[\"snd0\",\"jack\"]}\n",
     "{\"ok\":true,\"told\":[\"0 mic plugged\",\"1 hdmi plugged\"]}\n",
     "0 mic plugged\n1 hdmi plugged\n"},
    {"status", "{\"do\":[\"status\"]}\n",
     "{\"ok\":true,\"told\":{\"name\":\"box\",\"cpus\":2,\"devices\":[\"rng0\"]}}\n",
     "name         box\ncpus         2\ndevices      [\"rng0\"]\n"},
    {"events", "{\"do\":[\"events\"]}\n",
     "{\"ok\":true}\n{\"event\":\"paused\"}\n{\"event\":\"end\",\"status\":0}\n",
     "{\"event\": \"paused\"}\n{\"event\": \"end\", \"status\": 0}\n"},
};

START_TEST(answer_is_written_as_text)
{
    ck_assert_int_eq(ask(talks[_i].words, talks[_i].answer), 0);
    ck_assert_str_eq(asked, talks[_i].asked);
    ck_assert_str_eq(out, talks[_i].out);
    ck_assert_str_eq(err.text, "");
}
END_TEST

static const struct {
    const char *answer, *said;
} refusals[] = {
    {"{\"ok\":false,\"error\":\"it is paused already\"}\n", "it is paused already\n"},
    {"{\"ok\":false,\"error\":\"\x1b[2J\"}\n", "the machine ended before it answered\n"},
    {"", "the machine ended before it answered\n"},
    {"{\"ok\":true", "the machine ended before it answered\n"},
    {"HTTP/1.1 400\r\n", "the machine ended before it answered\n"},
    {"[]\n", "the machine ended before it answered\n"},
};

START_TEST(what_is_not_done_is_told_in_a_line)
{
    ck_assert_int_eq(ask("pause", refusals[_i].answer), 1);
    ck_assert_one_error(err.text, refusals[_i].said);
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(machine_that_does_not_answer_is_told_so)
{
    ck_assert_int_eq(ask("status", NULL), 1);
    ck_assert_one_error(err.text, "/s: no answer within 10 s\n");
}
END_TEST

START_TEST(events_that_are_refused_are_not_waited_for)
{
    ck_assert_int_eq(ask("events", "{\"ok\":false,\"error\":\"no\"}\n{\"event\":\"paused\"}\n"), 1);
    ck_assert_str_eq(out, "");
}
END_TEST

static const struct {
    const char *line;
    int status;
    const char *said;
} wrong[] = {
    {"s", 35, "give a socket and what to do"},
    {"s|a\nb", 35, "control characters"},
    {"s|\xff", 35, "UTF-8"},
    {"/nowhere/s|status", 1, "/nowhere/s: no machine was started with --control /nowhere/s"},
    {"a name that is longer than the 107 bytes which the address of a socket may have, as Linux "
     "has "
     "them: one too many|status",
     1, "a socket's name has up to 107 bytes"},
};

START_TEST(what_can_not_be_asked_is_told_in_a_line)
{
    ck_assert_int_eq(run(wrong[_i].line), wrong[_i].status);
    ck_assert_one_error(err.text, wrong[_i].said);
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(help_is_told)
{
    ck_assert_int_eq(run("--help"), 0);
    ck_assert_ptr_nonnull(strstr(out, "Usage: linnet control SOCKET WORD..."));
    ck_assert_str_eq(err.text, "");
}
END_TEST

Suite *control_client_suite(void)
{
    Suite *suite = suite_create("control_client");
    TCase *tcase = tcase_create("all");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, answer_is_written_as_text, 0, ARRAY_SIZE(talks));
    tcase_add_loop_test(tcase, what_is_not_done_is_told_in_a_line, 0, ARRAY_SIZE(refusals));
    tcase_add_test(tcase, machine_that_does_not_answer_is_told_so);
    tcase_add_test(tcase, events_that_are_refused_are_not_waited_for);
    tcase_add_loop_test(tcase, what_can_not_be_asked_is_told_in_a_line, 0, ARRAY_SIZE(wrong));
    tcase_add_test(tcase, help_is_told);
    suite_add_tcase(suite, tcase);
    return suite;
}
