/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of the console device begin with: it and its ports behind their registers (virtio 1.2
 * §5.3), and a scripted driver. */
#pragma once

#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RINGS     0x10000
#define DATA      0x100000 /* what is sent */
#define CONTROL   0x140000 /* buffers for control messages, 64 bytes each */
#define SAID      0x150000 /* a control message of the driver's */
#define BULK      0x1c0000 /* of 128 KiB */
#define INPUT     0x160000 /* buffers for input */
#define TABLE     0x180000 /* of descriptors */
#define MULTIPORT 2u
#define PORTS_MAX 32

enum { READY, ADD, REMOVE, PORT_READY, CONSOLE, RESIZE, OPEN, NAME };

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct capture capture;
static char folder[] = "/tmp/linnet-console-XXXXXX";
static int host[2]; /* ours, the device's */

static inline void setup(void)
{
    capture_start(&capture);
    fake_memory(&mem, 0x200000);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, host), 0);
    ck_assert_int_eq(fcntl(host[1], F_SETFL, O_NONBLOCK), 0);
    dev = NULL;
}

static inline void teardown(void)
{
    char command[64];

    virtio_destroy(dev);
    if (dev != NULL)
        fake_driver_fini(&drv);
    fd_close(&host[0]);
    memory_destroy(&mem);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    (void)capture_end(&capture);
}

/* What virtio_create() says to those options. */
static inline int try(const char *const options[], unsigned count)
{
    struct opts *opts[PORTS_MAX] = {NULL};

    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_eq(opts_create(virtio_console.opts, &opts[i]), 0);
        ck_assert_int_eq(opts_parse(opts[i], "--console ", options[i]), 0);
    }
    int r = virtio_create(&virtio_console, 0, &mem, (const struct opts *const *)opts, count, &dev);
    for (unsigned i = 0; i < count; i++)
        opts_destroy(opts[i]);
    return r;
}

static inline void make(const char *const options[], unsigned count)
{
    ck_assert_int_eq(try(options, count), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

/* One port, to the other end of `host`, and perhaps a second one. */
static inline void make_fd(const char *second)
{
    char first[64];
    const char *options[] = {first, second};

    (void)snprintf(first, sizeof(first), "name=one,to=fd:%d", host[1]);
    make(options, second == NULL ? 1 : 2);
}

static inline uint8_t *ram(gpa_t addr, uint64_t len)
{
    uint8_t *bytes = memory_at(&mem, addr, len);

    ck_assert_ptr_nonnull(bytes);
    return bytes;
}

static inline void offer(unsigned queue, struct fake_piece piece)
{
    fake_offer(&drv.ring[queue], fake_chain(&drv.ring[queue], &piece, 1));
}

static inline void kick(unsigned queue)
{
    fake_write(&drv, FAKE_QUEUE_NOTIFY, queue);
}

static inline uint32_t used(unsigned queue, uint32_t *ret_id)
{
    uint32_t id, len;

    ck_assert(fake_wait_used(&drv, (uint16_t)queue, &id, &len));
    if (ret_id != NULL)
        *ret_id = id;
    return len;
}

/* -- control messages -- */

static inline void say(uint32_t id, uint16_t event, uint16_t value)
{
    const uint8_t control[8] = {(uint8_t)id,         (uint8_t)(id >> 8),   (uint8_t)(id >> 16),
                                (uint8_t)(id >> 24), (uint8_t)event,       (uint8_t)(event >> 8),
                                (uint8_t)value,      (uint8_t)(value >> 8)};

    memcpy(ram(SAID, 8), control, 8);
    offer(3, (struct fake_piece){SAID, 8, 0});
    kick(3);
    ck_assert_uint_eq(used(3, NULL), 0);
}

/* The next message is that one. */
static inline void heard(uint32_t id, uint16_t event, uint16_t value, const char *name)
{
    uint32_t head, len = used(2, &head);
    const uint8_t *bytes = ram(CONTROL + head * 64, 64);

    ck_assert_uint_eq(len, 8 + strlen(name));
    ck_assert_uint_eq(bytes[0], id);
    ck_assert_uint_eq(bytes[4], event);
    ck_assert_uint_eq(bytes[6], value);
    ck_assert_int_eq(memcmp(bytes + 8, name, strlen(name)), 0);
}

static inline void start(unsigned buffers)
{
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | MULTIPORT), 15);
    for (unsigned i = 0; i < buffers; i++)
        offer(2, (struct fake_piece){CONTROL + i * 64, 64, FAKE_WRITE});
    kick(2);
    say(0, READY, 1);
}

/* Up to the driver's having opened port 0. */
static inline void start_open(const char *name)
{
    start(30);
    heard(0, ADD, 1, "");
    say(0, PORT_READY, 1);
    heard(0, OPEN, 1, "");
    heard(0, NAME, 1, name);
    say(0, OPEN, 1);
}

static inline void send_text(unsigned queue, const char *text)
{
    memcpy(ram(DATA + 4096 * queue, 4096), text, strlen(text));
    offer(queue, (struct fake_piece){DATA + 4096 * queue, (uint32_t)strlen(text), 0});
    kick(queue);
}

/* What comes out at our end. */
static inline void host_gets(const char *text)
{
    char got[64] = "";
    size_t len = 0;

    while (len < strlen(text)) {
        ssize_t n = recv(host[0], got + len, sizeof(got) - 1 - len, 0);
        ck_assert_int_gt(n, 0);
        len += (size_t)n;
    }
    ck_assert_str_eq(got, text);
}
