/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_ring.h. */
#include "tests/fake_ring.h"

#include <string.h>

#define DISABLE 1
#define DESC    2

static uint8_t *at(const struct memory *mem, gpa_t addr, uint64_t len)
{
    uint8_t *host = memory_at(mem, addr, len);

    assert(host != NULL); /* the test's own mistake */
    return host;
}

static uint16_t *word(const struct fake_ring *ring, gpa_t addr)
{
    return (uint16_t *)(void *)at(ring->mem, addr, 2);
}

static uint16_t load(const struct fake_ring *ring, gpa_t addr)
{
    return le16toh(__atomic_load_n(word(ring, addr), __ATOMIC_ACQUIRE));
}

static void store(const struct fake_ring *ring, gpa_t addr, uint16_t val)
{
    __atomic_store_n(word(ring, addr), htole16(val), __ATOMIC_RELEASE);
}

void fake_memory(struct memory *ret_mem, uint64_t bytes)
{
    int r = memory_create(ret_mem, bytes, &(struct memory_layout){0, 0, 0}, MEMORY_PAGES_AUTO);

    assert(r == 0);
}

uint64_t fake_ring_bytes(uint16_t size)
{
    uint64_t bytes = 16ull * size + (6 + 2ull * size) + 2 + (6 + 8ull * size);

    return (bytes + 15) & ~15ull;
}

void fake_ring_init(struct fake_ring *ring, const struct memory *mem, uint16_t size, gpa_t addr,
                    uint64_t features)
{
    bool packed = (features & FAKE_RING_PACKED) != 0;
    gpa_t avail = addr + 16ull * size;

    assert(size <= FAKE_RING_MAX);
    *ring = (struct fake_ring){
        .mem = mem,
        .packed = packed,
        .event_idx = (features & FAKE_EVENT_IDX) != 0,
        .size = size,
        .desc = addr,
        .avail = avail,
        .used = packed ? avail + 4 : (avail + 6 + 2ull * size + 3) & ~3ull,
    };
    memset(at(mem, addr, fake_ring_bytes(size)), 0, fake_ring_bytes(size));
}

/* -- positions of a packed ring -- */

static uint16_t advance(const struct fake_ring *ring, uint32_t position, uint32_t slots)
{
    return (uint16_t)((position + slots) % (2u * ring->size));
}

static uint16_t off_wrap(const struct fake_ring *ring, uint16_t position)
{
    return (uint16_t)(position % ring->size | (position < ring->size ? 0x8000 : 0));
}

static gpa_t flags_addr(const struct fake_ring *ring, uint16_t position)
{
    return ring->desc + 16ull * (position % ring->size) + 14;
}

/* -- offering -- */

static void write_desc(const struct memory *mem, gpa_t addr, struct fake_piece piece,
                       uint16_t first, uint16_t second)
{
    const struct {
        le64 addr;
        le32 len;
        le16 first, second;
    } desc = {to_le64(piece.addr), to_le32(piece.len), to_le16(first), to_le16(second)};

    memcpy(at(mem, addr, 16), &desc, 16);
}

void fake_desc(const struct memory *mem, gpa_t table, uint32_t index, struct fake_piece piece,
               uint16_t next)
{
    write_desc(mem, table + 16ull * index, piece, piece.flags, next);
}

void fake_packed_desc(const struct memory *mem, gpa_t table, uint32_t index,
                      struct fake_piece piece, uint16_t id)
{
    write_desc(mem, table + 16ull * index, piece, id, piece.flags);
}

static uint16_t split_chain(struct fake_ring *ring, const struct fake_piece *pieces, unsigned count)
{
    uint16_t head = ring->next_desc;

    for (unsigned i = 0; i < count; i++) {
        struct fake_piece piece = pieces[i];
        uint16_t index = ring->next_desc;
        ring->next_desc = (uint16_t)((index + 1u) % ring->size);
        if (i + 1 < count)
            piece.flags |= FAKE_NEXT;
        fake_desc(ring->mem, ring->desc, index, piece, ring->next_desc);
    }
    return head;
}

/* Of a chain that is out, if all are: a test may offer more than a ring holds. */
uint16_t fake_next_id(const struct fake_ring *ring)
{
    uint32_t id = ring->avail_at;

    for (uint32_t i = 0; i < ring->size && ring->out[id % ring->size].slots != 0; i++)
        id++;
    return (uint16_t)(id % ring->size);
}

/* All of a descriptor but its flags, at which the device may be looking. */
static void packed_body(const struct fake_ring *ring, uint16_t slot, struct fake_piece piece,
                        uint16_t id)
{
    const struct {
        le64 addr;
        le32 len;
        le16 id, flags;
    } desc = {to_le64(piece.addr), to_le32(piece.len), to_le16(id), to_le16(0)};

    memcpy(at(ring->mem, ring->desc + 16ull * slot, 14), &desc, 14);
}

