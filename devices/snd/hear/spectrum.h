/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What pitch a channel has: power spectrum of Hann windows, half overlapping, summed up (FFTW), and
 * how the phase of each bin moves from a window to the next. The strongest bin gives the pitch to a
 * fiftieth of a bin, its phase from window to window gives the rest: a steady tone's frequency
 * comes out to some 0.001 Hz. Pitches below two bins (some 12 Hz) are not told well.
 *
 * Frequencies here are in cycles per frame: 0.5 is half the rate.
 *
 * Threads: a bench (window, plan, scratch) and its spectra are used by one thread at a time. Making
 * and ending a bench may happen on any thread. No allocation between init and fini.
 */
#pragma once

#include "devices/snd/lib/fftw.h"

/* What all channels share. */
struct spectrum_bench {
    size_t frames;      /* of a window: a power of two */
    double *hann;       /* owned, `frames` */
    double *input;      /* owned, `frames` */
    fftw_complex *bins; /* owned, frames / 2 + 1 */
    double *power;      /* owned, frames / 2 + 1 */
    fftw_plan plan;     /* input to bins */
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

/* frames: power of two, 64 or more. 0 or -ENOMEM; fini accepts what a failed init left. */
int spectrum_bench_init(struct spectrum_bench *bench, size_t frames);
void spectrum_bench_fini(struct spectrum_bench *bench);

int spectrum_init(struct spectrum *spectrum, const struct spectrum_bench *bench);
void spectrum_fini(struct spectrum *spectrum);

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
