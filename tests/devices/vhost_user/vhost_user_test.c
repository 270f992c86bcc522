/* SPDX-License-Identifier: BSD-3-Clause */
/* A device that another process serves, from DRIVER_OK to its end, with a back-end that plays along
 * and one that does not. */
#include "devices/vhost_user/vhost_user.h"

#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/devices/vhost_user/fake_backend.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

#define RINGS     0x10000
#define HIGH      0x100000000 /* where RAM goes on */
#define USER_BASE (1ull << 44)

#define HELLO " 3 1 15 16 17 21 24"
/* Of two queues. */
#define RINGS_START " 2 5 8 8 10 10 9 9 13 13 12 12 18 18"
#define START       RINGS_START " 24"
#define STOP        " 18 18 11 11"

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct fake_backend backend;
static struct capture capture;

/* A device with two queues. */
static void setup(void)
{
    capture_start(&capture);
    ck_assert_int_eq(memory_create(&mem, 0x400000, &(struct memory_layout){0, 0x200000, HIGH},
                                   MEMORY_PAGES_AUTO),
                     0);
    fake_backend_init(&backend);
    backend.config_size = VHOST_USER_CONFIG_MAX;
}

static void make(const char *kind)
{
    struct opts *opts;
    char keys[64];

    (void)snprintf(keys, sizeof(keys), "kind=%s,fd=%d", kind, fake_backend_start(&backend));
    ck_assert_int_eq(opts_create(virtio_vhost_user.opts, &opts), 0);
    ck_assert_int_eq(opts_parse(opts, "", keys), 0);
    ck_assert_int_eq(fake_create(&virtio_vhost_user, 0, &mem, opts, &dev), 0);
    opts_destroy(opts);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

static void setup_two(void)
{
    setup();
    make("input");
    (void)fake_backend_hears(&backend, HELLO);
}

static void teardown(void)
{
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    fake_backend_stop(&backend);
    memory_destroy(&mem);
    (void)capture_end(&capture);
}

/* Before the device is started: a back-end that does not answer is left soon. */
static void hurry(enum fake_lie lie)
{
    if (lie == LIE_SILENT)
        vu_of(dev)->patience_ns = 300 * MS_NS;
}

static void start(void)
{
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | FAKE_EVENT_IDX), 15);
    ck_assert(fake_backend_hears(&backend, START));
}

static bool readable(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, 30000) == 1;
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *at = capture_look(&capture); *at != '\0'; at++)
        count += *at == '\n';
    return count;
}

/* What is said of a failure comes after what the driver sees of it. */
static void ck_one_line(void)
{
    for (unsigned i = 0; i < 3000 && lines() == 0; i++)
        usleep(10000);
    ck_assert_uint_eq(lines(), 1);
}

/* The device needs a reset, which was said in one line, and after one it needs the next. */
static void ck_dead(void)
{
    ck_assert(fake_wait_status(&drv, 64));
    ck_assert(fake_backend_left(&backend));
    ck_one_line();
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    (void)fake_start(&drv, FAKE_VERSION_1);
    ck_assert(fake_wait_status(&drv, 64));
}

/* -- it plays along -- */

/* proves: VU-06, VU-12, VU-13, VU-16, VU-24 */
START_TEST(driver_ok_hands_over_memory_and_rings)
{
    start();
    ck_assert_uint_eq(backend.features_set, 1ull << 32 | 1u << 30 | 1u << 29);
    ck_assert_uint_eq(backend.table.count, 2);
    ck_assert_uint_eq(backend.table.region[0].guest, 0);
    ck_assert_uint_eq(backend.table.region[0].size, 0x200000);
    ck_assert_uint_eq(backend.table.region[0].user, USER_BASE);
    ck_assert_uint_eq(backend.table.region[0].offset, 0);
    ck_assert_uint_eq(backend.table.region[1].guest, HIGH);
    ck_assert_uint_eq(backend.table.region[1].size, 0x200000);
    ck_assert_uint_eq(backend.table.region[1].user, USER_BASE + HIGH);
    ck_assert_uint_eq(backend.table.region[1].offset, 0x200000);
    for (unsigned i = 0; i < 2; i++) {
        const struct fake_vring *ring = &backend.ring[i];
        ck_assert_uint_eq(ring->num, 64);
        ck_assert_uint_eq(ring->base, 0);
        ck_assert_uint_eq(ring->address.index, i);
        ck_assert_uint_eq(ring->address.flags, 0);
        ck_assert_uint_eq(ring->address.desc, USER_BASE + drv.ring[i].desc);
        ck_assert_uint_eq(ring->address.avail, USER_BASE + drv.ring[i].avail);
        ck_assert_uint_eq(ring->address.used, USER_BASE + drv.ring[i].used);
        ck_assert(ring->started && ring->enabled);
    }
}
END_TEST

