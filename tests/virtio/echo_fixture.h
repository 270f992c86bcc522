/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of devices behind virtio-mmio begin with: one that answers (tests/fake_device.h), with
 * a scripted driver. */
#pragma once

#include "tests/capture.h"
#include "tests/fake_device.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <string.h>

#define RINGS 0x10000
#define DATA  0x80000

static struct memory mem;
static struct virtio_device *dev;
static struct echo *echo;
static struct fake_driver drv;
static struct capture capture;

static inline void setup(void)
{
    capture_start(&capture); /* devices say why they need a reset */
    fake_memory(&mem, 0x100000);
    ck_assert_int_eq(fake_create(&echo_class, 0, &mem, NULL, &dev), 0);
    echo = echo_of(dev);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

static inline void teardown(void)
{
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    (void)capture_end(&capture);
}

static inline uint32_t rd(uint64_t off)
{
    return fake_read(&drv, off);
}

static inline void wr(uint64_t off, uint32_t val)
{
    fake_write(&drv, off, val);
}

/* Offers four bytes to be copied to behind them, without a kick. */
static inline void offer(uint16_t queue)
{
    const struct fake_piece pieces[] = {{DATA, 4, 0}, {DATA + 4, 4, FAKE_WRITE}};

    ck_assert_int_eq(memory_write(&mem, DATA, "ping\0\0\0\0", 8), 0);
    fake_offer(&drv.ring[queue], fake_chain(&drv.ring[queue], pieces, 2));
}

static inline void kick(uint16_t queue)
{
    wr(FAKE_QUEUE_NOTIFY, queue);
}

/* One request, from kick to interrupt. */
static inline void ping(uint16_t queue)
{
    uint32_t id, len;

    offer(queue);
    kick(queue);
    ck_assert(fake_wait_used(&drv, queue, &id, &len));
    ck_assert_uint_eq(len, 4);
    ck_assert_mem_eq(memory_at(&mem, DATA + 4, 4), "ping", 4);
}
