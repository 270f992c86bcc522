/* SPDX-License-Identifier: BSD-3-Clause */
/* See transport.h. */
#include "guests/hostile/transport.h"

#include <linux/pci_regs.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>

#define SLOTS         0xd0000000ULL
#define SLOT_BYTES    0x1000
#define MAGIC         0x74726976
#define ECAM          0xe0000000ULL
#define ECAM_BYTES    0x8000 /* from one device's function 0 to the next one's */
#define WINDOW        0xe1000000ULL
#define BAR_BYTES     0x4000
#define VENDOR_VIRTIO 0x1af4
#define DEVICE_FIRST  0x1040
#define CAPS_MAX      48
#define CONFIG_USUAL  0x400 /* in the BAR; a device without configuration reads as zeros there */
#define VECTOR_FIRST  0x40

static const struct place mmio_places[REGS] = {
    [REG_DEVICE_FEATURES_SEL] = {VIRTIO_MMIO_DEVICE_FEATURES_SEL, 4},
    [REG_DEVICE_FEATURES] = {VIRTIO_MMIO_DEVICE_FEATURES, 4},
    [REG_DRIVER_FEATURES_SEL] = {VIRTIO_MMIO_DRIVER_FEATURES_SEL, 4},
    [REG_DRIVER_FEATURES] = {VIRTIO_MMIO_DRIVER_FEATURES, 4},
    [REG_STATUS] = {VIRTIO_MMIO_STATUS, 4},
    [REG_QUEUE_SEL] = {VIRTIO_MMIO_QUEUE_SEL, 4},
    [REG_QUEUE_MAX] = {VIRTIO_MMIO_QUEUE_NUM_MAX, 4},
    [REG_QUEUE_SIZE] = {VIRTIO_MMIO_QUEUE_NUM, 4},
    [REG_QUEUE_DESC] = {VIRTIO_MMIO_QUEUE_DESC_LOW, 4},
    [REG_QUEUE_AVAIL] = {VIRTIO_MMIO_QUEUE_AVAIL_LOW, 4},
    [REG_QUEUE_USED] = {VIRTIO_MMIO_QUEUE_USED_LOW, 4},
    [REG_QUEUE_READY] = {VIRTIO_MMIO_QUEUE_READY, 4},
};

/* In the common configuration. */
static const struct place pci_places[REGS] = {
    [REG_DEVICE_FEATURES_SEL] = {VIRTIO_PCI_COMMON_DFSELECT, 4},
    [REG_DEVICE_FEATURES] = {VIRTIO_PCI_COMMON_DF, 4},
    [REG_DRIVER_FEATURES_SEL] = {VIRTIO_PCI_COMMON_GFSELECT, 4},
    [REG_DRIVER_FEATURES] = {VIRTIO_PCI_COMMON_GF, 4},
    [REG_STATUS] = {VIRTIO_PCI_COMMON_STATUS, 1},
    [REG_QUEUE_SEL] = {VIRTIO_PCI_COMMON_Q_SELECT, 2},
    [REG_QUEUE_MAX] = {VIRTIO_PCI_COMMON_Q_SIZE, 2},
    [REG_QUEUE_SIZE] = {VIRTIO_PCI_COMMON_Q_SIZE, 2},
    [REG_QUEUE_DESC] = {VIRTIO_PCI_COMMON_Q_DESCLO, 4},
    [REG_QUEUE_AVAIL] = {VIRTIO_PCI_COMMON_Q_AVAILLO, 4},
    [REG_QUEUE_USED] = {VIRTIO_PCI_COMMON_Q_USEDLO, 4},
    [REG_QUEUE_READY] = {VIRTIO_PCI_COMMON_Q_ENABLE, 2},
};

/* -- registers -- */

uint32_t reg_read(const struct transport *at, enum reg reg)
{
    struct place place = at->places[reg];

    switch (place.bytes) {
    case 1:
        return peek8(at->regs + place.off);
    case 2:
        return peek16(at->regs + place.off);
    default:
        return peek32(at->regs + place.off);
    }
}

