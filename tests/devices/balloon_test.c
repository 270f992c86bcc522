/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory balloon behind its registers (virtio 1.2 §5.5). */
#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <string.h>
#include <sys/stat.h>

#define RAM   0x400000
#define RINGS 0x10000
#define LIST  0x40000
#define DATA  0x200000
#define PAGE  4096

#define STATS     (1ull << 1)
#define ON_OOM    (1ull << 2)
#define REPORTING (1ull << 5)

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct capture capture;

static void make(const char *options)
{
    ck_assert_int_eq(fake_make(&virtio_balloon, &mem, options, &dev), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

static uint8_t *ram(gpa_t addr, uint64_t len)
{
    uint8_t *bytes = memory_at(&mem, addr, len);

    ck_assert_ptr_nonnull(bytes);
    return bytes;
}

static void setup(void)
{
    capture_start(&capture); /* devices say why they need a reset */
    ck_assert_int_eq(memory_create(&mem, RAM, &(struct memory_layout){0, 0, 0}, MEMORY_PAGES_OFF),
                     0);
    memset(ram(LIST, PAGE), 0, PAGE); /* is there */
    make("size=1M");
}

static void teardown(void)
{
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    (void)capture_end(&capture);
}

static void start(uint64_t features)
{
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | features), 15);
}

/* Pages of the host that RAM holds. */
static uint64_t held(void)
{
    struct stat st;

    ck_assert_int_eq(fstat(mem.fd, &st), 0);
    return (uint64_t)st.st_blocks * 512 / PAGE;
}

/* Fills `count` pages at DATA with 0xaa. */
static void fill(unsigned count)
{
    memset(ram(DATA, (uint64_t)count * PAGE), 0xaa, (size_t)count * PAGE);
}

static unsigned zero_pages(unsigned count)
{
    unsigned zero = 0;

    for (unsigned i = 0; i < count; i++)
        zero += ram(DATA + i * PAGE, 1)[0] == 0;
    return zero;
}

static void offer(unsigned queue, const struct fake_piece *pieces, unsigned count)
{
    fake_offer(&drv.ring[queue], fake_chain(&drv.ring[queue], pieces, count));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, queue);
}

/* Offers and waits: the used length. */
static uint32_t ask(unsigned queue, const struct fake_piece *pieces, unsigned count)
{
    uint32_t id, len;

    offer(queue, pieces, count);
    ck_assert(fake_wait_used(&drv, (uint16_t)queue, &id, &len));
    return len;
}

static uint32_t list(unsigned queue, const uint32_t *pfns, uint32_t bytes)
{
    memcpy(ram(LIST, bytes), pfns, bytes);
    return ask(queue, &(struct fake_piece){LIST, bytes, 0}, 1);
}

/* -- commands -- */

static char reply[FAKE_REPLY_BYTES];

static int command(const char *first, const char *second)
{
    return fake_command(dev, first, second, reply);
}

/* -- pages -- */

/* proves: BAL-06, BAL-08 */
START_TEST(inflated_pages_go_back_to_the_host_and_come_again)
{
    static const uint32_t pfns[] = {DATA / PAGE,     DATA / PAGE + 1, DATA / PAGE + 2,
                                    DATA / PAGE + 4, DATA / PAGE + 7, DATA / PAGE + 6};

    start(0);
    fill(8);
    uint64_t before = held();
    ck_assert_uint_eq(list(0, pfns, sizeof(pfns)), 0);
    ck_assert_uint_eq(zero_pages(8), 6);
    ck_assert_uint_eq(ram(DATA + 3 * PAGE, 1)[0], 0xaa);
    ck_assert_uint_eq(ram(DATA + 5 * PAGE, 1)[0], 0xaa);
    ck_assert_uint_le(held(), before); /* they were made anew when looked at */
    ck_assert_uint_eq(list(1, pfns, sizeof(pfns)), 0);
    fill(8);
    ck_assert_uint_eq(zero_pages(8), 0);
}
END_TEST

/* proves: BAL-06 */
START_TEST(a_run_in_either_direction_leaves_nothing)
{
    uint32_t pfns[200];

    start(0);
    fill(200);
    uint64_t before = held();
    for (unsigned i = 0; i < 200; i++)
        pfns[i] = DATA / PAGE + (_i == 0 ? i : 199 - i);
    ck_assert_uint_eq(list(0, pfns, sizeof(pfns)), 0);
    ck_assert_uint_le(held() + 199, before); /* a ring took one */
    ck_assert_uint_eq(zero_pages(200), 200);
}
END_TEST

