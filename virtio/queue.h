/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's side of a virtqueue (virtio 1.2 §2.6). Its layout in memory, split or packed, was
 * negotiated: queue_split.c and queue_packed.c know them, and nobody else does.
 *
 * A device sees a request only as a struct chain: a readable byte stream, then a writable one, so
 * that it cannot depend on how the driver split them into descriptors (§2.7.4.1).
 *
 * The rings are in guest RAM: hostile, and changing while we look. Each index and descriptor is
 * copied once, checked, and used from the copy. Between virtq_start() and virtq_stop() the queue
 * belongs to one thread, the device's worker; nothing here takes a lock.
 */
#pragma once

#include "vmm/base/loop.h"
#include "vmm/base/memory.h"

#include <sys/uio.h>

/* Requests that virtq_pop() hands out between two calls of virtq_round(): what one wake-up of the
 * worker may cost. */
#define VIRTQ_ROUND_CHAINS_MAX 128

/* What a driver may ask of a queue: the class says, see struct virtio_class. */
struct virtq_limits {
    /* Largest queue size: a power of two. The layouts allow 32768. */
    uint16_t size;
    /* Most descriptors in one chain, direct and indirect together (§2.7.4.1 allows a limit; Linux's
     * indirect tables may be longer than the queue). Beyond: the ring is broken. */
    uint16_t chain_descs;
    /* How many pieces of RAM (iovecs) the requests under way may have in all, beyond the first
     * IOV_CHUNK of each. What does not fit waits in the ring until something is pushed. At least
     * one request fits; 0: no more. This bounds the memory that a guest can make a queue use. */
    uint32_t held_iovs;
};

#define VIRTQ_SIZE_MAX        1024
#define VIRTQ_CHAIN_DESCS_MAX 2048

struct virtq;

/* Pieces of a request's memory, from the queue's pool. */
#define IOV_CHUNK 15
struct iov_chunk {
    struct iovec iov[IOV_CHUNK];
    struct iov_chunk *next; /* of the same request; or of the free list */
};

struct chain_cursor {
    struct iov_chunk *chunk;
    uint32_t at;  /* the element, */
    uint32_t off; /* and the offset in it */
};

/*
 * One request: taken by virtq_pop(), given back by virtq_push() exactly once, or forgotten by
 * virtq_stop(). May be kept between calls (copy the struct freely, but push only one copy).
 */
struct chain {
    struct iov_chunk *chunks;              /* readable pieces, then writable; NULL: no bytes */
    struct chain_cursor read, write;       /* valid while bytes are left */
    uint32_t readable_left, writable_left; /* bytes from the cursors to the end of either part */
    uint32_t written;                      /* bytes: what the driver will be told */
    uint16_t id;                           /* by which the driver knows it */
    uint16_t slots;                        /* of the ring that it takes */
    uint16_t position;                     /* where the first one is, as virtq.next_avail */
    uint16_t told;                         /* virtio/events.c's */
};

/* What the driver set up, latched when the queue was enabled. */
struct virtq_config {
    uint16_t size;
    bool ready;
    bool resumes;               /* begins where another device left off: */
    uint32_t base;              /* as virtq_base() told it */
    gpa_t desc, driver, device; /* the three areas (§2.6) */
};

struct virtq_layout;

struct virtq {
    /* from init to fini */
    const struct memory *mem;
    uint16_t index;
    struct virtq_limits limits;
    struct watch kick;        /* owned eventfd: the driver's notification */
    struct iov_chunk *chunks; /* owned: the pool, mapped, touched as used */
    uint32_t chunk_count;
    struct virtq_config config;  /* the transport's */
    struct queue_events *events; /* owned; NULL: nobody wants to know. virtio/events.h */

