/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/hear/ring.c: what is put comes out, in order and whole. */
#include "devices/snd/hear/ring.h"

#include "tests/wrap.h"

#include <check.h>
#include <pthread.h>
#include <string.h>

static struct ring ring;
static _Alignas(8) uint8_t record[RING_RECORD_BYTES];
static uint32_t kind, len;

static void set_up(void)
{
    ck_assert_int_eq(ring_init(&ring), 0);
}

static void tear_down(void)
{
    ring_fini(&ring);
}

/* Takes the oldest record, into the above. */
static bool take_any(void)
{
    const struct ring_record *oldest = ring_oldest(&ring);

    if (oldest == NULL)
        return false;
    kind = oldest->kind;
    len = oldest->len;
    memcpy(record, oldest->bytes, len);
    ring_take(&ring, oldest);
    return true;
}

/* Record number n: a length and bytes that follow from it. */
static uint32_t fill(uint32_t n, uint8_t bytes[RING_RECORD_BYTES])
{
    uint32_t size = n * 2654435761u % (RING_RECORD_BYTES + 1);

    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(n + i * 7);
    return size;
}

static void put(uint32_t n)
{
    uint8_t bytes[RING_RECORD_BYTES];
    uint32_t size = fill(n, bytes);

    ck_assert(ring_put(&ring, n, bytes, size));
}

static void take(uint32_t n)
{
    uint8_t bytes[RING_RECORD_BYTES];
    uint32_t size = fill(n, bytes);

    ck_assert(take_any());
    ck_assert_uint_eq(kind, n);
    ck_assert_uint_eq(len, size);
    ck_assert_mem_eq(record, bytes, size);
}

START_TEST(empty_ring_has_nothing)
{
    ck_assert(!take_any());
    ck_assert_uint_eq(ring_used(&ring), 0);
    ck_assert(ring_put(&ring, 5, record, 0));
    ck_assert_uint_eq(ring_used(&ring), 8);
    ck_assert(take_any());
    ck_assert_uint_eq(kind, 5);
    ck_assert_uint_eq(len, 0);
    ck_assert(!take_any());
}
END_TEST

/* Around its end many times, with never less than some left in it. */
START_TEST(records_come_out_in_order)
{
    uint32_t taken = 0;

    for (uint32_t n = 0; n < 5000; n++) {
        put(n);
        if (ring_used(&ring) > RING_BYTES - 2 * RING_RECORD_BYTES)
            for (unsigned i = 0; i < 700; i++)
                take(taken++);
    }
    while (taken < 5000)
        take(taken++);
    ck_assert_uint_eq(ring_used(&ring), 0);
}
END_TEST

START_TEST(full_ring_takes_no_more_and_loses_nothing)
{
    uint32_t count = 0;

    memset(record, 1, sizeof(record));
    while (ring_put(&ring, count, record, RING_RECORD_BYTES))
        count++;
    ck_assert_uint_eq(count, (16 << 20) / (16384 + 8));
    for (uint32_t n = 0; n < count; n++) {
        ck_assert(take_any());
        ck_assert_uint_eq(kind, n);
    }
    ck_assert(ring_put(&ring, 0, record, RING_RECORD_BYTES));
}
END_TEST

/* However much goes through it, a ring that is emptied now and then is used at its beginning only.
 */
START_TEST(memory_is_touched_as_far_as_the_taker_was_behind)
{
    for (uint32_t n = 0; n < 3000; n += 3) {
        for (uint32_t i = 0; i < 3; i++)
            put(n + i);
        for (uint32_t i = 0; i < 3; i++)
            take(n + i);
    }
    for (size_t i = 3 * (RING_RECORD_BYTES + 8); i < RING_BYTES; i += 4096)
        ck_assert_uint_eq(ring.bytes[i], 0);
}
END_TEST

#define CROSSINGS 20000

static void *put_all(void *arg)
{
    uint32_t words[64];

    (void)arg;
    for (uint32_t n = 0; n < CROSSINGS; n++) {
        for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
            words[i] = n;
        while (!ring_put(&ring, n, words, 4 * (n % 64)))
            continue;
    }
    return NULL;
}

START_TEST(two_threads_pass_records_whole)
{
    const uint32_t *words = (const uint32_t *)(const void *)record;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, put_all, NULL), 0);
    for (uint32_t n = 0; n < CROSSINGS; n++) {
        while (!take_any())
            continue;
        ck_assert_uint_eq(kind, n);
        ck_assert_uint_eq(len, 4 * (n % 64));
        for (uint32_t i = 0; i < len / 4; i++)
            ck_assert_uint_eq(words[i], n);
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(memory_that_is_not_there_is_told)
{
    struct ring none = {0};

    wrap_fail_after(WRAP_MMAP, 0, ENOMEM);
    int r = ring_init(&none);
    (void)wrap_stop(WRAP_MMAP);
    ck_assert_int_eq(r, -ENOMEM);
    ring_fini(&none);
}
END_TEST

Suite *ring_suite(void);
Suite *ring_suite(void)
{
    Suite *suite = suite_create("ring");
    TCase *tcase = tcase_create("ring");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, empty_ring_has_nothing);
    tcase_add_test(tcase, records_come_out_in_order);
    tcase_add_test(tcase, full_ring_takes_no_more_and_loses_nothing);
    tcase_add_test(tcase, memory_is_touched_as_far_as_the_taker_was_behind);
    tcase_add_test(tcase, two_threads_pass_records_whole);
    tcase_add_test(tcase, memory_that_is_not_there_is_told);
    suite_add_tcase(suite, tcase);
    return suite;
}
