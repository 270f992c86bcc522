/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network device behind its registers, with a stream of frames or a tap of the test's own at its
 * other end. For the files of its tests, each of which has one of its own.
 */
#pragma once

#include "devices/net/net.h"
#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/fake_driver.h"
#include "tests/fake_tap.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define RINGS 0x10000
#define DATA  0x100000
#define SENT  0x300000

/* Features (virtio 1.2 §5.1.3). */
#define CSUM       (1ull << 0)
#define GUEST_CSUM (1ull << 1)
#define MTU        (1ull << 3)
#define MAC        (1ull << 5)
#define GUEST_TSO4 (1ull << 7)
#define GUEST_TSO6 (1ull << 8)
#define GUEST_ECN  (1ull << 9)
#define HOST_TSO4  (1ull << 11)
#define HOST_TSO6  (1ull << 12)
#define HOST_ECN   (1ull << 13)
#define MRG_RXBUF  (1ull << 15)
#define STATUS     (1ull << 16)
#define CTRL_VQ    (1ull << 17)
#define MQ         (1ull << 22)
#define BASE       (FAKE_VERSION_1 | MAC | STATUS)

#define NEEDS_CSUM 1
#define TCPV4      1
#define TCPV6      4
#define ECN        0x80

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct capture capture;
static struct fake_tap tap;
static int peer;   /* the stream's other end */
static gpa_t sent; /* where the next frame of the guest's goes: those before may still wait */

static inline int create(const char *text)
{
    int r = fake_make(&virtio_net, &mem, text, &dev);

    if (r < 0)
        return r;
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
    return 0;
}

static inline void setup(void)
{
    capture_start(&capture);
    dev = NULL;
    peer = -1;
    sent = SENT;
    tap = (struct fake_tap){0};
    fake_tap_start(&tap);
    fake_memory(&mem, 0x800000);
}

static inline void setup_stream(void)
{
    char text[64];
    int ends[2];

    setup();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    peer = ends[0];
    (void)snprintf(text, sizeof(text), "host=socket,fd=%d,mac=52:54:00:12:34:56", ends[1]);
    ck_assert_int_eq(create(text), 0);
}

static inline void setup_tap(void)
{
    setup();
    ck_assert_int_eq(create("host=tap,name=tap7"), 0);
}

static inline void setup_queues(void)
{
    setup();
    ck_assert_int_eq(create("host=tap,name=tap7,queues=2"), 0);
}

static inline void teardown(void)
{
    virtio_destroy(dev);
    if (dev != NULL)
        fake_driver_fini(&drv);
    if (peer >= 0)
        (void)close(peer);
    fake_tap_stop();
    memory_destroy(&mem);
    (void)capture_end(&capture);
}

static inline uint8_t *ram(gpa_t addr, uint64_t len)
{
    return memory_at(&mem, addr, len);
}

static inline void kick(unsigned queue)
{
    fake_write(&drv, FAKE_QUEUE_NOTIFY, queue);
}

static inline void offer(unsigned queue, gpa_t addr, uint32_t len, uint16_t flags)
{
    struct fake_piece piece = {addr, len, flags};

    fake_offer(&drv.ring[queue], fake_chain(&drv.ring[queue], &piece, 1));
}

/* Offers and kicks a receive buffer. */
static inline void buffer(gpa_t addr, uint32_t len)
{
    offer(0, addr, len, FAKE_WRITE);
    kick(0);
}

/* Used length of the next answer in that queue. */
static inline uint32_t answer(unsigned queue)
{
    uint32_t id, len;

    ck_assert(fake_wait_used(&drv, (uint16_t)queue, &id, &len));
    return len;
}

/* A frame of that length, each byte by its place. */
static inline const uint8_t *frame(size_t len)
{
    static uint8_t bytes[70000];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    return bytes;
}

/* The peer sends. */
static inline void peer_bytes(const void *bytes, size_t len)
{
    ck_assert_int_eq(send(peer, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void peer_frame(size_t len)
{
    uint32_t length = htonl((uint32_t)len);

    peer_bytes(&length, 4);
    peer_bytes(frame(len), len);
}

/* The peer receives exactly that. */
static inline void peer_reads(const void *bytes, size_t len)
{
    static uint8_t got[70000];
    size_t at = 0;

    while (at < len) {
        struct pollfd wait = {.fd = peer, .events = POLLIN};
        ck_assert_int_eq(poll(&wait, 1, 30000), 1);
        ssize_t n = recv(peer, got + at, len - at, 0);
        ck_assert_int_gt(n, 0);
        at += (size_t)n;
    }
    ck_assert_mem_eq(got, bytes, len);
}

static inline void peer_gets_frame(size_t len)
{
    uint32_t length = htonl((uint32_t)len);

    peer_reads(&length, 4);
    peer_reads(frame(len), len);
}

/* The guest sends a frame behind that header. */
static inline void transmit(const uint8_t header[12], size_t len)
{
    memcpy(ram(sent, 12), header, 12);
    memcpy(ram(sent + 12, len), frame(len), len);
    offer(1, sent, (uint32_t)(12 + len), 0);
    kick(1);
    sent += 12 + len;
}

static const uint8_t plain[12];

/* The tap's other end gets a message of that length, in `ret`; 0: none came within 100 ms. */
static inline size_t tap_gets(unsigned queue, void *ret, size_t room)
{
    struct pollfd wait = {.fd = tap.ours[queue], .events = POLLIN};

    if (poll(&wait, 1, 100) != 1)
        return 0;
    ssize_t len = recv(tap.ours[queue], ret, room, 0);
    ck_assert_int_ge(len, 0);
    return (size_t)len;
}

/* A frame comes at the tap, behind that header. */
static inline void tap_frame(unsigned queue, const uint8_t header[12], size_t len)
{
    static uint8_t message[70000];

    memcpy(message, header, 12);
    memcpy(message + 12, frame(len), len);
    ck_assert_int_eq(send(tap.ours[queue], message, 12 + len, 0), (ssize_t)(12 + len));
}

/* Until so many frames "received" or "sent" were dropped, as the device tells. */
static inline void wait_dropped(const char *way, unsigned want)
{
    char text[FAKE_REPLY_BYTES];
    unsigned dropped = 0;

    for (unsigned i = 0; i < 5000; i++) {
        ck_assert_int_eq(fake_command(dev, "status", NULL, text), 0);
        const char *line = strstr(text, way);
        ck_assert_ptr_nonnull(line);
        ck_assert_int_eq(sscanf(strstr(line, "dropped"), "dropped %u", &dropped), 1);
        if (dropped == want)
            return;
        usleep(1000);
    }
    ck_abort_msg("%u dropped", dropped);
}

static inline void command(const char *word, const char *more, int want, const char *said)
{
    char text[FAKE_REPLY_BYTES];

    ck_assert_int_eq(fake_command(dev, word, more, text), want);
    ck_assert_msg(strstr(text, said) != NULL, "%s", text);
}

/* The driver is told that the configuration changed. */
static inline void wait_config(void)
{
    int what = 0;

    while ((what & 2) == 0) {
        what = fake_wait_irq(&drv, 30000);
        ck_assert_int_ge(what, 0);
    }
}
