/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of devices/snd/host/alsa_serve.c through host=alsa: playback, running dry, suspend, stop
 * and start, against a scripted card. Recording is in alsa_capture_test.c.
 */
#include "devices/snd/pcm/clock.h"
#include "tests/capture.h"
#include "tests/devices/snd/host/alsa_fixture.h"

#include <check.h>
#include <string.h>

Suite *alsa_playback_suite(void);

/* The card plays, and is looked after as it should be. */
static void play(unsigned frames)
{
    for (unsigned left = frames; left > 0; left -= MIN(left, (unsigned)PERIOD)) {
        fake_card_run(MIN(left, (unsigned)PERIOD));
        player_serve(&player);
    }
}

/* -- playback -- */

START_TEST(every_frame_is_heard_once)
{
    start_playback(0);
    play_and_check(100);
    ck_assert_uint_eq(player.host->xruns, 0);
}
END_TEST

START_TEST(write_takes_what_there_is_room_for)
{
    open_playback();
    ck_assert_int_eq(player_write(&player, BUFFER - 7), BUFFER - 7);
    ck_assert_int_eq(player_write(&player, 100), 7);
    ck_assert_int_eq(player_write(&player, 100), 0);
    player_check(&player, 0, BUFFER);
    ck_assert_int_eq(player_start(&player), 0);
    fake_card_run(50);
    player_check(&player, 50, BUFFER);
    ck_assert_int_eq(player_write(&player, 100), 50);
    player_check(&player, 50, BUFFER + 50);
}
END_TEST

START_TEST(card_starts_with_start_and_not_before)
{
    open_playback();
    ck_assert_int_eq(player_write(&player, BUFFER), BUFFER);
    player_check(&player, 0, BUFFER);
    ck_assert_uint_eq(fake_card.starts, 0);
    ck_assert_uint_eq(player_remaining(&player, PERIOD), TIME_NEVER);
    ck_assert_int_eq(player_start(&player), 0);
    ck_assert_uint_eq(fake_card.starts, 1);
}
END_TEST

START_TEST(start_with_nothing_written_waits_for_the_first_frame)
{
    start_playback(0);
    player_check(&player, 0, 0);
    ck_assert_uint_eq(fake_card.starts, 0);
    ck_assert_int_eq(player_write(&player, 1), 1);
    ck_assert_uint_eq(fake_card.starts, 1);
}
END_TEST

START_TEST(ring_that_ran_dry_keeps_its_position_and_goes_on)
{
    start_playback(PERIOD);
    fake_card_run(PERIOD + 1000);
    player_check(&player, PERIOD, PERIOD);
    fake_card_run(1000);
    player_check(&player, PERIOD, PERIOD);
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    ck_assert(fake_card.running);
    fake_card_run(PERIOD);
    player_check(&player, 2 * PERIOD, 2 * PERIOD);
    fake_card_check_heard((size_t)2 * PERIOD);
    ck_assert_uint_eq(player.host->xruns, 0); /* the guest was late, not we */
}
END_TEST

/* The card's periods are shorter than the guest's, so the stream looks less often. */
START_TEST(late_guest_is_not_our_xrun_with_short_periods_of_the_card_either)
{
    fake_card.period_frames_max = 128;
    start_playback(PERIOD);
    fake_card_run(PERIOD);
    player_check(&player, PERIOD, PERIOD);
    ck_assert_uint_eq(player.host->xruns, 0);
}
END_TEST

START_TEST(ring_found_dry_by_a_write_is_written_to_at_once)
{
    start_playback(PERIOD);
    fake_card_run(PERIOD);
    ck_assert_int_eq(player_write(&player, 10), 10);
    ck_assert(fake_card.running);
    player_check(&player, PERIOD, PERIOD + 10);
}
END_TEST

START_TEST(worker_that_did_not_run_is_an_xrun_and_is_told)
{
    struct capture capture;

    start_playback(BUFFER);
    player_check(&player, 0, BUFFER);
    fake_card_run(BUFFER);
    capture_start(&capture);
    player.limit += PERIOD;
    player_serve(&player);
    const char *text = capture_end(&capture);
    ck_assert_uint_eq(player.host->xruns, 1);
    ck_assert_ptr_nonnull(strstr(text, "too busy"));
    player_check(&player, BUFFER, BUFFER + PERIOD);
}
END_TEST

