/* SPDX-License-Identifier: BSD-3-Clause */
/* See ring.h. A record is its kind and length, then its bytes. */
#include "devices/snd/hear/ring.h"

#include <string.h>
#include <sys/mman.h>

struct head {
    uint32_t kind, len;
};

int ring_init(struct ring *ring)
{
    void *bytes = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (bytes == MAP_FAILED)
        return -ENOMEM;
    *ring = (struct ring){.bytes = bytes};
    return 0;
}

void ring_fini(struct ring *ring)
{
    if (ring->bytes != NULL)
        (void)munmap(ring->bytes, RING_BYTES); /* fails on our own bugs only */
    ring->bytes = NULL;
}

uint64_t ring_used(const struct ring *ring)
{
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_acquire);

    return atomic_load_explicit(&ring->put, memory_order_acquire) - taken;
}

/* Copies bytes in at place `at`, around the end. */
static void copy_in(struct ring *ring, uint64_t at, const void *buf, size_t len)
{
    size_t begin = (at - ring->origin) % RING_BYTES, before = MIN(len, RING_BYTES - begin);

    if (len == 0) /* buf may be NULL */
        return;
    memcpy(ring->bytes + begin, buf, before);
    memcpy(ring->bytes, (const uint8_t *)buf + before, len - before);
}

static void copy_out(const struct ring *ring, uint64_t at, void *ret_buf, size_t len)
{
    size_t begin = (at - ring->origin) % RING_BYTES, before = MIN(len, RING_BYTES - begin);

    memcpy(ret_buf, ring->bytes + begin, before);
    memcpy((uint8_t *)ret_buf + before, ring->bytes, len - before);
}

bool ring_put(struct ring *ring, uint32_t kind, const void *record, uint32_t len)
{
    uint64_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
    const struct head head = {kind, len};
    uint64_t used = ring_used(ring); /* what was taken is not read any more */

    assert(len <= RING_RECORD_BYTES);
    if (used + sizeof(head) + len > RING_BYTES)
        return false;
    if (used == 0)
        ring->origin = put;
    copy_in(ring, put, &head, sizeof(head));
    copy_in(ring, put + sizeof(head), record, len);
    /* Pairs with the load in ring_take(): who sees the count sees the bytes, and the origin. */
    atomic_store_explicit(&ring->put, put + sizeof(head) + len, memory_order_release);
    return true;
}

bool ring_take(struct ring *ring, uint32_t *ret_kind, void *ret_record, uint32_t *ret_len)
{
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    struct head head;

    if (atomic_load_explicit(&ring->put, memory_order_acquire) == taken)
        return false;
    copy_out(ring, taken, &head, sizeof(head));
    copy_out(ring, taken + sizeof(head), ret_record, head.len);
    atomic_store_explicit(&ring->taken, taken + sizeof(head) + head.len, memory_order_release);
    *ret_kind = head.kind;
    *ret_len = head.len;
    return true;
}
