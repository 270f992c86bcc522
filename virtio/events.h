/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the framework tells of a device and its driver (vmm/base/events.h). Where nobody wants to
 * know, dev->events and vq->events are NULL, and that is looked at here.
 */
#pragma once

#include "virtio/device.h"
#include "vmm/base/events.h"

/* Of a queue whose events are told. */
struct queue_events {
    struct events *to; /* borrowed */
    uint8_t device;
    /* Of requests under way, each of which knows its place here: what a push has to know of its
     * pop. (Ids are the driver's, which may give the same one twice.) */
    uint16_t free; /* list of places */
    struct queue_request {
        uint16_t next;
        uint64_t popped_ns;
        struct chain_cursor write; /* where the writable part begins */
        uint32_t readable, writable;
    } request[]; /* vq->limits.size of them */
};

/* Main, before virtio_start(): from now on all is told, first that the device is there: in that
 * slot, as number `number`. -ENOMEM, logged. */
int virtio_events_tell(struct virtio_device *dev, struct events *events, uint8_t number,
                       unsigned slot);
/* For virtio_destroy(). */
void virtio_events_forget(struct virtio_device *dev);

void device_event(const struct virtio_device *dev, enum event_kind kind, uint32_t queue, uint32_t a,
                  uint32_t b);
void device_event_data(const struct virtio_device *dev, enum event_kind kind, uint32_t a,
                       uint32_t b, const void *data, size_t len);
void queue_event_setup(const struct virtio_device *dev, const struct virtq *vq, bool enable);
void queue_event_kick(const struct virtio_device *dev, const struct virtq *vq, uint64_t began_ns);
/* The queue starts: none is under way. */
void queue_events_forget(struct virtq *vq);
void queue_event_pop(struct virtq *vq, struct chain *chain);
/* Before their memory is given back. */
void queue_event_push(struct virtq *vq, const struct chain *chains, unsigned count);

static inline void note(const struct virtio_device *dev, enum event_kind kind, uint32_t queue,
                        uint32_t a, uint32_t b)
{
    if (dev->events != NULL)
        device_event(dev, kind, queue, a, b);
}

static inline void note_data(const struct virtio_device *dev, enum event_kind kind, uint32_t a,
                             uint32_t b, const void *data, size_t len)
{
    if (dev->events != NULL)
        device_event_data(dev, kind, a, b, data, len);
}
