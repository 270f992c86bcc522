/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/pcm/volume.c: what a level does to a sample of each format. */
#include "devices/snd/pcm/volume.h"

#include <check.h>
#include <string.h>

/* Codes and containers (virtio 1.4 §5.14.6.6.2). */
enum { S8 = 3, U8 = 4, S16 = 5, U16 = 6, S24_3 = 11, S20 = 13, S24 = 15, S32 = 17, U32 = 18 };
enum { FLOAT = 19, FLOAT64 = 20 };

static struct pcm_params params_of(unsigned code, uint32_t channels)
{
    const struct pcm_format *format = pcm_format_by_code(code);

    return (struct pcm_params){
        .format = format, .channels = channels, .frame_bytes = channels * format->sample_bytes};
}

static struct volume levels(uint16_t left, uint16_t right)
{
    struct volume volume;

    for (unsigned channel = 2; channel < ARRAY_SIZE(volume.level); channel++)
        volume.level[channel] = VOLUME_LEVEL_MAX;
    volume.level[0] = left;
    volume.level[1] = right;
    return volume;
}

/* Level 256 is full. Halves go upwards. */
static const struct {
    unsigned code;
    uint16_t level;
    uint8_t sample[8], want[8];
} cases[] = {
    {S16, 128, {0xe8, 0x03}, {0xf4, 0x01}}, /* 1000: 500 */
    {S16, 128, {0x18, 0xfc}, {0x0c, 0xfe}}, /* -1000: -500 */
    {S16, 128, {0xff, 0x7f}, {0x00, 0x40}}, /* 32767: 16383.5 */
    {S16, 128, {0x00, 0x80}, {0x00, 0xc0}}, /* -32768: -16384 */
    {S16, 128, {0xff, 0xff}, {0x00, 0x00}}, /* -1: -0.5 */
    {S16, 128, {0x01, 0x00}, {0x01, 0x00}}, /* 1: 0.5 */
    {S16, 255, {0x00, 0x80}, {0x80, 0x80}}, /* -32768: -32640 */
    {S16, 1, {0xff, 0x7f}, {0x80, 0x00}},   /* 32767: 127.996 */
    {S16, 0, {0xff, 0x7f}, {0x00, 0x00}},
    {S8, 64, {0x80}, {0xe0}},  /* -128: -32 */
    {U8, 128, {0xff}, {0xc0}}, /* 127: 63.5 */
    {U8, 0, {0x00}, {0x80}},
    {U16, 128, {0x00, 0x00}, {0x00, 0x40}}, /* -32768: -16384 */
    {U16, 0, {0x12, 0x34}, {0x00, 0x80}},
    {S24_3, 128, {0x00, 0x00, 0x80}, {0x00, 0x00, 0xc0}},
    {S24, 128, {0x02, 0x00, 0x00, 0x00}, {0x01, 0x00, 0x00, 0x00}},
    {S24,
     128,
     {0x00, 0x00, 0x80, 0xff},
     {0x00, 0x00, 0xc0, 0xff}}, /* its sign fills the container */
    {S20, 128, {0x00, 0x00, 0xf8, 0xff}, {0x00, 0x00, 0xfc, 0xff}},
    {S32, 128, {0xff, 0xff, 0xff, 0x7f}, {0x00, 0x00, 0x00, 0x40}},
    {S32, 255, {0x00, 0x00, 0x00, 0x80}, {0x00, 0x00, 0x80, 0x80}},
    {U32, 0, {1, 2, 3, 4}, {0, 0, 0, 0x80}},
    {FLOAT, 128, {0x00, 0x00, 0x80, 0x3f}, {0x00, 0x00, 0x00, 0x3f}}, /* 1: 0.5 */
    {FLOAT, 64, {0x00, 0x00, 0x00, 0xc0}, {0x00, 0x00, 0x00, 0xbf}},  /* -2: -0.5 */
    {FLOAT, 0, {0x00, 0x00, 0xc0, 0x7f}, {0}},                        /* not a number: 0 */
    {FLOAT64, 128, {0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, {0, 0, 0, 0, 0, 0, 0xe0, 0x3f}},
    {FLOAT64, 0, {0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, {0}},
};

START_TEST(sample_is_scaled_to_the_nearest)
{
    const struct pcm_params params = params_of(cases[_i].code, 1);
    const struct volume volume = levels(cases[_i].level, 256);
    uint8_t sample[8];

    memcpy(sample, cases[_i].sample, 8);
    volume_apply(&volume, &params, sample, 1);
    ck_assert_mem_eq(sample, cases[_i].want, 8);
}
END_TEST

/* Every format that there is, random bytes: not a bit changes. */
START_TEST(full_level_changes_nothing)
{
    static uint8_t before[8 * 18 * 100], after[sizeof(before)];
    uint32_t random = 12345;

    if (pcm_format_by_code((unsigned)_i) == NULL)
        return;
    for (size_t i = 0; i < sizeof(before); i++) {
        random = random * 1664525 + 1013904223;
        before[i] = (uint8_t)(random >> 24);
    }
    memcpy(after, before, sizeof(before));
    const struct volume volume = levels(256, 256);
    for (uint32_t channels = 1; channels <= 18; channels++) {
        const struct pcm_params params = params_of((unsigned)_i, channels);
        volume_apply(&volume, &params, after, 100);
    }
    ck_assert_mem_eq(after, before, sizeof(before));
}
END_TEST

START_TEST(each_channel_has_its_own_level)
{
    const struct pcm_params params = params_of(S16, 3);
    struct volume volume = levels(128, 0);
    uint8_t frames[3 * 2 * 300]; /* more than is done at a time */

    for (size_t i = 0; i < sizeof(frames); i += 2) {
        frames[i] = 0x64; /* 100 */
        frames[i + 1] = 0;
    }
    volume_apply(&volume, &params, frames, 300);
    for (size_t i = 0; i < sizeof(frames); i += 6) {
        ck_assert_uint_eq(frames[i], 50);
        ck_assert_uint_eq(frames[i + 2], 0);
        ck_assert_uint_eq(frames[i + 4], 100);
    }
}
END_TEST

/* Against a naive oracle: every 16-bit number at some levels. */
START_TEST(all_numbers_agree_with_the_definition)
{
    static const uint16_t some[] = {1, 2, 3, 63, 85, 127, 128, 129, 200, 254, 255};
    const struct pcm_params params = params_of(S16, 1);

    for (size_t l = 0; l < ARRAY_SIZE(some); l++) {
        const struct volume volume = levels(some[l], 256);
        for (int number = -32768; number <= 32767; number++) {
            uint8_t sample[2] = {(uint8_t)number, (uint8_t)((unsigned)number >> 8)};
            int doubled = 2 * number * some[l] + 256; /* floor(x + 0.5), over 512 */
            int want = doubled >= 0 ? doubled / 512 : -((-doubled + 511) / 512);
            volume_apply(&volume, &params, sample, 1);
            ck_assert_int_eq((int16_t)(sample[0] | sample[1] << 8), want);
        }
    }
}
END_TEST

Suite *volume_suite(void);
Suite *volume_suite(void)
{
    Suite *suite = suite_create("snd/volume");
    TCase *tcase = tcase_create("volume");

    tcase_add_loop_test(tcase, sample_is_scaled_to_the_nearest, 0, ARRAY_SIZE(cases));
    tcase_add_loop_test(tcase, full_level_changes_nothing, 0, 25);
    tcase_add_test(tcase, each_channel_has_its_own_level);
    tcase_add_test(tcase, all_numbers_agree_with_the_definition);
    suite_add_tcase(suite, tcase);
    return suite;
}
