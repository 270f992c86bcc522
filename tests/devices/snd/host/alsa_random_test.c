/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random programs for host=alsa: a stream that follows host.h to the letter, and a scripted card
 * that does anything at any time. The oracle is one sentence: the card plays frames 1, 2, 3, ...,
 * each once, and the position says how many.
 */
#include "tests/devices/snd/host/alsa_fixture.h"
#include "vmm/base/log.h"

#include <check.h>

Suite *alsa_random_suite(void);

#undef PERIOD
#define PERIOD   64
#define STEPS    3000
#define PROGRAMS 24

static uint64_t seed;
static bool wanted;

static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

/* The position is what was heard; it may lag behind while the stream has the card stopped, and a
 * card without pause plays on. */
static void check_truth(void)
{
    uint64_t before = player.position.consumed_frames;

    ck_assert_int_eq(player_look(&player), 0);
    ck_assert_uint_le(player.position.consumed_frames, player.next);
    ck_assert_uint_ge(player.position.consumed_frames, before);
    if (wanted)
        ck_assert_uint_eq(player.position.consumed_frames, fake_card.heard_frames);
    else
        ck_assert_uint_le(player.position.consumed_frames, fake_card.heard_frames);
    for (uint64_t i = before; i < fake_card.heard_frames; i++)
        ck_assert_uint_eq(fake_card.heard[i], i + 1);
}

static void start_or_stop(void)
{
    wanted = !wanted;
    ck_assert_int_eq(wanted ? player_start(&player) : player_stop(&player), 0);
}

static void step(void)
{
    switch (draw(12)) {
    case 0:
    case 1:
        player.limit += draw(2 * PERIOD);
        break;
    case 2:
    case 3:
    case 4:
        player_serve(&player);
        ck_assert_int_eq(player.error, 0);
        break;
    case 5:
        if (player.next < player.limit)
            ck_assert_int_ge(
                player_write(&player, 1 + draw((unsigned)(player.limit - player.next))), 0);
        break;
    case 6:
    case 7:
    case 8:
        fake_card_run(draw(2 * PERIOD));
        break;
    case 9:
        start_or_stop();
        break;
    case 10:
        (void)player_step(&player);
        break;
    default:
        if (draw(4) == 0 && fake_card.running)
            draw(2) == 0 ? fake_card_suspend() : fake_card_trip();
    }
}

/* Programs differ in seed and in what the card can do. */
START_TEST(every_frame_is_heard_once_whatever_happens)
{
    alsa_setup();
    log_set_level(LOG_LEVEL_ERROR);
    seed = 12345 + (uint64_t)_i;
    wanted = false;
    fake_card.can_pause = _i % 3 == 0;
    fake_card.is_card = _i % 3 == 1;
    fake_card.is_plug = _i % 4 == 2;
    player_init(&player, "fake", PCM_OUTPUT);
    ck_assert_int_eq(player_open(&player, 48000, PERIOD, BUFFER), 0);
    for (unsigned i = 0; i < STEPS; i++) {
        step();
        if (draw(2) == 0)
            check_truth();
    }
    if (!wanted)
        start_or_stop();
    for (unsigned i = 0; i < 2 * STEPS && fake_card.heard_frames < player.limit; i++) {
        player_serve(&player);
        fake_card_run(PERIOD);
    }
    fake_card_check_heard(player.limit);
    ck_assert_uint_gt(player.limit, 10 * BUFFER);
    alsa_teardown();
    log_set_level(LOG_LEVEL_INFO);
}
END_TEST

Suite *alsa_random_suite(void)
{
    Suite *suite = suite_create("alsa_random");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, every_frame_is_heard_once_whatever_happens, 0, PROGRAMS);
    suite_add_tcase(suite, tests);
    return suite;
}
