/* SPDX-License-Identifier: BSD-3-Clause */
/* Pumps between pipes in the place of our standard streams, and sockets. */
#include "vmm/base/pump.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

static struct pump pump;
static int stream[2];  /* a pipe; one end is our stream */
static int sockets[2]; /* the pump's, the device's */
static int saved;

/* The pump's end of the pipe becomes descriptor `fd`. */
static void start(int fd)
{
    (void)signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe2(stream, O_CLOEXEC), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    int *ours = &stream[fd == STDIN_FILENO ? 0 : 1];
    ck_assert_int_eq(dup2(*ours, fd), fd);
    fd_close(ours);
    pump = (struct pump){.stream = fd, .socket = sockets[0], .is_input = fd == STDIN_FILENO};
    ck_assert_int_eq(pump_start(&pump), 0);
}

static void finish(void)
{
    pump_stop(&pump);
    ck_assert_int_eq(dup2(saved, pump.stream), pump.stream);
    fd_close(&saved);
    for (int i = 0; i < 2; i++) {
        fd_close(&stream[i]);
        fd_close(&sockets[i]);
    }
}

static void assert_reads(int fd, const char *text)
{
    char bytes[64] = "";
    size_t size = 0;

    while (size < strlen(text)) {
        ssize_t n = read(fd, bytes + size, strlen(text) - size);
        ck_assert_int_gt(n, 0);
        size += (size_t)n;
    }
    ck_assert_str_eq(bytes, text);
}

START_TEST(input_arrives_and_its_end)
{
    char byte;

    start(STDIN_FILENO);
    ck_assert_int_eq(write(stream[1], "hello", 5), 5);
    fd_close(&stream[1]);
    assert_reads(sockets[1], "hello");
    ck_assert_int_eq(read(sockets[1], &byte, 1), 0);
    finish();
}
END_TEST

START_TEST(output_arrives_and_the_thread_ends)
{
    struct pollfd news = {.events = POLLIN};

    start(STDOUT_FILENO);
    ck_assert_int_eq(write(sockets[1], "out", 3), 3);
    ck_assert_int_eq(shutdown(sockets[1], SHUT_WR), 0);
    news.fd = pump.blocker.news.fd;
    ck_assert_int_eq(poll(&news, 1, 10000), 1);
    ck_assert(atomic_load(&pump.blocker.ended));
    assert_reads(stream[0], "out");
    finish();
}
END_TEST

/* The device's end hears of it: CMD's port is closed. */
START_TEST(reader_that_went_away_is_told)
{
    struct pollfd device = {.events = POLLIN};
    char byte;

    start(STDOUT_FILENO);
    fd_close(&stream[0]);
    ck_assert_int_eq(write(sockets[1], "out", 3), 3);
    device.fd = sockets[1];
    ck_assert_int_eq(poll(&device, 1, 10000), 1);
    ck_assert_int_eq(read(sockets[1], &byte, 1), 0);
    ck_assert_int_eq(send(sockets[1], "more", 4, MSG_NOSIGNAL), -1);
    finish();
}
END_TEST

/* At the end, what is in the socket still goes out, whether or not the device's end is closed. */
START_TEST(stop_writes_what_is_there)
{
    start(STDOUT_FILENO);
    ck_assert_int_eq(write(sockets[1], "last words", 10), 10);
    pump_stop(&pump);
    assert_reads(stream[0], "last words");
    finish();
}
END_TEST

START_TEST(input_that_never_comes_is_left)
{
    start(STDIN_FILENO);
    finish(); /* the thread was in a read */
    ck_assert(!blocker_running(&pump.blocker));
}
END_TEST

START_TEST(inherited_streams_stay_blocking)
{
    start(STDOUT_FILENO);
    ck_assert_int_eq(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
    finish();
}
END_TEST

/* Somebody else made it so: it is written whole all the same. */
START_TEST(nonblocking_stream_loses_nothing)
{
    static char bytes[300000], got[sizeof(bytes)];
    size_t sent = 0, size = 0;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i % 251);
    start(STDOUT_FILENO);
    ck_assert_int_eq(fcntl(STDOUT_FILENO, F_SETFL, O_WRONLY | O_NONBLOCK), 0);
    while (size < sizeof(bytes)) {
        ssize_t n = send(sockets[1], bytes + sent, sizeof(bytes) - sent, MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        struct pollfd ready = {.fd = stream[0], .events = POLLIN};
        ck_assert_int_eq(poll(&ready, 1, 10000), 1);
        n = read(stream[0], got + size, MIN(sizeof(got) - size, (size_t)10000));
        ck_assert_int_gt(n, 0);
        size += (size_t)n;
    }
    ck_assert_mem_eq(bytes, got, sizeof(bytes));
    finish();
}
END_TEST

Suite *run_pump_suite(void);
Suite *run_pump_suite(void)
{
    Suite *suite = suite_create("run_pump");
    TCase *tc = tcase_create("pump");

    tcase_add_test(tc, input_arrives_and_its_end);
    tcase_add_test(tc, output_arrives_and_the_thread_ends);
    tcase_add_test(tc, reader_that_went_away_is_told);
    tcase_add_test(tc, stop_writes_what_is_there);
    tcase_add_test(tc, input_that_never_comes_is_left);
    tcase_add_test(tc, inherited_streams_stay_blocking);
    tcase_add_test(tc, nonblocking_stream_loses_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}
