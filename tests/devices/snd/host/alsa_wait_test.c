/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of when host=alsa has itself looked at: by the PCM's fds (devices/snd/host/alsa_wait.c) and
 * by the time it says is left, against a scripted card.
 */
#include "devices/snd/pcm/clock.h"
#include "tests/capture.h"
#include "tests/devices/snd/host/alsa_fixture.h"
#include "tests/wrap.h"

#include <check.h>
#include <unistd.h>

Suite *alsa_wait_suite(void);

#define PERIOD_NS 10000000ull
#define SPARE_NS  2500000ull /* how much later than the fds the time may be */

START_TEST(full_ring_wakes_once_when_a_period_was_played)
{
    fake_card.is_plug = _i == 1; /* which is full with a period to spare */
    start_playback(BUFFER);
    fake_card_run(PERIOD - 1);
    ck_assert_uint_eq(player_step(&player), 0);
    fake_card_run(1);
    ck_assert_uint_eq(player_step(&player), 1);
    fake_card_run(PERIOD); /* nothing was written: the stream knows that there is room */
    ck_assert_uint_eq(player_step(&player), 0);
    player_check(&player, 2 * PERIOD, BUFFER);
    ck_assert_int_eq(player_write(&player, 2 * PERIOD), 2 * PERIOD);
    fake_card_run(PERIOD);
    ck_assert_uint_eq(player_step(&player), 1);
}
END_TEST

START_TEST(any_of_several_fds_wakes)
{
    fake_card.two_fds = true;
    start_playback(BUFFER);
    ck_assert_uint_eq(player_step(&player), 0);
    fake_card_run(PERIOD);
    ck_assert_uint_eq(player_step(&player), 1);
    ck_assert_uint_eq(player_step(&player), 0);
    player_check(&player, PERIOD, BUFFER);
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    fake_card_run(PERIOD);
    ck_assert_uint_eq(player_step(&player), 1);
}
END_TEST

START_TEST(ring_with_room_for_a_period_goes_by_time_alone)
{
    start_playback(3 * PERIOD);
    ck_assert_uint_gt(player_remaining(&player, PERIOD), PERIOD_NS - SPARE_NS);
    ck_assert_uint_le(player_remaining(&player, PERIOD), PERIOD_NS);
    fake_card_run(PERIOD);
    ck_assert_uint_eq(player_step(&player), 0);
}
END_TEST

START_TEST(time_left_leaves_the_first_word_to_the_fds)
{
    start_playback(BUFFER);
    ck_assert_uint_gt(player_remaining(&player, PERIOD), PERIOD_NS);
    ck_assert_uint_le(player_remaining(&player, PERIOD), PERIOD_NS + SPARE_NS);
    /* A message that ends in the middle of the card's period is not the fds' business. */
    ck_assert_uint_le(player_remaining(&player, PERIOD / 2), PERIOD_NS / 2);
}
END_TEST

START_TEST(periods_of_the_card_count_from_where_it_was_prepared)
{
    start_playback(100);
    fake_card_run(100);
    player_check(&player, 100, 100);
    ck_assert_int_eq(player_write(&player, BUFFER), BUFFER);
    ck_assert_uint_gt(player_remaining(&player, 100 + PERIOD), PERIOD_NS);
    ck_assert_uint_le(player_remaining(&player, PERIOD), PERIOD_NS);
}
END_TEST

START_TEST(time_left_is_counted_from_the_last_position)
{
    start_playback(3 * PERIOD);
    fake_card_run(PERIOD - 48);
    player_check(&player, PERIOD - 48, 3 * PERIOD);
    ck_assert_uint_eq(player_remaining(&player, PERIOD - 48), 0);
    ck_assert_uint_le(player_remaining(&player, PERIOD), 1000000);
    ck_assert_uint_gt(player_remaining(&player, 2 * PERIOD), 6000000);
    ck_assert_uint_le(player_remaining(&player, 2 * PERIOD), 11000000);
}
END_TEST

START_TEST(late_card_is_asked_again_soon_and_then_less_often)
{
    start_playback(3 * PERIOD);
    usleep(11000);
    uint64_t soon = player_remaining(&player, PERIOD);
    ck_assert_uint_ge(soon, 250000);
    usleep(40000);
    uint64_t later = player_remaining(&player, PERIOD);
    ck_assert_uint_gt(later, soon);
    ck_assert_uint_le(later, 50000000);
}
END_TEST

START_TEST(stopped_ring_wakes_nobody)
{
    start_playback(BUFFER);
    ck_assert_int_eq(player_stop(&player), 0);
    fake_card_trip();
    ck_assert_uint_eq(player_step(&player), 0);
}
END_TEST

START_TEST(unplugged_card_wakes_the_stream)
{
    struct capture capture;

    start_playback(BUFFER);
    fake_card_unplug();
    ck_assert_uint_eq(player_step(&player), 1);
    capture_start(&capture);
    int looked = player_look(&player);
    (void)capture_end(&capture);
    ck_assert_int_eq(looked, -ENODEV);
    ck_assert_uint_eq(player_step(&player), 0);
}
END_TEST

