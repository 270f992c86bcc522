/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records on their way from one thread to another. One thread puts, one takes, neither waits for
 * the other. Whenever the ring is empty it begins anew at its first byte, so that of its memory
 * only as much is ever touched as the taker was behind.
 */
#pragma once

#include "vmm/base/base.h"

#include <stdatomic.h>

#define RING_BYTES        (16u << 20)
#define RING_RECORD_BYTES (16u << 10) /* of a record at most */

struct ring_record {
    uint32_t kind, len;
    _Alignas(8) uint8_t bytes[];
};

struct ring {
    uint8_t *bytes; /* owned; with room for the end of a record that begins at its end */
    _Atomic uint64_t put, taken; /* bytes since the beginning */
    uint64_t origin;             /* which of them is bytes[0]; set by who puts, while it is empty */
};

/* 0 or -ENOMEM. ring_fini() accepts a zeroed ring. */
int ring_init(struct ring *ring);
void ring_fini(struct ring *ring);

/* Puts a record; false if there is no room. */
bool ring_put(struct ring *ring, uint32_t kind, const void *bytes, uint32_t len);
/* The oldest record, which stays until it is taken; NULL: there is none. */
const struct ring_record *ring_oldest(const struct ring *ring);
void ring_take(struct ring *ring, const struct ring_record *oldest);
/* Bytes put and not taken. Any thread. */
uint64_t ring_used(const struct ring *ring);
