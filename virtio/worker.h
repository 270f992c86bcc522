/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The workers of a device and what is asked of them, for the other files of virtio/ only. See
 * device.h for who may do what.
 *
 * Whoever wants something leaves it in struct virtio_device, under its lock, and wakes the first
 * worker. That one has the others stand still, does what it finds, and lets them go. While the
 * device is paused it goes on waiting there, so that no watch of any loop is served.
 */
#pragma once

#include "virtio/device.h"

/* Main, from create. -errno; workers_fini() may follow in any case. */
int workers_init(struct virtio_device *dev);
void workers_fini(struct virtio_device *dev);
/* Main. Stopping joins the threads; what was asked for until then is done. */
int workers_start(struct virtio_device *dev);
void workers_stop(struct virtio_device *dev);

/* Locked, and nothing else is asked: virtio_settle() waits until it is done. */
void workers_ask(struct virtio_device *dev, enum virtio_request request);

/* Locked: the first worker looks whether there is something to do. */
void workers_wake(struct virtio_device *dev);

/* In status.c. Locked: nothing of what the driver set up is left. */
void status_reset(struct virtio_device *dev);
