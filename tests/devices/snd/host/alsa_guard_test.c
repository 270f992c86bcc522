/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of devices/snd/host/alsa_guard.c: a PCM (tests/fake_card.h) whose calls do not come back,
 * for the host and for the whole device. A test hangs itself, and is ended, where one of them is
 * waited for.
 */
#include "tests/capture.h"
#include "tests/devices/snd/host/alsa_fixture.h"
#include "tests/devices/snd/sound_rig.h"

#include <check.h>
#include <sched.h>
#include <string.h>

Suite *alsa_guard_suite(void);

#define PERIOD_BYTES (PERIOD * 4)

static struct rig rig;

static void setup(void)
{
    alsa_setup();
    fake_card.is_server = true;
}

/* The calls come back, and what they held up is closed. */
static void release(void)
{
    atomic_store(&fake_card.hangs, 0);
    while (fake_card.is_open)
        usleep(1000);
}

static void teardown(void)
{
    player_fini(&player);
    release();
    alsa_teardown();
}

static void hang(enum fake_call call)
{
    atomic_store(&fake_card.hangs, 1u << call);
}

static int stop_and_write(void)
{
    (void)player_stop(&player);
    return (int)player_write(&player, 1);
}

static int write_one(void)
{
    return (int)player_write(&player, 1);
}

static int start(void)
{
    return player_start(&player);
}

static int look(void)
{
    return player_look(&player);
}

/* The fd of a full ring fires, and what that means is not to be had. */
static int fire_and_look(void)
{
    (void)player_write(&player, BUFFER);
    fake_card_run(PERIOD);
    (void)player_step(&player);
    return look();
}

/* -- the host -- */

static const struct {
    enum fake_call call;
    bool runs; /* before that call */
    int (*act)(void);
} calls[] = {
    {FAKE_CALL_START, false, start},        {FAKE_CALL_PAUSE, true, stop_and_write},
    {FAKE_CALL_POINTER, true, look},        {FAKE_CALL_TRANSFER, true, write_one},
    {FAKE_CALL_FIRED, true, fire_and_look},
};

START_TEST(call_that_hangs_is_given_up_and_the_card_comes_back)
{
    struct capture capture;

    open_playback();
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    if (calls[_i].runs)
        ck_assert_int_eq(player_start(&player), 0);
    capture_start(&capture);
    hang(calls[_i].call);
    int given_up = calls[_i].act();
    int again = calls[_i].act();
    player_close(&player);
    int busy = open_again();
    release();
    int back = open_again();
    const char *text = capture_end(&capture);
    ck_assert_int_eq(given_up, -ETIMEDOUT);
    ck_assert_int_eq(again, -ETIMEDOUT);
    ck_assert_int_eq(busy, -EBUSY); /* its thread has it yet */
    ck_assert_int_eq(back, 0);
    ck_assert_msg(strstr(text, "\"fake\" failed") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "is back") != NULL, "%s", text);
    player.limit = PERIOD;
    player_serve(&player);
    ck_assert_int_eq(player_start(&player), 0);
    fake_card_run(PERIOD);
    player_check(&player, PERIOD, PERIOD);
}
END_TEST

START_TEST(every_frame_is_heard_once_through_the_guard)
{
    start_playback(0);
    play_and_check(10);
}
END_TEST

START_TEST(every_frame_is_fetched_once_through_the_guard)
{
    static uint32_t captured[3330];

    player_init(&player, "fake", PCM_INPUT);
    player.captured = captured;
    player.captured_max = ARRAY_SIZE(captured);
    ck_assert_int_eq(open_again(), 0);
    ck_assert_int_eq(player_start(&player), 0);
    for (unsigned i = 0; i < 10; i++) {
        fake_card_run(333);
        player.limit += 333;
        player_serve(&player);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(captured); i++)
        ck_assert_uint_eq(captured[i], i + 1);
}
END_TEST

