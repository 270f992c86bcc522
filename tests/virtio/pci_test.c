/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio function's registers, as drivers use and abuse them (virtio 1.2 §4.1; PCI 3.0 §6). */
#include "tests/virtio/pci_fixture.h"

/* -- configuration space -- */

/* proves: PCI-01, PCI-02, PCI-03, PCI-04 */
START_TEST(header)
{
    static const struct {
        uint8_t off, len;
        uint32_t val;
    } rows[] = {
        {0x00, 2, 0x1af4}, {0x02, 2, 0x1040 + 42}, {0x04, 2, 0}, {0x06, 2, 0x0010}, {0x08, 1, 1},
        {0x09, 1, 0},      {0x0a, 2, 0x00ff},      {0x0c, 4, 0}, {0x10, 4, BAR},    {0x14, 4, 0},
        {0x18, 4, 0},      {0x1c, 4, 0},           {0x20, 4, 0}, {0x24, 4, 0},      {0x28, 4, 0},
        {0x2c, 2, 0x1af4}, {0x2e, 2, 0x40},        {0x30, 4, 0}, {0x35, 1, 0},      {0x36, 2, 0},
        {0x38, 4, 0},      {0x3c, 4, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        ck_assert_uint_eq(config_rd(rows[i].off, rows[i].len), rows[i].val);
    ck_assert_uint_eq(config_rd(0xfc, 8), 0); /* half of it is past the end */
    ck_assert_uint_eq(config_rd(0x100, 4), 0);
    config_wr(0x100, ~0ull, 8);
}
END_TEST

/* proves: PCI-07, PCI-08, PCI-10, PCI-28, PCI-29, PCI-30, PCI-31, PCI-32, PCI-35, PCI-40, PCI-43 */
START_TEST(capabilities)
{
    static const struct {
        uint8_t type, len;
        uint32_t offset, length;
    } rows[] = {
        {1, 16, COMMON, 0x40}, {2, 20, NOTIFY, 8}, {3, 16, ISR, 1},
        {4, 16, DEVICE, 256},  {5, 20, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t at = capability(rows[i].type);
        ck_assert_uint_ne(at, 0);
        ck_assert_uint_eq(config_rd(at + 2, 1), rows[i].len);
        ck_assert_uint_eq(config_rd(at + 4, 4), 0); /* BAR 0, id 0 */
        ck_assert_uint_eq(config_rd(at + 8, 4), rows[i].offset);
        ck_assert_uint_eq(config_rd(at + 12, 4), rows[i].length);
    }
    ck_assert_uint_eq(config_rd(0x34, 1), capability(1)); /* Linux looks for that first */
    ck_assert_uint_eq(config_rd(capability(2) + 16, 4), 4);
}
END_TEST

/* proves: PCI-47, PCI-48 */
START_TEST(msix_capability)
{
    size_t at = capability(0);

    ck_assert_uint_eq(config_rd(at + 2, 2), 2); /* 3 vectors, less one; off */
    ck_assert_uint_eq(config_rd(at + 4, 4), TABLE);
    ck_assert_uint_eq(config_rd(at + 8, 4), PENDING);
    for (size_t v = 0; v < 3; v++)
        ck_assert_uint_eq(bar_rd(TABLE + 16 * v + 12, 4), 1); /* masked */
    ck_assert_uint_eq(bar_rd(TABLE + 16 * 3, 8), 0);
}
END_TEST

/* proves: PCI-09 */
START_TEST(what_is_read_only_stays)
{
    uint8_t before[256], after[256];

    pci_config_read(&pci, 0, before, 256);
    for (size_t off = 0; off < 256; off++)
        config_wr(off, 0xff, 1);
    pci_config_read(&pci, 0, after, 256);
    before[0x04] = 0x06; /* COMMAND: memory, master, */
    before[0x05] = 0x04; /* no INTx */
    before[0x0c] = before[0x3c] = 0xff;
    memset(before + 0x11, 0xff, 3);
    before[0x11] = 0xc0; /* 16 KiB */
    size_t window = capability(5), msix = capability(0);
    before[window + 4] = 0xff;
    memset(before + window + 8, 0xff, 8);
    before[msix + 3] |= 0xc0;
    ck_assert_mem_eq(after, before, 256);
}
END_TEST

START_TEST(bar_is_sized_and_placed)
{
    config_wr(BAR0, 0xffffffff, 4);
    ck_assert_uint_eq(config_rd(BAR0, 4), 0xffffc000);
    ck_assert_uint_eq(ours.placed, 0); /* nothing is decoded yet */
    config_wr(BAR0, BAR, 4);
    command(MEMORY);
    ck_assert_uint_eq(ours.at, BAR);
    config_wr(BAR0, BAR + 0x8000, 4); /* while it is decoded */
    ck_assert_uint_eq(ours.at, BAR + 0x8000);
    command(0);
    ck_assert_uint_eq(ours.at, 0);
    ck_assert_uint_eq(ours.placed, 3);
    command(MASTER);
    ck_assert_uint_eq(ours.placed, 3);
}
END_TEST

/* -- common configuration -- */

/* proves: PCI-11 */
START_TEST(device_feature_answers_any_selector)
{
    uint64_t features = dev->features;

    for (unsigned word = 0; word < 5; word++) {
        bar_wr(DFSELECT, word == 4 ? UINT32_MAX : word, 4);
        ck_assert_uint_eq(bar_rd(DF, 4), word < 2 ? (uint32_t)(features >> 32 * word) : 0);
    }
}
END_TEST

/* proves: PCI-12, PCI-13 */
START_TEST(driver_feature_reads_back_what_is_valid)
{
    bar_wr(GFSELECT, 0, 4);
    bar_wr(GF, 0xffffffff, 4);
    ck_assert_uint_eq(bar_rd(GF, 4), (uint32_t)dev->features);
    bar_wr(GFSELECT, 1, 4);
    ck_assert_uint_eq(bar_rd(GF, 4), 0);
    bar_wr(GF, 1, 4);
    ck_assert_uint_eq(bar_rd(GF, 4), 1);
    bar_wr(GFSELECT, 7, 4);
    ck_assert_uint_eq(bar_rd(GF, 4), 0);
    bar_wr(DEVICE_STATUS, 3, 1);
    bar_wr(DEVICE_STATUS, 11, 1); /* what was not offered is rejected here */
    ck_assert_uint_eq(bar_rd(DEVICE_STATUS, 1), 3);
}
END_TEST

/* proves: PCI-15, PCI-16, PCI-17, PCI-21, PCI-22, PCI-52 */
START_TEST(reset_undoes_all_of_the_device)
{
    start(FAKE_VERSION_1);
    ping(0, 0x41);
    bar_wr(DEVICE_STATUS, 0, 1);
    status_wait(0);
    ck_assert_uint_eq(bar_rd(CONFIG_VECTOR, 2), NO_VECTOR);
    ck_assert_uint_eq(bar_rd(NUM_QUEUES, 2), 2);
    for (unsigned q = 0; q < 2; q++) {
        bar_wr(QUEUE_SELECT, q, 2);
        ck_assert_uint_eq(bar_rd(QUEUE_SIZE, 2), 256);
        ck_assert_uint_eq(bar_rd(QUEUE_VECTOR, 2), NO_VECTOR);
        ck_assert_uint_eq(bar_rd(QUEUE_ENABLE, 2), 0);
        ck_assert_uint_eq(bar_rd(QUEUE_NOTIFY, 2), q);
        ck_assert_uint_eq(bar_rd(QUEUE_DESC, 8), 0);
    }
    /* But the function's registers are as they were. */
    ck_assert_uint_eq(config_rd(COMMAND, 2), MEMORY | MASTER);
    ck_assert_uint_eq(bar_rd(TABLE + 16 + 8, 4), 0x41);
    start(FAKE_VERSION_1);
    ping(1, 0x42);
}
END_TEST

/* proves: PCI-27, PCI-21 */
START_TEST(a_queue_that_is_none)
{
    bar_wr(QUEUE_SELECT, 2, 2);
    for (size_t off = QUEUE_SIZE; off < 0x40; off += 2) {
        bar_wr(off, 1, 2);
        ck_assert_uint_eq(bar_rd(off, 2), off == QUEUE_VECTOR ? NO_VECTOR : 0);
    }
    bar_wr(QUEUE_SELECT, 0xffff, 2);
    ck_assert_uint_eq(bar_rd(QUEUE_SIZE, 2), 0);
}
END_TEST

/* proves: PCI-23, PCI-24, PCI-25, PCI-26 */
START_TEST(what_a_driver_must_not_write_is_ignored)
{
    static const uint16_t sizes[] = {0, 3, 257, 512, 0xffff};

    queue_setup(0, 8);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        bar_wr(QUEUE_SIZE, sizes[i], 2);
        ck_assert_uint_eq(bar_rd(QUEUE_SIZE, 2), 8);
    }
    bar_wr(QUEUE_ENABLE, 2, 2);
    ck_assert_uint_eq(bar_rd(QUEUE_ENABLE, 2), 0);
    bar_wr(QUEUE_ENABLE, 1, 2);
    bar_wr(QUEUE_ENABLE, 0, 2);
    ck_assert_uint_eq(bar_rd(QUEUE_ENABLE, 2), 1);
    bar_wr(QUEUE_SIZE, 16, 2);
    bar_wr(QUEUE_DESC, 0xdead0000, 8);
    ck_assert_uint_eq(bar_rd(QUEUE_SIZE, 2), 8);
    ck_assert_uint_eq(bar_rd(QUEUE_DESC, 8), ring[0].desc);
    bar_wr(DF, 0, 4);
    bar_wr(NUM_QUEUES, 9, 2);
    bar_wr(GENERATION, 9, 1);
    bar_wr(QUEUE_NOTIFY, 9, 2);
    ck_assert_uint_eq(bar_rd(DF, 4), (uint32_t)dev->features);
    ck_assert_uint_eq(bar_rd(NUM_QUEUES, 2), 2);
    ck_assert_uint_eq(bar_rd(GENERATION, 1), 0);
    ck_assert_uint_eq(bar_rd(QUEUE_NOTIFY, 2), 0);
}
END_TEST

/* proves: PCI-18, PCI-19, PCI-20, VQ-R-02, VQ-R-03 */
START_TEST(queue_that_is_reset_starts_anew)
{
    start(FAKE_VERSION_1 | FAKE_RING_RESET);
    ping(1, 0x42);
    bar_wr(QUEUE_SELECT, 1, 2);
    ck_assert_uint_eq(bar_rd(QUEUE_RESET, 2), 0);
    bar_wr(QUEUE_RESET, 1, 2);
    while (bar_rd(QUEUE_RESET, 2) == 1)
        (void)sched_yield();
    ck_assert_uint_eq(bar_rd(QUEUE_ENABLE, 2), 0);
    ck_assert_uint_eq(bar_rd(QUEUE_SIZE, 2), 256);
    ck_assert_uint_eq(bar_rd(QUEUE_DESC, 8), 0);
    ck_assert_uint_eq(bar_rd(QUEUE_VECTOR, 2), NO_VECTOR);
    ping(0, 0x41);
    queue_setup(1, 16);
    bar_wr(QUEUE_VECTOR, 0, 2);
    bar_wr(QUEUE_ENABLE, 1, 2);
    ck_assert_uint_eq(bar_rd(QUEUE_RESET, 2), 0);
    ping(1, 0x40);
    ping(0, 0x41);
    ck_assert_uint_eq(bar_rd(DEVICE_STATUS, 1), 15);
}
END_TEST

/* proves: PCI-23 */
START_TEST(packed_queue_has_any_size)
{
    start(FAKE_VERSION_1 | FAKE_RING_RESET | FAKE_RING_PACKED);
    bar_wr(QUEUE_SELECT, 1, 2);
    bar_wr(QUEUE_RESET, 1, 2);
    while (bar_rd(QUEUE_RESET, 2) == 1)
        (void)sched_yield();
    bar_wr(QUEUE_SIZE, 0, 2);
    bar_wr(QUEUE_SIZE, 257, 2);
    ck_assert_uint_eq(bar_rd(QUEUE_SIZE, 2), 256);
    queue_setup(1, 3);
    ck_assert_uint_eq(bar_rd(QUEUE_SIZE, 2), 3);
    bar_wr(QUEUE_VECTOR, 2, 2);
    bar_wr(QUEUE_ENABLE, 1, 2);
    for (unsigned i = 0; i < 7; i++)
        ping(1, 0x42);
}
END_TEST

/* proves: PCI-05, PCI-06 */
START_TEST(any_width_and_halves)
{
    bar_wr(QUEUE_SELECT, 0, 2);
    bar_wr(QUEUE_DESC + 4, 0x11223344, 4);
    bar_wr(QUEUE_DESC, 0x55667788, 4);
    ck_assert_uint_eq(bar_rd(QUEUE_DESC, 8), 0x1122334455667788);
    bar_wr(QUEUE_DESC + 3, 0xaabb, 2); /* over the middle */
    ck_assert_uint_eq(bar_rd(QUEUE_DESC, 8), 0x112233aabb667788);
    bar_wr(QUEUE_SELECT, 0x0010000000000001ull, 8); /* with size, vector, enable */
    ck_assert_uint_eq(bar_rd(QUEUE_SELECT, 1), 1);
    ck_assert_uint_eq(bar_rd(DEVICE_STATUS, 8), 0x0000010000010000);
    ck_assert_uint_eq(bar_rd(0x3c, 8), 0); /* past the end of the structure */
    bar_wr(0x3c, ~0ull, 8);
}
END_TEST

/* proves: PCI-14 */
START_TEST(generation_differs_however_often_config_changed)
{
    uint8_t byte = 0;
    uint64_t before;

    for (unsigned changes = 1; changes <= 512; changes *= 2) {
        (void)bar_rd(DEVICE, 1);
        before = bar_rd(GENERATION, 1);
        for (unsigned i = 0; i < changes; i++) {
            byte++;
            virtio_config_set(dev, 0, &byte, 1);
        }
        ck_assert_uint_eq(bar_rd(DEVICE, 1), byte);
        ck_assert_uint_ne(bar_rd(GENERATION, 1), before);
        before = bar_rd(GENERATION, 1);
        (void)bar_rd(DEVICE, 1);
        ck_assert_uint_eq(bar_rd(GENERATION, 1), before);
    }
}
END_TEST

START_TEST(device_configuration_is_written)
{
    start(FAKE_VERSION_1);
    bar_wr(DEVICE + 4, 0x01020304, 4);
    ck_assert_uint_eq(bar_rd(DEVICE + 4, 4), 0x01020304);
    ck_assert_uint_eq(bar_rd(DEVICE + ECHO_CONFIG_BYTES, 8), 0);
}
END_TEST

START_TEST(holes_of_the_bar)
{
    static const uint16_t offs[] = {0x40, 0xf8, 0x101, 0x200, 0x3f8, 0x3020, 0x3ff8};

    for (size_t i = 0; i < ARRAY_SIZE(offs); i++) {
        bar_wr(offs[i], ~0ull, 8);
        ck_assert_uint_eq(bar_rd(offs[i], 8), 0);
    }
}
END_TEST

/* -- the window in configuration space -- */

static void window(uint8_t bar, uint32_t off, uint32_t len)
{
    size_t at = capability(5);

    config_wr(at + 4, bar, 1);
    config_wr(at + 8, off, 4);
    config_wr(at + 12, len, 4);
}

/* proves: PCI-44, PCI-45 */
START_TEST(window_reaches_the_bar)
{
    size_t data = capability(5) + 16;

    window(0, COMMON + GFSELECT, 4);
    config_wr(data, 1, 4);
    ck_assert_uint_eq(bar_rd(GFSELECT, 4), 1);
    ck_assert_uint_eq(config_rd(data, 4), 1);
    window(0, COMMON + QUEUE_SELECT, 2);
    config_wr(data, 0xffff0001, 4);
    ck_assert_uint_eq(bar_rd(QUEUE_SELECT, 4), 256u << 16 | 1);
    ck_assert_uint_eq(config_rd(data, 4), 1);
    window(0, DEVICE_STATUS, 1);
    config_wr(data, 3, 1);
    ck_assert_uint_eq(bar_rd(DEVICE_STATUS, 1), 3);
    uint8_t byte = 1;
    virtio_config_set(dev, 0, &byte, 1);
    window(0, ISR, 1);
    ck_assert_uint_eq(config_rd(data, 4), 2); /* with what reading does: */
    ck_assert_uint_eq(config_rd(data, 4), 0);
}
END_TEST

static const struct {
    uint8_t bar;
    uint32_t off, len;
} shut[] = {
    {1, DEVICE_STATUS, 1}, {0, DEVICE_STATUS, 0}, {0, DEVICE_STATUS, 3}, {0, DEVICE_STATUS, 8},
    {0, GFSELECT + 1, 2},  {0, GFSELECT + 2, 4},  {0, TABLE, 4},         {0, PENDING, 4},
    {0, 0x40, 4},          {0, 0x4000, 4},        {0, 0xfffffffc, 4},    {0, 0x80000014, 4},
};

/* proves: PCI-46 */
START_TEST(window_is_shut_elsewhere)
{
    size_t data = capability(5) + 16;

    window(shut[_i].bar, shut[_i].off, shut[_i].len);
    config_wr(data, 0x03030303, 4);
    ck_assert_uint_eq(config_rd(data, 4), 0);
    ck_assert_uint_eq(bar_rd(DEVICE_STATUS, 1), 0);
    ck_assert_uint_eq(bar_rd(GFSELECT, 8), 0);
    ck_assert_uint_eq(bar_rd(TABLE, 4), 0);
}
END_TEST

Suite *pci_suite(void);
Suite *pci_suite(void)
{
    Suite *suite = suite_create("pci");
    TCase *tcase = tcase_create("registers");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, header);
    tcase_add_test(tcase, capabilities);
    tcase_add_test(tcase, msix_capability);
    tcase_add_test(tcase, what_is_read_only_stays);
    tcase_add_test(tcase, bar_is_sized_and_placed);
    tcase_add_test(tcase, device_feature_answers_any_selector);
    tcase_add_test(tcase, driver_feature_reads_back_what_is_valid);
    tcase_add_test(tcase, reset_undoes_all_of_the_device);
    tcase_add_test(tcase, a_queue_that_is_none);
    tcase_add_test(tcase, what_a_driver_must_not_write_is_ignored);
    tcase_add_test(tcase, queue_that_is_reset_starts_anew);
    tcase_add_test(tcase, packed_queue_has_any_size);
    tcase_add_test(tcase, any_width_and_halves);
    tcase_add_test(tcase, generation_differs_however_often_config_changed);
    tcase_add_test(tcase, device_configuration_is_written);
    tcase_add_test(tcase, holes_of_the_bar);
    tcase_add_test(tcase, window_reaches_the_bar);
    tcase_add_loop_test(tcase, window_is_shut_elsewhere, 0, (int)ARRAY_SIZE(shut));
    suite_add_tcase(suite, tcase);
    return suite;
}
