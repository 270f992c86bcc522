/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/pcm/transfer.c: capture, in simulated time. */
#include "tests/devices/snd/host/probe_fixture.h"

#include <string.h>

/* Bytes [from, from + len) of what the probe gives are at `data`. */
static void check_bytes(gpa_t data, uint64_t from, uint32_t len)
{
    const uint8_t *bytes = memory_at(&rig.mem, data, len);

    for (uint32_t i = 0; i < len; i++)
        ck_assert_uint_eq(bytes[i], (uint8_t)(from + i));
}

static void check_zeros(gpa_t data, uint32_t len)
{
    const uint8_t *bytes = memory_at(&rig.mem, data, len);

    for (uint32_t i = 0; i < len; i++)
        ck_assert_uint_eq(bytes[i], 0);
}

/* Where the first messages of start_capture() are to be recorded. */
static gpa_t cells[2];

/* A stream that records, with a message or two. */
static void start_capture(bool own_clock, unsigned messages)
{
    set_up("host=null,streams=0,capture=1", own_clock);
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < messages; i++) {
        cells[i] = rig_alloc(&rig, PERIOD_BYTES);
        (void)rig_record(&rig, 0, cells[i], PERIOD_BYTES);
    }
    command(RIG_START);
}

/* proves: SND-03, SND-19 */
START_TEST(capture_streams_come_after_playback_streams)
{
    const le32 request[] = {to_le32(RIG_PCM_INFO), to_le32(0), to_le32(3), to_le32(32)};
    uint8_t reply[4 + 96];

    rig_start(&rig, "host=null,streams=1,capture=2,channels=2");
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 4), 3);
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 8), 2); /* a map for each direction */
    ck_assert_uint_eq(rig_control(&rig, request, 16, reply, sizeof(reply), NULL), RIG_OK);
    ck_assert_uint_eq(reply[4 + 24], 0);
    ck_assert_uint_eq(reply[4 + 32 + 24], 1);
    ck_assert_uint_eq(reply[4 + 64 + 24], 1);
    rig_end(&rig);
}
END_TEST

/* proves: SND-57, SND-65, SND-66, SND-69 */
START_TEST(each_period_is_full_at_its_own_deadline)
{
    struct rig_done done;
    gpa_t data[2];

    set_up("host=null,streams=0,capture=1", false);
    rig_prepare(&rig, 0);
    data[0] = rig_alloc(&rig, PERIOD_BYTES);
    data[1] = rig_alloc(&rig, PERIOD_BYTES);
    uint16_t first = rig_record(&rig, 0, data[0], PERIOD_BYTES); /* before START, as Linux does */
    uint16_t second = rig_record(&rig, 0, data[1], PERIOD_BYTES);
    command(RIG_START);
    rig_advance(&rig, PERIOD_NS - 1);
    ck_assert(!rig_done(&rig, RIG_RX, &done));
    rig_advance(&rig, 1);
    ck_assert(rig_done(&rig, RIG_RX, &done));
    ck_assert_uint_eq(done.head, first);
    ck_assert_uint_eq(done.status, RIG_OK);
    ck_assert_uint_eq(done.latency_bytes, 0);
    ck_assert_uint_eq(done.used_len, PERIOD_BYTES + 8);
    check_bytes(data[0], 0, PERIOD_BYTES);
    rig_advance(&rig, PERIOD_NS);
    ck_assert(rig_done(&rig, RIG_RX, &done));
    ck_assert_uint_eq(done.head, second);
    check_bytes(data[1], PERIOD_BYTES, PERIOD_BYTES);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.frames, 960);
    tear_down();
}
END_TEST

/* T1, T2. */
/* proves: SND-48, SND-50, SND-67 */
START_TEST(release_returns_what_was_recorded)
{
    struct rig_done done;

    start_capture(false, 2);
    rig_advance(&rig, 4 * RIG_MS); /* 192 frames, 768 bytes */
    command(RIG_STOP);
    rig_advance(&rig, 100 * RIG_MS);
    ck_assert(!rig_done(&rig, RIG_RX, &done));
    command(RIG_RELEASE);
    ck_assert(rig_done(&rig, RIG_RX, &done));
    ck_assert_uint_eq(done.status, RIG_OK);
    ck_assert_uint_eq(done.used_len, 768 + 8);
    check_bytes(cells[0], 0, 768);
    check_zeros(cells[0] + 768, PERIOD_BYTES - 768); /* nothing stale */
    ck_assert(rig_done(&rig, RIG_RX, &done));
    ck_assert_uint_eq(done.used_len, 8);
    check_zeros(cells[1], PERIOD_BYTES);
    tear_down();
}
END_TEST

