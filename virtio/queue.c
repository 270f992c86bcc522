/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtqueues, see queue.h (virtio 1.2 §2.6): what is the same in any layout. The bytes of a request
 * are in chain.c.
 *
 * Taking a request is a walk over descriptors, first in the queue's table, then perhaps in an
 * indirect one. Each descriptor is copied, checked, and turned into a piece of host memory; nothing
 * is read from the ring again. Whatever breaks a rule ends the walk, kills the queue and is
 * -EPROTO: there is no honest way to answer a request that cannot be delimited.
 *
 * A chain of exactly 4 GiB in one direction is legal but refused, because lengths here have 32 bits
 * as those that the driver is told. Does not know notification data (feature 38): a kick is an
 * eventfd's, which has no place for it.
 */
#include "virtio/queue_inside.h"

#include "virtio/events.h"
#include "vmm/base/sparse.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/* -- start and stop -- */

static size_t pool_bytes(const struct virtq *vq)
{
    return vq->chunk_count * sizeof(vq->chunks[0]);
}

int virtq_init(struct virtq *vq, const struct memory *mem, uint16_t index,
               const struct virtq_limits *limits)
{
    assert(limits->size <= VIRTQ_SIZE_MAX && (limits->size & (limits->size - 1)) == 0);
    assert(limits->chain_descs > 0 && limits->chain_descs <= VIRTQ_CHAIN_DESCS_MAX);
    uint32_t iovs = MAX(limits->held_iovs, (uint32_t)limits->chain_descs);
    *vq = (struct virtq){.mem = mem, .index = index, .limits = *limits, .kick = {.fd = -1}};
    vq->kick.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (vq->kick.fd < 0)
        return -errno;
    vq->chunk_count = limits->size + (iovs + IOV_CHUNK - 1) / IOV_CHUNK;
    vq->chunks = sparse_map(pool_bytes(vq));
    return vq->chunks == NULL ? -ENOMEM : 0;
}

void virtq_fini(struct virtq *vq)
{
    if (vq->limits.size == 0)
        return; /* never initialised */
    fd_close(&vq->kick.fd);
    sparse_unmap(vq->chunks, pool_bytes(vq));
    *vq = (struct virtq){0};
}

static const struct virtq_area descs = {.align = 16, .slot_bytes = 16};

/* One of the areas, or NULL. */
static uint8_t *area_at(const struct virtq *vq, gpa_t addr, const struct virtq_area *area)
{
    if (addr % area->align != 0)
        return NULL;
    return memory_at(vq->mem, addr, area->fixed_bytes + (uint64_t)area->slot_bytes * vq->size);
}

static bool has(uint64_t features, unsigned bit)
{
    return (features >> bit & 1) != 0;
}

/* Looks at what the driver set up, and takes it over: 0 or -EINVAL. */
static int set_up(struct virtq *vq, uint64_t features)
{
    const struct virtq_config *config = &vq->config;

    assert(!vq->running && config->ready);
    if (config->size == 0 || config->size > vq->limits.size)
        return -EINVAL;
    vq->layout = has(features, VIRTIO_F_RING_PACKED) ? &virtq_packed : &virtq_split;
    vq->size = config->size;
    vq->desc = area_at(vq, config->desc, &descs);
    vq->driver = area_at(vq, config->driver, &vq->layout->driver);
    vq->device = area_at(vq, config->device, &vq->layout->device);
    if (vq->desc == NULL || vq->driver == NULL || vq->device == NULL)
        return -EINVAL;
    vq->event_idx = has(features, VIRTIO_RING_F_EVENT_IDX);
    vq->indirect = has(features, VIRTIO_RING_F_INDIRECT_DESC);
    vq->in_order = has(features, VIRTIO_F_IN_ORDER);
    vq->next_avail = vq->next_used = vq->held_slots = 0;
    vq->unsignalled = 0;
    vq->starved = false;
    int r = vq->layout->start(vq);
    if (r == 0 && vq->in_order)
        vq->next_avail = vq->seen = vq->next_used; /* what was skipped could never be used */
    return r;
}

int virtq_start(struct virtq *vq, uint64_t features)
{
    int r = set_up(vq, features);

    if (r < 0)
        return r;
    vq->dead = vq->lent = false;
    vq->running = true;
    if (vq->events != NULL)
        queue_events_forget(vq);
    vq->layout->kicks_off(vq, true); /* the first look needs none */
    vq->kicks_on = false;
    virtq_round(vq);
    return 0;
}