/* It answers, but plays nothing: for a quarter of a second, or the ring but for a period. It is not
 * back before it plays. */
START_TEST(card_that_stands_still_is_given_up)
{
    static const struct {
        unsigned period, limit_ms;
    } cases[] = {{PERIOD, 250}, {48 * 150, 450}};
    const uint32_t period = cases[_i].period;
    struct capture capture;
    int r = 0;

    player_init(&player, "fake", PCM_OUTPUT);
    ck_assert_int_eq(player_open(&player, 48000, period, 4 * period), 0);
    ck_assert_int_gt(player_write(&player, period), 0);
    ck_assert_int_eq(player_start(&player), 0);
    uint64_t begin_ns = timebase_monotonic.now_ns(&timebase_monotonic);
    capture_start(&capture);
    while (r == 0) {
        usleep(20000);
        r = look();
    }
    uint64_t took_ns = timebase_monotonic.now_ns(&timebase_monotonic) - begin_ns;
    player_close(&player);
    int still = player_open(&player, 48000, period, 4 * period);
    fake_card.moves = true;
    int back = player_open(&player, 48000, period, 4 * period);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_eq(still, -ETIMEDOUT);
    ck_assert_int_eq(back, 0);
    player_check(&player, 0, 0); /* prepared anew */
    ck_assert_uint_ge(took_ns, cases[_i].limit_ms * RIG_MS);
    ck_assert_msg(strstr(text, "\"fake\" failed") != NULL, "%s", text);
}
END_TEST

/* Nobody looked, or a card is behind it, which would tell. */
START_TEST(standstill_that_has_another_reason_is_none)
{
    const unsigned looks = _i == 0 ? 1 : 20;

    fake_card.is_server = _i == 0;
    start_playback(PERIOD);
    for (unsigned i = 0; i < looks; i++) {
        usleep(400000 / looks);
        ck_assert_int_eq(look(), 0);
    }
}
END_TEST

START_TEST(fds_are_asked_for_when_it_is_opened_only)
{
    open_playback();
    hang(FAKE_CALL_FDS);
    ck_assert_int_eq(player_write(&player, BUFFER), BUFFER);
    ck_assert_int_eq(player_start(&player), 0);
    fake_card_run(PERIOD);
    ck_assert_uint_eq(player_step(&player), 1);
}
END_TEST

/* Real time, or not where that is not permitted. */
START_TEST(calls_are_made_with_the_priority_of_the_caller)
{
    const struct sched_param param = {0};

    player_init_opts(&player, player_opts("fake", "on"), PCM_OUTPUT);
    ck_assert_int_eq(open_again(), 0);
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    ck_assert_int_eq(player_start(&player), 0);
    int policy = sched_getscheduler(0);
    (void)sched_setscheduler(0, SCHED_OTHER, &param);
    ck_assert_int_eq(fake_card.start_policy, policy);
}
END_TEST

/* What was asked of it by then is done. */
START_TEST(close_that_hangs_holds_up_nobody)
{
    open_playback();
    unsigned closes = fake_card.closes; /* of the look at what it can do */
    hang(FAKE_CALL_CLOSE);
    player_close(&player);
    ck_assert_uint_eq(fake_card.closes, closes);
    release();
    ck_assert_uint_eq(fake_card.closes, closes + 1);
}
END_TEST

/* -- the device -- */

/* A card that hangs, and beside it a stream of another kind. */
START_TEST(other_streams_and_requests_go_on)
{
    struct rig_done done;
    struct capture capture;

    rig_start(&rig, "host=alsa,device=fake,source=tone");
    rig_prepare(&rig, 0);
    rig_prepare(&rig, 1);
    (void)rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    (void)rig_record(&rig, 1, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 1), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    capture_start(&capture);
    hang(FAKE_CALL_POINTER);
    rig_advance(&rig, 12 * RIG_MS);
    const char *text = capture_end(&capture);
    ck_assert(rig_done(&rig, RIG_RX, &done)); /* in time */
    ck_assert_uint_eq(done.status, RIG_OK);
    ck_assert_msg(strstr(text, "\"fake\" failed") != NULL, "%s", text);
    rig_advance(&rig, 12 * RIG_MS);
    ck_assert(rig_done(&rig, RIG_TX, &done)); /* without the card, in real time */
    ck_assert_uint_eq(done.status, RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 1), RIG_OK);
    release();
    rig_end(&rig);
}
END_TEST

