/* SPDX-License-Identifier: BSD-3-Clause */
/* PL031, register by register as Arm DDI 0224 has them. */
#include "devices/rtc.h"

#include "tests/fake_clock.h"

#include <check.h>
#include <string.h>
#include <sys/epoll.h>

/* The host's clock, and the time of the timer; the test turns both. */
static uint64_t wall_ns;
static struct fake_clock fake = FAKE_CLOCK;
static struct rtc rtc;

static uint64_t fake_wall_ns(void)
{
    return wall_ns;
}

/* 1,000,000,000.25 s since 1970. */
static void setup(void)
{
    wall_ns = 1000000000250000000;
    fake.now_ns = 5000000000;
    fake.armed_ns = 0;
    ck_assert_int_eq(rtc_init(&rtc, &fake.base), 0);
    rtc.wall_ns = fake_wall_ns;
}

static void teardown(void)
{
    rtc_fini(&rtc);
}

static void pass(uint64_t ns)
{
    wall_ns += ns;
    fake.now_ns += ns;
}

/* What the loop does at the deadline. */
static void timer_fires(void)
{
    rtc.timer.ready(&rtc.timer, EPOLLIN);
}

static unsigned edges(void)
{
    uint64_t count = 0;

    (void)!read(rtc.irq.fd, &count, sizeof(count)); /* 0: none */
    return (unsigned)count;
}

static uint32_t get(uint64_t off)
{
    uint8_t bytes[4] = {0xaa, 0xaa, 0xaa, 0xaa};

    rtc_ops.read(&rtc, off, bytes, sizeof(bytes));
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void set(uint64_t off, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                              (uint8_t)(value >> 24)};

    rtc_ops.write(&rtc, off, bytes, sizeof(bytes));
}

START_TEST(data_is_the_hosts_time)
{
    ck_assert_uint_eq(get(0x00), 1000000000);
    pass(1750000000);
    ck_assert_uint_eq(get(0x00), 1000000002);
}
END_TEST

START_TEST(real_clock_is_the_hosts)
{
    struct rtc real;
    uint8_t bytes[4];

    ck_assert_int_eq(rtc_init(&real, &timebase_monotonic), 0);
    rtc_ops.read(&real, 0, bytes, sizeof(bytes));
    ck_assert_uint_ge(bytes[3], 0x65); /* since 2023 */
    rtc_fini(&real);
    rtc_fini(&real); /* again, and one never made */
    rtc_fini(&(struct rtc){0});
}
END_TEST

START_TEST(load_sets_the_time_and_it_goes_on)
{
    set(0x08, 1000);
    ck_assert_uint_eq(get(0x00), 1000);
    ck_assert_uint_eq(get(0x08), 1000);
    pass(2000000000);
    ck_assert_uint_eq(get(0x00), 1002);
    set(0x08, 0xffffffff);
    ck_assert_uint_eq(get(0x00), 0xffffffff);
    pass(1000000000);
    ck_assert_uint_eq(get(0x00), 0); /* wraps as the part does */
}
END_TEST

START_TEST(match_and_mask_keep_what_is_written)
{
    set(0x04, 0x12345678);
    set(0x10, 0xffffffff);
    ck_assert_uint_eq(get(0x04), 0x12345678);
    ck_assert_uint_eq(get(0x10), 1);
    set(0x10, 0);
    ck_assert_uint_eq(get(0x10), 0);
}
END_TEST

START_TEST(runs_always)
{
    set(0x0c, 0);
    ck_assert_uint_eq(get(0x0c), 1);
}
END_TEST

/* -- the alarm -- */

START_TEST(alarm_goes_off_as_its_second_begins)
{
    set(0x10, 1);
    set(0x04, 1000000010);
    ck_assert_uint_eq(fake.armed_ns, 5000000000 + 9750000000);
    ck_assert_int_eq(fake.armed_fd, rtc.timer.fd);
    ck_assert_uint_eq(edges(), 0);
    ck_assert_uint_eq(get(0x14), 0);
    pass(9750000000);
    timer_fires();
    ck_assert_uint_eq(edges(), 1);
    ck_assert_uint_eq(get(0x14), 1);
    ck_assert_uint_eq(get(0x18), 1);
    timer_fires(); /* once only */
    ck_assert_uint_eq(edges(), 0);
    set(0x1c, 0); /* clears nothing */
    ck_assert_uint_eq(get(0x14), 1);
    set(0x1c, 1);
    ck_assert_uint_eq(get(0x14), 0);
    ck_assert_uint_eq(get(0x18), 0);
}
END_TEST

START_TEST(alarm_for_now_goes_off_at_once)
{
    set(0x10, 1);
    set(0x04, 1000000000);
    ck_assert_uint_eq(edges(), 1);
    ck_assert_uint_eq(fake.armed_ns, 0);
    set(0x04, 1000000000); /* it went off already */
    ck_assert_uint_eq(edges(), 0);
    set(0x1c, 1);
    set(0x04, 1000000000);
    ck_assert_uint_eq(edges(), 1);
}
END_TEST

