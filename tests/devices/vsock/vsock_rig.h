/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket device behind its registers, with a scripted guest that knows packets, and programs of
 * the host at its sockets. For the files of its tests, each of which has one of its own.
 */
#pragma once

#include "devices/registry.h"
#include "vmm/base/unix_listener.h"

#include "tests/capture.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RINGS    0x10000
#define RX       0x100000 /* buffers of 4 KiB, by descriptor */
#define TX       0x300000 /* one packet */
#define RX_BYTES 4096
#define RING     256

#define CID 3

/* Operations (virtio 1.2 §5.10.6). */
enum { INVALID, REQUEST, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST };
enum { STREAM = 1, SEQPACKET = 2 };
enum { NO_RECEIVE = 1, NO_SEND = 2 };

struct packet {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port, len;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct capture capture;
static char folder[] = "/tmp/linnet-vsock-XXXXXX";
static char path[64];
static const uint8_t *payload; /* of the last packet heard */
static uint32_t guest_buf;     /* room that the guest says it has, */
static uint32_t guest_fwd;     /* and what it says to have taken */

static void setup(void)
{
    capture_start(&capture);
    fake_memory(&mem, 0x400000);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/v", folder);
    guest_buf = 65536;
    guest_fwd = 0;
    dev = NULL;
}

static void teardown(void)
{
    char command[64];

    virtio_destroy(dev);
    if (dev != NULL)
        fake_driver_fini(&drv);
    memory_destroy(&mem);
    ck_assert_int_ne(access(path, F_OK), 0); /* nothing is left behind */
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    (void)capture_end(&capture);
}

/* What virtio_create() says to these options, behind the path. */
static inline int try_at(const char *at, const char *more, struct virtio_device **ret_dev)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "path=%s%s", at, more);
    return fake_make(&virtio_vsock, &mem, text, ret_dev);
}

/* Offers that many buffers, and the ring's next ones as they come back: hear() offers it again. */
static inline void offer_buffers(unsigned count)
{
    struct fake_ring *ring = &drv.ring[0];

    for (unsigned i = 0; i < count; i++) {
        uint32_t at = ring->next_desc % RING;
        struct fake_piece piece = {RX + at * RX_BYTES, RX_BYTES, FAKE_WRITE};
        fake_offer(ring, fake_chain(ring, &piece, 1));
    }
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
}

/* A device, started, whose guest has so many buffers. */
static inline void make(const char *more, unsigned buffers)
{
    ck_assert_int_eq(try_at(path, more, &dev), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    offer_buffers(buffers);
}

/* -- the guest -- */

/* Any packet, of so many bytes in all. */
static inline void send_raw(const struct packet *packet, const void *bytes, uint32_t len,
                            uint32_t total)
{
    uint32_t id, used;

    ck_assert_int_eq(memory_write(&mem, TX, packet, sizeof(*packet)), 0);
    if (len > 0)
        ck_assert_int_eq(memory_write(&mem, TX + 44, bytes, len), 0);
    fake_offer(&drv.ring[1], fake_chain(&drv.ring[1], &(struct fake_piece){TX, total, 0}, 1));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
    ck_assert(fake_wait_used(&drv, 1, &id, &used));
    ck_assert_uint_eq(used, 0);
}

static inline struct packet packet_of(uint32_t from, uint32_t to, uint16_t op)
{
    return (struct packet){.src_cid = CID,
                           .dst_cid = 2,
                           .src_port = from,
                           .dst_port = to,
                           .type = STREAM,
                           .op = op,
                           .buf_alloc = guest_buf,
                           .fwd_cnt = guest_fwd};
}

static inline void say(uint32_t from, uint32_t to, uint16_t op, uint32_t flags)
{
    struct packet packet = packet_of(from, to, op);

    packet.flags = flags;
    send_raw(&packet, NULL, 0, 44);
}

static inline void say_bytes(uint32_t from, uint32_t to, const void *bytes, uint32_t len)
{
    struct packet packet = packet_of(from, to, RW);

    packet.len = len;
    send_raw(&packet, bytes, len, 44 + len);
}

/* The next packet to the guest; its buffer is offered again. What must always hold is checked. */
static inline struct packet hear(void)
{
    struct packet packet;
    uint32_t id, len;

    ck_assert(fake_wait_used(&drv, 0, &id, &len));
    ck_assert_uint_ge(len, 44);
    payload = memory_at(&mem, RX + id * RX_BYTES, RX_BYTES);
    memcpy(&packet, payload, 44);
    payload += 44;
    ck_assert_uint_eq(packet.src_cid, 2);
    ck_assert_uint_eq(packet.dst_cid, CID);
    ck_assert_uint_eq(len, 44 + packet.len);
    return packet;
}

/* The same, which must be that one. */
static inline struct packet expect(uint32_t from, uint32_t to, uint16_t op)
{
    struct packet packet = hear();

    ck_assert_uint_eq(packet.op, op);
    ck_assert_uint_eq(packet.src_port, from);
    ck_assert_uint_eq(packet.dst_port, to);
    ck_assert_uint_eq(packet.type, STREAM);
    if (op != RST) /* credit is in each packet of a stream */
        ck_assert_uint_eq(packet.buf_alloc, 131072);
    return packet;
}

/* Lets the worker come to all that is there; it answers commands between turns of its loop. */
static inline void settle(void)
{
    char reply[FAKE_REPLY_BYTES];

    for (unsigned i = 0; i < 10; i++) {
        ck_assert_int_eq(fake_command(dev, "status", NULL, reply), 0);
        (void)poll(NULL, 0, 5);
    }
}

/* Nothing comes. */
static inline void expect_nothing(void)
{
    uint32_t id, len;

    settle();
    ck_assert(!fake_used(&drv.ring[0], &id, &len));
}

/* -- the host -- */

static inline int host_connect(void)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(unix_address(path, &address), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void host_send(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The next bytes at the host's end are these. */
static inline void host_gets(int fd, const char *text)
{
    char got[64] = "";
    size_t len = 0;

    while (len < strlen(text)) {
        ssize_t n = recv(fd, got + len, strlen(text) - len, 0);
        ck_assert_int_gt(n, 0);
        len += (size_t)n;
    }
    ck_assert_str_eq(got, text);
}

/* Its end of file. */
static inline void host_ends(int fd)
{
    char byte;

    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
}

/* Listens where the guest connects to. */
static inline int host_listen(uint32_t port)
{
    struct sockaddr_un address;
    char name[80];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(name, sizeof(name), "%s_%u", path, port);
    (void)unlink(name); /* of a stream before */
    ck_assert_int_eq(unix_address(name, &address), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    return fd;
}

/* A stream that the host began to the guest's port 5000: its end here, and the host's port. */
static inline int host_began(uint32_t *ret_port)
{
    int fd = host_connect();

    host_send(fd, "CONNECT 5000\n");
    *ret_port = hear().src_port;
    say(5000, *ret_port, RESPONSE, 0);
    host_gets(fd, "OK 5000\n");
    return fd;
}

/* A stream that the guest began from port 7 to port 9: its end here. */
static inline int guest_began(void)
{
    int listener = host_listen(9);

    say(7, 9, REQUEST, 0);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(listener), 0);
    (void)expect(9, 7, RESPONSE);
    return fd;
}
