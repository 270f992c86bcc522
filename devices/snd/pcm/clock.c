/* SPDX-License-Identifier: BSD-3-Clause */
/* See clock.h. */
#include "devices/snd/pcm/clock.h"

#include <sys/timerfd.h>
#include <time.h>

#define SECOND_NS 1000000000ull

static uint64_t monotonic_now_ns(struct timebase *timebase)
{
    struct timespec now;

    (void)timebase;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void monotonic_arm(struct timebase *timebase, int fd, uint64_t deadline_ns)
{
    struct itimerspec when = {0}; /* all zero disarms */

    (void)timebase;
    if (deadline_ns != CLOCK_NEVER) {
        deadline_ns = MAX(deadline_ns, 1ull);
        when.it_value.tv_sec = (time_t)(deadline_ns / SECOND_NS);
        when.it_value.tv_nsec = (long)(deadline_ns % SECOND_NS);
    }
    int r = timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
    assert(r == 0); /* a timerfd and a valid time */
}

struct timebase timebase_monotonic = {.now_ns = monotonic_now_ns, .arm = monotonic_arm};

uint64_t frames_to_ns(uint64_t frames, uint32_t rate_hz)
{
    uint64_t rest = frames % rate_hz;

    return frames / rate_hz * SECOND_NS + (rest * SECOND_NS + rate_hz - 1) / rate_hz;
}

uint64_t ns_to_frames(uint64_t ns, uint32_t rate_hz)
{
    return ns / SECOND_NS * rate_hz + ns % SECOND_NS * rate_hz / SECOND_NS;
}

void clock_init(struct clock *clock, enum clock_kind kind, uint32_t rate_hz, struct host *host)
{
    assert((kind == CLOCK_KIND_HOST) == (host != NULL));
    *clock = (struct clock){.kind = kind, .rate_hz = rate_hz, .host = host};
}

void clock_start(struct clock *clock, uint64_t now_ns)
{
    assert(!clock->running);
    clock->anchor_ns = now_ns;
    clock->running = true;
}

void clock_stop(struct clock *clock, uint64_t now_ns, uint64_t limit)
{
    assert(clock->running);
    clock->anchor_frames = clock_consumed(clock, now_ns, limit);
    clock->running = false;
}

int clock_look(struct clock *clock)
{
    if (clock->kind != CLOCK_KIND_HOST)
        return 0;
    return clock->host->class->position(clock->host, &clock->host_position);
}

uint64_t clock_consumed(const struct clock *clock, uint64_t now_ns, uint64_t limit)
{
    uint64_t frames = clock->anchor_frames;

    if (clock->running && clock->kind == CLOCK_KIND_TIMER)
        frames +=
            now_ns > clock->anchor_ns ? ns_to_frames(now_ns - clock->anchor_ns, clock->rate_hz) : 0;
    else if (clock->running && clock->kind == CLOCK_KIND_FREE)
        frames = limit;
    else if (clock->running)
        frames = clock->host_base + clock->host_position.consumed_frames;
    return MIN(frames, limit);
}

uint64_t clock_when(const struct clock *clock, uint64_t now_ns, uint64_t frame)
{
    if (!clock->running)
        return CLOCK_NEVER;
    if (clock->kind == CLOCK_KIND_TIMER)
        return frame <= clock->anchor_frames
                   ? clock->anchor_ns
                   : clock->anchor_ns + frames_to_ns(frame - clock->anchor_frames, clock->rate_hz);
    if (clock->kind == CLOCK_KIND_FREE || clock_consumed(clock, now_ns, frame) == frame)
        return 0;
    uint64_t left_ns = clock->host->class->remaining_ns(clock->host, frame - clock->host_base);
    /* Not 0: this branch has seen that the frame was not consumed. */
    return left_ns == CLOCK_NEVER ? CLOCK_NEVER : now_ns + MAX(left_ns, 1ull);
}

void clock_switch(struct clock *clock, uint64_t now_ns, uint64_t limit, enum clock_kind kind,
                  struct host *host)
{
    uint64_t frames = clock_consumed(clock, now_ns, limit);
    bool running = clock->running;

    clock_init(clock, kind, clock->rate_hz, host);
    clock->anchor_ns = now_ns;
    clock->anchor_frames = clock->host_base = frames;
    clock->running = running;
}

void clock_shift(struct clock *clock, uint64_t now_ns, uint64_t frame)
{
    if (clock->kind != CLOCK_KIND_TIMER)
        return;
    clock->anchor_ns = now_ns;
    clock->anchor_frames = frame;
}