/* proves: VU-18 */
START_TEST(memory_handed_over_is_the_guests_and_can_not_be_cut_off)
{
    start();
    ck_assert_int_eq(memory_write(&mem, HIGH + 0x1000, "guest", 5), 0);
    const char *at = mmap(NULL, 0x200000, PROT_READ, MAP_SHARED, backend.ram[1],
                          (off_t)backend.table.region[1].offset);
    ck_assert_ptr_ne(at, MAP_FAILED);
    ck_assert_mem_eq(at + 0x1000, "guest", 5);
    (void)munmap((void *)(uintptr_t)at, 0x200000);
    ck_assert_int_eq(ftruncate(backend.ram[1], 4096), -1);
}
END_TEST

/* proves: VU-21 */
START_TEST(kick_reaches_the_back_end_and_its_call_the_driver)
{
    eventfd_t count;

    start();
    ck_assert(readable(backend.ring[1].kick)); /* once after starting */
    ck_assert_int_eq(eventfd_read(backend.ring[1].kick, &count), 0);
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
    ck_assert_int_eq(eventfd_read(backend.ring[1].kick, &count), 0);
    ck_assert_uint_eq(count, 1);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(eventfd_write(backend.ring[i % 2].call, 1), 0);
        ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
    }
}
END_TEST

