/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams of the socket device: how they begin, carry bytes and end. */
#include "tests/devices/vsock/vsock_rig.h"

/* proves: VSK-01, VSK-04 */
START_TEST(identity)
{
    make("", 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_ID), 19);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 3);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4), 0);
    ck_assert_uint_eq(fake_features(&drv), FAKE_CORE | FAKE_IN_ORDER | 1u << 0 | 1u << 2);
    ck_assert_uint_eq(dev->queue_count, 3);
}
END_TEST

/* proves: VSK-02, VSK-09, VSK-21, VSK-25 */
START_TEST(host_connects_and_bytes_flow_both_ways)
{
    uint32_t port;

    make("", 16);
    int fd = host_connect();
    host_send(fd, _i == 0 ? "CONNECT 5000\n" : "connect 5000\n");
    struct packet request = hear();
    ck_assert_uint_eq(request.op, REQUEST);
    ck_assert_uint_eq(request.dst_port, 5000);
    port = request.src_port;
    say(5000, port, RESPONSE, 0);
    host_gets(fd, "OK 5000\n");
    host_send(fd, "to the guest");
    ck_assert_uint_eq(expect(port, 5000, RW).len, 12);
    ck_assert_mem_eq(payload, "to the guest", 12);
    say_bytes(5000, port, "to the host", 11);
    host_gets(fd, "to the host");
    ck_assert_int_eq(close(fd), 0);
    ck_assert_uint_eq(expect(port, 5000, SHUTDOWN).flags, 3);
}
END_TEST

/* proves: VSK-12 */
START_TEST(guest_connects_and_bytes_flow_both_ways)
{
    make("", 16);
    int fd = guest_began();
    say_bytes(7, 9, "to the host", 11);
    host_gets(fd, "to the host");
    host_send(fd, "to the guest");
    ck_assert_uint_eq(expect(9, 7, RW).len, 12);
    ck_assert_mem_eq(payload, "to the guest", 12);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_uint_eq(expect(9, 7, SHUTDOWN).flags, 3);
}
END_TEST

/* proves: VSK-12, VSK-13 */
START_TEST(where_nobody_listens_the_answer_is_rst)
{
    make("", 16);
    say(7, 9, REQUEST, 0);
    (void)expect(9, 7, RST);
    for (uint16_t op = INVALID; op <= CREDIT_REQUEST + 1; op++) {
        if (op == REQUEST)
            continue;
        say(7, 9, op, 0);
        if (op != RST)
            (void)expect(9, 7, RST);
    }
    expect_nothing();
}
END_TEST

