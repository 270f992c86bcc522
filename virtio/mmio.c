/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers of virtio-mmio version 2, see mmio.h (virtio 1.2 §4.2.2). One table says what answers
 * at which offset.
 *
 * Does not know: the legacy interface, shared memory regions, notification data.
 */
#include "virtio/mmio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/eventfd.h>

#define MMIO_MAGIC   0x74726976 /* "virt" */
#define MMIO_VERSION 2
#define MMIO_VENDOR  0x4e4e494c /* "LINN" */

/* Offset of QueueReset (virtio 1.2 §4.2.2), which the kernel's headers lack. */
#define MMIO_QUEUE_RESET 0x0c0

/* Of struct mmio's isr. */
#define ISR_MASK   (VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG)
#define ISR_UNREAD 8 /* shift */

struct reg {
    uint32_t (*read)(struct mmio *mmio);
    void (*write)(struct mmio *mmio, const struct reg *reg, uint32_t val);
    uint32_t constant; /* reads as this if there is no `read` */
    uint16_t field;    /* for write: offset in struct mmio or struct virtq_config */
    uint8_t shift;     /* for write: of the 32 bits in a 64-bit field */
};

/* -- identity and features -- */

static uint32_t device_id_read(struct mmio *mmio)
{
    return mmio->dev->id;
}

static uint32_t device_features_read(struct mmio *mmio)
{
    return virtio_features_read(mmio->dev, mmio->device_features_sel);
}

static void driver_features_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    (void)reg;
    virtio_features_write(mmio->dev, mmio->driver_features_sel, val);
}

static void selector_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    memcpy((uint8_t *)mmio + reg->field, &val, sizeof(val));
}

/* -- the queue that QueueSel names -- */

static uint32_t queue_size_max_read(struct mmio *mmio)
{
    const struct virtq *vq = virtio_queue(mmio->dev, mmio->queue_sel);

    return vq == NULL ? 0 : vq->limits.size;
}

static void queue_size_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    struct virtq_config *config = virtio_queue_setup(mmio->dev, mmio->queue_sel);
    (void)reg;

    /* 0 is no size: the queue will not start. */
    if (config != NULL)
        config->size = val > queue_size_max_read(mmio) ? 0 : (uint16_t)val;
}

static void queue_address_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    struct virtq_config *config = virtio_queue_setup(mmio->dev, mmio->queue_sel);
    gpa_t addr;

    if (config == NULL)
        return;
    uint8_t *field = (uint8_t *)config + reg->field;
    memcpy(&addr, field, sizeof(addr));
    addr &= ~((uint64_t)UINT32_MAX << reg->shift);
    addr |= (uint64_t)val << reg->shift;
    memcpy(field, &addr, sizeof(addr));
}

static uint32_t queue_ready_read(struct mmio *mmio)
{
    const struct virtq *vq = virtio_queue(mmio->dev, mmio->queue_sel);

    return vq != NULL && vq->config.ready;
}

static void queue_ready_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    (void)reg;
    virtio_queue_enable(mmio->dev, mmio->queue_sel, (val & 1) != 0);
}

static uint32_t queue_reset_read(struct mmio *mmio)
{
    return virtio_queue_resetting(mmio->dev, mmio->queue_sel);
}

static void queue_reset_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    (void)reg;
    if (val == 1)
        (void)virtio_queue_reset(mmio->dev, mmio->queue_sel);
}

static void queue_notify_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    (void)reg;
    virtio_queue_kick(mmio->dev, val);
}

/* -- status, interrupts, config generation -- */

static uint32_t status_read(struct mmio *mmio)
{
    return virtio_status_read(mmio->dev);
}

static void status_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    (void)reg;
    virtio_status_write(mmio->dev, val);
}

/* Those of the bits that the driver has read. */
static void acknowledge(struct mmio *mmio, uint32_t bits)
{
    uint32_t isr = atomic_load(&mmio->isr), left;

    do
        left = isr & ~(bits & ISR_MASK & ~(isr >> ISR_UNREAD));
    while (!atomic_compare_exchange_weak(&mmio->isr, &isr, left));
}

