/* SPDX-License-Identifier: BSD-3-Clause */
/* Persistent memory behind its registers (virtio 1.4 "PMEM Device"). */
#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RINGS 0x10000
#define ASK   0x40000
#define REPLY 0x50000
#define ALIGN 0x200000

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct capture capture;
static char path[] = "/tmp/linnet-pmem-XXXXXX";
static int file;

static void setup(void)
{
    capture_start(&capture);
    fake_memory(&mem, 0x100000);
    strcpy(path + strlen(path) - 6, "XXXXXX");
    file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, "image", 5), 5);
    dev = NULL;
}

static void teardown(void)
{
    virtio_destroy(dev);
    if (dev != NULL)
        fake_driver_fini(&drv);
    (void)close(file);
    (void)unlink(path);
    memory_destroy(&mem);
    (void)capture_end(&capture);
}

static int try(const char *name, struct virtio_device **ret_dev)
{
    struct opts *opts;

    ck_assert_int_eq(opts_create(virtio_pmem.opts, &opts), 0);
    ck_assert_int_eq(opts_set(opts, "--pmem ", "path", name), 0);
    int r = fake_create(&virtio_pmem, 0, &mem, opts, ret_dev);
    opts_destroy(opts);
    return r;
}

static void make(void)
{
    ck_assert_int_eq(try(path, &dev), 0);
    dev->class->placed(dev, 0x1c0000000);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
}

static const uint8_t *window(const struct virtio_device *device)
{
    return device->window;
}

/* Asks with `len` bytes of type, and room for an answer: the used length. */
static uint32_t ask(uint32_t type, uint32_t len, uint32_t room)
{
    const struct fake_piece pieces[] = {{ASK, len, 0}, {REPLY, room, FAKE_WRITE}};
    uint32_t id, used;

    ck_assert_int_eq(memory_write(&mem, ASK, &type, 4), 0);
    ck_assert_int_eq(memory_write(&mem, REPLY, "\1\2\3\4", 4), 0);
    fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], pieces, room == 0 ? 1 : 2));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    ck_assert(fake_wait_used(&drv, 0, &id, &used));
    return used;
}

/* proves: PMEM-01, PMEM-02 */
START_TEST(config_space_says_where_the_window_is)
{
    make();
    ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_ID), 27);
    for (unsigned turn = 0; turn < 2; turn++) {
        ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 0xc0000000);
        ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4), 1);
        ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 8), ALIGN);
        ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 12), 0);
        for (unsigned i = 0; i < 4; i++)
            fake_write(&drv, FAKE_CONFIG + 4ull * i, 0xffffffff);
    }
}
END_TEST

/* proves: PMEM-06 */
START_TEST(window_is_the_file_and_zeroes)
{
    make();
    ck_assert_uint_eq(dev->window_size, ALIGN);
    ck_assert_mem_eq(window(dev), "image\0", 6);
    for (unsigned i = 5; i < ALIGN; i++)
        ck_assert_uint_eq(window(dev)[i], 0);
}
END_TEST

START_TEST(size_goes_up_to_two_mib)
{
    static const struct {
        off_t size;
        uint64_t window;
    } sizes[] = {{ALIGN - 1, ALIGN}, {ALIGN, ALIGN}, {ALIGN + 1, 2 * ALIGN}};

    ck_assert_int_eq(ftruncate(file, sizes[_i].size), 0);
    ck_assert_int_eq(pwrite(file, "e", 1, sizes[_i].size - 1), 1);
    make();
    ck_assert_uint_eq(dev->window_size, sizes[_i].window);
    ck_assert_uint_eq(window(dev)[sizes[_i].size - 1], 'e');
}
END_TEST

/* Both see the same pages: those of the file. */
START_TEST(two_machines_share_a_file)
{
    struct virtio_device *other;

    make();
    ck_assert_int_eq(try(path, &other), 0);
    ck_assert_int_eq(pwrite(file, "I", 1, 0), 1);
    ck_assert_mem_eq(window(dev), "Image", 5);
    ck_assert_mem_eq(window(other), "Image", 5);
    virtio_destroy(other);
}
END_TEST

