/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What BAR 0 of a virtio function holds, see pci.h (virtio 1.2 §4.1.4): tables say what answers
 * where. Runs on vCPU threads.
 *
 * Does not know: notification data, admin queues, shared memory regions.
 */
#include "virtio/pci_inside.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>

struct field {
    uint8_t off, size;
    uint64_t (*read)(const struct pci *pci, const struct field *field);
    void (*write)(struct pci *pci, const struct field *field, uint64_t val); /* NULL: read only */
    uint16_t member; /* of struct pci, or of struct virtq_config */
};

/* -- features, status, generation -- */

static uint64_t select_read(const struct pci *pci, const struct field *field)
{
    uint32_t val = 0;

    memcpy(&val, (const uint8_t *)pci + field->member, field->size);
    return val;
}

static void select_write(struct pci *pci, const struct field *field, uint64_t val)
{
    memcpy((uint8_t *)pci + field->member, &(uint32_t){(uint32_t)val}, field->size);
}

static uint64_t device_feature_read(const struct pci *pci, const struct field *field)
{
    (void)field;
    return virtio_features_read(pci->dev, pci->device_feature_select);
}

static uint64_t driver_feature_read(const struct pci *pci, const struct field *field)
{
    (void)field;
    return virtio_features_written(pci->dev, pci->driver_feature_select);
}

static void driver_feature_write(struct pci *pci, const struct field *field, uint64_t val)
{
    (void)field;
    virtio_features_write(pci->dev, pci->driver_feature_select, (uint32_t)val);
}

static uint64_t num_queues_read(const struct pci *pci, const struct field *field)
{
    (void)field;
    return pci->dev->queue_count;
}

static uint64_t status_read(const struct pci *pci, const struct field *field)
{
    (void)field;
    return virtio_status_read(pci->dev);
}

static void status_write(struct pci *pci, const struct field *field, uint64_t val)
{
    (void)field;
    virtio_status_write(pci->dev, (uint32_t)val);
}

static uint64_t generation_read(const struct pci *pci, const struct field *field)
{
    (void)field;
    return pci->generation;
}

/* -- the queue that queue_select names -- */

static uint64_t queue_size_read(const struct pci *pci, const struct field *field)
{
    const struct virtq *vq = virtio_queue(pci->dev, pci->queue_select);
    (void)field;

    if (vq == NULL)
        return 0;
    return vq->config.size == 0 ? vq->limits.size : vq->config.size;
}

static void queue_size_write(struct pci *pci, const struct field *field, uint64_t val)
{
    struct virtq_config *config = virtio_queue_setup(pci->dev, pci->queue_select);
    (void)field;

    /* What is no size for this queue changes nothing. */
    if (config != NULL && val > 0 &&
        ((val & (val - 1)) == 0 || virtio_has(pci->dev, VIRTIO_F_RING_PACKED)) &&
        val <= virtio_queue(pci->dev, pci->queue_select)->limits.size)
        config->size = (uint16_t)val;
}

static uint64_t queue_enable_read(const struct pci *pci, const struct field *field)
{
    const struct virtq *vq = virtio_queue(pci->dev, pci->queue_select);
    (void)field;

    return vq != NULL && vq->config.ready;
}

static void queue_enable_write(struct pci *pci, const struct field *field, uint64_t val)
{
    struct virtq_config *config = virtio_queue_setup(pci->dev, pci->queue_select);

    if (val != 1 || config == NULL) /* 0 is nothing that a driver may write */
        return;
    config->size = (uint16_t)queue_size_read(pci, field);
    virtio_queue_enable(pci->dev, pci->queue_select, true);
}

static uint64_t queue_reset_read(const struct pci *pci, const struct field *field)
{
    (void)field;
    return virtio_queue_resetting(pci->dev, pci->queue_select);
}

/* As with a reset of the device, it is done when it reads 0. */
static void queue_reset_write(struct pci *pci, const struct field *field, uint64_t val)
{
    (void)field;
    if (val == 1 && virtio_queue_reset(pci->dev, pci->queue_select))
        msix_vector_set(&pci->msix, pci->queue_select, MSIX_NO_VECTOR);
}

static uint64_t queue_notify_off_read(const struct pci *pci, const struct field *field)
{
    (void)field;
    return virtio_queue(pci->dev, pci->queue_select) == NULL ? 0 : pci->queue_select;
}

static uint64_t queue_address_read(const struct pci *pci, const struct field *field)
{
    const struct virtq *vq = virtio_queue(pci->dev, pci->queue_select);
    gpa_t addr = 0;

    if (vq != NULL)
        memcpy(&addr, (const uint8_t *)&vq->config + field->member, sizeof(addr));
    return addr;
}

