/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of a guest's output: pipes that are slow, full, closed, or in the way. */
#include "vmm/console.h"

#include "tests/capture.h"
#include "tests/wrap.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#define PIPE_BYTES 65536 /* that a pipe holds */

static struct serial uart;
static struct console console;
static struct capture capture;
static int out[2];

static void setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    ck_assert_int_eq(fcntl(out[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    ck_assert_int_eq(serial_init(&uart), 0);
}

static void teardown(void)
{
    serial_fini(&uart);
    fd_close(&out[0]);
    fd_close(&out[1]);
}

static void guest_writes(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)(i % 251);
        serial_ops.write(&uart, 0, &byte, 1);
    }
}

/* Reads count bytes, which guest_writes() sent after `before` others. */
static void assert_arrives(unsigned before, unsigned count)
{
    uint8_t bytes[4096];

    for (unsigned at = before; at < before + count;) {
        ssize_t n = read(out[0], bytes, MIN(sizeof(bytes), (size_t)(before + count - at)));
        ck_assert_int_gt(n, 0);
        for (ssize_t i = 0; i < n; i++, at++)
            if (bytes[i] != at % 251)
                ck_abort_msg("byte %u is %u", at, bytes[i]);
    }
}

START_TEST(bytes_arrive_as_they_are_written)
{
    ck_assert_int_eq(console_start(&console, &uart, out[1]), 0);
    guest_writes(1);
    assert_arrives(0, 1);
    guest_writes(3);
    assert_arrives(0, 3);
    console_stop(&console);
}
END_TEST

START_TEST(the_last_of_it_is_kept)
{
    const unsigned count = CONSOLE_KEPT_BYTES + 1000 * (unsigned)_i;
    char *text;
    size_t len;

    console = (struct console){0};
    ck_assert_int_eq(console_keep(&console), 0);
    ck_assert_int_eq(console_start(&console, &uart, -1), 0);
    ck_assert_uint_eq(console.first_ns, 0);
    guest_writes(1000 * (unsigned)_i);
    for (unsigned sent = 1000 * (unsigned)_i; sent < count && _i > 0; sent += 1024) {
        while (serial_output_waiting(&uart) > 0)
            (void)sched_yield();
        for (unsigned i = sent; i < MIN(sent + 1024, count); i++) {
            uint8_t byte = (uint8_t)(i % 251);
            serial_ops.write(&uart, 0, &byte, 1);
        }
    }
    console_stop(&console);
    text = console_copy(&console, &len);
    ck_assert_uint_eq(len, _i == 0 ? 0 : CONSOLE_KEPT_BYTES);
    ck_assert_int_eq(console.first_ns != 0, _i > 0);
    for (unsigned i = 0; i < len; i++)
        if ((uint8_t)text[i] != (i + 1000 * (unsigned)_i) % 251)
            ck_abort_msg("byte %u", i);
    free(text);
    console_fini(&console);
}
END_TEST

START_TEST(all_that_was_written_goes_out_at_the_end)
{
    guest_writes(5000); /* before there is a thread to write them */
    ck_assert_int_eq(console_start(&console, &uart, out[1]), 0);
    capture_start(&capture);
    console_stop(&console);
    ck_assert_str_eq(capture_end(&capture), "");
    assert_arrives(0, 5000);
}
END_TEST

static void *read_late(void *arg)
{
    const unsigned *count = arg;

    assert_arrives(0, *count);
    return NULL;
}

START_TEST(slow_reader_loses_nothing)
{
    unsigned count = 4 * PIPE_BYTES;
    pthread_t reader;

    guest_writes(count);
    ck_assert_int_eq(console_start(&console, &uart, out[1]), 0);
    console.patience_ms = -1;
    ck_assert_int_eq(pthread_create(&reader, NULL, read_late, &count), 0);
    capture_start(&capture);
    console_stop(&console);
    ck_assert_str_eq(capture_end(&capture), "");
    ck_assert_int_eq(pthread_join(reader, NULL), 0);
}
END_TEST

