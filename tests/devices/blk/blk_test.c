/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The block device behind its registers (virtio 1.2 §5.2), each test with both engines: _i 0 is
 * io_uring, 1 the threads.
 */
#include "tests/devices/blk/disk_fixture.h"

#include "tests/capture.h"

#include <check.h>
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

static uint64_t config_read(unsigned offset, unsigned size)
{
    le64 val = {0};

    fake_read_bytes(&disk.drv, FAKE_CONFIG + offset, &val, size);
    return from_le64(val);
}

/* -- identity -- */

/* proves: BLK-01, BLK-02, BLK-03, BLK-05, BLK-06, BLK-14, BLK-22, BLK-36 */
START_TEST(config_space_says_what_the_disk_is)
{
    disk_create("queues=3", _i == 1);
    ck_assert_uint_eq(fake_read(&disk.drv, FAKE_DEVICE_ID), 2);
    /* SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE, MQ, DISCARD, WRITE_ZEROES */
    ck_assert_uint_eq(fake_features(&disk.drv) & 0xffffff,
                      1 << 2 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14);
    ck_assert_uint_eq(config_read(0x00, 8), 2048);
    ck_assert_uint_eq(config_read(0x0c, 4), 254);
    ck_assert_uint_eq(config_read(0x14, 4), 512);
    ck_assert_uint_eq(config_read(0x18, 1), 3); /* 4 KiB */
    ck_assert_uint_eq(config_read(0x1a, 2), 8);
    ck_assert_uint_eq(config_read(0x20, 1), 1);
    ck_assert_uint_eq(config_read(0x21, 1), 0);
    ck_assert_uint_eq(config_read(0x22, 2), 3);
    ck_assert_uint_eq(config_read(0x24, 4), 1 << 21);
    ck_assert_uint_eq(config_read(0x28, 4), 16);
    ck_assert_uint_eq(config_read(0x30, 4), 1 << 21);
    ck_assert_uint_eq(config_read(0x34, 4), 16);
    ck_assert_uint_eq(config_read(0x38, 4), 1); /* may unmap, unused1 */
    for (uint32_t i = 0; i < 4; i++) {
        fake_write(&disk.drv, FAKE_QUEUE_SEL, i);
        ck_assert_uint_eq(fake_read(&disk.drv, FAKE_QUEUE_SIZE_MAX), i < 3 ? 256 : 0);
    }
}
END_TEST

/* proves: BLK-32 */
START_TEST(serial_is_20_bytes_without_an_end)
{
    disk_create("serial=12345678901234567890", _i == 1);
    disk_start(DISK_ALL);
    ck_assert_uint_eq(disk_ask(DISK_GET_ID, 0, 20), 0);
    ck_assert_uint_eq(disk.used_len, 21);
    ck_assert_mem_eq(disk_ram(DISK_DATA, 20), "12345678901234567890", 20);
    ck_assert_uint_eq(disk_ask(DISK_GET_ID, 0, 19), 1);
    ck_assert_uint_eq(disk_ask(DISK_GET_ID, 0, 30), 0);
    ck_assert_uint_eq(disk.used_len, 20);
}
END_TEST