static void queue_address_write(struct pci *pci, const struct field *field, uint64_t val)
{
    struct virtq_config *config = virtio_queue_setup(pci->dev, pci->queue_select);

    if (config != NULL)
        memcpy((uint8_t *)config + field->member, &val, sizeof(val));
}

/* -- vectors -- */

static uint64_t config_vector_read(const struct pci *pci, const struct field *field)
{
    (void)field;
    return msix_vector(&pci->msix, pci->dev->queue_count);
}

static void config_vector_write(struct pci *pci, const struct field *field, uint64_t val)
{
    (void)field;
    msix_vector_set(&pci->msix, pci->dev->queue_count, val);
}

static uint64_t queue_vector_read(const struct pci *pci, const struct field *field)
{
    (void)field;
    return pci->queue_select < pci->dev->queue_count ? msix_vector(&pci->msix, pci->queue_select)
                                                     : MSIX_NO_VECTOR;
}

static void queue_vector_write(struct pci *pci, const struct field *field, uint64_t val)
{
    (void)field;
    if (pci->queue_select < pci->dev->queue_count)
        msix_vector_set(&pci->msix, pci->queue_select, val);
}

/* -- the common configuration structure (§4.1.4.3) -- */

#define SELECT(at, width, name)                                                                    \
    {                                                                                              \
        .off = (at), .size = (width), .read = select_read, .write = select_write,                  \
        .member = offsetof(struct pci, name)                                                       \
    }
#define ADDRESS(at, name)                                                                          \
    {                                                                                              \
        .off = (at), .size = 8, .read = queue_address_read, .write = queue_address_write,          \
        .member = offsetof(struct virtq_config, name)                                              \
    }

/* By offset. What is not here reads 0: queue_notify_config_data and the like, whose features no
 * device offers. */
static const struct field fields[] = {
    SELECT(VIRTIO_PCI_COMMON_DFSELECT, 4, device_feature_select),
    {VIRTIO_PCI_COMMON_DF, 4, device_feature_read, NULL, 0},
    SELECT(VIRTIO_PCI_COMMON_GFSELECT, 4, driver_feature_select),
    {VIRTIO_PCI_COMMON_GF, 4, driver_feature_read, driver_feature_write, 0},
    {VIRTIO_PCI_COMMON_MSIX, 2, config_vector_read, config_vector_write, 0},
    {VIRTIO_PCI_COMMON_NUMQ, 2, num_queues_read, NULL, 0},
    {VIRTIO_PCI_COMMON_STATUS, 1, status_read, status_write, 0},
    {VIRTIO_PCI_COMMON_CFGGENERATION, 1, generation_read, NULL, 0},
    SELECT(VIRTIO_PCI_COMMON_Q_SELECT, 2, queue_select),
    {VIRTIO_PCI_COMMON_Q_SIZE, 2, queue_size_read, queue_size_write, 0},
    {VIRTIO_PCI_COMMON_Q_MSIX, 2, queue_vector_read, queue_vector_write, 0},
    {VIRTIO_PCI_COMMON_Q_ENABLE, 2, queue_enable_read, queue_enable_write, 0},
    {VIRTIO_PCI_COMMON_Q_NOFF, 2, queue_notify_off_read, NULL, 0},
    ADDRESS(VIRTIO_PCI_COMMON_Q_DESCLO, desc),
    ADDRESS(VIRTIO_PCI_COMMON_Q_AVAILLO, driver),
    ADDRESS(VIRTIO_PCI_COMMON_Q_USEDLO, device),
    {VIRTIO_PCI_COMMON_Q_RESET, 2, queue_reset_read, queue_reset_write, 0},
};

/* The bytes that an access of `len` bytes at `off` and a field have in common. */
struct overlap {
    size_t in_field, in_buf, bytes;
};

static struct overlap overlap_of(const struct field *field, size_t off, size_t len)
{
    size_t first = MAX(off, (size_t)field->off);
    size_t end = MIN(off + len, (size_t)field->off + field->size);

    return first >= end ? (struct overlap){0}
                        : (struct overlap){first - field->off, first - off, end - first};
}

static void common_read(struct pci *pci, size_t off, void *ret_buf, size_t len)
{
    virtio_lock(pci->dev);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const struct overlap part = overlap_of(&fields[i], off, len);
        if (part.bytes == 0)
            continue;
        le64 val = to_le64(fields[i].read(pci, &fields[i]));
        memcpy((uint8_t *)ret_buf + part.in_buf, (const uint8_t *)&val + part.in_field, part.bytes);
    }
    virtio_unlock(pci->dev);
}

