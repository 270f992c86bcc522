/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's side of a virtio device, with a will to do it wrong. Both CPUs drive every
 * device, and neither asks the other.
 */
#pragma once

#include "guests/hostile/transport.h"

#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#define DEVICES_MAX     16
#define QUEUES_MAX      8
#define RING_SIZE_MAX   1024
#define CHAIN_PARTS_MAX 40

/* Where the rings of a queue are; each has room for twice the largest size. */
#define RING_DESC  0x0
#define RING_AVAIL 0x8000
#define RING_USED  0xa000
#define RING_BYTES 0x10000

struct queue {
    uint64_t ring;         /* address of its rings, always the same */
    volatile uint16_t max; /* as the device said */
    volatile uint16_t size;
    volatile uint16_t next_desc;
    volatile uint16_t offered; /* avail.idx */
};

struct device {
    struct transport at;
    uint32_t queue_count;
    struct queue queue[QUEUES_MAX];
};

extern struct device devices[DEVICES_MAX];
extern unsigned device_count;

/* Finds what is in the slots, behind either transport. One CPU. */
void devices_find(void);

/* Reset, features, queues, DRIVER_OK, as the specification has it. */
void device_start(struct device *dev);
/* The same with something wrong in it. */
void device_start_badly(struct device *dev, struct dice *dice);

struct part {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags; /* VRING_DESC_F_WRITE, or 0 */
};

/* Puts a chain into a queue and kicks. */
void queue_offer(struct device *dev, unsigned queue, const struct part *parts, unsigned count);
/* The same with, perhaps, something wrong in the chain, or changed when the device has it. */
void queue_offer_badly(struct device *dev, unsigned queue, const struct part *parts, unsigned count,
                       struct dice *dice);
/* Waits for the device to use all that was offered; false if it takes seconds. */
bool queue_wait(const struct device *dev, unsigned queue);
/* Changes a word of the queue's rings. */
void queue_scribble(struct device *dev, unsigned queue, struct dice *dice);
/* Chains used since the program began, as far as anyone looked. */
uint32_t queue_used_total(void);
