/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/base/format.c: the tables against the specification and ALSA. */
#include "devices/snd/base/format.h"
#include "vmm/base/timebase.h"

#include <alsa/asoundlib.h>
#include <check.h>
#include <string.h>

/* virtio 1.4 §5.14.6.6.2: value, bytes of the container. */
static const struct {
    const char *name;
    unsigned code, bytes;
} spec_formats[] = {
    {"S8", 3, 1},    {"U8", 4, 1},     {"S16", 5, 2},      {"U16", 6, 2},    {"S18_3", 7, 3},
    {"U18_3", 8, 3}, {"S20_3", 9, 3},  {"U20_3", 10, 3},   {"S24_3", 11, 3}, {"U24_3", 12, 3},
    {"S20", 13, 4},  {"U20", 14, 4},   {"S24", 15, 4},     {"U24", 16, 4},   {"S32", 17, 4},
    {"U32", 18, 4},  {"FLOAT", 19, 4}, {"FLOAT64", 20, 8},
};

/* proves: SND-21 */
START_TEST(format_rows_match_the_specification_and_alsa)
{
    const struct pcm_format *format = pcm_format_by_code(spec_formats[_i].code);

    ck_assert_ptr_nonnull(format);
    ck_assert_str_eq(format->name, spec_formats[_i].name);
    ck_assert_uint_eq(format->code, spec_formats[_i].code);
    ck_assert_uint_eq(format->sample_bytes, spec_formats[_i].bytes);
    /* ALSA knows the same container and significant bits for its little-endian variant. */
    ck_assert_int_eq(snd_pcm_format_physical_width(format->alsa), format->sample_bytes * 8);
    ck_assert_int_eq(snd_pcm_format_width(format->alsa), format->sample_bits);
    ck_assert_int_ne(snd_pcm_format_big_endian(format->alsa), 1);
}
END_TEST

START_TEST(silence_is_alsas)
{
    const struct pcm_format *format = pcm_format_by_code(spec_formats[_i].code);
    uint8_t want[64], got[64];
    unsigned samples = 64 / format->sample_bytes;

    memset(got, 0x55, sizeof(got));
    pcm_silence(format, got, samples);
    (void)snd_pcm_format_set_silence(format->alsa, want, samples);
    ck_assert_mem_eq(got, want, samples * format->sample_bytes);
}
END_TEST

START_TEST(formats_that_are_no_numbers_have_no_row)
{
    for (unsigned code = 0; code < 3; code++) /* IMA ADPCM, mu-law, A-law */
        ck_assert_ptr_null(pcm_format_by_code(code));
    for (unsigned code = 21; code < 25; code++) /* DSD, IEC 958 */
        ck_assert_ptr_null(pcm_format_by_code(code));
    ck_assert_ptr_null(pcm_format_by_code(25));
    ck_assert_ptr_null(pcm_format_by_code(255));
    ck_assert_ptr_null(pcm_format_by_name("S1"));
    ck_assert_ptr_null(pcm_format_by_name("S24_"));
    ck_assert_ptr_null(pcm_format_by_name(""));
    ck_assert_uint_eq(pcm_format_by_name("s24_3")->code, 11);
}
END_TEST

START_TEST(rates_match_the_specification)
{
    static const uint32_t rates[] = {5512,  8000,  11025, 16000,  22050,  32000,  44100, 48000,
                                     64000, 88200, 96000, 176400, 192000, 384000, 12000, 24000};

    for (unsigned i = 0; i < 16; i++) {
        ck_assert_uint_eq(pcm_rate_hz(i), rates[i]);
        ck_assert_int_eq(pcm_rate_by_hz(rates[i]), (int)i);
    }
    ck_assert_uint_eq(pcm_rate_hz(16), 0);
    ck_assert_uint_eq(pcm_rate_hz(255), 0);
    ck_assert_int_eq(pcm_rate_by_hz(44101), -ENOENT);
}
END_TEST