/* proves: VU-27 */
START_TEST(call_without_news_does_no_harm)
{
    start();
    ck_assert_int_eq(eventfd_write(backend.ring[0].call, 7), 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

START_TEST(queue_that_is_not_set_up_is_not_handed_over)
{
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    fake_queue_setup(&drv, 1, 8);
    fake_write(&drv, FAKE_STATUS, 15);
    ck_assert(fake_backend_hears(&backend, " 2 5 8 10 9 13 12 18 24"));
    ck_assert_uint_eq(backend.ring[1].num, 8);
    ck_assert(!backend.ring[0].started);
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert(fake_backend_hears(&backend, " 18 11 34"));
}
END_TEST

/* proves: VU-20, VU-29 */
START_TEST(reset_takes_the_rings_back_and_the_next_life_begins_at_0)
{
    start();
    backend.stop_base = 77;
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    ck_assert(fake_backend_hears(&backend, STOP " 34"));
    ck_assert(!backend.ring[0].enabled && !backend.ring[0].started);
    for (unsigned i = 0; i < 3; i++) {
        start();
        ck_assert_uint_eq(backend.ring[1].base, 0);
        fake_write(&drv, FAKE_STATUS, 0);
        ck_assert(fake_backend_hears(&backend, STOP " 34"));
    }
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

/* proves: VU-25 */
START_TEST(pause_takes_the_rings_and_resume_gives_them_back_where_they_were)
{
    start();
    backend.stop_base = 0xfffe;
    virtio_pause(dev);
    ck_assert(fake_backend_hears(&backend, STOP));
    virtio_resume(dev, 1000);
    ck_assert(fake_backend_hears(&backend, START));
    ck_assert_uint_eq(backend.ring[0].base, 0xfffe);
    ck_assert_uint_eq(backend.ring[1].base, 0xfffe);
    ck_assert(readable(backend.ring[0].kick));
    ck_assert_int_eq(eventfd_write(backend.ring[0].call, 1), 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
}
END_TEST

START_TEST(end_while_paused_is_a_reset)
{
    start();
    virtio_pause(dev);
    ck_assert(fake_backend_hears(&backend, STOP));
    ck_assert_int_eq(virtio_finish(dev), 0);
    ck_assert(fake_backend_hears(&backend, " 34"));
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

/* Without acknowledgements it is asked something, and what it does not know it is not told. */
/* proves: VU-07, VU-08 */
START_TEST(poor_back_end_is_spoken_to_in_fewer_words)
{
    setup();
    backend.protocol = FAKE_HAS_CONFIG;
    make("input");
    ck_assert(fake_backend_hears(&backend, " 3 1 15 16 24"));
    (void)fake_start(&drv, FAKE_VERSION_1);
    ck_assert(fake_backend_hears(&backend, RINGS_START " 1 24"));
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert(fake_backend_hears(&backend, STOP));
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

static void make_narrow(void)
{
    setup();
    backend.protocol = FAKE_HAS_CONFIG;
    backend.narrow = true;
    make("input");
    ck_assert(fake_backend_hears(&backend, " 3 1 15 16 24"));
}

/* Without acknowledgements all messages are under way at once, and a socket holds few. */
START_TEST(slow_back_end_is_waited_for_by_the_loop)
{
    make_narrow();
    for (int i = 0; i < 3; i++) {
        backend.slow_ms = 10;
        ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
        if (i > 0) { /* not before all is said */
            ck_assert(fake_backend_hears(&backend, RINGS_START " 1 24"));
            ck_assert_int_eq(eventfd_write(backend.ring[1].call, 1), 0);
            ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
        }
        backend.slow_ms = 0;
        fake_write(&drv, FAKE_STATUS, 0);
        ck_assert(fake_backend_hears(&backend, STOP));
    }
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

START_TEST(back_end_that_reads_nothing_is_left_in_time)
{
    make_narrow();
    vu_of(dev)->patience_ns = 300 * MS_NS;
    backend.slow_ms = 1000;
    usleep(10000);
    (void)fake_start(&drv, FAKE_VERSION_1);
    if (_i == 1)
        virtio_pause(dev);
    ck_assert(fake_wait_status(&drv, 64));
    backend.slow_ms = 0;
    ck_one_line();
    ck_assert_msg(strstr(capture.text, "timed out") != NULL, "%s", capture.text);
    if (_i == 1)
        virtio_resume(dev, 1000);
}
END_TEST

/* proves: VU-25 */
START_TEST(packed_rings_begin_with_both_wrap_counters_set)
{
    setup();
    backend.features |= 1ull << 34;
    backend.stop_base = 0x00058006;
    make("input");
    (void)fake_start(&drv, FAKE_VERSION_1 | 1ull << 34);
    ck_assert(fake_backend_hears(&backend, START));
    ck_assert_uint_eq(backend.features_set, 1ull << 34 | 1ull << 32 | 1u << 30);
    ck_assert_uint_eq(backend.ring[1].base, 0x80008000);
    virtio_pause(dev);
    virtio_resume(dev, 1000);
    ck_assert(fake_backend_hears(&backend, STOP START));
    ck_assert_uint_eq(backend.ring[1].base, 0x00058006);
    fake_write(&drv, FAKE_STATUS, 0);
    (void)fake_start(&drv, FAKE_VERSION_1 | 1ull << 34);
    ck_assert(fake_backend_hears(&backend, START));
    ck_assert_uint_eq(backend.ring[1].base, 0x80008000);
}
END_TEST

/* -- it does not -- */

static const struct {
    uint32_t at;
    enum fake_lie lie;
} start_lies[] = {
    {2, LIE_REFUSE},  {2, LIE_CLOSE},         {2, LIE_SILENT},     {2, LIE_TWICE},
    {5, LIE_REFUSE},  {5, LIE_OTHER_REQUEST}, {5, LIE_DESCRIPTOR}, {8, LIE_REFUSE},
    {9, LIE_SHORT},   {10, LIE_LONG},         {12, LIE_HUGE},      {12, LIE_SILENT},
    {13, LIE_REFUSE}, {13, LIE_NO_REPLY},     {18, LIE_VERSION},   {18, LIE_REFUSE},
    {18, LIE_CLOSE},  {18, LIE_TWICE},        {18, LIE_SILENT},    {24, LIE_SILENT},
    {24, LIE_SHORT},  {24, LIE_TWICE},
};

/* proves: VU-11 */
START_TEST(back_end_that_lies_at_the_start_ends_the_device)
{
    hurry(start_lies[_i].lie);
    fake_backend_lie(&backend, start_lies[_i].at, start_lies[_i].lie);
    double begin = now_s();
    (void)fake_start(&drv, FAKE_VERSION_1); /* waits for nothing */
    if (start_lies[_i].lie == LIE_SILENT)
        ck_assert_double_lt(now_s() - begin, 0.25);
    ck_dead();
    ck_assert_msg(strstr(capture.text, "needs a reset: back-end, after ") != NULL, "%s",
                  capture.text);
}
END_TEST

static const struct {
    uint32_t at;
    enum fake_lie lie;
} stop_lies[] = {
    {18, LIE_REFUSE}, {18, LIE_SILENT}, {11, LIE_CLOSE},   {11, LIE_SILENT}, {11, LIE_SHORT},
    {11, LIE_LONG},   {11, LIE_HUGE},   {11, LIE_CONTENT}, {34, LIE_REFUSE}, {34, LIE_SILENT},
};

START_TEST(back_end_that_lies_at_the_end_is_given_up_and_the_reset_is_done)
{
    hurry(stop_lies[_i].lie);
    start();
    fake_backend_lie(&backend, stop_lies[_i].at, stop_lies[_i].lie);
    double begin = now_s();
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    ck_assert_double_lt(now_s() - begin, 2);
    ck_assert(fake_backend_left(&backend));
    ck_one_line();
    ck_assert_msg(strstr(capture.text, "the back-end is given up, after ") != NULL, "%s",
                  capture.text);
    (void)fake_start(&drv, FAKE_VERSION_1);
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

START_TEST(back_end_that_lies_at_a_pause_ends_the_device)
{
    hurry(stop_lies[_i].lie);
    start();
    fake_backend_lie(&backend, stop_lies[_i].at, stop_lies[_i].lie);
    virtio_pause(dev);
    virtio_resume(dev, 1000);
    ck_dead();
}
END_TEST

START_TEST(base_beyond_the_ring_is_a_lie)
{
    start();
    backend.stop_base = 0x10000;
    virtio_pause(dev);
    virtio_resume(dev, 1000);
    ck_dead();
}
END_TEST

START_TEST(back_end_that_dies_ends_the_device)
{
    start();
    fake_backend_die(&backend);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 2);
    ck_dead();
}
END_TEST

START_TEST(back_end_that_dies_in_a_pause_ends_the_device_after_it)
{
    start();
    virtio_pause(dev);
    fake_backend_die(&backend);
    virtio_resume(dev, 1000);
    ck_dead();
}
END_TEST

START_TEST(back_end_that_dies_before_there_is_a_driver_ends_the_device)
{
    fake_backend_die(&backend);
    (void)fake_start(&drv, FAKE_VERSION_1);
    ck_dead();
}
END_TEST

START_TEST(back_end_that_speaks_unasked_ends_the_device)
{
    start();
    fake_backend_say(&backend, false, 2, VHOST_USER_REPLY);
    ck_dead();
}
END_TEST

/* Reset while the start is under way: a silent back-end gets no more than its time. */
START_TEST(reset_in_the_middle_of_the_start_ends_in_time)
{
    hurry(LIE_SILENT);
    fake_backend_lie(&backend, 10, LIE_SILENT);
    (void)fake_start(&drv, FAKE_VERSION_1);
    double begin = now_s();
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    ck_assert_double_lt(now_s() - begin, 2);
    ck_assert(fake_backend_left(&backend));
}
END_TEST

/* -- its eventfds -- */

/* Bounded whatever it does, and what is real gets through. */
START_TEST(flood_of_calls_is_held_back)
{
    uint64_t edges = 0;

    start();
    double begin = now_s();
    while (now_s() - begin < 0.2)
        (void)eventfd_write(backend.ring[0].call, 1);
    usleep(50000);
    for (unsigned ms = 0; ms < 30000 && edges == 0; ms++, usleep(1000))
        edges = fake_edges(&drv);
    ck_assert_uint_gt(edges, 0);
    ck_assert_double_le((double)edges, (now_s() - begin) * 100000 + 2000);
    (void)fake_wait_irq(&drv, 0);
    (void)fake_edges(&drv);
    fake_write(&drv, FAKE_INTERRUPT_ACK, 3);
    ck_assert_int_eq(eventfd_write(backend.ring[1].call, 1), 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
}
END_TEST

/* Flags are shared, and so is what is in them. */
START_TEST(eventfds_that_block_and_are_full_hold_nobody_up)
{
    eventfd_t count;

    start();
    ck_assert(readable(backend.ring[0].kick));
    for (unsigned i = 0; i < 2; i++) {
        (void)eventfd_read(backend.ring[i].kick, &count);
        ck_assert_int_eq(eventfd_write(backend.ring[i].kick, UINT64_MAX - 1), 0);
        ck_assert_int_eq(fcntl(backend.ring[i].kick, F_SETFL, 0), 0);
        ck_assert_int_eq(eventfd_write(backend.ring[i].call, 1000), 0);
        ck_assert_int_eq(fcntl(backend.ring[i].call, F_SETFL, 0), 0);
    }
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    virtio_pause(dev);
    virtio_resume(dev, 1000);
    ck_assert(fake_backend_hears(&backend, STOP START));
    fake_write(&drv, FAKE_STATUS, 0);
    start();
}
END_TEST

START_TEST(eventfds_closed_by_the_back_end_are_still_ours)
{
    start();
    for (unsigned i = 0; i < 2; i++) {
        fd_close(&backend.ring[i].kick);
        fd_close(&backend.ring[i].call);
    }
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    fake_write(&drv, FAKE_STATUS, 0);
    start();
    ck_assert_int_eq(eventfd_write(backend.ring[0].call, 1), 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 1);
}
END_TEST

/* -- config space -- */

static void change_config(uint8_t byte)
{
    (void)pthread_mutex_lock(&backend.lock);
    backend.config[8] = byte;
    (void)pthread_mutex_unlock(&backend.lock);
}

/* proves: VU-36 */
START_TEST(config_space_that_changed_before_there_was_a_driver_is_told)
{
    change_config(0x99);
    start();
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 2);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 8) & 0xff, 0x99);
}
END_TEST

/* proves: VU-36, VU-38 */
START_TEST(change_of_config_space_is_read_and_told)
{
    struct vhost_user_receiver rx = {0};

    start();
    uint32_t generation = fake_read(&drv, FAKE_CONFIG_GENERATION);
    change_config(0xaa);
    fake_backend_say(&backend, true, 2, VHOST_USER_NEED_REPLY);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 2);
    ck_assert(fake_backend_hears(&backend, " 24"));
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 8) & 0xff, 0xaa);
    ck_assert_uint_ne(fake_read(&drv, FAKE_CONFIG_GENERATION), generation);
    ck_assert_int_eq(vhost_user_receive_until(backend.channel, &rx, UINT64_MAX), 1);
    ck_assert_uint_eq(rx.msg.header.flags, VHOST_USER_VERSION | VHOST_USER_REPLY);
    ck_assert_uint_eq(rx.msg.payload.u64, 0);
    change_config(0xbb);
    fake_backend_say(&backend, true, 2, 0);
    ck_assert_int_eq(fake_wait_irq(&drv, 30000), 2);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 8) & 0xff, 0xbb);
}
END_TEST