START_TEST(masked_alarm_interrupts_when_unmasked)
{
    set(0x04, 1000000001);
    pass(750000000);
    timer_fires();
    ck_assert_uint_eq(edges(), 0);
    ck_assert_uint_eq(get(0x14), 1);
    ck_assert_uint_eq(get(0x18), 0);
    set(0x10, 1);
    ck_assert_uint_eq(edges(), 1);
    set(0x10, 1);
    ck_assert_uint_eq(edges(), 0);
}
END_TEST

START_TEST(alarm_follows_the_time_that_is_set)
{
    set(0x10, 1);
    set(0x04, 1000000100);
    set(0x08, 1000000098);
    ck_assert_uint_eq(fake.armed_ns, 5000000000 + 1750000000);
    set(0x08, 1000000100);
    ck_assert_uint_eq(edges(), 1);
}
END_TEST

START_TEST(alarm_in_the_past_waits_for_the_wrap)
{
    set(0x10, 1);
    set(0x04, 999999999);
    ck_assert_uint_eq(fake.armed_ns, 5000000000 + 0xffffffffull * 1000000000 - 250000000);
    ck_assert_uint_eq(edges(), 0);
}
END_TEST

START_TEST(host_clock_set_back_delays_the_alarm)
{
    set(0x10, 1);
    set(0x04, 1000000010);
    fake.now_ns += 9750000000;
    wall_ns += 5750000000; /* 4 s were taken back */
    timer_fires();
    ck_assert_uint_eq(edges(), 0);
    ck_assert_uint_eq(fake.armed_ns, fake.now_ns + 4000000000);
    pass(4000000000);
    timer_fires();
    ck_assert_uint_eq(edges(), 1);
}
END_TEST

START_TEST(host_clock_set_ahead_loses_no_alarm)
{
    set(0x10, 1);
    set(0x04, 1000000010);
    fake.now_ns += 9750000000;
    wall_ns += 60000000000;
    timer_fires();
    ck_assert_uint_eq(edges(), 1);
}
END_TEST

/* -- what is fixed -- */

START_TEST(identification_is_that_of_a_pl031)
{
    static const uint8_t bytes[] = {0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(get(0xfe0 + 4 * i), bytes[i]);
}
END_TEST

START_TEST(data_and_identification_cannot_be_written)
{
    set(0x00, 5);
    set(0xfe0, 5);
    ck_assert_uint_eq(get(0x00), 1000000000);
    ck_assert_uint_eq(get(0xfe0), 0x31);
}
END_TEST

START_TEST(odd_accesses_stay_within_a_register)
{
    uint8_t bytes[8];

    memset(bytes, 0xaa, sizeof(bytes));
    rtc_ops.read(&rtc, 0xfe0, bytes, 8);
    ck_assert_uint_eq(bytes[0], 0x31);
    ck_assert_uint_eq(bytes[4], 0);
    rtc_ops.read(&rtc, 0xff9, bytes, 4); /* three bytes of a register of a byte, then its end */
    ck_assert_uint_eq(bytes[0], 0);
    ck_assert_uint_eq(bytes[3], 0);
    rtc_ops.read(&rtc, 0xfff, bytes, 1);
    ck_assert_uint_eq(bytes[0], 0);
    set(0x04, 0x11111111);
    rtc_ops.write(&rtc, 0x04, bytes, 1);
    rtc_ops.write(&rtc, 0x04, bytes, 8);
    ck_assert_uint_eq(get(0x04), 0x11111111);
}
END_TEST

Suite *rtc_suite(void);
Suite *rtc_suite(void)
{
    Suite *suite = suite_create("rtc");
    TCase *tcase = tcase_create("rtc");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, data_is_the_hosts_time);
    tcase_add_test(tcase, load_sets_the_time_and_it_goes_on);
    tcase_add_test(tcase, match_and_mask_keep_what_is_written);
    tcase_add_test(tcase, real_clock_is_the_hosts);
    tcase_add_test(tcase, runs_always);
    tcase_add_test(tcase, alarm_goes_off_as_its_second_begins);
    tcase_add_test(tcase, alarm_for_now_goes_off_at_once);
    tcase_add_test(tcase, masked_alarm_interrupts_when_unmasked);
    tcase_add_test(tcase, alarm_follows_the_time_that_is_set);
    tcase_add_test(tcase, alarm_in_the_past_waits_for_the_wrap);
    tcase_add_test(tcase, host_clock_set_back_delays_the_alarm);
    tcase_add_test(tcase, host_clock_set_ahead_loses_no_alarm);
    tcase_add_test(tcase, identification_is_that_of_a_pl031);
    tcase_add_test(tcase, data_and_identification_cannot_be_written);
    tcase_add_test(tcase, odd_accesses_stay_within_a_register);
    suite_add_tcase(suite, tcase);
    return suite;
}
