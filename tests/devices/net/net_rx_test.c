/* SPDX-License-Identifier: BSD-3-Clause */
/* The network device (virtio 1.2 §5.1): what the guest receives. */
#include "tests/devices/net/net_rig.h"

#include <linux/if_tun.h>

/* -- receive -- */

/* proves: NET-26, NET-30, NET-42 */
START_TEST(frame_fills_one_buffer_without_merging)
{
    static const uint8_t header[12] = {[10] = 1};

    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    memset(ram(DATA, 2000), 0xee, 2000);
    buffer(DATA, 2000);
    peer_frame(1514);
    ck_assert_uint_eq(answer(0), 12 + 1514);
    ck_assert_mem_eq(ram(DATA, 12), header, 12);
    ck_assert_mem_eq(ram(DATA + 12, 1514), frame(1514), 1514);
    ck_assert_uint_eq(*ram(DATA + 12 + 1514, 1), 0xee);
}
END_TEST

/* proves: NET-27, NET-28, NET-29 */
START_TEST(frame_is_merged_from_buffers_that_are_used_together)
{
    uint32_t id, len;

    ck_assert_uint_eq(fake_start(&drv, BASE | MRG_RXBUF), 15);
    for (unsigned i = 0; i < 4; i++)
        offer(0, DATA + 0x1000 * i, 500, FAKE_WRITE);
    kick(0);
    peer_frame(1200);
    ck_assert_uint_eq(answer(0), 500);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 3);
    ck_assert(fake_used(&drv.ring[0], &id, &len));
    ck_assert_uint_eq(len, 500);
    ck_assert(fake_used(&drv.ring[0], &id, &len));
    ck_assert_uint_eq(len, 212);
    ck_assert_uint_eq(ram(DATA, 12)[10], 3);
    ck_assert_mem_eq(ram(DATA + 12, 488), frame(1200), 488);
    ck_assert_mem_eq(ram(DATA + 0x1000, 500), frame(1200) + 488, 500);
    ck_assert_mem_eq(ram(DATA + 0x2000, 212), frame(1200) + 988, 212);
    peer_frame(100); /* the fourth is still there */
    ck_assert_uint_eq(answer(0), 112);
    ck_assert_mem_eq(ram(DATA + 0x300c, 100), frame(100), 100);
}
END_TEST

/* The bytes of a frame that the guest has from DATA + 0x1000 * `first` on, in buffers of 1526. */
static void assert_merged(unsigned first, size_t len)
{
    for (size_t at = 0; at < 12 + len; first++) {
        size_t skip = at == 0 ? 12 : 0, part = MIN((size_t)1526, 12 + len - at);
        ck_assert_uint_eq(answer(0), part);
        ck_assert_mem_eq(ram(DATA + 0x1000 * first + skip, part - skip),
                         frame(len) + at + skip - 12, part - skip);
        at += part;
    }
}

START_TEST(large_frame_after_small_ones_is_whole)
{
    static const size_t lengths[] = {60000, 65000, 1514, 9000};
    unsigned used = 0;

    ck_assert_uint_eq(fake_start(&drv, BASE | MRG_RXBUF | GUEST_CSUM | GUEST_TSO4), 15);
    for (unsigned i = 0; i < 150; i++)
        offer(0, DATA + 0x1000 * i, 1526, FAKE_WRITE);
    kick(0);
    for (; used < 40; used++) {
        tap_frame(0, plain, 60 + used);
        assert_merged(used, 60 + used);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        tap_frame(0, plain, lengths[i]);
        assert_merged(used, lengths[i]);
        used += (unsigned)((12 + lengths[i] + 1525) / 1526);
    }
    wait_dropped("received", 0);
}
END_TEST

/* proves: NET-43 */
START_TEST(frame_waits_for_the_buffers_that_it_needs)
{
    ck_assert_uint_eq(fake_start(&drv, BASE | MRG_RXBUF), 15);
    peer_frame(3000);
    buffer(DATA, 100);
    usleep(10000);
    buffer(DATA + 0x1000, 1000);
    usleep(10000);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 0);
    buffer(DATA + 0x2000, 4000);
    ck_assert_uint_eq(answer(0), 100);
    ck_assert_mem_eq(ram(DATA + 12, 88), frame(3000), 88);
    ck_assert_mem_eq(ram(DATA + 0x1000, 1000), frame(3000) + 88, 1000);
    ck_assert_mem_eq(ram(DATA + 0x2000, 1912), frame(3000) + 1088, 1912);
}
END_TEST

/* proves: NET-41, NET-44 */
START_TEST(buffer_too_small_takes_no_part_of_a_frame)
{
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    offer(0, DATA, 11, FAKE_WRITE); /* not even a header */
    offer(0, DATA, 2000, 0);        /* readable */
    buffer(DATA, 500);
    ck_assert_uint_eq(answer(0), 0);
    ck_assert_uint_eq(answer(0), 0);
    peer_frame(489); /* one byte too long */
    wait_dropped("received", 1);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 2);
    peer_frame(488);
    ck_assert_uint_eq(answer(0), 500);
    ck_assert_mem_eq(ram(DATA + 12, 488), frame(488), 488);
}
END_TEST

