/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/event.c: what the driver is told, when, and with buffers of all sorts. */
#include "tests/devices/snd/sound_rig.h"

#include <check.h>

enum {
    JACK_CONNECTED = 0x1000,
    JACK_DISCONNECTED = 0x1001,
    PCM_XRUN = 0x1101,
    CTL_NOTIFY = 0x1200,
    EVT_XRUNS = 16, /* stream feature */
};

#define PERIOD_BYTES 1920 /* 10 ms of S16 stereo at 48 kHz */

static struct rig rig;

/* Puts a buffer into the event queue and does not kick: its address. */
static gpa_t offer(uint32_t len)
{
    gpa_t addr = rig_alloc(&rig, 64);
    const struct fake_piece piece = {addr, len, FAKE_WRITE};

    fake_offer(&rig.drv.ring[RIG_EVENT], fake_chain(&rig.drv.ring[RIG_EVENT], &piece, 1));
    return addr;
}

static void kick(void)
{
    fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, RIG_EVENT);
    rig_step(&rig);
}

/* Used entries of the event queue that have come since the last call. */
static unsigned told(uint32_t want_used)
{
    uint32_t id, used;
    unsigned count = 0;

    for (; fake_used(&rig.drv.ring[RIG_EVENT], &id, &used); count++)
        ck_assert_uint_eq(used, want_used);
    return count;
}

static void check_event(gpa_t addr, uint32_t code, uint32_t data)
{
    ck_assert_uint_eq(rig_load32(&rig, addr), code);
    ck_assert_uint_eq(rig_load32(&rig, addr + 4), data);
    ck_assert_uint_eq(rig_load32(&rig, addr + 8), 0); /* 8 bytes and no more */
}

static uint32_t set_params(uint32_t stream, uint32_t features)
{
    const le32 request[6] = {
        to_le32(RIG_SET_PARAMS), to_le32(stream),   to_le32(4 * PERIOD_BYTES),
        to_le32(PERIOD_BYTES),   to_le32(features), to_le32(2 | RIG_S16 << 8 | RIG_48000 << 16)};

    return rig_control(&rig, request, sizeof(request), NULL, 4, NULL);
}

/* A stream that runs and has nothing more to play. */
static void run_dry(uint32_t stream, uint32_t features)
{
    ck_assert_uint_eq(set_params(stream, features), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, stream), RIG_OK);
    (void)rig_play(&rig, stream, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, stream), RIG_OK);
    rig_advance(&rig, 50 * RIG_MS);
}

/* The guest is back, late: its stream had an xrun. Then dry again. */
static void be_late(uint32_t stream)
{
    (void)rig_play(&rig, stream, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    rig_advance(&rig, 50 * RIG_MS);
}

/* -- xruns -- */

/* A driver that waits for the event before it submits anything more gets it. */
/* proves: SND-70, SND-71, SND-72, SND-73 */
START_TEST(each_xrun_is_told_once_and_at_the_underrun)
{
    rig_start(&rig, "host=null,streams=2");
    gpa_t first = offer(8), second = offer(8);
    run_dry(1, EVT_XRUNS);
    ck_assert_uint_eq(told(8), 1);
    check_event(first, PCM_XRUN, 1);
    ck_assert_int_eq(rig.snd->pcm.streams[1].state, STREAM_RUNNING);
    (void)rig_play(&rig, 1, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 2);
    rig_advance(&rig, 10 * RIG_MS - 1); /* so long it may be the end */
    ck_assert_uint_eq(told(8), 0);
    rig_advance(&rig, 1);
    ck_assert_uint_eq(told(8), 1);
    check_event(second, PCM_XRUN, 1);
    ck_assert_uint_eq(rig.snd->pcm.streams[1].counts.xruns, 1); /* the guest came back once */
    rig_end(&rig);
}
END_TEST

/* proves: SND-70 */
START_TEST(guest_that_is_back_soon_is_told_then)
{
    rig_start(&rig, "host=null");
    gpa_t first = offer(8);
    run_dry(0, EVT_XRUNS);
    ck_assert_uint_eq(told(8), 1);
    first = offer(8);
    (void)rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    rig_advance(&rig, 15 * RIG_MS);
    ck_assert_uint_eq(told(8), 0);
    (void)rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    ck_assert_uint_eq(told(8), 1);
    check_event(first, PCM_XRUN, 0);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 2);
    rig_end(&rig);
}
END_TEST

