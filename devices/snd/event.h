/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the driver is to be told unasked (virtio 1.4 §5.14.6.2, .4.3, .6.7, .10.5): a jack was
 * plugged or unplugged, a stream ran dry, a control element changed.
 *
 * What is pending is state, not a list, so it has a bound: a flag per jack, per stream and
 * per control element. It is told as the driver gives buffers for it; a jack's event says how the
 * jack is by then. Nothing waits for that. Worker; or whoever owns the device while it is inactive:
 * then nothing becomes pending, for a driver asks for the state when it starts.
 */
#pragma once

#include "devices/snd/mixer/ctl.h"

#define EVENT_JACKS_MAX   16
#define EVENT_STREAMS_MAX 128

/* Where in events.what those of the controls and streams begin, behind the jacks. */
#define EVENT_CONTROLS EVENT_JACKS_MAX
#define EVENT_STREAMS  (EVENT_CONTROLS + CTLS_MAX)

struct events {
    struct virtio_device *dev; /* borrowed */
    const struct pcm *pcm;     /* borrowed */

    unsigned pending; /* how many of these are not 0 */
    /* By place: what a jack has become last, see event.c; of the others a flag. */
    uint8_t what[EVENT_STREAMS + EVENT_STREAMS_MAX];
};

/* Something happened: it is told at once if the driver has a buffer there, else later. */
void events_jack(struct events *events, unsigned jack, bool connected);
void events_control(struct events *events, unsigned control);
/* Only if the driver wants to know (SND-70). */
void events_xrun(struct events *events, unsigned stream);

/* The driver kicked: there may be buffers for what is pending. */
void events_deliver(struct events *events);

/* Reset: nothing is pending (SND-93). */
void events_forget(struct events *events);
