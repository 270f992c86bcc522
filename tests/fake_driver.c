/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_driver.h. */
#include "tests/fake_driver.h"

#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define BUS_BASE   0xd0000000
#define TIMEOUT_MS 30000

uint64_t fake_layout;

/* -- a device behind virtio-mmio -- */

void fake_driver_init(struct fake_driver *drv, struct virtio_device *dev, gpa_t ring_addr)
{
    *drv = (struct fake_driver){.dev = dev, .ring_addr = ring_addr};
    bus_init(&drv->bus);
    int r = mmio_init(&drv->mmio, dev);
    assert(r == 0);
    r = bus_add(&drv->bus, BUS_BASE, MMIO_SIZE, &mmio_ops, &drv->mmio);
    assert(r == 0);
    (void)r;
}

void fake_driver_fini(struct fake_driver *drv)
{
    bus_fini(&drv->bus);
    mmio_fini(&drv->mmio);
}

void fake_read_bytes(struct fake_driver *drv, uint64_t off, void *ret_buf, size_t len)
{
    (void)bus_read(&drv->bus, BUS_BASE + off, ret_buf, len);
}

void fake_write_bytes(struct fake_driver *drv, uint64_t off, const void *buf, size_t len)
{
    (void)bus_write(&drv->bus, BUS_BASE + off, buf, len);
}

uint32_t fake_read(struct fake_driver *drv, uint64_t off)
{
    le32 val;

    fake_read_bytes(drv, off, &val, sizeof(val));
    return from_le32(val);
}

void fake_write(struct fake_driver *drv, uint64_t off, uint32_t val)
{
    le32 wire = to_le32(val);

    fake_write_bytes(drv, off, &wire, sizeof(wire));
}

uint64_t fake_features(struct fake_driver *drv)
{
    uint64_t features;

    fake_write(drv, FAKE_DEVICE_FEATURES_SEL, 1);
    features = (uint64_t)fake_read(drv, FAKE_DEVICE_FEATURES) << 32;
    fake_write(drv, FAKE_DEVICE_FEATURES_SEL, 0);
    return features | fake_read(drv, FAKE_DEVICE_FEATURES);
}

uint32_t fake_negotiate(struct fake_driver *drv, uint64_t features)
{
    assert(fake_read(drv, FAKE_MAGIC) == 0x74726976);
    assert(fake_read(drv, FAKE_VERSION) == 2);
    fake_write(drv, FAKE_STATUS, 0);
    fake_write(drv, FAKE_STATUS, fake_read(drv, FAKE_STATUS) | 1);
    fake_write(drv, FAKE_STATUS, fake_read(drv, FAKE_STATUS) | 2);
    features = (features | fake_layout) & fake_features(drv);
    drv->features = features;
    fake_write(drv, FAKE_DRIVER_FEATURES_SEL, 1);
    fake_write(drv, FAKE_DRIVER_FEATURES, (uint32_t)(features >> 32));
    fake_write(drv, FAKE_DRIVER_FEATURES_SEL, 0);
    fake_write(drv, FAKE_DRIVER_FEATURES, (uint32_t)features);
    fake_write(drv, FAKE_STATUS, fake_read(drv, FAKE_STATUS) | 8);
    return fake_read(drv, FAKE_STATUS);
}

static void write_address(struct fake_driver *drv, uint64_t off, gpa_t addr)
{
    fake_write(drv, off, (uint32_t)addr);
    fake_write(drv, off + 4, (uint32_t)(addr >> 32));
}