/* proves: SND-70 */
START_TEST(xrun_is_not_told_to_a_driver_that_did_not_ask)
{
    rig_start(&rig, "host=null");
    (void)offer(8);
    run_dry(0, 0);
    be_late(0);
    ck_assert_uint_eq(told(8), 0);
    ck_assert_uint_eq(rig.snd->pcm.streams[0].counts.xruns, 1);
    rig_end(&rig);
}
END_TEST

/* proves: SND-70, SND-93 */
START_TEST(underrun_before_a_reset_is_not_told_after_it)
{
    rig_start(&rig, "host=null");
    ck_assert_uint_eq(set_params(0, EVT_XRUNS), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    (void)rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    rig_advance(&rig, 15 * RIG_MS);
    rig_restart(&rig);
    (void)offer(8);
    ck_assert_uint_eq(set_params(0, EVT_XRUNS), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    rig_advance(&rig, 100 * RIG_MS);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    (void)rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    rig_advance(&rig, 5 * RIG_MS);
    ck_assert_uint_eq(told(8), 0);
    rig_end(&rig);
}
END_TEST

/* proves: SND-70 */
START_TEST(end_of_the_sound_is_no_xrun)
{
    rig_start(&rig, "host=null");
    (void)offer(8);
    ck_assert_uint_eq(set_params(0, EVT_XRUNS), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    (void)rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    rig_advance(&rig, 19 * RIG_MS);
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
    rig_advance(&rig, 100 * RIG_MS);
    ck_assert_uint_eq(told(8), 0);
    rig_end(&rig);
}
END_TEST

/* proves: SND-72, SND-73 */
START_TEST(xruns_without_a_buffer_become_one_and_hold_up_nothing)
{
    rig_start(&rig, "host=null");
    run_dry(0, EVT_XRUNS);
    for (unsigned i = 0; i < 3; i++)
        be_late(0);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 4);        /* audio went on, */
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK); /* and control */
    gpa_t first = offer(8);
    (void)offer(8);
    kick();
    ck_assert_uint_eq(told(8), 1);
    check_event(first, PCM_XRUN, 0);
    rig_end(&rig);
}
END_TEST

/* proves: SND-70 */
START_TEST(pending_xrun_is_dropped_when_the_driver_takes_its_wish_back)
{
    rig_start(&rig, "host=null,jacks=mic");
    run_dry(0, EVT_XRUNS);
    be_late(0);
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
    ck_assert_uint_eq(set_params(0, 0), RIG_OK);
    gpa_t first = offer(8);
    jack_plug(&rig.snd->jacks, 0, false);
    ck_assert_uint_eq(told(8), 1);
    check_event(first, JACK_DISCONNECTED, 0);
    (void)offer(8);
    kick();
    ck_assert_uint_eq(told(8), 0);
    rig_end(&rig);
}
END_TEST

/* -- jacks -- */

/* proves: SND-28 */
START_TEST(plug_and_unplug_are_told_with_the_jack)
{
    rig_start(&rig, "host=null,jacks=headphone+mic:unplugged");
    gpa_t first = offer(8), second = offer(8);
    jack_plug(&rig.snd->jacks, 0, false);
    jack_plug(&rig.snd->jacks, 1, true);
    jack_plug(&rig.snd->jacks, 1, true); /* is no news */
    ck_assert_uint_eq(told(8), 2);
    check_event(first, JACK_DISCONNECTED, 0);
    check_event(second, JACK_CONNECTED, 1);
    rig_end(&rig);
}
END_TEST

/* proves: SND-28, SND-73 */
START_TEST(jack_without_a_buffer_is_told_as_it_is_later)
{
    rig_start(&rig, "host=null,jacks=headphone");
    for (unsigned i = 0; i < 5; i++)
        jack_plug(&rig.snd->jacks, 0, i % 2 == 1); /* out at the end */
    gpa_t first = offer(8);
    (void)offer(8);
    kick();
    ck_assert_uint_eq(told(8), 1);
    check_event(first, JACK_DISCONNECTED, 0);
    rig_end(&rig);
}
END_TEST

/* proves: SND-75 */
START_TEST(buffers_from_before_driver_ok_are_found_without_a_kick)
{
    rig_start(&rig, "host=null,jacks=headphone");
    fake_write(&rig.drv, FAKE_STATUS, 0);
    rig.drv.ring_addr = 0x10000;
    ck_assert_uint_eq(fake_negotiate(&rig.drv, UINT64_MAX), 11);
    for (uint16_t queue = 0; queue < 4; queue++)
        fake_queue_setup(&rig.drv, queue, 0);
    gpa_t first = offer(8);
    fake_write(&rig.drv, FAKE_STATUS, 15);
    rig_step(&rig);
    ck_assert_uint_eq(told(8), 0); /* nothing to tell yet: it stays there */
    jack_plug(&rig.snd->jacks, 0, false);
    ck_assert_uint_eq(told(8), 1);
    check_event(first, JACK_DISCONNECTED, 0);
    rig_end(&rig);
}
END_TEST

/* proves: SND-93 */
START_TEST(reset_drops_events_and_keeps_the_jack)
{
    const le32 query[4] = {to_le32(RIG_JACK_INFO), to_le32(0), to_le32(1), to_le32(24)};
    uint8_t reply[28];

    rig_start(&rig, "host=null,jacks=headphone,controls=on");
    jack_plug(&rig.snd->jacks, 0, false);
    rig_restart(&rig);
    (void)offer(8);
    kick();
    ck_assert_uint_eq(told(8), 0);
    ck_assert_uint_eq(rig_control(&rig, query, 16, reply, 28, NULL), RIG_OK);
    ck_assert_uint_eq(reply[4 + 16], 0); /* still out */
    rig_end(&rig);
}
END_TEST

/* A jack that moves while there is no driver: it will ask when it comes. */
START_TEST(nothing_is_pending_for_a_driver_that_is_not_there)
{
    ck_assert_int_eq(rig_create(&rig, "host=null,jacks=headphone,controls=on"), 0);
    jack_plug(&rig.snd->jacks, 0, false);
    fake_driver_init(&rig.drv, rig.dev, 0x10000);
    rig_restart(&rig);
    (void)offer(8);
    kick();
    ck_assert_uint_eq(told(8), 0);
    rig_end(&rig);
}
END_TEST

/* Somebody pulls a plug while the machine is paused: its memory is left alone until it goes on. */
START_TEST(what_happens_in_a_pause_is_told_after_it)
{
    rig_start(&rig, "host=null,jacks=headphone");
    gpa_t addr = offer(8);
    virtio_pause(rig.dev);
    jack_plug(&rig.snd->jacks, 0, false);
    ck_assert_uint_eq(told(8), 0);
    virtio_resume(rig.dev, RIG_MS);
    rig_step(&rig);
    ck_assert_uint_eq(told(8), 1);
    check_event(addr, JACK_DISCONNECTED, 0);
    rig_end(&rig);
}
END_TEST

/* -- hostile buffers (H11) -- */

/* proves: SND-74 */
START_TEST(buffer_that_can_not_hold_an_event_is_given_back_empty)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_EVENT];
    uint32_t id, used;

    rig_start(&rig, "host=null,jacks=headphone");
    gpa_t room = rig_alloc(&rig, 64);
    const struct fake_piece readable = {room, 8, 0};
    const struct fake_piece mixed[] = {{room, 4, 0}, {room + 8, 8, FAKE_WRITE}};
    for (uint32_t len = 1; len < 8; len++)
        (void)offer(len);
    fake_offer(ring, fake_chain(ring, &readable, 1));
    fake_offer(ring, fake_chain(ring, mixed, 2));
    gpa_t good = offer(8);
    jack_plug(&rig.snd->jacks, 0, false);
    for (unsigned i = 0; i < 9; i++) {
        ck_assert(fake_used(ring, &id, &used));
        ck_assert_uint_eq(used, 0);
    }
    ck_assert_uint_eq(told(8), 1);
    check_event(good, JACK_DISCONNECTED, 0);
    ck_assert_uint_eq(rig_load32(&rig, room + 8), 0);
    rig_end(&rig);
}
END_TEST

