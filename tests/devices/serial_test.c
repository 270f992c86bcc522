/* SPDX-License-Identifier: BSD-3-Clause */
/* The 16550A as drivers probe and use it. Register numbers and bits are the data sheet's. */
#include "devices/serial.h"

#include "tests/alloc_fail.h"
#include "tests/wrap.h"

#include <check.h>
#include <string.h>

static struct serial uart;

static void setup(void)
{
    ck_assert_int_eq(serial_init(&uart), 0);
}

static void teardown(void)
{
    serial_fini(&uart);
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

/* Edges of an unconnected line since the last call. */
static uint64_t edges_of(const struct irq *irq)
{
    uint64_t count = 0;

    (void)!read(irq->fd, &count, sizeof(count));
    return count;
}

static uint64_t edges(void)
{
    return edges_of(&uart.irq);
}

/* What the UART sent, up to size - 1 bytes, as a string. */
static const char *sent(void)
{
    static char text[64];
    const uint8_t *bytes;
    size_t len = serial_output(&uart, &bytes);

    len = MIN(len, sizeof(text) - 1);
    memcpy(text, bytes, len);
    text[len] = '\0';
    serial_output_done(&uart, len);
    return text;
}

static void send(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put(0, (uint8_t)(i % 251));
}

static size_t type(const char *text)
{
    return serial_input(&uart, (const uint8_t *)text, strlen(text));
}

/* A driver opened the port: FIFOs on, DTR, RTS and OUT2. */
static void listen(void)
{
    put(2, 0x01);
    put(4, 0x0b);
}

START_TEST(written_byte_reaches_the_host)
{
    put(0, 'h');
    put(0, 'i');
    ck_assert_uint_eq(edges_of(&uart.written), 1); /* there was none, and then there was */
    ck_assert_str_eq(sent(), "hi");
    put(0, '!');
    ck_assert_uint_eq(edges_of(&uart.written), 1);
}
END_TEST

START_TEST(divisor_latch_hides_data_and_ier)
{
    put(3, 0x83);
    put(0, 0x01);
    put(1, 0x02);
    ck_assert_uint_eq(get(0), 0x01);
    ck_assert_uint_eq(get(1), 0x02);
    put(3, 0x03);
    ck_assert_uint_eq(get(1), 0x00);
    ck_assert_str_eq(sent(), "");
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
    listen();
    ck_assert_uint_eq(get(5), 0x60);
    ck_assert_uint_eq(type("k"), 1);
    ck_assert_uint_eq(get(5), 0x61);
    ck_assert_uint_eq(get(0), 'k');
    ck_assert_uint_eq(get(5), 0x60);
    ck_assert_uint_eq(get(0), 0);
}
END_TEST

START_TEST(input_interrupts_until_it_is_read)
{
    listen();
    put(1, 0x01);
    (void)edges();
    ck_assert_uint_eq(type("ab"), 2);
    ck_assert_uint_eq(edges(), 1);
    ck_assert_uint_eq(get(2), 0xc4);
    ck_assert_uint_eq(get(0), 'a');
    ck_assert_uint_eq(edges(), 1); /* one more is waiting */
    ck_assert_uint_eq(get(0), 'b');
    ck_assert_uint_eq(edges(), 0);
    ck_assert_uint_eq(get(2), 0xc1);
}
END_TEST

START_TEST(full_input_takes_no_more_and_tells_when_drained)
{
    uint8_t bytes[SERIAL_INPUT_BYTES + 1] = {0};

    ck_assert_uint_eq(serial_input(&uart, bytes, sizeof(bytes)), 4096);
    ck_assert_uint_eq(serial_input_room(&uart), 0);
    ck_assert_uint_eq(edges_of(&uart.drained), 0);
    listen();
    ck_assert_uint_eq(edges_of(&uart.drained), 1);
    ck_assert_uint_eq(serial_input_room(&uart), 16); /* they are in the FIFO */
    ck_assert_uint_eq(serial_input(&uart, bytes, 17), 16);
    (void)get(0);
    ck_assert_uint_eq(edges_of(&uart.drained), 1);
    ck_assert_uint_eq(serial_input_room(&uart), 1);
}
END_TEST

START_TEST(input_waits_until_the_guest_listens)
{
    ck_assert_uint_eq(type("root\n"), 5);
    put(2, 0x07); /* as Linux: FIFOs on and cleared, what is there is read */
    ck_assert_uint_eq(get(0), 0);
    ck_assert_uint_eq(get(5), 0x60);
    put(1, 0x05);
    ck_assert_uint_eq(edges(), 1);
    ck_assert_uint_eq(get(5), 0x61);
    ck_assert_uint_eq(get(0), 'r');
}
END_TEST

START_TEST(driver_without_interrupts_hears_input_by_rts)
{
    ck_assert_uint_eq(type("k"), 1);
    put(4, 0x01); /* DTR alone */
    ck_assert_uint_eq(get(5), 0x60);
    put(4, 0x03);
    ck_assert_uint_eq(get(5), 0x61);
    ck_assert_uint_eq(get(0), 'k');
}
END_TEST

START_TEST(loopback_returns_data_and_modem_lines)
{
    ck_assert_uint_eq(type("k"), 1);
    put(4, 0x1a); /* loopback, OUT2, RTS: the line is cut */
    ck_assert_uint_eq(get(6), 0x90);
    put(0, 'L');
    ck_assert_uint_eq(get(0), 'L');
    ck_assert_str_eq(sent(), "");
    put(4, 0x00);
    ck_assert_uint_eq(get(6), 0xb0);
}
END_TEST

START_TEST(clearing_the_receive_fifo_drops_16_bytes_at_most)
{
    listen();
    ck_assert_uint_eq(type("0123456789abcdefGH"), 18);
    put(2, 0x03);
    ck_assert_uint_eq(get(0), 'G');
    put(2, 0x03);
    ck_assert_uint_eq(get(5), 0x60);
}
END_TEST

/* 4 KiB waited and the driver clears its FIFO: once no input arrived any more. */
START_TEST(clearing_the_receive_fifo_tells_that_there_is_room)
{
    uint8_t bytes[SERIAL_INPUT_BYTES] = {0};

    listen();
    ck_assert_uint_eq(serial_input(&uart, bytes, 4096), 4096);
    ck_assert_uint_eq(serial_input(&uart, bytes, 4096), 16);
    (void)edges_of(&uart.drained);
    put(2, 0x03);
    ck_assert_uint_eq(edges_of(&uart.drained), 1);
    ck_assert_uint_eq(serial_input_room(&uart), 16);
}
END_TEST

START_TEST(without_fifos_one_byte_is_held)
{
    listen();
    put(2, 0x00);
    ck_assert_uint_eq(type("ab"), 2);
    put(2, 0x00); /* no change, no clear */
    ck_assert_uint_eq(get(0), 'a');
    put(2, 0x01); /* FIFOs on: what was held is gone */
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

/* The busy mark is 64 KiB. */
START_TEST(transmitter_is_busy_while_much_output_waits)
{
    const uint8_t *bytes;

    put(1, 0x02);
    (void)get(2);
    send(65535);
    ck_assert_uint_eq(get(5), 0x60);
    ck_assert_uint_eq(get(2), 0x02);
    (void)edges();
    put(0, 'x');
    ck_assert_uint_eq(get(5), 0x00);
    ck_assert_uint_eq(get(2), 0x01);
    ck_assert_uint_eq(edges(), 0);
    put(1, 0x00); /* nor does switching it on make it pending */
    put(1, 0x02);
    ck_assert_uint_eq(get(2), 0x01);
    ck_assert_uint_eq(serial_output(&uart, &bytes), 65536);
    ck_assert_uint_eq(bytes[65535], 'x');
    serial_output_done(&uart, 1);
    ck_assert_uint_eq(edges(), 1);
    ck_assert_uint_eq(get(2), 0x02);
    ck_assert_uint_eq(get(5), 0x60);
}
END_TEST

START_TEST(output_goes_round_its_buffer_in_order)
{
    const uint8_t *bytes;

    send((1 << 20) - 1);
    ck_assert_uint_eq(serial_output(&uart, &bytes), (1 << 20) - 1);
    serial_output_done(&uart, 4);
    put(0, 'a');
    put(0, 'b');
    ck_assert_uint_eq(serial_output(&uart, &bytes), (1 << 20) - 4);
    ck_assert_uint_eq(bytes[0], 4);
    ck_assert_uint_eq(bytes[(1 << 20) - 5], 'a');
    serial_output_done(&uart, (1 << 20) - 4);
    ck_assert_str_eq(sent(), "b");
    ck_assert_uint_eq(serial_output_waiting(&uart), 0);
}
END_TEST

START_TEST(guest_that_does_not_look_loses_what_does_not_fit)
{
    send((1 << 20) + 3);
    ck_assert_uint_eq(serial_output_waiting(&uart), 1 << 20);
    ck_assert_uint_eq(serial_output_lost(&uart), 3);
    ck_assert_uint_eq(serial_output_lost(&uart), 0);
}
END_TEST

START_TEST(discarded_output_keeps_the_transmitter_idle)
{
    send(65536);
    ck_assert_uint_eq(get(5), 0x00);
    serial_output_discard(&uart);
    ck_assert_uint_eq(get(5), 0x60);
    send(65536);
    ck_assert_uint_eq(get(5), 0x60);
    ck_assert_uint_eq(serial_output_waiting(&uart), 0);
    ck_assert_uint_eq(serial_output_lost(&uart), 0);
}
END_TEST

START_TEST(init_that_lacks_something_fails)
{
    struct serial other;

    alloc_fail_after(0);
    int r = serial_init(&other);
    ck_assert(alloc_fail_stop());
    ck_assert_int_eq(r, -ENOMEM);
    serial_fini(&other);
    for (unsigned n = 0; n < 3; n++) {
        wrap_fail_after(WRAP_EVENTFD, n, EMFILE);
        r = serial_init(&other);
        ck_assert_uint_eq(wrap_stop(WRAP_EVENTFD), 1);
        ck_assert_int_eq(r, -EMFILE);
        serial_fini(&other);
    }
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
    tcase_add_test(tc, input_waits_until_the_guest_listens);
    tcase_add_test(tc, driver_without_interrupts_hears_input_by_rts);
    tcase_add_test(tc, loopback_returns_data_and_modem_lines);
    tcase_add_test(tc, clearing_the_receive_fifo_drops_16_bytes_at_most);
    tcase_add_test(tc, clearing_the_receive_fifo_tells_that_there_is_room);
    tcase_add_test(tc, without_fifos_one_byte_is_held);
    tcase_add_test(tc, scratch_register_keeps_any_value);
    tcase_add_test(tc, wide_access_touches_one_register_and_no_byte_beyond);
    tcase_add_test(tc, transmitter_is_busy_while_much_output_waits);
    tcase_add_test(tc, output_goes_round_its_buffer_in_order);
    tcase_add_test(tc, guest_that_does_not_look_loses_what_does_not_fit);
    tcase_add_test(tc, discarded_output_keeps_the_transmitter_idle);
    tcase_add_test(tc, init_that_lacks_something_fails);
    suite_add_tcase(suite, tc);
    return suite;
}
