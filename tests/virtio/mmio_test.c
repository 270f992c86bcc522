/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers of virtio-mmio, as drivers use and abuse them (virtio 1.2 §4.2, §2.1, §2.2). */
#include "tests/virtio/echo_fixture.h"
#include "virtio/mmio.h"

/* -- identity, holes, widths -- */

/* proves: MMIO-01, MMIO-02 */
START_TEST(identity)
{
    ck_assert_uint_eq(rd(0x000), 0x74726976);
    ck_assert_uint_eq(rd(0x004), 2);
    ck_assert_uint_eq(rd(0x008), 42);
}
END_TEST

/* proves: MMIO-27 */
START_TEST(identity_cannot_be_written)
{
    for (uint64_t off = 0; off < 0x10; off += 4)
        wr(off, 0xffffffff);
    ck_assert_uint_eq(rd(0x000), 0x74726976);
    ck_assert_uint_eq(rd(0x004), 2);
    ck_assert_uint_eq(rd(0x008), 42);
}
END_TEST

/* proves: MMIO-27, MMIO-19 */
START_TEST(holes_and_write_only_registers_read_0)
{
    static const uint16_t offs[] = {
        0x014, 0x018, 0x01c, 0x020, 0x024, 0x028, 0x02c, 0x030, 0x038, 0x03c, 0x040, 0x048, 0x04c,
        0x050, 0x054, 0x058, 0x05c, 0x064, 0x068, 0x06c, 0x074, 0x078, 0x07c, 0x080, 0x084, 0x088,
        0x08c, 0x090, 0x094, 0x098, 0x09c, 0x0a0, 0x0a4, 0x0a8, 0x0ac, 0x0c0, 0x0c4, 0x0c8, 0x0cc,
        0x0d0, 0x0d4, 0x0d8, 0x0dc, 0x0e0, 0x0e4, 0x0e8, 0x0ec, 0x0f0, 0x0f4, 0x0f8};

    (void)fake_start(&drv, FAKE_VERSION_1);
    for (size_t i = 0; i < ARRAY_SIZE(offs); i++)
        ck_assert_uint_eq(rd(offs[i]), 0);
}
END_TEST

/* proves: MMIO-27, MMIO-19 */
START_TEST(writes_to_holes_and_read_only_registers_change_nothing)
{
    static const uint16_t offs[] = {0x010, 0x018, 0x028, 0x034, 0x03c, 0x040, 0x060,
                                    0x0b0, 0x0b8, 0x0c0, 0x0c4, 0x0f8, 0x0fc};

    (void)fake_start(&drv, FAKE_VERSION_1);
    for (size_t i = 0; i < ARRAY_SIZE(offs); i++)
        wr(offs[i], 1);
    ck_assert_uint_eq(rd(FAKE_STATUS), 15);
    ping(0);
}
END_TEST

/* proves: MMIO-25 */
START_TEST(registers_answer_aligned_32_bit_accesses_only)
{
    static const struct {
        uint8_t off, len;
    } shapes[] = {{0, 1}, {0, 2}, {0, 8}, {1, 4}, {2, 4}, {3, 1}, {4, 8}, {6, 2}, {1, 1}, {0, 3}};
    const uint8_t off = shapes[_i].off, len = shapes[_i].len;
    uint8_t buf[8];
    static const uint8_t zero[8], ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};

    memset(buf, 0xee, sizeof(buf));
    fake_read_bytes(&drv, off, buf, len);
    ck_assert_mem_eq(buf, zero, len);
    fake_write_bytes(&drv, FAKE_STATUS + off % 4u, ones, len);
    ck_assert_uint_eq(rd(FAKE_STATUS), 0);
}
END_TEST

/* proves: MMIO-30 */
START_TEST(no_shared_memory_region_exists)
{
    static const uint32_t ids[] = {0, 1, 255, 256, 0xffffffff};

    wr(FAKE_SHM_SEL, ids[_i]);
    ck_assert_uint_eq(rd(0x0b0), 0xffffffff);
    ck_assert_uint_eq(rd(0x0b4), 0xffffffff);
    ck_assert_uint_eq(rd(0x0b8), 0xffffffff);
    ck_assert_uint_eq(rd(0x0bc), 0xffffffff);
}
END_TEST

/* -- features -- */