/* By silence, and the card comes back. */
START_TEST(start_and_stop_that_hang_are_no_failure)
{
    struct capture capture;

    rig_start(&rig, "host=alsa,device=fake");
    rig_prepare(&rig, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    capture_start(&capture);
    hang(FAKE_CALL_START);
    uint32_t started = rig_command(&rig, RIG_START, 0);
    rig_advance(&rig, 25 * RIG_MS);
    unsigned done = rig_done_count(&rig, RIG_TX); /* in real time */
    release();
    fake_card.moves = true;
    for (unsigned i = 0; i < 200 && fake_card.starts < 3; i++, usleep(1000)) {
        (void)rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
        rig_advance(&rig, 10 * RIG_MS);
        (void)rig_done_count(&rig, RIG_TX);
    }
    hang(FAKE_CALL_PAUSE);
    uint32_t stopped = rig_command(&rig, RIG_STOP, 0);
    (void)capture_end(&capture);
    ck_assert_uint_eq(started, RIG_OK);
    ck_assert_uint_eq(done, 2);
    ck_assert_uint_eq(fake_card.starts, 3); /* one hung, one tried whether it plays */
    ck_assert_uint_eq(stopped, RIG_OK);
    ck_assert_int_eq(rig.snd->pcm.streams[0].state, STREAM_STOPPED);
    release();
    rig_end(&rig);
}
END_TEST

START_TEST(start_that_hangs_can_mean_an_error)
{
    struct capture capture;

    rig_start(&rig, "host=alsa,device=fake,unplugged=error");
    rig_prepare(&rig, 0);
    (void)rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
    capture_start(&capture);
    hang(FAKE_CALL_START);
    uint32_t status = rig_command(&rig, RIG_START, 0);
    uint32_t released = rig_command(&rig, RIG_RELEASE, 0);
    release();
    fake_card.moves = true;
    rig_prepare(&rig, 0);
    uint32_t again = rig_command(&rig, RIG_START, 0);
    (void)capture_end(&capture);
    ck_assert_uint_eq(status, RIG_IO_ERR);
    ck_assert_uint_eq(released, RIG_OK);
    ck_assert_uint_eq(again, RIG_OK);
    rig_end(&rig);
}
END_TEST

Suite *alsa_guard_suite(void)
{
    Suite *suite = suite_create("alsa_guard");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, call_that_hangs_is_given_up_and_the_card_comes_back, 0,
                        (int)ARRAY_SIZE(calls));
    tcase_add_test(tests, every_frame_is_heard_once_through_the_guard);
    tcase_add_test(tests, every_frame_is_fetched_once_through_the_guard);
    tcase_add_loop_test(tests, card_that_stands_still_is_given_up, 0, 2);
    tcase_add_loop_test(tests, standstill_that_has_another_reason_is_none, 0, 2);
    tcase_add_test(tests, fds_are_asked_for_when_it_is_opened_only);
    tcase_add_test(tests, calls_are_made_with_the_priority_of_the_caller);
    tcase_add_test(tests, close_that_hangs_holds_up_nobody);
    tcase_add_test(tests, other_streams_and_requests_go_on);
    tcase_add_test(tests, start_and_stop_that_hang_are_no_failure);
    tcase_add_test(tests, start_that_hangs_can_mean_an_error);
    suite_add_tcase(suite, tests);
    return suite;
}