bool virtq_in_place(const struct virtq *vq)
{
    const struct virtq_config *config = &vq->config;

    return area_at(vq, config->desc, &descs) == vq->desc &&
           area_at(vq, config->driver, &vq->layout->driver) == vq->driver &&
           area_at(vq, config->device, &vq->layout->device) == vq->device;
}

int virtq_lend(struct virtq *vq, uint64_t features)
{
    int r = set_up(vq, features);

    if (r < 0)
        return r;
    vq->dead = vq->lent = vq->running = true;
    return 0;
}

void virtq_stop(struct virtq *vq)
{
    if (!vq->running)
        return;
    (void)madvise(vq->chunks, pool_bytes(vq), MADV_DONTNEED); /* fails on our own bugs only */
    vq->free_chunks = NULL;
    vq->chunks_touched = 0;
    vq->desc = vq->device = NULL;
    vq->driver = NULL;
    vq->running = false;
}

uint32_t virtq_base(const struct virtq *vq, bool again)
{
    if (vq->layout == NULL)
        return vq->config.base; /* it never started */
    return vq->layout->base(vq, again ? vq->next_used : vq->next_avail, vq->next_used);
}

void virtq_kill(struct virtq *vq)
{
    atomic_store_explicit(&vq->dead, true, memory_order_relaxed);
}

void virtq_revive(struct virtq *vq)
{
    assert(vq->held_slots == 0);
    atomic_store_explicit(&vq->dead, false, memory_order_relaxed);
}

static bool is_dead(const struct virtq *vq)
{
    return !vq->running || atomic_load_explicit(&vq->dead, memory_order_relaxed);
}

void virtq_round(struct virtq *vq)
{
    vq->round_left = VIRTQ_ROUND_CHAINS_MAX;
}

/* Whoever shares the eventfd may have cleared O_NONBLOCK, and be about to fill it up. We look
 * first; that it is filled between the look and the write is all that is left to chance. */
static bool kick_blocks(const struct virtq *vq)
{
    struct pollfd room = {.fd = vq->kick.fd, .events = POLLOUT};

    return poll(&room, 1, 0) != 1;
}

void virtq_kick(const struct virtq *vq)
{
    if (vq->lent && kick_blocks(vq))
        return;                          /* kicks enough are pending */
    (void)eventfd_write(vq->kick.fd, 1); /* EAGAIN: kicks enough are pending */
}

/* -- the pool -- */

static struct iov_chunk *chunk_take(struct virtq *vq)
{
    struct iov_chunk *chunk = vq->free_chunks;

    if (chunk != NULL)
        vq->free_chunks = chunk->next;
    else if (vq->chunks_touched < vq->chunk_count)
        chunk = &vq->chunks[vq->chunks_touched++];
    else
        return NULL;
    chunk->next = NULL;
    return chunk;
}

static void chunks_give(struct virtq *vq, struct iov_chunk *list)
{
    while (list != NULL) {
        struct iov_chunk *chunk = list;
        list = chunk->next;
        chunk->next = vq->free_chunks;
        vq->free_chunks = chunk;
    }
}

/* -- the walk -- */

int walk_grow(struct walk *walk)
{
    struct iov_chunk *chunk = chunk_take(walk->vq);

    if (chunk == NULL)
        return -ENOBUFS;
    *walk->next = walk->chunk = chunk;
    walk->next = &chunk->next;
    walk->at = 0;
    return 0;
}

/* -- taking requests -- */

/* 1 if there is something to take, 0 with kicks enabled, or -EPROTO. */
static int look_or_wait(struct virtq *vq)
{
    int r = vq->layout->look(vq);

    if (r != 0 || vq->kicks_on)
        return r;
    vq->layout->kicks_on(vq);
    vq->kicks_on = true;
    /* Full: what asks for kicks is out before the ring is looked at again. Partner: the driver's
     * barrier between making a request available and deciding whether to kick. One of us sees the
     * other. */
    __sync_synchronize();
    return vq->layout->look(vq);
}

/* Additions need no kick while we are at work. */
static void kicks_off(struct virtq *vq, bool passed)
{
    if (vq->kicks_on)
        vq->layout->kicks_off(vq, passed);
    vq->kicks_on = false;
}