    /* from start to stop: the worker's */
    const struct virtq_layout *layout;
    bool running;
    bool lent; /* to another process: nothing here touches its memory, and its kicks wake nobody */
    _Atomic bool dead; /* broken or failed: touches no guest memory any more. Any thread */
    bool event_idx, indirect, in_order; /* negotiated */
    bool kicks_on; /* the driver was asked to kick when it adds at next_avail */
    bool starved;  /* a request waits in the ring for room in the pool */
    uint16_t size;
    /* Positions count slots, and begin anew at `cycle`: it is a multiple of the size. */
    uint32_t cycle;
    uint16_t next_avail;    /* slot to read next, */
    uint16_t next_used;     /* and to use next: between them are those held, in their order */
    uint16_t seen;          /* the layout's: what it saw at its last look */
    uint16_t held_slots;    /* of the requests under way */
    uint32_t unsignalled;   /* slots used since the last signal decision, `cycle` at most */
    uint16_t round_left;    /* requests that this round may still take */
    uint8_t *desc, *device; /* host addresses of the areas, checked for their whole size */
    const uint8_t *driver;
    struct iov_chunk *free_chunks; /* list: those given back */
    uint32_t chunks_touched;       /* those from here on were never used */
};

/* Main: everything that the queue will ever need. -errno; virtq_fini() may follow in any case, also
 * on a zeroed queue. */
int virtq_init(struct virtq *vq, const struct memory *mem, uint16_t index,
               const struct virtq_limits *limits);
void virtq_fini(struct virtq *vq);

/* Starts a queue whose config.ready is set, by what was negotiated: checks size, alignment and that
 * all areas lie in RAM, and where it is to begin. 0, or -EINVAL for a bad set-up by the driver. */
int virtq_start(struct virtq *vq, uint64_t features);

/* The same checks, for a queue that another process serves: it is dead here, as virtq_kill() makes
 * it, and who was given vq->kick.fd shares it. */
int virtq_lend(struct virtq *vq, uint64_t features);

/* Of a running queue: its areas are where they were when it started, though RAM has changed. */
bool virtq_in_place(const struct virtq *vq);

/* Forgets every chain taken; touches no guest memory. Accepts a stopped queue. */
void virtq_stop(struct virtq *vq);

/* Where the queue stands, or stood when it was stopped, for whoever goes on (config.resumes). As
 * vhost-user has it (VHOST_USER_GET_VRING_BASE): of a split ring the next index of the available
 * ring, for the used one is in memory; of a packed one the slot to read next and its wrap counter
 * (bits 0 to 14, 15), and the same of the slot to use next (16 to 30, 31).
 *
 * `again`: requests under way are to be taken anew by whoever goes on. That is right only if they
 * were returned in the order in which they were taken. Else they are taken no more: they should
 * have been returned before. With IN_ORDER they are taken anew whatever it says. */
uint32_t virtq_base(const struct virtq *vq, bool again);

/* The queue touches no guest memory from now until it is started again: it pops nothing, pushes
 * go nowhere. Accepts a stopped queue. */
void virtq_kill(struct virtq *vq);
/* Takes that back, where no request was under way and all areas are in place. */
void virtq_revive(struct virtq *vq);

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

/* When virtq_pop() returned 0: there was nothing more, it was not that the round is over. */
static inline bool virtq_empty(const struct virtq *vq)
{
    return vq->round_left > 0;
}

/* Wakes the worker for this queue. Any thread. */
void virtq_kick(const struct virtq *vq);

/* Returns the request with used length = chain->written (bytes from the first writable one on).
 * Where IN_ORDER was negotiated: the oldest one under way. */
void virtq_push(struct virtq *vq, struct chain *chain);
/* Returns several, in their order: the driver sees none of them before all. */
void virtq_push_all(struct virtq *vq, struct chain *chains, unsigned count);

/* Whether the driver wants an interrupt for what was pushed since the last call (§2.7.7).
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
/* Skips `len` writable bytes, which do not count as written; 0 or -EPROTO. */
int chain_skip_writable(struct chain *chain, size_t len);

/* The next `len` bytes of the readable part where they lie, for pwritev() and its like, and moves
 * on: how many pieces, or with nothing taken -EPROTO if fewer bytes are left, -E2BIG if they are in
 * more than iov_max pieces. The guest may change them at any time. Valid until pushed. */
int chain_read_iov(struct chain *chain, size_t len, struct iovec *ret_iov, unsigned iov_max);
/* The same of the writable part, for preadv(). They count as written. */
int chain_write_iov(struct chain *chain, size_t len, struct iovec *ret_iov, unsigned iov_max);
