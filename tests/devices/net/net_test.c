/* SPDX-License-Identifier: BSD-3-Clause */
/* The network device (virtio 1.2 §5.1): configuration, link, what the guest sends, several queues.
 */
#include "tests/devices/net/net_rig.h"
#include "tests/fake_clock.h"

#include <linux/if_tun.h>

/* -- configuration -- */

/* proves: NET-11 */
START_TEST(config_has_address_and_link_and_is_read_only)
{
    static const uint8_t want[8] = {0x52, 0x54, 0, 0x12, 0x34, 0x56, 1, 0};
    uint8_t got[8], zero[6] = {0};

    ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_ID), 1);
    ck_assert_uint_eq(fake_features(&drv), BASE | MRG_RXBUF | FAKE_CORE);
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    fake_write_bytes(&drv, FAKE_CONFIG, zero, 1);
    fake_read_bytes(&drv, FAKE_CONFIG, got, 4);
    fake_read_bytes(&drv, FAKE_CONFIG + 4, got + 4, 4);
    ck_assert_mem_eq(got, want, 8);
}
END_TEST

/* proves: NET-01, NET-02, NET-03, NET-04 */
START_TEST(queues_and_mtu_are_told)
{
    uint8_t got[4];

    ck_assert_int_eq(create("host=tap,name=tap7,queues=3,mtu=9000"), 0);
    ck_assert_uint_eq(fake_features(&drv) & (MTU | MQ | CTRL_VQ), MTU | MQ | CTRL_VQ);
    fake_read_bytes(&drv, FAKE_CONFIG + 8, got, 4);
    ck_assert_int_eq(got[0] | got[1] << 8, 3);
    ck_assert_int_eq(got[2] | got[3] << 8, 9000);
    fake_write(&drv, FAKE_QUEUE_SEL, 6);
    ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_SIZE_MAX), 256);
    fake_write(&drv, FAKE_QUEUE_SEL, 7);
    ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_SIZE_MAX), 0);
}
END_TEST

/* proves: NET-12 */
START_TEST(link_goes_down_and_up_by_command)
{
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    command("link", "down", 0, "");
    wait_config();
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4) >> 16, 0);
    transmit(plain, 60);
    ck_assert_uint_eq(answer(1), 0);
    wait_dropped("sent", 1);
    command("status", NULL, 0, "link down, 52:54:00:12:34:56, socket, descriptor");
    command("link", "up", 0, "");
    wait_config();
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4) >> 16, 1);
    transmit(plain, 61);
    ck_assert_uint_eq(answer(1), 0);
    peer_gets_frame(61);
    command("status", NULL, 0, "sent: 1 frames, 61 bytes; dropped 1");
    command("link", "sideways", -EINVAL, "net0 takes: status, link up, link down");
    command("plug", NULL, -EINVAL, "net0 takes: status, link up, link down");
}
END_TEST

START_TEST(link_is_down_when_the_peer_goes)
{
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    buffer(DATA, 2000);
    (void)close(peer);
    peer = -1;
    wait_config();
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4) >> 16, 0);
    transmit(plain, 60);
    ck_assert_uint_eq(answer(1), 0); /* the guest goes on */
    command("link", "up", -ENOTCONN, "the other end is gone");
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
}
END_TEST

/* -- transmit -- */

/* proves: NET-18, NET-22, NET-25 */
START_TEST(frame_is_sent_however_it_is_cut)
{
    static const struct fake_piece pieces[] = {
        {SENT, 5, 0}, {SENT + 5, 8, 0}, {SENT + 13, 1, 0}, {SENT + 14, 1498, 0}};
    static const uint8_t odd[12] = {[10] = 9}; /* num_buffers: ignored */

    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    memcpy(ram(SENT, 12), odd, 12);
    memcpy(ram(SENT + 12, 1500), frame(1500), 1500);
    fake_offer(&drv.ring[1], fake_chain(&drv.ring[1], pieces, 4));
    kick(1);
    ck_assert_uint_eq(answer(1), 0);
    peer_gets_frame(1500);
}
END_TEST

