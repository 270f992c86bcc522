/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a disk does with what is written to it (virtio 1.2 §5.2.6): caches, discard and zeroes,
 * read-only disks, overlays; and its life. Each test with both engines: _i 0 is io_uring, 1 the
 * threads.
 */
#include "tests/devices/blk/disk_fixture.h"

#include "tests/capture.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

static struct capture capture;

static void setup(void)
{
    capture_start(&capture);
    disk_setup();
}

static void teardown(void)
{
    disk_teardown();
    (void)capture_end(&capture);
}

static uint8_t writeback(void)
{
    uint8_t on;

    fake_read_bytes(&disk.drv, FAKE_CONFIG + 0x20, &on, 1);
    return on;
}

static void set_writeback(uint8_t on)
{
    fake_write_bytes(&disk.drv, FAKE_CONFIG + 0x20, &on, 1);
}

static bool all_are(const uint8_t *bytes, size_t len, uint8_t value)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

/* KiB that the file takes. */
static long file_kib(void)
{
    struct stat facts;

    ck_assert_int_eq(stat(disk.path, &facts), 0);
    return facts.st_blocks / 2;
}

/* -- caches -- */

/* proves: BLK-18, BLK-29 */
START_TEST(flush_makes_the_file_stable)
{
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    ck_assert_uint_eq(disk_ask(DISK_OUT, 0, 512), 0);
    ck_assert_uint_eq(disk.faults.syncs, 0);
    ck_assert_uint_eq(disk_ask(DISK_FLUSH_REQUEST, 0, 0), 0);
    ck_assert_uint_eq(disk.faults.syncs, 1);
    ck_assert_uint_eq(disk_ask(DISK_FLUSH_REQUEST, UINT64_MAX, 5), 0); /* both ignored */
    ck_assert_uint_eq(disk.faults.syncs, 2);
}
END_TEST

/* proves: BLK-16 */
START_TEST(driver_without_flush_has_each_write_stable)
{
    disk_create("", _i == 1);
    disk_start(FAKE_VERSION_1 | DISK_WRITE_ZEROES);
    ck_assert_uint_eq(disk_ask(DISK_OUT, 0, 512), 0);
    ck_assert_uint_eq(disk.faults.syncs, 1);
    ck_assert_uint_eq(disk_ask_range(DISK_WRITE_ZEROES_REQUEST, 0, 8, 0), 0);
    ck_assert_uint_eq(disk.faults.syncs, 2);
    ck_assert_uint_eq(disk_ask(DISK_IN, 0, 512), 0);
    ck_assert_uint_eq(disk.faults.syncs, 2);
    disk.faults.kind = BLK_OP_SYNC;
    disk.faults.error = -EIO;
    ck_assert_uint_eq(disk_ask(DISK_OUT, 0, 512), 1);
}
END_TEST

/* proves: BLK-17, BLK-20 */
START_TEST(cache_is_switched_by_the_driver)
{
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    ck_assert_uint_eq(writeback(), 1);
    set_writeback(0);
    ck_assert_uint_eq(writeback(), 0);
    ck_assert_uint_eq(fake_read(&disk.drv, FAKE_INTERRUPT_STATUS), 0); /* no news to who said it */
    ck_assert_uint_eq(disk_ask(DISK_OUT, 0, 512), 0);
    ck_assert_uint_eq(disk.faults.syncs, 1);
    set_writeback(2);
    ck_assert_uint_eq(writeback(), 0);
    set_writeback(1);
    ck_assert_uint_eq(disk_ask(DISK_OUT, 0, 512), 0);
    ck_assert_uint_eq(disk.faults.syncs, 1);
    set_writeback(0);
    disk_start(DISK_ALL); /* a new driver finds it as it was at first */
    ck_assert_uint_eq(writeback(), 1);
}
END_TEST

