/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The split layout of a virtqueue (virtio 1.2 §2.7), see queue_inside.h.
 *
 *   descriptor area (16 N bytes)     driver area "avail"            device area "used"
 *   +------+-----+-------+------+    +-------+-----+------------+   +-------+-----+---------------+
 *   | addr | len | flags | next |    | flags | idx | ring[N]    |   | flags | idx | {id,len}[N]   |
 *   +------+-----+-------+------+    +-------+-----+------------+   +-------+-----+---------------+
 *     written by the driver           + le16 used_event               + le16 avail_event
 *                                     written by the driver          written by the device
 *
 * A request takes one slot of either ring; its id is the index of its first descriptor. Positions
 * are the indices, which run freely.
 */
#include "virtio/queue_inside.h"

#include <linux/virtio_ring.h>

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

static uint8_t *avail_event(const struct virtq *vq)
{
    return vq->device + RING_SLOTS + sizeof(struct used_elem) * vq->size;
}

/* -- start -- */

static int split_start(struct virtq *vq)
{
    vq->cycle = 1 << 16;
    if ((vq->size & (vq->size - 1)) != 0)
        return -EINVAL;
    if (vq->config.resumes) {
        vq->next_avail = (uint16_t)vq->config.base;
        vq->next_used = ring_load(vq->device + RING_IDX);
    }
    vq->seen = vq->next_avail;
    return (uint16_t)(vq->next_avail - vq->next_used) > vq->size ? -EINVAL : 0;
}

static uint32_t split_base(const struct virtq *vq, uint16_t avail, uint16_t used)
{
    (void)vq;
    (void)used;
    return avail;
}

/* -- kicks (§2.7.10) -- */

static void split_kicks_on(struct virtq *vq)
{
    if (vq->event_idx)
        ring_store(avail_event(vq), vq->next_avail);
    else
        ring_store(vq->device + RING_FLAGS, 0);
}

/* With the event index one that the driver has passed says so by itself (§2.7.10.1). */
static void split_kicks_off(struct virtq *vq, bool passed)
{
    if (!vq->event_idx)
        ring_store(vq->device + RING_FLAGS, VRING_USED_F_NO_NOTIFY);
    else if (!passed)
        ring_store(avail_event(vq), (uint16_t)(vq->next_avail - 1));
}

/* -- taking a request -- */

static int split_look(struct virtq *vq)
{
    if (vq->seen != vq->next_avail)
        return 1;
    /* Acquire: slots and descriptors are read after the index. Partner: the driver's write barrier
     * between filling them and moving avail.idx. */
    uint16_t idx = ring_load_acquire(vq->driver + RING_IDX);
    uint16_t count = (uint16_t)(idx - vq->next_avail);
    if (count > vq->size)
        return -EPROTO;
    vq->seen = idx;
    return count > 0;
}

/* Follows a table of `count` descriptors. 0 at its end; 1 and *ret_desc where one points to an
 * indirect table; -EPROTO, -ENOBUFS. Ends because walk_add() takes so many at most. */
static int walk_table(struct walk *walk, const uint8_t *table, uint32_t count, uint32_t index,
                      struct desc *ret_desc)
{
    while (index < count) {
        struct desc desc;
        desc_copy(&desc, table, index);
        uint16_t flags = from_le16(desc.flags);
        if ((flags & VRING_DESC_F_INDIRECT) != 0) {
            *ret_desc = desc;
            return 1;
        }
        int r = walk_add(walk, from_le64(desc.addr), from_le32(desc.len),
                         (flags & VRING_DESC_F_WRITE) != 0);
        if (r < 0)
            return r;
        if ((flags & VRING_DESC_F_NEXT) == 0)
            return 0;
        index = from_le16(desc.next);
    }
    return -EPROTO;
}

static int split_walk(struct virtq *vq, struct walk *walk)
{
    const size_t at = vq->next_avail & (vq->size - 1u);
    struct desc desc;
    uint32_t count;

    walk->chain->id = ring_load(vq->driver + RING_SLOTS + 2 * at);
    walk->chain->slots = 1;
    int r = walk_table(walk, vq->desc, vq->size, walk->chain->id, &desc);
    if (r <= 0)
        return r;
    if (!vq->indirect || (from_le16(desc.flags) & VRING_DESC_F_NEXT) != 0)
        return -EPROTO;
    const uint8_t *table = walk_table_at(walk, from_le64(desc.addr), from_le32(desc.len), &count);
    if (table == NULL)
        return -EPROTO;
    r = walk_table(walk, table, count, 0, &desc);
    return r > 0 ? -EPROTO : r; /* no indirect table in an indirect one */
}

/* -- giving it back -- */

static void split_use(struct virtq *vq, uint16_t position, const struct chain *chain)
{
    const struct used_elem elem = {to_le32(chain->id), to_le32(chain->written)};

    memcpy(vq->device + RING_SLOTS + (position & (vq->size - 1u)) * sizeof(elem), &elem,
           sizeof(elem));
}

static void split_publish(struct virtq *vq)
{
    /* Release: the buffers and the elements are out before the index. Partner: the driver's read
     * barrier between reading used.idx and the elements. */
    ring_store_release(vq->device + RING_IDX, vq->next_used);
}

static int32_t split_driver_event(const struct virtq *vq)
{
    if (vq->event_idx)
        return ring_load(vq->driver + RING_SLOTS + 2 * (size_t)vq->size);
    return (ring_load(vq->driver + RING_FLAGS) & VRING_AVAIL_F_NO_INTERRUPT) != 0 ? EVENT_NEVER
                                                                                  : EVENT_ALWAYS;
}

const struct virtq_layout virtq_split = {
    .driver = {.align = 2, .fixed_bytes = 6, .slot_bytes = 2},
    .device = {.align = 4, .fixed_bytes = 6, .slot_bytes = sizeof(struct used_elem)},
    .start = split_start,
    .base = split_base,
    .look = split_look,
    .walk = split_walk,
    .kicks_on = split_kicks_on,
    .kicks_off = split_kicks_off,
    .use = split_use,
    .publish = split_publish,
    .driver_event = split_driver_event,
};