/* proves: NET-24 */
START_TEST(frame_too_short_or_too_long_is_dropped)
{
    static const uint32_t lengths[] = {0, 11, 12, 25, 12 + 65554, 0x200000};

    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    offer(1, SENT, lengths[_i], 0);
    kick(1);
    ck_assert_uint_eq(answer(1), 0);
    wait_dropped("sent", 1);
    transmit(plain, 65553);
    ck_assert_uint_eq(answer(1), 0);
    peer_gets_frame(65553);
}
END_TEST

START_TEST(frames_wait_while_the_peer_is_slow_and_none_is_lost)
{
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    for (unsigned i = 0; i < 100; i++)
        transmit(plain, 15000);
    usleep(20000);
    for (unsigned i = 0; i < 100; i++)
        peer_gets_frame(15000);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_uint_eq(answer(1), 0);
    command("status", NULL, 0, "sent: 100 frames");
}
END_TEST

START_TEST(reset_with_a_frame_that_waits_cuts_none)
{
    size_t whole = 0;
    uint32_t length;

    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    for (unsigned i = 0; i < 100; i++)
        transmit(plain, 15000);
    usleep(20000);
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    transmit(plain, 77);
    for (bool last = false; !last; whole++) {
        struct pollfd wait = {.fd = peer, .events = POLLIN};
        ck_assert_int_eq(poll(&wait, 1, 30000), 1);
        ck_assert_int_eq(recv(peer, &length, 4, MSG_WAITALL | MSG_PEEK), 4);
        last = ntohl(length) == 77;
        peer_gets_frame(last ? 77 : 15000);
    }
    ck_assert_uint_gt(whole, 5);
    ck_assert_uint_lt(whole, 100);
}
END_TEST

