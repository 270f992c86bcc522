/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_fixture.h. */
#include "tests/devices/snd/host/alsa_fixture.h"

#include "tests/fake_helper.h"

#include <check.h>

struct player player;

struct fake_clock alsa_clock = FAKE_CLOCK;

void alsa_setup(void)
{
    alsa_clock.now_ns = 1000 * SECOND_NS;
    fake_card_init();
    fake_card.can_pause = true;
    fake_helper_begin(&alsa_clock.base);
}

void alsa_teardown(void)
{
    player_fini(&player);
    fake_helper_begin(NULL);
    fake_card_fini();
}

int open_again(void)
{
    return player_open(&player, 48000, PERIOD, BUFFER);
}

void open_playback(void)
{
    player_init(&player, "fake", PCM_OUTPUT);
    ck_assert_int_eq(open_again(), 0);
}

void open_capture(void)
{
    player_init(&player, "fake", PCM_INPUT);
    ck_assert_int_eq(open_again(), 0);
}

void start_playback(unsigned frames)
{
    open_playback();
    ck_assert_int_eq(player_write(&player, frames), frames);
    ck_assert_int_eq(player_start(&player), 0);
}

void start_capture(void)
{
    open_capture();
    ck_assert_int_eq(player_start(&player), 0);
}

void play_and_check(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        player.limit += 333;
        player_serve(&player);
        fake_card_run(333);
    }
    player_check(&player, (uint64_t)times * 333, (uint64_t)times * 333);
    fake_card_check_heard((uint64_t)times * 333);
}
