/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A clock that a test turns: it stands still until `now_ns` is set, on whichever thread it is
 * read. What is armed by it does not go off, and is told: the last deadline, and of which fd.
 */
#pragma once

#include "vmm/base/timebase.h"

struct fake_clock {
    struct timebase base;
    _Atomic uint64_t now_ns;
    uint64_t armed_ns;
    int armed_fd;
};

static inline uint64_t fake_clock_now(struct timebase *base)
{
    return container_of(base, struct fake_clock, base)->now_ns;
}

static inline void fake_clock_arm(struct timebase *base, int fd, uint64_t deadline_ns)
{
    struct fake_clock *fake = container_of(base, struct fake_clock, base);

    fake->armed_fd = fd;
    fake->armed_ns = deadline_ns;
}

#define FAKE_CLOCK                                                                                 \
    {                                                                                              \
        .base = {fake_clock_now, fake_clock_arm}, .armed_ns = TIME_NEVER, .armed_fd = -1           \
    }