/* A ring full of such buffers, given again and again, costs the worker a look each and no more. */
START_TEST(ring_full_of_useless_buffers_blocks_nothing)
{
    rig_start(&rig, "host=null,jacks=headphone");
    jack_plug(&rig.snd->jacks, 0, false);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 256; i++)
            (void)offer(4);
        kick();
        ck_assert_uint_eq(told(0), 256);
        ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    }
    gpa_t good = offer(100);
    kick();
    ck_assert_uint_eq(told(8), 1);
    check_event(good, JACK_DISCONNECTED, 0);
    rig_end(&rig);
}
END_TEST

/* An event in eight descriptors of a byte each. */
START_TEST(event_is_split_as_the_driver_likes)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_EVENT];
    struct fake_piece pieces[8];

    rig_start(&rig, "host=null,jacks=headphone+mic");
    gpa_t room = rig_alloc(&rig, 64);
    for (unsigned i = 0; i < 8; i++)
        pieces[i] = (struct fake_piece){room + i, 1, FAKE_WRITE};
    fake_offer(ring, fake_chain(ring, pieces, 8));
    jack_plug(&rig.snd->jacks, 1, false);
    ck_assert_uint_eq(told(8), 1);
    check_event(room, JACK_DISCONNECTED, 1);
    rig_end(&rig);
}
END_TEST

