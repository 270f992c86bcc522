/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sound device (virtio 1.4 §5.14): the class and its queues. It is made in card.c; what a stream
 * does is in stream.c, transfer.c and move.c, control requests are in control.c, hosts in host_*.c.
 *
 * One worker owns everything: control, event, tx and rx queues, the streams' timers and the hosts'
 * fds. Does not do shared memory.
 */
#include "devices/snd/snd.h"

#include "devices/snd/card.h"
#include "devices/snd/command.h"
#include "devices/snd/control.h"
#include "devices/snd/report.h"

static int snd_create(struct virtio_device *dev, const struct opts *opts)
{
    return card_init(container_of(dev, struct snd, dev), opts);
}

static void snd_destroy(struct virtio_device *dev)
{
    card_fini(container_of(dev, struct snd, dev));
}

static int activate_stream(struct snd *snd, struct stream *stream)
{
    bool plays = stream_is_output(stream);

    stream->vq = &snd->dev.queue[plays ? VIRTIO_SND_VQ_TX : VIRTIO_SND_VQ_RX];
    return stream_activate(stream);
}

static int snd_activate(struct virtio_device *dev)
{
    struct snd *snd = container_of(dev, struct snd, dev);
    int r = 0;

    for (unsigned i = 0; i < snd->stream_count && r == 0; i++)
        r = activate_stream(snd, &snd->streams[i]);
    if (r == 0 && snd->ctls.host != NULL)
        r = ctl_host_activate(snd->ctls.host, virtio_loop(dev));
    return r;
}

static void snd_reset(struct virtio_device *dev)
{
    struct snd *snd = container_of(dev, struct snd, dev);

    for (unsigned i = 0; i < snd->stream_count; i++)
        stream_reset(&snd->streams[i]);
    if (snd->ctls.host != NULL)
        ctl_host_reset(snd->ctls.host);
    card_messages_forget(snd);
    events_forget(snd);
}

void snd_complete(struct virtq *vq, struct chain *chain, uint32_t status, uint32_t latency_bytes)
{
    const struct wire_pcm_status reply = {to_le32(status), to_le32(latency_bytes)};
    uint32_t recorded = chain->written;
    uint32_t room = chain_writable(chain);

    /* Without room for a status, or with more than a stream can mean, nothing is written (SND-55).
     */
    if (room >= sizeof(reply) && room - sizeof(reply) <= STREAM_BUFFER_BYTES_MAX) {
        int r = chain_zero(chain, room - sizeof(reply));
        r |= chain_write(chain, &reply, sizeof(reply));
        assert(r == 0); /* fits, see room */
        chain->written = recorded + (uint32_t)sizeof(reply);
    }
    virtq_push(vq, chain);
}

static void message_route(struct snd *snd, struct virtq *vq, struct chain *chain)
{
    struct wire_pcm_xfer xfer;

    if (chain_writable(chain) < sizeof(struct wire_pcm_status) ||
        chain_read(chain, &xfer, sizeof(xfer)) < 0 ||
        from_le32(xfer.stream_id) >= snd->stream_count ||
        snd->streams[from_le32(xfer.stream_id)].vq != vq)
        snd_complete(vq, chain, VIRTIO_SND_S_IO_ERR, 0);
    else
        stream_submit(&snd->streams[from_le32(xfer.stream_id)], chain);
}

void snd_take_messages(struct snd *snd, struct virtq *vq)
{
    struct chain chain;
    int r = 1;

    if (!vq->running)
        return;
    /* One look at the whole ring: at most its size, however fast the guest refills it. */
    for (unsigned taken = 0; r > 0 && taken < vq->size; taken++) {
        virtq_round(vq);
        r = virtq_pop(vq, &chain);
        if (r > 0)
            message_route(snd, vq, &chain);
    }
    if (r > 0)
        virtq_kick(vq); /* more may wait: the worker comes back for it */
    if (r < 0)
        virtio_fail(&snd->dev, r, vq->index == VIRTIO_SND_VQ_TX ? "tx queue" : "rx queue");
    virtio_signal(&snd->dev, vq); /* those that were refused at once */
}

