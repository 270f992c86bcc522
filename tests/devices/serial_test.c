/* SPDX-License-Identifier: BSD-3-Clause */
/* The 16550A as drivers probe and use it. Register numbers and bits are the data sheet's. */
#include "devices/serial.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

static struct serial uart;
static int out[2]; /* what the UART sent */

static void setup(void)
{
    ck_assert_int_eq(pipe2(out, O_NONBLOCK), 0);
    ck_assert_int_eq(serial_init(&uart, out[1]), 0);
}

static void teardown(void)
{
    serial_fini(&uart);
    close(out[0]);
    close(out[1]);
}

static uint8_t get(uint64_t reg)
{
    uint8_t value = 0xff;

    serial_ops.read(&uart, reg, &value, 1);
    return value;
}

static void put(uint64_t reg, uint8_t value)
{
    serial_ops.write(&uart, reg, &value, 1);
}

/* Interrupt edges since the last call. */
static uint64_t edges(void)
{
    uint64_t count = 0;

    (void)!read(uart.irq.fd, &count, sizeof(count));
    return count;
}

START_TEST(written_byte_reaches_the_host)
{
    char got[4] = "";

    put(0, 'h');
    put(0, 'i');
    ck_assert_int_eq(read(out[0], got, sizeof(got)), 2);
    ck_assert_str_eq(got, "hi");
}
END_TEST

START_TEST(divisor_latch_hides_data_and_ier)
{
    char got;

    put(3, 0x83);
    put(0, 0x01);
    put(1, 0x02);
    ck_assert_uint_eq(get(0), 0x01);
    ck_assert_uint_eq(get(1), 0x02);
    put(3, 0x03);
    ck_assert_uint_eq(get(1), 0x00);
    ck_assert_int_eq(read(out[0], &got, 1), -1); /* nothing was sent */
}
END_TEST

START_TEST(ier_reads_back_four_bits_only)
{
    put(1, 0xff);
    ck_assert_uint_eq(get(1), 0x0f);
    put(1, 0x00);
    ck_assert_uint_eq(get(1), 0x00);
}
END_TEST

START_TEST(fifo_enable_shows_16550a_in_iir)
{
    ck_assert_uint_eq(get(2), 0x01);
    put(2, 0x01);
    ck_assert_uint_eq(get(2), 0xc1);
}
END_TEST

START_TEST(transmitter_interrupt_is_raised_and_taken_by_reading_iir)
{
    put(1, 0x02);
    ck_assert_uint_ge(edges(), 1);
    ck_assert_uint_eq(get(2), 0x02);
    ck_assert_uint_eq(get(2), 0x01);
    put(0, 'x');
    ck_assert_uint_ge(edges(), 1);
    ck_assert_uint_eq(get(2), 0x02);
}
END_TEST

START_TEST(line_status_says_idle_and_tells_input)
{
    ck_assert_uint_eq(get(5), 0x60);
    ck_assert_uint_eq(serial_input(&uart, (const uint8_t *)"k", 1), 1);
    ck_assert_uint_eq(get(5), 0x61);
    ck_assert_uint_eq(get(0), 'k');
    ck_assert_uint_eq(get(5), 0x60);
    ck_assert_uint_eq(get(0), 0);
}
END_TEST

START_TEST(input_interrupts_until_it_is_read)
{
    put(1, 0x01);
    (void)edges();
    ck_assert_uint_eq(serial_input(&uart, (const uint8_t *)"ab", 2), 2);
    ck_assert_uint_eq(edges(), 1);
    ck_assert_uint_eq(get(2), 0x04);
    ck_assert_uint_eq(get(0), 'a');
    ck_assert_uint_eq(edges(), 1); /* one more is waiting */
    ck_assert_uint_eq(get(0), 'b');
    ck_assert_uint_eq(edges(), 0);
    ck_assert_uint_eq(get(2), 0x01);
}
END_TEST

START_TEST(full_input_takes_no_more_and_tells_when_drained)
{
    uint8_t bytes[SERIAL_INPUT_BYTES + 1] = {0};
    uint64_t count = 0;

    ck_assert_uint_eq(serial_input(&uart, bytes, sizeof(bytes)), SERIAL_INPUT_BYTES);
    ck_assert_uint_eq(serial_input_room(&uart), 0);
    ck_assert_int_eq(read(uart.drained.fd, &count, sizeof(count)), -1);
    (void)get(0);
    ck_assert_int_eq(read(uart.drained.fd, &count, sizeof(count)), sizeof(count));
    ck_assert_uint_eq(serial_input_room(&uart), 1);
}
END_TEST

START_TEST(loopback_returns_data_and_modem_lines)
{
    char got;

    put(4, 0x1a); /* loopback, OUT2, RTS */
    ck_assert_uint_eq(get(6), 0x90);
    put(0, 'L');
    ck_assert_uint_eq(get(0), 'L');
    ck_assert_int_eq(read(out[0], &got, 1), -1);
    put(4, 0x00);
    ck_assert_uint_eq(get(6), 0xb0);
}
END_TEST

START_TEST(clearing_the_receive_fifo_drops_input)
{
    ck_assert_uint_eq(serial_input(&uart, (const uint8_t *)"abc", 3), 3);
    put(2, 0x03);
    ck_assert_uint_eq(get(5), 0x60);
}
END_TEST

START_TEST(scratch_register_keeps_any_value)
{
    for (unsigned value = 0; value < 256; value++) {
        put(7, (uint8_t)value);
        ck_assert_uint_eq(get(7), value);
    }
}
END_TEST

START_TEST(wide_access_touches_one_register_and_no_byte_beyond)
{
    uint8_t buf[8];

    memset(buf, 0xff, sizeof(buf));
    serial_ops.read(&uart, 5, buf, 4);
    ck_assert_uint_eq(buf[0], 0x60);
    ck_assert_uint_eq(buf[1], 0xff);
    ck_assert_uint_eq(buf[7], 0xff);
}
END_TEST

START_TEST(output_that_is_closed_does_not_stop_the_guest)
{
    char got;

    (void)signal(SIGPIPE, SIG_IGN);
    close(out[0]);
    put(0, 'x'); /* EPIPE: told once, then thrown away */
    put(0, 'y');
    ck_assert_uint_eq(get(5), 0x60);
    ck_assert_int_eq(pipe2(out, O_NONBLOCK), 0);
    ck_assert_int_eq(read(out[0], &got, 1), -1);
}
END_TEST

Suite *serial_suite(void);
Suite *serial_suite(void)
{
    Suite *suite = suite_create("serial");
    TCase *tc = tcase_create("16550A");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, written_byte_reaches_the_host);
    tcase_add_test(tc, divisor_latch_hides_data_and_ier);
    tcase_add_test(tc, ier_reads_back_four_bits_only);
    tcase_add_test(tc, fifo_enable_shows_16550a_in_iir);
    tcase_add_test(tc, transmitter_interrupt_is_raised_and_taken_by_reading_iir);
    tcase_add_test(tc, line_status_says_idle_and_tells_input);
    tcase_add_test(tc, input_interrupts_until_it_is_read);
    tcase_add_test(tc, full_input_takes_no_more_and_tells_when_drained);
    tcase_add_test(tc, loopback_returns_data_and_modem_lines);
    tcase_add_test(tc, clearing_the_receive_fifo_drops_input);
    tcase_add_test(tc, scratch_register_keeps_any_value);
    tcase_add_test(tc, wide_access_touches_one_register_and_no_byte_beyond);
    tcase_add_test(tc, output_that_is_closed_does_not_stop_the_guest);
    suite_add_tcase(suite, tc);
    return suite;
}