/* proves: BAL-07, BAL-09, BAL-11 */
START_TEST(what_is_no_page_of_ram_is_skipped)
{
    static const uint32_t pfns[] = {RAM / PAGE, 0xffffffff,  0xfffffffe,     DATA / PAGE,
                                    0x80000000, DATA / PAGE, DATA / PAGE + 1};

    start(0);
    fill(3);
    ck_assert_uint_eq(list(0, pfns, sizeof(pfns) - 2), 0); /* the last one is cut short */
    ck_assert_uint_eq(zero_pages(3), 1);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

/* proves: BAL-11 */
START_TEST(odd_requests_come_back)
{
    static const struct fake_piece odd[][2] = {
        {{LIST, 0, 0}, {LIST, 0, 0}},
        {{LIST, 3, 0}, {LIST + 8, 4096, FAKE_WRITE}},
        {{DATA, 4096, FAKE_WRITE}, {DATA, 4096, FAKE_WRITE}},
        {{0x1000, 0x80000, 0}, {0x1000, 0x80000, 0}}, /* zeros: page 0, and rings full of numbers */
    };

    start(STATS | REPORTING);
    fill(1);
    for (unsigned queue = 0; queue < 2; queue++)
        ck_assert_uint_eq(ask(queue, odd[_i], 2), 0);
    ck_assert_uint_eq(zero_pages(1), 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

/* proves: BAL-01, BAL-25, BAL-27 */
START_TEST(reported_pages_go_back_whatever_the_number_of_the_queue)
{
    static const struct {
        uint64_t features;
        unsigned queue;
    } cases[] = {{REPORTING, 2}, {REPORTING | STATS, 3}, {REPORTING | STATS, 4}};
    const struct fake_piece pieces[] = {{DATA + 1, 3 * PAGE, FAKE_WRITE},
                                        {DATA + 5 * PAGE, PAGE, FAKE_WRITE},
                                        {DATA + 6 * PAGE, 100, FAKE_WRITE}};

    start(cases[_i].features);
    fill(8);
    ck_assert_uint_eq(ask(cases[_i].queue, pieces, 3), 0);
    ck_assert_uint_eq(zero_pages(8), 3); /* whole ones: 1, 2 and 5 */
    ck_assert_uint_eq(ram(DATA + PAGE, 1)[0], 0);
    ck_assert_uint_eq(ram(DATA + 3 * PAGE - 1, 1)[0], 0);
    ck_assert_uint_eq(ram(DATA + 3 * PAGE, 1)[0], 0xaa);
    ck_assert_uint_eq(ram(DATA + 6 * PAGE, 1)[0], 0xaa);
}
END_TEST

/* proves: BAL-26 */
START_TEST(nothing_is_taken_that_was_not_agreed_on)
{
    start(STATS);
    fill(1);
    ck_assert_uint_eq(ask(3, &(struct fake_piece){DATA, PAGE, FAKE_WRITE}, 1), 0);
    ck_assert_uint_eq(zero_pages(1), 0);
}
END_TEST

/* -- size -- */

/* proves: BAL-03 */
START_TEST(size_is_told_by_a_config_change)
{
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 256);
    start(0);
    (void)fake_edges(&drv);
    ck_assert_int_eq(command("size", "2M"), 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 2);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 512);
    ck_assert_int_eq(command("size", "0"), 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 0);
}
END_TEST

START_TEST(bad_commands_are_refused)
{
    static const char *const bad[][2] = {
        {"size", "5M"}, {"size", "-1"}, {"size", "1023"}, {"size", "1.5K"},
        {"size", NULL}, {"grow", NULL}, {"stats", "x"},   {"size", "99999999999999T"}};

    ck_assert_int_eq(command(bad[_i][0], bad[_i][1]), -EINVAL);
    ck_assert_ptr_nonnull(strstr(reply, "size"));
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 256);
}
END_TEST

/* proves: BAL-12 */
START_TEST(driver_tells_what_it_has_given)
{
    start(0);
    (void)fake_edges(&drv);
    fake_write(&drv, FAKE_CONFIG + 4, 77);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4), 77);
    ck_assert_uint_eq(fake_edges(&drv), 0); /* it knows */
    ck_assert_int_eq(command("stats", NULL), 0);
    ck_assert_str_eq(reply, "size 1048576\nactual 315392\n");
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4), 0);
}
END_TEST

