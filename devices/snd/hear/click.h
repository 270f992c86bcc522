/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds clicks in a window of one channel: places where the signal does not go on as it went before
 * and does not come from where it goes to, such as a lost or repeated period inside a tone.
 *
 * How: the window is cut into blocks; a linear predictor (8 weights, least squares) is fitted to
 * each. A sample's error is the smaller one of what the predictors of the block before and of the
 * block after its own make of it. A click is an error that stands out: 12 times what three quarters
 * of the window's errors stay below, above 0.4 % of the window's peak, and above 4 steps of a
 * coarse format.
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
 * No allocation after init, bounded work for each window. One thread at a time uses one finder.
 */
#pragma once

#include "vmm/base/base.h"

#define CLICK_EVENTS_MAX 256

/* Blocks of a window. The window should be about 0.2 s. */
#define CLICK_BLOCKS 8

/* Weights of a predictor. */
#define CLICK_ORDER 8

/* What a sample is by those before it: the latest first. */
struct click_predictor {
    double weight[CLICK_ORDER];
};

/* A channel's blocks, as far as it takes to tell that most windows need no search. Zeroed: none. */
struct click_trail {
    struct click_predictor latest; /* of the block that came last */
    struct {
        double peak, error; /* largest ones; error: by the predictor of the block before */
    } block[CLICK_BLOCKS];
};

struct click_event {
    size_t at;   /* first sample that breaks the prediction */
    size_t end;  /* behind the last one */
    double size; /* largest error, with its sign */
};

struct click_finder {
    size_t frames_max; /* of a window */
    size_t run_frames; /* of silence next to a click that make it the edge of a sound: 1 ms */
    double *errors;    /* owned; of prediction, one for each sample of the window */
    struct click_event events[CLICK_EVENTS_MAX];
    size_t event_count;
};

/* 0 or -ENOMEM. click_finder_fini() accepts what a failed init left. */
int click_finder_init(struct click_finder *finder, size_t frames_max);
void click_finder_tune(struct click_finder *finder, uint32_t rate_hz);
void click_finder_fini(struct click_finder *finder);

/* True if a whole window (of whole blocks) can have no click. `fresh` samples at its end were not
 * in the window before. To be told of each window, and in order. */
bool click_trail_is_smooth(struct click_trail *trail, const double *samples, size_t frames,
                           size_t fresh);

/* Leaves the clicks of samples[0..frames), in order, in finder->events. period_frames: of the
 * channel's pitch, 0 if it has none. */
void click_finder_scan(struct click_finder *finder, const double *samples, size_t frames,
                       double period_frames);