static void serve_dirty(struct snd *snd)
{
    if (virtio_failed(&snd->dev))
        return; /* the queues are dead; the reset will stop the streams */
    for (unsigned i = 0; i < snd->stream_count; i++) {
        if (snd->streams[i].dirty)
            stream_serve(&snd->streams[i]);
        snd->streams[i].dirty = false;
    }
}

/* Whether some stream wants to know of a message when it comes. Not so while real time runs and
 * messages are held: the end of the next one is soon enough to look for more, and half of the
 * exits and wake-ups. */
static bool needs_kicks(const struct snd *snd, const struct virtq *vq)
{
    bool running = false;

    for (unsigned i = 0; i < snd->stream_count; i++) {
        const struct stream *stream = &snd->streams[i];
        if (stream->vq != vq || stream->state != STREAM_RUNNING)
            continue;
        if (stream->oldest == NULL || stream->clock.kind != CLOCK_KIND_TIMER)
            return true;
        running = true;
    }
    return !running;
}

void snd_serve(struct snd *snd, struct virtq *vq)
{
    snd_take_messages(snd, vq); /* which asks for kicks */
    if (!needs_kicks(snd, vq))
        virtq_kicks_off(vq);
    serve_dirty(snd);
    if (vq->kicks_on || !needs_kicks(snd, vq))
        return;
    snd_take_messages(snd, vq); /* a stream ran dry meanwhile */
    serve_dirty(snd);
}

void snd_reply(struct snd *snd, struct chain *req, uint32_t status)
{
    struct virtq *vq = &snd->dev.queue[VIRTIO_SND_VQ_CONTROL];

    control_reply(req, status);
    virtq_push(vq, req);
    virtio_signal(&snd->dev, vq);
}

static void control_notify(struct snd *snd, struct virtq *vq)
{
    struct chain req;
    int r;

    while ((r = virtq_pop(vq, &req)) > 0) {
        if (control_serve(snd, &req))
            virtq_push(vq, &req);
        virtio_signal(&snd->dev, vq);
    }
    if (r < 0)
        virtio_fail(&snd->dev, r, "control queue");
    snd_serve(snd, &snd->dev.queue[VIRTIO_SND_VQ_TX]);
    snd_serve(snd, &snd->dev.queue[VIRTIO_SND_VQ_RX]);
}

static void snd_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct snd *snd = container_of(dev, struct snd, dev);

    if (vq->index == VIRTIO_SND_VQ_CONTROL)
        control_notify(snd, vq);
    else if (vq->index == VIRTIO_SND_VQ_EVENT)
        events_deliver(snd);
    else
        snd_serve(snd, vq);
}

static void snd_report(struct virtio_device *dev)
{
    struct snd *snd = container_of(dev, struct snd, dev);
    struct report report;

    for (unsigned i = 0; i < snd->stream_count; i++) {
        report_note(&snd->streams[i], &report);
        if (snd->report == NULL)
            report_log(&report);
        else
            ear_ask(&snd->ears.ear[i], &report, sizeof(report));
    }
}

/* A lost recording outweighs a sound that was not as expected. */
static int snd_finish(struct virtio_device *dev)
{
    struct snd *snd = container_of(dev, struct snd, dev);
    int verdict, lost = 0;

    ears_stop(&snd->ears);
    if (snd->report != NULL) {
        snd_report(dev);
        ears_hear(&snd->ears);
    }
    verdict = ears_judge(&snd->ears);
    for (unsigned i = 0; i < snd->stream_count; i++) {
        struct host *host = snd->streams[i].host;
        int r = host->class->finish != NULL ? host->class->finish(host) : 0;
        lost = r < 0 ? r : lost;
    }
    return lost < 0 ? lost : verdict;
}

const struct virtio_class virtio_snd = {
    .name = "snd",
    .help = "sound card (virtio-snd)",
    .id = VIRTIO_ID_SOUND,
    .queue_count = VIRTIO_SND_VQ_MAX,
    .limits = {.size = SND_QUEUE_SIZE, .chain_descs = 1024, .held_iovs = SND_HELD_IOVS},
    .instance_size = sizeof(struct snd),
    .instance_offset = offsetof(struct snd, dev),
    .opts = card_opts,
    .create = snd_create,
    .destroy = snd_destroy,
    .activate = snd_activate,
    .reset = snd_reset,
    .notify = snd_notify,
    .finish = snd_finish,
    .report = snd_report,
    .command = snd_command,
};
