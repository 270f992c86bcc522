/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between queue.c, which is a virtqueue, and queue_split.c and queue_packed.c, which know how one
 * lies in memory.
 */
#pragma once

#include "virtio/queue.h"

#include <stdatomic.h>
#include <string.h>

/* What a walk over the descriptors of a request has gathered. */
struct walk {
    struct virtq *vq;
    uint16_t id, slots; /* the layout's to say, see struct chain */
    struct iov_chunk *chunks;
    struct chain_cursor end;   /* where the next piece goes, once there is a chunk */
    struct chain_cursor write; /* the first writable piece */
    struct iovec *last;        /* the last piece of this part; NULL: none yet */
    unsigned desc_count;
    bool writing; /* a writable descriptor was seen */
    uint64_t readable, writable;
};

/* One more descriptor, which was copied. 0; -EPROTO if it must not be there, or more come than the
 * class allows, which ends loops; -ENOBUFS if the pool has no room for it now. */
int walk_add(struct walk *walk, uint64_t addr, uint32_t len, bool writable);

/* An indirect table of that many bytes (§2.7.5.3, §2.8.7): its host address and how many
 * descriptors, or NULL if there is none such. */
const uint8_t *walk_table_at(const struct walk *walk, uint64_t addr, uint32_t len,
                             uint32_t *ret_count);

struct virtq_area {
    uint8_t align, fixed_bytes, slot_bytes;
};

/* What driver_event() says beside positions. */
enum { EVENT_NEVER = -1, EVENT_ALWAYS = -2 };

struct virtq_layout {
    struct virtq_area driver, device; /* the descriptor area: 16 bytes a slot in any */

    /* The areas are there. Sets `cycle`, checks the size, and takes over config.base if the queue
     * resumes. 0 or -EINVAL. */
    int (*start)(struct virtq *vq);
    uint32_t (*base)(const struct virtq *vq, uint16_t avail, uint16_t used);

    /* 1: a request waits at next_avail; 0: none does; -EPROTO. What it reads before it says 1 it
     * orders before walk()'s reads. */
    int (*look)(struct virtq *vq);
    /* Walks that request: as walk_add(). */
    int (*walk)(struct virtq *vq, struct walk *walk);

    /* Asks the driver to kick when it makes next_avail available; or not to. `passed`: it has made
     * that available already. */
    void (*kicks_on)(struct virtq *vq);
    void (*kicks_off)(struct virtq *vq, bool passed);

    /* Writes what the driver is to know of that request at that position. */
    void (*use)(struct virtq *vq, uint16_t position, const struct chain *chain);
    /* next_used has moved. NULL: use() of the first of them, which comes last, was it. */
    void (*publish)(struct virtq *vq);
    /* At which used position the driver wants to hear of it, or EVENT_*. */
    int32_t (*driver_event)(const struct virtq *vq);
};

extern const struct virtq_layout virtq_split, virtq_packed;

/* Words that both sides use at the same time. The areas are aligned, so these are too. */
static inline uint16_t ring_load(const uint8_t *at)
{
    return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_RELAXED));
}

static inline uint16_t ring_load_acquire(const uint8_t *at)
{
    return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE));
}

static inline void ring_store(uint8_t *at, uint16_t val)
{
    __atomic_store_n((uint16_t *)(void *)at, htole16(val), __ATOMIC_RELAXED);
}

static inline void ring_store_release(uint8_t *at, uint16_t val)
{
    __atomic_store_n((uint16_t *)(void *)at, htole16(val), __ATOMIC_RELEASE);
}

/* That many slots further. */
static inline uint16_t virtq_advance(const struct virtq *vq, uint32_t position, uint32_t slots)
{
    uint32_t sum = position + slots;

    return (uint16_t)(sum >= vq->cycle ? sum - vq->cycle : sum);
}

/* The one look at a descriptor. */
static inline void desc_copy(void *ret_desc, const uint8_t *table, uint32_t index)
{
    memcpy(ret_desc, table + (size_t)index * 16, 16);
    atomic_signal_fence(memory_order_seq_cst); /* keeps the compiler from reading it again */
}
