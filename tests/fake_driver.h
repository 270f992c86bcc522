/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's side of a virtio device, scripted by tests: rings in guest RAM, and the registers of
 * virtio-mmio, used in the order in which Linux's driver uses them. Builds good chains and
 * malformed ones. Numbers here are the specification's, not our headers'.
 *
 * A struct fake_ring belongs to one thread. Registers may be used by several: accesses go over a
 * bus with its lock, as those of vCPUs do.
 */
#pragma once

#include "virtio/mmio.h"

/* Descriptor flags (virtio 1.2 §2.7.5). */
#define FAKE_NEXT     1
#define FAKE_WRITE    2
#define FAKE_INDIRECT 4

/* Features (§6). */
#define FAKE_INDIRECT_DESC (1ull << 28)
#define FAKE_EVENT_IDX     (1ull << 29)
#define FAKE_VERSION_1     (1ull << 32)
#define FAKE_RING_RESET    (1ull << 40)

/* Those that every device offers. */
#define FAKE_CORE (FAKE_INDIRECT_DESC | FAKE_EVENT_IDX | FAKE_VERSION_1 | FAKE_RING_RESET)

/* Those that matter to a queue. */
static inline uint64_t fake_queue_features(bool event_idx, bool indirect)
{
    return FAKE_VERSION_1 | (event_idx ? FAKE_EVENT_IDX : 0) | (indirect ? FAKE_INDIRECT_DESC : 0);
}

/* -- a ring -- */

struct fake_ring {
    const struct memory *mem;
    uint16_t size;
    gpa_t desc, avail, used;
    uint16_t next_desc; /* the next chain starts here, modulo size */
    uint16_t avail_idx; /* as published */
    uint16_t used_seen; /* entries taken */
};

/* One element of a chain; flags: 0 or FAKE_WRITE, or a lie. */
struct fake_piece {
    gpa_t addr;
    uint32_t len;
    uint16_t flags;
};

/* Bytes that a ring of that many descriptors takes, a multiple of 16. */
uint64_t fake_ring_bytes(uint16_t size);
/* Lays out a zeroed ring at `addr`, a multiple of 16. */
void fake_ring_init(struct fake_ring *ring, const struct memory *mem, uint16_t size, gpa_t addr);

/* Writes descriptor `index` of the table at `table`. */
void fake_desc(const struct memory *mem, gpa_t table, uint32_t index, struct fake_piece piece,
               uint16_t next);
/* Writes a chain into the ring's descriptors; its head. Offers nothing yet. */
uint16_t fake_chain(struct fake_ring *ring, const struct fake_piece *pieces, unsigned count);
/* The same in an indirect table at `table`, with one descriptor of the ring. */
uint16_t fake_chain_indirect(struct fake_ring *ring, gpa_t table, const struct fake_piece *pieces,
                             unsigned count);
/* Puts the head into the available ring and moves its index, visible to the device at once. */
void fake_offer(struct fake_ring *ring, uint16_t head);
/* Writes avail.idx, whatever it says. */
void fake_avail_idx_set(struct fake_ring *ring, uint16_t idx);

/* Next entry of the used ring; false if there is none. */
bool fake_used(struct fake_ring *ring, uint32_t *ret_id, uint32_t *ret_len);

/* Single fields of the rings. */
void fake_avail_flags_set(const struct fake_ring *ring, uint16_t flags);
void fake_used_event_set(const struct fake_ring *ring, uint16_t idx);
uint16_t fake_used_flags(const struct fake_ring *ring);
uint16_t fake_used_idx(const struct fake_ring *ring);
uint16_t fake_avail_event(const struct fake_ring *ring);

/* Whether a driver that moved avail.idx from `old` to avail_idx has to kick (§2.7.10.1). */
bool fake_kick_wanted(const struct fake_ring *ring, uint16_t old, bool event_idx);

/* -- a device behind virtio-mmio -- */

