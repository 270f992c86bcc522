/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio-pci transport (virtio 1.2 §4.1): a PCI function in front of a struct virtio_device.
 * Modern only. It has a configuration space of 256 bytes, one BAR in 32-bit memory space, MSI-X
 * with a vector for each queue and one for config changes, and no interrupt pin.
 *
 *   BAR 0  0x0000  common configuration     0x1000  notifications, 4 bytes a queue
 *          0x0100  ISR status               0x2000  MSI-X table
 *          0x0400  device configuration     0x3000  MSI-X pending bits
 *
 * What is written is checked as mmio's registers are, by the device. Unlike there a reset need not
 * be done when the write returns: drivers read the status until it is 0 (§4.1.4.3.1).
 *
 * Threads. Configuration space: one access at a time (the bus's lock). The BAR: any vCPU, at any
 * time. News: the device's workers.
 */
#pragma once

#include "virtio/msix.h"
#include "virtio/transport.h"

#define PCI_CONFIG_BYTES 256
#define PCI_BAR_BYTES    0x4000
#define PCI_BAR_NOTIFY   0x1000 /* of queue 0; */
#define PCI_NOTIFY_BYTES 4      /* then each so many bytes further */

struct pci;

/* What a function needs of the bus that it is on. */
struct pci_host {
    /* BAR 0 answers at this address from now on, 0: nowhere; the function's queues can be kicked
     * there. The thread that writes configuration space. */
    void (*place)(struct pci_host *host, struct pci *pci, gpa_t at);
    /* Writes an interrupt message. Any thread. */
    void (*message)(struct pci_host *host, uint64_t addr, uint32_t data);
    /* Each event of that eventfd is that message from now on, also one that it holds already: past
     * us, until the other message that a next call names, or unbind(), after which none follows.
     * False: it is not bound (any more), because there is no means. Any thread. */
    bool (*bind)(struct pci_host *host, int fd, uint64_t addr, uint32_t data);
    void (*unbind)(struct pci_host *host, int fd);
};

struct pci {
    struct virtio_transport transport;
    struct virtio_device *dev; /* borrowed */
    struct pci_host *host;     /* borrowed */

    uint8_t config[PCI_CONFIG_BYTES];   /* configuration space, */
    uint8_t writable[PCI_CONFIG_BYTES]; /* and which of its bits the guest may change */
    gpa_t placed;                       /* what place() was told last */

    /* under the device's lock */
    uint32_t device_feature_select, driver_feature_select;
    uint16_t queue_select;
    uint32_t generation_read; /* the device's, when the driver looked last, */
    uint8_t generation;       /* and what that was called: 8 bits, which never come to the same */

    struct msix msix;    /* its sources: the queues, then config space */
    _Atomic uint8_t isr; /* workers set, a read clears */
};

/* Main. Connects the device; BAR 0 is preset to `bar`, and answers once the guest turns memory
 * space on. On failure -errno, and pci_fini() may follow in any case, also on a zeroed struct. The
 * device goes first. */
int pci_init(struct pci *pci, struct virtio_device *dev, struct pci_host *host, gpa_t bar);
void pci_fini(struct pci *pci);

/* Guest accesses, of 1 to 8 bytes. Outside configuration space: 0, and nothing. */
void pci_config_read(struct pci *pci, size_t off, void *ret_buf, size_t len);
void pci_config_write(struct pci *pci, size_t off, const void *buf, size_t len);
/* In BAR 0: off + len <= PCI_BAR_BYTES. */
void pci_bar_read(struct pci *pci, size_t off, void *ret_buf, size_t len);
void pci_bar_write(struct pci *pci, size_t off, const void *buf, size_t len);