/* With little left in the ring, where the kernel keeps silence behind what it knows of. */
START_TEST(interrupt_in_the_middle_of_a_write_silences_none_of_it)
{
    start_playback(PERIOD);
    ck_assert_uint_gt(fake_card.silence_frames, PERIOD);
    for (unsigned i = 0; i < 5; i++) {
        fake_card.frames_in_write = PERIOD / 3;
        player.limit = player.next + BUFFER - PERIOD;
        player_serve(&player);
        fake_card.frames_in_write = 0;
        fake_card_run(BUFFER - PERIOD - PERIOD / 3);
    }
    player_serve(&player);
    fake_card_run(PERIOD);
    player_check(&player, player.limit, player.limit);
    fake_card_check_heard(player.limit);
}
END_TEST

START_TEST(frames_left_in_a_ring_that_stopped_are_moved_again)
{
    struct capture capture;

    start_playback(BUFFER);
    fake_card_run(PERIOD + 3);
    fake_card_trip();
    capture_start(&capture);
    int looked = player_look(&player);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(looked, 0);
    ck_assert_ptr_nonnull(strstr(text, "stopped by itself"));
    ck_assert(fake_card.running);
    player_check(&player, PERIOD + 3, BUFFER);
    player.limit = 3 * BUFFER;
    player_serve(&player);
    play(BUFFER);
    fake_card_check_heard(BUFFER + PERIOD + 3);
}
END_TEST

START_TEST(suspended_card_that_lost_its_ring_gets_the_frames_again)
{
    struct capture capture;

    start_playback(BUFFER);
    fake_card_run(100);
    fake_card_suspend();
    player.limit = 2 * BUFFER;
    capture_start(&capture);
    player_serve(&player);
    const char *text = capture_end(&capture);
    ck_assert_ptr_nonnull(strstr(text, "stopped by itself"));
    ck_assert(fake_card.running);
    play(BUFFER - 100);
    player_check(&player, BUFFER, 2 * BUFFER);
    fake_card_check_heard(BUFFER);
    ck_assert_uint_eq(player.host->xruns, 1);
}
END_TEST

/* -- stop and start -- */

START_TEST(pause_freezes_the_card_and_start_goes_on)
{
    start_playback(2 * PERIOD);
    unsigned prepares = fake_card.prepares;
    fake_card_run(100);
    player_check(&player, 100, 2 * PERIOD);
    ck_assert_int_eq(player_stop(&player), 0);
    ck_assert(!fake_card.running);
    fake_card_run(100);
    player_check(&player, 100, 2 * PERIOD);
    ck_assert_uint_eq(player_remaining(&player, PERIOD), TIME_NEVER);
    /* The guest may queue more meanwhile. */
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    ck_assert(!fake_card.running);
    ck_assert_int_eq(player_start(&player), 0);
    ck_assert(fake_card.running);
    play(3 * PERIOD);
    player_check(&player, 3 * PERIOD, 3 * PERIOD);
    fake_card_check_heard((size_t)3 * PERIOD);
    ck_assert_uint_eq(fake_card.prepares, prepares);
    ck_assert_uint_eq(player.host->xruns, 0);
}
END_TEST

START_TEST(card_without_pause_is_dropped_and_gets_its_frames_again)
{
    fake_card.can_pause = false;
    fake_card.is_card = true;
    start_playback(BUFFER);
    fake_card_run(100);
    player_check(&player, 100, BUFFER);
    ck_assert_int_eq(player_stop(&player), 0);
    ck_assert(!fake_card.running);
    player_check(&player, 100, BUFFER);
    ck_assert_int_eq(player_write(&player, PERIOD), 100); /* may write while it is stopped */
    ck_assert(!fake_card.running);
    ck_assert_int_eq(player_start(&player), 0);
    play(BUFFER + 100);
    player_check(&player, BUFFER + 100, BUFFER + 100);
    fake_card_check_heard(BUFFER + 100);
    ck_assert_uint_eq(player.host->xruns, 0);
}
END_TEST