/* player_step() asserts that the loop comes to rest. */
START_TEST(fds_that_are_always_ready_for_nothing_are_given_up)
{
    fake_card.fds_lie = true;
    start_playback(BUFFER);
    fake_card_run(1);
    ck_assert_uint_le(player_step(&player), 1);
    ck_assert_uint_le(player_remaining(&player, PERIOD), PERIOD_NS);
    /* Until the card has moved, which shows that it lives. */
    fake_card_run(PERIOD - 1);
    player_check(&player, PERIOD, BUFFER);
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    ck_assert_uint_gt(player_remaining(&player, 2 * PERIOD), PERIOD_NS);
}
END_TEST

/* Some plugins know one period only, whatever they are told. */
START_TEST(fds_that_fire_too_early_are_not_asked_again_at_once)
{
    start_playback(BUFFER);
    fake_card.avail_min = 1;
    fake_card_run(1);
    ck_assert_uint_eq(player_step(&player), 1);
    player_check(&player, 1, BUFFER);
    ck_assert_int_eq(player_write(&player, 1), 1);
    ck_assert_int_eq(player_write(&player, 1), 0);
    fake_card_run(1);
    ck_assert_uint_eq(player_step(&player), 1);
    ck_assert_int_eq(player_write(&player, 0), 0);
    ck_assert_uint_eq(player_step(&player), 0);
}
END_TEST

START_TEST(pcm_without_fds_goes_by_time)
{
    fake_card.no_fds = true;
    start_playback(BUFFER);
    fake_card_run(PERIOD);
    ck_assert_uint_eq(player_step(&player), 0);
    ck_assert_uint_le(player_remaining(&player, PERIOD), PERIOD_NS);
}
END_TEST

START_TEST(fds_that_epoll_does_not_take_are_done_without)
{
    open_playback();
    ck_assert_int_eq(player_write(&player, BUFFER), BUFFER);
    wrap_fail_after(WRAP_EPOLL_CTL, 0, EPERM);
    ck_assert_int_eq(player_start(&player), 0);
    ck_assert_uint_eq(wrap_stop(WRAP_EPOLL_CTL), 1);
    fake_card_run(PERIOD);
    ck_assert_uint_eq(player_step(&player), 0);
    ck_assert_uint_le(player_remaining(&player, PERIOD), PERIOD_NS);
}
END_TEST

START_TEST(recording_wakes_when_a_period_is_there)
{
    uint32_t frames[PERIOD];

    start_capture();
    ck_assert_uint_gt(player_remaining(&player, PERIOD), PERIOD_NS);
    fake_card_run(PERIOD - 1);
    ck_assert_uint_eq(player_step(&player), 0);
    fake_card_run(1);
    ck_assert_uint_eq(player_step(&player), 1);
    ck_assert_int_eq(player_read(&player, frames, PERIOD), PERIOD);
    ck_assert_uint_eq(player_step(&player), 0);
    fake_card_run(PERIOD);
    ck_assert_uint_eq(player_step(&player), 1);
}
END_TEST

/* A PCM of alsa-lib that takes all at once, and has an fd that epoll does not want. */
START_TEST(null_pcm_plays_as_fast_as_it_is_fed)
{
    player_init(&player, "null", PCM_OUTPUT);
    ck_assert_int_eq(open_again(), 0);
    ck_assert_int_eq(player_start(&player), 0);
    player.limit = 480000;
    ck_assert(player_run(&player, PERIOD, 5000));
    player_check(&player, 480000, 480000);
}
END_TEST

Suite *alsa_wait_suite(void)
{
    Suite *suite = suite_create("alsa_wait");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, alsa_setup, alsa_teardown);
    tcase_add_loop_test(tests, full_ring_wakes_once_when_a_period_was_played, 0, 2);
    tcase_add_test(tests, any_of_several_fds_wakes);
    tcase_add_test(tests, ring_with_room_for_a_period_goes_by_time_alone);
    tcase_add_test(tests, time_left_leaves_the_first_word_to_the_fds);
    tcase_add_test(tests, periods_of_the_card_count_from_where_it_was_prepared);
    tcase_add_test(tests, time_left_is_counted_from_the_last_position);
    tcase_add_test(tests, late_card_is_asked_again_soon_and_then_less_often);
    tcase_add_test(tests, stopped_ring_wakes_nobody);
    tcase_add_test(tests, unplugged_card_wakes_the_stream);
    tcase_add_test(tests, fds_that_are_always_ready_for_nothing_are_given_up);
    tcase_add_test(tests, fds_that_fire_too_early_are_not_asked_again_at_once);
    tcase_add_test(tests, pcm_without_fds_goes_by_time);
    tcase_add_test(tests, fds_that_epoll_does_not_take_are_done_without);
    tcase_add_test(tests, recording_wakes_when_a_period_is_there);
    tcase_add_test(tests, null_pcm_plays_as_fast_as_it_is_fed);
    suite_add_tcase(suite, tests);
    return suite;
}