/* proves: BAL-17, BAL-24 */
START_TEST(nothing_else_can_be_written)
{
    start(0);
    fake_write(&drv, FAKE_CONFIG, 1);
    fake_write(&drv, FAKE_CONFIG + 8, 1);
    fake_write(&drv, FAKE_CONFIG + 12, 1);
    fake_write_bytes(&drv, FAKE_CONFIG + 2, "abcd", 4);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 256);
    for (unsigned off = 4; off < 16; off += 4)
        ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + off), 0);
}
END_TEST

/* -- statistics -- */

static const uint8_t stats[] = {
    4,   0,   0x00, 0x10, 0, 0, 0, 0, 0, 0,    /* free: 4096 */
    99,  0,   1,    1,    1, 1, 1, 1, 1, 1,    /* unknown */
    0,   0,   7,    0,    0, 0, 0, 0, 0, 0,    /* swap-in: 7 */
    255, 255, 1,    1,    1, 1, 1, 1, 1, 1, 6, /* unknown, and what is none */
};

/* proves: BAL-13, BAL-14, BAL-15 */
START_TEST(statistics_are_asked_for_and_told)
{
    uint32_t id, len;

    start(STATS);
    memcpy(ram(LIST, sizeof(stats)), stats, sizeof(stats));
    offer(2, &(struct fake_piece){LIST, sizeof(stats), 0}, 1);
    while (command("stats", NULL) == 0 && strstr(reply, "free") == NULL)
        ; /* until it was looked at */
    ck_assert_str_eq(reply, "size 1048576\nactual 0\nswap-in 7\nfree 4096\n");
    ck_assert(fake_wait_used(&drv, 2, &id, &len));
    ck_assert_uint_eq(len, 0);
    ram(LIST, 4)[3] = 0x20;
    offer(2, &(struct fake_piece){LIST, 10, 0}, 1);
    while (command("stats", NULL) == 0 && strstr(reply, "free 8192") == NULL)
        ;
    ck_assert_str_eq(reply, "size 1048576\nactual 0\nswap-in 7\nfree 8192\n");
}
END_TEST

/* proves: BAL-16 */
START_TEST(of_two_buffers_the_older_returns)
{
    uint32_t id, len;

    start(STATS);
    fake_offer(&drv.ring[2], fake_chain(&drv.ring[2], &(struct fake_piece){LIST, 10, 0}, 1));
    fake_offer(&drv.ring[2], fake_chain(&drv.ring[2], &(struct fake_piece){LIST, 10, 0}, 1));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 2);
    ck_assert(fake_wait_used(&drv, 2, &id, &len));
    ck_assert_uint_eq(id, 0);
    ck_assert(!fake_used(&drv.ring[2], &id, &len));
}
END_TEST

START_TEST(reset_forgets_the_buffer_and_what_was_told)
{
    uint32_t id, len;

    start(STATS);
    memcpy(ram(LIST, sizeof(stats)), stats, sizeof(stats));
    offer(2, &(struct fake_piece){LIST, sizeof(stats), 0}, 1);
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_int_eq(command("stats", NULL), 0);
    ck_assert_str_eq(reply, "size 1048576\nactual 0\n");
    ck_assert(!fake_used(&drv.ring[2], &id, &len));
}
END_TEST

START_TEST(broken_ring_needs_reset)
{
    start(STATS);
    offer((unsigned)_i, &(struct fake_piece){0xffffffffff, 16, 0}, 1);
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

Suite *balloon_suite(void);
Suite *balloon_suite(void)
{
    Suite *suite = suite_create("balloon");
    TCase *tcase = tcase_create("requests");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, inflated_pages_go_back_to_the_host_and_come_again);
    tcase_add_loop_test(tcase, a_run_in_either_direction_leaves_nothing, 0, 2);
    tcase_add_test(tcase, what_is_no_page_of_ram_is_skipped);
    tcase_add_loop_test(tcase, odd_requests_come_back, 0, 4);
    tcase_add_loop_test(tcase, reported_pages_go_back_whatever_the_number_of_the_queue, 0, 3);
    tcase_add_test(tcase, nothing_is_taken_that_was_not_agreed_on);
    tcase_add_test(tcase, size_is_told_by_a_config_change);
    tcase_add_loop_test(tcase, bad_commands_are_refused, 0, 8);
    tcase_add_test(tcase, driver_tells_what_it_has_given);
    tcase_add_test(tcase, nothing_else_can_be_written);
    tcase_add_test(tcase, statistics_are_asked_for_and_told);
    tcase_add_test(tcase, of_two_buffers_the_older_returns);
    tcase_add_test(tcase, reset_forgets_the_buffer_and_what_was_told);
    tcase_add_loop_test(tcase, broken_ring_needs_reset, 0, 5);
    suite_add_tcase(suite, tcase);
    return suite;
}
