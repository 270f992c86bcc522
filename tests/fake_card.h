/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sound card that a test moves by hand: the PCM "fake", made with alsa-lib's own kit for I/O
 * plugins. It stands behind the table of alsa-lib's functions (devices/snd/lib/alsa.h) that helpers
 * call, and so is there in this process and in helpers forked from it; other PCMs are alsa-lib's.
 *
 * Frames are S16 stereo (or as wide). Playback frames go from the PCM's ring to `heard` when the
 * test says so; behind the last one that it knows of it keeps silence, as the kernel does, if it is
 * asked for that. Recorded frames are numbered from 1. Only one program can have the card open.
 */
#pragma once

#include "vmm/base/base.h"

#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>

#define FAKE_CARD_RING_FRAMES  65536
#define FAKE_CARD_HEARD_FRAMES 262144

struct fake_card {
    /* What it is like; set before it is opened. fake_card_init() makes it all false. */
    bool can_pause;
    bool is_card;         /* says it is a kernel's PCM: a drop silences it */
    bool is_planar;       /* wants each channel for itself */
    bool is_plug;         /* says it is alsa-lib's plug, behind which there may be anything */
    unsigned fifo_frames; /* that have left the ring and are not heard yet */
    unsigned period_frames_max;
    bool moves;               /* a frame whenever it is asked where it is; these are not heard */
    unsigned frames_in_write; /* so many play while frames are being written */
    /* What goes wrong; any time. Results of alsa-lib's functions, 0: none. */
    int open_error, setup_error, start_error, pause_error, status_error;

    /* What it saw. */
    unsigned opens, closes, starts, stops, prepares, looks;
    uint32_t heard[FAKE_CARD_HEARD_FRAMES];
    size_t heard_frames;

    /* Its own. */
    snd_pcm_ioplug_t io;
    bool is_open;
    int fd; /* never ready */
    bool running;
    uint64_t hw_frames;      /* since it was prepared */
    uint64_t silence_frames; /* kept silent behind what is played; 0: what is there stays */
    uint32_t recorded;       /* number of the last frame */
    uint32_t ring[FAKE_CARD_RING_FRAMES];
};

extern struct fake_card fake_card;

/* A card with all defaults that was never opened. */
void fake_card_init(void);
void fake_card_fini(void);

/* The card plays (records) that many frames, or until it has run dry (over), which stops it. Does
 * nothing if it does not run. */
void fake_card_run(unsigned frames);
/* The machine sleeps; the card stands still until it is prepared anew. */
void fake_card_suspend(void);
/* Stops of its own accord with what is in the ring. */
void fake_card_trip(void);
void fake_card_unplug(void);
