/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio-mmio transport, version 2 (virtio 1.2 §4.2): a page of registers in front of a struct
 * virtio_device. Runs on vCPU threads, one access at a time (the bus lock). No legacy interface.
 *
 * The notification register is an ioeventfd per queue where KVM runs; a write that reaches
 * mmio_ops (tests, odd widths) kicks the same eventfd.
 *
 * Interrupts are edges: each event pulses the line, also while its InterruptStatus bit is already set,
 * and the machine's description says "edge", so none is lost between read and acknowledge.
 */
#pragma once

#include "virtio/device.h"
#include "vmm/bus.h"

#define MMIO_SIZE         0x200 /* bytes a slot describes to the guest */
#define MMIO_QUEUE_NOTIFY 0x050

struct mmio {
    struct virtio_device *dev; /* borrowed */
    uint32_t device_features_sel, driver_features_sel, queue_sel, shm_sel;
    uint64_t driver_features; /* being collected; latched at FEATURES_OK */
};

/* For bus_add(bus, base, MMIO_SIZE, &mmio_ops, mmio). */
extern const struct bus_ops mmio_ops;

void mmio_init(struct mmio *mmio, struct virtio_device *dev);
