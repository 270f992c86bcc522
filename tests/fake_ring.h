/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's side of a virtqueue, scripted by tests: split or packed, as was negotiated. Builds
 * good chains and malformed ones. Numbers here are the specification's, not our headers'.
 *
 * A chain is known by its head: of a split ring the index of its first descriptor, of a packed one
 * its buffer id, which is the same unless a chain that is still out has that.
 *
 * Belongs to one thread.
 */
#pragma once

#include "vmm/base/memory.h"

/* Descriptor flags (virtio 1.2 §2.7.5, §2.8.13). */
#define FAKE_NEXT     1
#define FAKE_WRITE    2
#define FAKE_INDIRECT 4
#define FAKE_AVAIL    0x80
#define FAKE_USED     0x8000

/* Features (§6). */
#define FAKE_INDIRECT_DESC (1ull << 28)
#define FAKE_EVENT_IDX     (1ull << 29)
#define FAKE_VERSION_1     (1ull << 32)
#define FAKE_RING_PACKED   (1ull << 34)
#define FAKE_IN_ORDER      (1ull << 35)
#define FAKE_RING_RESET    (1ull << 40)

/* Those that every device offers. */
#define FAKE_CORE                                                                                  \
    (FAKE_INDIRECT_DESC | FAKE_EVENT_IDX | FAKE_VERSION_1 | FAKE_RING_PACKED | FAKE_RING_RESET)

/* RAM of a machine: so many bytes from 0 on. Ends the test if there is none. */
void fake_memory(struct memory *ret_mem, uint64_t bytes);

#define FAKE_RING_MAX 1024

struct fake_ring {
    const struct memory *mem;
    bool packed, event_idx;
    uint16_t size;
    gpa_t desc, avail, used; /* the areas */
    uint16_t next_desc;      /* the next chain starts here, modulo size */
    uint16_t avail_idx;      /* chains offered; of a split ring as published */
    uint16_t used_seen;      /* entries taken */

    /* Packed. Positions run through the ring twice, with the wrap counter 1 and then 0. */
    uint16_t avail_at, used_at;
    uint16_t added; /* slots offered since the last look whether to kick */
    struct {
        uint16_t slots;       /* 0: it is free */
        uint16_t slot, flags; /* of the head, which is written when it is offered */
    } out[FAKE_RING_MAX];     /* chains by id */
};

/* One element of a chain; flags: 0 or FAKE_WRITE, or a lie. */
struct fake_piece {
    gpa_t addr;
    uint32_t len;
    uint16_t flags;
};

/* Bytes that a ring of that many descriptors takes in any layout, a multiple of 16. */
uint64_t fake_ring_bytes(uint16_t size);
/* Lays out a zeroed ring at `addr`, a multiple of 16, by the features negotiated. */
void fake_ring_init(struct fake_ring *ring, const struct memory *mem, uint16_t size, gpa_t addr,
                    uint64_t features);

/* Writes descriptor `index` of the table at `table`; `last` is `next`, in a packed table the id. */
void fake_desc(const struct memory *mem, gpa_t table, uint32_t index, struct fake_piece piece,
               uint16_t next);
/* The same with the words of a packed ring: id, flags. */
void fake_packed_desc(const struct memory *mem, gpa_t table, uint32_t index,
                      struct fake_piece piece, uint16_t id);
/* The head of a packed ring's next chain. */
uint16_t fake_next_id(const struct fake_ring *ring);
/* Writes a chain into the ring's descriptors; its head. Offers nothing yet. */
uint16_t fake_chain(struct fake_ring *ring, const struct fake_piece *pieces, unsigned count);
/* The same in an indirect table at `table`, with one descriptor of the ring. */
uint16_t fake_chain_indirect(struct fake_ring *ring, gpa_t table, const struct fake_piece *pieces,
                             unsigned count);
/* Makes it available, visible to the device at once. */
void fake_offer(struct fake_ring *ring, uint16_t head);
/* Breaks the ring: who takes the chain that is out for the longest, or else the next one, finds
 * what cannot be. */
void fake_break(struct fake_ring *ring);
/* Writes a split ring's avail.idx, whatever it says. */
void fake_avail_idx_set(struct fake_ring *ring, uint16_t idx);

/* Next entry of the used ring; false if there is none. */
bool fake_used(struct fake_ring *ring, uint32_t *ret_id, uint32_t *ret_len);
/* How many chains were ever used, modulo 65536, taken or not. */
uint16_t fake_used_idx(const struct fake_ring *ring);

/* What the driver wants to hear of: nothing (1) or all (0), without the event index; */
void fake_avail_flags_set(const struct fake_ring *ring, uint16_t flags);
/* with it, the entry that makes fake_used_idx() go beyond `idx`. */
void fake_used_event_set(const struct fake_ring *ring, uint16_t idx);

/* A packed ring's driver area, whatever it is to say. */
void fake_driver_event_set(const struct fake_ring *ring, uint16_t off_wrap, uint16_t flags);

/* Single fields of the device area: of a split ring, */
uint16_t fake_used_flags(const struct fake_ring *ring);
uint16_t fake_avail_event(const struct fake_ring *ring);
/* and of a packed one: flags on top of wrap counter and offset. */
uint32_t fake_device_event(const struct fake_ring *ring);

/* Whether a driver that moved avail_idx from `old` has to kick (§2.7.10.1, §2.8.21.3). A packed one
 * goes by what it offered since it last asked. */
bool fake_kick_wanted(struct fake_ring *ring, uint16_t old, bool event_idx);
/* Whether it would have to after one more chain. */
bool fake_kick_wanted_next(const struct fake_ring *ring, bool event_idx);