/* proves: BLK-04, BLK-20 */
START_TEST(cache_stays_as_it_is_without_the_feature)
{
    disk_create("", _i == 1);
    disk_start(FAKE_VERSION_1 | DISK_FLUSH);
    set_writeback(0);
    ck_assert_uint_eq(writeback(), 1);
    disk_start(FAKE_VERSION_1 | DISK_CONFIG_WCE); /* without FLUSH */
    ck_assert_uint_eq(writeback(), 0);
    ck_assert_uint_eq(disk_ask(DISK_OUT, 0, 512), 0);
    ck_assert_uint_eq(disk.faults.syncs, 1);
}
END_TEST

/* -- discard and zeroes -- */

/* proves: BLK-12 */
START_TEST(discard_gives_room_back)
{
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    long before = file_kib();
    ck_assert_uint_eq(disk_ask_range(DISK_DISCARD_REQUEST, 0, DISK_SECTORS / 2, 0), 0);
    ck_assert_uint_eq(disk.used_len, 1);
    ck_assert_int_le(file_kib(), before - 500);
    disk_file_unchanged(DISK_BYTES / 2, DISK_BYTES / 2);
}
END_TEST

/* proves: BLK-12, BLK-13 */
START_TEST(zeroes_are_read_back)
{
    static uint8_t got[DISK_BYTES];
    static const uint32_t unmap[] = {0, 1};

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    for (unsigned k = 0; k < 2; k++) {
        long before = file_kib();
        ck_assert_uint_eq(disk_ask_range(DISK_WRITE_ZEROES_REQUEST, 9 + 600 * k, 301, unmap[k]), 0);
        disk_file_read(512 * (9 + 600ul * k), got, 512 * 301);
        ck_assert(all_are(got, 512 * 301, 0));
        ck_assert_int_eq(file_kib() < before - 100, k == 1);
    }
    disk_file_unchanged(0, 512 * 9);
    disk_file_unchanged(512 * 310, 512 * 299);
    disk_file_unchanged(512 * 910, DISK_BYTES - 512 * 910);
}
END_TEST

/* proves: BLK-13 */
START_TEST(zeroes_are_written_where_the_filesystem_has_none)
{
    static uint8_t got[DISK_BYTES];

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk.faults.kind = BLK_OP_ALLOCATE;
    disk.faults.error = -EOPNOTSUPP;
    disk.faults.short_bytes = 70001;
    ck_assert_uint_eq(disk_ask_range(DISK_WRITE_ZEROES_REQUEST, 1, DISK_SECTORS - 2, 0), 0);
    disk_file_read(512, got, DISK_BYTES - 1024);
    ck_assert(all_are(got, DISK_BYTES - 1024, 0));
    disk_file_unchanged(0, 512);
    disk_file_unchanged(DISK_BYTES - 512, 512);
    ck_assert_uint_eq(disk_ask_range(DISK_DISCARD_REQUEST, 0, 8, 0), 2);
}
END_TEST

/* proves: BLK-12 */
START_TEST(discard_of_a_block_device_is_not_a_hole)
{
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    container_of(disk.dev, struct blk, dev)->image.device = true; /* it is not, as its file says */
    ck_assert_uint_eq(disk_ask_range(DISK_DISCARD_REQUEST, 0, 8, 0), 1);
    ck_assert_uint_eq(disk.faults.allocates, 0);
    disk.faults.kind = BLK_OP_DISCARD;
    disk.faults.error = -EOPNOTSUPP;
    ck_assert_uint_eq(disk_ask_range(DISK_DISCARD_REQUEST, 0, 8, 0), 2);
    disk_file_unchanged(0, DISK_BYTES);
    ck_assert_uint_eq(disk_ask_range(DISK_WRITE_ZEROES_REQUEST, 0, 8, 0), 0);
    ck_assert_uint_eq(disk.faults.allocates, 1);
}
END_TEST

/* A list of ranges, at DISK_DATA. */
static void put_range(unsigned index, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    const struct {
        le64 sector;
        le32 sectors, flags;
    } range = {to_le64(sector), to_le32(sectors), to_le32(flags)};

    memcpy(disk_ram(DISK_DATA + 16 * index, 16), &range, 16);
}