/* Register offsets (§4.2.2). */
enum fake_reg {
    FAKE_MAGIC = 0x000,
    FAKE_VERSION = 0x004,
    FAKE_DEVICE_ID = 0x008,
    FAKE_VENDOR_ID = 0x00c,
    FAKE_DEVICE_FEATURES = 0x010,
    FAKE_DEVICE_FEATURES_SEL = 0x014,
    FAKE_DRIVER_FEATURES = 0x020,
    FAKE_DRIVER_FEATURES_SEL = 0x024,
    FAKE_QUEUE_SEL = 0x030,
    FAKE_QUEUE_SIZE_MAX = 0x034,
    FAKE_QUEUE_SIZE = 0x038,
    FAKE_QUEUE_READY = 0x044,
    FAKE_QUEUE_NOTIFY = 0x050,
    FAKE_INTERRUPT_STATUS = 0x060,
    FAKE_INTERRUPT_ACK = 0x064,
    FAKE_STATUS = 0x070,
    FAKE_QUEUE_DESC = 0x080, /* low half; high half 4 further on */
    FAKE_QUEUE_DRIVER = 0x090,
    FAKE_QUEUE_DEVICE = 0x0a0,
    FAKE_SHM_SEL = 0x0ac,
    FAKE_SHM_LEN = 0x0b0,
    FAKE_SHM_BASE = 0x0b8,
    FAKE_QUEUE_RESET = 0x0c0,
    FAKE_CONFIG_GENERATION = 0x0fc,
    FAKE_CONFIG = 0x100,
};

#define FAKE_QUEUES_MAX 64

struct fake_driver {
    struct virtio_device *dev; /* borrowed */
    struct mmio mmio;
    struct bus bus;
    gpa_t ring_addr; /* where the next ring goes */
    struct fake_ring ring[FAKE_QUEUES_MAX];
};

/* A device from one option, or from none at all (NULL). */
static inline int fake_create(const struct virtio_class *class, unsigned index,
                              const struct memory *mem, const struct opts *opts,
                              struct virtio_device **ret_dev)
{
    return virtio_create(class, index, mem, &opts, 1, ret_dev);
}

/* Asks a device for something, as the control socket does, in one or two words, and waits: 0 or
 * -errno, and what it told. */
#define FAKE_REPLY_BYTES 8192
int fake_command(struct virtio_device *dev, const char *first, const char *second,
                 char ret_reply[FAKE_REPLY_BYTES]);

/* Rings will be laid out from `ring_addr` on. */
void fake_driver_init(struct fake_driver *drv, struct virtio_device *dev, gpa_t ring_addr);
/* After the device is destroyed, or another transport connected. */
void fake_driver_fini(struct fake_driver *drv);

uint32_t fake_read(struct fake_driver *drv, uint64_t off);
void fake_write(struct fake_driver *drv, uint64_t off, uint32_t val);
/* Any width. */
void fake_read_bytes(struct fake_driver *drv, uint64_t off, void *ret_buf, size_t len);
void fake_write_bytes(struct fake_driver *drv, uint64_t off, const void *buf, size_t len);

uint64_t fake_features(struct fake_driver *drv);
/* Up to FEATURES_OK: identity, reset, status, features & those offered. The status read last. */
uint32_t fake_negotiate(struct fake_driver *drv, uint64_t features);
/* Lays out a zeroed ring of that size (0: as large as the device allows) and enables the queue. */
void fake_queue_setup(struct fake_driver *drv, uint16_t index, uint16_t size);
/* Everything: negotiates, enables all queues, sets DRIVER_OK. The status read last. */
uint32_t fake_start(struct fake_driver *drv, uint64_t features);

/* The interrupt handler: waits for an edge, reads InterruptStatus, acknowledges what it read and
 * returns it; -1 if no edge came in time. */
int fake_wait_irq(struct fake_driver *drv, int timeout_ms);
/* Edges since the last look, not waiting. */
uint64_t fake_edges(struct fake_driver *drv);
/* Waits for the next used entry, by interrupt only; false if none came within 5 s. */
bool fake_wait_used(struct fake_driver *drv, uint16_t index, uint32_t *ret_id, uint32_t *ret_len);
/* Waits for a status bit that the device sets; false if it did not come within 5 s. */
bool fake_wait_status(struct fake_driver *drv, uint32_t bit);
