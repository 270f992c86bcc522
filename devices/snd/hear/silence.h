/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds silence in one channel: before the sound, after it, and gaps within it.
 *
 * A sample is silent at -80 dBFS or below (that covers the dither of 16-bit files). A *gap* is a
 * run of silent samples with sound before and after it, of at least 1 ms and 8 samples, and at
 * least three times as long as the run that a sine of the same height and pitch leaves while it
 * crosses zero: for anything loud that is far below 1 ms, for a tone of a few steps of an 8-bit
 * file it is not. Sound that stays below -80 dBFS is silence here, and a waveform that itself rests
 * at zero for a millisecond (pulses) has gaps. Runs of a constant other than zero are no gaps.
 *
 * No allocation, constant work for each sample. One thread at a time uses one finder.
 */
#pragma once

#include "vmm/base/base.h"

/* Gaps (and clicks) of which the position is kept; all are counted. */
#define LISTENER_MARKS_MAX 16

/* A stretch of a channel: a gap, or a click (frames 0). Frames count from the first one fed. */
struct listener_mark {
    uint64_t at_frame;
    uint64_t frames;
};

struct silence {
    uint32_t rate_hz;
    uint64_t gap_frames_min;
    uint64_t frames;      /* samples seen */
    uint64_t quiet;       /* silent samples since the last loud one */
    uint64_t lead_frames; /* silence before the first loud sample */
    bool sounded;         /* a loud sample was seen */

    /* The half wave in hand and the one before it: what a zero crossing looks like here. */
    bool negative;
    uint64_t half_start;
    uint64_t half_frames_before;
    double half_peak, half_peak_before;
    double step; /* smallest loud magnitude seen: the step of a coarse format */

    uint64_t gap_count;
    uint64_t gap_longest_frames;
    struct listener_mark gaps[LISTENER_MARKS_MAX];
};

void silence_init(struct silence *silence, uint32_t rate_hz);
void silence_feed(struct silence *silence, double sample);

/* Silence after the last sound so far; 0 if there was none. */
uint64_t silence_trail_frames(const struct silence *silence);

/* True if a sample of this value is silent. */
bool silence_is_quiet(double sample);