START_TEST(pause_that_fails_is_as_none)
{
    fake_card.is_card = true;
    fake_card.pause_error = -ENOSYS;
    start_playback(BUFFER);
    fake_card_run(100);
    player_check(&player, 100, BUFFER);
    ck_assert_int_eq(player_stop(&player), 0);
    ck_assert(!fake_card.running);
    player_check(&player, 100, BUFFER);
}
END_TEST

START_TEST(pause_that_does_not_end_costs_no_frame)
{
    start_playback(BUFFER);
    fake_card_run(100);
    ck_assert_int_eq(player_stop(&player), 0);
    fake_card.pause_error = -EIO;
    ck_assert_int_eq(player_start(&player), 0);
    player.limit = BUFFER;
    player_serve(&player);
    play(BUFFER);
    fake_card_check_heard(BUFFER);
}
END_TEST

/* As dmix: what is mixed is heard, dropped or not. */
START_TEST(plugin_without_pause_plays_its_ring_while_the_position_stands)
{
    fake_card.can_pause = false;
    start_playback(BUFFER);
    fake_card_run(100);
    player_check(&player, 100, BUFFER);
    ck_assert_int_eq(player_stop(&player), 0);
    fake_card_run(PERIOD);
    player_check(&player, 100, BUFFER);
    ck_assert_int_eq(player_start(&player), 0);
    player_check(&player, 100 + PERIOD, BUFFER);
    /* And when it has run dry. */
    ck_assert_int_eq(player_stop(&player), 0);
    play(BUFFER);
    player_check(&player, 100 + PERIOD, BUFFER);
    ck_assert_int_eq(player_start(&player), 0);
    player_check(&player, BUFFER, BUFFER);
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    fake_card_run(PERIOD);
    fake_card_check_heard(BUFFER + PERIOD);
    ck_assert_uint_eq(player.host->xruns, 0);
}
END_TEST

START_TEST(stop_before_anything_was_written_is_nothing)
{
    start_playback(0);
    ck_assert_int_eq(player_stop(&player), 0);
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    ck_assert_uint_eq(fake_card.starts, 0);
    ck_assert_int_eq(player_start(&player), 0);
    fake_card_run(PERIOD);
    fake_card_check_heard(PERIOD);
}
END_TEST

Suite *alsa_playback_suite(void)
{
    Suite *suite = suite_create("alsa_playback");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, alsa_setup, alsa_teardown);
    tcase_add_test(tests, every_frame_is_heard_once);
    tcase_add_test(tests, write_takes_what_there_is_room_for);
    tcase_add_test(tests, card_starts_with_start_and_not_before);
    tcase_add_test(tests, start_with_nothing_written_waits_for_the_first_frame);
    tcase_add_test(tests, ring_that_ran_dry_keeps_its_position_and_goes_on);
    tcase_add_test(tests, late_guest_is_not_our_xrun_with_short_periods_of_the_card_either);
    tcase_add_test(tests, ring_found_dry_by_a_write_is_written_to_at_once);
    tcase_add_test(tests, worker_that_did_not_run_is_an_xrun_and_is_told);
    tcase_add_test(tests, interrupt_in_the_middle_of_a_write_silences_none_of_it);
    tcase_add_test(tests, frames_left_in_a_ring_that_stopped_are_moved_again);
    tcase_add_test(tests, suspended_card_that_lost_its_ring_gets_the_frames_again);
    tcase_add_test(tests, pause_freezes_the_card_and_start_goes_on);
    tcase_add_test(tests, card_without_pause_is_dropped_and_gets_its_frames_again);
    tcase_add_test(tests, pause_that_fails_is_as_none);
    tcase_add_test(tests, pause_that_does_not_end_costs_no_frame);
    tcase_add_test(tests, plugin_without_pause_plays_its_ring_while_the_position_stands);
    tcase_add_test(tests, stop_before_anything_was_written_is_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
