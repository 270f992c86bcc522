/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/control.c: requests, good and malformed, and what the device says it is. */
#include "tests/capture.h"
#include "tests/devices/snd/sound_rig.h"

#include <check.h>
#include <string.h>

struct query {
    le32 code, start, count, size;
};

static struct query query(uint32_t code, uint32_t start, uint32_t count, uint32_t size)
{
    return (struct query){to_le32(code), to_le32(start), to_le32(count), to_le32(size)};
}

static uint64_t le64_at(const uint8_t *bytes)
{
    return rig_le32(bytes) | (uint64_t)rig_le32(bytes + 4) << 32;
}

/* -- what the device says it is -- */

/* proves: SND-01, SND-03 */
START_TEST(config_has_the_totals_and_can_not_be_written)
{
    struct rig rig;

    rig_start(&rig, "host=null,streams=3,channels=1-8");
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_DEVICE_ID), 25);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 0), 0); /* jacks */
        ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 4), 3); /* streams */
        ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 8), 8); /* chmaps */
        for (unsigned off = 0; off < 16; off += 4)
            fake_write(&rig.drv, FAKE_CONFIG + off, 1000);
    }
    for (unsigned queue = 0; queue < 4; queue++) {
        fake_write(&rig.drv, FAKE_QUEUE_SEL, queue);
        ck_assert_uint_eq(fake_read(&rig.drv, FAKE_QUEUE_SIZE_MAX), 1024);
    }
    rig_end(&rig);
}
END_TEST

/* proves: SND-04, SND-16, SND-19, SND-20, SND-22, SND-23, SND-41 */
START_TEST(pcm_info_tells_what_was_asked_for)
{
    const struct query request = query(RIG_PCM_INFO, 0, 2, 32);
    uint8_t reply[4 + 64];
    struct rig rig;
    uint32_t used;

    rig_start(&rig, "host=null,streams=2,formats=S16+FLOAT,rates=44100+48000,channels=1-6");
    ck_assert_uint_eq(rig_control(&rig, &request, 16, reply, sizeof(reply), &used), RIG_OK);
    ck_assert_uint_eq(used, 4 + 64);
    for (const uint8_t *info = reply + 4; info < reply + sizeof(reply); info += 32) {
        ck_assert_uint_eq(rig_le32(info + 0), 0); /* hda_fn_nid */
        ck_assert_uint_eq(rig_le32(info + 4) & ~16u,
                          0); /* features: no shared memory, no polling */
        ck_assert_uint_eq(le64_at(info + 8), 1 << 5 | 1 << 19);
        ck_assert_uint_eq(le64_at(info + 16), 1 << 6 | 1 << 7);
        ck_assert_uint_eq(info[24], 0); /* output */
        ck_assert_uint_eq(info[25], 1);
        ck_assert_uint_eq(info[26], 6);
        for (unsigned i = 27; i < 32; i++)
            ck_assert_uint_eq(info[i], 0);
    }
    rig_end(&rig);
}
END_TEST

/* T20: what is told never changes, whatever the guest sets. */
START_TEST(pcm_info_is_constant)
{
    const struct query request = query(RIG_PCM_INFO, 0, 1, 32);
    uint8_t before[36], after[36];
    struct rig rig;

    rig_start(&rig, "host=null,channels=1-8,formats=all,rates=all");
    ck_assert_uint_eq(rig_control(&rig, &request, 16, before, 36, NULL), RIG_OK);
    ck_assert_uint_eq(le64_at(before + 12), 0x1ffff8); /* all that are numbers */
    ck_assert_uint_eq(le64_at(before + 20), 0xffff);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 960, 480, 1, RIG_U8, RIG_5512), RIG_OK);
    ck_assert_uint_eq(rig_control(&rig, &request, 16, after, 36, NULL), RIG_OK);
    ck_assert_mem_eq(before, after, 36);
    rig_end(&rig);
}
END_TEST

