/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes the calls to a PCM on a thread of its own, and does not wait for longer than a quarter of a
 * second. The PCM of a sound server needs that: it says that it does not block, but some of its
 * calls wait for the server, which may be stopped. A call that is not back by then is given up, and
 * with it the PCM, which the thread closes whenever the call comes back.
 *
 * One user at a time.
 */
#pragma once

#include "devices/snd/host/alsa_pcm.h"

/* Has a PCM that was set up guarded from now on, if it may need that. -EHOSTDOWN: too many of such
 * PCMs are given up by now, and their calls not back. */
int alsa_guard_begin(struct alsa_pcm *pcm);
/* The PCM is its owner's again; or gone (closed, as far as the owner is concerned) if a call was
 * given up. Does nothing if it is not guarded. */
void alsa_guard_end(struct alsa_pcm *pcm);

/* Its thread gets the priority of this one. */
void alsa_guard_prioritize(struct alsa_guard *guard);

/* Result of the call. -ETIMEDOUT: it was given up, as all calls are from then on. */
long alsa_guard_call(struct alsa_guard *guard, struct alsa_call *call);
