/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pitch by Fourier transform; spectrum.h says how well. FFTW does the transforms.
 */
#include "devices/snd/hear/spectrum.h"

#include <math.h>
#include <string.h>

/* Bins to each side of a peak that belong to it: half the main lobe of a Hann window. */
#define LOBE_BINS 2

/* How much of the peak's power must move with one phase for that phase to be believed. */
#define COHERENCE_MIN 0.25

static double hann_at(size_t i, size_t frames)
{
    return 0.5 - 0.5 * cos(2 * M_PI * (double)i / (double)frames);
}

int spectrum_bench_init(struct spectrum_bench *bench, size_t frames_max)
{
    int r = library_load(&fftw_library);

    assert((frames_max & (frames_max - 1)) == 0 && frames_max >> SPECTRUM_SIZES == 0);
    if (r < 0)
        return r;
    bench->hann = fftw.alloc_real(frames_max);
    bench->input = fftw.alloc_real(frames_max);
    bench->bins = fftw.alloc_complex(frames_max / 2 + 1);
    bench->power = fftw.alloc_real(frames_max / 2 + 1);
    if (!bench->hann || !bench->input || !bench->bins || !bench->power)
        return -ENOMEM;
    for (unsigned i = 0; frames_max >> i > 0 && r == 0; i++) {
        bench->plans[i] = fftw.plan_dft_r2c_1d(1 << i, bench->input, bench->bins, FFTW_ESTIMATE);
        r = bench->plans[i] ? 0 : -ENOMEM;
    }
    return r;
}

void spectrum_bench_tune(struct spectrum_bench *bench, size_t frames)
{
    bench->frames = frames;
    bench->plan = bench->plans[__builtin_ctzl(frames)];
    for (size_t i = 0; i < frames; i++)
        bench->hann[i] = hann_at(i, frames);
}

void spectrum_bench_fini(struct spectrum_bench *bench)
{
    if (!bench->hann)
        return; /* nor is there anything else */
    for (unsigned i = 0; i < SPECTRUM_SIZES; i++)
        if (bench->plans[i])
            fftw.destroy_plan(bench->plans[i]);
    fftw.free(bench->hann);
    fftw.free(bench->input);
    fftw.free(bench->bins);
    fftw.free(bench->power);
    *bench = (struct spectrum_bench){0};
}

int spectrum_init(struct spectrum *spectrum, size_t frames_max)
{
    size_t bins = frames_max / 2 + 1;

    *spectrum = (struct spectrum){
        .power = calloc(bins, sizeof(*spectrum->power)),
        .last = calloc(bins, sizeof(*spectrum->last)),
        .cross = calloc(bins, sizeof(*spectrum->cross)),
    };
    return spectrum->power && spectrum->last && spectrum->cross ? 0 : -ENOMEM;
}

void spectrum_clear(struct spectrum *spectrum, size_t frames)
{
    size_t bins = frames / 2 + 1;

    spectrum->windows = 0;
    memset(spectrum->power, 0, bins * sizeof(*spectrum->power));
    memset(spectrum->last, 0, bins * sizeof(*spectrum->last));
    memset(spectrum->cross, 0, bins * sizeof(*spectrum->cross));
}

void spectrum_fini(struct spectrum *spectrum)
{
    free(spectrum->power);
    free(spectrum->last);
    free(spectrum->cross);
}

/* Bins and powers of samples[0..count), under a Hann window of that length, without DC. The powers
 * are scaled so that they add up to the energy, whatever count is. */
static void transform(struct spectrum_bench *bench, const double *samples, size_t count)
{
    double *input = bench->input, square_sum = 0, sum = 0, mean = 0;

    const double *weight = count == bench->frames ? bench->hann : input;

    for (size_t i = 0; i < count && weight == input; i++)
        input[i] = hann_at(i, count);
    for (size_t i = 0; i < count; i++) {
        sum += weight[i];
        square_sum += weight[i] * weight[i];
        mean += weight[i] * samples[i];
    }
    mean = sum > 0 ? mean / sum : 0;
    for (size_t i = 0; i < count; i++)
        input[i] = weight[i] * (samples[i] - mean);
    for (size_t i = count; i < bench->frames; i++)
        input[i] = 0;
    fftw.execute(bench->plan);
    for (size_t k = 0; k <= bench->frames / 2; k++) {
        double re = creal(bench->bins[k]), im = cimag(bench->bins[k]);

        bench->power[k] = square_sum > 0 ? (re * re + im * im) / square_sum : 0;
    }
}

