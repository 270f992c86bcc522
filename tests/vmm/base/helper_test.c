/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of devices/snd/host/helper.c with real processes: what a helper keeps, how it ends, and
 * what is left of it when we end. Nothing sleeps: each waits for an event.
 */
#include "vmm/base/helper.h"

#include "tests/wrap.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

Suite *helper_suite(void);

/* Waits for a message, or for the end. */
static ssize_t take(const struct helper *helper, void *ret_message, size_t room)
{
    struct pollfd ready = {.fd = helper->socket, .events = POLLIN};

    ck_assert_int_eq(poll(&ready, 1, -1), 1);
    return helper_take(helper->socket, ret_message, room);
}

/* -- helpers -- */

/* Sends back what it gets. */
static void echo(int socket, const void *arg)
{
    struct pollfd ready = {.fd = socket, .events = POLLIN};
    char message[64];
    ssize_t len = 0;

    (void)arg;
    while (len >= 0 && poll(&ready, 1, -1) >= 0) {
        len = helper_take(socket, message, sizeof(message));
        if (len > 0)
            (void)helper_send(socket, message, (size_t)len);
    }
}

/* Says once that it is there, and hangs. */
static void hang(int socket, const void *arg)
{
    (void)arg;
    (void)helper_send(socket, "here", 4);
    for (;;)
        (void)pause();
}

/* Says how many descriptors it has above the standard ones, and if the one it was given works. */
static void count_fds(int socket, const void *arg)
{
    unsigned found[2] = {0};

    for (int fd = 3; fd < 1000; fd++)
        found[0] += fcntl(fd, F_GETFD) >= 0;
    found[1] = eventfd_write(*(const int *)arg, 7) == 0;
    (void)helper_send(socket, found, sizeof(found));
}

/* -- tests -- */

START_TEST(messages_go_both_ways_and_stay_apart)
{
    struct helper helper;
    char message[64];

    ck_assert_int_eq(helper_start(&helper, "test", -1, echo, NULL), 0);
    ck_assert_int_eq(helper_take(helper.socket, message, sizeof(message)), 0);
    ck_assert_int_eq(helper_send(helper.socket, "one", 3), 0);
    ck_assert_int_eq(helper_send(helper.socket, "three", 5), 0);
    ck_assert_int_eq(take(&helper, message, sizeof(message)), 3);
    ck_assert_int_eq(take(&helper, message, sizeof(message)), 5);
    ck_assert_int_eq(memcmp(message, "three", 5), 0);
    ck_assert_int_eq(helper_end(&helper, 60000), 0);
    ck_assert_int_eq(helper_end(&helper, 60000), 0);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}
END_TEST

START_TEST(helper_keeps_what_it_is_handed_and_nothing_else)
{
    int other = eventfd(0, 0), given = eventfd(0, EFD_CLOEXEC), another = eventfd(0, 0);
    struct helper helper;
    unsigned found[2];
    eventfd_t count;

    ck_assert_int_eq(helper_start(&helper, "test", given, count_fds, &given), 0);
    ck_assert_int_eq(take(&helper, found, sizeof(found)), sizeof(found));
    ck_assert_uint_eq(found[0], 2); /* its end of the socket, and that one */
    ck_assert_uint_eq(found[1], 1);
    ck_assert_int_eq(eventfd_read(given, &count), 0);
    ck_assert_uint_eq(count, 7);
    ck_assert_int_eq(helper_end(&helper, 60000), 0);
    fd_close(&other);
    fd_close(&given);
    fd_close(&another);
}
END_TEST

START_TEST(helper_that_is_killed_is_seen)
{
    struct helper helper;
    char message[8];

    ck_assert_int_eq(helper_start(&helper, "test", -1, hang, NULL), 0);
    ck_assert_int_eq(take(&helper, message, sizeof(message)), 4);
    ck_assert_int_eq(kill(helper.pid, SIGKILL), 0);
    ck_assert_int_eq(take(&helper, message, sizeof(message)), -EPIPE);
    ck_assert_int_eq(helper_send(helper.socket, "x", 1), -EPIPE);
    ck_assert_int_eq(helper_end(&helper, 60000), 0);
}
END_TEST

/* By SIGSTOP, or in a library. */
START_TEST(helper_that_hangs_is_not_waited_for)
{
    struct helper helper;
    char message[8], full[1024] = "";
    int r = 0;

    ck_assert_int_eq(helper_start(&helper, "test", -1, hang, NULL), 0);
    ck_assert_int_eq(take(&helper, message, sizeof(message)), 4);
    if (_i == 1)
        ck_assert_int_eq(kill(helper.pid, SIGSTOP), 0);
    for (unsigned i = 0; i < 100000 && r == 0; i++)
        r = helper_send(helper.socket, full, sizeof(full));
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_int_eq(helper_end(&helper, 1), -ETIMEDOUT);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

/* What a terminal sends to all of its processes is for us. */
START_TEST(signals_of_a_terminal_do_not_end_it)
{
    struct helper helper;
    char message[8];

    ck_assert_int_eq(helper_start(&helper, "test", -1, echo, NULL), 0);
    ck_assert_int_eq(helper_send(helper.socket, "1", 1), 0);
    ck_assert_int_eq(take(&helper, message, sizeof(message)), 1);
    (void)kill(helper.pid, SIGINT);
    (void)kill(helper.pid, SIGTERM);
    (void)kill(helper.pid, SIGHUP);
    ck_assert_int_eq(helper_send(helper.socket, "2", 1), 0);
    ck_assert_int_eq(take(&helper, message, sizeof(message)), 1);
    ck_assert_int_eq(helper_end(&helper, 60000), 0);
}
END_TEST

/* A parent that is killed: its helper ends by itself, and at once, for it does not hang. The pipe's
 * writing end is theirs alone, so it ends when both have. */
START_TEST(nothing_is_left_when_the_parent_is_killed)
{
    struct pollfd ended;
    int fds[2];
    char byte;

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    pid_t parent = fork();
    ck_assert_int_ge(parent, 0);
    if (parent == 0) {
        struct helper helper;
        char message[8];
        if (helper_start(&helper, "test", fds[1], echo, NULL) < 0 ||
            helper_send(helper.socket, "x", 1) < 0 || take(&helper, message, 8) != 1)
            _exit(1);
        (void)!write(fds[1], "1", 1);
        for (;;)
            (void)pause();
    }
    fd_close(&fds[1]);
    ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    (void)kill(parent, SIGKILL);
    (void)waitpid(parent, NULL, 0);
    ended = (struct pollfd){.fd = fds[0], .events = POLLIN};
    ck_assert_int_eq(poll(&ended, 1, 60000), 1);
    ck_assert_int_eq(read(fds[0], &byte, 1), 0);
    fd_close(&fds[0]);
}
END_TEST

Suite *helper_suite(void)
{
    Suite *suite = suite_create("helper");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, messages_go_both_ways_and_stay_apart);
    tcase_add_test(tests, helper_keeps_what_it_is_handed_and_nothing_else);
    tcase_add_test(tests, helper_that_is_killed_is_seen);
    tcase_add_loop_test(tests, helper_that_hangs_is_not_waited_for, 0, 2);
    tcase_add_test(tests, signals_of_a_terminal_do_not_end_it);
    tcase_add_test(tests, nothing_is_left_when_the_parent_is_killed);
    suite_add_tcase(suite, tests);
    return suite;
}
