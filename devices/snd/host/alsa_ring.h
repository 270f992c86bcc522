/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream's frames in the ring of an ALSA PCM: how many there are, what has become of them, and
 * how to get going again after the PCM has run dry or over, was suspended, or was stopped.
 *
 *   0      base (last prepare)      consumed                moved
 *   +---------+-------------------------+---------------------+----> frames
 *             | played: left the ring   |     in the ring     |
 *
 * For capture, `consumed` counts what was recorded and `moved` what was fetched of it. A PCM that
 * has run dry (playback) or over (capture) stops by itself. It is prepared again and starts with
 * the next frames. What it lost of a recording is `owed` to the stream, as silence.
 *
 * Two things say when to look again: the PCM's fds, watched while the ring is so full (so empty,
 * for capture) that they don't fire at once, and alsa_ring_remaining_ns(), which counts from the
 * last position. The fds are exact where the guest's periods end together with the PCM's.
 *
 * Results are -errno when the PCM is of no use any more, a sound server's also when it has stood
 * still for too long; it is to be closed then. One thread at a time; looking, moving, starting and
 * stopping on the loop's.
 */
#pragma once

#include "devices/snd/host/alsa_pcm.h"
#include "devices/snd/host/alsa_wait.h"
#include "vmm/base/log.h"

enum alsa_ring_state {
    ALSA_IDLE,      /* prepared; playback may have frames in the ring */
    ALSA_MOVING,    /* the PCM runs */
    ALSA_PAUSED,    /* by snd_pcm_pause() */
    ALSA_RUNOUT,    /* stopped for the stream, but the ring is played on: no pause, no exact drop */
    ALSA_DRY,       /* the ring is empty or lost; to be prepared before the next frame */
    ALSA_SUSPENDED, /* with the machine; not back yet */
};

struct alsa_ring {
    struct host *host;  /* borrowed: counts, name, whom to wake */
    const char *device; /* borrowed; the PCM's name */
    struct alsa_pcm pcm;
    struct alsa_wait wait;
    struct log_limit log_limit;      /* for what an overloaded machine would say all the time */
    const struct pcm_format *format; /* of the frames */
    uint32_t look_frames;            /* looks are no farther apart: a period */

    enum alsa_ring_state state;
    bool wanted;                          /* between start and stop */
    uint64_t moved, consumed, base, owed; /* frames; see above */
    uint64_t promised; /* what the stream takes `moved` for; more if frames in the ring were lost */
    uint32_t latency_frames;
    uint64_t at_ns;    /* when `consumed` and `latency_frames` were so */
    uint64_t stuck_ns; /* for how long it was looked, and no frame was consumed that was there */
};

/* Frames count from 0; ring->pcm was set up. */
void alsa_ring_init(struct alsa_ring *ring, const struct pcm_params *params);
/* No fd is watched any more, and the numbers are the last ones. The PCM is still open. */
void alsa_ring_end(struct alsa_ring *ring);

/* As host.h has it of the calls of the same names. */
int alsa_ring_start(struct alsa_ring *ring);
int alsa_ring_stop(struct alsa_ring *ring);
ssize_t alsa_ring_write(struct alsa_ring *ring, const void *buf, size_t frames);
ssize_t alsa_ring_read(struct alsa_ring *ring, void *ret_buf, size_t frames);
int alsa_ring_position(struct alsa_ring *ring, struct host_position *ret_position);
uint64_t alsa_ring_remaining_ns(const struct alsa_ring *ring, uint64_t frame);

/* How long what has left the ring is still on its way to be heard; 0 if the ring is not empty. */
uint64_t alsa_ring_tail_ns(const struct alsa_ring *ring);
