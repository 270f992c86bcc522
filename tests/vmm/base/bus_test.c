/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges on a bus: who answers, who does not, and one access at a time. */
#include "vmm/base/bus.h"

#include "tests/alloc_fail.h"

#include <check.h>
#include <string.h>

struct model {
    uint64_t off;
    size_t len;
    uint8_t written[8];
    unsigned reads, writes;
    uint64_t counter; /* not atomic: guarded by the bus */
};

static struct bus bus;

static void model_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    struct model *model = ctx;

    model->off = off;
    model->len = len;
    model->reads++;
    memset(ret_buf, 0x42, len);
}

static void model_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct model *model = ctx;

    model->off = off;
    model->len = len;
    model->writes++;
    model->counter++;
    memcpy(model->written, buf, len);
}

static const struct bus_ops ops = {.read = model_read, .write = model_write};

static void setup(void)
{
    bus_init(&bus);
}

static void teardown(void)
{
    bus_fini(&bus);
}

START_TEST(access_reaches_its_range)
{
    struct model low = {0}, high = {0};
    uint8_t buf[8] = {0};

    ck_assert_int_eq(bus_add(&bus, 0x2000, 0x100, &ops, &high), 0); /* in no order */
    ck_assert_int_eq(bus_add(&bus, 0x1000, 0x100, &ops, &low), 0);
    ck_assert(bus_read(&bus, 0x1004, buf, 4));
    ck_assert_uint_eq(low.off, 4);
    ck_assert_uint_eq(low.len, 4);
    ck_assert_mem_eq(buf, "BBBB\0\0\0\0", 8);
    ck_assert(bus_write(&bus, 0x20f8, "12345678", 8));
    ck_assert_uint_eq(high.off, 0xf8);
    ck_assert_mem_eq(high.written, "12345678", 8);
    ck_assert_uint_eq(low.writes + high.reads, 0);
}
END_TEST

static const struct {
    gpa_t addr;
    size_t len;
    bool answered;
} accesses[] = {
    {0x0fff, 1, false}, {0x0fff, 2, false},     {0x1000, 1, true},      {0x10ff, 1, true},
    {0x10ff, 2, false}, {0x10fc, 4, true},      {0x10fd, 4, false},     {0x1100, 1, false},
    {0, 1, false},      {UINT64_MAX, 1, false}, {UINT64_MAX, 8, false},
};