/* proves: VU-39 */
START_TEST(channel_that_does_not_stop_is_listened_to_less_often)
{
    start();
    double begin = now_s();
    while (now_s() - begin < 0.35)
        fake_backend_say(&backend, true, 2, 0);
    ck_assert_uint_ge(fake_backend_count(&backend, " 24"), 1);
    ck_assert_double_le(fake_backend_count(&backend, " 24"), (now_s() - begin) * 10 + 1);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

/* proves: VU-39 */
START_TEST(other_words_on_the_channel_are_refused_and_the_device_lives)
{
    struct vhost_user_receiver rx = {0};

    start();
    fake_backend_say(&backend, true, 9, VHOST_USER_NEED_REPLY);
    ck_assert_int_eq(vhost_user_receive_until(backend.channel, &rx, UINT64_MAX), 1);
    ck_assert_uint_eq(rx.msg.header.request, 9);
    ck_assert_uint_eq(rx.msg.payload.u64, 1);
    fake_backend_say(&backend, true, 3, 0);
    ck_assert_int_eq(vhost_user_receive_until(backend.channel, &rx, UINT64_MAX), -ENODATA);
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert(fake_backend_hears(&backend, STOP " 34"));
    start();
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

/* What an input device shows depends on what was selected. */
/* proves: VU-37 */
START_TEST(write_to_config_space_is_passed_on_and_its_effect_is_seen_at_once)
{
    backend.echoes = true;
    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    for (uint8_t i = 1; i < 20; i++) {
        fake_write_bytes(&drv, FAKE_CONFIG, &i, 1);
        ck_assert(fake_backend_hears(&backend, " 25 24"));
        ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG) >> 16 & 0xff, i);
    }
    ck_assert_uint_eq(fake_edges(&drv), 0); /* no news to who wrote it */
}
END_TEST

