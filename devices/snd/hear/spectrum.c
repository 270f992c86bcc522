/* SPDX-License-Identifier: BSD-3-Clause */
/* See spectrum.h. FFTW does the transforms. */
#include "devices/snd/hear/spectrum.h"

#include "vmm/base/library.h"

#include <math.h>

#define FFTW_FUNCTIONS(F)                                                                          \
    F(fftw_, alloc_real)                                                                           \
    F(fftw_, alloc_complex)                                                                        \
    F(fftw_, free) F(fftw_, plan_dft_r2c_1d) F(fftw_, destroy_plan) F(fftw_, execute)

static struct {
    FFTW_FUNCTIONS(LIBRARY_FIELD)
} fftw;
static const struct library fftw_library =
    LIBRARY("libfftw3.so.3", "libfftw3-double3", fftw, FFTW_FUNCTIONS);

/* A window ends at so many standard deviations, with 0.0009 of its height. */
#define WINDOW_END 3.75

/* Bins to each side of a peak that belong to it, where no zeros were added. */
#define PEAK_BINS 4

int spectrum_init(struct spectrum *spectrum, size_t frames)
{
    int r = library_load(&fftw_library);

    if (r < 0)
        return r;
    spectrum->frames = frames;
    spectrum->weights = fftw.alloc_real(frames);
    spectrum->input = fftw.alloc_real(frames);
    spectrum->bins = fftw.alloc_complex(frames / 2 + 1);
    if (spectrum->weights == NULL || spectrum->input == NULL || spectrum->bins == NULL)
        return -ENOMEM;
    spectrum->plan =
        fftw.plan_dft_r2c_1d((int)frames, spectrum->input, spectrum->bins, FFTW_ESTIMATE);
    return spectrum->plan != NULL ? 0 : -ENOMEM;
}

void spectrum_fini(struct spectrum *spectrum)
{
    if (spectrum->frames == 0)
        return; /* there may be no FFTW */
    if (spectrum->plan != NULL)
        fftw.destroy_plan(spectrum->plan);
    fftw.free(spectrum->weights);
    fftw.free(spectrum->input);
    fftw.free(spectrum->bins);
}

static void weigh(struct spectrum *spectrum, size_t count)
{
    for (size_t i = 0; i < count && count != spectrum->weighted; i++) {
        double place = ((double)(2 * i + 1) / (double)count - 1) * WINDOW_END;
        spectrum->weights[i] = exp(-place * place / 2);
    }
    spectrum->weighted = count;
}

void spectrum_add(struct spectrum *spectrum, const double *samples, size_t count, double *power)
{
    const double *weights = spectrum->weights;
    double sum = 0, mean = 0;

    assert(count <= spectrum->frames);
    weigh(spectrum, count);
    for (size_t i = 0; i < count; i++) {
        sum += weights[i];
        mean += weights[i] * samples[i];
    }
    for (size_t i = 0; i < spectrum->frames; i++)
        spectrum->input[i] = i < count ? weights[i] * (samples[i] - mean / sum) : 0;
    fftw.execute(spectrum->plan);
    for (size_t k = 0; k <= spectrum->frames / 2; k++) {
        double re = creal(spectrum->bins[k]), im = cimag(spectrum->bins[k]);
        power[k] += re * re + im * im;
    }
}

/* How far from bin k the top is of a parabola through the logarithms. */
static double peak_offset(const double *power, size_t k)
{
    if (power[k - 1] <= 0 || power[k + 1] <= 0)
        return 0;
    double left = log(power[k - 1]), middle = log(power[k]), right = log(power[k + 1]);
    double curve = left - 2 * middle + right;

    return curve < 0 ? (left - right) / curve / 2 : 0;
}

struct spectrum_pitch spectrum_pitch(const struct spectrum *spectrum, const double *power,
                                     size_t count)
{
    const size_t last = spectrum->frames / 2;
    const size_t reach = PEAK_BINS * ((spectrum->frames + count - 1) / MAX(count, 1u));
    size_t best = 1;
    double total = 0, near = 0;

    for (size_t k = 1; k < last; k++)
        best = power[k] > power[best] ? k : best;
    for (size_t k = 1; k <= last; k++) {
        total += power[k];
        near += k + reach >= best && k <= best + reach ? power[k] : 0;
    }
    if (total <= 0)
        return (struct spectrum_pitch){0};
    return (struct spectrum_pitch){.frequency = ((double)best + peak_offset(power, best)) /
                                                (double)spectrum->frames,
                                   .share = near / total};
}
