/* SPDX-License-Identifier: BSD-3-Clause */
/* See reply.h. */
#include "devices/snd/base/reply.h"

/* Largest item structure that a driver may claim to have; ours have up to 96 bytes. */
#define ITEM_BYTES_MAX 4096

void reply_write(struct chain *req, uint32_t status, const void *data, size_t len)
{
    const le32 reply = to_le32(status);
    int r = chain_write(req, &reply, sizeof(reply));

    r |= chain_write(req, data, MIN(len, (size_t)chain_writable(req)));
    assert(r == 0); /* there was room for a status, and no more is written than fits */
}

/* The driver's structure may be shorter or longer than ours (SND-14). */
uint32_t reply_info(struct chain *req, const struct wire_query *query,
                    const struct reply_items *items)
{
    uint64_t start = from_le32(query->start_id);
    uint64_t count = from_le32(query->count);
    uint64_t size = from_le32(query->size);

    if (start + count > items->count)
        return VIRTIO_SND_S_BAD_MSG;
    if (count > 0 && (size < 4 || size > ITEM_BYTES_MAX))
        return VIRTIO_SND_S_BAD_MSG;
    if (sizeof(le32) + count * size > chain_writable(req))
        return VIRTIO_SND_S_BAD_MSG;
    reply_write(req, VIRTIO_SND_S_OK, NULL, 0);
    for (uint64_t id = start; id < start + count; id++) {
        size_t own = MIN(size, items->bytes);
        int r = chain_write(req, (const uint8_t *)items->first + id * items->stride, own);
        r |= chain_zero(req, size - own);
        assert(r == 0); /* it all fits, see above */
    }
    return REPLY_DONE;
}