/* proves: VU-37 */
START_TEST(write_to_what_is_not_writable_is_not_passed_on)
{
    static const size_t places[][2] = {{1, 2}, {2, 1}, {8, 4}, {0, 4}, {135, 1}};
    const uint8_t bytes[4] = {0};

    (void)fake_negotiate(&drv, FAKE_VERSION_1);
    (void)fake_backend_hears(&backend, "");
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
        fake_write_bytes(&drv, FAKE_CONFIG + places[i][0], bytes, places[i][1]);
    ck_assert_uint_eq(fake_backend_count(&backend, " 25"), 0);
}
END_TEST

START_TEST(write_that_is_refused_changes_nothing)
{
    const uint8_t one = 1;

    fake_backend_lie(&backend, 25, LIE_REFUSE);
    start();
    fake_write_bytes(&drv, FAKE_CONFIG, &one, 1);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

START_TEST(back_end_that_is_silent_about_config_space_ends_the_device)
{
    const uint8_t one = 1;

    hurry(LIE_SILENT);
    start();
    fake_backend_lie(&backend, 24, LIE_SILENT);
    if (_i == 0)
        fake_write_bytes(&drv, FAKE_CONFIG, &one, 1);
    else
        fake_backend_say(&backend, true, 2, 0);
    ck_dead();
}
END_TEST

Suite *vhost_user_suite(void);
Suite *vhost_user_suite(void)
{
    Suite *suite = suite_create("vhost_user");
    TCase *tcase = tcase_create("life"), *poor = tcase_create("a poor back-end");

    tcase_add_checked_fixture(tcase, setup_two, teardown);
    tcase_add_test(tcase, driver_ok_hands_over_memory_and_rings);
    tcase_add_test(tcase, memory_handed_over_is_the_guests_and_can_not_be_cut_off);
    tcase_add_test(tcase, kick_reaches_the_back_end_and_its_call_the_driver);
    tcase_add_test(tcase, call_without_news_does_no_harm);
    tcase_add_test(tcase, queue_that_is_not_set_up_is_not_handed_over);
    tcase_add_test(tcase, reset_takes_the_rings_back_and_the_next_life_begins_at_0);
    tcase_add_test(tcase, pause_takes_the_rings_and_resume_gives_them_back_where_they_were);
    tcase_add_test(tcase, end_while_paused_is_a_reset);
    tcase_add_loop_test(tcase, back_end_that_lies_at_the_start_ends_the_device, 0,
                        ARRAY_SIZE(start_lies));
    tcase_add_loop_test(tcase, back_end_that_lies_at_the_end_is_given_up_and_the_reset_is_done, 0,
                        ARRAY_SIZE(stop_lies));
    tcase_add_loop_test(tcase, back_end_that_lies_at_a_pause_ends_the_device, 0,
                        ARRAY_SIZE(stop_lies) - 2);
    tcase_add_test(tcase, base_beyond_the_ring_is_a_lie);
    tcase_add_test(tcase, back_end_that_dies_ends_the_device);
    tcase_add_test(tcase, back_end_that_dies_in_a_pause_ends_the_device_after_it);
    tcase_add_test(tcase, back_end_that_dies_before_there_is_a_driver_ends_the_device);
    tcase_add_test(tcase, back_end_that_speaks_unasked_ends_the_device);
    tcase_add_test(tcase, reset_in_the_middle_of_the_start_ends_in_time);
    tcase_add_test(tcase, flood_of_calls_is_held_back);
    tcase_add_test(tcase, eventfds_that_block_and_are_full_hold_nobody_up);
    tcase_add_test(tcase, eventfds_closed_by_the_back_end_are_still_ours);
    tcase_add_test(tcase, config_space_that_changed_before_there_was_a_driver_is_told);
    tcase_add_test(tcase, change_of_config_space_is_read_and_told);
    tcase_add_test(tcase, channel_that_does_not_stop_is_listened_to_less_often);
    tcase_add_test(tcase, other_words_on_the_channel_are_refused_and_the_device_lives);
    tcase_add_test(tcase, write_to_config_space_is_passed_on_and_its_effect_is_seen_at_once);
    tcase_add_test(tcase, write_to_what_is_not_writable_is_not_passed_on);
    tcase_add_test(tcase, write_that_is_refused_changes_nothing);
    tcase_add_loop_test(tcase, back_end_that_is_silent_about_config_space_ends_the_device, 0, 2);
    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(poor, NULL, teardown);
    tcase_add_test(poor, poor_back_end_is_spoken_to_in_fewer_words);
    tcase_add_test(poor, slow_back_end_is_waited_for_by_the_loop);
    tcase_add_loop_test(poor, back_end_that_reads_nothing_is_left_in_time, 0, 2);
    tcase_add_test(poor, packed_rings_begin_with_both_wrap_counters_set);
    suite_add_tcase(suite, poor);
    return suite;
}