void reg_write(const struct transport *at, enum reg reg, uint32_t value)
{
    struct place place = at->places[reg];

    switch (place.bytes) {
    case 1:
        poke8(at->regs + place.off, (uint8_t)value);
        break;
    case 2:
        poke16(at->regs + place.off, (uint16_t)value);
        break;
    default:
        poke32(at->regs + place.off, value);
        break;
    }
}

void address_write(const struct transport *at, enum reg reg, uint64_t address)
{
    poke32(at->regs + at->places[reg].off, (uint32_t)address);
    poke32(at->regs + at->places[reg].off + 4, (uint32_t)(address >> 32));
}

void doorbell_ring(const struct transport *at, uint32_t queue)
{
    if (at->function == 0)
        poke32(at->doorbell, queue);
    else /* whatever the number, in the page that doorbells have */
        poke16(at->doorbell + queue * (uint64_t)at->doorbell_bytes % 0x1000, (uint16_t)queue);
}

bool touches_address(const struct transport *at, uint32_t off)
{
    return off + 8 > at->places[REG_QUEUE_DESC].off && off < at->places[REG_QUEUE_USED].off + 8u;
}

/* -- what is there -- */

struct transport transport_mmio(unsigned slot)
{
    struct transport at = {.regs = SLOTS + slot * SLOT_BYTES,
                           .places = mmio_places,
                           .regs_bytes = SLOT_BYTES,
                           .much_used_bytes = 0x120};

    if (peek32(at.regs + VIRTIO_MMIO_MAGIC_VALUE) != MAGIC)
        return at;
    at.id = peek32(at.regs + VIRTIO_MMIO_DEVICE_ID);
    at.config = at.regs + VIRTIO_MMIO_CONFIG;
    at.doorbell = at.regs + VIRTIO_MMIO_QUEUE_NOTIFY;
    return at;
}

static void capability_read(struct transport *at, uint64_t capability)
{
    uint64_t where = at->bar + peek32(capability + VIRTIO_PCI_CAP_OFFSET);

    switch (peek8(capability + VIRTIO_PCI_CAP_CFG_TYPE)) {
    case VIRTIO_PCI_CAP_COMMON_CFG:
        at->regs = where;
        break;
    case VIRTIO_PCI_CAP_NOTIFY_CFG:
        at->doorbell = where;
        at->doorbell_bytes = peek32(capability + VIRTIO_PCI_NOTIFY_CAP_MULT);
        break;
    case VIRTIO_PCI_CAP_DEVICE_CFG:
        at->config = where;
        break;
    case VIRTIO_PCI_CAP_PCI_CFG:
        at->window = (uint32_t)(capability - at->function);
        break;
    default:
        break;
    }
}

struct transport transport_pci(unsigned slot)
{
    struct transport at = {
        .function = ECAM + slot * ECAM_BYTES, .places = pci_places, .much_used_bytes = 0x40};
    uint32_t next = peek8(at.function + PCI_CAPABILITY_LIST);

    if (peek16(at.function + PCI_VENDOR_ID) != VENDOR_VIRTIO)
        return at;
    at.id = peek16(at.function + PCI_DEVICE_ID) - DEVICE_FIRST;
    at.bar = peek32(at.function + PCI_BASE_ADDRESS_0);
    at.config = at.bar + CONFIG_USUAL;
    for (unsigned i = 0; i < CAPS_MAX && next != 0; i++) {
        uint64_t capability = at.function + next;
        if (peek8(capability) == PCI_CAP_ID_VNDR)
            capability_read(&at, capability);
        else if (peek8(capability) == PCI_CAP_ID_MSIX)
            at.msix = next;
        next = peek8(capability + PCI_CAP_LIST_NEXT);
    }
    at.table = at.bar + peek32(at.function + at.msix + PCI_MSIX_TABLE);
    at.regs_bytes = (uint32_t)(at.table - at.bar); /* a message by dice might stop a CPU */
    transport_mend(&at);
    return at;
}

