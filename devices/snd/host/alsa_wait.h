/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fds of an ALSA PCM in an event loop. A PCM's fds stay ready for as long as its ring has room
 * (or frames), so each watch fires once and is then armed anew by whoever has filled the ring.
 * Plugins have fds and events of their own; alsa-lib is asked what they mean. On the loop's thread.
 */
#pragma once

#include "devices/snd/host/alsa_pcm.h"
#include "vmm/base/loop.h"

struct alsa_wait;

struct alsa_watch {
    struct watch watch;
    struct alsa_wait *wait;
};

struct alsa_wait {
    struct alsa_pcm *pcm; /* borrowed */
    struct loop *loop;    /* borrowed */
    void (*woken)(struct alsa_wait *wait);
    bool armed;
    unsigned futile;   /* wake-ups since alsa_wait_worked() */
    unsigned fd_count; /* the PCM's; 0: no fds to be had, `woken` is never called */
    struct alsa_watch watches[ALSA_FDS_MAX];
};

/* Takes the fds of a PCM that is set up. Nothing is armed yet. */
void alsa_wait_begin(struct alsa_wait *wait, struct alsa_pcm *pcm, struct loop *loop,
                     void (*woken)(struct alsa_wait *wait));
/* No `woken` follows. Does nothing if not begun. */
void alsa_wait_end(struct alsa_wait *wait);

/* Calls `woken` once, when the PCM has room for a period (has recorded one) or fails. A PCM whose
 * fds fire again and again to no avail is no longer waited for. */
void alsa_wait_arm(struct alsa_wait *wait);
/* The PCM's position has moved: its wake-ups make sense. */
void alsa_wait_worked(struct alsa_wait *wait);
