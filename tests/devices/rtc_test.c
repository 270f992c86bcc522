/* SPDX-License-Identifier: BSD-3-Clause */
/* PL031, register by register as Arm DDI 0224 has them. */
#include "devices/rtc.h"

#include <check.h>
#include <string.h>
#include <time.h>

static struct rtc rtc;

static void setup(void)
{
    rtc = (struct rtc){0};
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
    uint32_t before = (uint32_t)time(NULL), now = get(0x00);

    ck_assert_uint_ge(now, before);
    ck_assert_uint_le(now, before + 2);
}
END_TEST

START_TEST(load_sets_the_time_and_it_goes_on)
{
    set(0x08, 1000);
    ck_assert_uint_ge(get(0x00), 1000);
    ck_assert_uint_le(get(0x00), 1002);
    ck_assert_uint_ge(get(0x08), 1000);
    ck_assert_uint_le(get(0x08), 1002);
    set(0x08, 0xffffffff);
    ck_assert_uint_le(get(0x00) + 1, 2); /* wraps as the part does */
}
END_TEST

START_TEST(match_and_mask_keep_what_is_written)
{
    set(0x04, 0x12345678);
    set(0x10, 0xffffffff);
    ck_assert_uint_eq(get(0x04), 0x12345678);
    ck_assert_uint_eq(get(0x10), 1);
}
END_TEST

START_TEST(runs_always_and_has_no_interrupt)
{
    set(0x0c, 0);
    ck_assert_uint_eq(get(0x0c), 1);
    set(0x04, get(0x00)); /* an alarm, now */
    set(0x10, 1);
    ck_assert_uint_eq(get(0x14), 0);
    ck_assert_uint_eq(get(0x18), 0);
}
END_TEST

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
    ck_assert_uint_gt(get(0x00), 1000000000);
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

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, data_is_the_hosts_time);
    tcase_add_test(tcase, load_sets_the_time_and_it_goes_on);
    tcase_add_test(tcase, match_and_mask_keep_what_is_written);
    tcase_add_test(tcase, runs_always_and_has_no_interrupt);
    tcase_add_test(tcase, identification_is_that_of_a_pl031);
    tcase_add_test(tcase, data_and_identification_cannot_be_written);
    tcase_add_test(tcase, odd_accesses_stay_within_a_register);
    suite_add_tcase(suite, tcase);
    return suite;
}
