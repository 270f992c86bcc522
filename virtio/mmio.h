/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio-mmio transport, version 2 (virtio 1.2 §4.2): a page of registers in front of a struct
 * virtio_device. Runs on vCPU threads, one access at a time (the bus lock). No legacy interface.
 *
 * The notification register is an ioeventfd per queue where KVM runs; a write that reaches
 * mmio_ops kicks the same eventfd.
 *
 * Interrupts are edges, where §4.2.2 has a level: each event sets its InterruptStatus bit, then
 * pulses the line, also when the bit was set already; the machine's description says "edge". None
 * is lost. The event's cause (a used entry, config space) is visible before its bit, and its bit
 * before its pulse. A driver acknowledges first and looks for causes after. So if the event comes
 * before the acknowledgement, the look that follows sees its cause; if it comes later, its pulse is
 * latched by the interrupt controller and the handler runs again. The price is a handler that at
 * times finds InterruptStatus 0.
 */
#pragma once

#include "virtio/device.h"
#include "vmm/base/bus.h"

#define MMIO_SIZE         0x200 /* bytes a slot describes to the guest */
#define MMIO_QUEUE_NOTIFY 0x050

/* What the driver wrote to the transport itself; the rest lives in the device. */
struct mmio {
    struct virtio_device *dev; /* borrowed */
    uint32_t device_features_sel, driver_features_sel, queue_sel;
    uint64_t driver_features; /* being collected; latched at FEATURES_OK */
    bool driver_features_odd; /* bits from 64 on, none of which is ever offered, were written */
};

/* For bus_add(bus, base, MMIO_SIZE, &mmio_ops, mmio). */
extern const struct bus_ops mmio_ops;

void mmio_init(struct mmio *mmio, struct virtio_device *dev);