/* proves: BLK-35 */
START_TEST(sixteen_ranges_are_zeroed_and_nothing_between)
{
    uint8_t got[512];

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    for (unsigned i = 0; i < 16; i++)
        put_range(i, 3 * i, i % 3, 1);
    ck_assert_uint_eq(disk_ask(DISK_WRITE_ZEROES_REQUEST, 0, 16 * 16), 0);
    for (unsigned sector = 0; sector < 48; sector++) {
        if (sector % 3 < sector / 3 % 3) {
            disk_file_read(512ul * sector, got, 512);
            ck_assert(all_are(got, 512, 0));
        } else {
            disk_file_unchanged(512ul * sector, 512);
        }
    }
}
END_TEST

/* proves: BLK-10, BLK-11, BLK-30, BLK-31 */
START_TEST(bad_range_spoils_the_request_before_it_begins)
{
    static const struct {
        uint64_t sector;
        uint32_t sectors, flags;
        uint8_t discard, zeroes; /* status */
    } bad[] = {
        {DISK_SECTORS, 1, 0, 1, 1},  {DISK_SECTORS - 1, 2, 0, 1, 1}, {UINT64_MAX, 8, 0, 1, 1},
        {0, (1 << 21) + 1, 0, 1, 1}, {0, UINT32_MAX, 0, 1, 1},       {0, 8, 2, 2, 2},
        {0, 8, 0x80000001, 2, 2},    {DISK_SECTORS, 1, 1, 2, 1}, /* discard knows no unmap */
    };

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    for (unsigned k = 0; k < ARRAY_SIZE(bad); k++) {
        put_range(0, 0, 8, 0);
        put_range(1, bad[k].sector, bad[k].sectors, bad[k].flags);
        ck_assert_uint_eq(disk_ask(DISK_DISCARD_REQUEST, 0, 32), bad[k].discard);
        ck_assert_uint_eq(disk_ask(DISK_WRITE_ZEROES_REQUEST, 0, 32), bad[k].zeroes);
    }
    ck_assert_uint_eq(disk.faults.begun, 0);
    disk_file_unchanged(0, DISK_BYTES);
}
END_TEST

/* proves: BLK-30 */
START_TEST(list_of_a_bad_length_is_an_error)
{
    static const uint32_t lengths[] = {0, 1, 15, 17, 16 * 17, 65536};

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    memset(disk_ram(DISK_DATA, 65536), 0, 65536);
    for (unsigned k = 0; k < ARRAY_SIZE(lengths); k++) {
        ck_assert_uint_eq(disk_ask(DISK_DISCARD_REQUEST, 0, lengths[k]), 1);
        ck_assert_uint_eq(disk_ask(DISK_WRITE_ZEROES_REQUEST, 0, lengths[k]), 1);
    }
    ck_assert_uint_eq(disk.faults.begun, 0);
}
END_TEST

/* -- kinds of disks -- */

/* proves: BLK-09 */
START_TEST(read_only_disk_is_not_written)
{
    disk_create("ro", _i == 1);
    ck_assert_uint_eq(fake_features(&disk.drv) & (DISK_RO | DISK_DISCARD | DISK_WRITE_ZEROES),
                      DISK_RO);
    for (unsigned k = 0; k < 2; k++) {
        disk_start(k == 0 ? DISK_ALL : FAKE_VERSION_1);
        ck_assert_uint_eq(disk_ask(DISK_OUT, 0, 512), 1);
        ck_assert_uint_eq(disk_ask_range(DISK_DISCARD_REQUEST, 0, 8, 0), 1);
        ck_assert_uint_eq(disk_ask_range(DISK_WRITE_ZEROES_REQUEST, 0, 8, 0), 1);
        ck_assert_uint_eq(disk_ask(DISK_IN, 7, 512), 0);
        ck_assert_uint_eq(*disk_ram(DISK_DATA, 1), 7);
    }
    disk_start(DISK_ALL);
    ck_assert_uint_eq(disk_ask(DISK_FLUSH_REQUEST, 0, 0), 0);
    ck_assert_uint_eq(disk.faults.syncs, 0);
    disk_file_unchanged(0, DISK_BYTES);
}
END_TEST