START_TEST(access_outside_reads_ones_and_writes_nothing)
{
    static const uint8_t ones[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    struct model model = {0};
    uint8_t buf[8] = {0};
    size_t len = accesses[_i].len;

    ck_assert_int_eq(bus_add(&bus, 0x1000, 0x100, &ops, &model), 0);
    ck_assert_int_eq(bus_read(&bus, accesses[_i].addr, buf, len), accesses[_i].answered);
    ck_assert_int_eq(bus_write(&bus, accesses[_i].addr, ones, len), accesses[_i].answered);
    ck_assert_uint_eq(model.reads + model.writes, accesses[_i].answered ? 2 : 0);
    ck_assert_int_eq(memcmp(buf, ones, len) == 0, !accesses[_i].answered);
}
END_TEST

START_TEST(empty_bus_answers_nothing)
{
    uint8_t byte = 0;

    ck_assert(!bus_read(&bus, 0, &byte, 1));
    ck_assert_uint_eq(byte, 0xff);
    ck_assert(!bus_write(&bus, 0, &byte, 1));
}
END_TEST

static const struct {
    gpa_t base;
    uint64_t size;
    int result;
} additions[] = {
    {0x0f00, 0x100, 0},
    {0x0f00, 0x101, -EEXIST},
    {0x1000, 0x100, -EEXIST},
    {0x1080, 1, -EEXIST},
    {0x10ff, 1, -EEXIST},
    {0x1100, 1, 0},
    {0, 0x3000, -EEXIST},
    {0, UINT64_MAX, -EEXIST},
    {0x1fff, 1, 0},
    {0x1fff, 2, -EEXIST},
    {UINT64_MAX, 1, 0},
    {0x3000, UINT64_MAX - 0x2fff, 0},
    {0x2000, UINT64_MAX - 0x1fff, -EEXIST},
};

START_TEST(ranges_may_touch_but_not_overlap)
{
    struct model model = {0};

    ck_assert_int_eq(bus_add(&bus, 0x1000, 0x100, &ops, &model), 0);
    ck_assert_int_eq(bus_add(&bus, 0x2000, 0x100, &ops, &model), 0);
    ck_assert_int_eq(bus_add(&bus, additions[_i].base, additions[_i].size, &ops, &model),
                     additions[_i].result);
}
END_TEST

START_TEST(table_has_64_ranges)
{
    struct model model = {0};

    for (gpa_t i = 0; i < 64; i++)
        ck_assert_int_eq(bus_add(&bus, (63 - i) * 16, 16, &ops, &model), 0);
    ck_assert_int_eq(bus_add(&bus, 0x10000, 16, &ops, &model), -ENOSPC);
    ck_assert(bus_write(&bus, 17 * 16 + 3, "x", 1));
    ck_assert_uint_eq(model.off, 3);
}
END_TEST

START_TEST(addition_without_memory_fails)
{
    struct model model = {0};

    alloc_fail_after(0);
    int r = bus_add(&bus, 0, 16, &ops, &model);
    alloc_fail_stop();
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert(!bus_write(&bus, 0, "x", 1));
}
END_TEST

#define ACCESSES 20000

static void *hammer(void *arg)
{
    for (int i = 0; i < ACCESSES; i++)
        (void)bus_write(&bus, 0x1000, "x", 1);
    return arg;
}

START_TEST(handler_sees_one_access_at_a_time)
{
    struct model model = {0};
    pthread_t thread;

    ck_assert_int_eq(bus_add(&bus, 0x1000, 0x100, &ops, &model), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, hammer, NULL), 0);
    (void)hammer(NULL);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(model.counter, 2 * ACCESSES);
}
END_TEST

static pthread_barrier_t both_inside;

static void meet_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    (void)ctx;
    (void)off;
    (void)buf;
    (void)len;
    (void)pthread_barrier_wait(&both_inside);
}

static void *write_once(void *arg)
{
    (void)bus_write(&bus, 0x1000, "x", 1);
    return arg;
}

START_TEST(handlers_that_lock_for_themselves_may_meet)
{
    static const struct bus_ops meeting = {.write = meet_write, .locks = true};
    pthread_t thread;

    ck_assert_int_eq(pthread_barrier_init(&both_inside, NULL, 2), 0);
    ck_assert_int_eq(bus_add(&bus, 0x1000, 0x100, &meeting, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, write_once, NULL), 0);
    (void)write_once(NULL); /* or they wait for ever */
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    (void)pthread_barrier_destroy(&both_inside);
}
END_TEST

Suite *bus_suite(void);
Suite *bus_suite(void)
{
    Suite *suite = suite_create("bus");
    TCase *tcase = tcase_create("ranges");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, access_reaches_its_range);
    tcase_add_loop_test(tcase, access_outside_reads_ones_and_writes_nothing, 0,
                        (int)ARRAY_SIZE(accesses));
    tcase_add_test(tcase, empty_bus_answers_nothing);
    tcase_add_loop_test(tcase, ranges_may_touch_but_not_overlap, 0, (int)ARRAY_SIZE(additions));
    tcase_add_test(tcase, table_has_64_ranges);
    tcase_add_test(tcase, addition_without_memory_fails);
    tcase_add_test(tcase, handler_sees_one_access_at_a_time);
    tcase_add_test(tcase, handlers_that_lock_for_themselves_may_meet);
    suite_add_tcase(suite, tcase);
    return suite;
}