/* proves: BLK-32 */
START_TEST(serial_is_the_name_if_none_is_given)
{
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    memset(disk_ram(DISK_DATA, 20), 'x', 20);
    ck_assert_uint_eq(disk_ask(DISK_GET_ID, 0, 20), 0);
    ck_assert_mem_eq(disk_ram(DISK_DATA, 20), "disk0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
}
END_TEST

/* -- reading and writing -- */

/* proves: BLK-25, BLK-26, BLK-27 */
START_TEST(sectors_are_read_from_their_place)
{
    static const struct {
        uint64_t sector;
        uint32_t sectors;
    } good[] = {{0, 1}, {1, 8}, {3, 37}, {DISK_SECTORS - 1, 1}, {0, DISK_SECTORS}, {5, 0}};

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    for (unsigned k = 0; k < ARRAY_SIZE(good); k++) {
        uint32_t len = good[k].sectors * 512;
        ck_assert_uint_eq(disk_ask(DISK_IN, good[k].sector, len), 0);
        ck_assert_uint_eq(disk.used_len, len + 1);
        for (uint32_t i = 0; i < len; i++)
            ck_assert_uint_eq(*disk_ram(DISK_DATA + i, 1),
                              (uint8_t)(good[k].sector + i / 512 + i % 512));
    }
}
END_TEST

/* proves: BLK-25, BLK-26 */
START_TEST(sectors_are_written_to_their_place)
{
    uint8_t got[1024];

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk_fill(77, 1024);
    ck_assert_uint_eq(disk_ask(DISK_OUT, 100, 1024), 0);
    ck_assert_uint_eq(disk.used_len, 1);
    disk_file_read(51200, got, 1024);
    ck_assert_mem_eq(got, disk_ram(DISK_DATA, 1024), 1024);
    disk_file_unchanged(0, 51200);
    disk_file_unchanged(52224, DISK_BYTES - 52224);
}
END_TEST

/* The parts of a request are split at any byte, or not at all. */
START_TEST(framing_does_not_matter)
{
    const struct fake_piece pieces[] = {
        {DISK_HEADER, 7, 0},
        {DISK_HEADER + 7, 9, 0},
        {DISK_DATA, 1, FAKE_WRITE},
        {DISK_DATA + 0x1000, 510, FAKE_WRITE},
        {DISK_DATA + 1, 2, FAKE_WRITE} /* the last of them is the status */
    };

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk_put_header(DISK_HEADER, DISK_IN, 9);
    memset(disk_ram(DISK_DATA, 4), 0xff, 4);
    disk_offer_pieces(0, pieces, 5);
    disk_kick(0);
    (void)disk_answer();
    ck_assert_uint_eq(disk.used_len, 513);
    ck_assert_mem_eq(disk_ram(DISK_DATA, 4), ((uint8_t[]){9, (uint8_t)(9 + 511), 0, 0xff}), 4);
    ck_assert_uint_eq(*disk_ram(DISK_DATA + 0x1000, 1), 10);
}
END_TEST

/* proves: BLK-37 */
START_TEST(more_segments_than_advertised_are_served)
{
    struct fake_piece pieces[258] = {{DISK_HEADER, 16, 0}};

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk_put_header(DISK_HEADER, DISK_IN, 0);
    for (unsigned i = 1; i < 257; i++) /* apart from each other */
        pieces[i] = (struct fake_piece){DISK_DATA + 1024 * i, 512, FAKE_WRITE};
    pieces[257] = (struct fake_piece){DISK_STATUS, 1, FAKE_WRITE};
    fake_offer(&disk.drv.ring[0], fake_chain_indirect(&disk.drv.ring[0], 0x90000, pieces, 258));
    disk_kick(0);
    ck_assert_uint_eq(disk_answer(), 0);
    ck_assert_uint_eq(disk.used_len, 256 * 512 + 1);
    for (unsigned i = 1; i < 257; i++)
        ck_assert_uint_eq(*disk_ram(DISK_DATA + 1024 * i, 1), (uint8_t)(i - 1));
}
END_TEST

START_TEST(all_queues_work_at_once)
{
    disk_create("queues=16", _i == 1);
    disk_start(DISK_ALL);
    for (unsigned i = 0; i < 320; i++)
        disk_offer_apart((uint16_t)(i % 16), i, DISK_IN, i);
    for (uint16_t q = 0; q < 16; q++)
        disk_kick(q);
    for (uint16_t round = 0; round < 20; round++)
        for (uint16_t q = 0; q < 16; q++) {
            uint32_t id, len;
            ck_assert(fake_wait_used(&disk.drv, q, &id, &len));
            ck_assert_uint_eq(len, 513);
        }
    for (unsigned i = 0; i < 320; i++) {
        ck_assert_uint_eq(*disk_apart_status(i), 0);
        ck_assert_uint_eq(*disk_apart_data(i), (uint8_t)i);
    }
}
END_TEST

/* -- what a driver does wrong -- */

/* proves: BLK-27, BLK-28, BLK-34 */
START_TEST(bad_reads_and_writes_are_errors_and_change_nothing)
{
    static const struct {
        uint32_t type;
        uint64_t sector;
        uint32_t len;
    } bad[] = {
        {DISK_IN, DISK_SECTORS, 512},
        {DISK_IN, DISK_SECTORS - 1, 1024},
        {DISK_IN, UINT64_MAX, 512},
        {DISK_IN, UINT64_MAX / 512 + 1, 512},
        {DISK_IN, 0, 511},
        {DISK_IN, 0, 513},
        {DISK_OUT, DISK_SECTORS, 512},
        {DISK_OUT, DISK_SECTORS - 1, 1024},
        {DISK_OUT, UINT64_MAX - 1, 1024},
        {DISK_OUT, 0, 100},
    };
    const struct fake_piece both[] = {
        {DISK_HEADER, 16, 0}, {DISK_DATA, 512, 0}, {DISK_DATA, 512, 2}, {DISK_STATUS, 1, 2}};

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    for (unsigned k = 0; k < ARRAY_SIZE(bad); k++)
        ck_assert_uint_eq(disk_ask(bad[k].type, bad[k].sector, bad[k].len), 1);
    for (uint32_t type = DISK_IN; type <= DISK_OUT; type++) {
        disk_put_header(DISK_HEADER, type, 0);
        disk_offer_pieces(0, both, 4);
        disk_kick(0);
        ck_assert_uint_eq(disk_answer(), 1);
        ck_assert_uint_eq(disk.used_len, 0);
    }
    ck_assert_uint_eq(disk.faults.begun, 0);
    disk_file_unchanged(0, DISK_BYTES);
}
END_TEST

/* proves: BLK-23, BLK-24 */
START_TEST(unknown_types_are_unsupported)
{
    static const uint32_t types[] = {2,  3,  5,  6,  7,  9,  10, 12, 14,         15,
                                     16, 17, 18, 20, 22, 24, 26, 99, UINT32_MAX, 0x80000000};

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    for (unsigned k = 0; k < ARRAY_SIZE(types); k++)
        ck_assert_uint_eq(disk_ask(types[k], 0, 512), 2);
    disk_file_unchanged(0, DISK_BYTES);
}
END_TEST

/* proves: BLK-24 */
START_TEST(types_whose_feature_was_not_taken_are_unsupported)
{
    disk_create("", _i == 1);
    disk_start(FAKE_VERSION_1);
    ck_assert_uint_eq(disk_ask(DISK_FLUSH_REQUEST, 0, 0), 2);
    ck_assert_uint_eq(disk_ask_range(DISK_DISCARD_REQUEST, 0, 8, 0), 2);
    ck_assert_uint_eq(disk_ask_range(DISK_WRITE_ZEROES_REQUEST, 0, 8, 0), 2);
    disk_file_unchanged(0, DISK_BYTES);
}
END_TEST

/* proves: BLK-33 */
START_TEST(short_header_is_an_error)
{
    const struct fake_piece pieces[] = {{DISK_HEADER, 15, 0}, {DISK_STATUS, 1, FAKE_WRITE}};

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk_put_header(DISK_HEADER, DISK_FLUSH_REQUEST, 0);
    *disk_ram(DISK_STATUS, 1) = 0xff;
    disk_offer_pieces(0, pieces, 2);
    disk_kick(0);
    ck_assert_uint_eq(disk_answer(), 1);
    ck_assert_uint_eq(disk.used_len, 1);
    disk_offer_pieces(0, pieces + 1, 1);
    disk_kick(0);
    ck_assert_uint_eq(disk_answer(), 1);
}
END_TEST

/* proves: BLK-33 */
START_TEST(request_without_status_comes_back_empty)
{
    const struct fake_piece pieces[] = {{DISK_HEADER, 16, 0}, {DISK_DATA, 512, 0}};

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk_put_header(DISK_HEADER, DISK_OUT, 0);
    disk_offer_pieces(0, pieces, 2);
    disk_kick(0);
    (void)disk_answer();
    ck_assert_uint_eq(disk.used_len, 0);
    disk_file_unchanged(0, 512);
}
END_TEST

START_TEST(broken_ring_needs_reset_and_one_helps)
{
    const struct fake_piece bad = {0xffffffffff, 16, 0};

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk_offer_pieces(0, &bad, 1);
    disk_kick(0);
    ck_assert(fake_wait_status(&disk.drv, 64));
    disk_start(DISK_ALL);
    ck_assert_uint_eq(disk_ask(DISK_IN, 0, 512), 0);
}
END_TEST

/* -- a host that fails -- */

/* proves: BLK-26 */
START_TEST(error_of_the_host_is_an_error_of_the_request)
{
    static const int errors[] = {-EIO, -ENOSPC, -EDQUOT, -EOPNOTSUPP};

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk.faults.error = errors[0];
    for (unsigned k = 0; k < ARRAY_SIZE(errors); k++) {
        disk.faults.error = errors[k];
        disk.faults.kind = BLK_OP_READ;
        ck_assert_uint_eq(disk_ask(DISK_IN, 0, 4096), 1);
        ck_assert_uint_eq(disk.used_len, 0);
        disk.faults.kind = BLK_OP_WRITE;
        ck_assert_uint_eq(disk_ask(DISK_OUT, 8, 4096), 1);
        ck_assert_uint_eq(disk.used_len, 1);
    }
    ck_assert_ptr_nonnull(strstr(capture_look(&capture), "disk0: read at byte 0: Input/output"));
    ck_assert_ptr_nonnull(strstr(capture_look(&capture), "disk0: write at byte 4096: No space"));
    disk.faults.error = 0;
    ck_assert_uint_eq(disk_ask(DISK_IN, 0, 4096), 0);
}
END_TEST

START_TEST(short_transfers_go_on_where_they_stopped)
{
    uint8_t got[4096];
    const struct fake_piece pieces[] = {
        {DISK_HEADER, 16, 0},       {DISK_DATA, 100, 0},          {DISK_DATA + 200, 3000, 0},
        {DISK_DATA + 4000, 996, 0}, {DISK_STATUS, 1, FAKE_WRITE},
    };

    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk.faults.short_bytes = 7 + 100 * (uint32_t)_i;
    ck_assert_uint_eq(disk_ask(DISK_IN, 3, 4096), 0);
    ck_assert_uint_eq(disk.used_len, 4097);
    for (uint32_t i = 0; i < 4096; i++)
        ck_assert_uint_eq(*disk_ram(DISK_DATA + i, 1), (uint8_t)(3 + i / 512 + i % 512));
    disk_fill(5, 8192);
    disk_put_header(DISK_HEADER, DISK_OUT, 8);
    disk_offer_pieces(0, pieces, 5);
    disk_kick(0);
    ck_assert_uint_eq(disk_answer(), 0);
    disk_file_read(4096, got, 4096);
    ck_assert_mem_eq(got, disk_ram(DISK_DATA, 100), 100);
    ck_assert_mem_eq(got + 100, disk_ram(DISK_DATA + 200, 3000), 3000);
    ck_assert_mem_eq(got + 3100, disk_ram(DISK_DATA + 4000, 996), 996);
}
END_TEST

/* The real thing: somebody cut the file off under us. */
/* proves: BLK-26 */
START_TEST(file_that_has_shrunk_is_an_error_where_it_ends)
{
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    ck_assert_int_eq(truncate(disk.path, 3 * 512), 0);
    ck_assert_uint_eq(disk_ask(DISK_IN, 0, 4096), 1);
    ck_assert_uint_eq(disk.used_len, 3 * 512);
    ck_assert_uint_eq(disk_ask(DISK_IN, 100, 512), 1);
    ck_assert_uint_eq(disk.used_len, 0);
    ck_assert_uint_eq(disk_ask(DISK_IN, 0, 3 * 512), 0);
    ck_assert_ptr_nonnull(strstr(capture_look(&capture), "the file has ended"));
}
END_TEST

/* What was lost once is lost: a later flush must not say that all is well. */
START_TEST(failed_flush_fails_all_that_follow)
{
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    ck_assert_uint_eq(disk_ask(DISK_FLUSH_REQUEST, 0, 0), 0);
    disk.faults.kind = BLK_OP_SYNC;
    disk.faults.error = -EIO;
    ck_assert_uint_eq(disk_ask(DISK_FLUSH_REQUEST, 0, 0), 1);
    disk.faults.error = 0;
    ck_assert_uint_eq(disk_ask(DISK_FLUSH_REQUEST, 0, 0), 1);
    ck_assert_uint_eq(disk_ask(DISK_IN, 0, 512), 0);
}
END_TEST

START_TEST(interrupted_operation_is_begun_again)
{
    disk_create("", _i == 1);
    disk_start(DISK_ALL);
    disk.faults.kind = BLK_OP_READ;
    disk.faults.error = -EINTR;
    disk_offer(DISK_IN, 0, 512);
    disk_kick(0);
    while (disk.faults.begun < 3)
        usleep(100);
    disk.faults.error = 0;
    ck_assert_uint_eq(disk_answer(), 0);
}
END_TEST

Suite *blk_suite(void);
Suite *blk_suite(void)
{
    Suite *suite = suite_create("blk");
    TCase *tcase = tcase_create("requests");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, config_space_says_what_the_disk_is, 0, 2);
    tcase_add_loop_test(tcase, serial_is_20_bytes_without_an_end, 0, 2);
    tcase_add_loop_test(tcase, serial_is_the_name_if_none_is_given, 0, 2);
    tcase_add_loop_test(tcase, sectors_are_read_from_their_place, 0, 2);
    tcase_add_loop_test(tcase, sectors_are_written_to_their_place, 0, 2);
    tcase_add_loop_test(tcase, framing_does_not_matter, 0, 2);
    tcase_add_loop_test(tcase, more_segments_than_advertised_are_served, 0, 2);
    tcase_add_loop_test(tcase, all_queues_work_at_once, 0, 2);
    tcase_add_loop_test(tcase, bad_reads_and_writes_are_errors_and_change_nothing, 0, 2);
    tcase_add_loop_test(tcase, unknown_types_are_unsupported, 0, 2);
    tcase_add_loop_test(tcase, types_whose_feature_was_not_taken_are_unsupported, 0, 2);
    tcase_add_loop_test(tcase, short_header_is_an_error, 0, 2);
    tcase_add_loop_test(tcase, request_without_status_comes_back_empty, 0, 2);
    tcase_add_loop_test(tcase, broken_ring_needs_reset_and_one_helps, 0, 2);
    tcase_add_loop_test(tcase, error_of_the_host_is_an_error_of_the_request, 0, 2);
    tcase_add_loop_test(tcase, short_transfers_go_on_where_they_stopped, 0, 2);
    tcase_add_loop_test(tcase, file_that_has_shrunk_is_an_error_where_it_ends, 0, 2);
    tcase_add_loop_test(tcase, failed_flush_fails_all_that_follow, 0, 2);
    tcase_add_loop_test(tcase, interrupted_operation_is_begun_again, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
