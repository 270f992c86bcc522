/* SPDX-License-Identifier: BSD-3-Clause */
/* An input device behind its registers, and its driver, who asks and takes. Codes are evdev's: A
 * 30, B 48, left shift 42, left button 272, touch 330. */
#pragma once

#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/fake_driver.h"
#include "tests/fake_evdev.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RINGS   0x10000
#define BUFFERS 0x40000 /* of events, 8 bytes each */
#define STATUS  0x50000

enum { SYN, KEY, REL, ABS, MSC, SW, LED = 17, REP = 20 };

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct capture capture;
static struct fake_evdev evdev;
static char folder[] = "/tmp/linnet-input-XXXXXX";
static char path[64];
static int client;
static char reply[FAKE_REPLY_BYTES];

static inline void setup(void)
{
    capture_start(&capture);
    fake_memory(&mem, 0x100000);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    evdev = (struct fake_evdev){0};
    fake_evdev_start(&evdev);
    dev = NULL;
    client = -1;
}

static inline void teardown(void)
{
    virtio_destroy(dev);
    if (dev != NULL)
        fake_driver_fini(&drv);
    fd_close(&client);
    fake_evdev_stop();
    memory_destroy(&mem);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
    (void)capture_end(&capture);
}

/* What comes of `--input OPTIONS`. */
static inline int try(const char *options)
{
    char text[160];

    (void)snprintf(text, sizeof(text), "kind=%s", options);
    return fake_make(&virtio_input, &mem, text, &dev);
}

static inline void make(const char *options)
{
    ck_assert_int_eq(try(options), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
    (void)fake_negotiate(&drv, FAKE_VERSION_1); /* from then on questions are answered */
}

/* Offers so many buffers: that of descriptor i is the i-th. */
static inline void offer(unsigned count)
{
    struct fake_ring *ring = &drv.ring[0];

    for (unsigned i = 0; i < count; i++) {
        gpa_t addr = BUFFERS + 8ull * (ring->next_desc % ring->size);
        fake_offer(ring, fake_chain(ring, &(struct fake_piece){addr, 8, FAKE_WRITE}, 1));
    }
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 0);
}

static inline void start(unsigned buffers)
{
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    offer(buffers);
}

static inline int connect_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* A device with a client and so many buffers. */
static inline void make_connected(const char *kind, unsigned buffers)
{
    char options[128];

    (void)snprintf(options, sizeof(options), "%s,socket=%s", kind, path);
    make(options);
    start(buffers);
    client = connect_client();
}

static inline void pack(uint8_t bytes[8], unsigned type, unsigned code, uint32_t value)
{
    const uint8_t event[8] = {(uint8_t)type,          (uint8_t)(type >> 8),  (uint8_t)code,
                              (uint8_t)(code >> 8),   (uint8_t)value,        (uint8_t)(value >> 8),
                              (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

    memcpy(bytes, event, 8);
}

static inline void sends(int fd, unsigned type, unsigned code, uint32_t value)
{
    uint8_t bytes[8];

    pack(bytes, type, code, value);
    ck_assert_int_eq(write(fd, bytes, 8), 8);
}

static inline void gets(unsigned type, unsigned code, uint32_t value)
{
    uint32_t id, len;
    uint8_t want[8], got[8];

    ck_assert(fake_wait_used(&drv, 0, &id, &len));
    ck_assert_uint_eq(len, 8);
    ck_assert_int_eq(memory_read(&mem, BUFFERS + 8ull * id, got, 8), 0);
    pack(want, type, code, value);
    ck_assert_mem_eq(got, want, 8);
}

/* Nothing comes: a register is read by the worker behind what there was to do. */
static inline void gets_nothing(void)
{
    uint32_t id, len;

    (void)fake_command(dev, "x", NULL, reply);
    (void)usleep(20000);
    (void)fake_command(dev, "x", NULL, reply);
    ck_assert(!fake_used(&drv.ring[0], &id, &len));
}

/* -- config space -- */

static inline unsigned ask(uint8_t select, uint8_t subsel)
{
    uint8_t size;

    fake_write_bytes(&drv, FAKE_CONFIG, &select, 1);
    fake_write_bytes(&drv, FAKE_CONFIG + 1, &subsel, 1);
    fake_read_bytes(&drv, FAKE_CONFIG + 2, &size, 1);
    return size;
}

static inline void answers(unsigned size, const void *want)
{
    uint8_t bytes[128], zero[128] = {0}, got;

    fake_read_bytes(&drv, FAKE_CONFIG + 2, &got, 1);
    ck_assert_uint_eq(got, size);
    for (unsigned i = 0; i < 128; i++)
        fake_read_bytes(&drv, FAKE_CONFIG + 8 + i, &bytes[i], 1);
    ck_assert_mem_eq(bytes, want, size);
    ck_assert_mem_eq(bytes + size, zero, 128 - size);
}

static inline void answers_text(const char *want)
{
    answers((unsigned)strlen(want), want);
}
