/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sound drawn with cairo. From top to bottom: title; for each channel a line of what was heard,
 * the waveform and the spectrogram; the time scale. picture_data.c gathers what is drawn.
 */
#include "vmm/picture.h"

#include "vmm/cairo_api.h"
#include "vmm/log.h"
#include "vmm/picture_data.h"
#include "vmm/sound_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Pixels. */
#define LEFT         64
#define RIGHT        76
#define TOP          48
#define BOTTOM       46
#define CAPTION      22
#define BETWEEN      8
#define BELOW        18
#define LEGEND_WIDTH 12
#define LABEL_APART  14 /* of frequencies, at least */

/* Samples in a column from which its RMS says something. */
#define RMS_FRAMES_MIN 16

#define TICKS_MAX  10 /* of the time scale */
#define TEXT_SIZE  192
#define FONT_SMALL 11
#define FONT_TITLE 15

struct colour {
    double red, green, blue;
};

static const struct colour ink = {0.13, 0.15, 0.18}, faint = {0.45, 0.48, 0.52},
                           grid = {0.88, 0.89, 0.91}, wave = {0.47, 0.68, 0.82},
                           wave_core = {0.10, 0.42, 0.62}, alarm_red = {0.84, 0.12, 0.16},
                           panel = {0.975, 0.98, 0.985};

/* From silence to full scale, evenly spaced: night, indigo, violet, red, amber, cream. */
static const struct colour heat[] = {
    {0.02, 0.02, 0.07}, {0.13, 0.07, 0.35}, {0.42, 0.10, 0.50},
    {0.78, 0.20, 0.38}, {0.97, 0.52, 0.18}, {1.00, 0.97, 0.72},
};

struct picture {
    struct cairo_api api;
    cairo_t *cairo; /* owned */
    const char *name;
    const struct listener_report *report;
    struct picture_data data;
    unsigned wave_height;
};

/* Heights of waveform and spectrogram: fewer channels have more room. */
static const struct {
    unsigned lanes_max, wave_height, rows;
} heights[] = {{1, 170, 280}, {2, 110, 190}, {4, 80, 120}, {PICTURE_CHANNELS_MAX, 60, 90}};

/* -- small things -- */

static void set_colour(const struct picture *picture, const struct colour *colour)
{
    picture->api.set_source_rgb(picture->cairo, colour->red, colour->green, colour->blue);
}

/* Text with its left (0), middle (0.5) or right (1) end at x, on the base line y. */
static void put_text(const struct picture *picture, double x, double y, double anchor,
                     const char *text)
{
    cairo_text_extents_t extents;

    picture->api.text_extents(picture->cairo, text, &extents);
    picture->api.move_to(picture->cairo, x - anchor * extents.x_advance, y);
    picture->api.show_text(picture->cairo, text);
}

static void set_font(const struct picture *picture, double size, cairo_font_weight_t weight)
{
    picture->api.select_font_face(picture->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, weight);
    picture->api.set_font_size(picture->cairo, size);
}

/* A line of one pixel. */
static void put_line(const struct picture *picture, double x1, double y1, double x2, double y2)
{
    picture->api.set_line_width(picture->cairo, 1);
    picture->api.move_to(picture->cairo, floor(x1) + 0.5, floor(y1) + 0.5);
    picture->api.line_to(picture->cairo, floor(x2) + 0.5, floor(y2) + 0.5);
    picture->api.stroke(picture->cairo);
}

/* The least of 1, 2, 5, 10, ... times a power of ten that is not below `least`. */
static double round_up(double least)
{
    static const double steps[] = {1, 2, 5, 10};
    double power = pow(10, floor(log10(least)));

    for (size_t i = 0; i < ARRAY_SIZE(steps) - 1; i++) {
        if (steps[i] * power >= least * (1 - 1e-9))
            return steps[i] * power;
    }
    return 10 * power;
}