START_TEST(broken_event_ring_needs_a_reset_when_there_is_something_to_tell)
{
    rig_start(&rig, "host=null,jacks=headphone");
    fake_break(&rig.drv.ring[RIG_EVENT]);
    jack_plug(&rig.snd->jacks, 0, false);
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_STATUS) & 64, 64);
    jack_plug(&rig.snd->jacks, 0, true); /* and that does no harm */
    rig_restart(&rig);
    gpa_t good = offer(8);
    jack_plug(&rig.snd->jacks, 0, false);
    ck_assert_uint_eq(told(8), 1);
    check_event(good, JACK_DISCONNECTED, 0);
    rig_end(&rig);
}
END_TEST

/* -- control elements -- */

/* proves: SND-91, SND-92 */
START_TEST(changes_of_an_element_are_merged)
{
    struct wire_ctl_value value = {.number = {to_le32(10), to_le32(20)}};

    rig_start(&rig, "host=null,controls=on");
    ctl_set(&rig.snd->ctls, 0, &value);
    value.number[0] = to_le32(11);
    ctl_set(&rig.snd->ctls, 0, &value);
    value.number[0] = to_le32(0);
    ctl_set(&rig.snd->ctls, 1, &value);
    gpa_t first = offer(8), second = offer(8);
    (void)offer(8);
    kick();
    ck_assert_uint_eq(told(8), 2);
    check_event(first, CTL_NOTIFY, 0 | 1u << 16); /* le16 id, le16 mask: value */
    check_event(second, CTL_NOTIFY, 1 | 1u << 16);
    rig_end(&rig);
}
END_TEST

/* proves: SND-02, SND-92 */
START_TEST(element_is_not_told_to_a_driver_without_the_feature)
{
    const struct wire_ctl_value value = {.number = {to_le32(10), to_le32(20)}};

    rig_start(&rig, "host=null,controls=on");
    fake_write(&rig.drv, FAKE_STATUS, 0);
    rig.drv.ring_addr = 0x10000;
    ck_assert_uint_eq(fake_start(&rig.drv, FAKE_VERSION_1), 15);
    rig_step(&rig);
    (void)offer(8);
    ctl_set(&rig.snd->ctls, 0, &value);
    ck_assert_uint_eq(told(8), 0);
    rig_end(&rig);
}
END_TEST

Suite *event_suite(void);
Suite *event_suite(void)
{
    Suite *suite = suite_create("snd/event");
    TCase *tcase = tcase_create("event");

    tcase_add_test(tcase, each_xrun_is_told_once_and_at_the_underrun);
    tcase_add_test(tcase, guest_that_is_back_soon_is_told_then);
    tcase_add_test(tcase, xrun_is_not_told_to_a_driver_that_did_not_ask);
    tcase_add_test(tcase, underrun_before_a_reset_is_not_told_after_it);
    tcase_add_test(tcase, end_of_the_sound_is_no_xrun);
    tcase_add_test(tcase, xruns_without_a_buffer_become_one_and_hold_up_nothing);
    tcase_add_test(tcase, pending_xrun_is_dropped_when_the_driver_takes_its_wish_back);
    tcase_add_test(tcase, plug_and_unplug_are_told_with_the_jack);
    tcase_add_test(tcase, jack_without_a_buffer_is_told_as_it_is_later);
    tcase_add_test(tcase, buffers_from_before_driver_ok_are_found_without_a_kick);
    tcase_add_test(tcase, reset_drops_events_and_keeps_the_jack);
    tcase_add_test(tcase, what_happens_in_a_pause_is_told_after_it);
    tcase_add_test(tcase, nothing_is_pending_for_a_driver_that_is_not_there);
    tcase_add_test(tcase, buffer_that_can_not_hold_an_event_is_given_back_empty);
    tcase_add_test(tcase, ring_full_of_useless_buffers_blocks_nothing);
    tcase_add_test(tcase, event_is_split_as_the_driver_likes);
    tcase_add_test(tcase, broken_event_ring_needs_a_reset_when_there_is_something_to_tell);
    tcase_add_test(tcase, changes_of_an_element_are_merged);
    tcase_add_test(tcase, element_is_not_told_to_a_driver_without_the_feature);
    suite_add_tcase(suite, tcase);
    return suite;
}
