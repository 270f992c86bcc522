/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/ctl*.c: control elements as the driver sees and sets them. Numbers are the
 * specification's. What they do to samples is at the end. */
#include "tests/devices/snd/mixer/ctl_guest.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

/* The elements that a card with one playback stream has. */
enum { VOLUME, SWITCH, ELEMENTS };

static struct rig rig;

/* -- requests -- */

static uint32_t query(uint32_t start, uint32_t count, uint32_t size, void *ret_reply, uint32_t room)
{
    const le32 request[4] = {to_le32(CTL_INFO), to_le32(start), to_le32(count), to_le32(size)};

    return rig_control(&rig, request, 16, ret_reply, room, NULL);
}

/* A request that is answered with more than a status: that is `want` bytes of `room`. */
static uint32_t ask(uint32_t code, uint32_t id, uint8_t *ret_reply, uint32_t room, uint32_t want)
{
    const le32 header[2] = {to_le32(code), to_le32(id)};
    uint32_t used;
    uint32_t status = rig_control(&rig, header, 8, ret_reply, room, &used);

    ck_assert_uint_eq(used, status == RIG_OK ? want : 4);
    return status;
}

/* -- information -- */

/* proves: SND-01, SND-02 */
START_TEST(elements_are_there_only_if_asked_for)
{
    rig_start(&rig, "host=null,controls=on");
    ck_assert_uint_eq(fake_features(&rig.drv) & 1, 1);
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 12), ELEMENTS);
    rig_end(&rig);
    rig_start(&rig, "host=null,controls=on,source=tone");
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 12), 4);
    rig_end(&rig);
    rig_start(&rig, "host=null");
    ck_assert_uint_eq(fake_features(&rig.drv) & 1, 0);
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 12), 0);
    rig_end(&rig);
    rig_start(&rig, "host=null,streams=0,controls=on"); /* nothing to control */
    ck_assert_uint_eq(fake_features(&rig.drv) & 1, 0);
    rig_end(&rig);
}
END_TEST

/* proves: SND-09 */
START_TEST(driver_without_the_feature_gets_nothing)
{
    rig_start(&rig, "host=null,controls=on");
    fake_write(&rig.drv, FAKE_STATUS, 0);
    rig.drv.ring_addr = 0x10000;
    ck_assert_uint_eq(fake_start(&rig.drv, FAKE_VERSION_1), 15);
    for (uint32_t code = CTL_INFO; code <= CTL_TLV_COMMAND; code++)
        ck_assert_uint_eq(ctl_send(&rig, code, 0, NULL, 0), RIG_NOT_SUPP);
    ck_assert_uint_eq(query(0, 1, 92, NULL, 100), RIG_NOT_SUPP);
    rig_end(&rig);
}
END_TEST

static const struct {
    const char *name;
    uint32_t role, type, access, count;
    uint32_t limits[6]; /* as words of the union */
} elements[ELEMENTS] = {
    {"Master Playback Volume", 2, INTEGER, READ | WRITE | TLV_READ, 2, {0, 256, 1}},
    {"Master Playback Switch", 4, BOOLEAN, READ | WRITE, 1, {0}},
};

/* The union is at 68, or at 72 for the size with which 64-bit Linux asks. */
/* proves: SND-76, SND-77, SND-78, SND-79, SND-80, SND-81, SND-82 */
START_TEST(information_is_served_in_both_layouts)
{
    const uint32_t size = _i == 0 ? 92 : 96, at = _i == 0 ? 68 : 72;
    uint8_t reply[4 + ELEMENTS * 96];

    rig_start(&rig, "host=null,controls=on");
    ck_assert_uint_eq(query(0, ELEMENTS, size, reply, 4 + ELEMENTS * size), RIG_OK);
    for (unsigned id = 0; id < ELEMENTS; id++) {
        const uint8_t *info = reply + 4 + (size_t)id * size;
        uint8_t name[44] = {0};
        memcpy(name, elements[id].name, strlen(elements[id].name));
        ck_assert_uint_eq(rig_le32(info + 0), 0); /* the streams' function group */
        ck_assert_uint_eq(rig_le32(info + 4), elements[id].role);
        ck_assert_uint_eq(rig_le32(info + 8), elements[id].type);
        ck_assert_uint_eq(rig_le32(info + 12), elements[id].access);
        ck_assert_uint_eq(rig_le32(info + 16), elements[id].count);
        ck_assert_uint_eq(rig_le32(info + 20), 0); /* index */
        ck_assert_mem_eq(info + 24, name, 44);
        for (unsigned pad = 68; pad < at; pad++)
            ck_assert_uint_eq(info[pad], 0);
        for (unsigned word = 0; word < 6; word++)
            ck_assert_uint_eq(rig_le32(info + at + (size_t)4 * word), elements[id].limits[word]);
    }
    rig_end(&rig);
}
END_TEST