/* -- messages -- */

/* One that a CPU can take: no NMI, no INIT. */
static void entry_write(const struct transport *at, uint32_t vector, uint64_t address,
                        uint32_t data, uint32_t control)
{
    uint64_t entry = at->table + vector * PCI_MSIX_ENTRY_SIZE;

    poke32(entry + PCI_MSIX_ENTRY_LOWER_ADDR, (uint32_t)address);
    poke32(entry + PCI_MSIX_ENTRY_UPPER_ADDR, (uint32_t)(address >> 32));
    poke32(entry + PCI_MSIX_ENTRY_DATA, data & ~0x600u);
    poke32(entry + PCI_MSIX_ENTRY_VECTOR_CTRL, control);
}

static uint32_t vectors(const struct transport *at)
{
    return (peek16(at->function + at->msix + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1u;
}

void transport_mend(const struct transport *at)
{
    if (at->function == 0)
        return;
    poke16(at->function + PCI_COMMAND, 0);
    poke32(at->function + PCI_BASE_ADDRESS_0, (uint32_t)at->bar);
    poke16(at->function + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    for (uint32_t i = 0; i < vectors(at); i++)
        entry_write(at, i, LAPIC, VECTOR_FIRST + i, 0);
    poke16(at->function + at->msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
}

void transport_vectors(const struct transport *at, uint32_t queue_count)
{
    if (at->function == 0)
        return;
    poke16(at->regs + VIRTIO_PCI_COMMON_MSIX, 0);
    for (uint32_t i = 0; i < queue_count; i++) {
        reg_write(at, REG_QUEUE_SEL, i);
        poke16(at->regs + VIRTIO_PCI_COMMON_Q_MSIX, (uint16_t)(1 + i));
    }
}

/* The window in configuration space through which the BAR can be reached, too; words only, as an
 * address is written in halves. */
static void window_use(const struct transport *at, struct dice *dice)
{
    uint64_t capability = at->function + at->window;

    poke8(capability + VIRTIO_PCI_CAP_BAR, (uint8_t)(one_in(dice, 8) ? evil_32(dice) : 0));
    poke32(capability + VIRTIO_PCI_CAP_OFFSET, roll(dice, at->regs_bytes) & ~3u);
    poke32(capability + VIRTIO_PCI_CAP_LENGTH, one_in(dice, 8) ? 0x80000000 : 4);
    if (one_in(dice, 2))
        poke32(capability + sizeof(struct virtio_pci_cap), evil_32(dice));
    else
        (void)peek32(capability + sizeof(struct virtio_pci_cap));
}

void transport_spoil(const struct transport *at, struct dice *dice)
{
    switch (roll(dice, 8)) {
    case 0:
        poke16(at->function + PCI_COMMAND, (uint16_t)evil_32(dice));
        break;
    case 1: /* to where another one is, or may be soon */
        poke32(at->function + PCI_BASE_ADDRESS_0, (uint32_t)WINDOW + roll(dice, 40) * BAR_BYTES);
        break;
    case 2:
        poke32(at->function + PCI_BASE_ADDRESS_0, evil_32(dice));
        break;
    case 3:
        poke16(at->function + at->msix + PCI_MSIX_FLAGS, (uint16_t)evil_32(dice));
        break;
    case 4:
        entry_write(at, roll(dice, vectors(at)), one_in(dice, 2) ? LAPIC : evil_address(dice),
                    evil_32(dice), roll(dice, 2));
        break;
    case 5:
        window_use(at, dice);
        break;
    case 6:
        poke32(at->function + roll(dice, 0x40), evil_32(dice));
        break;
    default:
        (void)peek64(at->function + roll(dice, 0x1000 - 8));
        (void)peek8(at->function + roll(dice, 0x1000));
        break;
    }
}