/* Headers of frames of 100 bytes, what the driver took, and what the tap is to see. */
static const struct {
    uint64_t features;
    uint8_t header[12];
    bool sent;
    uint8_t seen[12];
} headers[] = {
    /* flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers */
    {0, {0}, true, {0}},
    {CSUM, {NEEDS_CSUM, 0, 0, 0, 0, 0, 34, 0, 16, 0}, true, {1, 0, 0, 0, 0, 0, 34, 0, 16, 0}},
    {CSUM, {0xfe, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff}, true, {0}},
    {0, {0xff, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, true, {0}},
    {CSUM, {1, 0, 0xff, 0xff, 7, 7, 90, 0, 8, 0, 5, 5}, true, {1, 0, 0, 0, 0, 0, 90, 0, 8, 0}},
    {CSUM, {NEEDS_CSUM, 0, 0, 0, 0, 0, 90, 0, 9, 0}, false, {0}},
    {CSUM, {NEEDS_CSUM, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, false, {0}},
    {CSUM | HOST_TSO4,
     {1, TCPV4, 54, 0, 10, 0, 34, 0, 16, 0},
     true,
     {1, TCPV4, 54, 0, 10, 0, 34, 0, 16, 0}},
    {CSUM | HOST_TSO4,
     {1, TCPV4, 0xff, 0xff, 10, 0, 34, 0, 16, 0},
     true,
     {1, TCPV4, 100, 0, 10, 0, 34, 0, 16, 0}},
    {CSUM | HOST_TSO4, {1, TCPV6, 54, 0, 10, 0, 34, 0, 16, 0}, false, {0}},
    {CSUM | HOST_TSO6, {1, TCPV4, 54, 0, 10, 0, 34, 0, 16, 0}, false, {0}},
    {CSUM, {1, TCPV4, 54, 0, 10, 0, 34, 0, 16, 0}, false, {0}},
    {CSUM | HOST_TSO4, {0, TCPV4, 54, 0, 10, 0, 34, 0, 16, 0}, false, {0}},
    {CSUM | HOST_TSO4, {1, TCPV4, 54, 0, 0, 0, 34, 0, 16, 0}, false, {0}},
    {CSUM | HOST_TSO4, {1, 3, 54, 0, 10, 0, 34, 0, 16, 0}, false, {0}},
    {CSUM | HOST_TSO4, {1, TCPV4 | ECN, 54, 0, 10, 0, 34, 0, 16, 0}, false, {0}},
    {CSUM | HOST_TSO4 | HOST_ECN,
     {1, TCPV4 | ECN, 54, 0, 10, 0, 34, 0, 16, 0},
     true,
     {1, TCPV4 | ECN, 54, 0, 10, 0, 34, 0, 16, 0}},
    {CSUM | HOST_TSO4, {1, ECN, 54, 0, 10, 0, 34, 0, 16, 0}, false, {0}},
};

/* proves: NET-13, NET-14, NET-15, NET-16, NET-19, NET-20, NET-21, NET-23 */
START_TEST(header_goes_out_checked)
{
    uint8_t got[2000];

    ck_assert_uint_eq(fake_start(&drv, BASE | headers[_i].features), 15);
    transmit(headers[_i].header, 100);
    ck_assert_uint_eq(answer(1), 0);
    size_t len = tap_gets(0, got, sizeof(got));
    ck_assert_uint_eq(len, headers[_i].sent ? 112 : 0);
    if (headers[_i].sent) {
        ck_assert_mem_eq(got, headers[_i].seen, 12);
        ck_assert_mem_eq(got + 12, frame(100), 100);
    }
    wait_dropped("sent", !headers[_i].sent);
}
END_TEST

/* proves: NET-06 */
START_TEST(packet_of_the_mtu_goes_out_whole)
{
    static uint8_t got[70000];

    ck_assert_int_eq(create("host=tap,name=tap7,mtu=9000"), 0);
    ck_assert_uint_eq(fake_start(&drv, BASE | MTU), 15);
    transmit(plain, 9014);
    ck_assert_uint_eq(answer(1), 0);
    ck_assert_uint_eq(tap_gets(0, got, sizeof(got)), 12 + 9014);
    ck_assert_mem_eq(got + 12, frame(9014), 9014);
}
END_TEST

/* -- interrupts for what was sent -- */

static uint8_t control(uint8_t class, uint8_t cmd, const void *data, uint32_t len, unsigned queue)
{
    const struct fake_piece pieces[] = {
        {DATA, 2, 0}, {DATA + 2, len, 0}, {DATA + 0x100, 1, FAKE_WRITE}};

    ram(DATA, 2)[0] = class;
    ram(DATA, 2)[1] = cmd;
    memcpy(ram(DATA + 2, len), data, len);
    *ram(DATA + 0x100, 1) = 0xee;
    fake_offer(&drv.ring[queue], fake_chain(&drv.ring[queue], pieces, 3));
    kick(queue);
    ck_assert_uint_eq(answer(queue), 1);
    return *ram(DATA + 0x100, 1);
}

static struct fake_clock fake = FAKE_CLOCK;

/* Starts the device at that time, which stands still. */
static void start_in_still_time(uint64_t features)
{
    fake.now_ns = 0;
    virtio_pause(dev);
    for (unsigned i = 0; i < dev->worker_count; i++)
        dev->worker[i].loop.timebase = &fake.base;
    virtio_resume(dev, 0);
    ck_assert_uint_eq(fake_start(&drv, BASE | features), 15);
}

static void wait_sent(unsigned queue, uint16_t count)
{
    for (unsigned i = 0; i < 50000 && fake_used_idx(&drv.ring[queue]) != count; i++)
        usleep(100);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[queue]), count);
}

START_TEST(interrupt_for_what_was_sent_comes_later)
{
    start_in_still_time(0);
    transmit(plain, 60);
    wait_sent(1, 1);
    ck_assert_int_eq(fake_wait_irq(&drv, 10), -1);
    fake.now_ns = 90000;
    transmit(plain, 60);
    wait_sent(1, 2);
    ck_assert_int_eq(fake_wait_irq(&drv, 10), -1);
    fake.now_ns = 100000; /* since the first one */
    ck_assert_int_eq(fake_wait_irq(&drv, 5000), 1);
    fake.now_ns = 1000000;
    ck_assert_int_eq(fake_wait_irq(&drv, 10), -1);
}
END_TEST