/* proves: SND-12, SND-13, SND-14, SND-15, SND-82 */
START_TEST(information_is_bounded)
{
    uint8_t reply[4 + 100];

    rig_start(&rig, "host=null,controls=on");
    ck_assert_uint_eq(query(0, ELEMENTS + 1, 92, NULL, 2000), RIG_BAD_MSG);
    ck_assert_uint_eq(query(0xffffffff, 2, 92, NULL, 2000), RIG_BAD_MSG);
    ck_assert_uint_eq(query(0, 2, 92, NULL, 4 + 2 * 92 - 1), RIG_BAD_MSG);
    ck_assert_uint_eq(query(0, 2, 96, NULL, 4 + 2 * 96 - 1), RIG_BAD_MSG);
    ck_assert_uint_eq(query(0, 1, 3, NULL, 100), RIG_BAD_MSG);
    ck_assert_uint_eq(query(VOLUME, 1, 100, reply, 104), RIG_OK);
    ck_assert_uint_eq(rig_le32(reply + 4 + 72), 256); /* the specification's layout, */
    ck_assert_uint_eq(rig_le32(reply + 4 + 96), 0);   /* filled up */
    rig_end(&rig);
}
END_TEST

/* proves: SND-16, SND-77, SND-80 */
START_TEST(each_pcm_device_and_direction_has_its_own)
{
    uint8_t reply[4 + 8 * 92];

    rig_start(&rig, "host=null,streams=2,capture=2,pcms=2,controls=on,channels=1-6");
    ck_assert_uint_eq(query(0, 8, 92, reply, sizeof(reply)), RIG_OK);
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *info = reply + 4 + (size_t)i * 92;
        const char *const names[] = {"Master Playback Volume", "Master Playback Switch",
                                     "Capture Volume", "Capture Switch"};
        ck_assert_uint_eq(rig_le32(info + 0), i / 2 % 2);                    /* function group */
        ck_assert_uint_eq(rig_le32(info + 4), (i % 2 == 0 ? 2 : 4) + i / 4); /* role, direction */
        ck_assert_uint_eq(rig_le32(info + 16), i % 2 == 0 ? 6 : 1);
        ck_assert_uint_eq(rig_le32(info + 20), i / 2 % 2); /* index */
        ck_assert_str_eq((const char *)info + 24, names[i / 4 * 2 + i % 2]);
    }
    rig_end(&rig);
}
END_TEST

/* proves: SND-10 */
START_TEST(unknown_element_is_a_bad_message)
{
    static const uint32_t ids[] = {ELEMENTS, ELEMENTS + 1, 0xffff, 0x10000, 0x80000000, 0xffffffff};

    rig_start(&rig, "host=null,controls=on");
    for (uint32_t code = CTL_ENUM_ITEMS; code <= CTL_TLV_READ; code++)
        ck_assert_uint_eq(ctl_send(&rig, code, ids[_i], NULL, 0), RIG_BAD_MSG);
    rig_end(&rig);
}
END_TEST

/* -- values -- */

/* Bytes of a value: count times that of the type. */
static const uint32_t value_bytes[ELEMENTS] = {8, 4};

