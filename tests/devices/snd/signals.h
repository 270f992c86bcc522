/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals made by formula, for tests of what hears them. One channel; full scale is -1 to 1. */
#pragma once

#include "devices/snd/hear/listener.h"

#include <check.h>
#include <math.h>

/* Values as a format of `steps` a half scale keeps them; 0: floats, unchanged. */
static inline double signal_round(double sample, double steps)
{
    return steps > 0 ? rint(sample * steps) / steps : sample;
}

static inline double *signal_silence(size_t frames)
{
    double *samples = calloc(frames + 1, sizeof(double));

    ck_assert_ptr_nonnull(samples);
    return samples;
}

static inline double *signal_sine(size_t frames, double rate_hz, double hz, double height)
{
    double *samples = signal_silence(frames);

    for (size_t i = 0; i < frames; i++)
        samples[i] = height * sin(2 * M_PI * hz * (double)i / rate_hz);
    return samples;
}

/* The same as 16-bit samples would be. */
static inline double *signal_sine16(size_t frames, double rate_hz, double hz, double height)
{
    double *samples = signal_sine(frames, rate_hz, hz, height);

    for (size_t i = 0; i < frames; i++)
        samples[i] = signal_round(samples[i], 32768);
    return samples;
}

/* Numbers from 0 to 1, the same in each run (xorshift64*). */
static inline double signal_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545f4914f6cdd1du) >> 11) / 9007199254740992.0;
}

/* What a listener hears in one channel; frees the samples. */
static inline struct listener_channel signal_hear(double *samples, size_t frames, uint32_t rate_hz)
{
    static struct listener_report report;
    struct listener *listener = NULL;

    ck_assert_int_eq(listener_create(rate_hz, 1, &listener), 0);
    listener_feed(listener, samples, frames);
    listener_report(listener, &report);
    listener_destroy(listener);
    free(samples);
    return report.channel[0];
}
