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

#include "devices/snd/base/wire_ctl.h"
#include "virtio/queue.h"
#include "vmm/base/loop.h"

struct ctl_host;
struct snd;

/* Opens the mixer of that name, makes snd->ctls.item of it, starts the thread. -errno after a line
 * that says why. */
int ctl_host_create(struct snd *snd, const char *name, struct ctl_host **ret_host);
/* Accepts NULL. */
void ctl_host_destroy(struct ctl_host *host);

int ctl_host_activate(struct ctl_host *host, struct loop *loop);
/* Worker joined. Requests that wait are forgotten. */
void ctl_host_reset(struct ctl_host *host);

/* Takes over what the thread has found out. */
void ctl_host_settle(struct ctl_host *host);

/* These keep *req until it is answered and return STREAM_PARKED, or return a status. req is NULL if
 * nobody waits for an answer. */
uint32_t ctl_host_read(struct ctl_host *host, unsigned id, const struct chain *req);
uint32_t ctl_host_write(struct ctl_host *host, unsigned id, const union wire_ctl_value *value,
                        const struct chain *req);
uint32_t ctl_host_tlv_read(struct ctl_host *host, unsigned id, const struct chain *req);
/* `tlv`: a struct wire_ctl_tlv and its bytes; taken over, to be freed. */
uint32_t ctl_host_tlv_write(struct ctl_host *host, unsigned id, void *tlv, bool is_command,
                            const struct chain *req);