/* proves: SND-04, SND-85 */
START_TEST(value_is_read_with_exactly_its_bytes)
{
    uint8_t reply[4 + 512];

    rig_start(&rig, "host=null,controls=on");
    for (uint32_t id = 0; id < ELEMENTS; id++) {
        ck_assert_uint_eq(ask(CTL_READ, id, reply, 516, 4 + value_bytes[id]), RIG_OK);
        for (uint32_t i = 4 + value_bytes[id]; i < 516; i++)
            ck_assert_uint_eq(reply[i], 0xee);
        ck_assert_uint_eq(ask(CTL_READ, id, reply, 4 + value_bytes[id], 4 + value_bytes[id]),
                          RIG_OK);
        ck_assert_uint_eq(ask(CTL_READ, id, reply, 3 + value_bytes[id], 4), RIG_BAD_MSG);
    }
    rig_end(&rig);
}
END_TEST

/* proves: SND-84, SND-85 */
START_TEST(value_is_written_with_at_least_its_bytes)
{
    static const uint8_t zeros[600];

    rig_start(&rig, "host=null,controls=on");
    for (uint32_t id = 0; id < ELEMENTS; id++) {
        ck_assert_uint_eq(ctl_send(&rig, CTL_WRITE, id, zeros, value_bytes[id] - 1), RIG_BAD_MSG);
        ck_assert_uint_eq(ctl_send(&rig, CTL_WRITE, id, zeros, 0), RIG_BAD_MSG);
        ck_assert_uint_eq(ctl_send(&rig, CTL_WRITE, id, zeros, value_bytes[id]), RIG_OK);
        ck_assert_uint_eq(ctl_send(&rig, CTL_WRITE, id, zeros, 600), RIG_OK);
    }
    rig_end(&rig);
}
END_TEST

/* proves: SND-85 */
START_TEST(what_is_written_is_read_back)
{
    rig_start(&rig, "host=null,controls=on");
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 7, 9), RIG_OK);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 7);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 1), 9);
    rig_restart(&rig); /* the host's state (SND-93) */
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 1), 9);
    rig_end(&rig);
}
END_TEST

static const struct {
    uint32_t id;
    uint32_t values[6]; /* words */
    uint32_t status;
} writes[] = {
    {VOLUME, {0, 256}, RIG_OK},
    {VOLUME, {257, 0}, RIG_BAD_MSG},
    {VOLUME, {0, 257}, RIG_BAD_MSG},
    {VOLUME, {0xffffffff, 0}, RIG_BAD_MSG},
    {VOLUME, {0x80000000, 0}, RIG_BAD_MSG},
    {SWITCH, {1}, RIG_OK},
    {SWITCH, {2}, RIG_BAD_MSG},
    {SWITCH, {0xffffffff}, RIG_BAD_MSG},
};

/* As a card of the host may have them. */
/* proves: SND-81, SND-86 */
START_TEST(value_is_one_of_the_steps)
{
    union wire_ctl_limits *limits;

    rig_start(&rig, "host=null,controls=on");
    limits = &rig.snd->ctls.item[VOLUME].info.limits;
    *limits = (union wire_ctl_limits){.integer = {to_le32(10), to_le32(30), to_le32(4)}};
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 10, 30), RIG_OK);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 14, 18), RIG_OK);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 15, 18), RIG_BAD_MSG);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 6, 18), RIG_BAD_MSG);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 34, 18), RIG_BAD_MSG);
    limits->integer.step = to_le32(0); /* any */
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 15, 29), RIG_OK);
    rig_end(&rig);
}
END_TEST

/* proves: SND-86 */
START_TEST(all_values_are_checked_before_any_is_set)
{
    uint8_t before[516], after[516];
    le32 words[6];
    uint32_t id = writes[_i].id, len = 4 + value_bytes[id];

    rig_start(&rig, "host=null,controls=on");
    for (unsigned i = 0; i < 6; i++)
        words[i] = to_le32(writes[_i].values[i]);
    ck_assert_uint_eq(ask(CTL_READ, id, before, 516, len), RIG_OK);
    ck_assert_uint_eq(ctl_send(&rig, CTL_WRITE, id, words, sizeof(words)), writes[_i].status);
    ck_assert_uint_eq(ask(CTL_READ, id, after, 516, len), RIG_OK);
    if (writes[_i].status == RIG_OK)
        ck_assert_mem_eq(after + 4, words, value_bytes[id]);
    else
        ck_assert_mem_eq(after, before, len);
    rig_end(&rig);
}
END_TEST

