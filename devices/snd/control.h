/* SPDX-License-Identifier: BSD-3-Clause */
/* The control queue of the sound device, see control.c. Worker. */
#pragma once

#include "devices/snd/snd.h"

union request {
    struct wire_hdr hdr;
    struct wire_query query;
    struct wire_jack_remap remap;
    struct wire_pcm_hdr pcm;
    struct wire_pcm_params params;
    struct wire_ctl_hdr ctl;
};

/* Serves a request whose structure was copied whole; the chain's readable cursor is behind it.
 * Returns the status to reply, CONTROL_REPLIED if it wrote one, or STREAM_PARKED if the stream
 * keeps the request. There is room for a status. */
typedef uint32_t control_serve_fn(struct snd *snd, struct chain *req, const union request *request);
#define CONTROL_REPLIED 0u

/* What an information query is about. */
struct control_items {
    uint32_t count;
    size_t item_bytes;
    const void *(*item)(const struct snd *snd, uint32_t id);
};
/* Answers such a query: a control_serve_fn's result. */
uint32_t control_info(const struct snd *snd, struct chain *req, const struct wire_query *query,
                      const struct control_items *items);

/* Serves one request. True: the chain is complete, to be pushed. False: it was parked. */
bool control_serve(struct snd *snd, struct chain *req);

/* Writes the status of a reply that has nothing else. */
void control_reply(struct chain *req, uint32_t status);
