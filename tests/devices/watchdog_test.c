/* SPDX-License-Identifier: BSD-3-Clause */
/* SP805, register by register as Arm DDI 0270 has them, by a clock that the test turns. */
#include "devices/watchdog.h"

#include "tests/fake_clock.h"

#include <check.h>
#include <string.h>
#include <sys/epoll.h>

#define START_NS UINT64_C(5000000000)
#define MS       UINT64_C(1000000)

static struct fake_clock fake = FAKE_CLOCK;
static struct watchdog dog;
static unsigned hungry;

static void on_hungry(struct watchdog *watchdog)
{
    ck_assert_ptr_eq(watchdog, &dog);
    hungry++;
}

static void setup(void)
{
    fake.now_ns = START_NS;
    fake.armed_ns = TIME_NEVER;
    hungry = 0;
    dog = (struct watchdog){.hungry = on_hungry};
    ck_assert_int_eq(watchdog_init(&dog, &fake.base), 0);
}

static void teardown(void)
{
    watchdog_fini(&dog);
}

static uint32_t get(uint64_t off)
{
    uint8_t bytes[4] = {0xaa, 0xaa, 0xaa, 0xaa};

    watchdog_ops.read(&dog, off, bytes, sizeof(bytes));
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void set(uint64_t off, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                              (uint8_t)(value >> 24)};

    watchdog_ops.write(&dog, off, bytes, sizeof(bytes));
}

/* What the loop does, perhaps early. */
static void timer_fires(void)
{
    dog.timer.ready(&dog.timer, EPOLLIN);
}

/* Twice ten seconds. */
static void start(void)
{
    set(0x000, 9999);
    set(0x008, 3);
    ck_assert_int_eq(fake.armed_fd, dog.timer.fd);
    ck_assert_uint_eq(fake.armed_ns, fake.now_ns + 20000 * MS);
}

START_TEST(it_stands_still_at_first)
{
    ck_assert_uint_eq(get(0x000), 0xffffffff);
    ck_assert_uint_eq(get(0x004), 0xffffffff);
    ck_assert_uint_eq(get(0x008), 0);
    ck_assert_uint_eq(get(0xc00), 0);
    fake.now_ns += 1000000 * MS;
    timer_fires();
    ck_assert_uint_eq(hungry, 0);
    ck_assert_uint_eq(get(0x004), 0xffffffff);
    ck_assert_uint_eq(get(0x010), 0);
}
END_TEST

START_TEST(it_counts_down_twice_and_ends)
{
    start();
    fake.now_ns += 4000 * MS;
    ck_assert_uint_eq(get(0x004), 5999);
    ck_assert_uint_eq(get(0x010), 0);
    fake.now_ns += 6000 * MS;
    ck_assert_uint_eq(get(0x004), 9999);
    ck_assert_uint_eq(get(0x010), 1); /* the warning */
    ck_assert_uint_eq(get(0x014), 1);
    fake.now_ns += 9999 * MS;
    timer_fires();
    ck_assert_uint_eq(hungry, 0);
    fake.now_ns += 1 * MS;
    timer_fires();
    ck_assert_uint_eq(hungry, 1);
    timer_fires(); /* once only */
    set(0x00c, 1);
    ck_assert_uint_eq(fake.armed_ns, TIME_NEVER);
    ck_assert_uint_eq(hungry, 1);
}
END_TEST

/* 0: cleared; 1: loaded with what it had. Both begin from the start, before and after the warning.
 */
START_TEST(it_is_fed)
{
    start();
    for (unsigned i = 0; i < 3; i++) {
        fake.now_ns += (i == 1 ? 5000 : 15000) * MS;
        set(_i == 0 ? 0x00c : 0x000, 9999);
        ck_assert_uint_eq(fake.armed_ns, fake.now_ns + 20000 * MS);
        ck_assert_uint_eq(get(0x010), 0);
        ck_assert_uint_eq(get(0x004), 9999);
        timer_fires();
    }
    ck_assert_uint_eq(hungry, 0);
}
END_TEST

START_TEST(it_is_stopped_and_started)
{
    start();
    fake.now_ns += 5000 * MS;
    set(0x008, 0);
    ck_assert_uint_eq(fake.armed_ns, TIME_NEVER);
    fake.now_ns += 100000 * MS;
    timer_fires();
    ck_assert_uint_eq(hungry, 0);
    set(0x008, 3);
    ck_assert_uint_eq(fake.armed_ns, fake.now_ns + 20000 * MS);
}
END_TEST

