/* SPDX-License-Identifier: BSD-3-Clause */
/* See device.h (virtio 1.2 §2.7, §3.1.1). */
#include "guests/hostile/device.h"

#include <linux/virtio_config.h>

#define SLOTS 32

#define ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      (ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define FEATURES_OK (DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)
#define DRIVER_OK   (FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

struct device devices[DEVICES_MAX];
unsigned device_count;
static volatile uint32_t used_total;

static void queues_find(struct device *dev)
{
    for (uint32_t i = 0; i < QUEUES_MAX; i++) {
        struct queue *q = &dev->queue[i];
        reg_write(&dev->at, REG_QUEUE_SEL, i);
        q->max = (uint16_t)reg_read(&dev->at, REG_QUEUE_MAX);
        if (q->max == 0)
            return;
        q->size = q->max;
        q->ring = ARENA + (device_count * QUEUES_MAX + i) * RING_BYTES;
        dev->queue_count++;
    }
}

void devices_find(void)
{
    static struct transport (*const kinds[])(unsigned slot) = {transport_mmio, transport_pci};

    for (unsigned i = 0; i < 2 * SLOTS && device_count < DEVICES_MAX; i++) {
        struct device *dev = &devices[device_count];
        dev->at = kinds[i / SLOTS](i % SLOTS);
        if (dev->at.id == 0)
            continue;
        queues_find(dev);
        if (dev->queue_count > 0) /* a device that another process serves may have none */
            device_count++;
    }
}

/* -- start -- */

static uint16_t used_index(const struct queue *q)
{
    return peek16(q->ring + RING_USED + 2);
}

uint32_t queue_used_total(void)
{
    return used_total;
}

/* One of the rings, if any, is elsewhere. */
static void queue_start(struct device *dev, unsigned index, uint32_t size, uint32_t odd_ring,
                        uint64_t odd_address)
{
    static const enum reg regs[] = {REG_QUEUE_DESC, REG_QUEUE_AVAIL, REG_QUEUE_USED};
    static const uint32_t places[] = {RING_DESC, RING_AVAIL, RING_USED};
    struct queue *q = &dev->queue[index];

    used_total += used_index(q);
    q->size = (uint16_t)(size == 0 || size > RING_SIZE_MAX ? q->max : size);
    q->next_desc = 0;
    q->offered = 0;
    poke32(q->ring + RING_AVAIL, 0);
    poke32(q->ring + RING_USED, 0);
    reg_write(&dev->at, REG_QUEUE_SEL, index);
    reg_write(&dev->at, REG_QUEUE_SIZE, size);
    for (uint32_t i = 0; i < ARRAY_SIZE(regs); i++)
        address_write(&dev->at, regs[i], i == odd_ring ? odd_address : q->ring + places[i]);
    reg_write(&dev->at, REG_QUEUE_READY, 1);
}

#define RING_NONE 3

/* All that there are but packed rings, which the driver does not know; a bad start takes them, too,
 * and finds its rings read as what they are not. */
static uint32_t features_known(const struct device *dev, uint32_t word)
{
    reg_write(&dev->at, REG_DEVICE_FEATURES_SEL, word);
    return reg_read(&dev->at, REG_DEVICE_FEATURES) & ~(word == 1 ? 1u << 2 : 0);
}

void device_start(struct device *dev)
{
    transport_mend(&dev->at);
    reg_write(&dev->at, REG_STATUS, 0);
    transport_vectors(&dev->at, dev->queue_count);
    reg_write(&dev->at, REG_STATUS, ACKNOWLEDGE);
    reg_write(&dev->at, REG_STATUS, DRIVER);
    for (uint32_t word = 0; word < 2; word++) {
        reg_write(&dev->at, REG_DRIVER_FEATURES_SEL, word);
        reg_write(&dev->at, REG_DRIVER_FEATURES, features_known(dev, word));
    }
    reg_write(&dev->at, REG_STATUS, FEATURES_OK);
    for (unsigned i = 0; i < dev->queue_count; i++)
        queue_start(dev, i, dev->queue[i].max, RING_NONE, 0);
    reg_write(&dev->at, REG_STATUS, DRIVER_OK);
}

/* Any size, small ones more often: a ring that is full, or has come around. */
static uint32_t bad_size(const struct queue *q, struct dice *dice)
{
    switch (roll(dice, 4)) {
    case 0:
        return evil_32(dice);
    case 1:
        return q->max * 2u;
    default:
        return 1u << roll(dice, 5);
    }
}

static void queue_start_badly(struct device *dev, unsigned index, struct dice *dice)
{
    struct queue *q = &dev->queue[index];

    switch (roll(dice, 6)) {
    case 0:
        queue_start(dev, index, bad_size(q, dice), RING_NONE, 0);
        return;
    case 1: /* one ring over another, or a part of it */
        queue_start(dev, index, q->max, roll(dice, 3),
                    q->ring + roll(dice, RING_BYTES / 2) / 8 * 8);
        return;
    case 2: /* ... or over another device's */
        queue_start(dev, index, q->max, roll(dice, 3),
                    ARENA + roll(dice, device_count * QUEUES_MAX) * RING_BYTES);
        return;
    case 3:
        queue_start(dev, index, q->max, roll(dice, 3), evil_address(dice));
        return;
    case 4: /* not at all */
        return;
    default:
        queue_start(dev, index, q->max, RING_NONE, 0);
        reg_write(&dev->at, REG_QUEUE_READY, evil_32(dice));
        return;
    }
}

