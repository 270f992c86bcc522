/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers of virtio-mmio version 2, see mmio.h (virtio 1.2 §4.2.2). One table says what answers
 * at which offset, another in which order the status may grow. What the driver has no business to
 * do is ignored; only what leaves no honest way on makes the device need a reset.
 *
 * Does not know: the legacy interface, shared memory regions, queue reset, notification data.
 */
#include "virtio/mmio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#define MMIO_MAGIC     0x74726976 /* "virt" */
#define MMIO_VERSION   2
#define MMIO_VENDOR    0x4e4e494c /* "LINN" */
#define FEATURES_WORDS 2          /* 32-bit words of features that we know; the rest is 0 */

struct reg {
    uint32_t (*read)(const struct mmio *mmio);
    void (*write)(struct mmio *mmio, const struct reg *reg, uint32_t val);
    uint32_t constant; /* reads as this if there is no `read` */
    uint16_t field;    /* for write: offset in struct mmio or struct virtq_config */
    uint8_t shift;     /* for write: of the 32 bits in a 64-bit field */
};

/* -- identity and features -- */

static uint32_t device_id_read(const struct mmio *mmio)
{
    return mmio->dev->class->id;
}

static uint32_t device_features_read(const struct mmio *mmio)
{
    uint32_t word = mmio->device_features_sel;

    return word < FEATURES_WORDS ? (uint32_t)(mmio->dev->features >> 32 * word) : 0;
}

/* Collected only: what counts is what stands here when FEATURES_OK is set. */
static void driver_features_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    uint32_t word = mmio->driver_features_sel;
    (void)reg;

    if (word >= FEATURES_WORDS) {
        mmio->driver_features_odd |= val != 0;
        return;
    }
    mmio->driver_features &= ~((uint64_t)UINT32_MAX << 32 * word);
    mmio->driver_features |= (uint64_t)val << 32 * word;
}

static void selector_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    memcpy((uint8_t *)mmio + reg->field, &val, sizeof(val));
}

/* -- queues -- */

/* The queue that QueueSel names, or NULL. */
static struct virtq *queue_of(const struct mmio *mmio)
{
    struct virtio_device *dev = mmio->dev;

    return mmio->queue_sel < dev->class->queue_count ? &dev->queue[mmio->queue_sel] : NULL;
}

static uint32_t queue_size_max_read(const struct mmio *mmio)
{
    const struct virtq *vq = queue_of(mmio);

    return vq == NULL ? 0 : vq->size_max;
}

static void queue_size_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    struct virtq *vq = queue_of(mmio);
    (void)reg;

    if (vq == NULL || vq->config.ready)
        return;
    /* 0 is no size: the queue will not start. */
    vq->config.size = val > vq->size_max ? 0 : (uint16_t)val;
}

static void queue_address_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    struct virtq *vq = queue_of(mmio);
    gpa_t addr;

    if (vq == NULL || vq->config.ready)
        return;
    uint8_t *field = (uint8_t *)&vq->config + reg->field;
    memcpy(&addr, field, sizeof(addr));
    addr &= ~((uint64_t)UINT32_MAX << reg->shift);
    addr |= (uint64_t)val << reg->shift;
    memcpy(field, &addr, sizeof(addr));
}

static uint32_t queue_ready_read(const struct mmio *mmio)
{
    const struct virtq *vq = queue_of(mmio);

    return vq != NULL && vq->config.ready;
}

/* 0 while the device runs: without queue reset (feature 40) the driver has no way to bring the
 * queue back but a reset of the device, so all of the device stops here, and says so. */
static void queue_ready_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    struct virtio_device *dev = mmio->dev;
    struct virtq *vq = queue_of(mmio);
    bool ready = (val & 1) != 0;
    (void)reg;

    if (vq == NULL || vq->config.ready == ready)
        return;
    if (ready && (atomic_load(&dev->status) & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
        return;
    if (!ready && dev->active) {
        virtio_quiesce(dev);
        virtio_fail(dev, -ESHUTDOWN, "a queue was disabled");
    }
    vq->config.ready = ready;
}

static void queue_notify_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    struct virtio_device *dev = mmio->dev;
    (void)reg;

    if (dev->active && val < dev->class->queue_count && dev->queue[val].running)
        virtq_kick(&dev->queue[val]);
}