/* proves: NET-05, NET-54 */
START_TEST(packet_above_the_mtu_is_dropped)
{
    ck_assert_int_eq(create("host=tap,name=tap7,mtu=1400"), 0);
    ck_assert_uint_eq(fake_start(&drv, BASE | MTU), 15);
    buffer(DATA, 2000);
    tap_frame(0, plain, 1419);
    wait_dropped("received", 1);
    tap_frame(0, plain, 1418); /* with a VLAN tag */
    ck_assert_uint_eq(answer(0), 12 + 1418);
}
END_TEST

START_TEST(no_frame_is_read_without_a_buffer)
{
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    for (size_t i = 0; i < 10; i++)
        tap_frame(0, plain, 60 + i);
    usleep(20000);
    for (size_t i = 0; i < 10; i++) {
        buffer(DATA, 2000);
        ck_assert_uint_eq(answer(0), 72 + i);
    }
    wait_dropped("received", 0);
}
END_TEST

/* Headers of a tap's, what the driver took, and what it sees; NULL features: it is not for it. */
static const struct {
    uint64_t features;
    uint8_t header[12];
    bool seen;
    uint8_t flags, gso_type;
} incoming[] = {
    {0, {2}, true, 0, 0}, /* DATA_VALID */
    {GUEST_CSUM, {2}, true, 2, 0},
    {GUEST_CSUM, {1, 0, 0, 0, 0, 0, 34, 0, 16, 0}, true, 1, 0},
    {0, {1, 0, 0, 0, 0, 0, 34, 0, 16, 0}, false, 0, 0},
    {GUEST_CSUM, {0xfc}, true, 0, 0}, /* RSC_INFO, and what is not known */
    {GUEST_CSUM | GUEST_TSO4, {1, TCPV4, 54, 0, 10, 0, 34, 0, 16, 0}, true, 1, TCPV4},
    {GUEST_CSUM | GUEST_TSO6, {1, TCPV6, 54, 0, 10, 0, 34, 0, 16, 0}, true, 1, TCPV6},
    {GUEST_CSUM | GUEST_TSO4, {1, TCPV6, 54, 0, 10, 0, 34, 0, 16, 0}, false, 0, 0},
    {GUEST_CSUM, {1, TCPV4, 54, 0, 10, 0, 34, 0, 16, 0}, false, 0, 0},
    {GUEST_TSO4, {1, TCPV4, 54, 0, 10, 0, 34, 0, 16, 0}, false, 0, 0},
    {GUEST_CSUM | GUEST_TSO4, {1, TCPV4 | ECN, 54, 0, 10, 0, 34, 0, 16, 0}, false, 0, 0},
    {GUEST_CSUM | GUEST_TSO4 | GUEST_ECN,
     {1, TCPV4 | ECN, 54, 0, 10, 0, 34, 0, 16, 0},
     true,
     1,
     TCPV4 | ECN},
    {GUEST_CSUM | GUEST_TSO4, {1, 3, 54, 0, 10, 0, 34, 0, 16, 0}, false, 0, 0},
};

/* proves: NET-31, NET-32, NET-33, NET-34, NET-35, NET-36, NET-37, NET-38, NET-39 */
START_TEST(header_comes_in_as_negotiated)
{
    ck_assert_uint_eq(fake_start(&drv, BASE | incoming[_i].features), 15);
    buffer(DATA, 70000);
    tap_frame(0, incoming[_i].header, 100);
    if (!incoming[_i].seen) {
        wait_dropped("received", 1);
        return;
    }
    ck_assert_uint_eq(answer(0), 112);
    ck_assert_uint_eq(ram(DATA, 12)[0], incoming[_i].flags);
    ck_assert_uint_eq(ram(DATA, 12)[1], incoming[_i].gso_type);
    ck_assert_mem_eq(ram(DATA + 2, 8), incoming[_i].header + 2, 8);
    ck_assert_uint_eq(ram(DATA, 12)[10], 1);
}
END_TEST