START_TEST(interrupt_for_what_was_sent_comes_with_a_frame)
{
    start_in_still_time(0);
    fake_avail_flags_set(&drv.ring[0], 1); /* none for the frame itself */
    buffer(DATA, 2000);
    transmit(plain, 60);
    wait_sent(1, 1);
    ck_assert_int_eq(fake_wait_irq(&drv, 10), -1);
    peer_frame(60);
    ck_assert_int_eq(fake_wait_irq(&drv, 5000), 1);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 1);
}
END_TEST

START_TEST(interrupt_comes_at_once_where_much_was_sent)
{
    start_in_still_time(0);
    for (unsigned i = 0; i < 17; i++)
        transmit(plain, 60);
    wait_sent(1, 17);
    ck_assert_int_eq(fake_wait_irq(&drv, 10), -1);
    transmit(plain, 60);
    ck_assert_int_eq(fake_wait_irq(&drv, 5000), 1);
    transmit(plain, 1024);
    ck_assert_int_eq(fake_wait_irq(&drv, 5000), 1);
}
END_TEST

START_TEST(interrupt_that_waits_ends_with_a_reset)
{
    start_in_still_time(0);
    transmit(plain, 60);
    wait_sent(1, 1);
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    fake.now_ns = 100000;
    ck_assert_int_eq(fake_wait_irq(&drv, 10), -1);
}
END_TEST

/* Two queues of one worker. */
START_TEST(each_queue_has_an_interrupt_of_its_own_time)
{
    static const uint8_t two[2] = {2, 0};
    uint8_t got[200];

    start_in_still_time(CTRL_VQ | MQ);
    ck_assert_uint_eq(control(4, 0, two, 2, 4), 0);
    command("status", NULL, 0, "link up"); /* the control queue is done with */
    (void)fake_wait_irq(&drv, 0);
    for (unsigned queue = 1; queue <= 3; queue += 2) {
        offer(queue, SENT, 72, 0);
        kick(queue);
        wait_sent(queue, 1);
        fake.now_ns += 50000;
        ck_assert_uint_eq(tap_gets(queue / 2, got, sizeof(got)), 72);
    }
    ck_assert_int_eq(fake_wait_irq(&drv, 5000), 1); /* of the first one: it is 100000 now */
    ck_assert_int_eq(fake_wait_irq(&drv, 10), -1);
    fake.now_ns = 150000;
    ck_assert_int_eq(fake_wait_irq(&drv, 5000), 1);
}
END_TEST

START_TEST(nothing_moves_in_a_pause)
{
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    buffer(DATA, 2000);
    virtio_pause(dev);
    peer_frame(60);
    usleep(20000);
    ck_assert_uint_eq(fake_used_idx(&drv.ring[0]), 0);
    virtio_resume(dev, 1000000);
    ck_assert_uint_eq(answer(0), 72);
}
END_TEST

