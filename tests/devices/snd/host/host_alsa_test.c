/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of devices/snd/host/host_alsa.c and alsa_pcm.c: what a PCM can do, opening
 * and closing it, and a card that goes away. Against a scripted card and PCMs of alsa-lib that need
 * none. Frames under way are in alsa_playback_test.c, real cards in alsa_card_test.c.
 */
#include "devices/snd/pcm/clock.h"
#include "tests/alloc_fail.h"
#include "tests/capture.h"
#include "tests/devices/snd/host/alsa_fixture.h"
#include "tests/fake_helper.h"
#include "tests/wrap.h"
#include "vmm/config/opts.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Suite *host_alsa_suite(void);

/* -- what the PCM can do -- */

START_TEST(caps_are_those_of_the_pcm)
{
    player_init(&player, "fake", PCM_OUTPUT);
    /* S16 is 5, FLOAT 19; 32000, 44100, 48000 are 5, 6, 7 (virtio 1.2 §5.14.6.6.2). */
    ck_assert_uint_eq(player.host->caps.formats, 1ull << 5 | 1ull << 19);
    ck_assert_uint_eq(player.host->caps.rates, 1ull << 5 | 1ull << 6 | 1ull << 7);
    ck_assert_uint_eq(player.host->caps.channels_min, 2);
    ck_assert_uint_eq(player.host->caps.channels_max, 6);
    ck_assert(!fake_card.is_open);
}
END_TEST

START_TEST(caps_of_a_pcm_that_does_all_are_every_format_and_rate)
{
    player_init(&player, "plug:null", PCM_OUTPUT);
    ck_assert_uint_eq(player.host->caps.formats, 0x1ffff8);
    ck_assert_uint_eq(player.host->caps.rates, 0xffff);
    ck_assert_uint_eq(player.host->caps.channels_min, 1);
    ck_assert_uint_eq(player.host->caps.channels_max, 255);
}
END_TEST

static void check_refused(const char *device, enum pcm_direction direction, const char *reason)
{
    struct capture capture;
    struct host *host = NULL;
    struct opts *opts = player_opts(device);

    capture_start(&capture);
    int r = player_create(opts, direction, &host);
    const char *text = capture_end(&capture);
    opts_destroy(opts);
    ck_assert_int_lt(r, 0);
    ck_assert_int_ne(r, -EINVAL); /* that would be exit status 35 */
    ck_assert_ptr_null(host);
    ck_assert_one_error(text, "--snd device");
    ck_assert_msg(strstr(text, device) != NULL, "%s", text);
    ck_assert_msg(strstr(text, reason) != NULL, "%s", text);
}

static void check_refused_as(int error, const char *device, const char *reason)
{
    struct capture capture;
    struct host *host = NULL;
    struct opts *opts = player_opts(device);

    capture_start(&capture);
    int r = player_create(opts, PCM_OUTPUT, &host);
    const char *text = capture_end(&capture);
    opts_destroy(opts);
    ck_assert_int_eq(r, error);
    ck_assert_one_error(text, reason);
}

START_TEST(pcm_that_does_not_exist_is_refused_in_one_line)
{
    check_refused("no-such-pcm", PCM_OUTPUT, "'aplay -L' and");
    check_refused("hw:77", PCM_OUTPUT, "'aplay -L' and");
    check_refused("hw:77", PCM_INPUT, "'arecord -L' list");
    check_refused("file:", PCM_OUTPUT, "'aplay -L' and");
    check_refused("{", PCM_OUTPUT, "--snd device");
}
END_TEST

START_TEST(busy_or_forbidden_pcm_is_refused_with_a_remedy)
{
    fake_card.open_error = -EBUSY;
    check_refused("fake", PCM_OUTPUT, "another program has it");
    fake_card.open_error = -EACCES;
    check_refused("fake", PCM_OUTPUT, "group 'audio'");
    fake_card.open_error = -ECONNREFUSED;
    check_refused("fake", PCM_OUTPUT, "sound server");
}
END_TEST