void fake_queue_setup(struct fake_driver *drv, uint16_t index, uint16_t size)
{
    struct fake_ring *ring = &drv->ring[index];

    fake_write(drv, FAKE_QUEUE_SEL, index);
    assert(fake_read(drv, FAKE_QUEUE_READY) == 0);
    if (size == 0)
        size = (uint16_t)fake_read(drv, FAKE_QUEUE_SIZE_MAX);
    fake_ring_init(ring, drv->dev->mem, size, drv->ring_addr, drv->features);
    drv->ring_addr += fake_ring_bytes(size);
    fake_write(drv, FAKE_QUEUE_SIZE, size);
    write_address(drv, FAKE_QUEUE_DESC, ring->desc);
    write_address(drv, FAKE_QUEUE_DRIVER, ring->avail);
    write_address(drv, FAKE_QUEUE_DEVICE, ring->used);
    fake_write(drv, FAKE_QUEUE_READY, 1);
}

uint32_t fake_start(struct fake_driver *drv, uint64_t features)
{
    gpa_t ring_addr = drv->ring_addr;

    (void)fake_negotiate(drv, features);
    for (uint16_t i = 0; i < drv->dev->queue_count; i++)
        fake_queue_setup(drv, i, 0);
    drv->ring_addr = ring_addr; /* a driver that starts again uses the same memory */
    fake_write(drv, FAKE_STATUS, fake_read(drv, FAKE_STATUS) | 4);
    return fake_read(drv, FAKE_STATUS);
}

uint64_t fake_edges(struct fake_driver *drv)
{
    eventfd_t count = 0;

    (void)eventfd_read(drv->mmio.irq.fd, &count); /* EAGAIN: none */
    return count;
}

int fake_wait_irq(struct fake_driver *drv, int timeout_ms)
{
    struct pollfd pfd = {.fd = drv->mmio.irq.fd, .events = POLLIN};

    if (poll(&pfd, 1, timeout_ms) <= 0)
        return -1;
    (void)fake_edges(drv);
    uint32_t isr = fake_read(drv, FAKE_INTERRUPT_STATUS);
    if (isr != 0)
        fake_write(drv, FAKE_INTERRUPT_ACK, isr);
    return (int)isr;
}

bool fake_wait_used(struct fake_driver *drv, uint16_t index, uint32_t *ret_id, uint32_t *ret_len)
{
    int isr;

    while (!fake_used(&drv->ring[index], ret_id, ret_len)) {
        do
            isr = fake_wait_irq(drv, TIMEOUT_MS);
        while (isr >= 0 && (isr & 1) == 0); /* a driver looks at rings for bit 0 only */
        if (isr < 0)
            return false;
    }
    return true;
}

bool fake_wait_status(struct fake_driver *drv, uint32_t bit)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (int ms = 0; ms < TIMEOUT_MS; ms++) {
        if ((fake_read(drv, FAKE_STATUS) & bit) != 0)
            return true;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

/* -- commands -- */

struct asked {
    struct virtio_command command;
    sem_t answered;
};

static void asked_done(struct virtio_command *command)
{
    (void)fclose(command->reply);
    (void)sem_post(&container_of(command, struct asked, command)->answered);
}

int fake_make(const struct virtio_class *class, const struct memory *mem, const char *text,
              struct virtio_device **ret_dev)
{
    struct opts *opts = NULL;
    char prefix[32];
    int r = opts_create(class->opts, &opts);

    (void)snprintf(prefix, sizeof(prefix), "--%s ", class->name);
    if (r == 0)
        r = opts_parse(opts, prefix, text);
    if (r == 0)
        r = fake_create(class, 0, mem, opts, ret_dev);
    opts_destroy(opts);
    return r;
}

int fake_command(struct virtio_device *dev, const char *first, const char *second,
                 char ret_reply[FAKE_REPLY_BYTES])
{
    const char *words[] = {first, second, NULL};
    struct asked asked = {.command = {.words = words, .done = asked_done}};

    memset(ret_reply, 0, FAKE_REPLY_BYTES);
    asked.command.reply = fmemopen(ret_reply, FAKE_REPLY_BYTES, "w");
    (void)sem_init(&asked.answered, 0, 0);
    virtio_command(dev, &asked.command);
    (void)sem_wait(&asked.answered);
    return asked.command.result;
}