START_TEST(broken_ring_needs_reset)
{
    ck_assert_uint_eq(fake_start(&drv, BASE), 15);
    offer((unsigned)_i, 0xffffffffff, 16, _i == 0 ? FAKE_WRITE : 0);
    kick((unsigned)_i);
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

/* -- several queues -- */

/* proves: NET-58, NET-59, NET-60 */
START_TEST(queues_are_used_as_the_driver_says)
{
    static const uint8_t one[2] = {1, 0}, two[2] = {2, 0};

    ck_assert_uint_eq(fake_start(&drv, BASE | CTRL_VQ | MQ), 15);
    ck_assert(!tap.attached[1]); /* the kernel gives it nothing then */
    ck_assert_uint_eq(control(4, 0, two, 2, 4), 0);
    ck_assert(tap.attached[0] && tap.attached[1]);
    offer(2, DATA + 0x10000, 2000, FAKE_WRITE);
    kick(2);
    tap_frame(1, plain, 100);
    ck_assert_uint_eq(answer(2), 112);
    ck_assert_mem_eq(ram(DATA + 0x1000c, 100), frame(100), 100);
    ck_assert_uint_eq(control(4, 0, one, 2, 4), 0);
    ck_assert(tap.attached[0] && !tap.attached[1]);
    ck_assert_uint_eq(control(4, 0, two, 2, 4), 0);
    ck_assert_uint_eq(fake_start(&drv, BASE | CTRL_VQ | MQ), 15);
    ck_assert(!tap.attached[1]);
}
END_TEST

/* proves: NET-46, NET-63 */
START_TEST(control_command_that_makes_no_sense_is_refused)
{
    static const uint8_t data[][3] = {{0, 0}, {3, 0}, {0xff, 0xff}, {1, 0, 0}};

    ck_assert_uint_eq(fake_start(&drv, BASE | CTRL_VQ | MQ), 15);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(control(4, 0, data[i], 2, 4), 1);
    ck_assert_uint_eq(control(4, 0, data[3], 1, 4), 1);
    ck_assert_uint_eq(control(4, 0, data[3], 3, 4), 1);
    ck_assert_uint_eq(control(4, 1, data[3], 2, 4), 1);
    ck_assert_uint_eq(control(0, 0, data[3], 1, 4), 1);
    offer(4, DATA, 1, 0); /* half a command, and no place for an answer */
    kick(4);
    ck_assert_uint_eq(answer(4), 0);
    ck_assert(!tap.attached[1]);
}
END_TEST

/* proves: NET-45 */
START_TEST(control_queue_is_the_third_without_several)
{
    static const uint8_t one[2] = {1, 0};

    ck_assert_uint_eq(fake_start(&drv, BASE | CTRL_VQ), 15);
    ck_assert_uint_eq(control(4, 0, one, 2, 2), 1); /* MQ was not taken */
}
END_TEST

Suite *net_suite(void);
Suite *net_suite(void)
{
    Suite *suite = suite_create("net");
    TCase *stream = tcase_create("stream"), *taps = tcase_create("tap");
    TCase *several = tcase_create("queues"), *bare = tcase_create("options");

    tcase_add_checked_fixture(stream, setup_stream, teardown);
    tcase_add_checked_fixture(taps, setup_tap, teardown);
    tcase_add_checked_fixture(several, setup_queues, teardown);
    tcase_add_checked_fixture(bare, setup, teardown);
    tcase_set_timeout(stream, 60);
    tcase_add_test(stream, config_has_address_and_link_and_is_read_only);
    tcase_add_test(bare, queues_and_mtu_are_told);
    tcase_add_test(stream, link_goes_down_and_up_by_command);
    tcase_add_test(stream, link_is_down_when_the_peer_goes);
    tcase_add_test(stream, frame_is_sent_however_it_is_cut);
    tcase_add_loop_test(stream, frame_too_short_or_too_long_is_dropped, 0, 6);
    tcase_add_test(stream, frames_wait_while_the_peer_is_slow_and_none_is_lost);
    tcase_add_test(stream, interrupt_for_what_was_sent_comes_later);
    tcase_add_test(stream, interrupt_for_what_was_sent_comes_with_a_frame);
    tcase_add_test(stream, interrupt_comes_at_once_where_much_was_sent);
    tcase_add_test(stream, interrupt_that_waits_ends_with_a_reset);
    tcase_add_test(several, each_queue_has_an_interrupt_of_its_own_time);
    tcase_add_test(stream, reset_with_a_frame_that_waits_cuts_none);
    tcase_add_loop_test(taps, header_goes_out_checked, 0, ARRAY_SIZE(headers));
    tcase_add_test(bare, packet_of_the_mtu_goes_out_whole);
    tcase_add_test(stream, nothing_moves_in_a_pause);
    tcase_add_loop_test(stream, broken_ring_needs_reset, 0, 2);
    tcase_add_test(several, queues_are_used_as_the_driver_says);
    tcase_add_test(several, control_command_that_makes_no_sense_is_refused);
    tcase_add_test(several, control_queue_is_the_third_without_several);
    suite_add_tcase(suite, stream);
    suite_add_tcase(suite, taps);
    suite_add_tcase(suite, several);
    suite_add_tcase(suite, bare);
    return suite;
}