/* A part of a field is written over the rest that is there: halves of an address come so. */
static void common_write(struct pci *pci, size_t off, const void *buf, size_t len)
{
    virtio_lock(pci->dev);
    virtio_settle(pci->dev);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const struct overlap part = overlap_of(&fields[i], off, len);
        if (part.bytes == 0 || fields[i].write == NULL)
            continue;
        le64 val = to_le64(part.bytes < fields[i].size ? fields[i].read(pci, &fields[i]) : 0);
        memcpy((uint8_t *)&val + part.in_field, (const uint8_t *)buf + part.in_buf, part.bytes);
        fields[i].write(pci, &fields[i], from_le64(val));
    }
    virtio_unlock(pci->dev);
}

/* -- the other structures -- */

/* Reading clears it (§4.1.4.5). */
static void isr_read(struct pci *pci, size_t off, void *ret_buf, size_t len)
{
    (void)off;
    (void)len; /* one byte */
    *(uint8_t *)ret_buf = atomic_exchange(&pci->isr, 0);
}

/* The generation changes with the first look at a config space that has changed since the last
 * look, so that 256 changes between two looks are not taken for none (§4.1.4.3.1). */
static void device_read(struct pci *pci, size_t off, void *ret_buf, size_t len)
{
    virtio_lock(pci->dev);
    if (pci->generation_read != pci->dev->config_generation)
        pci->generation++;
    pci->generation_read = pci->dev->config_generation;
    virtio_config_read(pci->dev, off, ret_buf, len);
    virtio_unlock(pci->dev);
}

static void device_write(struct pci *pci, size_t off, const void *buf, size_t len)
{
    virtio_lock(pci->dev);
    virtio_settle(pci->dev);
    virtio_config_write(pci->dev, off, buf, len);
    virtio_settle(pci->dev); /* so that it reads back */
    virtio_unlock(pci->dev);
}

/* The address says which queue. KVM sees most kicks before us: see place(). */
static void notify_write(struct pci *pci, size_t off, const void *buf, size_t len)
{
    (void)buf;
    (void)len;
    virtio_lock(pci->dev);
    virtio_queue_kick(pci->dev, (uint32_t)(off / PCI_NOTIFY_BYTES));
    virtio_unlock(pci->dev);
}

static void table_read(struct pci *pci, size_t off, void *ret_buf, size_t len)
{
    msix_table_read(&pci->msix, off, ret_buf, len);
}

static void table_write(struct pci *pci, size_t off, const void *buf, size_t len)
{
    msix_table_write(&pci->msix, off, buf, len);
}

static void pending_read(struct pci *pci, size_t off, void *ret_buf, size_t len)
{
    msix_pending_read(&pci->msix, off, ret_buf, len);
}

/* What is where: a structure that a virtio capability of this type names; 0: MSI-X's. */
struct part {
    uint8_t type;
    uint16_t off;
    uint16_t bytes;
    void (*read)(struct pci *pci, size_t off, void *ret_buf, size_t len);
    void (*write)(struct pci *pci, size_t off, const void *buf, size_t len);
};

static const struct part parts[] = {
    {VIRTIO_PCI_CAP_COMMON_CFG, BAR_COMMON, BAR_COMMON_BYTES, common_read, common_write},
    {VIRTIO_PCI_CAP_ISR_CFG, BAR_ISR, BAR_ISR_BYTES, isr_read, NULL},
    {VIRTIO_PCI_CAP_DEVICE_CFG, BAR_DEVICE, BAR_DEVICE_BYTES, device_read, device_write},
    {VIRTIO_PCI_CAP_NOTIFY_CFG, PCI_BAR_NOTIFY, BAR_NOTIFY_BYTES, NULL, notify_write},
    {0, BAR_TABLE, MSIX_VECTORS_MAX *MSIX_ENTRY_BYTES, table_read, table_write},
    {0, BAR_PENDING, MSIX_VECTORS_MAX / 8, pending_read, NULL},
};

static const struct part *part_at(size_t off, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (off >= parts[i].off && off - parts[i].off < parts[i].bytes &&
            len <= parts[i].bytes - (off - parts[i].off))
            return &parts[i];
    return NULL;
}

bool pci_bar_in_structure(size_t off, size_t len)
{
    const struct part *part = part_at(off, len);

    return part != NULL && part->type != 0;
}

void pci_bar_read(struct pci *pci, size_t off, void *ret_buf, size_t len)
{
    const struct part *part = part_at(off, len);

    memset(ret_buf, 0, len);
    if (part != NULL && part->read != NULL)
        part->read(pci, off - part->off, ret_buf, len);
}

void pci_bar_write(struct pci *pci, size_t off, const void *buf, size_t len)
{
    const struct part *part = part_at(off, len);

    if (part != NULL && part->write != NULL)
        part->write(pci, off - part->off, buf, len);
}