/* The thread is in write(), or about to be: either way it is got out. */
START_TEST(reader_that_never_reads_is_left_after_a_line)
{
    guest_writes(PIPE_BYTES + 1000);
    ck_assert_int_eq(console_start(&console, &uart, out[1]), 0);
    console.patience_ms = 0;
    capture_start(&capture);
    console_stop(&console);
    const char *text = capture_end(&capture);
    ck_assert_ptr_nonnull(strstr(text, "nobody read it, "));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    assert_arrives(0, PIPE_BYTES + 1000 - (unsigned)serial_output_waiting(&uart));
}
END_TEST

START_TEST(what_did_not_fit_is_told)
{
    guest_writes(SERIAL_OUTPUT_BYTES + 7);
    ck_assert_int_eq(console_start(&console, &uart, open("/dev/null", O_WRONLY | O_CLOEXEC)), 0);
    console.patience_ms = -1;
    capture_start(&capture);
    console_stop(&console);
    ck_assert_ptr_nonnull(strstr(capture_end(&capture), "7 bytes are lost"));
    fd_close(&console.fd);
}
END_TEST

START_TEST(closed_pipe_is_told_once_and_the_guest_goes_on)
{
    fd_close(&out[0]);
    guest_writes(SERIAL_OUTPUT_BUSY_BYTES);
    capture_start(&capture);
    int r = console_start(&console, &uart, out[1]);
    console_stop(&console);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, 0);
    ck_assert_ptr_nonnull(strstr(text, "output failed (Broken pipe)"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    uint8_t lsr;
    serial_ops.read(&uart, 5, &lsr, 1);
    ck_assert_uint_eq(lsr, 0x60);
}
END_TEST

START_TEST(descriptor_that_does_not_block_is_waited_for)
{
    unsigned count = 4 * PIPE_BYTES;

    ck_assert_int_eq(fcntl(out[1], F_SETFL, O_NONBLOCK), 0);
    guest_writes(count);
    ck_assert_int_eq(console_start(&console, &uart, out[1]), 0);
    assert_arrives(0, count);
    console_stop(&console);
}
END_TEST

START_TEST(full_descriptor_that_does_not_block_is_left_too)
{
    ck_assert_int_eq(fcntl(out[1], F_SETFL, O_NONBLOCK), 0);
    guest_writes(PIPE_BYTES + 1000);
    ck_assert_int_eq(console_start(&console, &uart, out[1]), 0);
    console.patience_ms = 0;
    capture_start(&capture);
    console_stop(&console);
    ck_assert_ptr_nonnull(strstr(capture_end(&capture), "nobody read it, "));
}
END_TEST

START_TEST(start_that_fails_is_one_line_and_can_be_stopped)
{
    static const enum wrap_call calls[] = {WRAP_EVENTFD, WRAP_MMAP, WRAP_PTHREAD_CREATE};

    wrap_fail_after(calls[_i], 0, EAGAIN);
    capture_start(&capture);
    int r = console_start(&console, &uart, out[1]);
    const char *text = capture_end(&capture);
    ck_assert_uint_eq(wrap_stop(calls[_i]), 1);
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_one_error(text, "");
    console_stop(&console);
}
END_TEST

Suite *console_suite(void);
Suite *console_suite(void)
{
    Suite *suite = suite_create("console");
    TCase *tc = tcase_create("output");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, bytes_arrive_as_they_are_written);
    tcase_add_loop_test(tc, the_last_of_it_is_kept, 0, 2);
    tcase_add_test(tc, all_that_was_written_goes_out_at_the_end);
    tcase_add_test(tc, slow_reader_loses_nothing);
    tcase_add_test(tc, reader_that_never_reads_is_left_after_a_line);
    tcase_add_test(tc, what_did_not_fit_is_told);
    tcase_add_test(tc, closed_pipe_is_told_once_and_the_guest_goes_on);
    tcase_add_test(tc, descriptor_that_does_not_block_is_waited_for);
    tcase_add_test(tc, full_descriptor_that_does_not_block_is_left_too);
    tcase_add_loop_test(tc, start_that_fails_is_one_line_and_can_be_stopped, 0, 3);
    suite_add_tcase(suite, tc);
    return suite;
}
