/* SPDX-License-Identifier: BSD-3-Clause */
/* See picture_data.h. FFTW transforms, by devices/snd/spectrum.c's bench. */
#include "vmm/picture_data.h"

#include <math.h>
#include <string.h>

/* A window holds about so much, less in a short sound. */
#define WINDOW_SECONDS    (1.0 / 12)
#define WINDOW_FRAMES_MIN 64

/* Windows that share a column in a long sound; beyond, some of the sound is in no window. */
#define WINDOWS_PER_COLUMN_MAX 8

/* Bottom of the frequency scale. */
#define LOW_HZ 20.0

static size_t window_size(uint32_t rate_hz, uint64_t frames)
{
    double wanted = MIN(rate_hz * WINDOW_SECONDS, (double)frames / 2);
    size_t size = WINDOW_FRAMES_MIN;

    while ((double)size < wanted)
        size *= 2;
    return size;
}

static int lane_init(struct picture_lane *lane, const struct picture_data *data)
{
    lane->low = calloc(PICTURE_COLUMNS, sizeof(*lane->low));
    lane->high = calloc(PICTURE_COLUMNS, sizeof(*lane->high));
    lane->square_sum = calloc(PICTURE_COLUMNS, sizeof(*lane->square_sum));
    lane->count = calloc(PICTURE_COLUMNS, sizeof(*lane->count));
    lane->db = calloc((size_t)PICTURE_COLUMNS * data->rows, sizeof(*lane->db));
    lane->recent = calloc(data->bench.frames, sizeof(*lane->recent));
    lane->power = calloc(data->bench.frames / 2 + 1, sizeof(*lane->power));
    if (!lane->low || !lane->high || !lane->square_sum || !lane->count || !lane->db ||
        !lane->recent || !lane->power)
        return -ENOMEM;
    for (size_t x = 0; x < PICTURE_COLUMNS; x++) {
        lane->low[x] = INFINITY;
        lane->high[x] = -INFINITY;
    }
    for (size_t i = 0; i < (size_t)PICTURE_COLUMNS * data->rows; i++)
        lane->db[i] = PICTURE_DB_MIN;
    return 0;
}

int picture_data_init(struct picture_data *data, uint32_t rate_hz, unsigned channels,
                      uint64_t frames, unsigned rows)
{
    size_t window_frames = window_size(rate_hz, frames);
    double column_frames = (double)frames / PICTURE_COLUMNS;
    int r;

    assert(frames > 0);
    *data = (struct picture_data){
        .rate_hz = rate_hz,
        .frames = frames,
        .channels = channels,
        .lanes = MIN(channels, (unsigned)PICTURE_CHANNELS_MAX),
        .rows = rows,
        .low_hz = MIN(LOW_HZ, rate_hz / 100.0),
        .windows_per_column = (uint64_t)ceil(2 * column_frames / (double)window_frames),
    };
    data->windows_per_column =
        MAX(MIN(data->windows_per_column, (uint64_t)WINDOWS_PER_COLUMN_MAX), (uint64_t)1);
    data->windows = data->windows_per_column * PICTURE_COLUMNS;
    r = spectrum_bench_init(&data->bench, window_frames);
    for (unsigned c = 0; c < data->lanes && r == 0; c++)
        r = lane_init(&data->lane[c], data);
    return r;
}

void picture_data_fini(struct picture_data *data)
{
    for (unsigned c = 0; c < data->lanes; c++) {
        free(data->lane[c].low);
        free(data->lane[c].high);
        free(data->lane[c].square_sum);
        free(data->lane[c].count);
        free(data->lane[c].db);
        free(data->lane[c].recent);
        free(data->lane[c].power);
    }
    spectrum_bench_fini(&data->bench);
    *data = (struct picture_data){0};
}

double picture_data_hz(const struct picture_data *data, double height)
{
    return data->low_hz * pow(data->rate_hz / 2.0 / data->low_hz, 1 - height);
}

double picture_data_height(const struct picture_data *data, double hz)
{
    return 1 - log(hz / data->low_hz) / log(data->rate_hz / 2.0 / data->low_hz);
}