/* proves: SND-24, SND-25 */
START_TEST(channel_maps_cover_one_to_eight_channels)
{
    static const uint8_t positions[8][8] = {
        {2},                       /* MONO */
        {3, 4},                    /* FL FR */
        {3, 4, 8},                 /* LFE */
        {3, 4, 5, 6},              /* RL RR */
        {3, 4, 5, 6, 7},           /* FC */
        {3, 4, 5, 6, 7, 8},        /* FC LFE */
        {3, 4, 5, 6, 7, 8, 11},    /* RC */
        {3, 4, 5, 6, 7, 8, 9, 10}, /* SL SR */
    };
    const struct query request = query(RIG_CHMAP_INFO, 0, 8, 24);
    uint8_t reply[4 + 8 * 24];
    struct rig rig;
    uint32_t used;

    rig_start(&rig, "host=null,channels=1-8");
    ck_assert_uint_eq(rig_control(&rig, &request, 16, reply, sizeof(reply), &used), RIG_OK);
    ck_assert_uint_eq(used, sizeof(reply));
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *map = reply + 4 + i * 24;
        ck_assert_uint_eq(rig_le32(map), 0); /* the streams' function group, or Linux oopses */
        ck_assert_uint_eq(map[4], 0);        /* output */
        ck_assert_uint_eq(map[5], i + 1);
        ck_assert_mem_eq(map + 6, positions[i], 8);
        for (unsigned at = 8; at < 18; at++)
            ck_assert_uint_eq(map[6 + at], 0);
    }
    rig_end(&rig);
}
END_TEST

/* proves: SND-16 */
START_TEST(streams_are_dealt_out_to_pcm_devices)
{
    static const uint32_t nids[] = {0, 1, 0, 0,
                                    1}; /* three playback streams, two capture streams */
    const struct query pcms = query(RIG_PCM_INFO, 0, 5, 32);
    const struct query maps = query(RIG_CHMAP_INFO, 0, 4, 24);
    uint8_t reply[4 + 5 * 32];
    struct rig rig;

    rig_start(&rig, "host=null,streams=3,capture=2,pcms=2,channels=2");
    ck_assert_uint_eq(rig_control(&rig, &pcms, 16, reply, sizeof(reply), NULL), RIG_OK);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(rig_le32(reply + 4 + 32 * i), nids[i]);
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 8), 4); /* by device and direction */
    ck_assert_uint_eq(rig_control(&rig, &maps, 16, reply, 4 + 4 * 24, NULL), RIG_OK);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(rig_le32(reply + 4 + 24 * i), i / 2);
        ck_assert_uint_eq(reply[4 + 24 * i + 4], i % 2);
    }
    rig_end(&rig);
}
END_TEST

/* A map of a device without a stream would make Linux oops. */
START_TEST(pcm_device_without_streams_has_no_channel_map)
{
    struct rig rig;

    rig_start(&rig, "host=null,streams=1,pcms=3,channels=2");
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 8), 1);
    rig_end(&rig);
}
END_TEST

START_TEST(channel_maps_follow_the_offered_channels)
{
    struct rig rig;

    rig_start(&rig, "host=null,channels=2");
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 8), 1);
    rig_end(&rig);
    rig_start(&rig, "host=null,streams=0");
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 4), 0);
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 8), 0);
    rig_end(&rig);
}
END_TEST

/* -- the bounds of a query -- */