/* proves: DEV-15, DEV-23, MMIO-21 */
START_TEST(device_features_answer_any_selector)
{
    static const struct {
        uint32_t sel, features;
    } words[] = {
        {0, 1u << 0 | 1u << 5 | 1u << 28 | 1u << 29},
        {1, 1 | 1u << 2 | 1u << 8}, /* VERSION_1, RING_PACKED, RING_RESET */
        {2, 0},
        {3, 0},
        {4, 0},
        {32, 0},
        {33, 0},
        {0x80000000, 0},
        {0xffffffff, 0},
    };

    wr(FAKE_DEVICE_FEATURES_SEL, words[_i].sel);
    ck_assert_uint_eq(rd(FAKE_DEVICE_FEATURES), words[_i].features);
}
END_TEST

START_TEST(features_that_we_do_not_have_are_not_offered)
{
    uint64_t features = fake_features(&drv);

    /* 33 ACCESS_PLATFORM, 35 IN_ORDER, 36 ORDER_PLATFORM, 37 SR_IOV, 38
     * NOTIFICATION_DATA, 39 NOTIF_CONFIG_DATA, 41 ADMIN_VQ, 43 SUSPEND; the rest
     * have no meaning */
    ck_assert_uint_eq(features & 0xfffffefac0000000, 0);
    ck_assert_uint_eq(features >> 24 & 0xf, 0);
}
END_TEST

static const struct {
    uint32_t word[4];
    bool accepted;
} feature_sets[] = {
    {{0, 1}, true},
    {{1u << 28 | 1u << 29 | 1u << 5 | 1u << 0, 1}, true},
    {{0, 0}, false}, /* no VERSION_1 */
    {{1u << 28, 0}, false},
    {{1u << 1, 1}, false},    /* never offered */
    {{0, 1 | 1u << 2}, true}, /* packed ring */
    {{0, 1 | 1u << 1}, false},
    {{0, 1 | 1u << 31}, false},
    {{0, 1, 1}, false}, /* bit 64 */
    {{0, 1, 0, 1u << 31}, false},
    {{0, 1, 0, 0}, true},
};

static void write_features(const uint32_t word[4])
{
    for (uint32_t sel = 0; sel < 4; sel++) {
        wr(FAKE_DRIVER_FEATURES_SEL, sel);
        wr(FAKE_DRIVER_FEATURES, word[sel]);
    }
}

/* proves: DEV-12, DEV-16, DEV-20, MMIO-34 */
START_TEST(features_ok_stays_0_unless_the_set_is_good)
{
    wr(FAKE_STATUS, 1);
    wr(FAKE_STATUS, 3);
    write_features(feature_sets[_i].word);
    wr(FAKE_STATUS, 11);
    ck_assert_uint_eq(rd(FAKE_STATUS), feature_sets[_i].accepted ? 11 : 3);
}
END_TEST

/* proves: DEV-12 */
START_TEST(refused_features_can_be_mended)
{
    wr(FAKE_STATUS, 1);
    wr(FAKE_STATUS, 3);
    write_features((const uint32_t[]){2, 1, 0, 0});
    wr(FAKE_STATUS, 11);
    ck_assert_uint_eq(rd(FAKE_STATUS), 3);
    write_features((const uint32_t[]){1, 1, 0, 0});
    wr(FAKE_STATUS, 11);
    ck_assert_uint_eq(rd(FAKE_STATUS), 11);
    ck_assert_uint_eq(dev->driver_features, 1ull << 32 | 1);
}
END_TEST

/* proves: DEV-14 */
START_TEST(accepted_features_are_accepted_again_after_reset)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | FAKE_EVENT_IDX | 32), 15);
        ck_assert_uint_eq(dev->driver_features,
                          FAKE_VERSION_1 | FAKE_EVENT_IDX | 32 | (fake_layout & FAKE_CORE));
        wr(FAKE_STATUS, 0);
    }
}
END_TEST

/* proves: DEV-22 */
START_TEST(features_are_latched_at_features_ok)
{
    ck_assert_uint_eq(fake_negotiate(&drv, FAKE_VERSION_1), 11);
    write_features((const uint32_t[]){1u << 29, 1, 7, 0});
    wr(FAKE_STATUS, 11);
    ck_assert_uint_eq(rd(FAKE_STATUS), 11);
    ck_assert_uint_eq(dev->driver_features, FAKE_VERSION_1 | (fake_layout & FAKE_CORE));
    fake_queue_setup(&drv, 0, 8);
    wr(FAKE_STATUS, 15);
    ck_assert(!dev->queue[0].event_idx);
}
END_TEST

/* -- status -- */