/* Strength at a place between bins, or of the strongest bin between two places. */
static double power_between(const double *power, double from, double to)
{
    size_t below = (size_t)from;
    double share = from - floor(from);
    double strongest = power[below] * (1 - share) + power[below + 1] * share;

    for (size_t k = (size_t)ceil(from); (double)k <= to; k++)
        strongest = MAX(strongest, power[k]);
    return strongest;
}

/* Turns the strongest powers of a column into its rows; a full-scale sine has 0 dB. */
static void end_column(struct picture_data *data, struct picture_lane *lane, size_t column)
{
    double bin_hz = (double)data->rate_hz / (double)data->bench.frames;
    double last = (double)data->bench.frames / 2 - 1; /* so that there is a bin above */

    for (unsigned y = 0; y < data->rows; y++) {
        double from = picture_data_hz(data, (y + 1.0) / data->rows) / bin_hz;
        double to = picture_data_hz(data, (double)y / data->rows) / bin_hz;
        double power = power_between(lane->power, MIN(from, last), MIN(to, last + 1));
        double db = power > 0 ? 10 * log10(power) : (double)PICTURE_DB_MIN;

        lane->db[(size_t)y * PICTURE_COLUMNS + column] = MAX((float)db, PICTURE_DB_MIN);
    }
    memset(lane->power, 0, (data->bench.frames / 2 + 1) * sizeof(*lane->power));
}

/* Transforms the latest samples and keeps what is stronger than in this column's other windows. */
static void add_window(struct picture_data *data, struct picture_lane *lane)
{
    struct spectrum_bench *bench = &data->bench;
    double full_scale = (double)bench->frames / 4; /* a sine's bin under a Hann window */

    for (size_t i = 0; i < bench->frames; i++)
        bench->input[i] = bench->hann[i] * (double)lane->recent[(data->fed + i) % bench->frames];
    fftw_execute(bench->plan);
    for (size_t k = 0; k <= bench->frames / 2; k++) {
        double amplitude = cabs(bench->bins[k]) / full_scale;

        lane->power[k] = MAX(lane->power[k], amplitude * amplitude);
    }
}

/* Ends each window whose last sample was fed: windows stand in the middle of their shares of the
 * sound, and reach beyond its ends, where there is silence. */
static void end_windows(struct picture_data *data)
{
    while (data->window < data->windows) {
        double middle = ((double)data->window + 0.5) * (double)data->frames / (double)data->windows;

        if ((double)data->fed < floor(middle) + (double)data->bench.frames / 2)
            return;
        data->window++;
        for (unsigned c = 0; c < data->lanes; c++) {
            add_window(data, &data->lane[c]);
            if (data->window % data->windows_per_column == 0)
                end_column(data, &data->lane[c], data->window / data->windows_per_column - 1);
        }
    }
}

static void feed_frame(struct picture_data *data, const double *samples)
{
    uint64_t at = data->fed % data->bench.frames;
    size_t from = (size_t)((double)data->fed * PICTURE_COLUMNS / (double)data->frames);
    size_t to = (size_t)((double)(data->fed + 1) * PICTURE_COLUMNS / (double)data->frames);

    for (unsigned c = 0; c < data->lanes; c++) {
        struct picture_lane *lane = &data->lane[c];
        float sample = samples && isfinite(samples[c]) ? (float)samples[c] : 0;

        lane->recent[at] = sample;
        /* A frame wider than a column fills all of its columns. */
        for (size_t x = from; x < PICTURE_COLUMNS && x < MAX(to, from + 1); x++) {
            lane->low[x] = MIN(lane->low[x], sample);
            lane->high[x] = MAX(lane->high[x], sample);
            lane->square_sum[x] += (double)sample * (double)sample;
            lane->count[x]++;
        }
    }
    data->fed++;
    end_windows(data);
}

void picture_data_feed(struct picture_data *data, const double *samples, size_t frames)
{
    for (size_t i = 0; i < frames && data->fed < data->frames; i++)
        feed_frame(data, samples + i * data->channels);
}

void picture_data_end(struct picture_data *data)
{
    while (data->window < data->windows)
        feed_frame(data, NULL);
}
