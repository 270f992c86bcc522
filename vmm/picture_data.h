/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a picture of a sound shows, gathered frame by frame in one pass: for each column of pixels
 * the least and the largest sample, and the strength of each row's frequencies. Memory depends on
 * the picture's size only. Main thread.
 */
#pragma once

#include "devices/snd/spectrum.h"
#include "vmm/base.h"

/* Channels that are drawn; of what has more, the first ones are. */
#define PICTURE_CHANNELS_MAX 8
#define PICTURE_COLUMNS      1080

/* The range of strengths that is told apart: full scale down to this. */
#define PICTURE_DB_MIN (-110.0f)

struct picture_lane {
    float *low, *high;  /* owned, by column; low > high where there are no samples */
    double *square_sum; /* owned, by column */
    uint32_t *count;    /* owned, by column: samples */
    float *db;          /* owned, by row and column; row 0 is the highest frequency */
    float *recent;      /* owned, the latest samples, a ring of a window's length */
    double *power;      /* owned, by bin; strongest of this column's windows */
};

struct picture_data {
    uint32_t rate_hz;
    uint64_t frames;   /* of the sound */
    unsigned channels; /* of the sound */
    unsigned lanes;    /* channels drawn */
    unsigned rows;     /* of a spectrogram */
    double low_hz;     /* bottom of the spectrogram; its top is half the rate */
    uint64_t fed;      /* frames */
    uint64_t windows, windows_per_column;
    uint64_t window; /* the next one */
    struct spectrum_bench bench;
    struct picture_lane lane[PICTURE_CHANNELS_MAX];
};

/* For a sound of `frames` frames, 1 or more. 0 or -ENOMEM; fini accepts what a failed init left. */
int picture_data_init(struct picture_data *data, uint32_t rate_hz, unsigned channels,
                      uint64_t frames, unsigned rows);
void picture_data_fini(struct picture_data *data);

/* Frames of interleaved samples; what is beyond the promised frames is left out. */
void picture_data_feed(struct picture_data *data, const double *samples, size_t frames);
/* Ends the last windows. */
void picture_data_end(struct picture_data *data);

/* The frequency at a spectrogram's height: 0 is its top, 1 its bottom; and back. */
double picture_data_hz(const struct picture_data *data, double height);
double picture_data_height(const struct picture_data *data, double hz);
