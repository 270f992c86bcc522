/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to control requests (virtio 1.4 §5.14.6.1). Worker. */
#pragma once

#include "devices/snd/base/wire.h"
#include "virtio/queue.h"

/* What serving a request may come to but a VIRTIO_SND_S_* that is to be replied: the reply is
 * written already; or the request was kept and will be answered later. */
#define REPLY_DONE   0u
#define REPLY_PARKED 1u

/* What a query is about: an array whose elements have the wire structure somewhere in them. */
struct reply_items {
    const void *first; /* wire structure, of `bytes`; the others are each `stride` further */
    size_t count, stride, bytes;
};

/* Answers an information query. */
uint32_t reply_info(struct chain *req, const struct wire_query *query,
                    const struct reply_items *items);
/* Writes a status, and as much of the data as has room. There is room for the status. */
void reply_write(struct chain *req, uint32_t status, const void *data, size_t len);
