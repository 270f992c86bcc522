/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control elements that are those of a card of the host (controls=host): its mixer, passed through.
 * A helper (mixer.h) talks to the card, because that may take long. The worker keeps values as they
 * were last, or were set last, and answers from them at once; what the card makes of it, and what
 * changes on the host, is told to the guest when the helper tells. When card or helper are gone the
 * values stay as they are, for good.
 *
 * Main: create, destroy. Else the worker, or whoever owns the device while it is inactive.
 */
#pragma once

#include "devices/snd/mixer/ctl.h"

/* Forks the helper for the mixer of that name, makes ctls->item of what it says, and sets
 * ctls->host. -errno after a line that says why; to be destroyed all the same. */
int ctl_host_create(struct ctls *ctls, const char *name);
/* Accepts NULL. */
void ctl_host_destroy(struct ctl_host *host);

/* Has the card set that value. -EIO: nobody is there to do it. */
int ctl_host_write(struct ctl_host *host, unsigned id, const struct wire_ctl_value *value);
/* Takes over what is new. */
void ctl_host_settle(struct ctl_host *host);

/* These accept NULL, too. Reset: the worker is joined. */
int ctl_host_activate(struct ctl_host *host, struct loop *loop);
void ctl_host_reset(struct ctl_host *host);