/* -- interrupts, config generation -- */

static uint32_t interrupt_status_read(const struct mmio *mmio)
{
    return atomic_load(&mmio->dev->isr);
}

static void interrupt_ack_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    (void)reg;
    /* Partner: the worker's atomic "or" in device.c. What it sets after this stays set. */
    (void)atomic_fetch_and(&mmio->dev->isr, ~val);
}

static uint32_t config_generation_read(const struct mmio *mmio)
{
    uint32_t generation;

    virtio_config_read(mmio->dev, 0, NULL, 0, &generation);
    return generation;
}

/* -- the status machine -- */

static bool features_acceptable(const struct mmio *mmio)
{
    uint64_t accepted = mmio->driver_features;

    return !mmio->driver_features_odd && (accepted & ~mmio->dev->features) == 0 &&
           (accepted >> VIRTIO_F_VERSION_1 & 1) != 0;
}

/* FEATURES_OK: the features are final, or the bit stays 0. */
static bool features_ok_enter(struct mmio *mmio)
{
    if (!features_acceptable(mmio))
        return false;
    mmio->dev->driver_features = mmio->driver_features;
    return true;
}

/* How the status may grow (§2.1.1, §3.1.1): a bit is taken once all that it needs is there and its
 * `enter` agrees. Bits of one write are taken in this order. A refused bit reads 0. */
static const struct status_step {
    uint32_t bit;
    uint32_t needs;
    bool (*enter)(struct mmio *mmio);
} status_steps[] = {
    {VIRTIO_CONFIG_S_ACKNOWLEDGE, 0, NULL},
    {VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE, NULL},
    {VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER, features_ok_enter},
    {VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK, NULL},
    {VIRTIO_CONFIG_S_FAILED, 0, NULL},
};

static uint32_t status_read(const struct mmio *mmio)
{
    return atomic_load(&mmio->dev->status);
}

static void status_reset(struct mmio *mmio)
{
    virtio_reset(mmio->dev);
    *mmio = (struct mmio){.dev = mmio->dev};
}

