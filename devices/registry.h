/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every class of virtio device that there is, and where its instances are. A new device is a file,
 * a line here, a row in registry.c.
 *
 * Instance i of a class is in slot `first` + i, whatever else the machine has, so that adding a
 * device moves no other. All that is where follows from the slot and is nowhere else: over mmio
 * registers are at arch_layout->virtio_base + slot * virtio_stride and the interrupt is
 * virtio_irqs[slot]; over PCI the slot is the device's number on the bus.
 */
#pragma once

#include "virtio/device.h"

extern const struct virtio_class virtio_balloon;
extern const struct virtio_class virtio_console;
extern const struct virtio_class virtio_rng;
extern const struct virtio_class virtio_snd;
extern const struct virtio_class virtio_blk;
extern const struct virtio_class virtio_net;
extern const struct virtio_class virtio_fs;
extern const struct virtio_class virtio_input;
extern const struct virtio_class virtio_vsock;
extern const struct virtio_class virtio_pmem;
extern const struct virtio_class virtio_vhost_user;

/* The same where the process is one of ours, which says itself why it does not come up; takes its
 * end of a socket as fd=. In no table. */
extern const struct virtio_class virtio_isolated;

struct virtio_slots {
    const struct virtio_class *class;
    uint8_t first, count; /* of the instances that a machine may have */
};

/* As `first`: each instance goes where virtio_slot_free() says. */
#define VIRTIO_SLOT_FREE 255

/* In slot order, those without one last; ends with a NULL class. */
extern const struct virtio_slots virtio_slots[];

/* The slot for one more device of that type, where bit n of `taken` is set for each slot n in use:
 * the next one of our own class for it, or if there is none the last that is free. -ENOSPC. */
int virtio_slot_free(uint32_t id, uint32_t taken);
