/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fuzz harnesses share: what must hold, and an input that is taken byte by byte. */
#pragma once

#include "tests/fake_ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

#define HOLDS(what) must((what), #what)

struct input {
    const uint8_t *data;
    size_t left;
};

/* The next byte; 0 behind the end. */
static inline uint8_t take_byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->data++;
}

/* The next two, the low one first. */
static inline uint16_t take_word(struct input *in)
{
    uint16_t low = take_byte(in);

    return (uint16_t)(low | take_byte(in) << 8);
}

/* Its last byte says how a device's rings are laid out: what fake_layout is to be. */
static inline uint64_t take_layout(struct input *in)
{
    static const uint64_t layouts[] = {0, FAKE_RING_PACKED, FAKE_IN_ORDER,
                                       FAKE_RING_PACKED | FAKE_IN_ORDER};

    return in->left == 0 ? 0 : layouts[in->data[--in->left] % ARRAY_SIZE(layouts)];
}
