/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Silence and gaps in one channel; silence.h says what counts. Each silent run is judged when sound
 * comes back, from what is known of the waveform at that moment, so nothing is buffered.
 */
#include "devices/snd/hear/silence.h"

#include <math.h>

/* -80 dBFS. */
#define QUIET_LEVEL 1e-4

/* The coarsest format has steps of 1/128; a larger "step" is the waveform's own. */
#define STEP_MAX (1.0 / 128)

/* Half a wave of 10 Hz, the lowest pitch whose zero crossings are allowed for. */
#define HALF_WAVE_SECONDS_MAX 0.05

/* So many zero crossings long is a gap: the first half wave of a sound may be known only in part.
 */
#define CROSSINGS_MIN 3

#define GAP_SECONDS_MIN 0.001
#define GAP_FRAMES_MIN  8

bool silence_is_quiet(double sample)
{
    return fabs(sample) <= QUIET_LEVEL;
}

void silence_init(struct silence *silence, uint32_t rate_hz)
{
    *silence = (struct silence){
        .rate_hz = rate_hz,
        .gap_frames_min = MAX((uint64_t)ceil(rate_hz * GAP_SECONDS_MIN), (uint64_t)GAP_FRAMES_MIN),
        .step = STEP_MAX,
    };
}

/* Frames for which a sine like the latest half waves stays within one step of zero: while it goes
 * through it, or while it touches it (a sine on top of DC) when the same sign comes back. */
static double crossing_frames(const struct silence *silence, bool touches)
{
    uint64_t half = silence->frames - silence->quiet - silence->half_start;
    double peak = MAX(silence->half_peak, silence->half_peak_before);
    double frames = MIN((double)MAX(half, silence->half_frames_before),
                        silence->rate_hz * HALF_WAVE_SECONDS_MAX);

    double share = MIN(1.0, silence->step / peak);

    return frames * M_2_PI * (touches ? acos(1 - 2 * share) : asin(share));
}

static void end_quiet_run(struct silence *silence, bool negative)
{
    uint64_t quiet = silence->quiet;

    if (!silence->sounded) {
        silence->lead_frames = quiet;
        return;
    }
    if (quiet < silence->gap_frames_min ||
        (double)quiet < CROSSINGS_MIN * crossing_frames(silence, negative == silence->negative))
        return;
    if (silence->gap_count < LISTENER_MARKS_MAX)
        silence->gaps[silence->gap_count] =
            (struct listener_mark){.at_frame = silence->frames - quiet, .frames = quiet};
    silence->gap_count++;
    silence->gap_longest_frames = MAX(silence->gap_longest_frames, quiet);
}

static void begin_half_wave(struct silence *silence, bool negative)
{
    silence->half_frames_before = silence->frames - silence->half_start;
    silence->half_peak_before = silence->half_peak;
    silence->half_start = silence->frames;
    silence->half_peak = 0;
    silence->negative = negative;
}

void silence_feed(struct silence *silence, double sample)
{
    if (silence_is_quiet(sample)) {
        silence->quiet++;
        silence->frames++;
        return;
    }
    if (silence->quiet > 0)
        end_quiet_run(silence, sample < 0);
    if (!silence->sounded)
        silence->half_start = silence->frames;
    if (silence->negative != (sample < 0))
        begin_half_wave(silence, sample < 0);
    silence->half_peak = MAX(silence->half_peak, fabs(sample));
    silence->step = MIN(silence->step, fabs(sample));
    silence->sounded = true;
    silence->quiet = 0;
    silence->frames++;
}

uint64_t silence_trail_frames(const struct silence *silence)
{
    return silence->sounded ? silence->quiet : 0;
}
