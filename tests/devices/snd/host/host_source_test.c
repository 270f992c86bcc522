/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/host/host_source.c and host_tone.c: what a guest records. */
#include "tests/capture.h"
#include "tests/devices/snd/sound_rig.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <string.h>

#define FRAMES 1000

static struct rig rig;
static char path[PATH_MAX];

static void path_make(void)
{
    const char *tmp = getenv("TMPDIR");

    (void)snprintf(path, sizeof(path), "%s/source-XXXXXX.wav", tmp != NULL ? tmp : "/tmp");
    int fd = mkstemps(path, 4);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}

static void path_remove(void)
{
    (void)unlink(path);
}

/* A file of random numbers as wide as the subtype. */
static void file_make(int subtype, int rate_hz, int channels, int32_t *ret_samples)
{
    SF_INFO info = {.samplerate = rate_hz, .channels = channels, .format = SF_FORMAT_WAV | subtype};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    int keep = subtype == SF_FORMAT_PCM_U8   ? 8
               : subtype == SF_FORMAT_PCM_16 ? 16
               : subtype == SF_FORMAT_PCM_24 ? 24
                                             : 32;
    uint32_t x = 1;

    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < FRAMES * channels; i++) {
        x = x * 1664525 + 1013904223;
        ret_samples[i] = (int32_t)(x & ~(uint32_t)((1ull << (32 - keep)) - 1));
    }
    ck_assert_int_eq(sf_write_int(file, ret_samples, FRAMES * channels), FRAMES * channels);
    (void)sf_close(file);
}

static void set_up(const char *more)
{
    char options[PATH_MAX + 200];

    (void)snprintf(options, sizeof(options), "host=null,streams=0,source-path=%s%s", path, more);
    rig_start(&rig, options);
}

/* Records `frames` frames in one message: where they are. */
static gpa_t record(uint8_t format, uint32_t frame_bytes, uint8_t channels, uint8_t rate,
                    uint32_t frames)
{
    uint32_t bytes = frames * frame_bytes;
    gpa_t data = rig_alloc(&rig, bytes);

    ck_assert_uint_eq(rig_set_params(&rig, 0, bytes, bytes, channels, format, rate), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    (void)rig_record(&rig, 0, data, bytes);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    rig_advance(&rig, 1000 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 1);
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
    return data;
}

static const struct {
    int subtype;
    uint8_t format;
    uint32_t bytes;
    unsigned shift; /* from 32 bits to the sample's number */
} widths[] = {
    {SF_FORMAT_PCM_U8, RIG_U8, 1, 24}, {SF_FORMAT_PCM_16, RIG_S16, 2, 16},
    {SF_FORMAT_PCM_24, RIG_S24, 4, 8}, {SF_FORMAT_PCM_32, RIG_S32, 4, 0},
    {SF_FORMAT_PCM_16, RIG_S32, 4, 0}, /* wider than the file: the same numbers */
    {SF_FORMAT_PCM_16, RIG_S24, 4, 8},
};

START_TEST(recording_is_the_file_sample_by_sample)
{
    int32_t samples[2 * FRAMES];

    file_make(widths[_i].subtype, 44100, 2, samples);
    set_up(",formats=all");
    gpa_t data = record(widths[_i].format, 2 * widths[_i].bytes, 2, RIG_44100, FRAMES);
    for (unsigned i = 0; i < 2 * FRAMES; i++) {
        int32_t want = samples[i] >> widths[_i].shift, got = 0;
        if (widths[_i].bytes == 1)
            want += 128; /* unsigned */
        ck_assert_int_eq(memory_read(&rig.mem, data + i * widths[_i].bytes, &got, widths[_i].bytes),
                         0);
        if (widths[_i].bytes == 2)
            got = (int16_t)got;
        ck_assert_int_eq(got, want);
    }
    rig_end(&rig);
}
END_TEST

/* A file of floats has numbers for every format. */
START_TEST(file_of_floats_is_recorded_as_integers)
{
    SF_INFO info = {.samplerate = 44100, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_FLOAT};
    const float samples[] = {0, 0.5f, -0.5f, 0.25f, -1, 2, 1.0f / 32768};
    const int16_t want[] = {0, 16384, -16384, 8192, -32768, 32767, 1};
    int16_t got[ARRAY_SIZE(want)];
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);

    ck_assert_int_eq(sf_write_float(file, samples, ARRAY_SIZE(samples)), ARRAY_SIZE(samples));
    (void)sf_close(file);
    set_up("");
    gpa_t data = record(RIG_S16, 2, 1, RIG_44100, 500);
    ck_assert_int_eq(memory_read(&rig.mem, data, got, sizeof(got)), 0);
    ck_assert_mem_eq(got, want, sizeof(want));
    rig_end(&rig);
}
END_TEST