/* Zeros would be a loud click in formats whose silence is another number. */
START_TEST(what_was_not_recorded_is_silence)
{
    struct rig_done done;

    set_up("host=null,streams=0,capture=1,formats=U8", false);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 4 * 960, 960, 2, RIG_U8, RIG_48000), RIG_OK);
    command(RIG_PREPARE);
    gpa_t data = rig_alloc(&rig, 960);
    (void)rig_record(&rig, 0, data, 960);
    command(RIG_START);
    rig_advance(&rig, 4 * RIG_MS); /* 192 frames, 384 bytes */
    command(RIG_STOP);
    command(RIG_RELEASE);
    ck_assert(rig_done(&rig, RIG_RX, &done));
    ck_assert_uint_eq(done.used_len, 384 + 8);
    check_bytes(data, 0, 384);
    for (unsigned i = 384; i < 960; i++)
        ck_assert_uint_eq(*(const uint8_t *)memory_at(&rig.mem, data + i, 1), 0x80);
    tear_down();
}
END_TEST

/* proves: SND-46, SND-47 */
START_TEST(pause_keeps_what_was_recorded)
{
    struct rig_done done;

    start_capture(false, 1);
    rig_advance(&rig, 4 * RIG_MS);
    command(RIG_STOP);
    rig_advance(&rig, 1000 * RIG_MS);
    command(RIG_START);
    rig_advance(&rig, 6 * RIG_MS - 1);
    ck_assert(!rig_done(&rig, RIG_RX, &done));
    rig_advance(&rig, 1);
    ck_assert(rig_done(&rig, RIG_RX, &done));
    ck_assert_uint_eq(done.used_len, PERIOD_BYTES + 8);
    check_bytes(cells[0], 0, PERIOD_BYTES);
    tear_down();
}
END_TEST

/* proves: SND-68, SND-71, SND-72 */
START_TEST(overrun_drops_input_and_is_counted_once)
{
    struct rig_done done;

    start_capture(false, 1);
    rig_advance(&rig, 200 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 1);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 0);
    (void)rig_record(&rig, 0, cells[0], PERIOD_BYTES);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 1);
    rig_advance(&rig, PERIOD_NS - 1);
    ck_assert(!rig_done(&rig, RIG_RX, &done));
    rig_advance(&rig, 1);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 1);
    tear_down();
}
END_TEST

START_TEST(stalled_capture_resumes_without_a_burst)
{
    set_up("host=null,streams=0,capture=1", false);
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 8; i++)
        (void)rig_record(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    command(RIG_START);
    rig_stall(&rig, 2000 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 1);
    rig_advance(&rig, PERIOD_NS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 1);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.stalls, 1);
    tear_down();
}
END_TEST

/* -- by the host's clock -- */

/* proves: SND-56, SND-65 */
START_TEST(capture_goes_by_what_the_host_has)
{
    struct rig_done done;

    start_capture(true, 2);
    rig_advance(&rig, 1000 * RIG_MS);
    ck_assert(!rig_done(&rig, RIG_RX, &done));
    probe.consumed = 500;
    probe.latency = 7;
    probe.host.wake(&probe.host);
    ck_assert(rig_done(&rig, RIG_RX, &done));
    ck_assert_uint_eq(done.used_len, PERIOD_BYTES + 8);
    ck_assert_uint_eq(done.latency_bytes, (20 + 7) * 4); /* recorded and not delivered */
    check_bytes(cells[0], 0, PERIOD_BYTES);
    probe.consumed = 960;
    probe.host.wake(&probe.host);
    rig_advance(&rig, RIG_MS);
    ck_assert(rig_done(&rig, RIG_RX, &done));
    check_bytes(cells[1], PERIOD_BYTES, PERIOD_BYTES);
    tear_down();
}
END_TEST