START_TEST(setup_that_the_pcm_refuses_is_told_once)
{
    struct capture capture;

    player_init(&player, "fake", PCM_OUTPUT);
    capture_start(&capture);
    int r1 = player_open(&player, 96000, PERIOD, BUFFER);
    int r2 = player_open(&player, 96000, PERIOD, BUFFER);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r1, -EOPNOTSUPP);
    ck_assert_int_eq(r2, -EOPNOTSUPP);
    ck_assert_ptr_nonnull(strstr(text, "S16, 96000 Hz, 2 channels"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    ck_assert(!fake_card.is_open);
}
END_TEST

START_TEST(period_and_buffer_are_the_guests)
{
    open_playback();
    ck_assert_uint_eq(fake_card.io.period_size, PERIOD);
    ck_assert_uint_eq(fake_card.io.buffer_size, BUFFER);
}
END_TEST

START_TEST(period_and_buffer_come_as_near_as_the_card_can)
{
    fake_card.period_frames_max = 256;
    open_playback();
    ck_assert_uint_eq(fake_card.io.period_size, 256);
    ck_assert_uint_ge(fake_card.io.buffer_size, BUFFER - 256);
    ck_assert_uint_le(fake_card.io.buffer_size, BUFFER + 256);
}
END_TEST

START_TEST(buffer_of_one_period_gets_a_ring_of_two)
{
    player_init(&player, "fake", PCM_OUTPUT);
    ck_assert_int_eq(player_open(&player, 48000, PERIOD, PERIOD), 0);
    ck_assert_uint_eq(fake_card.io.period_size, PERIOD);
    ck_assert_uint_eq(fake_card.io.buffer_size, 2 * PERIOD);
}
END_TEST

START_TEST(mixing_plugin_has_a_period_more_that_is_never_filled)
{
    fake_card.is_plug = true;
    open_playback();
    ck_assert_uint_eq(fake_card.io.buffer_size, BUFFER + PERIOD);
    ck_assert_int_eq(player_write(&player, BUFFER + PERIOD), BUFFER);
    ck_assert_int_eq(player_write(&player, PERIOD), 0);
}
END_TEST

/* alsa-lib's own, behind its plug: what is written is there when it was closed. */
START_TEST(frames_pass_through_plugins_unchanged)
{
    char path[] = "/tmp/linnet-alsa-XXXXXX", device[128];
    static uint32_t frames[10 * PERIOD + 1];
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    (void)snprintf(device, sizeof(device), "plug:'file:%s,raw'", path);
    player_init(&player, device, PCM_OUTPUT);
    ck_assert_int_eq(open_again(), 0);
    ck_assert_int_eq(player_start(&player), 0);
    player.limit = 10 * PERIOD;
    ck_assert(player_run(&player, PERIOD, 5000));
    ck_assert_int_eq(player_stop(&player), 0);
    player_close(&player);
    ck_assert_int_eq(player.host->class->finish(player.host), 0);
    ssize_t len = pread(fd, frames, sizeof(frames), 0);
    fd_close(&fd);
    (void)unlink(path);
    ck_assert_int_eq(len, (ssize_t)10 * PERIOD * 4);
    for (uint32_t i = 0; i < 10 * PERIOD; i++)
        ck_assert_uint_eq(frames[i], i + 1);
}
END_TEST

START_TEST(out_of_memory_is_told_and_leaves_nothing)
{
    struct opts *opts = player_opts("fake");
    struct capture capture;
    struct host *host = NULL;

    capture_start(&capture);
    alloc_fail_after((unsigned)_i);
    int r = player_create(opts, PCM_OUTPUT, &host);
    bool failed = alloc_fail_stop();
    const char *text = capture_end(&capture);
    opts_destroy(opts);
    ck_assert(failed);
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_ptr_null(host);
    ck_assert_one_error(text, "");
}
END_TEST

/* -- closing, and opening again -- */

START_TEST(frames_count_from_0_when_it_is_opened_again)
{
    start_playback(BUFFER);
    fake_card_run(PERIOD);
    player_check(&player, PERIOD, BUFFER);
    ck_assert_int_eq(player_stop(&player), 0);
    player_close(&player);
    ck_assert(!fake_card.is_open); /* what was not consumed is dropped */
    fake_card.heard_frames = 0;
    ck_assert_int_eq(open_again(), 0);
    player_check(&player, 0, 0);
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    ck_assert_int_eq(player_start(&player), 0);
    fake_card_run(PERIOD);
    player_check(&player, PERIOD, PERIOD);
    fake_card_check_heard(PERIOD);
}
END_TEST

START_TEST(recording_counts_from_0_too)
{
    start_capture();
    fake_card_run(100);
    player_check(&player, 100, 100);
    player_close(&player);
    ck_assert_int_eq(open_again(), 0);
    ck_assert_int_eq(player_start(&player), 0);
    fake_card_run(50);
    player_check(&player, 50, 50);
}
END_TEST

START_TEST(finish_ends_the_helper_and_closes_the_pcm)
{
    start_playback(PERIOD);
    fake_card_run(PERIOD);
    player_check(&player, PERIOD, PERIOD);
    player_close(&player);
    ck_assert_int_eq(player.host->class->finish(player.host), 0);
    ck_assert(!fake_card.is_open);
}
END_TEST

/* -- looking -- */

/* What the worker does when it is woken, while the helper sleeps on. */
static void serve_asleep(void)
{
    struct host_position position;
    uint32_t frames[PERIOD];

    for (uint32_t i = 0; i < PERIOD; i++)
        frames[i] = (uint32_t)player.next + i + 1;
    ck_assert_int_eq(player.host->class->position(player.host, &position), 0);
    ck_assert_int_eq(player.host->class->write(player.host, frames, PERIOD), PERIOD);
    player.next += PERIOD;
}

/* A card with much to play is looked at when a period ends, and not when one is written. */
START_TEST(helper_wakes_once_a_period)
{
    start_playback(BUFFER);
    fake_card_run(PERIOD + 7); /* as it is: the look comes a little after the end */
    ck_assert_uint_eq(player_step(&player), 1);
    serve_asleep();
    for (unsigned i = 0; i < 10; i++) {
        fake_card_run(PERIOD);
        ck_assert_uint_eq(player_step(&player), 1);
        serve_asleep();
        ck_assert(!fake_helper_is_asked());
    }
    fake_card_run(PERIOD / 2);
    ck_assert_uint_eq(player_step(&player), 0);
    fake_card_check_heard(11 * PERIOD + 7 + PERIOD / 2);
}
END_TEST

/* -- a helper that does not do as it should -- */

START_TEST(helper_that_hangs_while_it_opens_holds_up_nothing)
{
    player_init(&player, "fake", PCM_OUTPUT);
    fake_helper_hang(true);
    ck_assert_int_eq(open_again(), -EINPROGRESS);
    player_close(&player);
    ck_assert_int_eq(open_again(), -EINPROGRESS);
    fake_helper_hang(false);
    (void)player_step(&player);
    ck_assert_int_eq(player.opening, 0); /* of the second; the first is not told any more */
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    ck_assert_int_eq(player_start(&player), 0);
    fake_card_run(PERIOD);
    fake_card_check_heard(PERIOD);
}
END_TEST

/* 250 ms, however often it is looked, and not by time in which nobody looked. */
START_TEST(helper_that_hangs_is_given_up_and_taken_back)
{
    struct capture capture;
    int looked = 0;
    unsigned looks = 0;

    start_playback(BUFFER);
    player_check(&player, 0, BUFFER);
    fake_helper_hang(true);
    alsa_clock.now_ns += 3600 * SECOND_NS;
    ck_assert_int_eq(player_look(&player), 0);
    capture_start(&capture);
    for (; looked == 0 && looks < 100; looks++) {
        uint64_t left = player_remaining(&player, PERIOD);
        alsa_clock.now_ns += left;
        looked = player_look(&player);
    }
    player_close(&player);
    int reopened = open_again();
    fake_helper_hang(false);
    (void)player_step(&player);
    fake_card.moves = false;
    const char *text = capture_end(&capture);
    ck_assert_int_eq(looked, -ETIMEDOUT);
    ck_assert_uint_ge(looks, 3);
    ck_assert_uint_le(looks, 6);
    ck_assert_int_eq(reopened, -EINPROGRESS);
    ck_assert_str_eq(text, "linnet: warn: test: \"fake\" failed: Connection timed out; the guest "
                           "goes on without it, it is opened anew\n");
}
END_TEST

/* At each of its messages: when it opens, plays, stands still, is closed. */
START_TEST(helper_that_dies_is_told_once_and_not_waited_for)
{
    struct capture capture;

    player_init(&player, "fake", PCM_OUTPUT);
    fake_helper_hang(_i == 0);
    (void)open_again();
    if (_i >= 1)
        ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    if (_i >= 2)
        ck_assert_int_eq(player_start(&player), 0);
    if (_i >= 3)
        ck_assert_int_eq(player_stop(&player), 0);
    if (_i >= 4)
        player_close(&player);
    capture_start(&capture);
    fake_helper_kill();
    (void)player_step(&player);
    int opening = player.opening;
    int looked = _i >= 1 && _i < 4 ? player_look(&player) : -EPIPE;
    player_close(&player);
    int reopened = open_again(), again = open_again();
    const char *text = capture_end(&capture);
    ck_assert_int_eq(opening, _i == 0 ? -ENODEV : 0);
    ck_assert_int_eq(looked, -EPIPE);
    ck_assert_int_eq(reopened, -ENODEV); /* so a guest goes on without, as without any card */
    ck_assert_int_eq(again, -ENODEV);
    ck_assert_str_eq(text, "linnet: warn: test: the process that has \"fake\" ended; the guest "
                           "goes on without it\n");
}
END_TEST

START_TEST(helper_that_can_not_be_started_is_one_line)
{
    fake_helper_refuse(-EAGAIN);
    struct capture capture;
    struct host *host = NULL;
    struct opts *opts = player_opts("fake");
    capture_start(&capture);
    int r = player_create(opts, PCM_OUTPUT, &host);
    const char *text = capture_end(&capture);
    fake_helper_refuse(0);
    opts_destroy(opts);
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_one_error(text, "");
}
END_TEST

START_TEST(pcm_without_time_is_refused)
{
    check_refused_as(-EINVAL, "null", "take host=null");
}
END_TEST

/* -- a card that goes away -- */

START_TEST(unplugged_card_fails_all_and_is_told_once)
{
    struct capture capture;

    start_playback(BUFFER);
    fake_card_unplug();
    capture_start(&capture);
    int looked = player_look(&player);
    int looked_again = player_look(&player);
    ssize_t wrote = player_write(&player, 1);
    int stopped = player_stop(&player);
    int started = player_start(&player);
    player_close(&player);
    int reopened = open_again();
    const char *text = capture_end(&capture);
    ck_assert_int_eq(looked, -ENODEV);
    ck_assert_int_eq(looked_again, -ENODEV);
    ck_assert_int_eq(wrote, -ENODEV);
    ck_assert_int_eq(stopped, 0);
    ck_assert_int_eq(started, -ENODEV);
    ck_assert_int_eq(reopened, -ENODEV);
    ck_assert_str_eq(text, "linnet: warn: test: \"fake\" failed: No such device; the guest goes "
                           "on without it, it is opened anew\n");
}
END_TEST

START_TEST(card_that_is_plugged_in_again_plays)
{
    struct capture capture;

    start_playback(BUFFER);
    fake_card_unplug();
    capture_start(&capture);
    int looked = player_look(&player);
    player_close(&player);
    fake_card.open_error = 0;
    int reopened = open_again();
    int started = player_start(&player);
    ssize_t written = player_write(&player, PERIOD);
    fake_card_run(PERIOD);
    int looked_again = player_look(&player);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(looked, -ENODEV);
    ck_assert_int_eq(reopened, 0);
    ck_assert_int_eq(started, 0);
    ck_assert_int_eq(written, PERIOD);
    ck_assert_int_eq(looked_again, 0);
    ck_assert_ptr_nonnull(strstr(text, "\"fake\" is back\n"));
    fake_card_check_heard(PERIOD);
}
END_TEST

START_TEST(error_of_any_call_is_passed_on)
{
    struct capture capture;

    open_playback();
    ck_assert_int_eq(player_write(&player, PERIOD), PERIOD);
    fake_card.start_error = -EIO;
    capture_start(&capture);
    int started = player_start(&player);
    int played = player_look(&player);
    (void)capture_end(&capture);
    ck_assert_int_eq(started, 0); /* it is only told to */
    ck_assert_int_eq(played, -EIO);
    player_close(&player);
    fake_card.start_error = 0;
    capture_start(&capture);
    int reopened = open_again();
    (void)player_write(&player, PERIOD);
    (void)player_start(&player);
    fake_card.status_error = -500001; /* one of alsa-lib's own */
    int looked = player_look(&player);
    (void)capture_end(&capture);
    ck_assert_int_eq(reopened, 0);
    ck_assert_int_eq(looked, -EIO);
}
END_TEST

Suite *host_alsa_suite(void)
{
    Suite *suite = suite_create("host_alsa");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, alsa_setup, alsa_teardown);
    tcase_add_test(tests, caps_are_those_of_the_pcm);
    tcase_add_test(tests, caps_of_a_pcm_that_does_all_are_every_format_and_rate);
    tcase_add_test(tests, pcm_that_does_not_exist_is_refused_in_one_line);
    tcase_add_test(tests, busy_or_forbidden_pcm_is_refused_with_a_remedy);
    tcase_add_test(tests, setup_that_the_pcm_refuses_is_told_once);
    tcase_add_test(tests, period_and_buffer_are_the_guests);
    tcase_add_test(tests, mixing_plugin_has_a_period_more_that_is_never_filled);
    tcase_add_test(tests, period_and_buffer_come_as_near_as_the_card_can);
    tcase_add_test(tests, buffer_of_one_period_gets_a_ring_of_two);
    tcase_add_test(tests, frames_pass_through_plugins_unchanged);
    tcase_add_loop_test(tests, out_of_memory_is_told_and_leaves_nothing, 0, 2);
    tcase_add_test(tests, frames_count_from_0_when_it_is_opened_again);
    tcase_add_test(tests, recording_counts_from_0_too);
    tcase_add_test(tests, finish_ends_the_helper_and_closes_the_pcm);
    tcase_add_test(tests, helper_wakes_once_a_period);
    tcase_add_test(tests, helper_that_hangs_while_it_opens_holds_up_nothing);
    tcase_add_test(tests, helper_that_hangs_is_given_up_and_taken_back);
    tcase_add_loop_test(tests, helper_that_dies_is_told_once_and_not_waited_for, 0, 5);
    tcase_add_test(tests, helper_that_can_not_be_started_is_one_line);
    tcase_add_test(tests, pcm_without_time_is_refused);
    tcase_add_test(tests, unplugged_card_fails_all_and_is_told_once);
    tcase_add_test(tests, card_that_is_plugged_in_again_plays);
    tcase_add_test(tests, error_of_any_call_is_passed_on);
    suite_add_tcase(suite, tests);
    return suite;
}
