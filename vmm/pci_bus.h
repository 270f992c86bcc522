/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine's PCI bus: one, of 32 devices of one function each, no bridges. Configuration space
 * is memory (ECAM, PCI Express 5.0 §7.2.2); BARs are in one window of 32-bit memory, in which the
 * guest may move them, also while the device runs. Where nothing answers there are all ones.
 *
 * KVM hears kicks while a device's BAR is mapped, and sends the messages that are interrupts.
 *
 * Threads: main adds functions; then vCPUs make accesses, workers send messages.
 */
#pragma once

#include "virtio/pci.h"
#include "vmm/base/bus.h"
#include "vmm/irqfds.h"

#define PCI_SLOTS 32

struct pci_bus {
    struct pci_host host;
    const struct kvm *kvm; /* borrowed */
    struct irqfds irqfds;
    gpa_t window;
    uint64_t window_size;
    struct pci *function[PCI_SLOTS]; /* borrowed; NULL: nothing there */
    _Atomic gpa_t at[PCI_SLOTS];     /* of its BAR; 0: unmapped. Changed under ECAM's lock */
};

/* For bus_add(mmio, config base, PCI_ECAM_BYTES, ...) and for the window. */
#define PCI_ECAM_BYTES 0x100000
extern const struct bus_ops pci_ecam_ops, pci_window_ops;

void pci_bus_init(struct pci_bus *bus, const struct kvm *kvm, gpa_t window, uint64_t window_size);

/* Main: puts the device in its slot; pci_init() of *ret_pci, which stays borrowed. */
int pci_bus_add(struct pci_bus *bus, unsigned slot, struct virtio_device *dev, struct pci *ret_pci);
