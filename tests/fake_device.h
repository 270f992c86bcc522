/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device for tests: on each of two queues it copies what it can read of a request to what
 * it can write. Counts what the core asks of it, and misbehaves where a test says so.
 */
#pragma once

#include "virtio/device.h"

#define ECHO_CONFIG_BYTES 12
#define ECHO_HELD_MAX     64

struct echo {
    uint64_t before; /* the device need not come first */
    struct virtio_device dev;
    uint8_t config[ECHO_CONFIG_BYTES];
    /* set by the test while the device is inactive */
    int activate_result;
    bool hold; /* keep requests until reset */
    bool pops; /* looks at the first queue once more in a reset */
    bool fail; /* virtio_fail() instead of answering */
    int finish_result;
    /* the worker's */
    unsigned held_count;
    struct chain held[ECHO_HELD_MAX];
    /* read by the test at any time */
    atomic_uint activated, reset, queue_reset, notified, taken, reported, config_written;
};

/* Id 42, two queues of up to 256, feature bits 0 and 5, config space writable, no options. */
extern const struct virtio_class echo_class;

static inline struct echo *echo_of(struct virtio_device *dev)
{
    return container_of(dev, struct echo, dev);
}
