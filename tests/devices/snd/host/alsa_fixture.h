/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of host=alsa with a scripted card (tests/fake_card.h) begin with: the card, which can
 * pause, and a player of it.
 */
#pragma once

#include "tests/alsa_player.h"
#include "tests/fake_card.h"
#include "tests/fake_clock.h"

#define PERIOD 480 /* frames; 10 ms at 48 kHz */
#define BUFFER (4 * PERIOD)

extern struct player player;

/* The time that the helper and the player have; it stands still. */
extern struct fake_clock alsa_clock;

/* Checked fixture. */
void alsa_setup(void);
void alsa_teardown(void);

/* Opens the player. */
int open_again(void);
void open_playback(void);
void open_capture(void);
/* The same, started; playback with that many frames in the ring. */
void start_playback(unsigned frames);
void start_capture(void);

/* So many times, a third of a thousand frames are played; asserts that each was heard once. */
void play_and_check(unsigned times);
