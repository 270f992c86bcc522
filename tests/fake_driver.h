/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's side of a virtio device, scripted by tests: rings in guest RAM (fake_ring.h), and the
 * registers of virtio-mmio, used in the order in which Linux's driver uses them. Numbers here are
 * the specification's, not our headers'.
 *
 * Registers may be used by several threads: accesses go over a bus with its lock, as those of vCPUs
 * do.
 */
#pragma once

#include "tests/fake_ring.h"
#include "virtio/mmio.h"

/* Features that fake_negotiate() adds to those it is asked for, if they are offered: the layout of
 * the rings, and IN_ORDER. The test runner sets it, to have the suites of all devices run with each
 * (tests/main.c). */
extern uint64_t fake_layout;

/* Those that matter to a queue. */
static inline uint64_t fake_queue_features(bool event_idx, bool indirect)
{
    return FAKE_VERSION_1 | fake_layout | (event_idx ? FAKE_EVENT_IDX : 0) |
           (indirect ? FAKE_INDIRECT_DESC : 0);
}

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
    uint64_t features; /* negotiated last */
    gpa_t ring_addr;   /* where the next ring goes */
    struct fake_ring ring[FAKE_QUEUES_MAX];
};

/* A device from one option, or from none at all (NULL). */
static inline int fake_create(const struct virtio_class *class, unsigned index,
                              const struct memory *mem, const struct opts *opts,
                              struct virtio_device **ret_dev)
{
    return virtio_create(class, index, mem, &opts, 1, ret_dev);
}

/* A device from "key=value,...", as a user writes them: 0 or -errno. */
int fake_make(const struct virtio_class *class, const struct memory *mem, const char *text,
              struct virtio_device **ret_dev);

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
