/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closes an ALSA PCM on a thread of its own: its last frames are heard first, which takes as long
 * as they are, and the closing of a sound server's PCM takes as long as the server likes.
 */
#pragma once

#include "devices/snd/host/alsa_pcm.h"

struct alsa_farewell;

/* Takes *pcm over and leaves it closed behind. Frames that have left its ring are given `linger_ns`
 * to be heard (two seconds at most). Those in the ring are dropped. *ret_farewell is NULL if the
 * PCM was closed at once, for want of a thread. */
void alsa_farewell_begin(struct alsa_pcm *pcm, uint64_t linger_ns,
                         struct alsa_farewell **ret_farewell);
/* Waits until it is closed, and makes *farewell NULL. Accepts a pointer to NULL. */
void alsa_farewell_end(struct alsa_farewell **farewell);
/* The same at the end of the program, which does not wait forever: -ETIMEDOUT, and what hangs is
 * left alone. */
int alsa_farewell_last(struct alsa_farewell **farewell);