/* Against an image in memory: writes, zeroes and discards by dice. */
START_TEST(overlay_is_what_was_written_over_what_was_there)
{
    static uint8_t want[DISK_BYTES];
    static bool discarded[DISK_SECTORS]; /* it may have any contents */
    unsigned seed = 42;

    disk_create("overlay", _i == 1);
    disk_start(DISK_ALL);
    disk_file_read(0, want, DISK_BYTES);
    for (unsigned k = 0; k < 600; k++) {
        uint32_t sectors = 1 + (uint32_t)rand_r(&seed) % 24;
        uint64_t sector = (uint64_t)rand_r(&seed) % (DISK_SECTORS - sectors);
        uint8_t *at = want + sector * 512;
        bool discards = k % 11 == 0;
        if (k % 7 == 0) {
            ck_assert_uint_eq(disk_ask_range(DISK_WRITE_ZEROES_REQUEST, sector, sectors, k % 2), 0);
            memset(at, 0, (size_t)sectors * 512);
        } else if (discards) {
            ck_assert_uint_eq(disk_ask_range(DISK_DISCARD_REQUEST, sector, sectors, 0), 0);
        } else {
            disk_fill((uint8_t)k, sectors * 512);
            memcpy(at, disk_ram(DISK_DATA, (uint64_t)sectors * 512), (size_t)sectors * 512);
            ck_assert_uint_eq(disk_ask(DISK_OUT, sector, sectors * 512), 0);
        }
        for (uint32_t i = 0; i < sectors; i++)
            discarded[sector + i] = discards;
    }
    ck_assert_uint_eq(disk_ask(DISK_IN, 0, DISK_BYTES), 0);
    ck_assert_uint_eq(disk.used_len, DISK_BYTES + 1);
    for (unsigned sector = 0; sector < DISK_SECTORS; sector++)
        if (!discarded[sector])
            ck_assert_mem_eq(disk_ram(DISK_DATA + 512ull * sector, 512), want + 512ul * sector,
                             512);
    ck_assert_uint_eq(disk_ask(DISK_FLUSH_REQUEST, 0, 0), 0);
    ck_assert_uint_eq(disk.faults.syncs, 0); /* it vanishes */
    disk_file_unchanged(0, DISK_BYTES);
}
END_TEST

START_TEST(failed_write_leaves_an_overlay_as_it_was)
{
    disk_create("overlay", _i == 1);
    disk_start(DISK_ALL);
    disk.faults.kind = BLK_OP_WRITE;
    disk.faults.error = -ENOSPC;
    ck_assert_uint_eq(disk_ask(DISK_OUT, 4, 512), 1);
    ck_assert_uint_eq(disk_ask(DISK_IN, 4, 512), 0);
    ck_assert_uint_eq(*disk_ram(DISK_DATA, 1), 4);
}
END_TEST

/* What is not aligned goes by the cache, and the two agree. */
START_TEST(direct_disk_takes_any_alignment)
{
    uint8_t got[8192];
    const struct fake_piece pieces[] = {
        {DISK_HEADER, 16, 0}, {DISK_DATA + 1, 512, 0}, {DISK_STATUS, 1, FAKE_WRITE}};

    disk_create("direct", _i == 1);
    disk_start(DISK_ALL);
    disk_fill(1, 8192);
    ck_assert_uint_eq(disk_ask(DISK_OUT, 16, 8192), 0);
    disk_put_header(DISK_HEADER, DISK_OUT, 17);
    disk_offer_pieces(0, pieces, 3);
    disk_kick(0);
    ck_assert_uint_eq(disk_answer(), 0);
    memcpy(got, disk_ram(DISK_DATA, 8192), 8192);
    memcpy(got + 512, disk_ram(DISK_DATA + 1, 512), 512);
    disk_fill(100, 8192);
    ck_assert_uint_eq(disk_ask(DISK_IN, 16, 8192), 0);
    ck_assert_mem_eq(disk_ram(DISK_DATA, 8192), got, 8192);
    ck_assert_uint_eq(disk_ask(DISK_IN, 17, 512), 0);
    ck_assert_mem_eq(disk_ram(DISK_DATA, 512), got + 512, 512);
    ck_assert_uint_eq(disk_ask(DISK_IN, DISK_SECTORS - 1, 512), 0);
}
END_TEST

