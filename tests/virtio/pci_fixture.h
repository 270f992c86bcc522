/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of a virtio function on a PCI bus begin with: a device that answers
 * (tests/fake_device.h), a driver that does as Linux's does, and a bus that notes messages. */
#pragma once

#include "tests/capture.h"
#include "tests/fake_device.h"
#include "tests/fake_driver.h"
#include "virtio/pci.h"

#include <check.h>
#include <string.h>
#include <sys/eventfd.h>

#define RINGS 0x10000
#define DATA  0x80000
#define BAR   0xe1004000

/* Registers of configuration space, and where the capabilities lead: numbers of the
 * specifications. */
#define COMMAND       0x04
#define STATUS        0x06
#define BAR0          0x10
#define MEMORY        2
#define MASTER        4
#define COMMON        0x000
#define ISR           0x100
#define DEVICE        0x400
#define NOTIFY        0x1000
#define TABLE         0x2000
#define PENDING       0x3000
#define DFSELECT      0x00
#define DF            0x04
#define GFSELECT      0x08
#define GF            0x0c
#define CONFIG_VECTOR 0x10
#define NUM_QUEUES    0x12
#define DEVICE_STATUS 0x14
#define GENERATION    0x15
#define QUEUE_SELECT  0x16
#define QUEUE_SIZE    0x18
#define QUEUE_VECTOR  0x1a
#define QUEUE_ENABLE  0x1c
#define QUEUE_NOTIFY  0x1e
#define QUEUE_DESC    0x20
#define QUEUE_DRIVER  0x28
#define QUEUE_DEVICE  0x30
#define QUEUE_RESET   0x3a
#define NO_VECTOR     0xffff
#define MSIX_ENABLE   0x8000
#define MSIX_MASK     0x4000
#define MESSAGES_MAX  64

struct bus_of_ours {
    struct pci_host host;
    gpa_t at;        /* place() told it last, */
    unsigned placed; /* and so many times */
    pthread_mutex_t lock;
    int news; /* eventfd: counts messages */
    unsigned count;
    struct {
        uint64_t addr;
        uint32_t data;
    } message[MESSAGES_MAX];
};

static struct memory mem;
static struct virtio_device *dev;
static struct pci pci;
static struct fake_ring ring[2];
static uint64_t negotiated; /* features */
static struct bus_of_ours ours;
static struct capture capture;

static inline void place(struct pci_host *host, struct pci *who, gpa_t at)
{
    ck_assert_ptr_eq(host, &ours.host);
    ck_assert_ptr_eq(who, &pci);
    ours.at = at;
    ours.placed++;
}

static inline void message(struct pci_host *host, uint64_t addr, uint32_t data)
{
    (void)host;
    (void)pthread_mutex_lock(&ours.lock);
    if (ours.count < MESSAGES_MAX) {
        ours.message[ours.count].addr = addr;
        ours.message[ours.count++].data = data;
    }
    (void)pthread_mutex_unlock(&ours.lock);
    (void)eventfd_write(ours.news, 1);
}

/* Waits for messages that nobody took yet; how many. */
static inline uint64_t wait_messages(void)
{
    eventfd_t count = 0;

    ck_assert_int_eq(eventfd_read(ours.news, &count), 0);
    return count;
}

static inline unsigned messages(void)
{
    (void)pthread_mutex_lock(&ours.lock);
    unsigned count = ours.count;
    (void)pthread_mutex_unlock(&ours.lock);
    return count;
}

static inline void setup(void)
{
    ours = (struct bus_of_ours){.host = {place, message}};
    (void)pthread_mutex_init(&ours.lock, NULL);
    ours.news = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_ge(ours.news, 0);
    capture_start(&capture); /* devices say why they need a reset */
    fake_memory(&mem, 0x100000);
    ck_assert_int_eq(fake_create(&echo_class, 0, &mem, NULL, &dev), 0);
    ck_assert_int_eq(pci_init(&pci, dev, &ours.host, BAR), 0);
    ck_assert_int_eq(virtio_start(dev), 0);
}

static inline void teardown(void)
{
    virtio_destroy(dev);
    pci_fini(&pci);
    memory_destroy(&mem);
    (void)close(ours.news);
    (void)capture_end(&capture);
}

/* -- a driver -- */

static inline uint64_t config_rd(size_t off, size_t len)
{
    le64 val = {0};

    pci_config_read(&pci, off, &val, len);
    return from_le64(val);
}

static inline void config_wr(size_t off, uint64_t val, size_t len)
{
    le64 wire = to_le64(val);

    pci_config_write(&pci, off, &wire, len);
}

static inline uint64_t bar_rd(size_t off, size_t len)
{
    le64 val = {0};

    pci_bar_read(&pci, off, &val, len);
    return from_le64(val);
}

static inline void bar_wr(size_t off, uint64_t val, size_t len)
{
    le64 wire = to_le64(val);

    pci_bar_write(&pci, off, &wire, len);
}

/* Offset of the n-th (from 0) virtio capability of that type; of type 0 MSI-X. 0: there is none. */
static inline size_t capability(uint8_t type)
{
    for (size_t at = config_rd(0x34, 1); at != 0; at = config_rd(at + 1, 1)) {
        ck_assert_uint_ge(at, 0x40);
        ck_assert_uint_eq(at % 4, 0);
        if (config_rd(at, 1) == (type == 0 ? 0x11 : 0x09) &&
            (type == 0 || config_rd(at + 3, 1) == type))
            return at;
    }
    return 0;
}