START_TEST(each_recording_begins_at_the_first_frame_and_ends_in_silence)
{
    int32_t samples[FRAMES];
    int16_t got[FRAMES + 500];

    file_make(SF_FORMAT_PCM_16, 48000, 1, samples);
    set_up("");
    for (int play = 0; play < 2; play++) {
        gpa_t data = record(RIG_S16, 2, 1, RIG_48000, FRAMES + 500);
        ck_assert_int_eq(memory_read(&rig.mem, data, got, sizeof(got)), 0);
        for (int i = 0; i < FRAMES + 500; i++)
            ck_assert_int_eq(got[i], i < FRAMES ? samples[i] >> 16 : 0);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(looped_file_begins_again)
{
    int32_t samples[FRAMES];
    int16_t got[3 * FRAMES + 7];

    file_make(SF_FORMAT_PCM_16, 48000, 1, samples);
    set_up(",source-loop");
    gpa_t data = record(RIG_S16, 2, 1, RIG_48000, 3 * FRAMES + 7);
    ck_assert_int_eq(memory_read(&rig.mem, data, got, sizeof(got)), 0);
    for (int i = 0; i < 3 * FRAMES + 7; i++)
        ck_assert_int_eq(got[i], samples[i % FRAMES] >> 16);
    rig_end(&rig);
}
END_TEST

/* Somebody empties the file meanwhile. */
START_TEST(looped_file_without_frames_is_silence)
{
    int32_t samples[FRAMES];
    int16_t got[FRAMES];

    file_make(SF_FORMAT_PCM_16, 48000, 1, samples);
    set_up(",source-loop");
    ck_assert_int_eq(truncate(path, 44), 0);
    gpa_t data = record(RIG_S16, 2, 1, RIG_48000, FRAMES);
    ck_assert_int_eq(memory_read(&rig.mem, data, got, sizeof(got)), 0);
    for (int i = 0; i < FRAMES; i++)
        ck_assert_int_eq(got[i], 0);
    rig_end(&rig);
}
END_TEST

/* T16: what is offered is what there is. */
START_TEST(offer_is_the_files_rate_and_channels)
{
    const le32 request[] = {to_le32(RIG_PCM_INFO), to_le32(0), to_le32(1), to_le32(32)};
    int32_t samples[6 * FRAMES];
    uint8_t reply[36];

    file_make(SF_FORMAT_PCM_16, 96000, 6, samples);
    set_up("");
    ck_assert_uint_eq(rig_control(&rig, request, 16, reply, sizeof(reply), NULL), RIG_OK);
    ck_assert_uint_eq(reply[4 + 16], 0);
    ck_assert_uint_eq(reply[4 + 17], 1 << (10 - 8)); /* 96000 */
    ck_assert_uint_eq(reply[4 + 25], 6);
    ck_assert_uint_eq(reply[4 + 26], 6);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 1200, 1200, 6, RIG_S16, 10), RIG_OK);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 1200, 1200, 6, RIG_S16, RIG_48000), RIG_NOT_SUPP);
    rig_end(&rig);
}
END_TEST