/* -- life -- */

static void *let_go_soon(void *arg)
{
    (void)arg;
    usleep(50000);
    disk.faults.hold = false;
    return NULL;
}

/* proves: BLK-38 */
START_TEST(reset_waits_for_what_is_under_way)
{
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk.faults.hold = true;
    for (unsigned i = 0; i < 40; i++)
        disk_offer_apart(0, i, DISK_IN, i);
    disk_kick(0);
    while (disk.faults.begun < 40)
        usleep(100);
    disk.faults.reset_looks = 5;
    fake_write(&disk.drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(disk.faults.reset_looks, 0);
    ck_assert_uint_eq(fake_used_idx(&disk.drv.ring[0]), 0);
    for (unsigned i = 0; i < 40; i++) {
        ck_assert_uint_eq(*disk_apart_status(i), 0xff);
        memset(disk_apart_data(i), 0x55, 512);
    }
    usleep(20000);
    for (unsigned i = 0; i < 40; i++)
        ck_assert(all_are(disk_apart_data(i), 512, 0x55));
    disk_start(DISK_ALL);
    ck_assert_uint_eq(disk_ask(DISK_IN, 3, 512), 0);
}
END_TEST

static uint8_t byte_at(off_t offset)
{
    uint8_t byte = 0;
    int fd = open(disk.path, O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(pread(fd, &byte, 1, offset), 1);
    ck_assert_int_eq(close(fd), 0);
    return byte;
}

/* 40 MiB, of buffers that overlap. */
static void offer_long_to(uint16_t queue, uint8_t fill)
{
    struct fake_piece pieces[42] = {{DISK_HEADER, 16, 0}};

    memset(disk_ram(DISK_DATA, 1 << 20), fill, 1 << 20);
    for (unsigned i = 1; i <= 40; i++)
        pieces[i] = (struct fake_piece){DISK_DATA, 1 << 20, 0};
    pieces[41] = (struct fake_piece){DISK_STATUS, 1, FAKE_WRITE};
    disk_put_header(DISK_HEADER, DISK_OUT, 0);
    disk_offer_pieces(queue, pieces, 42);
    disk_kick(queue);
}

static void offer_long(uint8_t fill)
{
    offer_long_to(0, fill);
}

START_TEST(reset_drops_what_is_left_of_a_long_request)
{
    ck_assert_int_eq(truncate(disk.path, 64 << 20), 0);
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    offer_long(7);
    ck_assert_uint_eq(disk_answer(), 0);
    ck_assert_uint_eq(byte_at((40 << 20) - 1), 7);
    disk.faults.begun = 0;
    disk.faults.hold = true;
    offer_long(9);
    while (disk.faults.begun == 0)
        usleep(100);
    disk.faults.reset_looks = 5;
    fake_write(&disk.drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(byte_at(0), 9);
    ck_assert_uint_eq(byte_at((40 << 20) - 1), 7);
}
END_TEST

START_TEST(pause_lasts_until_all_is_answered)
{
    pthread_t thread;
    uint32_t id;

    disk_create("queues=2", _i == 1);
    disk_start(DISK_ALL);
    disk.faults.hold = true;
    for (unsigned i = 0; i < 40; i++)
        disk_offer_apart(0, i, DISK_OUT, i);
    disk_kick(0);
    while (disk.faults.begun < 40)
        usleep(100);
    ck_assert_int_eq(pthread_create(&thread, NULL, let_go_soon, NULL), 0);
    virtio_pause(disk.dev);
    ck_assert_uint_eq(fake_used_idx(&disk.drv.ring[0]), 40);
    disk_offer(DISK_IN, 0, 512);
    disk_kick(0);
    usleep(20000);
    ck_assert_uint_eq(fake_used_idx(&disk.drv.ring[0]), 40);
    virtio_resume(disk.dev, 1);
    for (unsigned i = 0; i < 40; i++) /* their status bytes lie apart */
        ck_assert(fake_wait_used(&disk.drv, 0, &id, &disk.used_len));
    ck_assert_uint_eq(disk_answer(), 0);
    ck_assert_uint_eq(disk.used_len, 513);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* Of a long one, that is what is under way; then the rest goes on. A reset meanwhile drops it. */
START_TEST(pause_holds_what_is_left_of_a_long_request)
{
    pthread_t thread;

    ck_assert_int_eq(truncate(disk.path, 64 << 20), 0);
    disk_create("", (_i & 1) != 0);
    disk_start(DISK_ALL);
    disk.faults.hold = true;
    offer_long(9);
    while (disk.faults.begun == 0)
        usleep(100);
    ck_assert_int_eq(pthread_create(&thread, NULL, let_go_soon, NULL), 0);
    virtio_pause(disk.dev);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(disk.faults.begun, 1);
    ck_assert_uint_eq(fake_used_idx(&disk.drv.ring[0]), 0);
    if (_i >= 2)
        fake_write(&disk.drv, FAKE_STATUS, 0);
    virtio_resume(disk.dev, 1);
    if (_i >= 2) {
        disk_start(DISK_ALL);
        ck_assert_uint_eq(disk_ask(DISK_IN, 3, 512), 0);
        ck_assert_uint_eq(byte_at((40 << 20) - 1), 0);
        return;
    }
    ck_assert_uint_eq(disk_answer(), 0);
    ck_assert_uint_eq(disk.used_len, 1);
    ck_assert_uint_eq(byte_at((40 << 20) - 1), 9);
    ck_assert_uint_eq(disk_ask(DISK_IN, 3, 512), 0);
}
END_TEST

/* Its own long request is dropped, another queue's goes on. */
START_TEST(queue_reset_waits_for_no_long_request)
{
    const uint16_t other = (uint16_t)(_i >> 1);
    pthread_t thread;
    uint32_t id;

    ck_assert_int_eq(truncate(disk.path, 64 << 20), 0);
    disk_create("queues=2", (_i & 1) != 0);
    disk_start(DISK_ALL | FAKE_RING_RESET);
    disk.faults.hold = true;
    offer_long_to(other, 9);
    while (disk.faults.begun == 0)
        usleep(100);
    ck_assert_int_eq(pthread_create(&thread, NULL, let_go_soon, NULL), 0);
    fake_write(&disk.drv, FAKE_QUEUE_SEL, 0);
    fake_write(&disk.drv, FAKE_QUEUE_RESET, 1);
    ck_assert_uint_eq(fake_read(&disk.drv, FAKE_QUEUE_RESET), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    if (other == 1)
        ck_assert(fake_wait_used(&disk.drv, 1, &id, &disk.used_len));
    else
        ck_assert_uint_eq(fake_used_idx(&disk.drv.ring[0]), 0);
    ck_assert_uint_eq(byte_at((40 << 20) - 1), other == 1 ? 9 : 0);
    fake_queue_setup(&disk.drv, 0, 8);
    ck_assert_uint_eq(disk_ask(DISK_IN, 3, 512), 0);
}
END_TEST

/* Four queues want more than there is room for: what is under way has a bound, and none is lost. */
/* proves: BLK-38 */
START_TEST(no_more_than_256_are_under_way)
{
    disk_create("queues=4", _i == 1);
    disk_start(DISK_ALL);
    disk.faults.hold = true;
    for (unsigned i = 0; i < 340; i++)
        disk_offer_apart((uint16_t)(i % 4), i, DISK_IN, i);
    for (uint16_t q = 0; q < 4; q++)
        disk_kick(q);
    for (unsigned i = 0; i < 30000 && disk.faults.begun < 256; i++)
        usleep(1000);
    usleep(20000);
    ck_assert_uint_eq(disk.faults.begun, 256);
    disk.faults.hold = false;
    for (uint16_t q = 0; q < 4; q++)
        for (unsigned i = 0; i < 85; i++) {
            uint32_t id, len;
            ck_assert(fake_wait_used(&disk.drv, q, &id, &len));
            ck_assert_uint_eq(len, 513);
        }
    ck_assert_uint_eq(disk.faults.begun, 340);
}
END_TEST

START_TEST(what_ends_together_is_one_interrupt)
{
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk.faults.hold = true;
    for (unsigned i = 0; i < 64; i++)
        disk_offer_apart(0, i, DISK_IN, i);
    disk_kick(0);
    while (disk.faults.begun < 64)
        usleep(100);
    usleep(100000); /* all of them have ended */
    ck_assert_uint_eq(fake_edges(&disk.drv), 0);
    disk.faults.hold = false;
    ck_assert_int_eq(fake_wait_irq(&disk.drv, 30000), 1);
    ck_assert_uint_eq(fake_used_idx(&disk.drv.ring[0]), 64);
    usleep(20000);
    ck_assert_uint_eq(fake_edges(&disk.drv), 0);
}
END_TEST

Suite *blk_write_suite(void);
Suite *blk_write_suite(void)
{
    Suite *suite = suite_create("blk_write");
    TCase *tcase = tcase_create("writes");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, flush_makes_the_file_stable, 0, 2);
    tcase_add_loop_test(tcase, driver_without_flush_has_each_write_stable, 0, 2);
    tcase_add_loop_test(tcase, cache_is_switched_by_the_driver, 0, 2);
    tcase_add_loop_test(tcase, cache_stays_as_it_is_without_the_feature, 0, 2);
    tcase_add_loop_test(tcase, discard_gives_room_back, 0, 2);
    tcase_add_loop_test(tcase, zeroes_are_read_back, 0, 2);
    tcase_add_loop_test(tcase, zeroes_are_written_where_the_filesystem_has_none, 0, 2);
    tcase_add_loop_test(tcase, discard_of_a_block_device_is_not_a_hole, 0, 2);
    tcase_add_loop_test(tcase, sixteen_ranges_are_zeroed_and_nothing_between, 0, 2);
    tcase_add_loop_test(tcase, bad_range_spoils_the_request_before_it_begins, 0, 2);
    tcase_add_loop_test(tcase, list_of_a_bad_length_is_an_error, 0, 2);
    tcase_add_loop_test(tcase, read_only_disk_is_not_written, 0, 2);
    tcase_add_loop_test(tcase, overlay_is_what_was_written_over_what_was_there, 0, 2);
    tcase_add_loop_test(tcase, failed_write_leaves_an_overlay_as_it_was, 0, 2);
    tcase_add_loop_test(tcase, direct_disk_takes_any_alignment, 0, 2);
    tcase_add_loop_test(tcase, reset_waits_for_what_is_under_way, 0, 2);
    tcase_add_loop_test(tcase, reset_drops_what_is_left_of_a_long_request, 0, 2);
    tcase_add_loop_test(tcase, pause_lasts_until_all_is_answered, 0, 2);
    tcase_add_loop_test(tcase, pause_holds_what_is_left_of_a_long_request, 0, 4);
    tcase_add_loop_test(tcase, queue_reset_waits_for_no_long_request, 0, 4);
    tcase_add_loop_test(tcase, no_more_than_256_are_under_way, 0, 2);
    tcase_add_loop_test(tcase, what_ends_together_is_one_interrupt, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
