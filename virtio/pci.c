/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio function on a PCI bus, see pci.h: its configuration space (PCI Local Bus 3.0 §6.1,
 * virtio 1.2 §4.1.2 and §4.1.4), and the device's news. Configuration space is an array of bytes
 * and a mask of what may be written; after each write what is there is acted upon.
 *
 * Does not know: power management, PCI Express, a second BAR.
 */
#include "virtio/pci_inside.h"

#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <string.h>

#define VENDOR_VIRTIO    0x1af4
#define DEVICE_FIRST     0x1040 /* + device type */
#define SUBSYSTEM        0x40
#define REVISION         1
#define ISR_QUEUE        1
#define COMMAND_WRITABLE (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE)

/* Where the capabilities are. Linux walks the list from its head for each: the first is the one
 * that it looks for first. */
#define CAP_COMMON 0x40
#define CAP_NOTIFY 0x50
#define CAP_ISR    0x64
#define CAP_WINDOW 0x74 /* PCI configuration access, §4.1.4.9 */
#define CAP_MSIX   0x88
#define CAP_DEVICE 0x94 /* last: not every device has one */

#define WINDOW_DATA       (CAP_WINDOW + sizeof(struct virtio_pci_cap))
#define WINDOW_DATA_BYTES 4

/* The device configuration is said to be as long as that at least: what a driver reads past its end
 * is 0, and Linux stops at nothing less when it reads a field that is past the end. */
#define DEVICE_BYTES_MIN 256

static void put8(struct pci *pci, size_t off, uint8_t val)
{
    pci->config[off] = val;
}

static void put16(struct pci *pci, size_t off, uint16_t val)
{
    le16 wire = to_le16(val);

    memcpy(pci->config + off, &wire, sizeof(wire));
}

static void put32(struct pci *pci, size_t off, uint32_t val)
{
    le32 wire = to_le32(val);

    memcpy(pci->config + off, &wire, sizeof(wire));
}

static uint16_t get16(const struct pci *pci, size_t off)
{
    le16 wire;

    memcpy(&wire, pci->config + off, sizeof(wire));
    return from_le16(wire);
}

static uint32_t get32(const struct pci *pci, size_t off)
{
    le32 wire;

    memcpy(&wire, pci->config + off, sizeof(wire));
    return from_le32(wire);
}

/* -- what it is made of -- */

/* Base class and subclass: of no consequence to drivers, but people read them. */
static uint16_t class_of(uint32_t id)
{
    static const struct {
        uint32_t id;
        uint16_t class;
    } rows[] = {
        {VIRTIO_ID_BLOCK, 0x0180}, {VIRTIO_ID_NET, 0x0200},   {VIRTIO_ID_CONSOLE, 0x0780},
        {VIRTIO_ID_SOUND, 0x0401}, {VIRTIO_ID_INPUT, 0x0980}, {VIRTIO_ID_FS, 0x0180},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].id == id)
            return rows[i].class;
    return 0x00ff;
}

static void make_header(struct pci *pci, gpa_t bar)
{
    assert(bar % PCI_BAR_BYTES == 0 && bar <= UINT32_MAX);
    put16(pci, PCI_VENDOR_ID, VENDOR_VIRTIO);
    put16(pci, PCI_DEVICE_ID, (uint16_t)(DEVICE_FIRST + pci->dev->id));
    put16(pci, PCI_STATUS, PCI_STATUS_CAP_LIST);
    put8(pci, PCI_REVISION_ID, REVISION);
    put16(pci, PCI_CLASS_DEVICE, class_of(pci->dev->id));
    put32(pci, PCI_BASE_ADDRESS_0, (uint32_t)bar);
    put16(pci, PCI_SUBSYSTEM_VENDOR_ID, VENDOR_VIRTIO);
    put16(pci, PCI_SUBSYSTEM_ID, SUBSYSTEM);
    put8(pci, PCI_CAPABILITY_LIST, CAP_COMMON);

    le16 command = to_le16(COMMAND_WRITABLE);
    le32 bar_mask = to_le32(~(uint32_t)(PCI_BAR_BYTES - 1));
    memcpy(pci->writable + PCI_COMMAND, &command, sizeof(command));
    memcpy(pci->writable + PCI_BASE_ADDRESS_0, &bar_mask, sizeof(bar_mask));
    pci->writable[PCI_CACHE_LINE_SIZE] = 0xff; /* these two: for the guest to scribble in */
    pci->writable[PCI_INTERRUPT_LINE] = 0xff;
}