static const struct {
    uint32_t written[5]; /* ends with 0 */
    uint32_t status;
} status_paths[] = {
    {{1}, 1},
    {{1, 3}, 3},
    {{3}, 3},
    {{2}, 0}, /* DRIVER before ACKNOWLEDGE */
    {{2, 1}, 1},
    {{8}, 0}, /* FEATURES_OK before DRIVER */
    {{1, 9}, 1},
    {{1, 3, 11}, 11},
    {{1, 3, 11, 1}, 11}, /* bits are never taken away */
    {{1, 3, 11, 2}, 11},
    {{11}, 11},
    {{1, 3, 11, 15}, 15},
    {{15}, 15},
    {{4}, 64}, /* DRIVER_OK before FEATURES_OK */
    {{1, 3, 7}, 3 | 64},
    {{1, 3, 7, 15}, 15 | 64},
    {{128}, 128},
    {{1, 3, 131}, 131},
    {{1, 3, 11, 139, 143}, 143},
    {{64}, 0}, /* not the driver's bits */
    {{32}, 0},
    {{16}, 0},
    {{1, 3, 11, 15 | 112}, 15},
    {{0xffffff00}, 0},
    {{1, 0x101, 3}, 3},
};

/* proves: DEV-04, DEV-05, DEV-08, MMIO-34 */
START_TEST(status_grows_in_order)
{
    write_features((const uint32_t[]){0, 1, 0, 0});
    for (size_t i = 0; i < 5 && status_paths[_i].written[i] != 0; i++)
        wr(FAKE_STATUS, status_paths[_i].written[i]);
    ck_assert_uint_eq(rd(FAKE_STATUS), status_paths[_i].status);
    bool runs = status_paths[_i].status == 15;
    ck_assert_int_eq(dev->active, runs);
    ck_assert_uint_eq(echo->activated, runs);
    ck_assert_uint_eq(fake_edges(&drv), 0);
}
END_TEST

/* proves: DEV-05 */
START_TEST(needs_reset_before_driver_ok_is_not_notified)
{
    wr(FAKE_STATUS, 7);
    ck_assert_uint_eq(rd(FAKE_STATUS), 3 | 64);
    ck_assert_uint_eq(rd(FAKE_INTERRUPT_STATUS), 0);
    ck_assert_uint_eq(fake_edges(&drv), 0);
}
END_TEST

/* proves: DEV-07 */
START_TEST(failed_stops_queue_work_until_reset)
{
    (void)fake_start(&drv, FAKE_VERSION_1);
    ping(0);
    wr(FAKE_STATUS, 15 | 128);
    ck_assert_uint_eq(rd(FAKE_STATUS), 15 | 128);
    ck_assert(!dev->active);
    fake_offer(&drv.ring[0], 0);
    wr(FAKE_QUEUE_NOTIFY, 0);
    wr(FAKE_STATUS, 15);
    usleep(20000);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 1);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    ping(0);
}
END_TEST

START_TEST(driver_ok_twice_activates_once)
{
    (void)fake_start(&drv, FAKE_VERSION_1);
    wr(FAKE_STATUS, 15);
    ck_assert_uint_eq(echo->activated, 1);
    ping(0);
}
END_TEST

#define LOOP(test, count) tcase_add_loop_test(tcase, test, 0, (int)(count))

Suite *mmio_suite(void);
Suite *mmio_suite(void)
{
    Suite *suite = suite_create("mmio");
    TCase *tcase = tcase_create("identity, features, status");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, identity);
    tcase_add_test(tcase, identity_cannot_be_written);
    tcase_add_test(tcase, holes_and_write_only_registers_read_0);
    tcase_add_test(tcase, writes_to_holes_and_read_only_registers_change_nothing);
    LOOP(registers_answer_aligned_32_bit_accesses_only, 10);
    LOOP(no_shared_memory_region_exists, 5);
    LOOP(device_features_answer_any_selector, 9);
    tcase_add_test(tcase, features_that_we_do_not_have_are_not_offered);
    LOOP(features_ok_stays_0_unless_the_set_is_good, ARRAY_SIZE(feature_sets));
    tcase_add_test(tcase, refused_features_can_be_mended);
    tcase_add_test(tcase, accepted_features_are_accepted_again_after_reset);
    tcase_add_test(tcase, features_are_latched_at_features_ok);
    LOOP(status_grows_in_order, ARRAY_SIZE(status_paths));
    tcase_add_test(tcase, needs_reset_before_driver_ok_is_not_notified);
    tcase_add_test(tcase, failed_stops_queue_work_until_reset);
    tcase_add_test(tcase, driver_ok_twice_activates_once);
    suite_add_tcase(suite, tcase);
    return suite;
}
