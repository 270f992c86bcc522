/* SPDX-License-Identifier: BSD-3-Clause */
/* The entropy device behind its registers (virtio 1.2 §5.4). */
#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/fake_driver.h"
#include "tests/wrap.h"

#include <check.h>
#include <string.h>
#include <time.h>

#define RINGS 0x10000
#define TABLE 0x40000
#define DATA  0x80000

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct capture capture;

static void setup(void)
{
    capture_start(&capture); /* devices say why they need a reset */
    fake_memory(&mem, 0x200000);
    ck_assert_int_eq(fake_create(&virtio_rng, 0, &mem, NULL, &dev), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

static void teardown(void)
{
    (void)wrap_stop(WRAP_GETRANDOM);
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    (void)capture_end(&capture);
}

static void start(void)
{
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | FAKE_INDIRECT_DESC), 15);
}

static void offer(struct fake_piece piece)
{
    fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], &piece, 1));
}

static void kick(void)
{
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
}

/* Used length of the next answer. */
static uint32_t answer(void)
{
    uint32_t id, len;

    ck_assert(fake_wait_used(&drv, 0, &id, &len));
    return len;
}

static const uint8_t *ram(gpa_t addr, uint64_t len)
{
    return memory_at(&mem, addr, len);
}

static unsigned nonzero(gpa_t addr, uint32_t len)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < len; i++)
        count += ram(addr, len)[i] != 0;
    return count;
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

START_TEST(identity)
{
    ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_ID), 4);
    ck_assert_uint_eq(fake_features(&drv), FAKE_CORE | FAKE_IN_ORDER);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 0);
    fake_write(&drv, FAKE_QUEUE_SEL, 1);
    ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_SIZE_MAX), 0);
}
END_TEST

/* Whatever is asked for, and also what is asked for wrongly. */
/* proves: VQ-O-01 */
START_TEST(answers_come_in_the_order_of_requests)
{
    uint32_t id, len;

    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | FAKE_IN_ORDER), 15);
    for (uint32_t i = 0; i < 64; i++)
        offer((struct fake_piece){DATA, 1 + i * 97 % 200, i % 5 == 3 ? 0 : FAKE_WRITE});
    kick();
    for (uint32_t i = 0; i < 64; i++) {
        ck_assert(fake_wait_used(&drv, 0, &id, &len));
        ck_assert_uint_eq(id, i);
        ck_assert_uint_eq(len, i % 5 == 3 ? 0 : 1 + i * 97 % 200);
    }
}
END_TEST

/* proves: RNG-01, RNG-03 */
START_TEST(buffer_is_filled_as_far_as_used_length_says)
{
    static const uint32_t sizes[] = {1, 2, 16, 64, 4095, 4096};
    uint32_t size = sizes[_i];

    start();
    offer((struct fake_piece){DATA, size, FAKE_WRITE});
    kick();
    ck_assert_uint_eq(answer(), size);
    ck_assert_uint_ge(nonzero(DATA, size), size / 2); /* of random bytes 1 in 256 is 0 */
    ck_assert_uint_eq(nonzero(DATA + size, 4096), 0);
}
END_TEST

/* proves: RNG-02, RNG-06 */
START_TEST(large_buffer_gets_4096_bytes)
{
    start();
    offer((struct fake_piece){DATA, 0x100000, FAKE_WRITE});
    kick();
    ck_assert_uint_eq(answer(), 4096);
    ck_assert_uint_ge(nonzero(DATA, 4096), 3000);
    ck_assert_uint_eq(nonzero(DATA + 4096, 0x100000 - 4096), 0);
}
END_TEST

