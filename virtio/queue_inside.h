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
    struct chain *chain;     /* its id and slots are the layout's to say */
    uint32_t *left;          /* the bytes of the part that it is in */
    struct iov_chunk **next; /* where the next chunk goes */
    struct iov_chunk *chunk; /* and what it has: the last one, */
    uint32_t at;             /* and where in it the next piece goes; IOV_CHUNK: it is full */
    unsigned desc_left;      /* so many descriptors more the class allows */
    const uint8_t *end;      /* of the last piece of this part; NULL: it has none yet */
    bool writing;            /* a writable descriptor was seen */
};

/* One more chunk of pieces: 0, or -ENOBUFS. */
int walk_grow(struct walk *walk);

/* One more descriptor, which was copied. 0; -EPROTO if it must not be there, or more come than the
 * class allows, which ends loops; -ENOBUFS if the pool has no room for it now. */
static inline int walk_add(struct walk *walk, uint64_t addr, uint32_t len, bool writable)
{
    if (walk->desc_left-- == 0)
        return -EPROTO; /* a loop, or more than we hold */
    if (writable != walk->writing) {
        if (!writable)
            return -EPROTO;
        walk->writing = true;
        walk->left = &walk->chain->writable_left;
        walk->end = NULL; /* no piece is of both parts */
    }
    if (len == 0)
        return 0;
    uint8_t *host = memory_at(walk->vq->mem, addr, len);
    if (host == NULL || ckd_add(walk->left, *walk->left, len))
        return -EPROTO;
    if (host == walk->end) {
        walk->chunk->iov[walk->at - 1].iov_len += len;
    } else {
        if (walk->at == IOV_CHUNK && walk_grow(walk) < 0)
            return -ENOBUFS;
        if (writable && walk->end == NULL)
            walk->chain->write = (struct chain_cursor){.chunk = walk->chunk, .at = walk->at};
        walk->chunk->iov[walk->at++] = (struct iovec){host, len};
    }
    walk->end = host + len;
    return 0;
}

/* An indirect table of that many bytes (§2.7.5.3, §2.8.7): its host address and how many
 * descriptors, or NULL if there is none such. */
static inline const uint8_t *walk_table_at(const struct walk *walk, uint64_t addr, uint32_t len,
                                           uint32_t *ret_count)
{
    *ret_count = len / 16;
    return len == 0 || len % 16 != 0 ? NULL : memory_at(walk->vq->mem, addr, len);
}

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