/* proves: PMEM-03 */
START_TEST(flush_is_answered_nothing_is_kept)
{
    uint32_t answer;

    make();
    for (unsigned i = 0; i < 200; i++) {
        ck_assert_uint_eq(ask(0, 4, 4), 4);
        ck_assert_int_eq(memory_read(&mem, REPLY, &answer, 4), 0);
        ck_assert_uint_eq(answer, 0xffffffff);
    }
}
END_TEST

/* proves: PMEM-04 */
START_TEST(nonsense_is_returned_with_nothing)
{
    make();
    ck_assert_uint_eq(ask(1, 4, 4), 0);
    ck_assert_uint_eq(ask(0xffffffff, 4, 4), 0);
    ck_assert_uint_eq(ask(0, 3, 4), 0);
    ck_assert_uint_eq(ask(0, 4, 3), 0);
    ck_assert_uint_eq(ask(0, 4, 0), 0);
    ck_assert_uint_eq(ask(0, 4, 64), 4);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

START_TEST(broken_ring_needs_reset_and_works_after)
{
    struct fake_piece piece = {0xffffffffff, 4, 0};

    make();
    fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], &piece, 1));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    ck_assert(fake_wait_status(&drv, 64));
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    ck_assert_uint_eq(ask(0, 4, 4), 4);
}
END_TEST

START_TEST(paused_it_answers_later)
{
    struct fake_piece pieces[] = {{ASK, 4, 0}, {REPLY, 4, FAKE_WRITE}};
    uint32_t id, len;

    make();
    virtio_pause(dev);
    ck_assert_int_eq(memory_write(&mem, ASK, "\0\0\0\0", 4), 0);
    fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], pieces, 2));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    (void)usleep(20000);
    ck_assert(!fake_used(&drv.ring[0], &id, &len));
    virtio_resume(dev, 20000000);
    ck_assert(fake_wait_used(&drv, 0, &id, &len));
    ck_assert_uint_eq(len, 4);
}
END_TEST

START_TEST(bad_files_are_refused)
{
    static const char *const bad[][2] = {
        {"/nowhere/x", "/nowhere/x: No such file"},
        {"/dev/null", "/dev/null is not a regular file"},
        {"/tmp", "/tmp is not a regular file"},
        {NULL, "is empty"},
    };

    ck_assert_int_eq(ftruncate(file, 0), 0);
    ck_assert_int_eq(try(bad[_i][0] == NULL ? path : bad[_i][0], &dev), -EINVAL);
    const char *said = capture_look(&capture);
    ck_assert_one_error(said, bad[_i][1]);
}
END_TEST

/* A disk that is written is not to be seen as it changes. */
START_TEST(file_that_another_writes_is_refused)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    ck_assert_int_eq(fcntl(file, F_OFD_SETLK, &lock), 0);
    ck_assert_int_eq(try(path, &dev), -EINVAL);
    const char *said = capture_look(&capture);
    ck_assert_one_error(said, "--pmem path: /tmp/linnet-pmem-");
    ck_assert_ptr_nonnull(strstr(said, "is in use by process"));
}
END_TEST

Suite *pmem_suite(void);
Suite *pmem_suite(void)
{
    Suite *suite = suite_create("pmem");
    TCase *tcase = tcase_create("pmem");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, config_space_says_where_the_window_is);
    tcase_add_test(tcase, window_is_the_file_and_zeroes);
    tcase_add_loop_test(tcase, size_goes_up_to_two_mib, 0, 3);
    tcase_add_test(tcase, two_machines_share_a_file);
    tcase_add_test(tcase, flush_is_answered_nothing_is_kept);
    tcase_add_test(tcase, nonsense_is_returned_with_nothing);
    tcase_add_test(tcase, broken_ring_needs_reset_and_works_after);
    tcase_add_test(tcase, paused_it_answers_later);
    tcase_add_loop_test(tcase, bad_files_are_refused, 0, 4);
    tcase_add_test(tcase, file_that_another_writes_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