static double seconds(const struct picture *picture)
{
    return (double)picture->data.frames / picture->data.rate_hz;
}

static double column_of(const struct picture *picture, uint64_t frame)
{
    return LEFT + (double)frame * PICTURE_COLUMNS / (double)picture->data.frames;
}

/* -- time -- */

static void time_text(double at, double step, char text[TEXT_SIZE])
{
    int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);

    if (step < 0.01 - 1e-9)
        (void)snprintf(text, TEXT_SIZE, "%.*f ms", MAX(decimals - 3, 0), at * 1e3);
    else if (at >= 60 && step >= 1)
        (void)snprintf(text, TEXT_SIZE, "%.0f:%02.0f", floor(at / 60), fmod(at, 60));
    else
        (void)snprintf(text, TEXT_SIZE, "%.*f s", decimals, at);
}

/* Seconds between two ticks. */
static double time_step(const struct picture *picture)
{
    static const double minutes[] = {10, 15, 30, 60, 120, 300, 600, 1800, 3600};
    double least = seconds(picture) / TICKS_MAX;

    for (size_t i = 0; i < ARRAY_SIZE(minutes) && least > 5; i++) {
        if (minutes[i] >= least)
            return minutes[i];
    }
    return round_up(least);
}

static double time_column(const struct picture *picture, double at)
{
    return LEFT + at / seconds(picture) * PICTURE_COLUMNS;
}

static void draw_time_grid(const struct picture *picture, double top, double bottom)
{
    double step = time_step(picture);

    set_colour(picture, &grid);
    for (unsigned i = 1; i * step < seconds(picture); i++)
        put_line(picture, time_column(picture, i * step), top, time_column(picture, i * step),
                 bottom);
}

static void draw_time_labels(const struct picture *picture, double y)
{
    double step = time_step(picture);
    char text[TEXT_SIZE];

    for (unsigned i = 0; i * step <= seconds(picture); i++) {
        double x = time_column(picture, i * step);

        set_colour(picture, &faint);
        put_line(picture, x, y, x, y + 4);
        set_colour(picture, &ink);
        time_text(i * step, step, text);
        put_text(picture, x, y + 17, 0.5, text);
    }
}

/* -- waveform -- */

/* What the top of a channel's waveform stands for: full scale, less for quiet sounds. */
static double wave_scale(const struct picture *picture, unsigned channel)
{
    double peak = pow(10, picture->report->channel[channel].peak_dbfs / 20);

    return peak > 0.3 && peak <= 1 ? 1 : round_up(MAX(peak, 1e-4));
}

static void draw_samples(const struct picture *picture, unsigned channel, double top, double scale)
{
    const struct picture_lane *lane = &picture->data.lane[channel];
    double half = picture->wave_height / 2.0;
    bool with_rms = picture->data.frames / PICTURE_COLUMNS >= RMS_FRAMES_MIN;

    set_colour(picture, with_rms ? &wave : &wave_core);
    for (size_t x = 0; x < PICTURE_COLUMNS; x++) {
        /* Each column reaches to the one before, so that a steep wave has no holes. */
        double low = (double)MIN(lane->low[x], x > 0 ? lane->high[x - 1] : lane->low[x]) / scale;
        double high = (double)MAX(lane->high[x], x > 0 ? lane->low[x - 1] : lane->high[x]) / scale;
        double y1 = top + half * (1 - MIN(high, 1.0)), y2 = top + half * (1 - MAX(low, -1.0));

        if (low <= high)
            picture->api.rectangle(picture->cairo, LEFT + (double)x, y1, 1, MAX(y2 - y1, 1.0));
    }
    picture->api.fill(picture->cairo);
    set_colour(picture, &wave_core); /* what the ear calls loud: the RMS */
    for (size_t x = 0; x < PICTURE_COLUMNS && with_rms; x++) {
        double rms = MIN(sqrt(lane->square_sum[x] / MAX(lane->count[x], 1u)) / scale, 1.0);

        picture->api.rectangle(picture->cairo, LEFT + (double)x, top + half * (1 - rms), 1,
                               2 * half * rms);
    }
    picture->api.fill(picture->cairo);
}

