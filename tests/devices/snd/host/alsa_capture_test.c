/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of recording through host=alsa (devices/snd/host/alsa_serve.c), against a scripted card. */
#include "tests/capture.h"
#include "tests/devices/snd/host/alsa_fixture.h"

#include <check.h>
#include <string.h>

Suite *alsa_capture_suite(void);

static uint32_t frames[100 * PERIOD];

static void check_captured(uint64_t consumed)
{
    player_check(&player, consumed, consumed);
}

/* Reads `count` frames, which are `first`, first + 1, ... */
static void check_read(size_t count, uint32_t first)
{
    ck_assert_int_eq(player_read(&player, frames, count), (ssize_t)count);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(frames[i], first + i);
}

START_TEST(every_frame_is_fetched_once)
{
    start_capture();
    for (uint32_t i = 0; i < 100; i++) {
        fake_card_run(333);
        check_captured((uint64_t)(i + 1) * 333);
        check_read(300 + i % 34, player.next == 0 ? 1 : (uint32_t)player.next + 1);
        check_read((size_t)(i + 1) * 333 - player.next, (uint32_t)player.next + 1);
    }
    ck_assert_uint_eq(player.host->xruns, 0);
    ck_assert_uint_eq(player.host->lost_frames, 0);
}
END_TEST

START_TEST(card_records_from_start_and_not_before)
{
    open_capture();
    fake_card_run(100);
    check_captured(0);
    ck_assert_int_eq(player_read(&player, frames, 10), 0);
    ck_assert_uint_eq(fake_card.starts, 0);
    ck_assert_int_eq(player_start(&player), 0);
    ck_assert_uint_eq(fake_card.starts, 1);
    fake_card_run(100);
    check_captured(100);
}
END_TEST

START_TEST(read_gives_what_there_is)
{
    start_capture();
    fake_card_run(100);
    check_captured(100);
    ck_assert_int_eq(player_read(&player, frames, 480), 100);
    ck_assert_int_eq(player_read(&player, frames, 480), 0);
}
END_TEST

START_TEST(frames_lost_by_an_overrun_are_counted)
{
    struct capture capture;

    start_capture();
    fake_card_run(100);
    check_captured(100);
    check_read(10, 1);
    fake_card_run(2 * BUFFER);
    capture_start(&capture);
    int looked = player_look(&player);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(looked, 0);
    ck_assert_uint_eq(player.position.consumed_frames, 100);
    ck_assert_ptr_nonnull(strstr(text, "too busy"));
    ck_assert_uint_eq(player.host->xruns, 1);
    ck_assert_uint_eq(player.host->lost_frames, BUFFER); /* what fits the card's ring */
    check_read(90, 11);
    uint32_t next = fake_card.recorded + 1;
    fake_card_run(50);
    check_captured(150);
    check_read(50, next);
}
END_TEST

START_TEST(guest_that_takes_nothing_is_no_xrun_of_ours)
{
    start_capture();
    for (unsigned i = 0; i < 20; i++) {
        fake_card_run(PERIOD);
        ck_assert_int_eq(player_look(&player), 0);
    }
    ck_assert_uint_eq(player.host->xruns, 0);
    ck_assert_uint_gt(player.host->lost_frames, 0);
}
END_TEST

START_TEST(pause_keeps_what_was_recorded)
{
    start_capture();
    fake_card_run(100);
    check_captured(100);
    ck_assert_int_eq(player_stop(&player), 0);
    fake_card_run(100);
    check_captured(100);
    check_read(50, 1);
    ck_assert_int_eq(player_start(&player), 0);
    fake_card_run(100);
    check_captured(200);
    check_read(150, 51);
}
END_TEST

START_TEST(card_without_pause_is_dropped_when_its_frames_were_fetched)
{
    fake_card.can_pause = false;
    start_capture();
    fake_card_run(100);
    check_captured(100);
    check_read(40, 1);
    fake_card_run(20);
    ck_assert_int_eq(player_stop(&player), 0);
    ck_assert(!fake_card.running);
    check_captured(100);
    ck_assert_uint_eq(player.host->lost_frames, 0);
    ck_assert_int_eq(player_start(&player), 0);
    check_captured(120);
    check_read(80, 41);
    fake_card_run(10);
    check_captured(130);
    check_read(10, 121);
}
END_TEST

START_TEST(close_of_a_full_ring_is_no_overrun)
{
    struct capture capture;

    start_capture();
    fake_card_run(2 * BUFFER);
    capture_start(&capture);
    player_close(&player);
    const char *text = capture_end(&capture);
    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(player.host->xruns, 0);
}
END_TEST

START_TEST(suspended_recording_goes_on)
{
    struct capture capture;

    start_capture();
    fake_card_run(100);
    check_captured(100);
    check_read(100, 1);
    fake_card_suspend();
    capture_start(&capture);
    int looked = player_look(&player);
    (void)capture_end(&capture);
    ck_assert_int_eq(looked, 0);
    ck_assert(fake_card.running);
    fake_card_run(10);
    check_captured(110);
    check_read(10, 101);
}
END_TEST

START_TEST(unplugged_card_is_an_error)
{
    struct capture capture;

    start_capture();
    fake_card_unplug();
    capture_start(&capture);
    int looked = player_look(&player);
    ssize_t count = player_read(&player, frames, 10);
    (void)capture_end(&capture);
    ck_assert_int_eq(looked, -ENODEV);
    ck_assert_int_eq(count, -ENODEV);
}
END_TEST

START_TEST(age_of_the_recording_is_the_latency)
{
    fake_card.fifo_frames = 24;
    start_capture();
    fake_card_run(100);
    ck_assert_int_eq(player_look(&player), 0);
    ck_assert_uint_eq(player.position.consumed_frames, 100);
    ck_assert_uint_eq(player.position.latency_frames, 24);
}
END_TEST

Suite *alsa_capture_suite(void)
{
    Suite *suite = suite_create("alsa_capture");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, alsa_setup, alsa_teardown);
    tcase_add_test(tests, every_frame_is_fetched_once);
    tcase_add_test(tests, card_records_from_start_and_not_before);
    tcase_add_test(tests, read_gives_what_there_is);
    tcase_add_test(tests, frames_lost_by_an_overrun_are_counted);
    tcase_add_test(tests, guest_that_takes_nothing_is_no_xrun_of_ours);
    tcase_add_test(tests, pause_keeps_what_was_recorded);
    tcase_add_test(tests, card_without_pause_is_dropped_when_its_frames_were_fetched);
    tcase_add_test(tests, close_of_a_full_ring_is_no_overrun);
    tcase_add_test(tests, suspended_recording_goes_on);
    tcase_add_test(tests, unplugged_card_is_an_error);
    tcase_add_test(tests, age_of_the_recording_is_the_latency);
    suite_add_tcase(suite, tests);
    return suite;
}