START_TEST(unusable_file_is_refused_in_one_line)
{
    static const char *const more[] = {"", ",rates=48000", ",channels=1", "", ""};
    static const char *const names[] = {"37800 Hz", "--snd rates: ", "channels", "", ""};
    struct capture capture;
    int32_t samples[2 * FRAMES];
    char options[PATH_MAX + 200];

    file_make(SF_FORMAT_PCM_16, _i == 0 ? 37800 : 44100, 2, samples);
    (void)snprintf(options, sizeof(options), "source-path=%s%s", path, more[_i]);
    if (_i == 3)
        (void)snprintf(options, sizeof(options), "source-path=/nonexistent.wav");
    if (_i == 4)
        (void)snprintf(options, sizeof(options), "source=file");
    capture_start(&capture);
    int r = rig_create(&rig, options);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(said, names[_i]);
}
END_TEST

/* -- tone -- */

static const struct {
    uint8_t format;
    uint32_t bytes;
} tone_formats[] = {{RIG_S16, 2}, {RIG_S24, 4}, {RIG_S32, 4}, {RIG_FLOAT, 4}};

START_TEST(tone_is_a_sine_of_that_frequency_and_level)
{
    int16_t s16;
    int32_t s32;
    float real;

    rig_start(&rig, "streams=0,source=tone,tone-freq=1000,tone-level=20");
    (void)record(tone_formats[_i].format, 2 * tone_formats[_i].bytes, 2, RIG_48000, 100);
    gpa_t data = record(tone_formats[_i].format, 2 * tone_formats[_i].bytes, 2, RIG_48000, 4800);
    for (unsigned i = 0; i < 9600; i++) {
        const void *at = memory_at(&rig.mem, data + i * tone_formats[_i].bytes, 4);
        memcpy(&s16, at, 2);
        memcpy(&s32, at, 4);
        memcpy(&real, at, 4);
        double got = tone_formats[_i].format == RIG_S16   ? s16 / 32768.0
                     : tone_formats[_i].format == RIG_S24 ? s32 / 8388608.0
                     : tone_formats[_i].format == RIG_S32 ? s32 / 2147483648.0
                                                          : (double)real;
        double want = 0.1 * sin(2 * 3.14159265358979 * 1000 * (i / 2) / 48000.0);
        ck_assert_double_eq_tol(got, want, 1.0 / 32768);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(no_source_is_silence)
{
    rig_start(&rig, "streams=0,capture=1,formats=U8");
    gpa_t data = record(RIG_U8, 2, 2, RIG_48000, 480);
    const uint8_t *bytes = memory_at(&rig.mem, data, 960);
    for (unsigned i = 0; i < 960; i++)
        ck_assert_uint_eq(bytes[i], 0x80);
    rig_end(&rig);
}
END_TEST

Suite *host_source_suite(void);
Suite *host_source_suite(void)
{
    Suite *suite = suite_create("snd/host_source");
    TCase *file = tcase_create("file");
    TCase *made = tcase_create("made");

    tcase_add_checked_fixture(file, path_make, path_remove);
    tcase_add_loop_test(file, recording_is_the_file_sample_by_sample, 0, ARRAY_SIZE(widths));
    tcase_add_test(file, file_of_floats_is_recorded_as_integers);
    tcase_add_test(file, each_recording_begins_at_the_first_frame_and_ends_in_silence);
    tcase_add_test(file, looped_file_begins_again);
    tcase_add_test(file, looped_file_without_frames_is_silence);
    tcase_add_test(file, offer_is_the_files_rate_and_channels);
    tcase_add_loop_test(file, unusable_file_is_refused_in_one_line, 0, 5);
    tcase_add_loop_test(made, tone_is_a_sine_of_that_frequency_and_level, 0,
                        ARRAY_SIZE(tone_formats));
    tcase_add_test(made, no_source_is_silence);
    suite_add_tcase(suite, file);
    suite_add_tcase(suite, made);
    return suite;
}
