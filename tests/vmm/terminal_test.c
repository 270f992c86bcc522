/* SPDX-License-Identifier: BSD-3-Clause */
/* Standard input as the guest's keyboard: a terminal, a pipe, a file, nothing. */
#include "vmm/terminal.h"

#include "tests/capture.h"
#include "tests/child.h"
#include "tests/wrap.h"
#include "vmm/base/thread.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>

static struct serial uart;
static struct loop loop;
static struct terminal terminal;
static struct capture capture;
static unsigned quits;
static int saved_stdin;

static void quit(struct terminal *which)
{
    ck_assert_ptr_eq(which, &terminal);
    quits++;
}

static void setup(void)
{
    saved_stdin = dup(STDIN_FILENO);
    ck_assert_int_eq(serial_init(&uart), 0);
    ck_assert_int_eq(loop_init(&loop), 0);
    terminal = (struct terminal){.quit = quit};
    quits = 0;
}

static void teardown(void)
{
    terminal_close(&terminal);
    loop_fini(&loop);
    serial_fini(&uart);
    if (saved_stdin >= 0)
        ck_assert_int_eq(dup2(saved_stdin, STDIN_FILENO), STDIN_FILENO);
    fd_close(&saved_stdin);
}

/* Makes fd standard input. */
static void stdin_is(int fd)
{
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    (void)close(fd);
}

/* Serves what is ready, without waiting. */
static void serve(void)
{
    loop_stop(&loop);
    ck_assert_int_eq(loop_run(&loop), 0);
}

static uint8_t get(uint64_t reg)
{
    uint8_t value;

    serial_ops.read(&uart, reg, &value, 1);
    return value;
}

static void put(uint64_t reg, uint8_t value)
{
    serial_ops.write(&uart, reg, &value, 1);
}

/* A driver opens the port. */
static void guest_listens(void)
{
    put(2, 0x01);
    put(4, 0x0b);
}

/* What the guest finds in its FIFO, as a string. */
static const char *guest_reads(void)
{
    static char text[64];
    size_t len = 0;

    while ((get(5) & 0x01) != 0 && len < sizeof(text) - 1)
        text[len++] = (char)get(0);
    text[len] = '\0';
    return text;
}

/* -- no terminal -- */

static const char *pattern(void)
{
    static char bytes[10000];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i % 251);
    return bytes;
}

/* Serves until the guest has got bytes `from` to `to` of the pattern, and no more are there. */
static void assert_pattern_arrives(unsigned from, unsigned to)
{
    for (unsigned at = from; at < to; at++) {
        serve();
        ck_assert_uint_eq(get(5) & 0x01, 0x01);
        if (get(0) != at % 251)
            ck_abort_msg("byte %u is another", at);
    }
    serve();
    ck_assert_uint_eq(get(5) & 0x01, 0);
}

START_TEST(bytes_of_a_pipe_go_through_as_they_are)
{
    int in[2];

    ck_assert_int_eq(pipe(in), 0);
    stdin_is(in[0]);
    ck_assert_int_eq(terminal_open(&terminal, &loop, &uart), 0);
    guest_listens();
    ck_assert_int_eq(write(in[1], "a\x01x\x03", 4), 4);
    serve();
    ck_assert_str_eq(guest_reads(), "a\x01x\x03");
    ck_assert_uint_eq(quits, 0);
    (void)close(in[1]);
    serve();
    ck_assert_ptr_null(terminal.input.loop); /* its end would be reported for ever */
}
END_TEST

START_TEST(full_buffer_and_a_closed_pipe_lose_nothing_and_do_not_spin)
{
    int in[2];

    ck_assert_int_eq(pipe(in), 0);
    ck_assert_int_eq(write(in[1], pattern(), 10000), 10000);
    (void)close(in[1]);
    stdin_is(in[0]);
    ck_assert_int_eq(terminal_open(&terminal, &loop, &uart), 0);
    for (unsigned i = 0; i < 4096 / 256 + 1; i++)
        serve();
    ck_assert_uint_eq(serial_input_room(&uart), 0);
    ck_assert_ptr_null(terminal.input.loop);
    guest_listens();
    assert_pattern_arrives(0, 10000);
    ck_assert(terminal.ended);
}
END_TEST

