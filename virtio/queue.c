/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Split virtqueues, see queue.h (virtio 1.2 §2.7). The bytes of a request are in chain.c.
 *
 * Taking a request is a walk over descriptors, first in the queue's table, then perhaps in an
 * indirect one. Each descriptor is copied, checked, and turned into a piece of host memory; nothing
 * is read from the ring again. Whatever breaks a rule ends the walk, kills the queue and is
 * -EPROTO: there is no honest way to answer a request that cannot be delimited.
 *
 * Does not know packed rings, in-order use, ring reset or notification data. A chain of exactly
 * 4 GiB in one direction is legal but refused, because lengths here have 32 bits as in the used
 * ring.
 */
#include "virtio/queue.h"

#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/* Byte offsets in the driver area and the device area. */
#define RING_FLAGS 0
#define RING_IDX   2
#define RING_SLOTS 4

struct desc {
    le64 addr;
    le32 len;
    le16 flags;
    le16 next;
};
_Static_assert(sizeof(struct desc) == 16, "virtio 1.2 §2.7.5");

struct used_elem {
    le32 id;
    le32 len;
};
_Static_assert(sizeof(struct used_elem) == 8, "virtio 1.2 §2.7.8");

/* Ring words that both sides use at the same time. The areas are aligned, so these are too. */
static uint16_t ring_load(const uint8_t *at)
{
    return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_RELAXED));
}

static uint16_t ring_load_acquire(const uint8_t *at)
{
    return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE));
}

static void ring_store(uint8_t *at, uint16_t val)
{
    __atomic_store_n((uint16_t *)(void *)at, htole16(val), __ATOMIC_RELAXED);
}

static void ring_store_release(uint8_t *at, uint16_t val)
{
    __atomic_store_n((uint16_t *)(void *)at, htole16(val), __ATOMIC_RELEASE);
}

/* -- kicks -- */

/* Asks for a kick at the next addition (§2.7.10). */
static void kicks_enable(struct virtq *vq)
{
    if (vq->event_idx)
        ring_store(vq->used + RING_SLOTS + 8 * (size_t)vq->size, vq->last_avail);
    else
        ring_store(vq->used + RING_FLAGS, 0);
    vq->kicks_on = true;
}

/* Additions need no kick while we are at work. With the event index an old avail_event says so. */
static void kicks_disable(struct virtq *vq)
{
    if (!vq->event_idx)
        ring_store(vq->used + RING_FLAGS, VRING_USED_F_NO_NOTIFY);
    vq->kicks_on = false;
}

/* -- start and stop -- */

static size_t pool_bytes(const struct virtq *vq)
{
    return vq->chunk_count * sizeof(vq->chunks[0]);
}

/* A mapping of its own: what is not touched costs nothing, and huge pages would undo that. */
static int pool_map(struct virtq *vq)
{
    const struct virtq_limits *limits = &vq->limits;
    uint32_t iovs = MAX(limits->held_iovs, (uint32_t)limits->chain_descs);

    vq->chunk_count = limits->size + (iovs + IOV_CHUNK - 1) / IOV_CHUNK;
    void *pool = mmap(NULL, pool_bytes(vq), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool == MAP_FAILED)
        return -errno;
    (void)madvise(pool, pool_bytes(vq), MADV_NOHUGEPAGE); /* a kernel without them refuses */
    vq->chunks = pool;
    return 0;
}

int virtq_init(struct virtq *vq, const struct memory *mem, uint16_t index,
               const struct virtq_limits *limits)
{
    assert(limits->size <= VIRTQ_SIZE_MAX && (limits->size & (limits->size - 1)) == 0);
    assert(limits->chain_descs > 0 && limits->chain_descs <= VIRTQ_CHAIN_DESCS_MAX);
    *vq = (struct virtq){.mem = mem, .index = index, .limits = *limits, .kick = {.fd = -1}};
    vq->kick.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return vq->kick.fd < 0 ? -errno : pool_map(vq);
}

void virtq_fini(struct virtq *vq)
{
    if (vq->limits.size == 0)
        return; /* never initialised */
    fd_close(&vq->kick.fd);
    if (vq->chunks != NULL)
        (void)munmap(vq->chunks, pool_bytes(vq)); /* fails on our own bugs only */
    *vq = (struct virtq){0};
}

/* Looks at what the driver set up, and takes it over: 0 or -EINVAL. */
static int areas_find(struct virtq *vq)
{
    const struct virtq_config *config = &vq->config;
    uint16_t size = config->size;

    assert(!vq->running && config->ready);
    if (size == 0 || size > vq->limits.size || (size & (size - 1)) != 0)
        return -EINVAL;
    if (config->desc % 16 != 0 || config->driver % 2 != 0 || config->device % 4 != 0)
        return -EINVAL;
    vq->desc = memory_at(vq->mem, config->desc, 16ull * size);
    vq->avail = memory_at(vq->mem, config->driver, 6 + 2ull * size);
    vq->used = memory_at(vq->mem, config->device, 6 + 8ull * size);
    if (vq->desc == NULL || vq->avail == NULL || vq->used == NULL)
        return -EINVAL;
    vq->size = size;
    return 0;
}

