/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sound card that a test moves by hand: the PCM "fake", made with alsa-lib's own kit for I/O
 * plugins, and reached by anyone who opens it with snd_pcm_open(). This program defines that
 * function (and a few more of alsa-lib's) before alsa-lib does; for all other PCMs they pass the
 * call on.
 *
 * Frames are S16 stereo (or as wide). Playback frames go from the PCM's ring to `heard` when the
 * test says so. Recorded frames are numbered from 1. Only one program can have the card open.
 */
#pragma once

#include "vmm/base/base.h"

#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <stdatomic.h>

#define FAKE_CARD_RING_FRAMES  65536
#define FAKE_CARD_HEARD_FRAMES 262144

enum fake_call {
    FAKE_CALL_START,
    FAKE_CALL_STOP,
    FAKE_CALL_PREPARE,
    FAKE_CALL_PAUSE,
    FAKE_CALL_POINTER,
    FAKE_CALL_TRANSFER,
    FAKE_CALL_FDS,
    FAKE_CALL_FIRED,
    FAKE_CALL_CLOSE,
    FAKE_CALLS,
};

struct fake_card {
    /* What it is like; set before it is opened. fake_card_init() chooses the first of each. */
    snd_pcm_access_t access; /* RW_INTERLEAVED, or the only other one it has */
    bool can_pause;
    bool is_card;         /* says it is a kernel's PCM: a drop silences it */
    bool is_server;       /* has no card behind it: its calls may hang */
    bool is_plug;         /* says it is alsa-lib's plug, behind which there may be anything */
    unsigned fifo_frames; /* that have left the ring and are not heard yet */
    unsigned period_frames_max;
    const unsigned *chmap; /* its channels (SND_CHMAP_*), two; NULL: it does not say */
    bool takes_chmap;      /* lets others choose */
    bool no_fds;
    bool two_fds; /* the first of them is never ready */
    bool fds_lie; /* ready all the time, meaning nothing */
    bool moves;   /* a frame whenever it is asked where it is; these are not heard */
    /* What goes wrong; any time. Results of alsa-lib's functions, 0: none. */
    int open_error, setup_error, start_error, pause_error, resume_error, status_error;

    /* Calls that don't come back until this is 0 again: a bit for each enum fake_call. Any thread.
     */
    _Atomic unsigned hangs;

    /* What it saw. */
    unsigned chosen[2]; /* channels */
    _Atomic unsigned opens, closes, starts, stops, prepares;
    int start_policy; /* of the thread that started it last, as sched_getscheduler() has it */
    uint64_t stop_ns; /* when it was stopped last, CLOCK_MONOTONIC */
    uint32_t heard[FAKE_CARD_HEARD_FRAMES];
    size_t heard_frames;

    /* Its own. */
    snd_pcm_ioplug_t io;
    _Atomic bool is_open;
    int fd, idle_fd;
    bool running;
    snd_pcm_uframes_t avail_min;
    uint64_t hw_frames; /* since it was prepared */
    uint32_t recorded;  /* number of the last frame */
    uint32_t ring[FAKE_CARD_RING_FRAMES];
};

extern struct fake_card fake_card;

/* A card with all defaults that was never opened. */
void fake_card_init(void);
void fake_card_fini(void);

/* The card plays (records) that many frames, or until it has run dry (over), which stops it. Says
 * by its fd that a period is over. Does nothing if it does not run. */
void fake_card_run(unsigned frames);
/* The machine sleeps; the card stands still until snd_pcm_resume(), which fails with resume_error
 * if that is not 0. */
void fake_card_suspend(void);
/* Stops of its own accord with what is in the ring. */
void fake_card_trip(void);
void fake_card_unplug(void);