/* Takes the request that waits: 1; 0 if the pool has no room for it now; -EPROTO. */
static int chain_take(struct virtq *vq, struct chain *ret_chain)
{
    struct chain chain = {.position = vq->next_avail};
    struct walk walk = {.vq = vq,
                        .chain = &chain,
                        .left = &chain.readable_left,
                        .next = &chain.chunks,
                        .at = IOV_CHUNK,
                        .desc_left = vq->limits.chain_descs};
    int r = vq->layout->walk(vq, &walk);

    if (r == 0 && (uint64_t)chain.readable_left + chain.writable_left > 1ull << 32)
        r = -EPROTO;
    if (r == 0 && chain.slots > vq->size - vq->held_slots)
        r = -EPROTO; /* more under way than the ring has slots */
    if (r < 0)
        chunks_give(vq, chain.chunks);
    vq->starved = r == -ENOBUFS;
    if (r < 0)
        return vq->starved ? 0 : r;
    chain.read.chunk = chain.chunks;
    vq->held_slots = (uint16_t)(vq->held_slots + chain.slots);
    vq->next_avail = virtq_advance(vq, vq->next_avail, chain.slots);
    vq->round_left--;
    *ret_chain = chain;
    return 1;
}

int virtq_pop(struct virtq *vq, struct chain *ret_chain)
{
    if (is_dead(vq))
        return 0;
    int r = look_or_wait(vq);
    if (r > 0 && vq->round_left == 0) {
        virtq_kick(vq);
        return 0;
    }
    if (r > 0) {
        kicks_off(vq, true);
        r = chain_take(vq, ret_chain);
    }
    if (r < 0)
        virtq_kill(vq);
    if (r > 0 && vq->events != NULL)
        queue_event_pop(vq, ret_chain);
    return r;
}

void virtq_kicks_off(struct virtq *vq)
{
    if (!is_dead(vq))
        kicks_off(vq, false);
}

/* -- giving them back -- */

/* Forgets a request, which was at that position; the driver is told, unless the queue is dead. */
static void use(struct virtq *vq, uint16_t position, const struct chain *chain, bool dead)
{
    assert(vq->running && vq->held_slots >= chain->slots);
    assert(dead || !vq->in_order || chain->position == position);
    vq->held_slots = (uint16_t)(vq->held_slots - chain->slots);
    vq->unsignalled = MIN(vq->unsignalled + chain->slots, vq->cycle);
    if (!dead)
        vq->layout->use(vq, position, chain);
    chunks_give(vq, chain->chunks);
}

/* The first one last: what the driver looks at next is written when all else is there. */
void virtq_push_all(struct virtq *vq, struct chain *chains, unsigned count)
{
    bool dead = is_dead(vq);

    if (count == 0)
        return;
    if (vq->events != NULL)
        queue_event_push(vq, chains, count);
    uint16_t position = virtq_advance(vq, vq->next_used, chains[0].slots);
    for (unsigned i = 1; i < count; i++) {
        use(vq, position, &chains[i], dead);
        position = virtq_advance(vq, position, chains[i].slots);
    }
    use(vq, vq->next_used, &chains[0], dead);
    if (dead)
        return;
    vq->next_used = position;
    if (vq->layout->publish != NULL)
        vq->layout->publish(vq);
    if (vq->starved)
        virtq_kick(vq); /* there may be room now */
    vq->starved = false;
}

void virtq_push(struct virtq *vq, struct chain *chain)
{
    virtq_push_all(vq, chain, 1);
}

bool virtq_should_signal(struct virtq *vq)
{
    uint32_t count = vq->unsignalled;

    if (is_dead(vq) || count == 0)
        return false;
    vq->unsignalled = 0;
    /* Full: what was used is out before the driver's wish is read. Partner: the driver's barrier
     * between asking for interrupts and looking at used requests again. */
    __sync_synchronize();
    int32_t event = vq->layout->driver_event(vq);
    if (event < 0)
        return event == EVENT_ALWAYS;
    /* Whether it is one of the `count` positions before next_used (§2.7.7.2). */
    uint32_t ago = vq->next_used + vq->cycle - 1 - (uint32_t)event;
    return (ago >= vq->cycle ? ago - vq->cycle : ago) < count;
}