START_TEST(guest_refuses)
{
    make("", 16);
    int fd = host_connect();
    host_send(fd, "CONNECT 5000\n");
    say(5000, hear().src_port, RST, 0);
    host_ends(fd);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* What the host's end says behind the line is the guest's, however it comes. */
START_TEST(bytes_behind_the_line_are_not_lost)
{
    uint32_t port;

    make("", 16);
    int fd = host_connect();
    host_send(fd, "CON");
    expect_nothing();
    host_send(fd, "NECT 5000\nand more");
    port = hear().src_port;
    say(5000, port, RESPONSE, 0);
    host_gets(fd, "OK 5000\n");
    ck_assert_uint_eq(expect(port, 5000, RW).len, 8);
    ck_assert_mem_eq(payload, "and more", 8);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* -- ends -- */

/* proves: VSK-14, VSK-15 */
START_TEST(guest_closes)
{
    make("", 16);
    int fd = guest_began();
    say_bytes(7, 9, "last", 4);
    say(7, 9, SHUTDOWN, NO_SEND);
    host_gets(fd, "last");
    host_ends(fd);
    host_send(fd, "answer");
    (void)expect(9, 7, RW);
    say(7, 9, SHUTDOWN, NO_RECEIVE); /* NO_SEND holds on */
    (void)expect(9, 7, RST);
    ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(close(fd), 0);
    fd = guest_began(); /* the ports are free again */
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(guest_receives_no_more)
{
    make("", 16);
    int fd = guest_began();
    say(7, 9, SHUTDOWN, NO_RECEIVE);
    while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
        (void)poll(NULL, 0, 1);
    ck_assert_int_eq(errno, EPIPE);
    say_bytes(7, 9, "still", 5);
    host_gets(fd, "still");
    expect_nothing();
    ck_assert_int_eq(close(fd), 0);
    ck_assert_uint_eq(expect(9, 7, SHUTDOWN).flags, 3);
}
END_TEST

START_TEST(host_sends_no_more)
{
    uint32_t port;

    make("", 16);
    int fd = host_began(&port);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    ck_assert_uint_eq(expect(port, 5000, SHUTDOWN).flags, NO_SEND);
    say_bytes(5000, port, "answer", 6);
    host_gets(fd, "answer");
    say(5000, port, SHUTDOWN, NO_SEND | NO_RECEIVE);
    host_ends(fd);
    (void)expect(port, 5000, RST);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* What the host said before it left arrives, and what is on the way to it goes nowhere. */
START_TEST(host_leaves)
{
    uint32_t port;

    make("", 0);
    offer_buffers(1);
    int fd = host_connect();
    host_send(fd, "CONNECT 5000\nlast words");
    port = hear().src_port;
    offer_buffers(1);
    say(5000, port, RESPONSE, 0);
    host_gets(fd, "OK 5000\n");
    ck_assert_uint_eq(expect(port, 5000, RW).len, 10);
    ck_assert_int_eq(close(fd), 0);
    offer_buffers(16);
    ck_assert_uint_eq(expect(port, 5000, SHUTDOWN).flags, 3);
    say_bytes(5000, port, "nobody", 6);
    say(5000, port, RST, 0);
    expect_nothing();
}
END_TEST

START_TEST(host_takes_no_more)
{
    make("", 16);
    int fd = guest_began();
    ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
    say_bytes(7, 9, "nobody", 6);
    ck_assert_uint_eq(expect(9, 7, SHUTDOWN).flags, NO_RECEIVE);
    host_send(fd, "still");
    ck_assert_uint_eq(expect(9, 7, RW).len, 5);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_uint_eq(expect(9, 7, SHUTDOWN).flags, 3);
}
END_TEST

START_TEST(guest_resets)
{
    make("", 16);
    int fd = guest_began();
    say(7, 9, RST, 0);
    host_ends(fd);
    say_bytes(7, 9, "x", 1);
    (void)expect(9, 7, RST);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Its peer has left what it was sent unread. */
START_TEST(host_resets)
{
    make("", 16);
    int fd = guest_began();
    say_bytes(7, 9, "unread", 6);
    ck_assert_int_eq(close(fd), 0);
    (void)expect(9, 7, RST);
}
END_TEST

/* proves: VSK-05, VSK-27 */
START_TEST(reset_closes_all)
{
    uint32_t port;

    make("", 16);
    int fds[] = {guest_began(), host_began(&port), host_connect(), host_connect()};
    host_send(fds[2], "CONNECT 5001\n");
    (void)expect(port + 1, 5001, REQUEST);
    host_send(fds[3], "CONN");
    fake_write_bytes(&drv, FAKE_CONFIG, &(uint32_t){99}, 4);
    fake_write(&drv, FAKE_STATUS, 0);
    for (unsigned i = 0; i < 4; i++) {
        char byte; /* one that was not looked at any more sees a reset */
        ck_assert_int_le(recv(fds[i], &byte, 1, 0), 0);
        ck_assert_int_eq(close(fds[i]), 0);
    }
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), CID);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    offer_buffers(16);
    ck_assert_int_eq(close(guest_began()), 0);
}
END_TEST

START_TEST(pause_loses_nothing)
{
    make("", 16);
    int fd = guest_began();
    virtio_pause(dev);
    host_send(fd, "while paused");
    expect_nothing();
    virtio_resume(dev, 1000000000);
    ck_assert_uint_eq(expect(9, 7, RW).len, 12);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* -- packets that are wrong -- */

/* proves: VSK-11 */
START_TEST(other_types_are_refused)
{
    make("", 16);
    struct packet packet = packet_of(7, 9, _i == 2 ? RST : REQUEST);
    packet.type = _i == 0 ? SEQPACKET : 99;
    send_raw(&packet, NULL, 0, 44);
    if (_i < 2) {
        struct packet answer = hear();
        ck_assert_uint_eq(answer.op, RST);
        ck_assert_uint_eq(answer.type, packet.type);
    }
    expect_nothing();
}
END_TEST

START_TEST(driver_that_wants_no_streams_gets_none)
{
    ck_assert_int_eq(try_at(path, "", &dev), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | 1u << 2), 15);
    offer_buffers(16);
    int listener = host_listen(9);
    say(7, 9, REQUEST, 0);
    (void)expect(9, 7, RST);
    ck_assert_int_eq(close(listener), 0);
}
END_TEST

/* proves: VSK-18, VSK-21 */
START_TEST(other_addresses_are_dropped)
{
    static const uint64_t addresses[][2] = {
        {4, 2},    {2, 2}, {3, 3}, {3, 0}, {3, 1}, {3, 1ull << 32 | 2}, {1ull << 32 | 3, 2},
        {3, ~0ull}};

    make("", 16);
    struct packet packet = packet_of(7, 9, REQUEST);
    packet.src_cid = addresses[_i][0];
    packet.dst_cid = addresses[_i][1];
    send_raw(&packet, NULL, 0, 44);
    expect_nothing();
}
END_TEST

static const struct {
    uint32_t len, total;
    uint16_t op;
} broken[] = {
    {5, 44 + 4, RW}, /* less than it says, */
    {1, 44, RW},     /* nothing, */
    {0xffffffff, 44 + 4, RW} /* and a lot less */,
    {0, 44, INVALID},
    {0, 44, REQUEST},
    {0, 44, RESPONSE},
    {0, 44, 8},
    {0, 44, 65535},
};

/* proves: VSK-17 */
START_TEST(broken_packet_ends_its_stream)
{
    make("", 16);
    int fd = guest_began();
    struct packet packet = packet_of(7, 9, broken[_i].op);
    packet.len = broken[_i].len;
    send_raw(&packet, NULL, 0, broken[_i].total);
    (void)expect(9, 7, RST);
    host_ends(fd);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

/* proves: VSK-16 */
START_TEST(only_len_bytes_count)
{
    make("", 16);
    int fd = guest_began();
    struct packet packet = packet_of(7, 9, RW);
    packet.len = 3;
    send_raw(&packet, "abcdef", 6, 44 + 6);
    say_bytes(7, 9, "ghi", 3);
    host_gets(fd, "abcghi");
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(bytes_after_the_end_end_the_stream)
{
    make("", 16);
    int fd = guest_began();
    say(7, 9, SHUTDOWN, NO_SEND);
    say_bytes(7, 9, "x", 1);
    (void)expect(9, 7, RST);
    host_ends(fd);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Nothing but RESPONSE and RST fits a stream that the host asked for. */
START_TEST(answers_that_are_none_end_the_stream)
{
    static const uint16_t ops[] = {REQUEST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST};
    uint32_t port;

    make("", 16);
    int fd = host_connect();
    host_send(fd, "CONNECT 5000\n");
    port = hear().src_port;
    say(5000, port, ops[_i], 3);
    (void)expect(port, 5000, RST);
    host_ends(fd);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Nobody asked yet: REQUEST still waits for a buffer. */
START_TEST(answer_before_the_question_ends_the_stream)
{
    make("", 1);
    int first = host_connect(), second = host_connect();
    host_send(first, "CONNECT 5000\n");
    uint32_t port = hear().src_port;
    host_send(second, "CONNECT 5000\n");
    settle();
    say(5000, port + 1, RESPONSE, 0);
    offer_buffers(4);
    (void)expect(port + 1, 5000, RST);
    host_ends(second);
    ck_assert_int_eq(close(first), 0);
    ck_assert_int_eq(close(second), 0);
}
END_TEST

/* proves: VSK-24 */
START_TEST(chains_too_short_for_a_header_are_dropped)
{
    static const uint32_t sizes[] = {0, 1, 43};
    const struct fake_piece wrong[] = {{RX, sizes[_i], FAKE_WRITE}, {TX, 64, 0}};
    struct packet packet = packet_of(7, 9, REQUEST);
    uint32_t id, len;

    make("", 0);
    for (unsigned i = 0; i < 2; i++)
        fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], &wrong[i], 1));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    send_raw(&packet, NULL, 0, sizes[_i]);
    offer_buffers(1);
    say(7, 9, REQUEST, 0);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(fake_wait_used(&drv, 0, &id, &len));
        ck_assert_uint_eq(len, 0);
    }
    (void)expect(9, 7, RST);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

/* A ring that is broken needs a reset, and works after one. */
START_TEST(broken_ring_needs_reset)
{
    make("", 4);
    if (_i == 1) { /* somebody has to want the buffer */
        int fd = host_connect();
        fake_break(&drv.ring[0]);
        host_send(fd, "CONNECT 5000\n");
        ck_assert_int_eq(close(fd), 0);
    } else {
        fake_break(&drv.ring[1]);
        fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
    }
    ck_assert(fake_wait_status(&drv, 64));
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    offer_buffers(4);
    ck_assert_int_eq(close(guest_began()), 0);
}
END_TEST

Suite *vsock_suite(void);
Suite *vsock_suite(void)
{
    Suite *suite = suite_create("vsock");
    TCase *tcase = tcase_create("streams");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, identity);
    tcase_add_loop_test(tcase, host_connects_and_bytes_flow_both_ways, 0, 2);
    tcase_add_test(tcase, guest_connects_and_bytes_flow_both_ways);
    tcase_add_test(tcase, where_nobody_listens_the_answer_is_rst);
    tcase_add_test(tcase, guest_refuses);
    tcase_add_test(tcase, bytes_behind_the_line_are_not_lost);
    tcase_add_test(tcase, guest_closes);
    tcase_add_test(tcase, guest_receives_no_more);
    tcase_add_test(tcase, host_sends_no_more);
    tcase_add_test(tcase, host_leaves);
    tcase_add_test(tcase, host_takes_no_more);
    tcase_add_test(tcase, guest_resets);
    tcase_add_test(tcase, host_resets);
    tcase_add_test(tcase, reset_closes_all);
    tcase_add_test(tcase, pause_loses_nothing);
    tcase_add_loop_test(tcase, other_types_are_refused, 0, 3);
    tcase_add_test(tcase, driver_that_wants_no_streams_gets_none);
    tcase_add_loop_test(tcase, other_addresses_are_dropped, 0, 8);
    tcase_add_loop_test(tcase, broken_packet_ends_its_stream, 0, ARRAY_SIZE(broken));
    tcase_add_test(tcase, only_len_bytes_count);
    tcase_add_test(tcase, bytes_after_the_end_end_the_stream);
    tcase_add_loop_test(tcase, answers_that_are_none_end_the_stream, 0, 5);
    tcase_add_test(tcase, answer_before_the_question_ends_the_stream);
    tcase_add_loop_test(tcase, chains_too_short_for_a_header_are_dropped, 0, 3);
    tcase_add_loop_test(tcase, broken_ring_needs_reset, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
