/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests about control elements (virtio 1.4 §5.14.6.10). A value is copied in whole, checked
 * whole, and only then set. A driver that may not do what it asks gets NOT_SUPP, one that asks for
 * what can not be gets BAD_MSG. What the host's mixer is needed for is answered later, see
 * ctl_host.h.
 */
#include "devices/snd/mixer/ctl_serve.h"

#include "devices/snd/mixer/ctl.h"

#include <string.h>

/* -- information -- */

static const void *packed_item(const struct snd *snd, uint32_t id)
{
    return &snd->ctls.item[id].info;
}

static const void *padded_item(const struct snd *snd, uint32_t id)
{
    return &snd->ctls.item[id].padded;
}

/* Which of the two layouts the driver has is told by its size (SND-82). */
uint32_t ctl_serve_info(struct snd *snd, struct chain *req, const union request *request)
{
    const struct control_items packed = {snd->ctls.count, sizeof(struct wire_ctl_info),
                                         packed_item};
    const struct control_items padded = {snd->ctls.count, sizeof(struct wire_ctl_info_padded),
                                         padded_item};
    bool is_padded = from_le32(request->query.size) == sizeof(struct wire_ctl_info_padded);

    return control_info(snd, req, &request->query, is_padded ? &padded : &packed);
}

/* The element of a request: VIRTIO_SND_S_OK and *ret_ctl, or why not. Each bit of `access` must be
 * its own. */
static uint32_t element_of(const struct snd *snd, const union request *request, uint32_t access,
                           struct ctl **ret_ctl)
{
    uint32_t id = from_le32(request->ctl.control_id);

    if (id >= snd->ctls.count)
        return VIRTIO_SND_S_BAD_MSG;
    *ret_ctl = &snd->ctls.item[id];
    uint32_t has = from_le32((*ret_ctl)->info.head.access);
    return (has & access) == access ? VIRTIO_SND_S_OK : VIRTIO_SND_S_NOT_SUPP;
}

static unsigned id_of(const struct snd *snd, const struct ctl *ctl)
{
    return (unsigned)(ctl - snd->ctls.item);
}

uint32_t ctl_serve_enum_items(struct snd *snd, struct chain *req, const union request *request)
{
    struct ctl *ctl;
    uint32_t status = element_of(snd, request, 0, &ctl);
    const le32 reply = to_le32(VIRTIO_SND_S_OK);

    if (status != VIRTIO_SND_S_OK)
        return status;
    if (from_le32(ctl->info.head.type) != WIRE_CTL_ENUMERATED)
        return VIRTIO_SND_S_NOT_SUPP;
    uint32_t items = from_le32(ctl->info.limits.enumerated.items);
    if (chain_writable(req) < sizeof(reply) + (uint64_t)items * WIRE_CTL_ITEM_BYTES)
        return VIRTIO_SND_S_BAD_MSG;
    int r = chain_write(req, &reply, sizeof(reply));
    for (uint32_t i = 0; i < items; i++) {
        size_t len = strlen(ctl->items[i]);
        assert(len > 0 && len < WIRE_CTL_ITEM_BYTES);
        r |= chain_write(req, ctl->items[i], len);
        r |= chain_zero(req, WIRE_CTL_ITEM_BYTES - len);
    }
    assert(r == 0); /* it all fits, see above */
    return CONTROL_REPLIED;
}

/* -- values -- */

uint32_t ctl_serve_read(struct snd *snd, struct chain *req, const union request *request)
{
    struct ctl *ctl;
    uint32_t status = element_of(snd, request, WIRE_CTL_READ, &ctl);
    const le32 reply = to_le32(VIRTIO_SND_S_OK);

    if (status != VIRTIO_SND_S_OK)
        return status;
    if (chain_writable(req) < sizeof(reply) + ctl_value_bytes(ctl))
        return VIRTIO_SND_S_BAD_MSG;
    if (snd->ctls.host != NULL && (from_le32(ctl->info.head.access) & WIRE_CTL_VOLATILE) != 0)
        return ctl_host_read(snd->ctls.host, id_of(snd, ctl), req);
    if (ctl->refresh != NULL)
        ctl->refresh(snd, ctl);
    int r = chain_write(req, &reply, sizeof(reply));
    r |= chain_write(req, &ctl->value, ctl_value_bytes(ctl));
    assert(r == 0); /* it all fits, see above */
    return CONTROL_REPLIED;
}

