/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control elements that are those of a card of the host (controls=host): its mixer, passed through.
 * A helper (mixer.h) talks to the card, because that may take long. The worker keeps values and
 * metadata as they were last and answers from them. What only the card knows, a write and a
 * volatile element's value, is answered when the helper has, or with IO_ERR when it takes too long.
 * What changes on the host is told to the guest. A card that is gone keeps its last values, and is
 * looked for every second; a helper that is gone is not started again.
 *
 * Main: create, destroy. Else the worker, or whoever owns the device while it is inactive.
 */
#pragma once

#include "devices/snd/mixer/ctl.h"

/* Forks the helper for the mixer of that name (NULL: that of the PCM `device`), makes ctls->item of
 * what it says, and sets ctls->host. -errno after a line that says why; to be destroyed all
 * the same. */
int ctl_host_create(struct ctls *ctls, const char *name, const char *device);
/* Accepts NULL. */
void ctl_host_destroy(struct ctl_host *host);

/* Asks the card. What keeps *req answers it later and returns REPLY_PARKED, else it returns a
 * status; req is NULL if nobody waits for an answer. */
uint32_t ctl_host_read(struct ctl_host *host, unsigned id, const struct chain *req);
uint32_t ctl_host_write(struct ctl_host *host, unsigned id, const union wire_ctl_value *value,
                        const struct chain *req);
/* Takes over what is new. */
void ctl_host_settle(struct ctl_host *host);

int ctl_host_activate(struct ctl_host *host, struct loop *loop);
/* Worker joined. Requests that wait are forgotten. */
void ctl_host_reset(struct ctl_host *host);
