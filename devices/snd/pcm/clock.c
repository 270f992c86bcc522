/* SPDX-License-Identifier: BSD-3-Clause */
/* See clock.h. */
#include "devices/snd/pcm/clock.h"

void clock_init(struct clock *clock, enum clock_kind kind, uint32_t rate_hz, struct host *host)
{
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
        return TIME_NEVER;
    if (clock->kind == CLOCK_KIND_TIMER)
        return frame <= clock->anchor_frames
                   ? clock->anchor_ns
                   : clock->anchor_ns + frames_to_ns(frame - clock->anchor_frames, clock->rate_hz);
    if (clock->kind == CLOCK_KIND_FREE || clock_consumed(clock, now_ns, frame) == frame)
        return 0;
    uint64_t left_ns = clock->host->class->remaining_ns(clock->host, frame - clock->host_base);
    /* Not 0: this branch has seen that the frame was not consumed. */
    return left_ns == TIME_NEVER ? TIME_NEVER : now_ns + MAX(left_ns, 1ull);
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
