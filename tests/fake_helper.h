/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Helpers (vmm/base/helper.h) without processes: programs linked with --wrap for
 * helper_start and helper_end have them run in the test's own thread, a round at a time, at a time
 * that the test says. So nothing sleeps, races or waits; one that is not stepped hangs.
 */
#pragma once

#include "vmm/base/timebase.h"

struct alsa_shared;

/* From now on helpers are stepped, by that time; NULL: they are processes again. */
void fake_helper_begin(struct timebase *timebase);
/* That time. */
struct timebase *fake_helper_stepped(void);
/* Has each do all that it can do now. */
void fake_helper_step(void);
/* How long until one of them wants to be stepped unasked. */
uint64_t fake_helper_wait(void);
/* True if the first was asked something, and has not looked yet. */
bool fake_helper_is_asked(void);
/* Its end of the socket and, of a PCM's, the memory that it shares: for a test that lies. */
int fake_helper_socket(void);
/* Ours. */
int fake_helper_ours(void);
struct alsa_shared *fake_helper_shared(void);
/* They get no time to run, or do again. */
void fake_helper_hang(bool hangs);
/* They die. */
void fake_helper_kill(void);
/* The next one can't be started, for this reason. */
void fake_helper_refuse(int error);
