/* SPDX-License-Identifier: BSD-3-Clause */
/* Credit of the socket device's streams, buffers that run out, and streams without number. */
#include "devices/vsock/vsock.h"

#include "tests/devices/vsock/vsock_rig.h"

#include <sys/resource.h>

#define BUF   131072u /* room for a stream on its way to the host */
#define CHUNK 16384u
#define CONNS 1024

static uint8_t pattern[CHUNK];

static void setup_pattern(void)
{
    for (unsigned i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 7 + i / 256);
}

/* Sends to a host that does not read until all credit is used, and tells how many bytes. */
static uint32_t fill(uint32_t from, uint32_t to)
{
    uint32_t sent = 0, fwd = 0, id, len;

    for (;;) {
        while (sent - fwd <= BUF - CHUNK) {
            say_bytes(from, to, pattern, CHUNK);
            sent += CHUNK;
        }
        settle();
        if (!fake_used(&drv.ring[0], &id, &len))
            return sent;
        struct packet packet;
        ck_assert_int_eq(memory_read(&mem, RX + id * RX_BYTES, &packet, 44), 0);
        ck_assert_uint_eq(packet.op, CREDIT_UPDATE);
        fwd = packet.fwd_cnt;
        offer_buffers(1);
    }
}

/* Reads so many bytes of the pattern. */
static void host_reads(int fd, uint32_t count)
{
    uint8_t got[CHUNK];

    for (uint32_t at = 0; at < count;) {
        ssize_t n = recv(fd, got, MIN(CHUNK - at % CHUNK, count - at), 0);
        ck_assert_int_gt(n, 0);
        ck_assert_mem_eq(got, pattern + at % CHUNK, (size_t)n);
        at += (uint32_t)n;
    }
}

/* Another stream is not stalled by a host that does not read, and what was sent is not lost. */
/* proves: VSK-10 */
START_TEST(host_that_does_not_read_stalls_its_own_stream)
{
    uint32_t port;

    make("", 32);
    int fd = guest_began(), other = host_began(&port);
    uint32_t sent = fill(7, 9);
    ck_assert_uint_ge(sent, BUF);
    say_bytes(5000, port, "goes on", 7);
    host_gets(other, "goes on");
    host_send(other, "both ways");
    (void)expect(port, 5000, RW);
    host_reads(fd, sent);
    ck_assert_uint_ge(expect(9, 7, CREDIT_UPDATE).fwd_cnt, sent - BUF / 2);
    say(7, 9, CREDIT_REQUEST, 0);
    struct packet update = hear();
    while (update.fwd_cnt != sent) {
        say(7, 9, CREDIT_REQUEST, 0);
        update = hear();
    }
    ck_assert_uint_eq(update.op, CREDIT_UPDATE);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(close(other), 0);
}
END_TEST