/* proves: RNG-01, RNG-03 */
START_TEST(scattered_buffer_is_filled_from_its_start)
{
    const struct fake_piece pieces[] = {
        {DATA, 3, FAKE_WRITE}, {DATA + 0x1000, 64, FAKE_WRITE}, {DATA + 0x2000, 64, FAKE_WRITE}};

    start();
    fake_offer(&drv.ring[0], fake_chain_indirect(&drv.ring[0], TABLE, pieces, 3));
    kick();
    ck_assert_uint_eq(answer(), 131);
    ck_assert_uint_ge(nonzero(DATA + 0x1000, 64) + nonzero(DATA + 0x2000, 64), 100);
}
END_TEST

/* A source whose bytes can be told apart: 16 bits that count, and at times fewer than asked for. */
static unsigned given;

static ssize_t count_up(void *buf, size_t len)
{
    len = len > 100 ? 100 : len;
    for (size_t i = 0; i < len; i++, given++)
        ((uint8_t *)buf)[i] = (uint8_t)(given % 2 == 0 ? given / 2 >> 8 : given / 2);
    return (ssize_t)len;
}

/* proves: RNG-05 */
START_TEST(each_byte_of_the_source_is_given_once_in_order)
{
    unsigned at = 0;

    given = 0;
    wrap_getrandom(count_up);
    start();
    for (unsigned i = 0; i < 200; i++) {
        offer((struct fake_piece){DATA, 1 + i % 128, FAKE_WRITE});
        kick();
        uint32_t len = answer();
        const uint8_t *got = ram(DATA, len);
        for (uint32_t k = 0; k < len; k++, at++)
            ck_assert_uint_eq(got[k], (uint8_t)(at % 2 == 0 ? at / 2 >> 8 : at / 2));
    }
    wrap_getrandom(NULL);
    ck_assert_uint_eq(at, given); /* and none was thrown away */
}
END_TEST

START_TEST(bytes_differ_from_buffer_to_buffer)
{
    start();
    for (unsigned i = 0; i < 8; i++)
        offer((struct fake_piece){DATA + 64ull * i, 64, FAKE_WRITE});
    kick();
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(answer(), 64);
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < i; k++)
            ck_assert_mem_ne(ram(DATA + 64ull * i, 64), ram(DATA + 64ull * k, 64), 64);
}
END_TEST

/* proves: RNG-04 */
START_TEST(buffer_that_is_not_only_writable_returns_empty)
{
    static const struct fake_piece bad[][2] = {
        {{DATA, 8, 0}, {DATA + 8, 8, 0}},          /* readable */
        {{DATA, 8, 0}, {DATA + 8, 8, FAKE_WRITE}}, /* both */
        {{DATA, 0, FAKE_WRITE}, {DATA, 0, FAKE_WRITE}},
    };

    start();
    fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], bad[_i], 2));
    offer((struct fake_piece){DATA + 64, 16, FAKE_WRITE});
    kick();
    ck_assert_uint_eq(answer(), 0);
    ck_assert_uint_eq(nonzero(DATA, 16), 0);
    ck_assert_uint_eq(answer(), 16);
}
END_TEST

/* proves: RNG-06 */
START_TEST(greedy_driver_is_held_to_the_allowance)
{
    uint64_t bytes = 0;

    start();
    double begin = now_s();
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 64; i++)
            offer((struct fake_piece){DATA, 4096, FAKE_WRITE});
        kick();
        for (int i = 0; i < 64; i++)
            bytes += answer();
    }
    ck_assert_uint_eq(bytes, 320 * 4096);
    /* 64 KiB for each 10 ms and one allowance in advance: 16 buffers with their own cost fill one
     */
    ck_assert_double_ge(now_s() - begin, 0.17);
}
END_TEST

