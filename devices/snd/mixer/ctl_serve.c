/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests about control elements (virtio 1.4 §5.14.6.10). A value is copied in whole, checked
 * whole, and only then set. A driver that may not do what it asks gets NOT_SUPP, one that asks for
 * what can not be gets BAD_MSG.
 */
#include "devices/snd/mixer/ctl.h"

#include "devices/snd/base/reply.h"

/* Which of the two layouts the driver has is told by its size (SND-82). */
static uint32_t serve_info(const struct ctls *ctls, struct chain *req,
                           const struct wire_query *query)
{
    const struct ctl *first = ctls->item;
    struct reply_items items = {&first->info, ctls->count, sizeof(*first), sizeof(first->info)};

    if (from_le32(query->size) == sizeof(first->padded))
        items = (struct reply_items){&first->padded, ctls->count, sizeof(*first),
                                     sizeof(first->padded)};
    return reply_info(req, query, &items);
}

/* Replies with data that must be there whole. */
static uint32_t reply_whole(struct chain *req, const void *data, size_t len)
{
    if (chain_writable(req) < sizeof(le32) + len)
        return VIRTIO_SND_S_BAD_MSG;
    reply_write(req, VIRTIO_SND_S_OK, data, len);
    return REPLY_DONE;
}

static uint32_t serve_enum_items(struct ctls *ctls, unsigned id, struct chain *req)
{
    const struct ctl *ctl = &ctls->item[id];

    if (ctl_type(ctl) != WIRE_CTL_ENUMERATED)
        return VIRTIO_SND_S_NOT_SUPP;
    return reply_whole(req, ctl->items,
                       from_le32(ctl->info.limits.enumerated.items) * sizeof(ctl->items[0]));
}

/* -- values -- */

static uint32_t serve_read(struct ctls *ctls, unsigned id, struct chain *req)
{
    const struct ctl *ctl = &ctls->item[id];

    return reply_whole(req, &ctl->value, ctl_value_bytes(ctl));
}

static uint32_t serve_write(struct ctls *ctls, unsigned id, struct chain *req)
{
    const struct ctl *ctl = &ctls->item[id];
    struct wire_ctl_value value = {0};

    if (chain_read(req, &value, ctl_value_bytes(ctl)) < 0 || !ctl_value_is_valid(ctl, &value))
        return VIRTIO_SND_S_BAD_MSG;
    return ctl_set(ctls, id, &value) < 0 ? VIRTIO_SND_S_IO_ERR : VIRTIO_SND_S_OK;
}

/* -- metadata -- */

static uint32_t serve_tlv_read(struct ctls *ctls, unsigned id, struct chain *req)
{
    const struct ctl *ctl = &ctls->item[id];

    reply_write(req, VIRTIO_SND_S_OK, ctl->tlv, ctl_tlv_bytes(ctl));
    return REPLY_DONE;
}

/* -- dispatch -- */

/* Those about one element, which must have this access. */
static const struct {
    uint32_t code, access;
    uint32_t (*serve)(struct ctls *ctls, unsigned id, struct chain *req);
} requests[] = {
    {WIRE_R_CTL_ENUM_ITEMS, 0, serve_enum_items},
    {WIRE_R_CTL_READ, WIRE_CTL_READ, serve_read},
    {WIRE_R_CTL_WRITE, WIRE_CTL_WRITE, serve_write},
    {WIRE_R_CTL_TLV_READ, WIRE_CTL_TLV_READ, serve_tlv_read},
};

uint32_t ctls_serve(struct ctls *ctls, uint32_t code, struct chain *req)
{
    union {
        struct wire_query query;
        struct wire_ctl_hdr ctl;
    } request;
    size_t bytes = code == WIRE_R_CTL_INFO ? sizeof(request.query) : sizeof(request.ctl);

    if (chain_read(req, (uint8_t *)&request + sizeof(struct wire_hdr),
                   bytes - sizeof(struct wire_hdr)) < 0)
        return VIRTIO_SND_S_BAD_MSG;
    if (code == WIRE_R_CTL_INFO)
        return serve_info(ctls, req, &request.query);
    uint32_t id = from_le32(request.ctl.control_id);
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        if (requests[i].code != code)
            continue;
        if (id >= ctls->count)
            return VIRTIO_SND_S_BAD_MSG;
        if (!ctl_has(&ctls->item[id], requests[i].access))
            return VIRTIO_SND_S_NOT_SUPP;
        return requests[i].serve(ctls, id, req);
    }
    return VIRTIO_SND_S_NOT_SUPP;
}
