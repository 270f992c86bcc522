/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_ring.h. */
#include "devices/snd/host/alsa_ring.h"

#include "vmm/base/timebase.h"

#include <string.h>
#include <sys/eventfd.h>

/* The helper says when a period has ended. If that is late, it is looked for now and then. */
#define LATE_NS (50 * MS_NS)
/* A sound server that is stopped moves no frame, and its PCM does not tell: after this it is given
 * up, or after the ring's time less a period. Servers may move all but two periods at once, and
 * Linux waits for any frame for 1.1 times the ring's time. */
#define STUCK_NS (250 * MS_NS)

static bool plays(const struct alsa_ring *ring)
{
    return ring->direction == PCM_OUTPUT;
}

static uint64_t now_ns(const struct alsa_ring *ring)
{
    return ring->host->timebase->now_ns(ring->host->timebase);
}

/* Where frame `frame` lies; *frames is cut to what lies there in one piece. */
static uint8_t *ring_at(const struct alsa_ring *ring, uint64_t frame, size_t *frames)
{
    uint64_t room = ring->params.buffer_frames;
    uint64_t at = (frame - ring->first) % room;

    *frames = (size_t)MIN((uint64_t)*frames, room - at);
    return ring->shared->ring + at * ring->params.frame_bytes;
}

/* Copies the helper's count, and brings it within what can be. */
static uint64_t count_take(const struct alsa_ring *ring)
{
    uint64_t frames = atomic_load_explicit(&ring->shared->card_frames, memory_order_acquire);
    uint64_t most = plays(ring) ? ring->ours : ring->ours + ring->params.buffer_frames;

    return MAX(MIN(frames, most), ring->theirs);
}

/* Copies frames into the ring, or out of it, from ours on. */
static ssize_t copy(struct alsa_ring *ring, void *buf, uint64_t frames)
{
    size_t done = 0, piece;

    for (; done < frames; done += piece) {
        piece = frames - done;
        uint8_t *there = ring_at(ring, ring->ours + done, &piece);
        uint8_t *here = (uint8_t *)buf + done * ring->params.frame_bytes;
        memcpy(plays(ring) ? there : here, plays(ring) ? here : there,
               piece * ring->params.frame_bytes);
    }
    ring->ours += done;
    atomic_store(&ring->shared->our_frames, ring->ours);
    if (done > 0 && atomic_load(&ring->shared->wants_kick) != 0)
        (void)eventfd_write(ring->kick_fd, 1); /* full: it has not looked yet, and will */
    return (ssize_t)done;
}

ssize_t alsa_ring_write(struct alsa_ring *ring, const void *buf, size_t frames)
{
    uint64_t room = ring->params.buffer_frames - (ring->ours - ring->theirs);

    return copy(ring, (void *)(uintptr_t)buf, MIN(room, frames)); /* which only reads it */
}

ssize_t alsa_ring_read(struct alsa_ring *ring, void *ret_buf, size_t frames)
{
    return copy(ring, ret_buf, MIN(ring->theirs - ring->ours, frames));
}

/* -- where the clock is -- */

/* True if frames can be consumed: there is something to play, or room to record. */
static bool can_move(const struct alsa_ring *ring)
{
    return ring->wanted && (plays(ring) ? ring->ours > ring->theirs
                                        : ring->theirs - ring->ours < ring->params.buffer_frames);
}

/* The card stopped by itself, or has run dry (over). If the stream had two periods there at its
 * last look, either this process or the helper did not get to run. Else the guest was late; that is
 * told by the stream. */
static void note_xrun(struct alsa_ring *ring, uint64_t spare)
{
    uint64_t restarts = atomic_load(&ring->shared->restarts);
    uint64_t lost = atomic_load(&ring->shared->lost_frames);
    bool dry = plays(ring) && ring->ours == ring->theirs && spare * 2 > ring->look_frames * 3ull;

    bool guest_is_late = !plays(ring) && ring->theirs - ring->ours == ring->params.buffer_frames;

    if (restarts == ring->restarts && lost == ring->lost && !dry)
        return;
    ring->host->xruns += !guest_is_late;
    ring->host->lost_frames += lost - ring->lost;
    if (!guest_is_late)
        log_guest(&ring->host->log_limit,
                  restarts != ring->restarts
                      ? "%s: \"%s\" stopped by itself; it is started anew"
                      : "%s: this machine was too busy for \"%s\": the sound has a gap",
                  ring->host->name, ring->device);
    ring->restarts = restarts;
    ring->lost = lost;
}

/* Time in which nobody looked does not count: maybe nobody on this machine got to run. */
static int note_standstill(struct alsa_ring *ring, bool moved)
{
    const struct pcm_params *params = &ring->params;
    uint64_t now = now_ns(ring);
    uint64_t limit = frames_to_ns(params->buffer_frames - params->period_frames, params->rate_hz);

    if (moved || !can_move(ring))
        ring->stuck_ns = 0;
    else if (ring->look_ns > 0)
        ring->stuck_ns += MIN(now - ring->look_ns, LATE_NS);
    ring->look_ns = now;
    return ring->stuck_ns >= MAX(limit, STUCK_NS) ? -ETIMEDOUT : 0;
}

int alsa_ring_look(struct alsa_ring *ring)
{
    uint64_t now = count_take(ring), spare = ring->ours - ring->theirs;
    bool moved = now > ring->theirs;

    if (!ring->wanted)
        return 0;
    while (plays(ring) && ring->theirs < now) {
        size_t frames = (size_t)(now - ring->theirs);
        const uint8_t *at = ring_at(ring, ring->theirs, &frames);
        ring->host->played(ring->host, at, frames);
        ring->theirs += frames;
    }
    ring->theirs = now;
    note_xrun(ring, moved && ring->look_ns > 0 ? spare : 0);
    return note_standstill(ring, moved);
}

struct host_position alsa_ring_position(const struct alsa_ring *ring)
{
    return (struct host_position){
        .consumed_frames = ring->theirs - ring->first,
        .accepted_frames = (plays(ring) ? ring->ours : ring->theirs) - ring->first,
        .latency_frames = atomic_load(&ring->shared->latency_frames),
    };
}

uint64_t alsa_ring_remaining_ns(const struct alsa_ring *ring, uint64_t frame)
{
    uint64_t consumed = ring->theirs - ring->first, now = now_ns(ring);
    uint64_t at = MIN(atomic_load(&ring->shared->at_ns), now);

    if (frame <= consumed)
        return 0;
    if (!can_move(ring))
        return TIME_NEVER;
    uint64_t due = frames_to_ns(frame - consumed, ring->params.rate_hz) + LATE_NS;
    return due > now - at ? due - (now - at) : LATE_NS;
}

/* -- starting and stopping -- */

void alsa_ring_open(struct alsa_ring *ring, const struct pcm_params *params)
{
    ring->params = *params;
    ring->first = ring->theirs = ring->ours;
    ring->restarts = atomic_load(&ring->shared->restarts);
    ring->lost = atomic_load(&ring->shared->lost_frames);
    ring->look_ns = now_ns(ring);
}

void alsa_ring_start(struct alsa_ring *ring)
{
    ring->wanted = true;
    ring->stuck_ns = 0;
    ring->look_ns = ring->look_ns > 0 ? now_ns(ring) : 0;
}

void alsa_ring_stop(struct alsa_ring *ring)
{
    ring->wanted = false;
    ring->look_ns = 0; /* what is played all the same may run dry, and that is nobody's fault */
}