static void make_capability(struct pci *pci, size_t at, uint8_t next, uint8_t type, uint32_t off,
                            uint32_t bytes)
{
    bool longer = type == VIRTIO_PCI_CAP_NOTIFY_CFG || type == VIRTIO_PCI_CAP_PCI_CFG;

    put8(pci, at + VIRTIO_PCI_CAP_VNDR, PCI_CAP_ID_VNDR);
    put8(pci, at + VIRTIO_PCI_CAP_NEXT, next);
    put8(pci, at + VIRTIO_PCI_CAP_LEN, sizeof(struct virtio_pci_cap) + (longer ? 4 : 0));
    put8(pci, at + VIRTIO_PCI_CAP_CFG_TYPE, type);
    put32(pci, at + VIRTIO_PCI_CAP_OFFSET, off);
    put32(pci, at + VIRTIO_PCI_CAP_LENGTH, bytes);
}

static void make_capabilities(struct pci *pci)
{
    const struct virtio_device *dev = pci->dev;
    const bool has_config = dev->config_size > 0;

    make_capability(pci, CAP_COMMON, CAP_NOTIFY, VIRTIO_PCI_CAP_COMMON_CFG, BAR_COMMON,
                    BAR_COMMON_BYTES);
    make_capability(pci, CAP_NOTIFY, CAP_ISR, VIRTIO_PCI_CAP_NOTIFY_CFG, PCI_BAR_NOTIFY,
                    dev->queue_count * PCI_NOTIFY_BYTES);
    put32(pci, CAP_NOTIFY + VIRTIO_PCI_NOTIFY_CAP_MULT, PCI_NOTIFY_BYTES);
    make_capability(pci, CAP_ISR, CAP_WINDOW, VIRTIO_PCI_CAP_ISR_CFG, BAR_ISR, BAR_ISR_BYTES);
    make_capability(pci, CAP_WINDOW, CAP_MSIX, VIRTIO_PCI_CAP_PCI_CFG, 0, 0);
    pci->writable[CAP_WINDOW + VIRTIO_PCI_CAP_BAR] = 0xff;
    memset(pci->writable + CAP_WINDOW + VIRTIO_PCI_CAP_OFFSET, 0xff, 8); /* and the length */
    if (has_config)
        make_capability(pci, CAP_DEVICE, 0, VIRTIO_PCI_CAP_DEVICE_CFG, BAR_DEVICE,
                        (uint32_t)MAX(dev->config_size, (size_t)DEVICE_BYTES_MIN));

    le16 control = to_le16(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    put8(pci, CAP_MSIX + PCI_CAP_LIST_ID, PCI_CAP_ID_MSIX);
    put8(pci, CAP_MSIX + PCI_CAP_LIST_NEXT, has_config ? CAP_DEVICE : 0);
    put16(pci, CAP_MSIX + PCI_MSIX_FLAGS, (uint16_t)(pci->msix.count - 1));
    memcpy(pci->writable + CAP_MSIX + PCI_MSIX_FLAGS, &control, sizeof(control));
    put32(pci, CAP_MSIX + PCI_MSIX_TABLE, BAR_TABLE);
    put32(pci, CAP_MSIX + PCI_MSIX_PBA, BAR_PENDING);
}

/* -- configuration space -- */

/* The registers as they are now take effect. */
static void apply(struct pci *pci)
{
    uint16_t command = get16(pci, PCI_COMMAND);
    uint16_t flags = get16(pci, CAP_MSIX + PCI_MSIX_FLAGS);
    gpa_t at = (command & PCI_COMMAND_MEMORY) != 0 ? get32(pci, PCI_BASE_ADDRESS_0) : 0;

    /* Messages are writes to memory: whoever may not master the bus sends none. */
    msix_control(&pci->msix, (flags & PCI_MSIX_FLAGS_ENABLE) != 0,
                 (flags & PCI_MSIX_FLAGS_MASKALL) != 0 || (command & PCI_COMMAND_MASTER) == 0);
    if (at == pci->placed)
        return;
    pci->placed = at;
    pci->host->place(pci->host, pci, at);
}

/* The access to the BAR that the window's registers describe: true, and where, if it is one that a
 * driver may make. */
static bool window_open(const struct pci *pci, size_t *ret_off, size_t *ret_len)
{
    uint32_t off = get32(pci, CAP_WINDOW + VIRTIO_PCI_CAP_OFFSET);
    uint32_t len = get32(pci, CAP_WINDOW + VIRTIO_PCI_CAP_LENGTH);

    if (pci->config[CAP_WINDOW + VIRTIO_PCI_CAP_BAR] != 0)
        return false;
    if ((len != 1 && len != 2 && len != 4) || off % len != 0 || !pci_bar_in_structure(off, len))
        return false;
    *ret_off = off;
    *ret_len = len;
    return true;
}

static bool touches(size_t off, size_t len, size_t what, size_t bytes)
{
    return off < what + bytes && what < off + len;
}

void pci_config_read(struct pci *pci, size_t off, void *ret_buf, size_t len)
{
    size_t bar_off, bar_len;

    memset(ret_buf, 0, len);
    if (off >= PCI_CONFIG_BYTES)
        return;
    if (touches(off, len, WINDOW_DATA, WINDOW_DATA_BYTES)) {
        memset(pci->config + WINDOW_DATA, 0, WINDOW_DATA_BYTES);
        if (window_open(pci, &bar_off, &bar_len))
            pci_bar_read(pci, bar_off, pci->config + WINDOW_DATA, bar_len);
    }
    /* Without MSI-X, and also without a pin, this bit is the ISR's (§4.1.4.5.1). */
    bool due = atomic_load(&pci->isr) != 0 &&
               (get16(pci, CAP_MSIX + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE) == 0;
    put16(pci, PCI_STATUS, PCI_STATUS_CAP_LIST | (due ? PCI_STATUS_INTERRUPT : 0));
    memcpy(ret_buf, pci->config + off, MIN(len, PCI_CONFIG_BYTES - off));
}

void pci_config_write(struct pci *pci, size_t off, const void *buf, size_t len)
{
    const uint8_t *bytes = buf;
    size_t bar_off, bar_len;

    if (off == WINDOW_DATA && len <= WINDOW_DATA_BYTES) {
        if (window_open(pci, &bar_off, &bar_len) && bar_len <= len)
            pci_bar_write(pci, bar_off, buf, bar_len);
        return;
    }
    for (size_t i = 0; i < len && off + i < PCI_CONFIG_BYTES; i++) {
        uint8_t mask = pci->writable[off + i];
        pci->config[off + i] = (uint8_t)((pci->config[off + i] & ~mask) | (bytes[i] & mask));
    }
    apply(pci);
}

/* -- news -- */

static void tell(struct pci *pci, unsigned source, uint8_t isr_bit)
{
    if (!msix_signal(&pci->msix, source))
        (void)atomic_fetch_or(&pci->isr, isr_bit);
}

static void queue_news(struct virtio_transport *transport, const struct virtq *vq)
{
    struct pci *pci = container_of(transport, struct pci, transport);

    tell(pci, vq->index, ISR_QUEUE);
}

static void queue_calls(struct virtio_transport *transport, const struct virtq *vq, int fd)
{
    msix_lend(&container_of(transport, struct pci, transport)->msix, vq->index, fd);
}

/* Its bit is set also where messages are in use (§4.1.4.5.1). */
static void config_news(struct virtio_transport *transport)
{
    struct pci *pci = container_of(transport, struct pci, transport);

    (void)atomic_fetch_or(&pci->isr, VIRTIO_PCI_ISR_CONFIG);
    tell(pci, pci->dev->queue_count, VIRTIO_PCI_ISR_CONFIG);
}

/* Of the function nothing is reset: not its BAR, not the table of messages. */
static void reset(struct virtio_transport *transport)
{
    struct pci *pci = container_of(transport, struct pci, transport);

    pci->device_feature_select = pci->driver_feature_select = 0;
    pci->queue_select = 0;
    atomic_store(&pci->isr, 0);
    for (unsigned i = 0; i <= pci->dev->queue_count; i++)
        msix_vector_set(&pci->msix, i, MSIX_NO_VECTOR);
}

static const struct virtio_transport_ops transport_ops = {
    .queue_news = queue_news,
    .queue_calls = queue_calls,
    .config_news = config_news,
    .reset = reset,
};

/* -- creation and end -- */

int pci_init(struct pci *pci, struct virtio_device *dev, struct pci_host *host, gpa_t bar)
{
    assert(dev->queue_count < MSIX_VECTORS_MAX);
    assert(dev->config_size <= BAR_DEVICE_BYTES);

    *pci = (struct pci){.transport = {.ops = &transport_ops}, .dev = dev, .host = host};
    int r = msix_init(&pci->msix, (uint16_t)(dev->queue_count + 1), host);
    if (r < 0)
        return r;
    make_header(pci, bar);
    make_capabilities(pci);
    reset(&pci->transport);
    virtio_connect(dev, &pci->transport);
    return 0;
}

void pci_fini(struct pci *pci)
{
    msix_fini(&pci->msix);
    *pci = (struct pci){0};
}