/* Bits are added only: what is missing in val stays. */
static void status_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    struct virtio_device *dev = mmio->dev;
    uint32_t added = 0;
    (void)reg;

    if (val == 0) {
        status_reset(mmio);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(status_steps); i++) {
        const struct status_step *step = &status_steps[i];
        uint32_t now = atomic_load(&dev->status);
        if ((val & ~now & step->bit) == 0 || (now & step->needs) != step->needs)
            continue;
        if (step->enter != NULL && !step->enter(mmio))
            continue;
        (void)atomic_fetch_or(&dev->status, step->bit);
        added |= step->bit;
    }
    if ((added & VIRTIO_CONFIG_S_FAILED) != 0)
        virtio_quiesce(dev);
    else if ((added & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
        virtio_activate(dev);
    else if ((val & ~status_read(mmio) & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
        virtio_fail(dev, -EPROTO, "DRIVER_OK before FEATURES_OK");
}

/* -- the table -- */

#define CONSTANT(val)                                                                              \
    {                                                                                              \
        .constant = (val)                                                                          \
    }
#define SELECTOR(name)                                                                             \
    {                                                                                              \
        .write = selector_write, .field = offsetof(struct mmio, name)                              \
    }
#define ADDRESS(name, bit)                                                                         \
    {                                                                                              \
        .write = queue_address_write, .field = offsetof(struct virtq_config, name), .shift = (bit) \
    }

/* By offset / 4. What is not here, or has no handler for a direction, reads 0 and ignores writes:
 * holes, legacy registers, QueueReset (0x0c0), which needs feature 40. */
static const struct reg regs[VIRTIO_MMIO_CONFIG / 4] = {
    [VIRTIO_MMIO_MAGIC_VALUE / 4] = CONSTANT(MMIO_MAGIC),
    [VIRTIO_MMIO_VERSION / 4] = CONSTANT(MMIO_VERSION),
    [VIRTIO_MMIO_DEVICE_ID / 4] = {.read = device_id_read},
    [VIRTIO_MMIO_VENDOR_ID / 4] = CONSTANT(MMIO_VENDOR),
    [VIRTIO_MMIO_DEVICE_FEATURES / 4] = {.read = device_features_read},
    [VIRTIO_MMIO_DEVICE_FEATURES_SEL / 4] = SELECTOR(device_features_sel),
    [VIRTIO_MMIO_DRIVER_FEATURES / 4] = {.write = driver_features_write},
    [VIRTIO_MMIO_DRIVER_FEATURES_SEL / 4] = SELECTOR(driver_features_sel),
    [VIRTIO_MMIO_QUEUE_SEL / 4] = SELECTOR(queue_sel),
    [VIRTIO_MMIO_QUEUE_NUM_MAX / 4] = {.read = queue_size_max_read},
    [VIRTIO_MMIO_QUEUE_NUM / 4] = {.write = queue_size_write},
    [VIRTIO_MMIO_QUEUE_READY / 4] = {.read = queue_ready_read, .write = queue_ready_write},
    [VIRTIO_MMIO_QUEUE_NOTIFY / 4] = {.write = queue_notify_write},
    [VIRTIO_MMIO_INTERRUPT_STATUS / 4] = {.read = interrupt_status_read},
    [VIRTIO_MMIO_INTERRUPT_ACK / 4] = {.write = interrupt_ack_write},
    [VIRTIO_MMIO_STATUS / 4] = {.read = status_read, .write = status_write},
    [VIRTIO_MMIO_QUEUE_DESC_LOW / 4] = ADDRESS(desc, 0),
    [VIRTIO_MMIO_QUEUE_DESC_HIGH / 4] = ADDRESS(desc, 32),
    [VIRTIO_MMIO_QUEUE_AVAIL_LOW / 4] = ADDRESS(driver, 0),
    [VIRTIO_MMIO_QUEUE_AVAIL_HIGH / 4] = ADDRESS(driver, 32),
    [VIRTIO_MMIO_QUEUE_USED_LOW / 4] = ADDRESS(device, 0),
    [VIRTIO_MMIO_QUEUE_USED_HIGH / 4] = ADDRESS(device, 32),
    /* No shared memory regions: whatever SHMSel says, length and base are all ones. */
    [VIRTIO_MMIO_SHM_LEN_LOW / 4] = CONSTANT(UINT32_MAX),
    [VIRTIO_MMIO_SHM_LEN_HIGH / 4] = CONSTANT(UINT32_MAX),
    [VIRTIO_MMIO_SHM_BASE_LOW / 4] = CONSTANT(UINT32_MAX),
    [VIRTIO_MMIO_SHM_BASE_HIGH / 4] = CONSTANT(UINT32_MAX),
    [VIRTIO_MMIO_CONFIG_GENERATION / 4] = {.read = config_generation_read},
};

/* The register at `off`, or NULL if the access is not an aligned one of 32 bits. */
static const struct reg *reg_at(uint64_t off, size_t len)
{
    return off % 4 == 0 && len == 4 ? &regs[off / 4] : NULL;
}

static void mmio_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    struct mmio *mmio = ctx;

    if (off >= VIRTIO_MMIO_CONFIG) {
        virtio_config_read(mmio->dev, off - VIRTIO_MMIO_CONFIG, ret_buf, len, NULL);
        return;
    }
    const struct reg *reg = reg_at(off, len);
    memset(ret_buf, 0, len);
    if (reg == NULL)
        return;
    le32 val = to_le32(reg->read != NULL ? reg->read(mmio) : reg->constant);
    memcpy(ret_buf, &val, sizeof(val));
}

static void mmio_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct mmio *mmio = ctx;
    le32 val;

    if (off >= VIRTIO_MMIO_CONFIG) {
        virtio_config_guest_write(mmio->dev, off - VIRTIO_MMIO_CONFIG, buf, len);
        return;
    }
    const struct reg *reg = reg_at(off, len);
    if (reg == NULL || reg->write == NULL)
        return;
    memcpy(&val, buf, sizeof(val));
    reg->write(mmio, reg, from_le32(val));
}

const struct bus_ops mmio_ops = {.read = mmio_read, .write = mmio_write};

void mmio_init(struct mmio *mmio, struct virtio_device *dev)
{
    *mmio = (struct mmio){.dev = dev};
}