void device_start_badly(struct device *dev, struct dice *dice)
{
    static const uint32_t steps[] = {0, ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK};
    uint32_t bad_step = roll(dice, 16), bad_queue = roll(dice, dev->queue_count + 2);
    uint32_t bad_features = roll(dice, 4);

    for (uint32_t step = 0; step < ARRAY_SIZE(steps); step++) {
        uint32_t status = steps[step];
        if (status == DRIVER_OK)
            for (unsigned i = 0; i < dev->queue_count; i++) {
                if (i == bad_queue)
                    queue_start_badly(dev, i, dice);
                else
                    queue_start(dev, i, dev->queue[i].max, RING_NONE, 0);
            }
        for (uint32_t word = 0; status == FEATURES_OK && word < 2; word++) {
            uint32_t features = features_known(dev, word);
            if (bad_features == word)
                features = (features | 1u << 2) & (uint32_t)roll_64(dice);
            reg_write(&dev->at, REG_DRIVER_FEATURES_SEL, word);
            reg_write(&dev->at, REG_DRIVER_FEATURES, features);
        }
        reg_write(&dev->at, REG_STATUS, step == bad_step ? evil_32(dice) : status);
    }
}

/* -- chains -- */

static void desc_write(uint64_t table, uint32_t index, struct part part, uint32_t next)
{
    uint64_t at = table + index * sizeof(struct vring_desc);

    poke64(at, part.address);
    poke32(at + 8, part.bytes);
    poke16(at + 12, part.flags);
    poke16(at + 14, (uint16_t)next);
}

/* Into a table, from `first` on; returns the index behind the chain. */
static uint32_t chain_write(uint64_t table, uint32_t size, uint32_t first, const struct part *parts,
                            unsigned count)
{
    uint32_t at = first;

    for (unsigned i = 0; i < count; i++) {
        struct part part = parts[i];
        uint32_t next = (at + 1) % size;
        if (i + 1 < count)
            part.flags |= VRING_DESC_F_NEXT;
        desc_write(table, at, part, next);
        at = next;
    }
    return at;
}

static void head_offer(struct queue *q, uint32_t head)
{
    uint16_t offered = q->offered;

    poke16(q->ring + RING_AVAIL + 4 + 2u * (offered % q->size), (uint16_t)head);
    q->offered = (uint16_t)(offered + 1);
    poke16(q->ring + RING_AVAIL + 2, (uint16_t)(offered + 1));
}

void queue_offer(struct device *dev, unsigned queue, const struct part *parts, unsigned count)
{
    struct queue *q = &dev->queue[queue];
    uint32_t head = q->next_desc;

    q->next_desc = (uint16_t)chain_write(q->ring, q->size, head, parts, count);
    head_offer(q, head);
    doorbell_ring(&dev->at, queue);
}

/* Changes a field of a descriptor: what it names, how long, what kind, what comes next. */
static void desc_spoil(uint64_t at, struct dice *dice)
{
    switch (roll(dice, 4)) {
    case 0:
        poke64(at, evil_address(dice));
        break;
    case 1:
        poke32(at + 8, evil_32(dice));
        break;
    case 2:
        poke16(at + 12, (uint16_t)(one_in(dice, 4) ? evil_32(dice) : roll(dice, 8)));
        break;
    default:
        poke16(at + 14, (uint16_t)(one_in(dice, 4) ? evil_32(dice) : roll(dice, 8)));
        break;
    }
}

void queue_offer_badly(struct device *dev, unsigned queue, const struct part *parts, unsigned count,
                       struct dice *dice)
{
    struct queue *q = &dev->queue[queue];
    bool indirect = one_in(dice, 3), bad_chain = one_in(dice, 30), changed = one_in(dice, 30);
    uint32_t size = q->size, head = q->next_desc % size;
    uint64_t table = indirect ? arena_piece(dice, CHAIN_PARTS_MAX * 16) : q->ring;
    uint32_t first = indirect ? 0 : head;

    uint32_t end = chain_write(table, indirect ? CHAIN_PARTS_MAX : size, first, parts, count);
    uint64_t spoilt = table + (first + roll(dice, count)) % size * sizeof(struct vring_desc);
    if (indirect) {
        struct part whole = {table, count * 16, VRING_DESC_F_INDIRECT};
        if (one_in(dice, 40))
            whole.bytes = evil_32(dice);
        end = chain_write(q->ring, size, head, &whole, 1);
    }
    q->next_desc = (uint16_t)end;
    if (bad_chain)
        desc_spoil(spoilt, dice);
    head_offer(q, one_in(dice, 300) ? evil_32(dice) : head);
    if (!one_in(dice, 8))
        doorbell_ring(&dev->at, queue);
    if (changed)
        desc_spoil(spoilt, dice);
}

bool queue_wait(const struct device *dev, unsigned queue)
{
    const struct queue *q = &dev->queue[queue];
    uint64_t start = clock();

    while (used_index(q) != q->offered) {
        if (clock() - start > 10000 * MILLISECOND)
            return false;
        __asm__ volatile("pause");
    }
    return true;
}

void queue_scribble(struct device *dev, unsigned queue, struct dice *dice)
{
    struct queue *q = &dev->queue[queue];

    switch (roll(dice, 6)) {
    case 0: /* more, or less, than there is */
        poke16(q->ring + RING_AVAIL + 2, (uint16_t)(q->offered + roll(dice, 4) * (q->size / 2u)));
        break;
    case 1:
        poke16(q->ring + RING_AVAIL, (uint16_t)evil_32(dice));
        break;
    case 2: /* a head, or behind the last one used_event */
        poke16(q->ring + RING_AVAIL + 4 + 2u * roll(dice, q->size + 1u), (uint16_t)evil_32(dice));
        break;
    case 3: /* what is the device's */
        poke32(q->ring + RING_USED + 4 * roll(dice, 2u * q->size + 2), evil_32(dice));
        break;
    default:
        desc_spoil(q->ring + roll(dice, q->size) * sizeof(struct vring_desc), dice);
        break;
    }
}
