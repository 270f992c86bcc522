/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clock of a stream: which of its frames have been consumed by now, and when a given frame will
 * have been. A stream has exactly one of three:
 *
 *   timer  real time by CLOCK_MONOTONIC. Every deadline is computed from integer frame counts and
 *          one anchor, so rounding never adds up and there is no drift.
 *   free   all frames are due at once: as fast as the guest feeds them.
 *   host   a sound card's own clock, asked through host.h.
 *
 *      frame  0         480        960 |  stall  |  1440
 *             +----------+----------+--+---------+---+---->  time
 *             ^ anchor                           ^ new anchor after clock_shift()
 *
 * The time is told with each call. Worker thread only.
 */
#pragma once

#include "devices/snd/host/host.h"
#include "vmm/base/timebase.h"

enum clock_kind { CLOCK_KIND_TIMER, CLOCK_KIND_FREE, CLOCK_KIND_HOST };

struct clock {
    enum clock_kind kind;
    bool running;
    uint32_t rate_hz;
    uint64_t anchor_ns;     /* timer: the time at which ... */
    uint64_t anchor_frames; /* ... this many frames had been consumed. Stopped: where it stands */
    struct host *host;      /* host: whose clock; borrowed */
    uint64_t host_base;     /* host: the stream's frame that is the host's frame 0 */
    struct host_position host_position; /* host: at the last clock_look() */
};

/* Stopped at frame 0. `host` matters for CLOCK_KIND_HOST only. */
void clock_init(struct clock *clock, enum clock_kind kind, uint32_t rate_hz, struct host *host);

/* Goes on from where it stands. */
void clock_start(struct clock *clock, uint64_t now_ns);
/* Stands still, at most at frame `limit` (what the guest has delivered). */
void clock_stop(struct clock *clock, uint64_t now_ns, uint64_t limit);

/* Asks the host where it is; the next two calls go by that. 0, or why the host failed. Does nothing
 * for the other kinds. */
int clock_look(struct clock *clock);
/* Frames consumed by now, at most `limit`. */
uint64_t clock_consumed(const struct clock *clock, uint64_t now_ns, uint64_t limit);
/* When `frame` frames will have been consumed, in the time of `now_ns`. Not after it: they have
 * been. TIME_NEVER: the clock stands still, or the host will call. */
uint64_t clock_when(const struct clock *clock, uint64_t now_ns, uint64_t frame);

/* Goes on with another clock from where it stands: the host came or went. */
void clock_switch(struct clock *clock, uint64_t now_ns, uint64_t limit, enum clock_kind kind,
                  struct host *host);

/* Timer: says that frame `frame` is being reached now, whatever was planned: after a gap in the
 * guest's data, or to take up a stall without a burst. */
void clock_shift(struct clock *clock, uint64_t now_ns, uint64_t frame);