START_TEST(without_its_second_bit_it_only_warns)
{
    set(0x000, 9999);
    set(0x008, 1);
    ck_assert_uint_eq(fake.armed_ns, TIME_NEVER);
    fake.now_ns += 25000 * MS;
    timer_fires();
    ck_assert_uint_eq(hungry, 0);
    ck_assert_uint_eq(get(0x010), 1);
    set(0x008, 0xffffffff); /* the bit comes late: it counts on */
    ck_assert_uint_eq(get(0x008), 3);
    ck_assert_uint_eq(fake.armed_ns, START_NS + 20000 * MS);
}
END_TEST

START_TEST(locked_it_takes_nothing)
{
    start();
    set(0xc00, 1);
    ck_assert_uint_eq(get(0xc00), 1);
    set(0x008, 0);
    set(0x000, 5);
    set(0x00c, 1);
    ck_assert_uint_eq(get(0x008), 3);
    ck_assert_uint_eq(get(0x000), 9999);
    set(0xc00, 0x1acce551);
    ck_assert_uint_eq(get(0xc00), 0);
    set(0x008, 0);
    ck_assert_uint_eq(get(0x008), 0);
}
END_TEST

START_TEST(bounds_of_the_count)
{
    set(0x008, 3);
    set(0x000, 0xffffffff);
    ck_assert_uint_eq(fake.armed_ns, START_NS + (UINT64_C(1) << 33) * MS);
    set(0x000, 0);
    ck_assert_uint_eq(fake.armed_ns, START_NS + 2 * MS);
    fake.now_ns += 2 * MS;
    timer_fires();
    ck_assert_uint_eq(hungry, 1);
}
END_TEST

START_TEST(paused_it_does_not_bite)
{
    start();
    fake.now_ns += 15000 * MS;
    watchdog_pause(&dog);
    ck_assert_uint_eq(fake.armed_ns, TIME_NEVER);
    fake.now_ns += 3600000 * MS;
    timer_fires();
    ck_assert_uint_eq(hungry, 0);
    ck_assert_uint_eq(get(0x004), 4999); /* and stands still */
    watchdog_resume(&dog);
    ck_assert_uint_eq(fake.armed_ns, fake.now_ns + 5000 * MS);
    fake.now_ns += 5000 * MS;
    timer_fires();
    ck_assert_uint_eq(hungry, 1);
}
END_TEST

/* What has other lengths or no meaning. */
START_TEST(odd_accesses)
{
    uint8_t bytes[8] = {3, 0, 0, 0, 1, 1, 1, 1};

    watchdog_ops.write(&dog, 0x008, bytes, 1);
    watchdog_ops.write(&dog, 0x008, bytes, 2);
    watchdog_ops.write(&dog, 0x008, bytes, 8);
    watchdog_ops.write(&dog, 0x009, bytes, 4);
    ck_assert_uint_eq(get(0x008), 0);
    memset(bytes, 0xaa, sizeof(bytes));
    watchdog_ops.read(&dog, 0x001, bytes, 8);
    ck_assert_mem_eq(bytes, "\xff\xff\xff\0\0\0\0\0", 8);
    set(0x004, 7); /* read only, and reserved ones */
    set(0x010, 7);
    set(0x018, 7);
    ck_assert_uint_eq(get(0x018), 0);
    for (unsigned i = 0; i < 8; i++) {
        static const uint8_t id[] = {0x05, 0x18, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
        ck_assert_uint_eq(get(0xfe0 + 4 * i), id[i]);
    }
}
END_TEST

START_TEST(none_is_taken_as_well)
{
    struct watchdog none = {0};

    watchdog_pause(&none);
    watchdog_resume(&none);
    watchdog_fini(&none);
}
END_TEST

Suite *watchdog_suite(void);
Suite *watchdog_suite(void)
{
    Suite *suite = suite_create("watchdog");
    TCase *tcase = tcase_create("registers");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, it_stands_still_at_first);
    tcase_add_test(tcase, it_counts_down_twice_and_ends);
    tcase_add_loop_test(tcase, it_is_fed, 0, 2);
    tcase_add_test(tcase, it_is_stopped_and_started);
    tcase_add_test(tcase, without_its_second_bit_it_only_warns);
    tcase_add_test(tcase, locked_it_takes_nothing);
    tcase_add_test(tcase, bounds_of_the_count);
    tcase_add_test(tcase, paused_it_does_not_bite);
    tcase_add_test(tcase, odd_accesses);
    tcase_add_test(tcase, none_is_taken_as_well);
    suite_add_tcase(suite, tcase);
    return suite;
}
