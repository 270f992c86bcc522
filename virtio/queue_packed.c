/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packed layout of a virtqueue (virtio 1.2 §2.8), see queue_inside.h: one ring of descriptors,
 * which both sides write.
 *
 *   descriptor area (16 N bytes)     driver area: what the driver     device area: what the device
 *   +------+-----+----+-------+      wants to hear of                 wants to be kicked for
 *   | addr | len | id | flags |      +----------------+-------+       +----------------+-------+
 *   +------+-----+----+-------+      | off : 15, wrap | flags |       | off : 15, wrap | flags |
 *                                    +----------------+-------+       +----------------+-------+
 *
 * Each time round the ring flags mean the opposite: a slot is available when AVAIL is the wrap
 * counter and USED is not, used when both are. A request takes as many slots as it has descriptors,
 * and its id is in the last of them; the answer is written over the slot at next_used, which may be
 * that of another request, and those that the request took besides are passed over. Positions run
 * through the ring twice, with the wrap counter 1 and then 0.
 */
#include "virtio/queue_inside.h"

#include <linux/virtio_ring.h>

#define FLAG_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED  (1u << VRING_PACKED_DESC_F_USED)

/* Byte offsets in the driver area and the device area. */
#define EVENT_OFF   0
#define EVENT_FLAGS 2

#define EVENT_FLAGS_MASK 3 /* the others are reserved */

#define OFF_WRAP (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

struct desc {
    le64 addr;
    le32 len;
    le16 id;
    le16 flags;
};
_Static_assert(sizeof(struct desc) == 16, "virtio 1.2 §2.8.13");

/* -- positions -- */

static bool wrap_of(const struct virtq *vq, uint32_t position)
{
    return position < vq->size;
}

static uint32_t slot_of(const struct virtq *vq, uint32_t position)
{
    return position < vq->size ? position : position - vq->size;
}

/* As they are in memory and in messages: slot, and wrap counter on top. */
static uint16_t to_off_wrap(const struct virtq *vq, uint32_t position)
{
    return (uint16_t)(slot_of(vq, position) | (wrap_of(vq, position) ? OFF_WRAP : 0));
}

/* -1: it is beyond the ring. */
static int32_t from_off_wrap(const struct virtq *vq, uint16_t off_wrap)
{
    uint32_t slot = off_wrap & (OFF_WRAP - 1);

    if (slot >= vq->size)
        return -1;
    return (int32_t)((off_wrap & OFF_WRAP) != 0 ? slot : slot + vq->size);
}

static uint8_t *flags_at(const struct virtq *vq, uint32_t position)
{
    return vq->desc + sizeof(struct desc) * slot_of(vq, position) + offsetof(struct desc, flags);
}

/* -- start -- */

static int packed_start(struct virtq *vq)
{
    vq->cycle = 2u * vq->size;
    if (!vq->config.resumes)
        return 0;
    int32_t avail = from_off_wrap(vq, (uint16_t)vq->config.base);
    int32_t used = from_off_wrap(vq, (uint16_t)(vq->config.base >> 16));
    if (avail < 0 || used < 0)
        return -EINVAL;
    vq->next_avail = (uint16_t)avail;
    vq->next_used = (uint16_t)used;
    uint32_t held = (uint32_t)(avail >= used ? avail - used : avail + (int32_t)vq->cycle - used);
    return held > vq->size ? -EINVAL : 0;
}

static uint32_t packed_base(const struct virtq *vq, uint16_t avail, uint16_t used)
{
    return (uint32_t)to_off_wrap(vq, used) << 16 | to_off_wrap(vq, avail);
}

/* -- kicks (§2.8.10) -- */

/* Both words at once, as the driver reads them. */
static void device_event_store(struct virtq *vq, uint16_t off_wrap, uint16_t flags)
{
    __atomic_store_n((uint32_t *)(void *)vq->device, htole32((uint32_t)flags << 16 | off_wrap),
                     __ATOMIC_RELAXED);
}

