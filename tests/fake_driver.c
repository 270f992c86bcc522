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
#define TIMEOUT_MS 5000

/* -- a ring -- */

static uint8_t *at(const struct memory *mem, gpa_t addr, uint64_t len)
{
    uint8_t *host = memory_at(mem, addr, len);

    assert(host != NULL); /* the test's own mistake */
    return host;
}

static uint16_t *word(const struct fake_ring *ring, gpa_t addr)
{
    return (uint16_t *)(void *)at(ring->mem, addr, 2);
}

uint64_t fake_ring_bytes(uint16_t size)
{
    uint64_t bytes = 16ull * size + (6 + 2ull * size) + 2 + (6 + 8ull * size);

    return (bytes + 15) & ~15ull;
}

void fake_ring_init(struct fake_ring *ring, const struct memory *mem, uint16_t size, gpa_t addr)
{
    gpa_t avail = addr + 16ull * size;

    *ring = (struct fake_ring){
        .mem = mem,
        .size = size,
        .desc = addr,
        .avail = avail,
        .used = (avail + 6 + 2ull * size + 3) & ~3ull,
    };
    memset(at(mem, addr, fake_ring_bytes(size)), 0, fake_ring_bytes(size));
}

void fake_desc(const struct memory *mem, gpa_t table, uint32_t index, struct fake_piece piece,
               uint16_t next)
{
    const struct {
        le64 addr;
        le32 len;
        le16 flags, next;
    } desc = {to_le64(piece.addr), to_le32(piece.len), to_le16(piece.flags), to_le16(next)};

    memcpy(at(mem, table + 16ull * index, 16), &desc, 16);
}

uint16_t fake_chain(struct fake_ring *ring, const struct fake_piece *pieces, unsigned count)
{
    uint16_t head = ring->next_desc;

    for (unsigned i = 0; i < count; i++) {
        struct fake_piece piece = pieces[i];
        uint16_t index = ring->next_desc;
        ring->next_desc = (uint16_t)((index + 1u) % ring->size);
        if (i + 1 < count)
            piece.flags |= FAKE_NEXT;
        fake_desc(ring->mem, ring->desc, index, piece, ring->next_desc);
    }
    return head;
}

uint16_t fake_chain_indirect(struct fake_ring *ring, gpa_t table, const struct fake_piece *pieces,
                             unsigned count)
{
    const struct fake_piece pointer = {table, 16 * count, FAKE_INDIRECT};

    for (unsigned i = 0; i < count; i++) {
        struct fake_piece piece = pieces[i];
        if (i + 1 < count)
            piece.flags |= FAKE_NEXT;
        fake_desc(ring->mem, table, i, piece, (uint16_t)(i + 1));
    }
    return fake_chain(ring, &pointer, 1);
}

void fake_avail_idx_set(struct fake_ring *ring, uint16_t idx)
{
    __atomic_store_n(word(ring, ring->avail + 2), htole16(idx), __ATOMIC_RELEASE);
    ring->avail_idx = idx;
}

void fake_offer(struct fake_ring *ring, uint16_t head)
{
    uint16_t slot = (uint16_t)(ring->avail_idx % ring->size);

    __atomic_store_n(word(ring, ring->avail + 4 + 2ull * slot), htole16(head), __ATOMIC_RELAXED);
    fake_avail_idx_set(ring, (uint16_t)(ring->avail_idx + 1));
}

bool fake_used(struct fake_ring *ring, uint32_t *ret_id, uint32_t *ret_len)
{
    struct {
        le32 id, len;
    } elem;

    if (fake_used_idx(ring) == ring->used_seen)
        return false;
    memcpy(&elem, at(ring->mem, ring->used + 4 + 8ull * (ring->used_seen % ring->size), 8), 8);
    ring->used_seen++;
    *ret_id = from_le32(elem.id);
    *ret_len = from_le32(elem.len);
    return true;
}

void fake_avail_flags_set(const struct fake_ring *ring, uint16_t flags)
{
    __atomic_store_n(word(ring, ring->avail), htole16(flags), __ATOMIC_SEQ_CST);
}

void fake_used_event_set(const struct fake_ring *ring, uint16_t idx)
{
    uint16_t *used_event = word(ring, ring->avail + 4 + 2ull * ring->size);

    __atomic_store_n(used_event, htole16(idx), __ATOMIC_SEQ_CST);
}

uint16_t fake_used_flags(const struct fake_ring *ring)
{
    return le16toh(__atomic_load_n(word(ring, ring->used), __ATOMIC_SEQ_CST));
}

uint16_t fake_used_idx(const struct fake_ring *ring)
{
    return le16toh(__atomic_load_n(word(ring, ring->used + 2), __ATOMIC_ACQUIRE));
}

uint16_t fake_avail_event(const struct fake_ring *ring)
{
    uint16_t *avail_event = word(ring, ring->used + 4 + 8ull * ring->size);

    return le16toh(__atomic_load_n(avail_event, __ATOMIC_SEQ_CST));
}

bool fake_kick_wanted(const struct fake_ring *ring, uint16_t old, bool event_idx)
{
    uint16_t new = ring->avail_idx;

    __sync_synchronize(); /* partner: virtq_pop() enabling kicks */
    if (!event_idx)
        return (fake_used_flags(ring) & 1) == 0;
    return (uint16_t)(new - fake_avail_event(ring) - 1) < (uint16_t)(new - old);
}

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
    features &= fake_features(drv);
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
    fake_ring_init(ring, drv->dev->mem, size, drv->ring_addr);
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