/* All but the flags of the head, without which it is not available. */
static uint16_t packed_chain(struct fake_ring *ring, const struct fake_piece *pieces,
                             unsigned count)
{
    uint16_t id = fake_next_id(ring);

    assert(count > 0);
    for (unsigned i = 0; i < count; i++) {
        struct fake_piece piece = pieces[i];
        uint16_t slot = ring->avail_at % ring->size;
        piece.flags |= ring->avail_at < ring->size ? FAKE_AVAIL : FAKE_USED;
        if (i + 1 < count)
            piece.flags |= FAKE_NEXT;
        packed_body(ring, slot, piece, id);
        if (i > 0) {
            store(ring, flags_addr(ring, slot), piece.flags);
        } else {
            ring->out[id].slots = (uint16_t)count;
            ring->out[id].slot = slot;
            ring->out[id].flags = piece.flags;
        }
        ring->avail_at = advance(ring, ring->avail_at, 1);
    }
    ring->next_desc = ring->avail_at % ring->size;
    return id;
}

uint16_t fake_chain(struct fake_ring *ring, const struct fake_piece *pieces, unsigned count)
{
    return (ring->packed ? packed_chain : split_chain)(ring, pieces, count);
}

uint16_t fake_chain_indirect(struct fake_ring *ring, gpa_t table, const struct fake_piece *pieces,
                             unsigned count)
{
    const struct fake_piece pointer = {table, 16 * count, FAKE_INDIRECT};

    for (unsigned i = 0; i < count; i++) {
        struct fake_piece piece = pieces[i];
        if (!ring->packed && i + 1 < count)
            piece.flags |= FAKE_NEXT;
        (ring->packed ? fake_packed_desc : fake_desc)(ring->mem, table, i, piece,
                                                      (uint16_t)(i + 1));
    }
    return fake_chain(ring, &pointer, 1);
}

void fake_avail_idx_set(struct fake_ring *ring, uint16_t idx)
{
    assert(!ring->packed);
    store(ring, ring->avail + 2, idx);
    ring->avail_idx = idx;
}

void fake_offer(struct fake_ring *ring, uint16_t head)
{
    uint16_t slot = (uint16_t)(ring->avail_idx % ring->size);

    if (ring->packed) {
        ring->added = (uint16_t)(ring->added + ring->out[head].slots);
        ring->avail_idx++;
        store(ring, flags_addr(ring, ring->out[head].slot), ring->out[head].flags);
        return;
    }
    __atomic_store_n(word(ring, ring->avail + 4 + 2ull * slot), htole16(head), __ATOMIC_RELAXED);
    fake_avail_idx_set(ring, (uint16_t)(ring->avail_idx + 1));
}

void fake_break(struct fake_ring *ring)
{
    const struct fake_piece nowhere = {UINT64_MAX, 1, 0};
    uint16_t oldest = ring->used_at % ring->size;

    if (!ring->packed) {
        fake_avail_idx_set(ring, (uint16_t)(ring->avail_idx + ring->size + 1));
        return;
    }
    memset(at(ring->mem, ring->desc + 16ull * oldest, 8), 0xff, 8);
    fake_offer(ring, fake_chain(ring, &nowhere, 1));
}

/* -- taking back -- */

static bool split_used(struct fake_ring *ring, uint32_t *ret_id, uint32_t *ret_len)
{
    struct {
        le32 id, len;
    } elem;

    if (fake_used_idx(ring) == ring->used_seen)
        return false;
    memcpy(&elem, at(ring->mem, ring->used + 4 + 8ull * (ring->used_seen % ring->size), 8), 8);
    ring->used_seen++;
    *ret_id = from_le32(elem.id);
    *ret_len = from_le32(elem.len);
    return true;
}

/* The used descriptor at a position: its flags, or false. */
static bool is_used(const struct fake_ring *ring, uint16_t position, uint16_t *ret_flags)
{
    const uint16_t both = FAKE_AVAIL | FAKE_USED;

    *ret_flags = load(ring, flags_addr(ring, position));
    return (*ret_flags & both) == (position < ring->size ? both : 0);
}

/* The slots that its chain took. */
static uint16_t used_slots(const struct fake_ring *ring, uint16_t position, uint16_t *ret_id)
{
    uint16_t id;

    memcpy(&id, at(ring->mem, ring->desc + 16ull * (position % ring->size) + 12, 2), 2);
    id = le16toh(id);
    if (id >= ring->size || ring->out[id].slots == 0)
        return 0; /* none that is out */
    *ret_id = id;
    return ring->out[id].slots;
}