static size_t strongest_bin(const struct spectrum_bench *bench)
{
    size_t best = 1;

    for (size_t k = 1; k < bench->frames / 2; k++) {
        if (bench->power[k] > bench->power[best])
            best = k;
    }
    return best;
}

/* Half a peak's width for a window of `count` samples, filled up with zeros. */
static size_t lobe_bins(const struct spectrum_bench *bench, size_t count)
{
    return count > 0 ? LOBE_BINS * ((bench->frames + count - 1) / count) : LOBE_BINS;
}

/* The place of the peak at bin k, in bins: the top of a parabola through the logarithms. */
static double peak_position(const double *power, size_t k)
{
    if (power[k] <= 0 || power[k - 1] <= 0 || power[k + 1] <= 0)
        return (double)k;

    double left = log(power[k - 1]), mid = log(power[k]), right = log(power[k + 1]);
    double curve = left - 2 * mid + right;

    return curve < 0 ? (double)k + 0.5 * (left - right) / curve : (double)k;
}

/* Pitch of bench->power, in which peaks are `lobe` bins wide to each side. */
static struct spectrum_pitch find_pitch(const struct spectrum_bench *bench, size_t lobe)
{
    size_t best = strongest_bin(bench), last = bench->frames / 2;
    double total = 0, around = 0;

    for (size_t k = 1; k <= last; k++) {
        total += bench->power[k];
        if (k + lobe >= best && k <= best + lobe)
            around += bench->power[k];
    }
    if (total <= 0)
        return (struct spectrum_pitch){0};
    return (struct spectrum_pitch){
        .frequency = peak_position(bench->power, best) / (double)bench->frames,
        .share = around / total,
    };
}

struct spectrum_pitch spectrum_add(struct spectrum *spectrum, struct spectrum_bench *bench,
                                   const double *samples)
{
    transform(bench, samples, bench->frames);
    for (size_t k = 0; k <= bench->frames / 2; k++) {
        double re = creal(bench->bins[k]), im = cimag(bench->bins[k]);
        double re_before = creal(spectrum->last[k]), im_before = cimag(spectrum->last[k]);

        /* bin times the conjugate of the one before; C's own product looks for NaNs, too */
        spectrum->cross[k] +=
            re * re_before + im * im_before + I * (im * re_before - re * im_before);
        spectrum->power[k] += bench->power[k];
        spectrum->last[k] = bench->bins[k];
    }
    spectrum->windows++;
    return find_pitch(bench, LOBE_BINS);
}

/* Sharpens a frequency by the phase its bin gains in half a window, which is known but for whole
 * turns: it is the candidate nearest to what the bins say. */
static double by_phase(const struct spectrum *spectrum, const struct spectrum_bench *bench,
                       double frequency)
{
    size_t bin = (size_t)lround(frequency * (double)bench->frames);
    double hop = (double)bench->frames / 2, energy = 0;

    for (size_t i = 0; i < bench->frames; i++)
        energy += bench->hann[i] * bench->hann[i];
    if (cabs(spectrum->cross[bin]) < COHERENCE_MIN * spectrum->power[bin] * energy)
        return frequency;

    double turns = carg(spectrum->cross[bin]) / (2 * M_PI);
    double sharp = (turns + round(frequency * hop - turns)) / hop;

    return sharp > 0 && sharp < 0.5 ? sharp : frequency;
}

struct spectrum_pitch spectrum_look(struct spectrum_bench *bench, const double *samples,
                                    size_t count)
{
    assert(count <= bench->frames);
    transform(bench, samples, count);
    return find_pitch(bench, lobe_bins(bench, count));
}

struct spectrum_pitch spectrum_read(const struct spectrum *spectrum, struct spectrum_bench *bench,
                                    const double *tail, size_t count)
{
    assert(count <= bench->frames);
    transform(bench, tail, count);
    for (size_t k = 0; k <= bench->frames / 2; k++)
        bench->power[k] += spectrum->power[k];

    size_t longest = spectrum->windows > 0 ? bench->frames : count;
    struct spectrum_pitch pitch = find_pitch(bench, lobe_bins(bench, longest));

    if (spectrum->windows > 1 && pitch.frequency > 0)
        pitch.frequency = by_phase(spectrum, bench, pitch.frequency);
    return pitch;
}