int virtq_start(struct virtq *vq, bool event_idx, bool indirect)
{
    int r = areas_find(vq);

    if (r < 0)
        return r;
    vq->event_idx = event_idx;
    vq->indirect = indirect;
    vq->last_avail = vq->avail_seen = vq->last_used = vq->signalled_used = 0;
    vq->held_count = 0;
    vq->starved = false;
    vq->dead = vq->lent = false;
    vq->running = true;
    kicks_disable(vq); /* the first look needs none */
    virtq_round(vq);
    return 0;
}

int virtq_lend(struct virtq *vq)
{
    int r = areas_find(vq);

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
    vq->desc = vq->avail = NULL;
    vq->used = NULL;
    vq->running = false;
}

void virtq_kill(struct virtq *vq)
{
    atomic_store_explicit(&vq->dead, true, memory_order_relaxed);
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

/* What a walk has gathered. */
struct walk {
    struct virtq *vq;
    struct iov_chunk *chunks;
    struct chain_cursor end;   /* where the next piece goes, once there is a chunk */
    struct chain_cursor write; /* the first writable piece */
    struct iovec *last;        /* the last piece of this part; NULL: none yet */
    unsigned desc_count;
    bool writing; /* a writable descriptor was seen */
    uint64_t readable, writable;
};

/* The one look at a descriptor. */
static struct desc desc_copy(const uint8_t *table, uint32_t index)
{
    struct desc desc;

    memcpy(&desc, table + (size_t)index * sizeof(desc), sizeof(desc));
    atomic_signal_fence(memory_order_seq_cst); /* keeps the compiler from reading it again */
    return desc;
}

/* Appends a piece: 0, or -ENOBUFS. */
static int walk_append(struct walk *walk, void *host, uint32_t len)
{
    struct chain_cursor *end = &walk->end;

    if (end->chunk == NULL || end->at == IOV_CHUNK) {
        struct iov_chunk *chunk = chunk_take(walk->vq);
        if (chunk == NULL)
            return -ENOBUFS;
        *(end->chunk == NULL ? &walk->chunks : &end->chunk->next) = chunk;
        *end = (struct chain_cursor){.chunk = chunk};
    }
    if (walk->writing && walk->writable == 0)
        walk->write = *end;
    walk->last = &end->chunk->iov[end->at++];
    *walk->last = (struct iovec){host, len};
    return 0;
}

static int walk_add(struct walk *walk, const struct desc *desc)
{
    bool writable = (from_le16(desc->flags) & VRING_DESC_F_WRITE) != 0;
    uint32_t len = from_le32(desc->len);
    int r = 0;

    if (walk->desc_count == walk->vq->limits.chain_descs)
        return -EPROTO; /* a loop, or more than we hold */
    walk->desc_count++;
    if (walk->writing && !writable)
        return -EPROTO;
    if (!walk->writing && writable)
        walk->last = NULL; /* no piece is of both parts */
    walk->writing = writable;
    if (len == 0)
        return 0;
    uint8_t *host = memory_at(walk->vq->mem, from_le64(desc->addr), len);
    if (host == NULL)
        return -EPROTO;
    if (walk->last != NULL && (uint8_t *)walk->last->iov_base + walk->last->iov_len == host)
        walk->last->iov_len += len;
    else
        r = walk_append(walk, host, len);
    *(writable ? &walk->writable : &walk->readable) += len;
    return r;
}

/* Follows a table of `count` descriptors. 0 at its end; 1 and *ret_desc where one points to an
 * indirect table; -EPROTO, -ENOBUFS. Ends because walk_add() takes limits.chain_descs at most. */
static int walk_table(struct walk *walk, const uint8_t *table, uint32_t count, uint32_t index,
                      struct desc *ret_desc)
{
    while (index < count) {
        struct desc desc = desc_copy(table, index);
        uint16_t flags = from_le16(desc.flags);
        if ((flags & VRING_DESC_F_INDIRECT) != 0) {
            *ret_desc = desc;
            return 1;
        }
        int r = walk_add(walk, &desc);
        if (r < 0)
            return r;
        if ((flags & VRING_DESC_F_NEXT) == 0)
            return 0;
        index = from_le16(desc.next);
    }
    return -EPROTO;
}

static int walk_chain(const struct virtq *vq, struct walk *walk, uint16_t head)
{
    struct desc desc;
    int r = walk_table(walk, vq->desc, vq->size, head, &desc);

    if (r <= 0)
        return r;
    if (!vq->indirect || (from_le16(desc.flags) & VRING_DESC_F_NEXT) != 0)
        return -EPROTO;
    uint32_t len = from_le32(desc.len);
    const uint8_t *table = memory_at(vq->mem, from_le64(desc.addr), len);
    if (table == NULL || len == 0 || len % sizeof(desc) != 0)
        return -EPROTO;
    r = walk_table(walk, table, len / (uint32_t)sizeof(desc), 0, &desc);
    return r > 0 ? -EPROTO : r; /* no indirect table in an indirect one */
}

/* -- taking requests -- */

/* Looks at avail.idx: 1 if there is something to take, 0, or -EPROTO. */
static int avail_look(struct virtq *vq)
{
    /* Acquire: slots and descriptors are read after the index. Partner: the driver's write barrier
     * between filling them and moving avail.idx. */
    uint16_t idx = ring_load_acquire(vq->avail + RING_IDX);
    uint16_t count = (uint16_t)(idx - vq->last_avail);

    if (count > vq->size)
        return -EPROTO;
    vq->avail_seen = idx;
    return count > 0;
}

/* Like avail_look(), and kicks are enabled when it returns 0. */
static int avail_look_or_wait(struct virtq *vq)
{
    int r = avail_look(vq);

    if (r != 0 || vq->kicks_on)
        return r;
    kicks_enable(vq);
    /* Full: avail_event or flags is out before avail.idx is read again. Partner: the driver's
     * barrier between moving avail.idx and deciding whether to kick. One of us sees the other. */
    __sync_synchronize();
    return avail_look(vq);
}

/* Takes the request that waits: 1; 0 if the pool has no room for it now; -EPROTO. */
static int chain_take(struct virtq *vq, struct chain *ret_chain)
{
    size_t at = vq->last_avail & (vq->size - 1u);
    uint16_t head = ring_load(vq->avail + RING_SLOTS + 2 * at);
    struct walk walk = {.vq = vq};

    if (vq->held_count == vq->size)
        return -EPROTO; /* more requests under way than the queue has descriptors */
    int r = walk_chain(vq, &walk, head);
    if (r == 0 && (walk.readable > UINT32_MAX || walk.writable > UINT32_MAX ||
                   walk.readable + walk.writable > 1ull << 32))
        r = -EPROTO;
    if (r < 0)
        chunks_give(vq, walk.chunks);
    vq->starved = r == -ENOBUFS;
    if (r < 0)
        return vq->starved ? 0 : r;
    vq->held_count++;
    vq->last_avail++;
    vq->round_left--;
    *ret_chain = (struct chain){
        .chunks = walk.chunks,
        .read = {.chunk = walk.chunks},
        .write = walk.write,
        .readable_left = (uint32_t)walk.readable,
        .writable_left = (uint32_t)walk.writable,
        .head = head,
    };
    return 1;
}

int virtq_pop(struct virtq *vq, struct chain *ret_chain)
{
    int r = 1;

    if (is_dead(vq))
        return 0;
    if (vq->avail_seen == vq->last_avail)
        r = avail_look_or_wait(vq);
    if (r > 0 && vq->round_left == 0) {
        virtq_kick(vq);
        return 0;
    }
    if (r > 0) {
        if (vq->kicks_on)
            kicks_disable(vq);
        r = chain_take(vq, ret_chain);
    }
    if (r < 0)
        virtq_kill(vq);
    return r;
}

void virtq_kicks_off(struct virtq *vq)
{
    if (is_dead(vq) || !vq->kicks_on)
        return;
    if (vq->event_idx) /* an index that the driver has passed (§2.7.10.1) */
        ring_store(vq->used + RING_SLOTS + 8 * (size_t)vq->size, (uint16_t)(vq->last_avail - 1));
    kicks_disable(vq);
}

/* -- giving them back -- */

static void used_write(struct virtq *vq, uint16_t at, const struct chain *chain)
{
    struct used_elem elem = {to_le32(chain->head), to_le32(chain->written)};

    memcpy(vq->used + RING_SLOTS + (at & (vq->size - 1u)) * sizeof(elem), &elem, sizeof(elem));
}

void virtq_push_all(struct virtq *vq, struct chain *chains, unsigned count)
{
    assert(vq->running);
    assert(vq->held_count >= count);
    vq->held_count = (uint16_t)(vq->held_count - count);
    for (unsigned i = 0; i < count; i++) {
        chunks_give(vq, chains[i].chunks);
        if (!is_dead(vq))
            used_write(vq, (uint16_t)(vq->last_used + i), &chains[i]);
    }
    if (is_dead(vq))
        return;
    vq->last_used = (uint16_t)(vq->last_used + count);
    /* Release: the buffers and the elements are out before the index. Partner: the driver's read
     * barrier between reading used.idx and the elements. */
    ring_store_release(vq->used + RING_IDX, vq->last_used);
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
    uint16_t old = vq->signalled_used, new = vq->last_used;

    if (is_dead(vq) || new == old)
        return false;
    vq->signalled_used = new;
    /* Full: used.idx is out before the driver's wish is read. Partner: the driver's barrier between
     * asking for interrupts (used_event, avail.flags) and looking at used.idx again. */
    __sync_synchronize();
    if (!vq->event_idx)
        return (ring_load(vq->avail + RING_FLAGS) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
    uint16_t used_event = ring_load(vq->avail + RING_SLOTS + 2 * (size_t)vq->size);
    return (uint16_t)(new - used_event - 1) < (uint16_t)(new - old);
}