static uint32_t interrupt_status_read(struct mmio *mmio)
{
    eventfd_t count;

    if (eventfd_read(mmio->ack_fd, &count) == 0)
        acknowledge(mmio, MMIO_ACK_QUEUES);
    return atomic_fetch_and(&mmio->isr, ISR_MASK) & ISR_MASK;
}

static void interrupt_ack_write(struct mmio *mmio, const struct reg *reg, uint32_t val)
{
    (void)reg;
    acknowledge(mmio, val);
}

static uint32_t config_generation_read(struct mmio *mmio)
{
    return mmio->dev->config_generation;
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
 * holes, legacy registers. */
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
    [MMIO_QUEUE_RESET / 4] = {.read = queue_reset_read, .write = queue_reset_write},
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
    const struct reg *reg;

    memset(ret_buf, 0, len);
    virtio_lock(mmio->dev);
    if (off >= VIRTIO_MMIO_CONFIG) {
        virtio_config_read(mmio->dev, off - VIRTIO_MMIO_CONFIG, ret_buf, len);
    } else if ((reg = reg_at(off, len)) != NULL) {
        le32 val = to_le32(reg->read != NULL ? reg->read(mmio) : reg->constant);
        memcpy(ret_buf, &val, sizeof(val));
    }
    virtio_unlock(mmio->dev);
}

static void mmio_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct mmio *mmio = ctx;
    const struct reg *reg;

    virtio_lock(mmio->dev);
    virtio_settle(mmio->dev);
    if (off >= VIRTIO_MMIO_CONFIG) {
        virtio_config_write(mmio->dev, off - VIRTIO_MMIO_CONFIG, buf, len);
    } else if ((reg = reg_at(off, len)) != NULL && reg->write != NULL) {
        le32 val;
        memcpy(&val, buf, sizeof(val));
        reg->write(mmio, reg, from_le32(val));
    }
    virtio_settle(mmio->dev);
    virtio_unlock(mmio->dev);
}

const struct bus_ops mmio_ops = {.read = mmio_read, .write = mmio_write, .locks = true};

/* -- news -- */

/* The bit is set before the line is pulsed; mmio.h says why no event is lost. */
static void tell(struct virtio_transport *transport, uint32_t isr_bit)
{
    struct mmio *mmio = container_of(transport, struct mmio, transport);

    (void)atomic_fetch_or(&mmio->isr, isr_bit | isr_bit << ISR_UNREAD);
    irq_raise(&mmio->irq);
}

static void queue_news(struct virtio_transport *transport, const struct virtq *vq)
{
    (void)vq; /* one line for all */
    tell(transport, VIRTIO_MMIO_INT_VRING);
}

static void config_news(struct virtio_transport *transport)
{
    tell(transport, VIRTIO_MMIO_INT_CONFIG);
}

static void reset(struct virtio_transport *transport)
{
    struct mmio *mmio = container_of(transport, struct mmio, transport);

    mmio->device_features_sel = mmio->driver_features_sel = mmio->queue_sel = 0;
    atomic_store(&mmio->isr, 0);
}

static const struct virtio_transport_ops transport_ops = {
    .queue_news = queue_news, .config_news = config_news, .reset = reset};

int mmio_init(struct mmio *mmio, struct virtio_device *dev)
{
    *mmio = (struct mmio){.transport = {.ops = &transport_ops}, .dev = dev};
    int r = irq_init(&mmio->irq);
    mmio->ack_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r == 0 && mmio->ack_fd < 0)
        r = -errno;
    virtio_connect(dev, &mmio->transport);
    return r;
}

void mmio_fini(struct mmio *mmio)
{
    if (mmio->dev == NULL)
        return;
    irq_fini(&mmio->irq);
    fd_close(&mmio->ack_fd);
}