/* proves: VSK-19 */
START_TEST(more_than_the_credit_ends_the_stream)
{
    make("", 32);
    int fd = guest_began();
    uint32_t sent = fill(7, 9);
    say_bytes(7, 9, pattern, CHUNK);
    (void)expect(9, 7, RST);
    ck_assert_uint_lt(sent, 64 * BUF);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* What the guest sent before it closed is given to a host that reads late, though the guest has
 * given up on it: then it is told nothing more, for its ports may be another stream's. */
START_TEST(closed_stream_still_drains)
{
    const struct vsock *vsock;
    int small = 8192; /* so that it goes in pieces */

    make("", 32);
    int fd = guest_began();
    vsock = container_of(dev, struct vsock, dev);
    ck_assert_int_eq(
        setsockopt(vsock->conns[0].host.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    uint32_t sent = fill(7, 9);
    say(7, 9, SHUTDOWN, NO_SEND | NO_RECEIVE);
    expect_nothing();
    if (_i == 1)
        say(7, 9, RST, 0);
    host_reads(fd, sent);
    host_ends(fd);
    while (_i == 0 && hear().op != RST) { /* updates of the credit, until it is all out */
    }
    expect_nothing();
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* The same, but the host leaves. */
START_TEST(closed_stream_is_dropped_with_its_reader)
{
    char reply[FAKE_REPLY_BYTES];

    make("", 32);
    int fd = guest_began();
    (void)fill(7, 9);
    say(7, 9, SHUTDOWN, NO_SEND | NO_RECEIVE);
    say(7, 9, RST, 0);
    ck_assert_int_eq(close(fd), 0);
    settle();
    ck_assert_int_eq(fake_command(dev, "status", NULL, reply), 0);
    ck_assert_ptr_nonnull(strstr(reply, "streams: 0, ever: 1\n"));
}
END_TEST

/* -- to the guest -- */

/* proves: VSK-08, VSK-20 */
START_TEST(guest_gets_no_more_than_it_has_room_for)
{
    make("", 32);
    guest_buf = 6000;
    int fd = guest_began();
    ck_assert_int_eq(send(fd, pattern, 10000, 0), 10000);
    ck_assert_uint_eq(expect(9, 7, RW).len, 4096 - 44);
    ck_assert_uint_eq(expect(9, 7, RW).len, 6000 - (4096 - 44));
    (void)expect(9, 7, CREDIT_REQUEST);
    expect_nothing();
    guest_fwd = 6001; /* more than it got */
    say(7, 9, CREDIT_UPDATE, 0);
    guest_fwd = 0;
    guest_buf = 5000; /* less than is under way */
    say(7, 9, CREDIT_UPDATE, 0);
    expect_nothing();
    guest_buf = 6000;
    guest_fwd = 1;
    say(7, 9, CREDIT_UPDATE, 0);
    ck_assert_uint_eq(expect(9, 7, RW).len, 1);
    ck_assert_mem_eq(payload, pattern + 6000, 1);
    (void)expect(9, 7, CREDIT_REQUEST);
    guest_fwd = 6001;
    say(7, 9, CREDIT_UPDATE, 0);
    ck_assert_uint_eq(expect(9, 7, RW).len, 3999);
    expect_nothing();
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Bytes wait on the host for buffers; what there is to say is said then. */
/* proves: VSK-06 */
START_TEST(guest_without_buffers_is_served_all_the_same)
{
    make("", 1);
    int fd = guest_began();
    ck_assert_int_eq(send(fd, pattern, 10000, 0), 10000);
    say_bytes(7, 9, "to the host", 11);
    host_gets(fd, "to the host");
    say(7, 10, REQUEST, 0); /* refused */
    say(7, 9, CREDIT_REQUEST, 0);
    settle();
    offer_buffers(5);
    (void)expect(10, 7, RST);
    ck_assert_uint_eq(expect(9, 7, CREDIT_UPDATE).fwd_cnt, 11);
    for (uint32_t at = 0, len; at < 10000; at += len) {
        len = expect(9, 7, RW).len;
        ck_assert_mem_eq(payload, pattern + at, len);
    }
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* A buffer that holds a header alone is passed over for bytes. */
START_TEST(bytes_are_cut_to_the_buffers)
{
    static const uint32_t sizes[] = {44, 45, 44 + 7, 4096};
    uint32_t id, len;

    make("", 1);
    int fd = guest_began();
    for (unsigned i = 0; i < 4; i++) {
        struct fake_piece piece = {RX + (1 + i) * RX_BYTES, sizes[i], FAKE_WRITE};
        fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], &piece, 1));
    }
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
    ck_assert_int_eq(send(fd, pattern, 20, 0), 20);
    ck_assert(fake_wait_used(&drv, 0, &id, &len));
    ck_assert_uint_eq(len, 0);
    ck_assert_uint_eq(expect(9, 7, RW).len, 1);
    ck_assert_uint_eq(expect(9, 7, RW).len, 7);
    ck_assert_uint_eq(expect(9, 7, RW).len, 12);
    ck_assert_mem_eq(payload, pattern + 8, 12);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* -- bounds -- */

/* proves: VSK-07 */
START_TEST(refusals_that_wait_are_bounded)
{
    struct packet packet = packet_of(7, 9, RW);
    uint32_t id, len;
    unsigned taken = 0;

    make("", 0);
    ck_assert_int_eq(memory_write(&mem, TX, &packet, 44), 0);
    for (unsigned i = 0; i < 100; i++)
        fake_offer(&drv.ring[1], fake_chain(&drv.ring[1], &(struct fake_piece){TX, 44, 0}, 1));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
    settle();
    while (fake_used(&drv.ring[1], &id, &len))
        taken++;
    ck_assert_uint_eq(taken, 64);
    offer_buffers(100);
    for (unsigned i = 0; i < 100; i++)
        (void)expect(9, 7, RST);
    while (taken < 100 && fake_wait_used(&drv, 1, &id, &len))
        taken++;
    ck_assert_uint_eq(taken, 100);
}
END_TEST

/* As many streams as there may be, with and without enough descriptors for them. */
/* proves: VSK-23 */
START_TEST(streams_are_bounded)
{
    struct rlimit limit;
    int fds[CONNS];
    uint32_t id, len;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)4096);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    make("", 0);
    int listener = host_listen(9);
    for (uint32_t i = 0; i < CONNS; i++) {
        offer_buffers(1);
        say(100 + i, 9, REQUEST, 0);
        fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        ck_assert_int_ge(fds[i], 0);
        (void)expect(9, 100 + i, RESPONSE);
    }
    offer_buffers(1);
    say(50, 9, REQUEST, 0);
    (void)expect(9, 50, RST);
    int waits = host_connect(); /* until there is room */
    host_send(waits, "CONNECT 5000\n");
    offer_buffers(2);
    expect_nothing();
    say(100, 9, RST, 0);
    ck_assert_uint_eq(hear().dst_port, 5000);
    for (uint32_t i = 1; i < CONNS; i++) {
        offer_buffers(1);
        say_bytes(100 + i, 9, "x", 1);
        host_gets(fds[i], "x");
    }
    for (uint32_t i = 0; i < CONNS; i++)
        ck_assert_int_eq(close(fds[i]), 0);
    ck_assert_int_eq(close(waits), 0);
    ck_assert_int_eq(close(listener), 0);
    while (fake_used(&drv.ring[0], &id, &len))
        ck_assert_uint_ge(len, 44);
}
END_TEST

/* The guest may not take the descriptors that the rest of linnet needs. */
START_TEST(streams_are_fewer_where_descriptors_are)
{
    const struct rlimit limit = {256 + 20, 256 + 20};
    int fds[20];

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    make("", 0);
    int listener = host_listen(9);
    for (uint32_t i = 0; i <= ARRAY_SIZE(fds); i++) {
        offer_buffers(1);
        say(100 + i, 9, REQUEST, 0);
        if (i < ARRAY_SIZE(fds))
            fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        (void)expect(9, 100 + i, i < ARRAY_SIZE(fds) ? RESPONSE : RST);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(fds); i++)
        ck_assert_int_eq(close(fds[i]), 0);
    ck_assert_int_eq(close(listener), 0);
}
END_TEST

/* -- a lot of it -- */

enum { COUNT = 8 };

/* A stream from the guest's port 100 + its index, and how many bytes each side has sent and got. */
static struct {
    int fd;
    uint32_t to_host, host_got, fwd, to_guest, guest_got;
} traffic[COUNT];

/* Bytes that begin with the `at`th one of a stream's direction. */
static const uint8_t *bytes_at(unsigned seed, uint32_t at, uint32_t len)
{
    static uint8_t bytes[CHUNK];

    for (uint32_t k = 0; k < len; k++)
        bytes[k] = (uint8_t)((at + k) * (2 * seed + 3) + (at + k) / 256);
    return bytes;
}

/* What came to the guest. */
static void traffic_hear(void)
{
    struct packet packet;
    uint32_t id, len;

    while (fake_used(&drv.ring[0], &id, &len)) {
        const uint8_t *data = memory_at(&mem, RX + id * RX_BYTES, RX_BYTES);
        memcpy(&packet, data, 44);
        unsigned i = packet.dst_port - 100;
        ck_assert_uint_lt(i, COUNT);
        ck_assert_uint_ne(packet.op, RST);
        ck_assert_mem_eq(data + 44, bytes_at(i, traffic[i].guest_got, packet.len), packet.len);
        traffic[i].guest_got += packet.len;
        traffic[i].fwd = packet.fwd_cnt;
        offer_buffers(1);
    }
}

static void traffic_step(unsigned i, unsigned what, uint32_t size)
{
    uint8_t got[CHUNK] = {0};
    ssize_t n;

    guest_fwd = traffic[i].guest_got;
    if (what == 0 && size <= BUF - (traffic[i].to_host - traffic[i].fwd)) {
        say_bytes(100 + i, 9, bytes_at(i, traffic[i].to_host, size), size);
        traffic[i].to_host += size;
    } else if (what == 1) {
        n = MAX(recv(traffic[i].fd, got, size, 0), (ssize_t)0);
        ck_assert_int_eq(memcmp(got, bytes_at(i, traffic[i].host_got, size), (size_t)n), 0);
        traffic[i].host_got += (uint32_t)n;
    } else if (what == 2) {
        n = send(traffic[i].fd, bytes_at(i, traffic[i].to_guest, size), size, MSG_NOSIGNAL);
        traffic[i].to_guest += (uint32_t)MAX(n, (ssize_t)0);
    } else {
        say(100 + i, 9, CREDIT_REQUEST, 0);
    }
}

/* Seeded traffic on several streams at once: all of it arrives, in order. */
START_TEST(everything_arrives_in_order)
{
    unsigned seed = 42 + (unsigned)_i;
    bool all = false;

    memset(traffic, 0, sizeof(traffic));
    make("", 64);
    int listener = host_listen(9);
    for (uint32_t i = 0; i < COUNT; i++) {
        say(100 + i, 9, REQUEST, 0);
        traffic[i].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        (void)expect(9, 100 + i, RESPONSE);
        offer_buffers(1);
    }
    for (unsigned step = 0; step < 1000; step++) {
        unsigned i = (unsigned)rand_r(&seed) % COUNT, what = (unsigned)rand_r(&seed) % 4;
        traffic_step(i, what, 1 + (uint32_t)rand_r(&seed) % 12000);
        traffic_hear();
    }
    for (unsigned round = 0; round < 5000 && !all; round++) {
        all = true;
        for (unsigned i = 0; i < COUNT; i++) {
            traffic_step(i, round % 2 == 0 ? 1 : 3, CHUNK);
            traffic_hear();
            all = all && traffic[i].host_got == traffic[i].to_host &&
                  traffic[i].guest_got == traffic[i].to_guest;
        }
    }
    ck_assert(all);
    for (unsigned i = 0; i < COUNT; i++)
        ck_assert_int_eq(close(traffic[i].fd), 0);
    ck_assert_int_eq(close(listener), 0);
}
END_TEST

Suite *vsock_credit_suite(void);
Suite *vsock_credit_suite(void)
{
    Suite *suite = suite_create("vsock_credit");
    TCase *tcase = tcase_create("credit");

    tcase_add_unchecked_fixture(tcase, setup_pattern, NULL);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, host_that_does_not_read_stalls_its_own_stream);
    tcase_add_test(tcase, more_than_the_credit_ends_the_stream);
    tcase_add_loop_test(tcase, closed_stream_still_drains, 0, 2);
    tcase_add_test(tcase, closed_stream_is_dropped_with_its_reader);
    tcase_add_test(tcase, guest_gets_no_more_than_it_has_room_for);
    tcase_add_test(tcase, guest_without_buffers_is_served_all_the_same);
    tcase_add_test(tcase, bytes_are_cut_to_the_buffers);
    tcase_add_test(tcase, refusals_that_wait_are_bounded);
    tcase_add_test(tcase, streams_are_bounded);
    tcase_add_test(tcase, streams_are_fewer_where_descriptors_are);
    tcase_add_loop_test(tcase, everything_arrives_in_order, 0, 4);
    suite_add_tcase(suite, tcase);
    return suite;
}
