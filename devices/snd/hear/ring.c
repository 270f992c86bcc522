/* SPDX-License-Identifier: BSD-3-Clause */
/* See ring.h. A record lies in one piece, from a multiple of 8 bytes on. */
#include "devices/snd/hear/ring.h"

#include "vmm/base/sparse.h"

#include <string.h>

#define MAP_BYTES (RING_BYTES + sizeof(struct ring_record) + RING_RECORD_BYTES)

int ring_init(struct ring *ring)
{
    *ring = (struct ring){.bytes = sparse_map(MAP_BYTES)};
    return ring->bytes == NULL ? -ENOMEM : 0;
}

void ring_fini(struct ring *ring)
{
    sparse_unmap(ring->bytes, MAP_BYTES);
    ring->bytes = NULL;
}

uint64_t ring_used(const struct ring *ring)
{
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_acquire);

    return atomic_load_explicit(&ring->put, memory_order_acquire) - taken;
}

static size_t record_size(uint32_t len)
{
    return sizeof(struct ring_record) + (len + 7u) / 8 * 8;
}

static struct ring_record *record_at(const struct ring *ring, uint64_t at)
{
    return (struct ring_record *)(void *)(ring->bytes + (at - ring->origin) % RING_BYTES);
}

bool ring_put(struct ring *ring, uint32_t kind, const void *bytes, uint32_t len)
{
    uint64_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
    uint64_t used = ring_used(ring); /* what was taken is not read any more */

    assert(len <= RING_RECORD_BYTES);
    if (used + record_size(len) > RING_BYTES)
        return false;
    if (used == 0)
        ring->origin = put;
    struct ring_record *record = record_at(ring, put);
    record->kind = kind;
    record->len = len;
    if (len > 0) /* else there may be no bytes */
        memcpy(record->bytes, bytes, len);
    /* Pairs with the load in ring_oldest(): who sees the count sees the bytes, and the origin. */
    atomic_store_explicit(&ring->put, put + record_size(len), memory_order_release);
    return true;
}

const struct ring_record *ring_oldest(const struct ring *ring)
{
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);

    return atomic_load_explicit(&ring->put, memory_order_acquire) != taken ? record_at(ring, taken)
                                                                           : NULL;
}

void ring_take(struct ring *ring, const struct ring_record *oldest)
{
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);

    atomic_store_explicit(&ring->taken, taken + record_size(oldest->len), memory_order_release);
}