/* One sample, as bytes, and the number it stands for at a full scale of 32 bits. */
static const struct {
    unsigned code;
    uint8_t bytes[4];
    int32_t value;
} numbers[] = {
    {3, {0x80}, INT32_MIN},
    {3, {0x7f}, 0x7f000000},
    {4, {0x80}, 0},
    {4, {0x00}, INT32_MIN},
    {4, {0xff}, 0x7f000000},
    {5, {0x34, 0x12}, 0x12340000},
    {5, {0xff, 0xff}, -0x10000},
    {6, {0x00, 0x80}, 0},
    {6, {0x01, 0x00}, INT32_MIN + 0x10000},
    {7, {0x01, 0x00, 0x02}, INT32_MIN + 0x4000},
    {8, {0x01, 0x00, 0x02}, 0x4000},
    {9, {0x01, 0x00, 0x08}, INT32_MIN + 0x1000},
    {11, {0x56, 0x34, 0x12}, 0x12345600},
    {12, {0x00, 0x00, 0x80}, 0},
    {13, {0xff, 0xff, 0xff, 0xff}, -0x1000},
    {15, {0x56, 0x34, 0x12, 0x00}, 0x12345600},
    {15, {0x56, 0x34, 0x12, 0x77}, 0x12345600}, /* the fourth byte means nothing */
    {16, {0x00, 0x00, 0x80, 0x00}, 0},
    {17, {0x78, 0x56, 0x34, 0x12}, 0x12345678},
    {18, {0x00, 0x00, 0x00, 0x80}, 0},
};

START_TEST(frames_and_times_convert_exactly)
{
    ck_assert_uint_eq(frames_to_ns(0, 44100), 0);
    ck_assert_uint_eq(frames_to_ns(441, 44100), 10000000);
    ck_assert_uint_eq(frames_to_ns(1, 44100), 22676); /* 22675.7 */
    ck_assert_uint_eq(frames_to_ns(1, 48000), 20834); /* 20833.3 */
    ck_assert_uint_eq(ns_to_frames(20833, 48000), 0);
    ck_assert_uint_eq(ns_to_frames(20834, 48000), 1);
    /* A hundred years at the highest rate. */
    ck_assert_uint_eq(frames_to_ns(1211846400000000ull, 384000), 3155850000ull * SECOND_NS);
    ck_assert_uint_eq(ns_to_frames(3155850000ull * SECOND_NS, 384000), 1211846400000000ull);
}
END_TEST

/* As numbers whose full scale is 1. */
START_TEST(numbers_go_to_doubles_and_back)
{
    uint8_t bytes[sizeof(numbers[0].bytes)] = {0};
    const struct pcm_format *format = pcm_format_by_code(numbers[_i].code);
    double value, back;

    pcm_to_double(format, numbers[_i].bytes, &value, 1);
    ck_assert_double_eq(value, numbers[_i].value / 2147483648.0);
    pcm_from_double(format, &value, bytes, 1);
    pcm_to_double(format, bytes, &back, 1);
    ck_assert_double_eq(back, value);
}
END_TEST

START_TEST(doubles_are_rounded_and_cut_off)
{
    static const double in[] = {0.5, 2, -2, 1.4 / 32768, 1.6 / 32768, -1.4 / 32768, -1.6 / 32768};
    static const int16_t out[] = {16384, 32767, -32768, 1, 2, -1, -2};
    int16_t samples[ARRAY_SIZE(in)];
    double back[ARRAY_SIZE(in)];
    float narrow[ARRAY_SIZE(in)];

    pcm_from_double(pcm_format_by_code(5), in, samples, ARRAY_SIZE(in)); /* S16 */
    ck_assert_mem_eq(samples, out, sizeof(out));
    pcm_from_double(pcm_format_by_code(19), in, narrow, ARRAY_SIZE(in)); /* FLOAT */
    pcm_to_double(pcm_format_by_code(19), narrow, back, ARRAY_SIZE(in));
    for (size_t i = 0; i < ARRAY_SIZE(in); i++)
        ck_assert_double_eq(back[i], (double)(float)in[i]);
    pcm_from_double(pcm_format_by_code(20), in, back, ARRAY_SIZE(in)); /* FLOAT64 */
    ck_assert_mem_eq(back, in, sizeof(in));
    pcm_to_double(pcm_format_by_code(20), in, back, ARRAY_SIZE(in));
    ck_assert_mem_eq(back, in, sizeof(in));
}
END_TEST

Suite *format_suite(void);
Suite *format_suite(void)
{
    Suite *suite = suite_create("snd/format");
    TCase *tcase = tcase_create("tables");

    tcase_add_loop_test(tcase, format_rows_match_the_specification_and_alsa, 0,
                        ARRAY_SIZE(spec_formats));
    tcase_add_loop_test(tcase, silence_is_alsas, 0, ARRAY_SIZE(spec_formats));
    tcase_add_test(tcase, formats_that_are_no_numbers_have_no_row);
    tcase_add_test(tcase, rates_match_the_specification);
    tcase_add_test(tcase, frames_and_times_convert_exactly);
    tcase_add_loop_test(tcase, numbers_go_to_doubles_and_back, 0, ARRAY_SIZE(numbers));
    tcase_add_test(tcase, doubles_are_rounded_and_cut_off);
    suite_add_tcase(suite, tcase);
    return suite;
}
