/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where time comes from: the one clock of the program, and its timers. Who needs the time is given
 * a struct timebase, so that a test can bring its own and nothing there sleeps or races. Any
 * thread.
 */
#pragma once

#include "vmm/base/base.h"

#define MS_NS      1000000ull
#define SECOND_NS  1000000000ull
#define TIME_NEVER UINT64_MAX

struct timebase {
    /* Nanoseconds of CLOCK_MONOTONIC. */
    uint64_t (*now_ns)(struct timebase *timebase);
    /* Makes `fd`, a timerfd, readable at `deadline_ns`; 0 is at once, TIME_NEVER disarms. */
    void (*arm)(struct timebase *timebase, int fd, uint64_t deadline_ns);
};

/* The real one. */
extern struct timebase timebase_monotonic;

static inline uint64_t monotonic_ns(void)
{
    return timebase_monotonic.now_ns(&timebase_monotonic);
}

/* A timerfd for arm(), or -errno. */
int timebase_timer(void);
/* As arm(), in so long from now; TIME_NEVER, or longer than time goes on, disarms. */
void timebase_arm_in(struct timebase *timebase, int fd, uint64_t in_ns);
