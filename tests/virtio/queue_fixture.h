/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of a ring begin with: memory, and a queue in it whose driver is scripted. */
#pragma once

#include "tests/fake_driver.h"
#include "virtio/queue.h"

#include <check.h>

/* RAM: 1 GiB from 0, a hole, 1 MiB from 4 GiB. Only what is touched costs memory. */
#define RAM_LOW  0x40000000ull
#define RAM_HIGH 0x100000000ull
#define RAM_SIZE (RAM_LOW + 0x100000)

#define RING  0x10000
#define TABLE 0x40000
#define DATA  0x80000

static struct memory mem;
static struct virtq vq;
static struct fake_ring ring;
static struct chain chain;

static inline void setup(void)
{
    ck_assert_int_eq(memory_create(&mem, RAM_SIZE, &(struct memory_layout){0, RAM_LOW, RAM_HIGH},
                                   MEMORY_PAGES_AUTO),
                     0);
    const struct virtq_limits limits = {.size = 1024, .chain_descs = 1024};

    ck_assert_int_eq(virtq_init(&vq, &mem, 0, &limits), 0);
}

static inline void teardown(void)
{
    virtq_stop(&vq);
    virtq_fini(&vq);
    memory_destroy(&mem);
}

static inline void configure(uint16_t size, uint64_t features)
{
    fake_ring_init(&ring, &mem, size, RING, features);
    vq.config = (struct virtq_config){
        .size = size, .ready = true, .desc = ring.desc, .driver = ring.avail, .device = ring.used};
}

/* The areas wherever a test says. */
struct areas {
    gpa_t desc, driver, device;
    int result; /* of virtq_start() */
};

static inline void start_at(const struct areas *areas, uint16_t size, uint64_t features)
{
    vq.config = (struct virtq_config){.size = size,
                                      .ready = true,
                                      .desc = areas->desc,
                                      .driver = areas->driver,
                                      .device = areas->device};
    ck_assert_int_eq(virtq_start(&vq, features), areas->result);
}

/* A running queue. */
static inline void start_with(uint16_t size, uint64_t features)
{
    configure(size, features);
    ck_assert_int_eq(virtq_start(&vq, features), 0);
}

static inline void start(uint16_t size, bool event_idx, bool indirect)
{
    start_with(size, fake_queue_features(event_idx, indirect));
}