/* As a card of the host may have them; ours has none. */
/* proves: SND-87 */
START_TEST(update_of_an_inactive_element_has_no_effect)
{
    rig_start(&rig, "host=null,controls=on");
    rig.snd->ctls.item[VOLUME].info.head.access = to_le32(READ | WRITE | INACTIVE);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 7, 0), RIG_OK);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 257, 0), RIG_BAD_MSG);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 256);
    ck_assert_uint_eq(rig.snd->events.pending, 0);
    rig_end(&rig);
}
END_TEST

/* proves: SND-92 */
START_TEST(change_is_told_once_and_no_change_is_not)
{
    rig_start(&rig, "host=null,controls=on");
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 256, 256), RIG_OK); /* as it was */
    ck_assert_uint_eq(rig.snd->events.pending, 0);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 256, 255), RIG_OK);
    ck_assert_uint_eq(rig.snd->events.pending, 1);
    ck_assert_uint_eq(rig.snd->events.what[EVENT_CONTROLS + VOLUME], 1);
    rig_end(&rig);
}
END_TEST

/* -- metadata -- */

/* proves: SND-88 */
START_TEST(metadata_is_cut_to_the_room)
{
    /* dB of a volume even in amplitude, from silence to 0 dB, as ALSA has it */
    static const uint8_t want[16] = {2, 0, 0, 0, 8, 0, 0, 0, 0x81, 0x69, 0x67, 0xff, 0, 0, 0, 0};
    uint8_t reply[100];

    rig_start(&rig, "host=null,controls=on");
    ck_assert_uint_eq(ask(CTL_TLV_READ, VOLUME, reply, 100, 20), RIG_OK);
    ck_assert_mem_eq(reply + 4, want, 16);
    for (uint32_t room = 4; room < 20; room++) {
        ck_assert_uint_eq(ask(CTL_TLV_READ, VOLUME, reply, room, room), RIG_OK);
        ck_assert_mem_eq(reply + 4, want, room - 4);
    }
    rig_end(&rig);
}
END_TEST

/* proves: SND-83, SND-89 */
START_TEST(metadata_and_items_need_their_element)
{
    static const uint8_t tlv[16] = {1, 0, 0, 0, 8};
    uint8_t reply[100];

    rig_start(&rig, "host=null,controls=on");
    for (uint32_t id = 0; id < ELEMENTS; id++) {
        ck_assert_uint_eq(ask(CTL_TLV_READ, id, reply, 100, 20),
                          id == VOLUME ? RIG_OK : RIG_NOT_SUPP);
        ck_assert_uint_eq(ctl_send(&rig, CTL_TLV_WRITE, id, tlv, 16), RIG_NOT_SUPP);
        ck_assert_uint_eq(ctl_send(&rig, CTL_TLV_COMMAND, id, tlv, 16), RIG_NOT_SUPP);
        ck_assert_uint_eq(ask(CTL_ENUM_ITEMS, id, reply, 100, 4), RIG_NOT_SUPP);
    }
    rig_end(&rig);
}
END_TEST

/* -- what they do -- */

#define PERIOD_BYTES 1920 /* 10 ms of S16 stereo at 48 kHz */

/* A period of frames of 1000 on the left and -1000 on the right. */
static gpa_t square(void)
{
    gpa_t data = rig_alloc(&rig, PERIOD_BYTES);
    static uint8_t frame[4] = {0xe8, 0x03, 0x18, 0xfc};

    for (unsigned i = 0; i < PERIOD_BYTES; i += 4)
        ck_assert_int_eq(memory_write(&rig.mem, data + i, frame, 4), 0);
    return data;
}

static int16_t sample_at(const uint8_t *bytes)
{
    return (int16_t)(bytes[0] | bytes[1] << 8);
}