START_TEST(driver_that_clears_its_fifo_gets_input_again)
{
    int in[2];

    ck_assert_int_eq(pipe(in), 0);
    ck_assert_int_eq(write(in[1], pattern(), 10000), 10000);
    stdin_is(in[0]);
    ck_assert_int_eq(terminal_open(&terminal, &loop, &uart), 0);
    for (unsigned i = 0; i < 4096 / 256 + 1; i++)
        serve();
    (void)close(in[1]);
    guest_listens();
    put(2, 0x03); /* the FIFO's 16 bytes are gone, the buffer's are not */
    assert_pattern_arrives(16, 10000);
}
END_TEST

START_TEST(plain_file_is_read_as_the_guest_takes_it)
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    ck_assert_int_eq(write(fd, pattern(), 10000), 10000);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    stdin_is(fd);
    ck_assert_int_eq(terminal_open(&terminal, &loop, &uart), 0);
    ck_assert_uint_eq(serial_input_room(&uart), 0);
    guest_listens();
    assert_pattern_arrives(0, 10000);
    ck_assert(terminal.ended);
}
END_TEST

START_TEST(no_input_is_no_error)
{
    if (_i == 0)
        stdin_is(open("/dev/null", O_RDONLY));
    else
        (void)close(STDIN_FILENO);
    ck_assert_int_eq(terminal_open(&terminal, &loop, &uart), 0);
    serve();
    guest_listens();
    ck_assert_str_eq(guest_reads(), "");
}
END_TEST

START_TEST(input_that_cannot_be_watched_is_one_line)
{
    int in[2];

    ck_assert_int_eq(pipe(in), 0);
    stdin_is(in[0]);
    wrap_fail_after(WRAP_EPOLL_CTL, (unsigned)_i, ENOSPC);
    capture_start(&capture);
    int r = terminal_open(&terminal, &loop, &uart);
    const char *text = capture_end(&capture);
    ck_assert_uint_eq(wrap_stop(WRAP_EPOLL_CTL), 1);
    ck_assert_int_eq(r, -ENOSPC);
    ck_assert_one_error(text, "");
    (void)close(in[1]);
}
END_TEST

/* -- a terminal -- */

static int keyboard; /* the other end of a pseudo terminal */
static struct termios before;

static void setup_terminal(void)
{
    setup();
    keyboard = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(keyboard, 0);
    ck_assert_int_eq(grantpt(keyboard), 0);
    ck_assert_int_eq(unlockpt(keyboard), 0);
    stdin_is(open(ptsname(keyboard), O_RDWR | O_NOCTTY));
    ck_assert_int_eq(tcgetattr(STDIN_FILENO, &before), 0);
}

static void teardown_terminal(void)
{
    teardown();
    fd_close(&keyboard);
}

static void type(const char *keys)
{
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};

    ck_assert_int_eq(write(keyboard, keys, strlen(keys)), (ssize_t)strlen(keys));
    ck_assert_int_eq(poll(&ready, 1, -1), 1);
    serve();
}

static void assert_mode_as_before(void)
{
    struct termios now;

    ck_assert_int_eq(tcgetattr(keyboard, &now), 0);
    ck_assert_uint_eq(now.c_lflag, before.c_lflag);
    ck_assert_uint_eq(now.c_iflag, before.c_iflag);
    ck_assert_uint_eq(now.c_oflag, before.c_oflag);
}

START_TEST(terminal_is_raw_until_it_is_closed)
{
    struct termios now;

    ck_assert_int_eq(terminal_open(&terminal, &loop, &uart), 0);
    ck_assert_int_eq(tcgetattr(keyboard, &now), 0);
    ck_assert_uint_eq(now.c_lflag & (ECHO | ICANON | ISIG), 0);
    ck_assert_uint_eq(now.c_oflag & OPOST, OPOST);
    terminal_close(&terminal);
    assert_mode_as_before();
}
END_TEST