/* proves: RNG-07 */
START_TEST(request_waits_while_the_host_has_nothing)
{
    uint32_t id, len;

    start();
    double begin = now_s();
    wrap_fail_after(WRAP_GETRANDOM, 0, EAGAIN);
    offer((struct fake_piece){DATA, 16, FAKE_WRITE});
    offer((struct fake_piece){DATA + 64, 16, FAKE_WRITE});
    while (wrap_failures(WRAP_GETRANDOM) < 5 && now_s() < begin + 5) {
        kick(); /* does not hurry it */
        usleep(1000);
    }
    unsigned tries = wrap_stop(WRAP_GETRANDOM);
    double seconds = now_s() - begin;
    ck_assert_uint_ge(tries, 5);
    ck_assert_double_ge(seconds, 0.01 * (tries - 1)); /* by the timer: 10 ms */
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
    ck_assert_uint_eq(answer(), 16);
    ck_assert_uint_eq(answer(), 16);
    ck_assert(!fake_used(&drv.ring[0], &id, &len));
}
END_TEST

/* proves: RNG-07 */
START_TEST(source_that_stays_broken_needs_reset)
{
    start();
    wrap_fail_after(WRAP_GETRANDOM, 0, ENOSYS);
    offer((struct fake_piece){DATA, 16, FAKE_WRITE});
    kick();
    ck_assert(fake_wait_status(&drv, 64));
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15 | 64);
    (void)wrap_stop(WRAP_GETRANDOM);
    start();
    offer((struct fake_piece){DATA, 16, FAKE_WRITE});
    kick();
    ck_assert_uint_eq(answer(), 16);
}
END_TEST

START_TEST(reset_forgets_the_request_in_hand)
{
    start();
    wrap_fail_after(WRAP_GETRANDOM, 0, EAGAIN);
    offer((struct fake_piece){DATA, 16, FAKE_WRITE});
    kick();
    usleep(15000);
    fake_write(&drv, FAKE_STATUS, 0);
    (void)wrap_stop(WRAP_GETRANDOM);
    usleep(15000);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 0);
    ck_assert_uint_eq(nonzero(DATA, 16), 0);
    start();
    offer((struct fake_piece){DATA + 64, 8, FAKE_WRITE});
    kick();
    ck_assert_uint_eq(answer(), 8);
    ck_assert_uint_eq(nonzero(DATA, 16), 0);
}
END_TEST

START_TEST(broken_ring_needs_reset)
{
    start();
    offer((struct fake_piece){0xffffffffff, 16, FAKE_WRITE});
    kick();
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

START_TEST(creation_without_timer_fails)
{
    struct virtio_device *other = NULL;

    wrap_fail_after(WRAP_TIMERFD_CREATE, 0, EMFILE);
    int r = fake_create(&virtio_rng, 1, &mem, NULL, &other);
    (void)wrap_stop(WRAP_TIMERFD_CREATE);
    ck_assert_int_eq(r, -EMFILE);
    ck_assert_ptr_null(other);
}
END_TEST

Suite *rng_suite(void);
Suite *rng_suite(void)
{
    Suite *suite = suite_create("rng");
    TCase *tcase = tcase_create("requests");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, identity);
    tcase_add_test(tcase, answers_come_in_the_order_of_requests);
    tcase_add_loop_test(tcase, buffer_is_filled_as_far_as_used_length_says, 0, 6);
    tcase_add_test(tcase, large_buffer_gets_4096_bytes);
    tcase_add_test(tcase, scattered_buffer_is_filled_from_its_start);
    tcase_add_test(tcase, each_byte_of_the_source_is_given_once_in_order);
    tcase_add_test(tcase, bytes_differ_from_buffer_to_buffer);
    tcase_add_loop_test(tcase, buffer_that_is_not_only_writable_returns_empty, 0, 3);
    tcase_add_test(tcase, greedy_driver_is_held_to_the_allowance);
    tcase_add_test(tcase, request_waits_while_the_host_has_nothing);
    tcase_add_test(tcase, source_that_stays_broken_needs_reset);
    tcase_add_test(tcase, reset_forgets_the_request_in_hand);
    tcase_add_test(tcase, broken_ring_needs_reset);
    tcase_add_test(tcase, creation_without_timer_fails);
    suite_add_tcase(suite, tcase);
    return suite;
}
