/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between a device and a guest's driver stands a transport: registers of virtio-mmio, of PCI, or
 * another process's messages. It carries what the driver sets up to the device, which checks it and
 * owns all of it (features, status, queues, config space), and the device's news to the driver. So
 * a line, an MSI-X vector and an eventfd are alike to the device, and registers are all that a
 * transport is.
 *
 * Locking. The transport calls everything here with the device locked, from any vCPU's thread (or
 * the one that reads messages):
 *
 *   virtio_lock(dev);        a read stops here: it never waits for the device
 *   virtio_settle(dev);      before a write: whatever another vCPU asked for is done
 *   ...                      the register
 *   virtio_settle(dev);      where a write has to be complete when it returns (mmio: always)
 *   virtio_unlock(dev);
 *
 * Reset has two halves: writing 0 to Status asks for it, and it is done when Status reads 0. In
 * between the first worker ends what is under way, which takes a disk as long as its slowest
 * request. virtio_settle() waits for that with the device unlocked: other vCPUs go on reading this
 * device's registers (a handler reads InterruptStatus), and everything of other devices. PCI's
 * drivers poll Status, so its transport need not wait; mmio's expect a device at rest when the
 * write returns (Linux frees the rings at once, and warns of a QueueReady that is not 0).
 */
#pragma once

#include "virtio/device.h"

struct virtio_transport_ops {
    /* A request of this queue was used. The queue's worker, not locked. */
    void (*queue_news)(struct virtio_transport *transport, const struct virtq *vq);
    /* Whoever this queue is lent to tells the same by that eventfd, -1: no more. A transport that
     * can has the driver told without us, and then ignores queue_news() for as long. NULL: it
     * can't. The queue's worker, not locked. */
    void (*queue_calls)(struct virtio_transport *transport, const struct virtq *vq, int fd);
    /* Config space changed, or the device needs a reset. Any thread, perhaps locked. */
    void (*config_news)(struct virtio_transport *transport);
    /* The device was reset: forget what was written to the transport, and news not yet seen. No
     * news comes meanwhile. Locked. */
    void (*reset)(struct virtio_transport *transport);
};

/* To be embedded. */
struct virtio_transport {
    const struct virtio_transport_ops *ops;
};

/* Main, before the guest runs. Borrowed until the device is destroyed, or connected to another. */
void virtio_connect(struct virtio_device *dev, struct virtio_transport *transport);

void virtio_lock(struct virtio_device *dev);
void virtio_unlock(struct virtio_device *dev);
/* Waits, not locked meanwhile, until nothing is asked of the device. */
void virtio_settle(struct virtio_device *dev);

/* -- the driver's writes: settled -- */

/* 32 bits of the features that the driver takes. Word 0 is the lowest. They count when FEATURES_OK
 * is set. */
void virtio_features_write(struct virtio_device *dev, uint32_t word, uint32_t val);
/* §2.1.1: bits that the driver may set now are added, the others dropped; 0 begins a reset,
 * DRIVER_OK an activation. */
void virtio_status_write(struct virtio_device *dev, uint32_t val);
/* What the driver may change now of that queue's set-up: NULL if it is enabled, or is none. */
struct virtq_config *virtio_queue_setup(struct virtio_device *dev, uint32_t queue);
/* As it was set up, or not. Of a device that runs the queue alone is started or stopped, and once
 * that is settled `ready` says so: one that was stopped keeps no request, touches no memory, and
 * virtq_base() tells how far it came (config.resumes lets one begin there). */
void virtio_queue_enable(struct virtio_device *dev, uint32_t queue, bool enable);
/* Queue reset (§2.6.1): stops it, and forgets how it was set up. Vanishes without RING_RESET:
 * false. */
bool virtio_queue_reset(struct virtio_device *dev, uint32_t queue);
/* A notification that did not go straight to the queue's eventfd. */
void virtio_queue_kick(struct virtio_device *dev, uint32_t queue);
/* The same, by a watch of the transport's in the loop of the queue's worker, on that worker and not
 * locked. */
void virtio_queue_serve(struct virtio_device *dev, struct virtq *vq);
/* At most 8 bytes. Vanishes outside config space, and before FEATURES_OK. */
void virtio_config_write(struct virtio_device *dev, size_t off, const void *buf, size_t len);

/* -- the driver's reads -- */

uint32_t virtio_features_read(const struct virtio_device *dev, uint32_t word);
/* What of that word the driver has written so far, without bits that are not offered. */
uint32_t virtio_features_written(const struct virtio_device *dev, uint32_t word);
uint32_t virtio_status_read(const struct virtio_device *dev);
/* NULL: there is no such queue. Of it only `limits` and `config` are the transport's to see. */
const struct virtq *virtio_queue(const struct virtio_device *dev, uint32_t queue);
/* A queue reset was asked for, and is not done. */
bool virtio_queue_resetting(const struct virtio_device *dev, uint32_t queue);
/* Bytes past the end of config space are 0. */
void virtio_config_read(const struct virtio_device *dev, size_t off, void *ret_buf, size_t len);
