/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control requests of the sound device (virtio 1.4 §5.14.6): a table of codes, the information
 * queries, and the way to the streams' commands. Each request is answered exactly once.
 */
#include "devices/snd/control.h"

#include "devices/snd/mixer/ctl_serve.h"

/* Largest item structure that a driver may claim to have; ours have up to 96 bytes. */
#define ITEM_BYTES_MAX 4096

/* -- information -- */

/* §5.14.6.1. The driver's structure may be shorter or longer than ours (SND-14). */
uint32_t control_info(const struct snd *snd, struct chain *req, const struct wire_query *query,
                      const struct control_items *items)
{
    uint64_t start = from_le32(query->start_id);
    uint64_t count = from_le32(query->count);
    uint64_t size = from_le32(query->size);
    const le32 ok = to_le32(VIRTIO_SND_S_OK);

    if (start + count > items->count)
        return VIRTIO_SND_S_BAD_MSG;
    if (count > 0 && (size < 4 || size > ITEM_BYTES_MAX))
        return VIRTIO_SND_S_BAD_MSG;
    if (sizeof(ok) + count * size > chain_writable(req))
        return VIRTIO_SND_S_BAD_MSG;
    int r = chain_write(req, &ok, sizeof(ok));
    for (uint64_t id = start; id < start + count; id++) {
        size_t own = MIN(size, items->item_bytes);
        r |= chain_write(req, items->item(snd, (uint32_t)id), own);
        r |= chain_zero(req, size - own);
    }
    assert(r == 0); /* it all fits, see above */
    return CONTROL_REPLIED;
}

static const void *jack_item(const struct snd *snd, uint32_t id)
{
    return &snd->jacks.item[id].info;
}

static const void *pcm_item(const struct snd *snd, uint32_t id)
{
    return &snd->streams[id].info;
}

static const void *chmap_item(const struct snd *snd, uint32_t id)
{
    return &snd->chmaps[id];
}

static uint32_t serve_jack_info(struct snd *snd, struct chain *req, const union request *request)
{
    const struct control_items items = {snd->jacks.count, sizeof(struct wire_jack_info), jack_item};

    return control_info(snd, req, &request->query, &items);
}

static uint32_t serve_jack_remap(struct snd *snd, struct chain *req, const union request *request)
{
    (void)req;
    return jack_remap(snd, &request->remap);
}

static uint32_t serve_pcm_info(struct snd *snd, struct chain *req, const union request *request)
{
    const struct control_items items = {snd->stream_count, sizeof(struct wire_pcm_info), pcm_item};

    return control_info(snd, req, &request->query, &items);
}

static uint32_t serve_chmap_info(struct snd *snd, struct chain *req, const union request *request)
{
    const struct control_items items = {snd->chmap_count, sizeof(struct wire_chmap_info),
                                        chmap_item};

    return control_info(snd, req, &request->query, &items);
}

/* -- streams -- */

static struct stream *stream_of(const struct snd *snd, const struct wire_pcm_hdr *pcm)
{
    uint32_t id = from_le32(pcm->stream_id);

    return id < snd->stream_count ? &snd->streams[id] : NULL;
}

static uint32_t serve_set_params(struct snd *snd, struct chain *req, const union request *request)
{
    struct stream *stream = stream_of(snd, &request->params.pcm);

    (void)req;
    return stream != NULL ? stream_set_params(stream, &request->params) : VIRTIO_SND_S_BAD_MSG;
}

static uint32_t serve_command(struct snd *snd, const struct chain *req,
                              const union request *request, enum stream_command command)
{
    struct stream *stream = stream_of(snd, &request->pcm);

    return stream != NULL ? stream_command(stream, command, req) : VIRTIO_SND_S_BAD_MSG;
}

static uint32_t serve_prepare(struct snd *snd, struct chain *req, const union request *request)
{
    return serve_command(snd, req, request, STREAM_PREPARE);
}

