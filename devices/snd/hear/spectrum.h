/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What pitch a channel has: power spectra of Gaussian windows, summed up (FFTW). The logarithm of a
 * Gaussian's spectrum is a parabola, so three bins tell where its top is: a steady tone's frequency
 * comes out to some 0.001 Hz, also where samples are few and the window is filled up with zeros.
 * Pitches below three bins (some 17 Hz) are not told well.
 *
 * Threads: init and fini run on main, as FFTW has one planner for all; one thread at a time uses a
 * spectrum. No allocation between init and fini.
 */
#pragma once

#include "vmm/base/base.h"

#include <complex.h> /* before fftw3.h, whose complex numbers are C's then */
#include <fftw3.h>

/* The bench on which the spectra of all channels are made. */
struct spectrum {
    size_t frames;      /* of a transform: a power of two */
    size_t weighted;    /* so many samples are weights[] for */
    double *weights;    /* owned; the window */
    double *input;      /* owned */
    fftw_complex *bins; /* owned; frames / 2 + 1 */
    fftw_plan plan;     /* owned; input to bins */
};

struct spectrum_pitch {
    double frequency; /* cycles per frame, 0.5 is half the rate; 0: no sound */
    double share;     /* of the power, DC aside, that is at this frequency: 0 to 1 */
};

/* A zeroed one. 0, -ENOMEM, or -ENOPKG after a line; fini accepts what a failed init left. */
int spectrum_init(struct spectrum *spectrum, size_t frames);
void spectrum_fini(struct spectrum *spectrum);

/* Adds the power of samples[0..count), up to `frames`, to power[0..frames / 2]. */
void spectrum_add(struct spectrum *spectrum, const double *samples, size_t count, double *power);
/* The strongest pitch in power[0..frames / 2], made of windows of so many samples. */
struct spectrum_pitch spectrum_pitch(const struct spectrum *spectrum, const double *power,
                                     size_t count);
