/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What pitch a channel has: power spectrum of Hann windows, half overlapping, summed up (FFTW), and
 * how the phase of each bin moves from a window to the next. The strongest bin gives the pitch to a
 * fiftieth of a bin, its phase from window to window gives the rest: a steady tone's frequency
 * comes out to some 0.001 Hz. Pitches below two bins (some 12 Hz) are not told well.
 *
 * Frequencies here are in cycles per frame: 0.5 is half the rate.
 *
 * Threads: a bench (windows, plans, scratch) and its spectra are used by one thread at a time. It
 * is made and ended on main, as FFTW has one planner for all. No allocation between init and fini.
 */
#pragma once

#include "devices/snd/lib/fftw.h"

/* Windows are powers of two, below 2^SPECTRUM_SIZES frames. */
#define SPECTRUM_SIZES 19

/* What all channels share. */
struct spectrum_bench {
    size_t frames;                   /* of a window */
    double *hann;                    /* owned, `frames` */
    double *input;                   /* owned, `frames` */
    fftw_complex *bins;              /* owned, frames / 2 + 1 */
    double *power;                   /* owned, frames / 2 + 1 */
    fftw_plan plans[SPECTRUM_SIZES]; /* owned, by size; input to bins */
    fftw_plan plan;                  /* for `frames` */
};

struct spectrum {
    uint64_t windows;    /* summed up */
    double *power;       /* owned, frames / 2 + 1; sums */
    fftw_complex *last;  /* owned; bins of the latest window */
    fftw_complex *cross; /* owned; sums of each bin times its conjugate half a window earlier */
};

struct spectrum_pitch {
    double frequency; /* cycles per frame; 0: no sound */
    double share;     /* of the power, DC aside, that is at this frequency: 0 to 1 */
};

/* A zeroed bench for windows of up to frames_max, a power of two like each window. 0, -ENOMEM, or
 * -ENOPKG after a line; fini accepts what a failed init left. */
int spectrum_bench_init(struct spectrum_bench *bench, size_t frames_max);
void spectrum_bench_fini(struct spectrum_bench *bench);
/* Windows of so many frames from now on. */
void spectrum_bench_tune(struct spectrum_bench *bench, size_t frames);

int spectrum_init(struct spectrum *spectrum, size_t frames_max);
void spectrum_fini(struct spectrum *spectrum);
/* Forgets all, for windows of so many frames. */
void spectrum_clear(struct spectrum *spectrum, size_t frames);

/* Adds a full window, half of which was in the window before; returns the pitch of this window. */
struct spectrum_pitch spectrum_add(struct spectrum *spectrum, struct spectrum_bench *bench,
                                   const double *samples);

/* The pitch of `count` samples (up to a window) alone. */
struct spectrum_pitch spectrum_look(struct spectrum_bench *bench, const double *samples,
                                    size_t count);

/* The pitch of all that was added and of the `count` samples behind it (0 to a window's length),
 * which are not added. */
struct spectrum_pitch spectrum_read(const struct spectrum *spectrum, struct spectrum_bench *bench,
                                    const double *tail, size_t count);
