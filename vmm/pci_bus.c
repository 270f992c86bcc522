/* SPDX-License-Identifier: BSD-3-Clause */
/* See pci_bus.h. */
#include "vmm/pci_bus.h"

#include "arch/arch.h"

#include <string.h>

/* -- configuration space -- */

/* Address bits of ECAM: 20.. bus, 15.. device, 12.. function, 0.. register. */
static struct pci *function_at(const struct pci_bus *bus, uint64_t off)
{
    return (off >> 12 & 7) != 0 ? NULL : bus->function[off >> 15 & (PCI_SLOTS - 1)];
}

static void ecam_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    struct pci *pci = function_at(ctx, off);

    if (pci == NULL)
        memset(ret_buf, 0xff, len);
    else
        pci_config_read(pci, off & 0xfff, ret_buf, len);
}

static void ecam_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct pci *pci = function_at(ctx, off);

    if (pci != NULL)
        pci_config_write(pci, off & 0xfff, buf, len);
}

const struct bus_ops pci_ecam_ops = {.read = ecam_read, .write = ecam_write};

/* -- the window -- */

/* Slot whose BAR this is in, or -1. BARs are mostly where they were put: that is looked at first.
 */
static int slot_at(const struct pci_bus *bus, uint64_t off)
{
    gpa_t bar = bus->window + off / PCI_BAR_BYTES * PCI_BAR_BYTES;
    uint64_t first = off / PCI_BAR_BYTES % PCI_SLOTS;

    for (unsigned i = 0; i < PCI_SLOTS; i++) {
        unsigned slot = (unsigned)((first + i) % PCI_SLOTS);
        if (atomic_load(&bus->at[slot]) == bar)
            return (int)slot;
    }
    return -1;
}

static void window_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    struct pci_bus *bus = ctx;
    int slot = slot_at(bus, off);

    if (slot < 0 || off % PCI_BAR_BYTES + len > PCI_BAR_BYTES)
        memset(ret_buf, 0xff, len);
    else
        pci_bar_read(bus->function[slot], off % PCI_BAR_BYTES, ret_buf, len);
}

static void window_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct pci_bus *bus = ctx;
    int slot = slot_at(bus, off);

    if (slot >= 0 && off % PCI_BAR_BYTES + len <= PCI_BAR_BYTES)
        pci_bar_write(bus->function[slot], off % PCI_BAR_BYTES, buf, len);
}

const struct bus_ops pci_window_ops = {.read = window_read, .write = window_write, .locks = true};

/* -- what a function asks for -- */

/* Each queue's doorbell. One that KVM does not take (it has no more room) is no error: a kick then
 * comes as an access to the BAR. */
static void doorbells(const struct pci_bus *bus, const struct pci *pci, gpa_t at, bool there)
{
    const struct virtio_device *dev = pci->dev;

    for (unsigned q = 0; q < dev->queue_count; q++)
        (void)kvm_doorbell(bus->kvm, dev->queue[q].kick.fd,
                           at + PCI_BAR_NOTIFY + q * (gpa_t)PCI_NOTIFY_BYTES, there);
}

/* An address outside the window, or where another BAR is, is the guest's mistake: the register
 * keeps it, and nothing answers. */
static bool is_free(const struct pci_bus *bus, gpa_t at)
{
    if (at < bus->window || at - bus->window > bus->window_size - PCI_BAR_BYTES)
        return false;
    return slot_at(bus, at - bus->window) < 0;
}

static void place(struct pci_host *host, struct pci *pci, gpa_t at)
{
    struct pci_bus *bus = container_of(host, struct pci_bus, host);
    unsigned slot = 0;

    while (bus->function[slot] != pci)
        slot++;
    gpa_t old = atomic_exchange(&bus->at[slot], 0);
    if (old != 0)
        doorbells(bus, pci, old, false);
    if (at == 0 || !is_free(bus, at))
        return;
    doorbells(bus, pci, at, true);
    atomic_store(&bus->at[slot], at);
}

static void message(struct pci_host *host, uint64_t addr, uint32_t data)
{
    struct pci_bus *bus = container_of(host, struct pci_bus, host);

    arch_message(bus->kvm, addr, data);
}

static bool bind(struct pci_host *host, int fd, uint64_t addr, uint32_t data)
{
    return irqfds_bind(&container_of(host, struct pci_bus, host)->irqfds, fd, addr, data);
}

static void unbind(struct pci_host *host, int fd)
{
    irqfds_unbind(&container_of(host, struct pci_bus, host)->irqfds, fd);
}

/* -- main -- */

void pci_bus_init(struct pci_bus *bus, const struct kvm *kvm, gpa_t window, uint64_t window_size)
{
    assert(window % PCI_BAR_BYTES == 0 && window_size >= PCI_SLOTS * (uint64_t)PCI_BAR_BYTES);
    *bus = (struct pci_bus){
        .host = {.place = place, .message = message, .bind = bind, .unbind = unbind},
        .kvm = kvm,
        .window = window,
        .window_size = window_size,
    };
    irqfds_init(&bus->irqfds, kvm);
}

int pci_bus_add(struct pci_bus *bus, unsigned slot, struct virtio_device *dev, struct pci *ret_pci)
{
    assert(slot < PCI_SLOTS && bus->function[slot] == NULL);
    bus->function[slot] = ret_pci;
    return pci_init(ret_pci, dev, &bus->host, bus->window + slot * (gpa_t)PCI_BAR_BYTES);
}