static void draw_marks(const struct picture *picture, unsigned channel, double top)
{
    const struct listener_channel *heard = &picture->report->channel[channel];

    for (uint64_t i = 0; i < MIN(heard->gap_count, (uint64_t)LISTENER_MARKS_MAX); i++) {
        double x = column_of(picture, heard->gaps[i].at_frame);
        double end = column_of(picture, heard->gaps[i].at_frame + heard->gaps[i].frames);

        picture->api.set_source_rgba(picture->cairo, alarm_red.red, alarm_red.green, alarm_red.blue,
                                     0.25);
        picture->api.rectangle(picture->cairo, x, top, MAX(end - x, 2.0), picture->wave_height);
        picture->api.fill(picture->cairo);
    }
    set_colour(picture, &alarm_red);
    for (uint64_t i = 0; i < MIN(heard->click_count, (uint64_t)LISTENER_MARKS_MAX); i++) {
        double x = column_of(picture, heard->clicks[i].at_frame);

        put_line(picture, x, top, x, top + picture->wave_height);
        picture->api.move_to(picture->cairo, x - 4, top);
        picture->api.line_to(picture->cairo, x + 5, top);
        picture->api.line_to(picture->cairo, x + 0.5, top + 7);
        picture->api.fill(picture->cairo);
    }
}

static void draw_wave(const struct picture *picture, unsigned channel, double top)
{
    double scale = wave_scale(picture, channel), height = picture->wave_height;
    char text[TEXT_SIZE];

    set_colour(picture, &panel);
    picture->api.rectangle(picture->cairo, LEFT, top, PICTURE_COLUMNS, height);
    picture->api.fill(picture->cairo);
    draw_time_grid(picture, top, top + height);
    put_line(picture, LEFT, top + height / 2, LEFT + PICTURE_COLUMNS, top + height / 2);
    draw_samples(picture, channel, top, scale);
    draw_marks(picture, channel, top);
    set_colour(picture, &ink);
    (void)snprintf(text, sizeof(text), "%g", scale);
    put_text(picture, LEFT - 6, top + 9, 1, text);
    put_text(picture, LEFT - 6, top + height / 2 + 4, 1, "0");
    (void)snprintf(text, sizeof(text), "\u2212%g", scale);
    put_text(picture, LEFT - 6, top + height, 1, text);
}

/* -- spectrogram -- */

static uint32_t heat_pixel(double db)
{
    double place = (1 - db / (double)PICTURE_DB_MIN) * (double)(ARRAY_SIZE(heat) - 1);
    size_t i = (size_t)MIN(MAX(place, 0.0), (double)(ARRAY_SIZE(heat) - 2));
    double share = MIN(MAX(place - (double)i, 0.0), 1.0);
    const struct colour *a = &heat[i], *b = &heat[i + 1];
    uint32_t red = (uint32_t)(255 * (a->red + (b->red - a->red) * share) + 0.5);
    uint32_t green = (uint32_t)(255 * (a->green + (b->green - a->green) * share) + 0.5);
    uint32_t blue = (uint32_t)(255 * (a->blue + (b->blue - a->blue) * share) + 0.5);

    return red << 16 | green << 8 | blue;
}

/* Paints width x height pixels from db[]; step is the distance of rows in db. */
static void paint_heat(const struct picture *picture, double x, double y, unsigned width,
                       unsigned height, const float *db)
{
    cairo_surface_t *image =
        picture->api.image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    unsigned char *pixels = picture->api.image_surface_get_data(image);
    size_t stride = (size_t)picture->api.image_surface_get_stride(image);

    for (size_t row = 0; row < height && pixels; row++) {
        for (size_t i = 0; i < width; i++) {
            uint32_t pixel = heat_pixel((double)db[row * width + i]);

            memcpy(pixels + row * stride + i * sizeof(pixel), &pixel, sizeof(pixel));
        }
    }
    picture->api.surface_mark_dirty(image);
    picture->api.set_source_surface(picture->cairo, image, x, y);
    picture->api.paint(picture->cairo);
    picture->api.surface_destroy(image);
}