static const struct {
    uint32_t code, start, count, size, room;
    uint32_t status, used;
} queries[] = {
    /* SND-12: start + count within the total of 3 */
    {RIG_PCM_INFO, 0, 3, 32, 100, RIG_OK, 100},
    {RIG_PCM_INFO, 2, 1, 32, 36, RIG_OK, 36},
    {RIG_PCM_INFO, 0, 4, 32, 1000, RIG_BAD_MSG, 4},
    {RIG_PCM_INFO, 3, 1, 32, 100, RIG_BAD_MSG, 4},
    {RIG_PCM_INFO, 0xffffffff, 1, 32, 100, RIG_BAD_MSG, 4},
    {RIG_PCM_INFO, 1, 0xffffffff, 32, 100, RIG_BAD_MSG, 4},
    {RIG_PCM_INFO, 0xffffffff, 0xffffffff, 32, 100, RIG_BAD_MSG, 4},
    {RIG_JACK_INFO, 0, 1, 24, 100, RIG_BAD_MSG, 4},
    {RIG_CHMAP_INFO, 0, 3, 24, 1000, RIG_BAD_MSG, 4},
    /* SND-13: room for all of it */
    {RIG_PCM_INFO, 0, 3, 32, 99, RIG_BAD_MSG, 4},
    {RIG_PCM_INFO, 0, 1, 32, 4, RIG_BAD_MSG, 4},
    /* SND-14: the driver's structure may be shorter or longer */
    {RIG_PCM_INFO, 0, 3, 4, 16, RIG_OK, 16},
    {RIG_PCM_INFO, 0, 3, 27, 85, RIG_OK, 85},
    {RIG_PCM_INFO, 0, 3, 40, 124, RIG_OK, 124},
    {RIG_CHMAP_INFO, 0, 2, 100, 300, RIG_OK, 204},
    /* SND-15 */
    {RIG_PCM_INFO, 0, 1, 0, 100, RIG_BAD_MSG, 4},
    {RIG_PCM_INFO, 0, 1, 3, 100, RIG_BAD_MSG, 4},
    {RIG_PCM_INFO, 0, 0, 0, 4, RIG_OK, 4},
    {RIG_PCM_INFO, 3, 0, 32, 4, RIG_OK, 4},
    {RIG_PCM_INFO, 4, 0, 32, 4, RIG_BAD_MSG, 4},
    {RIG_JACK_INFO, 0, 0, 24, 4, RIG_OK, 4},
    {RIG_PCM_INFO, 0, 1, 4096, 5000, RIG_OK, 4100},
    {RIG_PCM_INFO, 0, 1, 4097, 5000, RIG_BAD_MSG, 4}, /* no structure is that long */
    {RIG_PCM_INFO, 0, 3, 0xffffffff, 1000, RIG_BAD_MSG, 4},
    {RIG_PCM_INFO, 0, 3, 0x55555556, 1000, RIG_BAD_MSG, 4}, /* 3 * size is 2 in 32 bits */
    {RIG_PCM_INFO, 0, 2, 0x80000000, 1000, RIG_BAD_MSG, 4}, /* 2 * size is 0 in 32 bits */
};

/* T3. */
/* proves: SND-06, SND-12, SND-13, SND-14, SND-15 */
START_TEST(query_is_bounded)
{
    const struct query request =
        query(queries[_i].code, queries[_i].start, queries[_i].count, queries[_i].size);
    uint8_t reply[5000];
    struct rig rig;
    uint32_t used;

    rig_start(&rig, "host=null,streams=3");
    ck_assert_uint_eq(rig_control(&rig, &request, 16, reply, queries[_i].room, &used),
                      queries[_i].status);
    ck_assert_uint_eq(used, queries[_i].used);
    for (uint32_t i = used; i < queries[_i].room; i++)
        ck_assert_uint_eq(reply[i], 0xee); /* nothing is written beyond */
    rig_end(&rig);
}
END_TEST

START_TEST(longer_items_are_filled_with_zeros)
{
    const struct query request = query(RIG_PCM_INFO, 0, 2, 40);
    uint8_t reply[84];
    struct rig rig;

    rig_start(&rig, "host=null,streams=2");
    ck_assert_uint_eq(rig_control(&rig, &request, 16, reply, 84, NULL), RIG_OK);
    ck_assert_mem_eq(reply + 4, reply + 44, 40); /* equal streams, at a distance of 40 */
    for (unsigned i = 32; i < 40; i++)
        ck_assert_uint_eq(reply[4 + i], 0);
    rig_end(&rig);
}
END_TEST

/* -- malformed requests (H2) -- */

