/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of vmm/picture.c and picture_data.c: what is where in the PNG that `linnet listen --png`
 * draws.
 */
#include "tests/vmm/listen_run.h"

#include <cairo.h>
#include <dlfcn.h>

Suite *picture_suite(void);

/* Asked by the leak sanitizer: fontconfig, which cairo finds fonts with, keeps three patterns. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig.so\n";
}

/* A PNG's pixels, read by cairo. */
struct image {
    void *library;
    cairo_surface_t *surface;
    const unsigned char *pixels;
    int width, height, stride;
};

/* The functions of cairo's that read it. */
typedef cairo_surface_t *surface_maker(const char *path);
typedef unsigned char *surface_bytes(cairo_surface_t *surface);
typedef int surface_number(cairo_surface_t *surface);
typedef void surface_end(cairo_surface_t *surface);

static struct image read_png(const char *path)
{
    struct image image = {.library = dlopen("libcairo.so.2", RTLD_NOW)};

    ck_assert_ptr_nonnull(image.library);
    surface_maker *create =
        (surface_maker *)dlsym(image.library, "cairo_image_surface_create_from_png");
    surface_bytes *data = (surface_bytes *)dlsym(image.library, "cairo_image_surface_get_data");
    surface_number *width = (surface_number *)dlsym(image.library, "cairo_image_surface_get_width");
    surface_number *height =
        (surface_number *)dlsym(image.library, "cairo_image_surface_get_height");
    surface_number *stride =
        (surface_number *)dlsym(image.library, "cairo_image_surface_get_stride");

    image.surface = create(path);
    image.pixels = data(image.surface);
    ck_assert_ptr_nonnull(image.pixels);
    image.width = width(image.surface);
    image.height = height(image.surface);
    image.stride = stride(image.surface);
    return image;
}

static void free_png(struct image *image)
{
    surface_end *destroy = (surface_end *)dlsym(image->library, "cairo_surface_destroy");

    destroy(image->surface);
}

static uint32_t pixel(const struct image *image, int x, int y)
{
    uint32_t value;

    memcpy(&value, image->pixels + (size_t)y * (size_t)image->stride + (size_t)x * 4,
           sizeof(value));
    return value & 0xffffff;
}

static unsigned brightness(uint32_t colour)
{
    return (colour >> 16) + (colour >> 8 & 255) + (colour & 255);
}

/* The layout's numbers, as in picture.c: left edge, top of the first waveform, its height, top of
 * its spectrogram and its height, for one channel. */
enum { LEFT = 64, WIDTH = 1080, WAVE = 70, WAVE_HEIGHT = 170, HEAT = 248, HEAT_HEIGHT = 280 };

START_TEST(a_picture_shows_the_tone_where_it_is)
{
    write_tone("tone.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 1, 96000);
    ck_assert_int_eq(run("--png tone.png tone.wav"), 0);
    struct image image = read_png("tone.png");
    int brightest = HEAT;

    ck_assert_int_eq(image.width, 1220);
    for (int y = HEAT; y < HEAT + HEAT_HEIGHT; y++) {
        if (brightness(pixel(&image, LEFT + 540, y)) >
            brightness(pixel(&image, LEFT + 540, brightest)))
            brightest = y;
    }
    /* 20 Hz at the bottom, 24 kHz on top, on a logarithmic scale. */
    ck_assert_int_eq((int)(HEAT_HEIGHT * (1 - log(440.0 / 20) / log(24000.0 / 20))),
                     brightest - HEAT);
    /* A sine of half the height: paper above a quarter, wave from there to three quarters. */
    ck_assert_uint_gt(brightness(pixel(&image, LEFT + 500, WAVE + 30)), 740);
    ck_assert_uint_lt(brightness(pixel(&image, LEFT + 500, WAVE + 47)), 600);
    ck_assert_uint_lt(brightness(pixel(&image, LEFT + 500, WAVE + 123)), 600);
    ck_assert_uint_gt(brightness(pixel(&image, LEFT + 500, WAVE + 140)), 740);
    free_png(&image);
}
END_TEST

START_TEST(a_picture_marks_gaps_and_clicks)
{
    SNDFILE *file = create_file("odd.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 1);

    for (int i = 0; i < 108000; i++) {
        double sample = i >= 27000 && i < 54000 ? 0 : 0.5 * sin(2 * M_PI * 440 * (i + 7) / 48000);

        sample += i == 81050 ? 0.2 : 0;
        ck_assert_int_eq(sf_writef_double(file, &sample, 1), 1);
    }
    ck_assert_int_eq(sf_close(file), 0);
    ck_assert_int_eq(run("--png odd.png odd.wav"), 0);
    struct image image = read_png("odd.png");
    uint32_t in_gap = pixel(&image, LEFT + 405, WAVE + 20);
    uint32_t click = pixel(&image, LEFT + 810, WAVE + 20);

    /* 100 frames a column: the gap is columns 270 to 540, the click column 810. */
    ck_assert_uint_gt((in_gap >> 16) - (in_gap & 255), 30); /* reddish */
    ck_assert_uint_gt((click >> 16) - (click & 255), 150);  /* red */
    ck_assert_uint_gt(brightness(pixel(&image, LEFT + 900, WAVE + 20)), 740);
    free_png(&image);
}
END_TEST

START_TEST(any_sound_can_be_drawn)
{
    static const struct {
        int rate, channels, frames;
    } rows[] = {{8000, 1, 1},      {1, 1, 5},         {48000, 2, 1079},  {5512, 3, 1081},
                {384000, 1, 9999}, {44100, 8, 44100}, {48000, 9, 20000}, {48000, 32, 4800}};
    char line[] = "--png any.png any.wav";

    write_tone("any.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, rows[_i].rate, rows[_i].channels,
               rows[_i].frames);
    ck_assert_int_eq(run(line), 0);
    ck_assert_str_eq(err.text, "");
    struct image image = read_png("any.png");

    ck_assert_int_eq(image.width, 1220);
    ck_assert_int_gt(image.height, 400);
    free_png(&image);
}
END_TEST

Suite *picture_suite(void)
{
    Suite *suite = suite_create("picture");
    TCase *tcase = tcase_create("picture");

    tcase_add_checked_fixture(tcase, make_folder, remove_folder);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_picture_shows_the_tone_where_it_is);
    tcase_add_test(tcase, a_picture_marks_gaps_and_clicks);
    tcase_add_loop_test(tcase, any_sound_can_be_drawn, 0, 8);
    suite_add_tcase(suite, tcase);
    return suite;
}