static uint32_t serve_release(struct snd *snd, struct chain *req, const union request *request)
{
    return serve_command(snd, req, request, STREAM_RELEASE);
}

static uint32_t serve_start(struct snd *snd, struct chain *req, const union request *request)
{
    return serve_command(snd, req, request, STREAM_START);
}

static uint32_t serve_stop(struct snd *snd, struct chain *req, const union request *request)
{
    return serve_command(snd, req, request, STREAM_STOP);
}

/* -- dispatch -- */

static const struct {
    uint32_t code;
    size_t bytes; /* of the request's structure */
    control_serve_fn *serve;
} requests[] = {
    {VIRTIO_SND_R_JACK_INFO, sizeof(struct wire_query), serve_jack_info},
    {VIRTIO_SND_R_JACK_REMAP, sizeof(struct wire_jack_remap), serve_jack_remap},
    {VIRTIO_SND_R_PCM_INFO, sizeof(struct wire_query), serve_pcm_info},
    {VIRTIO_SND_R_PCM_SET_PARAMS, sizeof(struct wire_pcm_params), serve_set_params},
    {VIRTIO_SND_R_PCM_PREPARE, sizeof(struct wire_pcm_hdr), serve_prepare},
    {VIRTIO_SND_R_PCM_RELEASE, sizeof(struct wire_pcm_hdr), serve_release},
    {VIRTIO_SND_R_PCM_START, sizeof(struct wire_pcm_hdr), serve_start},
    {VIRTIO_SND_R_PCM_STOP, sizeof(struct wire_pcm_hdr), serve_stop},
    {VIRTIO_SND_R_CHMAP_INFO, sizeof(struct wire_query), serve_chmap_info},
    {WIRE_R_CTL_INFO, sizeof(struct wire_query), ctl_serve_info},
    {WIRE_R_CTL_ENUM_ITEMS, sizeof(struct wire_ctl_hdr), ctl_serve_enum_items},
    {WIRE_R_CTL_READ, sizeof(struct wire_ctl_hdr), ctl_serve_read},
    {WIRE_R_CTL_WRITE, sizeof(struct wire_ctl_hdr), ctl_serve_write},
    {WIRE_R_CTL_TLV_READ, sizeof(struct wire_ctl_hdr), ctl_serve_tlv_read},
    {WIRE_R_CTL_TLV_WRITE, sizeof(struct wire_ctl_hdr), ctl_serve_tlv_write},
    {WIRE_R_CTL_TLV_COMMAND, sizeof(struct wire_ctl_hdr), ctl_serve_tlv_command},
};

static uint32_t request_serve(struct snd *snd, struct chain *req)
{
    union request request;

    if (chain_read(req, &request.hdr, sizeof(request.hdr)) < 0)
        return VIRTIO_SND_S_BAD_MSG;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        if (requests[i].code != from_le32(request.hdr.code))
            continue;
        if (requests[i].code >= WIRE_R_CTL_INFO && !virtio_has(&snd->dev, WIRE_F_CTLS))
            break;
        size_t rest = requests[i].bytes - sizeof(request.hdr);
        if (chain_read(req, (uint8_t *)&request + sizeof(request.hdr), rest) < 0)
            return VIRTIO_SND_S_BAD_MSG;
        return requests[i].serve(snd, req, &request);
    }
    return VIRTIO_SND_S_NOT_SUPP;
}

bool control_serve(struct snd *snd, struct chain *req)
{
    uint32_t status = CONTROL_REPLIED;

    if (chain_writable(req) >= sizeof(struct wire_hdr)) /* else no answer has room (SND-07) */
        status = request_serve(snd, req);
    if (status != CONTROL_REPLIED && status != STREAM_PARKED)
        control_reply(req, status);
    return status != STREAM_PARKED;
}

void control_reply(struct chain *req, uint32_t status)
{
    const struct wire_hdr reply = {to_le32(status)};
    int r = chain_write(req, &reply, sizeof(reply));

    assert(r == 0); /* there was room, and nothing was written before */
}