static void packed_kicks_on(struct virtq *vq)
{
    if (vq->event_idx)
        device_event_store(vq, to_off_wrap(vq, vq->next_avail), VRING_PACKED_EVENT_FLAG_DESC);
    else
        device_event_store(vq, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
}

/* Also with an offset that is passed: it would come round again soon. */
static void packed_kicks_off(struct virtq *vq, bool passed)
{
    (void)passed;
    device_event_store(vq, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}

/* -- taking a request -- */

static bool is_available(const struct virtq *vq, uint32_t position, uint16_t flags)
{
    bool wrap = wrap_of(vq, position);

    return ((flags & FLAG_AVAIL) != 0) == wrap && ((flags & FLAG_USED) != 0) != wrap;
}

static int packed_look(struct virtq *vq)
{
    /* Acquire: what else is in the slots of the request is read after this. Partner: the driver's
     * write barrier before the flags of the first one, which it writes last. */
    vq->seen = ring_load_acquire(flags_at(vq, vq->next_avail));
    return is_available(vq, vq->next_avail, vq->seen);
}

/* All of a table, in its order; in its entries only the direction counts. */
static int walk_table(struct walk *walk, const struct desc *desc)
{
    uint32_t count;
    const uint8_t *table = walk_table_at(walk, from_le64(desc->addr), from_le32(desc->len), &count);
    int r = table == NULL ? -EPROTO : 0;

    for (uint32_t i = 0; i < count && r == 0; i++) {
        struct desc entry;
        desc_copy(&entry, table, i);
        r = walk_add(walk, from_le64(entry.addr), from_le32(entry.len),
                     (from_le16(entry.flags) & VRING_DESC_F_WRITE) != 0);
    }
    return r;
}

/* A list ends because walk_add() takes so many descriptors at most, and because none of the slots
 * is available a second time round. */
static int packed_walk(struct virtq *vq, struct walk *walk)
{
    uint32_t position = vq->next_avail;
    uint16_t flags = vq->seen;

    for (;;) {
        struct desc desc;
        desc_copy(&desc, vq->desc, slot_of(vq, position)); /* of which the flags were seen */
        walk->chain->slots++;
        walk->chain->id = from_le16(desc.id);
        if ((flags & VRING_DESC_F_INDIRECT) != 0)
            return vq->indirect && walk->chain->slots == 1 && (flags & VRING_DESC_F_NEXT) == 0
                       ? walk_table(walk, &desc)
                       : -EPROTO;
        int r = walk_add(walk, from_le64(desc.addr), from_le32(desc.len),
                         (flags & VRING_DESC_F_WRITE) != 0);
        if (r < 0 || (flags & VRING_DESC_F_NEXT) == 0)
            return r;
        position = virtq_advance(vq, position, 1);
        flags = ring_load(flags_at(vq, position));
        if (!is_available(vq, position, flags))
            return -EPROTO;
    }
}

/* -- giving it back -- */

static void packed_use(struct virtq *vq, uint16_t position, const struct chain *chain)
{
    struct desc desc = {.len = to_le32(chain->written), .id = to_le16(chain->id)};
    uint16_t flags = wrap_of(vq, position) ? FLAG_AVAIL | FLAG_USED : 0;

    if (chain->written > 0)
        flags |= VRING_DESC_F_WRITE;
    memcpy(vq->desc + sizeof(desc) * slot_of(vq, position) + offsetof(struct desc, len), &desc.len,
           offsetof(struct desc, flags) - offsetof(struct desc, len));
    /* Release: the buffer, length and id are out before the flags, and with several requests those
     * of the others. Partner: the driver's read barrier between the flags and the rest. */
    ring_store_release(flags_at(vq, position), flags);
}

static int32_t packed_driver_event(const struct virtq *vq)
{
    /* Acquire: the offset is not older than flags that say it counts. Partner: the driver's write
     * barrier between the two. */
    uint16_t flags = ring_load_acquire(vq->driver + EVENT_FLAGS) & EVENT_FLAGS_MASK;

    if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
        return EVENT_NEVER;
    if (flags != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx)
        return EVENT_ALWAYS;
    int32_t event = from_off_wrap(vq, ring_load(vq->driver + EVENT_OFF));
    return event < 0 ? EVENT_ALWAYS : event;
}

const struct virtq_layout virtq_packed = {
    .driver = {.align = 4, .fixed_bytes = 4},
    .device = {.align = 4, .fixed_bytes = 4},
    .start = packed_start,
    .base = packed_base,
    .look = packed_look,
    .walk = packed_walk,
    .kicks_on = packed_kicks_on,
    .kicks_off = packed_kicks_off,
    .use = packed_use,
    .driver_event = packed_driver_event,
};
