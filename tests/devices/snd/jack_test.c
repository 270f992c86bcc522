/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/jack.c: jacks= and what the driver sees of it. Events: event_test.c. */
#include "tests/capture.h"
#include "tests/devices/snd/sound_rig.h"

#include <check.h>
#include <string.h>

static struct rig rig;

/* One jack's information; checked to be there. */
static const uint8_t *info(unsigned jack)
{
    const le32 query[4] = {to_le32(RIG_JACK_INFO), to_le32(jack), to_le32(1), to_le32(24)};
    static uint8_t reply[28];
    uint32_t used;

    ck_assert_uint_eq(rig_control(&rig, query, 16, reply, 28, &used), RIG_OK);
    ck_assert_uint_eq(used, 28);
    return reply + 4;
}

static uint32_t remap(uint32_t jack, uint32_t association, uint32_t sequence)
{
    const le32 request[4] = {to_le32(RIG_JACK_REMAP), to_le32(jack), to_le32(association),
                             to_le32(sequence)};
    uint32_t used;
    uint32_t status = rig_control(&rig, request, 16, NULL, 100, &used);

    ck_assert_uint_eq(used, 4);
    return status;
}

/* Device in bits 20 to 23, location in 24 to 29 of the default configuration (HDA §7.3.3.31). */
static const struct {
    const char *name;
    uint32_t defconf; /* device and location alone */
    uint32_t caps;    /* presence detection, headphone drive, output, input (HDA §7.3.4.9) */
} kinds[] = {
    {"line-out", 0x00000000, 0x14},  {"speaker", 0x00100000, 0x14},
    {"headphone", 0x00200000, 0x1c}, {"spdif-out", 0x00400000, 0x14},
    {"hdmi", 0x18500000, 0x14},      {"line-in", 0x00800000, 0x24},
    {"mic", 0x00a00000, 0x24},       {"spdif-in", 0x00c00000, 0x24},
};

/* proves: SND-01, SND-16, SND-17, SND-18, SND-20 */
START_TEST(jack_is_what_was_asked_for)
{
    char options[64] = "host=null,capture=1,jacks=";

    rig_start(&rig, strcat(options, kinds[_i].name));
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 0), 1);
    const uint8_t *jack = info(0);
    ck_assert_uint_eq(rig_le32(jack + 0), 0); /* the streams' function group */
    ck_assert_uint_eq(rig_le32(jack + 4), 0); /* features */
    ck_assert_uint_eq(rig_le32(jack + 8) & 0x3ff00000, kinds[_i].defconf);
    ck_assert_uint_eq(rig_le32(jack + 12), kinds[_i].caps);
    ck_assert_uint_eq(jack[16], 1);
    for (unsigned i = 17; i < 24; i++)
        ck_assert_uint_eq(jack[i], 0);
    rig_end(&rig);
}
END_TEST

/* proves: SND-18 */
START_TEST(jack_is_connected_as_it_was_told)
{
    rig_start(&rig, "host=null,jacks=mic:unplugged+headphone+mic");
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 0), 3);
    ck_assert_uint_eq(info(0)[16], 0);
    ck_assert_uint_eq(info(1)[16], 1);
    ck_assert_uint_eq(info(2)[16], 1);
    jack_plug(&rig.snd->jacks, 0, true);
    jack_plug(&rig.snd->jacks, 1, false);
    ck_assert_uint_eq(info(0)[16], 1);
    ck_assert_uint_eq(info(1)[16], 0);
    rig_end(&rig);
}
END_TEST

/* Each jack has a place of its own in the order of its direction. */
START_TEST(jacks_are_ordered)
{
    rig_start(&rig, "host=null,jacks=headphone+speaker+mic");
    ck_assert_uint_eq(rig_le32(info(0) + 8) & 0xff, 0x10);
    ck_assert_uint_eq(rig_le32(info(1) + 8) & 0xff, 0x11);
    ck_assert_uint_eq(rig_le32(info(2) + 8) & 0xff, 0x22);
    rig_end(&rig);
}
END_TEST

START_TEST(remap_is_not_supported)
{
    rig_start(&rig, "host=null,jacks=headphone");
    ck_assert_uint_eq(remap(0, 1, 1), RIG_NOT_SUPP);
    ck_assert_uint_eq(remap(0, 99, 1), RIG_NOT_SUPP);
    rig_end(&rig);
}
END_TEST

static const char *const refusals[] = {
    "jacks=",
    "jacks=plug",
    "jacks=mic+",
    "jacks=+mic",
    "jacks=mic:",
    "jacks=mic:plugged",
    "jacks=mic:unpluggedx",
    "jacks=Mic",
    ("jacks=mic+mic+mic+mic+mic+mic+mic+mic+mic+mic+mic+mic+"
     "mic+mic+mic+mic+mic"),
};

START_TEST(wrong_jacks_are_refused)
{
    struct capture capture;

    capture_start(&capture);
    int r = rig_create(&rig, refusals[_i]);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_ptr_nonnull(strstr(said, "--snd jacks"));
    ck_assert_one_error(said, "");
}
END_TEST

Suite *jack_suite(void);
Suite *jack_suite(void)
{
    Suite *suite = suite_create("snd/jack");
    TCase *tcase = tcase_create("jack");

    tcase_add_loop_test(tcase, jack_is_what_was_asked_for, 0, ARRAY_SIZE(kinds));
    tcase_add_test(tcase, jack_is_connected_as_it_was_told);
    tcase_add_test(tcase, jacks_are_ordered);
    tcase_add_test(tcase, remap_is_not_supported);
    tcase_add_loop_test(tcase, wrong_jacks_are_refused, 0, ARRAY_SIZE(refusals));
    suite_add_tcase(suite, tcase);
    return suite;
}
