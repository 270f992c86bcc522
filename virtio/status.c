/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a driver sets up, see transport.h: features, status, queues, config space (virtio 1.2 §2.1
 * to §2.5, §3.1). One table says in which order the status may grow. What the driver has no
 * business to do is ignored; only what leaves no honest way on makes the device need a reset.
 *
 * Does not know suspend, shared memory regions, or which features need one another: a class looks
 * at all that a request of the driver's needs.
 */
#include "virtio/events.h"
#include "virtio/transport.h"
#include "virtio/worker.h"

#include <linux/virtio_config.h>
#include <string.h>

#define FEATURES_WORDS 2 /* 32-bit words of features that we know; the rest is 0 */

/* -- features -- */

uint32_t virtio_features_read(const struct virtio_device *dev, uint32_t word)
{
    uint32_t val = word < FEATURES_WORDS ? (uint32_t)(dev->features >> 32 * word) : 0;

    note(dev, EVENT_FEATURES_READ, 0, word, val);
    return val;
}

uint32_t virtio_features_written(const struct virtio_device *dev, uint32_t word)
{
    uint64_t written = dev->features_written & dev->features;

    return word < FEATURES_WORDS ? (uint32_t)(written >> 32 * word) : 0;
}

void virtio_features_write(struct virtio_device *dev, uint32_t word, uint32_t val)
{
    note(dev, EVENT_FEATURES_WRITE, 0, word, val);
    if (word >= FEATURES_WORDS) {
        dev->features_odd |= val != 0;
        return;
    }
    dev->features_written &= ~((uint64_t)UINT32_MAX << 32 * word);
    dev->features_written |= (uint64_t)val << 32 * word;
}

/* -- the status machine -- */

/* FEATURES_OK: the features are final, or the bit stays 0. */
static bool features_ok_enter(struct virtio_device *dev)
{
    uint64_t accepted = dev->features_written;

    if (dev->features_odd || (accepted & ~dev->features) != 0 ||
        (accepted >> VIRTIO_F_VERSION_1 & 1) == 0)
        return false;
    dev->driver_features = accepted;
    return true;
}

/* How the status may grow (§2.1.1, §3.1.1): a bit is taken once all that it needs is there and its
 * `enter` agrees. Bits of one write are taken in this order. A refused bit reads 0. */
static const struct status_step {
    uint32_t bit;
    uint32_t needs;
    bool (*enter)(struct virtio_device *dev);
} status_steps[] = {
    {VIRTIO_CONFIG_S_ACKNOWLEDGE, 0, NULL},
    {VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE, NULL},
    {VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER, features_ok_enter},
    {VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK, NULL},
    {VIRTIO_CONFIG_S_FAILED, 0, NULL},
};

uint32_t virtio_status_read(const struct virtio_device *dev)
{
    return atomic_load(&dev->status);
}

/* Bits are added only: what is missing in val stays. Those that were added. */
static uint32_t status_grow(struct virtio_device *dev, uint32_t val)
{
    uint32_t added = 0;

    for (size_t i = 0; i < ARRAY_SIZE(status_steps); i++) {
        const struct status_step *step = &status_steps[i];
        uint32_t now = atomic_load(&dev->status);
        if ((val & ~now & step->bit) == 0 || (now & step->needs) != step->needs)
            continue;
        if (step->enter != NULL && !step->enter(dev))
            continue;
        (void)atomic_fetch_or(&dev->status, step->bit);
        added |= step->bit;
    }
    return added;
}

void status_reset(struct virtio_device *dev)
{
    dev->features_written = dev->driver_features = 0;
    dev->features_odd = false;
    for (unsigned i = 0; i < dev->queue_count; i++)
        dev->queue[i].config = (struct virtq_config){0};
    atomic_store(&dev->status, 0);
    note(dev, EVENT_RESET, 0, 0, 0);
    dev->transport->ops->reset(dev->transport);
}

/* A driver starts by resetting a device that is idle: nobody has to be asked for that. */
static void reset_begin(struct virtio_device *dev)
{
    if (dev->active)
        workers_ask(dev, VIRTIO_REQUEST_RESET);
    else
        status_reset(dev);
}