static inline void command(uint16_t val)
{
    config_wr(COMMAND, val, 2);
}

static inline void msix_flags(uint16_t val)
{
    config_wr(capability(0) + 2, val, 2);
}

/* Writes an entry of the table; unmasks it last. */
static inline void entry(unsigned vector, uint64_t addr, uint32_t data)
{
    size_t at = TABLE + 16 * (size_t)vector;

    bar_wr(at + 12, 1, 4);
    bar_wr(at, addr, 4);
    bar_wr(at + 4, addr >> 32, 4);
    bar_wr(at + 8, data, 4);
    bar_wr(at + 12, 0, 4);
}

static inline void mask(unsigned vector, bool on)
{
    bar_wr(TABLE + 16 * (size_t)vector + 12, on, 4);
}

/* What holds the messages of vector 1 back, and what lets them go. */
enum hold { HOLD_ENTRY, HOLD_FUNCTION, HOLD_MASTER, HOLDS };

static inline void hold(enum hold how, bool on)
{
    if (how == HOLD_ENTRY)
        mask(1, on);
    else if (how == HOLD_FUNCTION)
        msix_flags(MSIX_ENABLE | (on ? MSIX_MASK : 0));
    else
        command(MEMORY | (on ? 0 : MASTER));
}

/* Something has happened that is told by vector 1, which is held back: it is pending, and comes
 * when it is let go. */
static inline void assert_held(enum hold how)
{
    while (bar_rd(PENDING, 8) != 2)
        (void)sched_yield();
    ck_assert_uint_eq(messages(), 0);
    hold(how, false);
    ck_assert_uint_ge(wait_messages(), 1);
    ck_assert_uint_eq(ours.message[0].data, 0x41);
    ck_assert_uint_eq(bar_rd(PENDING, 8), 0);
}

static inline void status_wait(uint8_t want)
{
    while (bar_rd(DEVICE_STATUS, 1) != want)
        (void)sched_yield();
}

static inline void queue_setup(unsigned q, uint16_t size)
{
    gpa_t at = RINGS + q * 0x4000;

    fake_ring_init(&ring[q], &mem, size, at, negotiated);
    bar_wr(QUEUE_SELECT, q, 2);
    bar_wr(QUEUE_SIZE, size, 2);
    bar_wr(QUEUE_DESC, (uint32_t)ring[q].desc, 4);
    bar_wr(QUEUE_DESC + 4, ring[q].desc >> 32, 4);
    bar_wr(QUEUE_DRIVER, ring[q].avail, 8);
    bar_wr(QUEUE_DEVICE, ring[q].used, 8);
}

/* As Linux does it: reset, features, MSI-X, queues and their vectors, DRIVER_OK. */
static inline void start(uint64_t features)
{
    negotiated = features |= fake_layout & FAKE_CORE; /* IN_ORDER is not offered */
    command(MEMORY | MASTER);
    bar_wr(DEVICE_STATUS, 0, 1);
    status_wait(0);
    bar_wr(DEVICE_STATUS, 1, 1);
    bar_wr(DEVICE_STATUS, 3, 1);
    for (unsigned word = 0; word < 2; word++) {
        bar_wr(GFSELECT, word, 4);
        bar_wr(GF, features >> 32 * word, 4);
    }
    bar_wr(DEVICE_STATUS, 11, 1);
    ck_assert_uint_eq(bar_rd(DEVICE_STATUS, 1), 11);
    msix_flags(MSIX_ENABLE | MSIX_MASK);
    for (unsigned v = 0; v < 3; v++)
        entry(v, 0xfee00000, 0x40 + v);
    msix_flags(MSIX_ENABLE);
    bar_wr(CONFIG_VECTOR, 0, 2);
    ck_assert_uint_eq(bar_rd(CONFIG_VECTOR, 2), 0);
    for (unsigned q = 0; q < 2; q++) {
        queue_setup(q, 8);
        bar_wr(QUEUE_VECTOR, 1 + q, 2);
        ck_assert_uint_eq(bar_rd(QUEUE_VECTOR, 2), 1 + q);
        bar_wr(QUEUE_ENABLE, 1, 2);
    }
    bar_wr(DEVICE_STATUS, 15, 1);
    status_wait(15);
}

static inline void offer(unsigned q)
{
    const struct fake_piece pieces[] = {{DATA, 4, 0}, {DATA + 4, 4, FAKE_WRITE}};

    ck_assert_int_eq(memory_write(&mem, DATA, "ping\0\0\0\0", 8), 0);
    fake_offer(&ring[q], fake_chain(&ring[q], pieces, 2));
}

static inline void kick(unsigned q)
{
    bar_wr(NOTIFY + 4 * (size_t)q, q, 2);
}

/* Waits, not by an interrupt. */
static inline void wait_used(unsigned q)
{
    uint32_t id, len;

    while (!fake_used(&ring[q], &id, &len))
        (void)sched_yield();
    ck_assert_uint_eq(len, 4);
    ck_assert_mem_eq(memory_at(&mem, DATA + 4, 4), "ping", 4);
}

/* One request, from kick to message. */
static inline void ping(unsigned q, uint32_t data)
{
    unsigned before = messages();

    offer(q);
    kick(q);
    (void)wait_messages();
    wait_used(q);
    ck_assert_uint_eq(messages(), before + 1);
    ck_assert_uint_eq(ours.message[before].addr, 0xfee00000);
    ck_assert_uint_eq(ours.message[before].data, data);
}
