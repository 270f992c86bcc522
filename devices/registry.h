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

struct virtio_slots {
    const struct virtio_class *class;
    uint8_t first, count; /* of the instances that a machine may have */
};

/* In slot order, ends with a NULL class. */
extern const struct virtio_slots virtio_slots[];
