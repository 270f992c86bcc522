/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control requests of the sound device (virtio 1.4 §5.14.6): a table of codes, the information
 * queries, and the way to the streams' commands. Each request is answered exactly once.
 */
#include "devices/snd/card.h"

union request {
    struct wire_hdr hdr;
    struct wire_query query;
    struct wire_pcm_hdr pcm;
    struct wire_pcm_params params;
};

/* -- information -- */

static uint32_t serve_info(struct snd *snd, struct chain *req, const union request *request)
{
    const struct jack *jack = snd->jacks.item;
    const struct stream *stream = snd->pcm.streams;
    const struct wire_chmap_info *map = snd->chmaps;
    uint32_t code = from_le32(request->hdr.code);
    struct reply_items items = {map, snd->chmap_count, sizeof(*map), sizeof(*map)};

    if (code == VIRTIO_SND_R_JACK_INFO)
        items =
            (struct reply_items){&jack->info, snd->jacks.count, sizeof(*jack), sizeof(jack->info)};
    else if (code == VIRTIO_SND_R_PCM_INFO)
        items = (struct reply_items){&stream->info, snd->pcm.stream_count, sizeof(*stream),
                                     sizeof(stream->info)};
    return reply_info(req, &request->query, &items);
}

/* -- streams -- */

static uint32_t serve_stream(struct snd *snd, struct chain *req, const union request *request)
{
    uint32_t command = from_le32(request->hdr.code) - VIRTIO_SND_R_PCM_SET_PARAMS;
    uint32_t id = from_le32(request->pcm.stream_id);

    if (id >= snd->pcm.stream_count)
        return VIRTIO_SND_S_BAD_MSG;
    if (command == STREAM_SET_PARAMS)
        return stream_set_params(&snd->pcm.streams[id], &request->params);
    return stream_command(&snd->pcm.streams[id], (enum stream_command)command, req);
}

/* -- dispatch -- */

static const struct {
    uint32_t code;
    size_t bytes; /* of the request's structure */
    /* A VIRTIO_SND_S_* to reply, or as reply.h says; there is room for a status. */
    uint32_t (*serve)(struct snd *snd, struct chain *req, const union request *request);
} requests[] = {
    {VIRTIO_SND_R_JACK_INFO, sizeof(struct wire_query), serve_info},
    {VIRTIO_SND_R_PCM_INFO, sizeof(struct wire_query), serve_info},
    {VIRTIO_SND_R_PCM_SET_PARAMS, sizeof(struct wire_pcm_params), serve_stream},
    {VIRTIO_SND_R_PCM_PREPARE, sizeof(struct wire_pcm_hdr), serve_stream},
    {VIRTIO_SND_R_PCM_RELEASE, sizeof(struct wire_pcm_hdr), serve_stream},
    {VIRTIO_SND_R_PCM_START, sizeof(struct wire_pcm_hdr), serve_stream},
    {VIRTIO_SND_R_PCM_STOP, sizeof(struct wire_pcm_hdr), serve_stream},
    {VIRTIO_SND_R_CHMAP_INFO, sizeof(struct wire_query), serve_info},
};

static uint32_t serve(struct snd *snd, struct chain *req)
{
    union request request;

    if (chain_read(req, &request.hdr, sizeof(request.hdr)) < 0)
        return VIRTIO_SND_S_BAD_MSG;
    uint32_t code = from_le32(request.hdr.code);
    if (code >= WIRE_R_CTL_INFO && code <= WIRE_R_CTL_LAST && virtio_has(&snd->dev, WIRE_F_CTLS))
        return ctls_serve(&snd->ctls, code, req);
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        if (requests[i].code != code)
            continue;
        if (chain_read(req, (uint8_t *)&request + sizeof(request.hdr),
                       requests[i].bytes - sizeof(request.hdr)) < 0)
            return VIRTIO_SND_S_BAD_MSG;
        return requests[i].serve(snd, req, &request);
    }
    return VIRTIO_SND_S_NOT_SUPP;
}

void control_notify(struct snd *snd, struct virtq *vq)
{
    struct chain req;
    int r;

    while ((r = virtq_pop(vq, &req)) > 0) {
        uint32_t status = REPLY_DONE;
        if (chain_writable(&req) >= sizeof(struct wire_hdr)) /* else no answer has room (SND-07) */
            status = serve(snd, &req);
        if (status == REPLY_PARKED)
            continue;
        if (status != REPLY_DONE)
            reply_write(&req, status, NULL, 0);
        virtq_push(vq, &req);
        virtio_signal(&snd->dev, vq);
    }
    if (r < 0)
        virtio_fail(&snd->dev, r, "control queue");
    pcm_serve_all(&snd->pcm);
}
