/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ALSA PCM that runs, in a helper: where it is, what has become of its frames, and how to get it
 * going again after it has run dry or over, was suspended, or was stopped. Frames are those of
 * alsa_link.h.
 *
 *   open --> [IDLE] --start--> [MOVING] --pause--> [PAUSED]
 *              ^                 |   \---no pause--> [RUNOUT] what is in the ring is played on
 *              | prepare         v ran dry, dropped, resumed in vain
 *              +-------------- [DRY]
 *
 * Results are -errno when the PCM is of no use any more; it is to be closed then.
 */
#pragma once

#include "devices/snd/host/alsa_link.h"
#include "devices/snd/host/alsa_pcm.h"

enum alsa_state {
    ALSA_IDLE,      /* prepared; playback may have frames in the ring */
    ALSA_MOVING,    /* the PCM runs */
    ALSA_PAUSED,    /* by snd_pcm_pause() */
    ALSA_RUNOUT,    /* stopped for the guest, but the ring is played on: no pause, no exact drop */
    ALSA_DRY,       /* the ring is empty or lost; to be prepared before the next frame */
    ALSA_SUSPENDED, /* with the machine; not back yet */
};

struct alsa_run {
    struct alsa_pcm pcm;
    struct alsa_shared *shared; /* borrowed */
    int news_fd;                /* borrowed */
    struct timebase *timebase;
    enum alsa_state state;
    bool wanted;                    /* between start and stop */
    uint64_t first;                 /* frame: where this OPEN began, and the shared ring does */
    uint64_t moved, consumed, told; /* frames. Capture: all that was recorded */
    uint32_t latency_frames;
    uint64_t at_ns;  /* when `consumed` and `latency_frames` were so */
    unsigned futile; /* wake-ups by fds since a frame moved */
};

/* The PCM was set up just now, or closed: frames count from `first`. */
int alsa_run_open(struct alsa_run *run, uint64_t first, bool is_fresh);
/* What was consumed is heard, what was not is dropped. The PCM stays set up. */
int alsa_run_close(struct alsa_run *run);

int alsa_run_start(struct alsa_run *run);
int alsa_run_stop(struct alsa_run *run);

/* Looks where the PCM is if asked to, moves what can be moved, says so. */
int alsa_run_serve(struct alsa_run *run, bool with_look);

/* True: the PCM's fds are worth waiting for. */
bool alsa_run_listens(const struct alsa_run *run);
/* How long until it is to be looked at again, whatever the fds say; TIME_NEVER: only they know. */
uint64_t alsa_run_wait(struct alsa_run *run);