static bool packed_used(struct fake_ring *ring, uint32_t *ret_id, uint32_t *ret_len)
{
    uint16_t flags, id = 0;
    le32 len;

    if (!is_used(ring, ring->used_at, &flags))
        return false;
    memcpy(&len, at(ring->mem, ring->desc + 16ull * (ring->used_at % ring->size) + 8, 4), 4);
    uint16_t slots = used_slots(ring, ring->used_at, &id);
    assert(slots > 0);
    assert((from_le32(len) != 0) == ((flags & FAKE_WRITE) != 0));
    ring->out[id].slots = 0;
    ring->used_at = advance(ring, ring->used_at, slots);
    ring->used_seen++;
    *ret_id = id;
    *ret_len = from_le32(len);
    return true;
}

bool fake_used(struct fake_ring *ring, uint32_t *ret_id, uint32_t *ret_len)
{
    return (ring->packed ? packed_used : split_used)(ring, ret_id, ret_len);
}

uint16_t fake_used_idx(const struct fake_ring *ring)
{
    uint16_t position = ring->used_at, flags, id, count = ring->used_seen;

    if (!ring->packed)
        return load(ring, ring->used + 2);
    for (unsigned slots = 0; slots < ring->size && is_used(ring, position, &flags); count++) {
        slots += used_slots(ring, position, &id);
        position = advance(ring, position, used_slots(ring, position, &id));
    }
    return count;
}

/* -- events -- */

void fake_avail_flags_set(const struct fake_ring *ring, uint16_t flags)
{
    if (!ring->packed)
        __atomic_store_n(word(ring, ring->avail), htole16(flags), __ATOMIC_SEQ_CST);
    else if (!ring->event_idx)
        __atomic_store_n(word(ring, ring->avail + 2), htole16(flags & DISABLE), __ATOMIC_SEQ_CST);
}

void fake_driver_event_set(const struct fake_ring *ring, uint16_t off_wrap, uint16_t flags)
{
    assert(ring->packed);
    __atomic_store_n(word(ring, ring->avail), htole16(off_wrap), __ATOMIC_SEQ_CST);
    __atomic_store_n(word(ring, ring->avail + 2), htole16(flags), __ATOMIC_SEQ_CST);
}

void fake_used_event_set(const struct fake_ring *ring, uint16_t idx)
{
    int ahead = (int16_t)(idx - ring->used_seen); /* entries; of one slot each, if it is not 0 */
    uint16_t *used_event = word(ring, ring->avail + (ring->packed ? 0 : 4 + 2ull * ring->size));

    if (ring->packed)
        idx = off_wrap(ring, advance(ring, ring->used_at, (uint32_t)(ahead + 2 * ring->size)));
    __atomic_store_n(used_event, htole16(idx), __ATOMIC_SEQ_CST);
    if (ring->packed && ring->event_idx)
        __atomic_store_n(word(ring, ring->avail + 2), htole16(DESC), __ATOMIC_SEQ_CST);
}

uint16_t fake_used_flags(const struct fake_ring *ring)
{
    assert(!ring->packed);
    return le16toh(__atomic_load_n(word(ring, ring->used), __ATOMIC_SEQ_CST));
}

uint16_t fake_avail_event(const struct fake_ring *ring)
{
    assert(!ring->packed);
    uint16_t *avail_event = word(ring, ring->used + 4 + 8ull * ring->size);

    return le16toh(__atomic_load_n(avail_event, __ATOMIC_SEQ_CST));
}

uint32_t fake_device_event(const struct fake_ring *ring)
{
    uint32_t *event = (uint32_t *)(void *)at(ring->mem, ring->used, 4);

    return le32toh(__atomic_load_n(event, __ATOMIC_SEQ_CST));
}

static bool packed_kick_wanted(struct fake_ring *ring)
{
    uint32_t event = fake_device_event(ring);
    uint16_t added = ring->added;

    ring->added = 0;
    if (event >> 16 != DESC)
        return event >> 16 != DISABLE;
    for (uint16_t back = 1; back <= added; back++) {
        uint16_t position = advance(ring, ring->avail_at, 2u * ring->size - back);
        if (off_wrap(ring, position) == (uint16_t)event)
            return true;
    }
    return false;
}

bool fake_kick_wanted(struct fake_ring *ring, uint16_t old, bool event_idx)
{
    uint16_t new = ring->avail_idx;

    __sync_synchronize(); /* partner: virtq_pop() enabling kicks */
    if (ring->packed)
        return packed_kick_wanted(ring);
    if (!event_idx)
        return (fake_used_flags(ring) & 1) == 0;
    return (uint16_t)(new - fake_avail_event(ring) - 1) < (uint16_t)(new - old);
}

bool fake_kick_wanted_next(const struct fake_ring *ring, bool event_idx)
{
    struct fake_ring next = *ring;

    next.avail_idx++;
    next.avail_at = advance(ring, ring->avail_at, 1);
    next.added = 1;
    return fake_kick_wanted(&next, ring->avail_idx, event_idx);
}
