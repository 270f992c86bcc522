/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues of every class, reset one at a time while they hold the driver's buffers (virtio 1.2
 * §2.6.1): their memory is left alone from then on, the others go on, and so does the queue when it
 * is enabled again. */
#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/fake_driver.h"
#include "tests/fake_tap.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_BYTES 0x800000
#define RINGS     0x10000
#define DATA      0x400000
#define SIZE      8 /* of a queue */

static const struct {
    const struct virtio_class *class;
    const char *options;
} classes[] = {
    {&virtio_rng, ""},
    {&virtio_snd, "host=null,capture=1,jacks=headphone"},
    {&virtio_blk, "path=/proc/self/fd/100"},
    {&virtio_fs, "path=/usr,tag=usr"},
    {&virtio_console, "name=a,to=ring"},
    {&virtio_input, "kind=keyboard"},
    {&virtio_vsock, "path=/tmp/linnet-queue-reset-test-vsock"},
    {&virtio_pmem, "path=/proc/self/fd/100"},
    {&virtio_balloon, ""},
    {&virtio_net, "host=tap,name=t"},
};

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct fake_tap tap;
static struct capture capture;

/* A disk's image: descriptor 100. */
static void setup(void)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    ck_assert_int_eq(ftruncate(fd, 0x100000), 0);
    ck_assert_int_eq(dup2(fd, 100), 100);
    ck_assert_int_eq(close(fd), 0);
    capture_start(&capture); /* what is odd about the buffers */
    fake_tap_start(&tap);
    fake_memory(&mem, RAM_BYTES);
}

static void make(const struct virtio_class *class, const char *options)
{
    ck_assert_int_eq(fake_make(class, &mem, options, &dev), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

static void teardown(void)
{
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    fake_tap_stop();
    (void)close(100);
    (void)capture_end(&capture);
}

/* Buffers that a device may keep: room for events, frames, packets and input. */
static void offer_buffers(uint16_t queue)
{
    struct fake_ring *ring = &drv.ring[queue];

    for (unsigned i = 0; i < 3; i++) {
        const struct fake_piece piece = {DATA + 0x10000ull * i, 0x10000, FAKE_WRITE};
        fake_offer(ring, fake_chain(ring, &piece, 1));
    }
    fake_write(&drv, FAKE_QUEUE_NOTIFY, queue);
}

/* The worker has done what it was asked for until now. */
static void wait_worker(void)
{
    char reply[FAKE_REPLY_BYTES];

    (void)fake_command(dev, "status", NULL, reply);
}

static void kick_all(void)
{
    for (uint32_t q = 0; q < dev->queue_count; q++)
        fake_write(&drv, FAKE_QUEUE_NOTIFY, q);
    wait_worker();
    virtio_pause(dev);
    virtio_resume(dev, 1000000);
}

static void reset_queue(uint16_t queue)
{
    uint8_t before[256];
    const uint64_t bytes = fake_ring_bytes(SIZE);
    const gpa_t at = drv.ring[queue].desc;

    ck_assert_uint_le(bytes, sizeof(before));
    fake_write(&drv, FAKE_QUEUE_SEL, queue);
    fake_write(&drv, FAKE_QUEUE_RESET, 1);
    ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_RESET), 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_READY), 0);
    ck_assert_int_eq(memory_read(&mem, at, before, bytes), 0);
    kick_all();
    ck_assert_mem_eq(memory_at(&mem, at, bytes), before, bytes);
}

/* proves: VQ-R-01, VQ-R-04, VQ-R-05 */
START_TEST(queue_that_holds_buffers_is_reset)
{
    make(classes[_i].class, classes[_i].options);
    (void)fake_negotiate(&drv, FAKE_VERSION_1 | FAKE_RING_RESET);
    for (uint16_t q = 0; q < dev->queue_count; q++)
        fake_queue_setup(&drv, q, SIZE);
    fake_write(&drv, FAKE_STATUS, 15);
    for (unsigned round = 0; round < 3; round++) {
        for (uint16_t q = 0; q < dev->queue_count; q++) {
            offer_buffers(q);
            wait_worker();
            reset_queue(q);
            fake_queue_setup(&drv, q, SIZE);
            ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_READY), 1);
        }
        for (uint16_t q = 0; q < dev->queue_count; q++)
            offer_buffers(q);
        kick_all();
        ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
        for (uint16_t q = 0; q < dev->queue_count; q++) {
            reset_queue(q);
            fake_queue_setup(&drv, q, SIZE);
        }
    }
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

Suite *queue_reset_suite(void);
Suite *queue_reset_suite(void)
{
    Suite *suite = suite_create("devices/queue_reset");
    TCase *tcase = tcase_create("one queue");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, queue_that_holds_buffers_is_reset, 0, (int)ARRAY_SIZE(classes));
    suite_add_tcase(suite, tcase);
    return suite;
}
