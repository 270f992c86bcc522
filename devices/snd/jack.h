/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jacks of the sound device (virtio 1.4 §5.14.6.4): what the card's sockets are, and whether
 * something is plugged in. That is the host's state: a reset of the device does not change it. They
 * can't be remapped.
 * Main: init. Else the worker, or whoever owns the device while it is inactive.
 */
#pragma once

#include "devices/snd/event.h"

struct opts;
struct snd;

struct jack {
    const char *name; /* "headphone" */
    struct wire_jack_info info;
};

struct jacks {
    struct events *events; /* borrowed */
    unsigned count;
    struct jack item[EVENT_JACKS_MAX];
};

/* Makes what jacks= asks for; `events` is set, the streams are there. -EINVAL after a line. */
int jacks_init(struct jacks *jacks, const struct pcm *pcm, const struct opts *opts);

/* Plugs something in or out, and tells the driver if that is news. */
void jack_plug(struct jacks *jacks, unsigned jack, bool connected);