void virtio_status_write(struct virtio_device *dev, uint32_t val)
{
    const uint32_t hopeless = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;

    if (val == 0) {
        note(dev, EVENT_STATUS, 0, 0, atomic_load(&dev->status));
        reset_begin(dev);
        return;
    }
    uint32_t added = status_grow(dev, val);
    uint32_t now = atomic_load(&dev->status);
    note(dev, EVENT_STATUS, 0, val, now);
    if ((added & VIRTIO_CONFIG_S_FAILED) != 0) {
        if (dev->active)
            workers_ask(dev, VIRTIO_REQUEST_QUIESCE);
    } else if ((added & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
        if ((now & hopeless) == 0)
            workers_ask(dev, VIRTIO_REQUEST_ACTIVATE);
    } else if ((val & ~now & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
        virtio_fail(dev, -EPROTO, "DRIVER_OK before FEATURES_OK");
    }
}

/* -- queues -- */

const struct virtq *virtio_queue(const struct virtio_device *dev, uint32_t queue)
{
    return queue < dev->queue_count ? &dev->queue[queue] : NULL;
}

struct virtq_config *virtio_queue_setup(struct virtio_device *dev, uint32_t queue)
{
    if (queue >= dev->queue_count || dev->queue[queue].config.ready)
        return NULL;
    return &dev->queue[queue].config;
}

void virtio_queue_enable(struct virtio_device *dev, uint32_t queue, bool enable)
{
    if (queue >= dev->queue_count || dev->queue[queue].config.ready == enable)
        return;
    if (enable || !dev->active)
        dev->queue[queue].config.ready = enable;
    if (dev->events != NULL)
        queue_event_setup(dev, &dev->queue[queue], enable);
    dev->request_queue = (uint16_t)queue;
    if (dev->active)
        workers_ask(dev, enable ? VIRTIO_REQUEST_QUEUE_START : VIRTIO_REQUEST_QUEUE_STOP);
}

bool virtio_queue_reset(struct virtio_device *dev, uint32_t queue)
{
    if (queue >= dev->queue_count || !virtio_has(dev, VIRTIO_F_RING_RESET))
        return false;
    note(dev, EVENT_QUEUE_RESET, queue, 0, 0);
    if (dev->active) {
        dev->request_queue = (uint16_t)queue;
        workers_ask(dev, VIRTIO_REQUEST_QUEUE_RESET);
    } else {
        dev->queue[queue].config = (struct virtq_config){0};
    }
    return true;
}

bool virtio_queue_resetting(const struct virtio_device *dev, uint32_t queue)
{
    return dev->request == VIRTIO_REQUEST_QUEUE_RESET && dev->request_queue == queue;
}

void virtio_queue_kick(struct virtio_device *dev, uint32_t queue)
{
    bool driver_ok = (atomic_load(&dev->status) & VIRTIO_CONFIG_S_DRIVER_OK) != 0;

    if (driver_ok && queue < dev->queue_count && dev->queue[queue].config.ready)
        virtq_kick(&dev->queue[queue]);
}

/* -- config space -- */

/* How many of `len` bytes from `off` on are inside config space. */
static size_t config_clip(const struct virtio_device *dev, size_t off, size_t len)
{
    return off < dev->config_size ? MIN(len, dev->config_size - off) : 0;
}

void virtio_config_read(const struct virtio_device *dev, size_t off, void *ret_buf, size_t len)
{
    size_t inside = config_clip(dev, off, len);

    memset(ret_buf, 0, len);
    if (inside > 0)
        memcpy(ret_buf, dev->config + off, inside);
    note_data(dev, EVENT_CONFIG_READ, (uint32_t)off, (uint32_t)len, ret_buf, len);
}

void virtio_config_write(struct virtio_device *dev, size_t off, const void *buf, size_t len)
{
    size_t inside = config_clip(dev, off, len);

    note_data(dev, EVENT_CONFIG_WRITE, (uint32_t)off, (uint32_t)len, buf, len);
    if ((atomic_load(&dev->status) & VIRTIO_CONFIG_S_FEATURES_OK) == 0)
        return;
    if (inside == 0 || dev->class->config_write == NULL)
        return;
    assert(inside <= sizeof(dev->write_bytes)); /* a register access */
    memcpy(dev->write_bytes, buf, inside);
    dev->write_off = off;
    dev->write_len = inside;
    workers_ask(dev, VIRTIO_REQUEST_CONFIG_WRITE);
}