/* T7. */
/* proves: SND-05, SND-08 */
START_TEST(short_request_is_a_bad_message)
{
    static const uint8_t sizes[][2] = {/* code's low byte, full size */
                                       {0x00, 16}, {0x01, 24}, {0x02, 8},
                                       {0x03, 8},  {0x04, 8},  {0x05, 8}};
    const uint32_t code = 0x100u + sizes[_i][0];
    le32 request[6] = {to_le32(code)};
    struct rig rig;
    uint32_t used;

    rig_start(&rig, "host=null");
    for (uint32_t len = 0; len < sizes[_i][1]; len++) {
        ck_assert_uint_eq(rig_control(&rig, request, len, NULL, 100, &used), RIG_BAD_MSG);
        ck_assert_uint_eq(used, 4);
    }
    rig_end(&rig);
}
END_TEST

/* proves: SND-07 */
START_TEST(request_without_room_for_an_answer_is_dropped)
{
    const le32 request[] = {to_le32(RIG_PREPARE), to_le32(0)};
    uint8_t reply[4];
    struct rig rig;
    uint32_t used;

    rig_start(&rig, "host=null");
    for (uint32_t room = 0; room < 4; room++) {
        (void)rig_control(&rig, request, 8, reply, room, &used);
        ck_assert_uint_eq(used, 0);
        for (uint32_t i = 0; i < room; i++)
            ck_assert_uint_eq(reply[i], 0xee);
    }
    ck_assert_int_eq(rig.snd->pcm.streams[0].state, STREAM_INIT); /* nor was it obeyed */
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);    /* and the queue goes on */
    rig_end(&rig);
}
END_TEST

/* proves: SND-09 */
START_TEST(unknown_request_is_not_supported)
{
    static const uint32_t codes[] = {0,      3,      0x106,  0x1ff,   0x201,     0x300,     0x301,
                                     0x302,  0x303,  0x304,  0x305,   0x306,     0x1000,    0x1101,
                                     0x8000, 0x8001, 0xffff, 0x10100, 0x1000100, 0xffffffff};
    const le32 request[32] = {to_le32(codes[_i])};
    struct rig rig;

    rig_start(&rig, "host=null");
    ck_assert_uint_eq(rig_control(&rig, request, sizeof(request), NULL, 1000, NULL), RIG_NOT_SUPP);
    ck_assert_uint_eq(rig_control(&rig, request, 4, NULL, 4, NULL), RIG_NOT_SUPP);
    rig_end(&rig);
}
END_TEST

/* T6. */
/* proves: SND-10 */
START_TEST(unknown_stream_is_a_bad_message)
{
    static const uint32_t streams[] = {2, 3, 64, 255, 256, 0x7fffffff, 0x80000000, 0xffffffff};
    struct rig rig;

    rig_start(&rig, "host=null,streams=2");
    for (uint32_t code = RIG_PREPARE; code <= RIG_STOP; code++)
        ck_assert_uint_eq(rig_command(&rig, code, streams[_i]), RIG_BAD_MSG);
    ck_assert_uint_eq(rig_set_params(&rig, streams[_i], 3840, 1920, 2, RIG_S16, RIG_48000),
                      RIG_BAD_MSG);
    rig_end(&rig);
}
END_TEST