START_TEST(capture_goes_on_with_silence_without_its_host)
{
    struct rig_done done;

    set_up("host=null,streams=0,capture=1", true);
    rig_prepare(&rig, 0);
    gpa_t data = rig_alloc(&rig, PERIOD_BYTES);
    (void)rig_record(&rig, 0, data, PERIOD_BYTES);
    for (unsigned i = 0; i < 7; i++)
        (void)rig_record(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    command(RIG_START);
    probe.consumed = 100;
    probe.host.wake(&probe.host);
    probe.position_result = probe.open_result = -ENODEV;
    probe.host.wake(&probe.host);
    rig_advance(&rig, PERIOD_NS);
    ck_assert(rig_done(&rig, RIG_RX, &done));
    ck_assert_uint_eq(done.status, RIG_OK);
    ck_assert_uint_eq(done.used_len, PERIOD_BYTES + 8);
    check_bytes(data, 0, 400);
    check_zeros(data + 400, PERIOD_BYTES - 400);
    tear_down();
}
END_TEST

START_TEST(capture_of_a_returning_host_goes_on_in_its_place)
{
    struct rig_done done;
    gpa_t data = 0;

    set_up("host=null,streams=0,capture=1", true);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 4 * 96000, 96000, 2, RIG_S16, RIG_48000), RIG_OK);
    command(RIG_PREPARE);
    for (unsigned i = 0; i < 4; i++) {
        gpa_t next = rig_alloc(&rig, 96000); /* half a second */
        data = i == 2 ? next : data;
        (void)rig_record(&rig, 0, next, 96000);
    }
    command(RIG_START);
    probe.position_result = -ENODEV;
    probe.host.wake(&probe.host);
    probe.position_result = 0;
    rig_advance(&rig, 1000 * RIG_MS); /* the host is there again after a second */
    ck_assert_uint_eq(rig_done_count(&rig, RIG_RX), 2);
    ck_assert_uint_eq(probe.opens, 2);
    probe.next_sample = 0;
    probe.consumed = 24000;
    probe.host.wake(&probe.host);
    ck_assert(rig_done(&rig, RIG_RX, &done));
    check_bytes(data, 0, 96000);
    tear_down();
}
END_TEST

/* -- malformed (H6) -- */

static const struct {
    uint32_t header_bytes, room; /* room: data and status */
    uint32_t status, used;       /* status 0: none is written */
} malformed[] = {
    {4, 0, 0, 0},
    {4, 1, 0, 0},
    {4, 7, 0, 0},
    {4, 8, RIG_IO_ERR, 8}, /* no data area */
    {4, 9, RIG_IO_ERR, 8}, /* not a frame */
    {4, 11, RIG_IO_ERR, 8},
    {4, 1927, RIG_IO_ERR, 8},
    {4, 7680 + 8 + 4, RIG_IO_ERR, 8}, /* more than the buffer */
    {3, 1928, RIG_IO_ERR, 8},
    {0, 1928, RIG_IO_ERR, 8},
};

/* proves: SND-53, SND-54, SND-55, SND-68 */
START_TEST(malformed_message_is_refused_at_once)
{
    uint32_t room = malformed[_i].room, used, head;

    set_up("host=null,streams=0,capture=1", false);
    rig_prepare(&rig, 0);
    command(RIG_START);
    gpa_t header = rig_alloc(&rig, 4), data = rig_alloc(&rig, 16384);
    memset(memory_at(&rig.mem, data, 16384), 0xee, 16384);
    const struct fake_piece pieces[] = {{header, malformed[_i].header_bytes, 0},
                                        {data, room, FAKE_WRITE}};
    (void)rig_send(&rig, RIG_RX, pieces, 2);
    ck_assert(fake_used(&rig.drv.ring[RIG_RX], &head, &used));
    ck_assert_uint_eq(used, malformed[_i].used);
    if (malformed[_i].status != 0)
        ck_assert_uint_eq(rig_load32(&rig, data + room - 8), malformed[_i].status);
    else
        ck_assert_uint_eq(rig_load32(&rig, data), 0xeeeeeeee);
    ck_assert_uint_eq(rig_load32(&rig, data + room), 0xeeeeeeee); /* nothing behind the end */
    ck_assert_uint_eq(probe.accepted, 0);
    tear_down();
}
END_TEST

