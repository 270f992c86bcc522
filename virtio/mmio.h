/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio-mmio transport, version 2 (virtio 1.2 §4.2): a page of registers in front of a struct
 * virtio_device. Runs on vCPU threads; a write has done all that it asked for when it returns. No
 * legacy interface.
 *
 * The notification register is an ioeventfd per queue where KVM runs; a write that reaches
 * mmio_ops kicks the same eventfd.
 *
 * Interrupts are edges, where §4.2.2 has a level: each event sets its InterruptStatus bit, then
 * pulses the line, also when the bit was set already; the machine's description says "edge". None
 * is lost. The event's cause (a used entry, config space) is visible before its bit, and its bit
 * before its pulse. A driver acknowledges first and looks for causes after. So if the event comes
 * before the acknowledgement, the look that follows sees its cause; if it comes later, its pulse is
 * latched by the interrupt controller, or repeated if the pin was masked (vmm/base/irq.h), and the
 * handler runs again.
 *
 * That used buffers are acknowledged KVM notes in an eventfd, without an exit to us; it is looked
 * at when InterruptStatus is read. So an acknowledgement is for what was read before: a bit that
 * was set since stays.
 */
#pragma once

#include "virtio/transport.h"
#include "vmm/base/bus.h"
#include "vmm/base/irq.h"

#define MMIO_SIZE          0x200 /* bytes a slot describes to the guest */
#define MMIO_QUEUE_NOTIFY  0x050
#define MMIO_INTERRUPT_ACK 0x064
#define MMIO_ACK_QUEUES    1 /* what a driver writes there for used buffers */

/* What the driver wrote to the transport itself; the rest lives in the device. */
struct mmio {
    struct virtio_transport transport;
    struct virtio_device *dev; /* borrowed */
    struct irq irq;            /* the one line */
    int ack_fd;                /* owned eventfd: MMIO_ACK_QUEUES was written */
    /* InterruptStatus, and above it the same bits again if they were set since it was read. Workers
     * set, vCPUs clear. */
    _Atomic uint32_t isr;
    uint32_t device_features_sel, driver_features_sel, queue_sel;
};

/* For bus_add(bus, base, MMIO_SIZE, &mmio_ops, mmio). */
extern const struct bus_ops mmio_ops;

/* Main. Connects the device; on failure -errno, and mmio_fini() may follow in any case, also on a
 * zeroed struct. The device goes first. */
int mmio_init(struct mmio *mmio, struct virtio_device *dev);
void mmio_fini(struct mmio *mmio);