/* proves: SND-08 */
START_TEST(surplus_bytes_and_odd_descriptors_do_not_matter)
{
    const le32 request[] = {to_le32(RIG_PCM_INFO), to_le32(0), to_le32(1), to_le32(32),
                            to_le32(0xffffffff)};
    struct fake_piece pieces[20 + 36];
    uint8_t want[36], got[36];
    struct rig rig;
    uint32_t id, used;

    rig_start(&rig, "host=null");
    ck_assert_uint_eq(rig_control(&rig, request, 16, want, 36, NULL), RIG_OK);
    gpa_t in = rig_alloc(&rig, sizeof(request)), out = rig_alloc(&rig, 36);
    ck_assert_int_eq(memory_write(&rig.mem, in, request, sizeof(request)), 0);
    for (unsigned i = 0; i < 20; i++)
        pieces[i] = (struct fake_piece){in + i, 1, 0};
    for (unsigned i = 0; i < 36; i++)
        pieces[20 + i] = (struct fake_piece){out + i, 1, FAKE_WRITE};
    (void)rig_send(&rig, RIG_CONTROL, pieces, 56);
    ck_assert(fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    ck_assert_uint_eq(used, 36);
    ck_assert_int_eq(memory_read(&rig.mem, out, got, 36), 0);
    ck_assert_mem_eq(got, want, 36);
    rig_end(&rig);
}
END_TEST

/* H10: as many requests as the queue has room for, several times over. */
START_TEST(flood_of_requests_is_answered_in_full)
{
    const le32 request[] = {to_le32(RIG_STOP), to_le32(0)};
    struct rig rig;
    uint32_t id, used;

    rig_start(&rig, "host=null");
    gpa_t in = rig_alloc(&rig, 8), out = rig_alloc(&rig, 4);
    ck_assert_int_eq(memory_write(&rig.mem, in, request, 8), 0);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 128; i++) {
            const struct fake_piece pieces[] = {{in, 8, 0}, {out, 4, FAKE_WRITE}};
            fake_offer(&rig.drv.ring[RIG_CONTROL],
                       fake_chain(&rig.drv.ring[RIG_CONTROL], pieces, 2));
        }
        fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, RIG_CONTROL);
        rig_step(&rig);
        for (unsigned i = 0; i < 128; i++)
            ck_assert(fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
        ck_assert(!fake_used(&rig.drv.ring[RIG_CONTROL], &id, &used));
    }
    for (unsigned i = 0; i < 1000; i++) { /* kicks for nothing */
        for (unsigned queue = 0; queue < 5; queue++)
            fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, queue);
        rig_step(&rig);
    }
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    rig_end(&rig);
}
END_TEST

/* -- options -- */

static const struct {
    const char *options, *word;
} refusals[] = {
    {"formats=S16+S17", "formats"}, {"formats=", "formats"},
    {"formats=+S16", "formats"},    {"formats=IMA_ADPCM", "formats"},
    {"rates=44101", "rates"},       {"rates=48000+", "rates"},
    {"rates=-1", "rates"},          {"rates=99999999999999999999", "rates"},
    {"channels=0", "channels"},     {"channels=3-2", "channels"},
    {"channels=1-19", "channels"},  {"channels=2-", "channels"},
    {"channels=two", "channels"},   {"streams=65", "streams"},
    {"host=nowhere", "host"},       {"clock=sun", "clock"},
};

START_TEST(wrong_option_is_refused)
{
    struct capture capture;
    struct rig rig;

    capture_start(&capture);
    int r = rig_create(&rig, refusals[_i].options);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_ptr_nonnull(strstr(said, refusals[_i].word));
    ck_assert_one_error(said, "");
}
END_TEST

Suite *control_suite(void);
Suite *control_suite(void)
{
    Suite *suite = suite_create("snd/control");
    TCase *info = tcase_create("info");
    TCase *malformed = tcase_create("malformed");

    tcase_add_test(info, config_has_the_totals_and_can_not_be_written);
    tcase_add_test(info, pcm_info_tells_what_was_asked_for);
    tcase_add_test(info, pcm_info_is_constant);
    tcase_add_test(info, channel_maps_cover_one_to_eight_channels);
    tcase_add_test(info, streams_are_dealt_out_to_pcm_devices);
    tcase_add_test(info, pcm_device_without_streams_has_no_channel_map);
    tcase_add_test(info, channel_maps_follow_the_offered_channels);
    tcase_add_loop_test(info, query_is_bounded, 0, ARRAY_SIZE(queries));
    tcase_add_test(info, longer_items_are_filled_with_zeros);
    tcase_add_loop_test(info, wrong_option_is_refused, 0, ARRAY_SIZE(refusals));
    tcase_add_loop_test(malformed, short_request_is_a_bad_message, 0, 6);
    tcase_add_test(malformed, request_without_room_for_an_answer_is_dropped);
    tcase_add_loop_test(malformed, unknown_request_is_not_supported, 0, 20);
    tcase_add_loop_test(malformed, unknown_stream_is_a_bad_message, 0, 8);
    tcase_add_test(malformed, surplus_bytes_and_odd_descriptors_do_not_matter);
    tcase_add_test(malformed, flood_of_requests_is_answered_in_full);
    suite_add_tcase(suite, info);
    suite_add_tcase(suite, malformed);
    return suite;
}
