/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device of the host's kernel that serves queues of ours (linux/vhost.h). It is given guest RAM,
 * the rings and two eventfds a queue: the driver's kicks, which are the queue's own, and its calls,
 * which the queue's worker passes on to the driver, or KVM does (virtio_call_add()).
 *
 *   driver --kick--> [ vhost: the kernel ] --call--> worker, or KVM --interrupt--> driver
 *
 * The kernel checks what is in the rings, and reaches nothing but the RAM that it was told of. Each
 * kind of vhost device has a request of its own to begin and to end, which its user makes: after
 * vhost_start(), and before vhost_stop().
 */
#pragma once

#include "virtio/device.h"

#define VHOST_QUEUES_MAX 2

struct vhost_call {
    struct watch watch; /* owned eventfd; added while the queue is served there */
    struct virtio_device *dev;
    struct virtq *vq;
};

struct vhost {
    int fd; /* owned; 0: not opened */
    uint64_t known,
        kind; /* features: of the kernel's; of those beside the rings' that concern it */
    struct vhost_call call[VHOST_QUEUES_MAX];
};

/* Main: opens /dev/NODE, which is also its module's name, give or take a '-'. `kind` are the
 * features of that kind of device that it must know. `name` is for messages. -errno, after saying
 * what is wrong; vhost_close() may follow. */
int vhost_open(struct vhost *vhost, const char *name, const char *node, uint64_t kind);
/* Accepts a zeroed one. */
void vhost_close(struct vhost *vhost);
/* Main: takes back what the device offers and the kernel does not know. */
void vhost_limit(const struct vhost *vhost, struct virtio_device *dev);

/* In activate(): gives it the driver's features, guest RAM, and those of `count` queues from
 * `first` on that are started. -errno; vhost_stop() may follow. */
int vhost_start(struct vhost *vhost, struct virtio_device *dev, unsigned first, unsigned count);
/* In reset(), when it has ended. Accepts one not started. */
void vhost_stop(struct vhost *vhost);

/* One request to it: 0 or -errno. */
int vhost_request(const struct vhost *vhost, unsigned long number, void *arg);
