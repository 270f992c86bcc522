/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The helper's half of host=alsa: one process, one thread, one PCM. See alsa_link.h for how it
 * talks to ours, alsa_run.h for what the PCM does.
 *
 * It waits for whatever comes first: a message, a kick, the PCM's fds, the time at which a period
 * of the guest should have ended. Then it looks where the PCM is, moves what can be moved, and
 * tells if a period has ended. Coarse pointers are not hunted: one look for each of these.
 *
 * A PCM that was closed stays open for a while: its last frames are heard, and an OPEN with the
 * same parameters has it at once.
 */
#pragma once

#include "devices/snd/host/alsa_run.h"

struct alsa_serve {
    struct alsa_job job;
    int socket;
    struct alsa_run run;
    bool in_use;      /* between OPEN and CLOSE */
    bool ended;       /* the socket has; nothing is left to do */
    uint32_t serial;  /* of the last OPEN */
    uint64_t keep_ns; /* not in use: until when the PCM stays open */
};

/* Says what the PCM can do (ALSA_CAPS). */
void alsa_serve_begin(struct alsa_serve *serve, int socket, const struct alsa_job *job);
/* Waits for `wait_ns` at most, and does what is to be done: how long to wait next; TIME_NEVER: for
 * ever. Sets `ended`. */
uint64_t alsa_serve_round(struct alsa_serve *serve, uint64_t wait_ns);