static void draw_frequencies(const struct picture *picture, double top)
{
    static const double wanted[] = {1,    2,    5,    10,  20,  50,  100, 200, 500,
                                    1000, 2000, 5000, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5};
    double last = top + picture->data.rows + LABEL_APART;
    char text[TEXT_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        double height = picture_data_height(&picture->data, wanted[i]);
        double y = top + height * picture->data.rows;

        if (height < 0 || height > 1 || last - y < LABEL_APART)
            continue;
        last = y;
        (void)snprintf(text, sizeof(text), "%g%s", wanted[i] < 1000 ? wanted[i] : wanted[i] / 1000,
                       wanted[i] < 1000 ? " Hz" : " kHz");
        set_colour(picture, &faint);
        put_line(picture, LEFT - 4, MIN(y, top + picture->data.rows - 1), LEFT - 1,
                 MIN(y, top + picture->data.rows - 1));
        set_colour(picture, &ink);
        put_text(picture, LEFT - 7, MAX(y, top + 5) + 4, 1, text);
    }
}

static void draw_legend(const struct picture *picture, double top)
{
    float db[LEGEND_WIDTH * 512];
    double x = LEFT + PICTURE_COLUMNS + 10;
    unsigned rows = picture->data.rows;
    char text[TEXT_SIZE];

    for (size_t i = 0; i < (size_t)rows * LEGEND_WIDTH; i++)
        db[i] = PICTURE_DB_MIN * (float)(i / LEGEND_WIDTH) / (float)(rows - 1);
    paint_heat(picture, x, top, LEGEND_WIDTH, rows, db);
    set_colour(picture, &ink);
    for (int level = 0; level > (int)PICTURE_DB_MIN; level -= 50) {
        double y = top + level / (double)PICTURE_DB_MIN * rows;

        (void)snprintf(text, sizeof(text), level == 0 ? "0 dB" : "\u2212%d", -level);
        put_text(picture, x + LEGEND_WIDTH + 4, MAX(y, top + 6) + 4, 0, text);
    }
}

/* -- the whole -- */

static void draw_caption(const struct picture *picture, unsigned channel, double y)
{
    const struct listener_channel *heard = &picture->report->channel[channel];
    char text[TEXT_SIZE], pitch[32] = "no pitch";

    if (heard->freq_hz > 0)
        (void)snprintf(pitch, sizeof(pitch), "%.2f Hz", heard->freq_hz);
    (void)snprintf(text, sizeof(text),
                   "channel %u:  %s,  peak %.2f dBFS,  %" PRIu64 " gap%s,  %" PRIu64 " click%s",
                   channel + 1, heard->silent ? "silence" : pitch, heard->peak_dbfs,
                   heard->gap_count, heard->gap_count == 1 ? "" : "s", heard->click_count,
                   heard->click_count == 1 ? "" : "s");
    set_colour(picture, &ink);
    put_text(picture, LEFT, y, 0, text);
}

