/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's side of a virtqueue, split layout (virtio 1.2 §2.7).
 *
 *   descriptor area (16 N bytes)     driver area "avail"            device area "used"
 *   +------+-----+-------+------+    +-------+-----+------------+   +-------+-----+---------------+
 *   | addr | len | flags | next |    | flags | idx | ring[N]    |   | flags | idx | {id,len}[N]   |
 *   +------+-----+-------+------+    +-------+-----+------------+   +-------+-----+---------------+
 *     written by the driver           + le16 used_event               + le16 avail_event
 *                                     written by the driver          written by the device
 *
 * A device sees a request only as a struct chain: a readable byte stream, then a writable one, so
 * that it cannot depend on how the driver split them into descriptors (§2.7.4.1).
 *
 * The rings are in guest RAM: hostile, and changing while we look. Each index and descriptor is
 * copied once, checked, and used from the copy. Between virtq_start() and virtq_stop() the queue
 * belongs to one thread, the device's worker; nothing here takes a lock.
 */
#pragma once

#include "vmm/base/base.h"
#include "vmm/base/memory.h"

#include <sys/uio.h>

/* Largest queue size that a class may offer; the split layout allows 32768. */
#define VIRTQ_SIZE_MAX 1024

/* Requests that virtq_pop() hands out between two calls of virtq_round(): what one wake-up of the
 * worker may cost. */
#define VIRTQ_ROUND_CHAINS_MAX 128

/* Most descriptors in one chain, direct and indirect together. Linux's indirect tables may be
 * longer than the queue (a 960 KiB sound period has 241). Beyond: the ring is broken. */
#define CHAIN_DESCS_MAX 1024

struct virtq;

/*
 * One request: taken by virtq_pop(), given back by virtq_push() exactly once, or forgotten by
 * virtq_stop(). May be kept between calls (copy the struct freely, but push only one copy).
 */
struct chain {
    uint16_t head; /* descriptor index, the used ring's id */
    uint16_t slot; /* of the queue's iovec pool */
    uint16_t iov_count;
    uint16_t read_iov, write_iov;          /* cursor: the element, */
    uint32_t read_off, write_off;          /* and the offset in it */
    uint32_t readable_left, writable_left; /* bytes from the cursors to the end of either part */
    uint32_t written;                      /* bytes: what the used ring will say */
    struct iovec *iov; /* in the queue's pool: readable elements, then writable */
};

/* What the driver set up, latched when the queue was enabled. */
struct virtq_config {
    uint16_t size;
    bool ready;
    gpa_t desc, driver, device;
};

struct virtq {
    /* set by the owner before start */
    const struct memory *mem;
    uint16_t index;
    uint16_t size_max;
    struct virtq_config config; /* vCPU threads, under the bus lock, while the queue is stopped */
    int kick_fd;                /* eventfd: the driver's notification */

    /* from start to stop: the worker's */
    bool running;
    bool dead;                /* broken or failed: touches no guest memory any more */
    bool event_idx, indirect; /* negotiated */
    bool kicks_on;            /* the driver was asked to kick when it adds at last_avail */
    uint16_t size;
    uint16_t last_avail;         /* next avail slot to read, free running */
    uint16_t avail_seen;         /* avail.idx at the last look: slots up to it may be read */
    uint16_t last_used;          /* next used slot to write, free running */
    uint16_t signalled_used;     /* last_used at the last signal decision (§2.7.7.2) */
    uint16_t round_left;         /* requests that this round may still take */
    const uint8_t *desc, *avail; /* host addresses of the areas, checked for their whole size */
    uint8_t *used;
    struct iovec *iov_pool; /* size * CHAIN_DESCS_MAX, mapped at start, touched as used */
    uint16_t *free_slots;   /* stack of free pool slots */
    uint16_t free_count;
};

/* Starts a queue whose config.ready is set: checks size, alignment and that all areas lie in RAM.
 * 0, -EINVAL for a bad set-up by the driver, -ENOMEM. */
int virtq_start(struct virtq *vq, bool event_idx, bool indirect);

/* Forgets positions and every chain taken; touches no guest memory. Accepts a stopped queue. */
void virtq_stop(struct virtq *vq);

/* The queue touches no guest memory from now until it is started again: it pops nothing, pushes
 * go nowhere. Accepts a stopped queue. */
void virtq_kill(struct virtq *vq);

/* Next request: 1 and *ret_chain, 0 when there is none, -EPROTO when the driver broke the ring
 * (the queue is dead then; the caller virtio_fail()s the device). A stopped or dead queue is empty.
 *
 * After a 0 the queue's eventfd wakes the worker as soon as there is more: either the driver kicks
 * (kicks were enabled and the ring looked at again after that), or this round has had its share and
 * the queue kicked itself. While there is work, kicks are off. */
int virtq_pop(struct virtq *vq, struct chain *ret_chain);

/* Takes back what virtq_pop() asked for when it returned 0: no kicks until it does so again. For a
 * device that will look at the queue by itself. */
void virtq_kicks_off(struct virtq *vq);

/* A new round: the worker woke up for this queue. */
void virtq_round(struct virtq *vq);

/* Wakes the worker for this queue. Any thread. */
void virtq_kick(const struct virtq *vq);

/* Returns the request with used length = chain->written (bytes from the first writable one on). */
void virtq_push(struct virtq *vq, struct chain *chain);

/* Whether the driver wants an interrupt for what was pushed since the last call (§2.7.7, §2.7.10).
 * Devices call virtio_signal() instead. */
bool virtq_should_signal(struct virtq *vq);

/* Bytes not yet read / not yet written. */
static inline uint32_t chain_readable(const struct chain *chain)
{
    return chain->readable_left;
}
static inline uint32_t chain_writable(const struct chain *chain)
{
    return chain->writable_left;
}

/* Copies the next `len` bytes of the readable part and moves on; 0, or -EPROTO with nothing copied
 * if fewer are left. */
int chain_read(struct chain *chain, void *ret_buf, size_t len);
/* Skips `len` readable bytes; 0 or -EPROTO. */
int chain_skip(struct chain *chain, size_t len);
/* Copies to the next `len` bytes of the writable part and moves on; 0, or -EPROTO with nothing
 * written if fewer are left. */
int chain_write(struct chain *chain, const void *buf, size_t len);
/* Writes `len` zero bytes; 0 or -EPROTO. */
int chain_zero(struct chain *chain, size_t len);