uint32_t ctl_serve_write(struct snd *snd, struct chain *req, const union request *request)
{
    union wire_ctl_value value = {0};
    struct ctl *ctl;
    uint32_t status = element_of(snd, request, WIRE_CTL_WRITE, &ctl);

    if (status != VIRTIO_SND_S_OK)
        return status;
    if (chain_read(req, &value, ctl_value_bytes(ctl)) < 0 || !ctl_value_is_valid(ctl, &value))
        return VIRTIO_SND_S_BAD_MSG;
    if (snd->ctls.host != NULL && (from_le32(ctl->info.head.access) & WIRE_CTL_INACTIVE) == 0)
        return ctl_host_write(snd->ctls.host, id_of(snd, ctl), &value, req);
    ctl_set(snd, id_of(snd, ctl), &value);
    return VIRTIO_SND_S_OK;
}

/* -- metadata -- */

uint32_t ctl_serve_tlv_read(struct snd *snd, struct chain *req, const union request *request)
{
    struct ctl *ctl;
    uint32_t status = element_of(snd, request, WIRE_CTL_TLV_READ, &ctl);
    const le32 reply = to_le32(VIRTIO_SND_S_OK);

    if (status != VIRTIO_SND_S_OK)
        return status;
    if (snd->ctls.host != NULL)
        return ctl_host_tlv_read(snd->ctls.host, id_of(snd, ctl), req);
    int r = chain_write(req, &reply, sizeof(reply));
    r |= chain_write(req, ctl->tlv, MIN(ctl->tlv_bytes, chain_writable(req)));
    assert(r == 0); /* there is room for a status, or the request would not be served */
    return CONTROL_REPLIED;
}

/* Hands on metadata of `len` bytes behind their header. */
static uint32_t tlv_hand_on(struct snd *snd, struct chain *req, const struct ctl *ctl,
                            const struct wire_ctl_tlv *tlv, bool is_command)
{
    uint32_t len = from_le32(tlv->length);
    uint8_t *copy = malloc(sizeof(*tlv) + len);

    if (copy == NULL)
        return VIRTIO_SND_S_IO_ERR;
    memcpy(copy, tlv, sizeof(*tlv));
    int r = chain_read(req, copy + sizeof(*tlv), len);
    assert(r == 0); /* it is there, the caller has looked */
    return ctl_host_tlv_write(snd->ctls.host, id_of(snd, ctl), copy, is_command, req);
}

/* Takes what the driver sends as the element's metadata. */
static uint32_t tlv_take(struct snd *snd, struct chain *req, const union request *request,
                         uint32_t access)
{
    struct wire_ctl_tlv tlv;
    struct ctl *ctl;
    uint32_t status = element_of(snd, request, access, &ctl);

    if (status != VIRTIO_SND_S_OK)
        return status;
    if (chain_read(req, &tlv, sizeof(tlv)) < 0)
        return VIRTIO_SND_S_BAD_MSG;
    uint32_t length = from_le32(tlv.length);
    if (length > WIRE_CTL_TLV_BYTES_MAX || length % 4 != 0 || length > chain_readable(req))
        return VIRTIO_SND_S_BAD_MSG;
    if (snd->ctls.host != NULL)
        return tlv_hand_on(snd, req, ctl, &tlv, access == WIRE_CTL_TLV_COMMAND);
    assert(sizeof(tlv) + length <= ctl->tlv_room); /* elements with such access have all the room */
    memcpy(ctl->tlv, &tlv, sizeof(tlv));
    int r = chain_read(req, ctl->tlv + sizeof(tlv), length);
    assert(r == 0); /* it is there, see above */
    ctl->tlv_bytes = (uint32_t)sizeof(tlv) + length;
    events_control(snd, (unsigned)(ctl - snd->ctls.item), WIRE_CTL_TLV);
    return VIRTIO_SND_S_OK;
}

uint32_t ctl_serve_tlv_write(struct snd *snd, struct chain *req, const union request *request)
{
    return tlv_take(snd, req, request, WIRE_CTL_TLV_WRITE);
}

/* What a command means is the device's own business: here, the same as a write. */
uint32_t ctl_serve_tlv_command(struct snd *snd, struct chain *req, const union request *request)
{
    return tlv_take(snd, req, request, WIRE_CTL_TLV_COMMAND);
}