static const struct {
    const char *first, *second; /* typed, in two reads */
    const char *guest;          /* what the guest gets */
    unsigned quits;
    bool told;
} typings[] = {
    {"ls\r", "\x03", "ls\r\x03", 0, false},
    {"\x01x", "k", "k", 1, false},
    {"\x01", "X", "", 1, false},
    {"a\x01", "ab",
     "a\x01"
     "b",
     0, false},
    {"\x01\x01", "x", "\x01x", 0, false},
    {"\x01h", "x", "x", 0, true},
    {"\x01?", "x", "x", 0, true},
    {"\x01z", "x", "zx", 0, false},
};

START_TEST(escape_is_linnets_and_all_else_the_guests)
{
    ck_assert_int_eq(terminal_open(&terminal, &loop, &uart), 0);
    guest_listens();
    capture_start(&capture);
    type(typings[_i].first);
    type(typings[_i].second);
    const char *text = capture_end(&capture);
    ck_assert_str_eq(guest_reads(), typings[_i].guest);
    ck_assert_uint_eq(quits, typings[_i].quits);
    ck_assert_int_eq(strstr(text, "Ctrl-A x stops the machine") != NULL, typings[_i].told);
}
END_TEST

/* In a child, which has lost what the loop and the port had open. */
static int open_in_child(void)
{
    loop_fini(&loop);
    serial_fini(&uart);
    if (loop_init(&loop) < 0 || serial_init(&uart) < 0)
        return -1;
    return terminal_open(&terminal, &loop, &uart);
}

static void crash(void *arg)
{
    const int *signal_number = arg;

    (void)raise(*signal_number);
}

static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS};

/* On a thread that is not main: there these signals were blocked once. */
START_TEST(terminal_is_as_before_after_a_crash_of_any_thread)
{
    int number = fatal[_i / 2], status = 0;
    enum thread_role role = _i % 2 == 0 ? THREAD_VCPU : THREAD_WORKER;
    pid_t child = child_fork();

    if (child == 0) {
        struct thread thread = {0};
        if (open_in_child() < 0 || thread_start(&thread, role, "crash", crash, &number) < 0)
            _exit(1);
        thread_join(&thread);
        _exit(2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), number);
    assert_mode_as_before();
}
END_TEST

START_TEST(terminal_is_as_before_after_exit)
{
    int status = 0;
    pid_t child = child_fork();

    if (child == 0) {
        if (open_in_child() < 0)
            _exit(1);
        exit(7);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    assert_mode_as_before();
}
END_TEST

Suite *terminal_suite(void);
Suite *terminal_suite(void)
{
    Suite *suite = suite_create("terminal");
    TCase *tc = tcase_create("no terminal");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, bytes_of_a_pipe_go_through_as_they_are);
    tcase_add_test(tc, full_buffer_and_a_closed_pipe_lose_nothing_and_do_not_spin);
    tcase_add_test(tc, driver_that_clears_its_fifo_gets_input_again);
    tcase_add_test(tc, plain_file_is_read_as_the_guest_takes_it);
    tcase_add_loop_test(tc, no_input_is_no_error, 0, 2);
    tcase_add_loop_test(tc, input_that_cannot_be_watched_is_one_line, 0, 2);
    suite_add_tcase(suite, tc);
    tc = tcase_create("terminal");
    tcase_add_checked_fixture(tc, setup_terminal, teardown_terminal);
    tcase_add_test(tc, terminal_is_raw_until_it_is_closed);
    tcase_add_loop_test(tc, escape_is_linnets_and_all_else_the_guests, 0, ARRAY_SIZE(typings));
    tcase_add_loop_test(tc, terminal_is_as_before_after_a_crash_of_any_thread, 0,
                        2 * ARRAY_SIZE(fatal));
    tcase_add_test(tc, terminal_is_as_before_after_exit);
    suite_add_tcase(suite, tc);
    return suite;
}