/* The first frames go at full level, then 5 ms into a period the volume is halved on the left. */
START_TEST(volume_changes_samples_from_its_moment_on)
{
    char path[64] = "/tmp/linnet-ctl-XXXXXX", options[100];
    static uint8_t bytes[2 * PERIOD_BYTES + 1];
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    (void)snprintf(options, sizeof(options), "host=file,path=%s.wav,controls=on", path);
    rig_start(&rig, options);
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 2; i++)
        (void)rig_play(&rig, 0, square(), PERIOD_BYTES);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    rig_advance(&rig, 5 * RIG_MS);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 128, 256), RIG_OK);
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert_uint_eq(ctl_write(&rig, SWITCH, 0, 0), RIG_OK);
    rig_advance(&rig, 30 * RIG_MS);
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
    rig_end(&rig);
    (void)close(fd);
    (void)unlink(path);
    strcat(path, ".wav");
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 92, SEEK_SET), 0); /* behind the header */
    ck_assert_uint_eq(fread(bytes, 1, sizeof(bytes), file), 2 * PERIOD_BYTES);
    (void)fclose(file);
    (void)unlink(path);
    for (unsigned frame = 0; frame < 960; frame++) {
        int left = frame < 240 ? 1000 : frame < 720 ? 500 : 0;
        int right = frame < 720 ? -1000 : 0;
        ck_assert_int_eq(sample_at(bytes + (size_t)4 * frame), left);
        ck_assert_int_eq(sample_at(bytes + (size_t)4 * frame + 2), right);
    }
}
END_TEST

START_TEST(capture_volume_scales_what_is_recorded)
{
    static uint8_t loud[PERIOD_BYTES], quiet[PERIOD_BYTES];
    uint8_t *const got[] = {loud, quiet};

    rig_start(&rig, "host=null,streams=0,source=tone,tone-level=0,controls=on");
    for (unsigned i = 0; i < 2; i++) {
        gpa_t room = rig_alloc(&rig, PERIOD_BYTES);
        rig_prepare(&rig, 0);
        (void)rig_record(&rig, 0, room, PERIOD_BYTES);
        ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
        rig_advance(&rig, 20 * RIG_MS);
        ck_assert_int_eq(memory_read(&rig.mem, room, got[i], PERIOD_BYTES), 0);
        ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
        ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
        ck_assert_uint_eq(ctl_write(&rig, 0, 64, 64), RIG_OK);
    }
    bool heard = false;
    for (unsigned i = 0; i < PERIOD_BYTES; i += 2) {
        int fourth = 4 * sample_at(quiet + i) - sample_at(loud + i);
        heard |= sample_at(loud + i) > 10000;
        ck_assert(fourth >= -2 && fourth <= 2);
    }
    ck_assert(heard);
    rig_end(&rig);
}
END_TEST

Suite *ctl_suite(void);
Suite *ctl_suite(void)
{
    Suite *suite = suite_create("snd/ctl");
    TCase *info = tcase_create("info"), *value = tcase_create("value");
    TCase *tlv = tcase_create("tlv"), *sound = tcase_create("sound");

    tcase_add_test(info, elements_are_there_only_if_asked_for);
    tcase_add_test(info, driver_without_the_feature_gets_nothing);
    tcase_add_loop_test(info, information_is_served_in_both_layouts, 0, 2);
    tcase_add_test(info, information_is_bounded);
    tcase_add_test(info, each_pcm_device_and_direction_has_its_own);
    tcase_add_loop_test(info, unknown_element_is_a_bad_message, 0, 6);
    tcase_add_test(value, value_is_read_with_exactly_its_bytes);
    tcase_add_test(value, value_is_written_with_at_least_its_bytes);
    tcase_add_test(value, value_is_one_of_the_steps);
    tcase_add_test(value, what_is_written_is_read_back);
    tcase_add_loop_test(value, all_values_are_checked_before_any_is_set, 0, ARRAY_SIZE(writes));
    tcase_add_test(value, update_of_an_inactive_element_has_no_effect);
    tcase_add_test(value, change_is_told_once_and_no_change_is_not);
    tcase_add_test(tlv, metadata_is_cut_to_the_room);
    tcase_add_test(tlv, metadata_and_items_need_their_element);
    tcase_add_test(sound, volume_changes_samples_from_its_moment_on);
    tcase_add_test(sound, capture_volume_scales_what_is_recorded);
    suite_add_tcase(suite, info);
    suite_add_tcase(suite, value);
    suite_add_tcase(suite, tlv);
    suite_add_tcase(suite, sound);
    return suite;
}
