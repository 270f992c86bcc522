/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes that end a guest, and all the others, which must not. */
#include "devices/power.h"

#include <check.h>

static struct power power;
static unsigned seen[3]; /* by enum power_event */

static void note(struct power *from, enum power_event event)
{
    ck_assert_ptr_eq(from, &power);
    seen[event]++;
}

static void setup(void)
{
    power.event = note;
    seen[0] = seen[1] = seen[2] = 0;
}

static void put(const struct bus_ops *ops, uint64_t off, uint8_t value)
{
    ops->write(&power, off, &value, 1);
}

static uint8_t get(const struct bus_ops *ops, uint64_t off)
{
    uint8_t value = 0xff;

    ops->read(&power, off, &value, 1);
    return value;
}

START_TEST(sleep_control_with_s5_and_enable_powers_off)
{
    put(&power_ops, 1, 0x80); /* Linux clears the wake status first */
    ck_assert_uint_eq(seen[POWER_EVENT_OFF], 0);
    put(&power_ops, 0, 0x34); /* SLP_TYP 5, SLP_EN */
    ck_assert_uint_eq(seen[POWER_EVENT_OFF], 1);
    ck_assert_uint_eq(get(&power_ops, 1), 0);
}
END_TEST

START_TEST(every_other_sleep_value_does_nothing)
{
    for (unsigned value = 0; value < 256; value++)
        if ((value & 0x3c) != 0x34)
            put(&power_ops, 0, (uint8_t)value);
    ck_assert_uint_eq(seen[POWER_EVENT_OFF] + seen[POWER_EVENT_RESET], 0);
}
END_TEST

START_TEST(reset_register_takes_its_value_only)
{
    put(&power_ops, 2, 0x00);
    put(&power_ops, 2, 0x06);
    ck_assert_uint_eq(seen[POWER_EVENT_RESET], 0);
    put(&power_ops, 2, 0x01);
    ck_assert_uint_eq(seen[POWER_EVENT_RESET], 1);
}
END_TEST

START_TEST(keyboard_controller_pulse_resets_and_is_never_busy)
{
    ck_assert_uint_eq(get(&i8042_ops, 0) & 0x02, 0);
    put(&i8042_ops, 0, 0xad);
    put(&i8042_ops, 0, 0xff);
    ck_assert_uint_eq(seen[POWER_EVENT_RESET], 0);
    put(&i8042_ops, 0, 0xfe);
    ck_assert_uint_eq(seen[POWER_EVENT_RESET], 1);
}
END_TEST

START_TEST(pvpanic_offers_panicked_and_takes_it)
{
    ck_assert_uint_eq(get(&pvpanic_ops, 0), 0x01);
    put(&pvpanic_ops, 0, 0x02); /* crash loaded: the guest's own kdump takes over */
    ck_assert_uint_eq(seen[POWER_EVENT_PANIC], 0);
    put(&pvpanic_ops, 0, 0x01);
    ck_assert_uint_eq(seen[POWER_EVENT_PANIC], 1);
}
END_TEST

Suite *power_suite(void);
Suite *power_suite(void)
{
    Suite *suite = suite_create("power");
    TCase *tc = tcase_create("power");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, sleep_control_with_s5_and_enable_powers_off);
    tcase_add_test(tc, every_other_sleep_value_does_nothing);
    tcase_add_test(tc, reset_register_takes_its_value_only);
    tcase_add_test(tc, keyboard_controller_pulse_resets_and_is_never_busy);
    tcase_add_test(tc, pvpanic_offers_panicked_and_takes_it);
    suite_add_tcase(suite, tc);
    return suite;
}
