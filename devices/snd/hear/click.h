/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds clicks in a window of one channel: places where the signal does not go on as it went before
 * and does not come from where it goes to, such as a lost or repeated period inside a tone.
 *
 * How: the window is cut into blocks; a linear predictor (8 weights, least squares) is fitted to
 * each. A sample's error is the smaller one of what the predictors of the block before and of the
 * block after its own make of it. A click is an error that stands out: 12 times what three quarters
 * of the window's errors stay below, above 0.4 % of the window's peak, and above 4 steps of 16 bits
 * or of 8, where the samples are of 8 bits.
 *
 * So noise has none, and a lost or repeated period in a tone has one where the sound is joined. A
 * single frame lost from a 440 Hz sine at 48 kHz is found but near the sine's very peaks; in slower
 * waves, higher rates or 8 bits it can drown. Speech and music have places that count: this is for
 * test tones.
 *
 * No clicks are
 *  - edges that come once in a period of the channel's own pitch (square wave, saw tooth),
 *  - where sound begins after silence or ends in it (that is a gap, or the sound's end); but a
 * sound of less than 1 ms with silence on both sides is one,
 *  - a loss or repetition of whole waves: it leaves no trace but the length,
 *  - anything in the first milliseconds of the stream,
 *  - errors that fill a quarter of the window and more.
 * A window with more than CLICK_EVENTS_MAX candidates is that kind of sound and has none.
 *
 * No state, no allocation, bounded work for each window.
 */
#pragma once

#include "vmm/base/base.h"

#define CLICK_EVENTS_MAX 256

/* Blocks of a full window, which should be about 0.2 s. */
#define CLICK_BLOCKS 8

/* Weights of a predictor. */
#define CLICK_ORDER 8

struct click_block {
    double weight[CLICK_ORDER]; /* what a sample is by those before it, the latest first */
    double peak;                /* largest magnitude */
    double error;               /* the same, of prediction by the block before */
};

struct click_window {
    const double *samples;
    size_t frames, block_frames;
    const struct click_block *blocks; /* fitted, as far as they are whole */
    size_t edge_frames;   /* of silence next to a click that make it the edge of a sound: 1 ms */
    double period_frames; /* of the channel's own pitch; 0: none that has edges */
    double *errors;       /* scratch: one for each sample */
};

struct click_events {
    size_t count;
    struct click_event {
        size_t at;   /* first sample that breaks the prediction */
        size_t end;  /* behind the last one */
        double size; /* largest error, with its sign */
    } event[CLICK_EVENTS_MAX];
};

/* Fits blocks[first..end) to a window's samples. The block before the first is fitted already. */
void click_fit(const double *samples, size_t block_frames, size_t first, size_t end,
               struct click_block *blocks);
/* True if a full window can have no click, by its blocks: most need no search. */
bool click_none(const struct click_block blocks[CLICK_BLOCKS]);
/* The clicks, in order. */
void click_search(const struct click_window *window, struct click_events *ret_events);
