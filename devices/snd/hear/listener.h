/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The listener hears what is in a sound: pitch, level, silence, gaps and clicks of each channel. It
 * is fed frames as they come, from a file (`linnet listen`) or beside a playing stream, and can be
 * asked at any moment.
 *
 *   samples ──┬── level, silence, gaps                   each sample
 *             └── window of 0.13 to 0.26 s, half overlapping
 *                    ├── spectrum.c: pitch               each half window
 *                    └── click.c: clicks                 each half window
 *
 * A sample is silent at -80 dBFS or below (that covers the dither of 16-bit files). A *gap* is a
 * run of silent samples with sound before and after it, of at least 1 ms and 8 samples.
 *
 * Memory is fixed at create (some 0.2 MB a channel at 48 kHz). A call's work is bounded: constant
 * for each sample, plus one transform and one click search a channel for each half window that
 * fills (0.1 s of sound).
 *
 * Threads: create and destroy run on main; one thread at a time uses a listener.
 */
#pragma once

#include "vmm/base/base.h"

#include <stdio.h>

#define LISTENER_CHANNELS_MAX 32
#define LISTENER_RATE_HZ_MAX  1000000

/* The level that stands for silence in a report: no format here reaches it. */
#define LISTENER_DBFS_MIN (-200.0)

/* Gaps and clicks of which the position is kept; all are counted. */
#define LISTENER_MARKS_MAX 16

struct listener_mark {
    uint64_t at_frame; /* from the first one fed */
    uint64_t frames;   /* of a gap; 0: a click */
};

struct listener_marks {
    uint64_t count;
    struct listener_mark first[LISTENER_MARKS_MAX];
};

struct listener_channel {
    bool silent;    /* never above -80 dBFS */
    double freq_hz; /* the strongest pitch; 0: silence, or noise without one */
    double share;   /* of the power that is in that pitch: 1 is a pure tone, noise has below 0.02 */
    double peak_dbfs; /* largest magnitude; a full-scale sine has 0 */
    double rms_dbfs;  /* a full-scale sine has -3.01 */

    uint64_t lead_frames;  /* silence before the sound; all frames if silent */
    uint64_t trail_frames; /* silence after the sound; 0 if silent */

    struct listener_marks gaps;
    struct listener_marks clicks; /* click.h says what a click is; two within 1 ms are one */
};

struct listener_report {
    uint64_t frames;
    uint32_t rate_hz;
    unsigned channels;
    bool silent; /* every channel is */
    struct listener_channel channel[LISTENER_CHANNELS_MAX];
};

struct listener;

/* For sounds of up to this rate and so many channels, and tuned to one that has them. 0, -EINVAL if
 * the rate is not 1 to LISTENER_RATE_HZ_MAX or the channels are not 1 to LISTENER_CHANNELS_MAX;
 * -ENOMEM, or -ENOPKG after a line. */
int listener_create(uint32_t rate_hz, unsigned channels, struct listener **ret_listener);
/* Accepts NULL. */
void listener_destroy(struct listener *listener);

/* Forgets all. What follows is a sound of this rate and so many channels, no more than it is for.
 */
void listener_tune(struct listener *listener, uint32_t rate_hz, unsigned channels);

/* Hears `frames` frames of interleaved samples, full scale at -1 and 1. What is no number, or above
 * 120 dBFS, is heard as 0. */
void listener_feed(struct listener *listener, const double *samples, size_t frames);

/* What was heard so far. Feeding may go on after it. */
void listener_report(struct listener *listener, struct listener_report *ret_report);

/* heard.c: what was heard as text, for people in aligned lines, for programs as members of a JSON
 * object. Allocate nothing; any thread. */
void heard_print(const struct listener_report *report, FILE *out);
void heard_json(const struct listener_report *report, FILE *out);