static void draw_all(const struct picture *picture)
{
    const struct picture_data *data = &picture->data;
    double y = TOP;
    char text[TEXT_SIZE];

    picture->api.set_source_rgb(picture->cairo, 1, 1, 1);
    picture->api.paint(picture->cairo);
    set_colour(picture, &ink);
    set_font(picture, FONT_TITLE, CAIRO_FONT_WEIGHT_BOLD);
    put_text(picture, LEFT, 28, 0, picture->name);
    set_font(picture, FONT_SMALL, CAIRO_FONT_WEIGHT_NORMAL);
    (void)snprintf(text, sizeof(text), "%u Hz,  %u channel%s%s,  %" PRIu64 " frames,  %.3f s",
                   data->rate_hz, data->channels, data->channels == 1 ? "" : "s",
                   data->channels > data->lanes ? " (the first 8 drawn)" : "", data->frames,
                   seconds(picture));
    put_text(picture, LEFT + PICTURE_COLUMNS, 28, 1, text);
    for (unsigned c = 0; c < data->lanes; c++) {
        draw_caption(picture, c, y + CAPTION - 8);
        draw_wave(picture, c, y + CAPTION);
        y += CAPTION + picture->wave_height + BETWEEN;
        paint_heat(picture, LEFT, y, PICTURE_COLUMNS, data->rows, data->lane[c].db);
        draw_frequencies(picture, y);
        draw_legend(picture, y);
        y += data->rows + BELOW;
    }
    draw_time_labels(picture, y - BELOW + 2);
}

static int gather(struct picture *picture, const char *path)
{
    struct sound_file file;
    int r = sound_open(&file, path);

    while (r == 0 && (r = sound_read(&file)) > 0) {
        picture_data_feed(&picture->data, file.block, (size_t)r);
        r = 0;
    }
    picture_data_end(&picture->data);
    sound_close(&file);
    return r;
}

static cairo_status_t write_bytes(void *to, const unsigned char *bytes, unsigned len)
{
    return fwrite(bytes, 1, len, to) == len ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static int write_png(const struct picture *picture, cairo_surface_t *surface, const char *png)
{
    FILE *file = fopen(png, "we");

    if (!file)
        return log_error(-errno, "--png: %s cannot be written", png);
    errno = 0;

    cairo_status_t status = picture->api.surface_write_to_png_stream(surface, write_bytes, file);
    int r = status == CAIRO_STATUS_SUCCESS ? 0 : errno > 0 ? -errno : -EIO;

    if (fclose(file) != 0 && r == 0)
        r = -errno;
    return r < 0 ? log_error(r, "--png: writing %s failed", png) : 0;
}

static int draw_to(struct picture *picture, const char *png)
{
    unsigned lane_height = CAPTION + picture->wave_height + BETWEEN + picture->data.rows + BELOW;
    cairo_surface_t *surface = picture->api.image_surface_create(
        CAIRO_FORMAT_RGB24, LEFT + PICTURE_COLUMNS + RIGHT,
        (int)(TOP + lane_height * picture->data.lanes - BELOW + BOTTOM));
    int r;

    picture->cairo = picture->api.create(surface);
    draw_all(picture);
    if (picture->api.status(picture->cairo) != CAIRO_STATUS_SUCCESS)
        r = log_error(-ENOMEM, "--png: drawing failed: %s",
                      picture->api.status_to_string(picture->api.status(picture->cairo)));
    else
        r = write_png(picture, surface, png);
    picture->api.destroy(picture->cairo);
    picture->api.surface_destroy(surface);
    return r;
}

int picture_draw(const char *path, const struct listener_report *report, const char *png)
{
    const char *slash = strrchr(path, '/');
    struct picture picture = {.name = slash ? slash + 1 : path, .report = report};
    size_t size = 0;
    int r;

    if (report->frames == 0) {
        (void)log_error(0, "--png: %s has no frames, there is nothing to draw", path);
        return -ENODATA;
    }
    r = cairo_api_load(&picture.api);
    if (r < 0)
        return r;
    while (heights[size].lanes_max < MIN(report->channels, (unsigned)PICTURE_CHANNELS_MAX))
        size++;
    picture.wave_height = heights[size].wave_height;
    r = picture_data_init(&picture.data, report->rate_hz, report->channels, report->frames,
                          heights[size].rows);
    if (r < 0)
        (void)log_error(r, "--png: %s", path);
    else
        r = gather(&picture, path);
    if (r == 0)
        r = draw_to(&picture, png);
    picture_data_fini(&picture.data);
    return r;
}