/* What the kernel is told that it may send: TUN_F_CSUM 1, TSO4 2, TSO6 4, TSO_ECN 8. */
START_TEST(tap_is_told_what_the_driver_took)
{
    static const struct {
        uint64_t features;
        unsigned flags;
    } rows[] = {
        {0, 0},
        {GUEST_CSUM, 1},
        {GUEST_CSUM | GUEST_TSO4, 3},
        {GUEST_CSUM | GUEST_TSO6 | GUEST_ECN, 13},
        {GUEST_TSO4, 0},
    };

    ck_assert_int_eq(tap.header_bytes, 12);
    ck_assert_int_eq(tap.little_endian, 1);
    ck_assert_str_eq(tap.name, "tap7");
    ck_assert_int_eq(tap.flags, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
    ck_assert_uint_eq(fake_start(&drv, BASE | rows[_i].features), 15);
    ck_assert_uint_eq(tap.offloads, rows[_i].flags);
}
END_TEST

/* Lengths that a peer may lie about. */
START_TEST(peer_that_sends_nonsense_loses_the_link)
{
    static const uint32_t lengths[] = {65554, 0x7fffffff, 0xffffffff};
    uint32_t length = htonl(lengths[_i]);

    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    buffer(DATA, 2000);
    peer_bytes(&length, 4);
    wait_config();
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4) >> 16, 0);
}
END_TEST

START_TEST(short_frames_of_a_peer_are_dropped)
{
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    buffer(DATA, 2000);
    peer_frame(0);
    peer_frame(13);
    peer_frame(14);
    ck_assert_uint_eq(answer(0), 26);
    wait_dropped("received", 2);
}
END_TEST

START_TEST(frames_come_byte_by_byte)
{
    uint32_t length = htonl(60);

    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    buffer(DATA, 2000);
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < 4; i++)
            peer_bytes((uint8_t *)&length + i, 1);
        for (unsigned i = 0; i < 60; i++)
            peer_bytes(frame(60) + i, 1);
        ck_assert_uint_eq(answer(0), 72);
        ck_assert_mem_eq(ram(DATA + 12, 60), frame(60), 60);
        buffer(DATA, 2000);
    }
}
END_TEST

START_TEST(many_frames_come_in_one_piece)
{
    static uint8_t bytes[64 * 1000];

    ck_assert_uint_eq(fake_start(&drv, BASE | MRG_RXBUF), 15);
    for (unsigned i = 0; i < 1000; i++) {
        uint32_t length = htonl(60);
        memcpy(bytes + 64 * i, &length, 4);
        memcpy(bytes + 64 * i + 4, frame(60), 60);
        bytes[64 * i + 4] = (uint8_t)i;
    }
    peer_bytes(bytes, sizeof(bytes));
    for (unsigned i = 0; i < 1000; i++) {
        buffer(DATA, 2000);
        ck_assert_uint_eq(answer(0), 72);
        ck_assert_uint_eq(*ram(DATA + 12, 1), (uint8_t)i);
    }
}
END_TEST

START_TEST(reset_forgets_buffers)
{
    ck_assert_uint_eq(fake_start(&drv, BASE | MRG_RXBUF), 15);
    buffer(DATA, 100);
    peer_frame(3000);
    usleep(10000);
    fake_write(&drv, FAKE_STATUS, 0);
    memset(ram(DATA, 4000), 0xee, 4000);
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    buffer(DATA + 0x10000, 2000);
    peer_frame(60);
    ck_assert_uint_eq(answer(0), 72);
    ck_assert_uint_eq(*ram(DATA, 1), 0xee);
}
END_TEST

Suite *net_rx_suite(void);
Suite *net_rx_suite(void)
{
    Suite *suite = suite_create("net_rx");
    TCase *stream = tcase_create("stream"), *taps = tcase_create("tap");
    TCase *bare = tcase_create("options");

    tcase_add_checked_fixture(stream, setup_stream, teardown);
    tcase_add_checked_fixture(taps, setup_tap, teardown);
    tcase_add_checked_fixture(bare, setup, teardown);
    tcase_set_timeout(stream, 60);
    tcase_add_test(stream, frame_fills_one_buffer_without_merging);
    tcase_add_test(stream, frame_is_merged_from_buffers_that_are_used_together);
    tcase_add_test(stream, frame_waits_for_the_buffers_that_it_needs);
    tcase_add_test(stream, buffer_too_small_takes_no_part_of_a_frame);
    tcase_add_test(bare, packet_above_the_mtu_is_dropped);
    tcase_add_test(taps, large_frame_after_small_ones_is_whole);
    tcase_add_test(taps, no_frame_is_read_without_a_buffer);
    tcase_add_loop_test(taps, header_comes_in_as_negotiated, 0, ARRAY_SIZE(incoming));
    tcase_add_loop_test(taps, tap_is_told_what_the_driver_took, 0, 5);
    tcase_add_loop_test(stream, peer_that_sends_nonsense_loses_the_link, 0, 3);
    tcase_add_test(stream, short_frames_of_a_peer_are_dropped);
    tcase_add_test(stream, frames_come_byte_by_byte);
    tcase_add_test(stream, many_frames_come_in_one_piece);
    tcase_add_test(stream, reset_forgets_buffers);
    suite_add_tcase(suite, stream);
    suite_add_tcase(suite, taps);
    suite_add_tcase(suite, bare);
    return suite;
}