/* A writable part that is more than any buffer is not even cleared: no status can be honest. */
START_TEST(huge_message_is_dropped)
{
    const uint32_t huge = 16 << 20;
    uint32_t used, head;

    set_up("host=null,streams=0,capture=1", false);
    rig_prepare(&rig, 0);
    gpa_t header = rig_alloc(&rig, 4), data = rig_alloc(&rig, huge);
    memset(memory_at(&rig.mem, data, huge), 0xee, huge);
    const struct fake_piece pieces[] = {{header, 4, 0}, {data, huge, FAKE_WRITE}};
    (void)rig_send(&rig, RIG_RX, pieces, 2);
    ck_assert(fake_used(&rig.drv.ring[RIG_RX], &head, &used));
    ck_assert_uint_eq(used, 0);
    ck_assert_uint_eq(rig_load32(&rig, data), 0xeeeeeeee);
    ck_assert_uint_eq(rig_load32(&rig, data + huge - 8), 0xeeeeeeee);
    tear_down();
}
END_TEST

/* proves: SND-54 */
START_TEST(status_may_be_split_and_share_a_descriptor_with_data)
{
    static const uint8_t want[8] = {0x00, 0x80, 0, 0, 0, 0, 0, 0};
    uint8_t got[8];
    uint32_t used, head;

    set_up("host=null,streams=0,capture=1", false);
    rig_prepare(&rig, 0);
    command(RIG_START);
    gpa_t header = rig_alloc(&rig, 4), data = rig_alloc(&rig, 2 * PERIOD_BYTES);
    const struct fake_piece pieces[] = {{header, 1, 0},
                                        {header + 1, 3, 0},
                                        {data, PERIOD_BYTES + 3, FAKE_WRITE},
                                        {data + 2048, 4, FAKE_WRITE},
                                        {data + 3000, 1, FAKE_WRITE}};
    (void)rig_send(&rig, RIG_RX, pieces, 5);
    rig_advance(&rig, PERIOD_NS);
    ck_assert(fake_used(&rig.drv.ring[RIG_RX], &head, &used));
    ck_assert_uint_eq(used, PERIOD_BYTES + 8);
    ck_assert_int_eq(memory_read(&rig.mem, data + PERIOD_BYTES, got, 3), 0);
    ck_assert_int_eq(memory_read(&rig.mem, data + 2048, got + 3, 4), 0);
    ck_assert_int_eq(memory_read(&rig.mem, data + 3000, got + 7, 1), 0);
    ck_assert_mem_eq(got, want, 8);
    check_bytes(data, 0, PERIOD_BYTES);
    tear_down();
}
END_TEST

Suite *transfer_in_suite(void);
Suite *transfer_in_suite(void)
{
    Suite *suite = suite_create("snd/transfer_in");
    TCase *tcase = tcase_create("capture");

    tcase_add_test(tcase, capture_streams_come_after_playback_streams);
    tcase_add_test(tcase, each_period_is_full_at_its_own_deadline);
    tcase_add_test(tcase, release_returns_what_was_recorded);
    tcase_add_test(tcase, what_was_not_recorded_is_silence);
    tcase_add_test(tcase, pause_keeps_what_was_recorded);
    tcase_add_test(tcase, overrun_drops_input_and_is_counted_once);
    tcase_add_test(tcase, stalled_capture_resumes_without_a_burst);
    tcase_add_test(tcase, capture_goes_by_what_the_host_has);
    tcase_add_test(tcase, capture_goes_on_with_silence_without_its_host);
    tcase_add_test(tcase, capture_of_a_returning_host_goes_on_in_its_place);
    tcase_add_loop_test(tcase, malformed_message_is_refused_at_once, 0, ARRAY_SIZE(malformed));
    tcase_add_test(tcase, huge_message_is_dropped);
    tcase_add_test(tcase, status_may_be_split_and_share_a_descriptor_with_data);
    suite_add_tcase(suite, tcase);
    return suite;
}
