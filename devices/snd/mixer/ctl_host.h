/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control elements that are those of a card of the host (controls=host): its mixer, passed through.
 * A thread of its own talks to the card, because that may take long. The worker keeps the values
 * as they were last, answers reads from them, and hands on all else; those requests are answered
 * when the thread is done, or with IO_ERR when it takes too long. What changes on the host is
 * told to the guest. A card that is gone keeps its last values, and is looked for every second.
 *
 *     worker                            thread
 *       | ctl_host_write(), ...           |
 *       |---- todo ---------------------->| asks the card, which says
 *       |<--- done, news -----------------| by itself what has changed
 *       | answers, tells the guest        |
 *
 * Main: create, destroy. Else the worker, or whoever owns the device while it is inactive.
 */
#pragma once

#include "devices/snd/mixer/ctl.h"

/* Opens the mixer of that name, makes ctls->item of it, starts the thread, and sets ctls->host and
 * ask. -errno after a line that says why. */
int ctl_host_create(struct ctls *ctls, const char *name);
/* Accepts NULL. */
void ctl_host_destroy(struct ctl_host *host);

int ctl_host_activate(struct ctl_host *host, struct loop *loop);
/* Worker joined. Requests that wait are forgotten. */
void ctl_host_reset(struct ctl_host *host);
