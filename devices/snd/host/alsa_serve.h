/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The helper's half of host=alsa: one process, one thread, one PCM. See alsa_link.h for how it
 * talks to ours. Plain calls of alsa-lib, which may block.
 *
 *   [DRY] --frames to move--> [MOVING] --pause--> [PAUSED]
 *     ^                        |  |  \--no pause--> [RUNOUT] what is in the ring is played on
 *     +-- ran dry, stopped ----+  +-- dropped --> [DRY]
 *
 * It goes by time, not by the PCM's fds, of which some plugins have strange ones: it looks where
 * the PCM is when a period of the guest's should have ended, or when it is told of frames; moves
 * what can be moved; and tells ours if a period has ended.
 */
#pragma once

#include "devices/snd/host/alsa_link.h"
#include "devices/snd/host/alsa_pcm.h"
#include "vmm/base/timebase.h"

enum alsa_state {
    ALSA_CLOSED,
    ALSA_DRY,    /* the PCM's ring is empty or lost; to be prepared before the next frame */
    ALSA_MOVING, /* the PCM runs */
    ALSA_PAUSED, /* by snd_pcm_pause() */
    ALSA_RUNOUT, /* stopped for the guest, but the ring is played on: no pause, no exact drop */
};

struct alsa_serve {
    struct alsa_job job;
    int socket;
    struct timebase *timebase;
    bool ended;      /* the socket has; nothing is left to do */
    uint32_t serial; /* of the last OPEN */
    struct alsa_pcm pcm;
    enum alsa_state state;
    bool wanted;                    /* between START and STOP */
    uint64_t moved, consumed, told; /* frames. Capture: all that was recorded */
    uint32_t avail_frames;          /* that can be moved, as of the last look */
    uint32_t latency_frames;
    uint64_t at_ns; /* when `consumed` and `latency_frames` were so */
};

/* Says what the PCM can do. */
void alsa_serve_begin(struct alsa_serve *serve, int socket, const struct alsa_job *job);
/* Waits for `wait_ns` at most, and does what is to be done: how long to wait next; TIME_NEVER: for
 * ever. Sets `ended`. */
uint64_t alsa_serve_round(struct alsa_serve *serve, uint64_t wait_ns);
