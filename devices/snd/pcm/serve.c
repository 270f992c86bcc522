/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See pcm.h. Whatever happens to a stream (a command, a message, time, its host) makes it dirty;
 * then all streams of that queue are served together, and the worker's alarm is set to when the
 * first of all wants to look again.
 */
#include "devices/snd/pcm/pcm.h"

static void serve_dirty(struct pcm *pcm, uint64_t now)
{
    if (virtio_failed(pcm->dev))
        return; /* the queues are dead; the reset will stop the streams */
    for (unsigned i = 0; i < pcm->stream_count; i++) {
        if (pcm->streams[i].dirty)
            stream_serve(&pcm->streams[i], now);
        pcm->streams[i].dirty = false;
    }
}

/* Whether some stream wants to know of a message when it comes. Not so while real time runs and
 * messages are held: the end of the next one is soon enough to look for more, and half of the
 * exits and wake-ups. */
static bool needs_kicks(const struct pcm *pcm, const struct virtq *vq)
{
    bool running = false;

    for (unsigned i = 0; i < pcm->stream_count; i++) {
        const struct stream *stream = &pcm->streams[i];
        if (stream->vq != vq || stream->state != STREAM_RUNNING)
            continue;
        if (stream->oldest == NULL || stream->clock.kind != CLOCK_KIND_TIMER)
            return true;
        running = true;
    }
    return !running;
}

static void alarm_set(struct pcm *pcm);

static void serve(struct pcm *pcm, struct virtq *vq, uint64_t now)
{
    pcm_take(pcm, vq); /* which asks for kicks */
    if (!needs_kicks(pcm, vq))
        virtq_kicks_off(vq);
    serve_dirty(pcm, now);
    if (!vq->kicks_on && needs_kicks(pcm, vq)) {
        pcm_take(pcm, vq); /* a stream ran dry meanwhile */
        serve_dirty(pcm, now);
    }
    alarm_set(pcm);
}

void pcm_serve(struct pcm *pcm, struct virtq *vq)
{
    serve(pcm, vq, pcm_now_ns(pcm));
}

void pcm_serve_all(struct pcm *pcm)
{
    pcm_serve(pcm, &pcm->dev->queue[VIRTIO_SND_VQ_TX]);
    pcm_serve(pcm, &pcm->dev->queue[VIRTIO_SND_VQ_RX]);
}

/* -- what wakes the worker up -- */

static void time_came(struct loop *loop, void *ctx)
{
    struct pcm *pcm = ctx;
    const uint64_t now = pcm_now_ns(pcm);
    unsigned due = 0; /* bit n: queue n */

    (void)loop;
    for (unsigned i = 0; i < pcm->stream_count; i++) {
        struct stream *stream = &pcm->streams[i];
        if (stream->wake_ns > now)
            continue;
        stream->wake_ns = TIME_NEVER;
        stream->dirty = true;
        due |= 1u << stream->vq->index;
    }
    for (unsigned q = VIRTIO_SND_VQ_TX; q <= VIRTIO_SND_VQ_RX; q++)
        if ((due >> q & 1) != 0)
            serve(pcm, &pcm->dev->queue[q], now);
}

static void alarm_set(struct pcm *pcm)
{
    uint64_t next = TIME_NEVER;

    for (unsigned i = 0; i < pcm->stream_count; i++)
        next = MIN(next, pcm->streams[i].wake_ns);
    loop_alarm(virtio_loop(pcm->dev), next == TIME_NEVER ? next : next + pcm->paused_ns, time_came,
               pcm);
}

static void host_wake(struct host *host)
{
    struct stream *stream = host->wake_ctx;

    stream->dirty = true;
    pcm_serve(stream->pcm, stream->vq);
}

static void host_opened(struct host *host, int r)
{
    stream_opened(host->wake_ctx, r);
    host_wake(host);
}

static void host_catch_up(struct host *host, uint64_t at_ns)
{
    stream_catch_up(host->wake_ctx, at_ns);
}

/* -- life -- */

int pcm_init(struct pcm *pcm, struct virtio_device *dev, void (*xrun)(struct stream *stream),
             unsigned streams_max)
{
    pcm->dev = dev;
    pcm->xrun = xrun;
    pcm->messages = calloc((size_t)2 * dev->class->limits.size, sizeof(pcm->messages[0]));
    pcm->streams = calloc(MAX(streams_max, 1u), sizeof(pcm->streams[0]));
    return pcm->messages != NULL && pcm->streams != NULL ? 0 : log_error(-ENOMEM, "%s", dev->name);
}

struct stream *pcm_add(struct pcm *pcm)
{
    struct stream *stream = &pcm->streams[pcm->stream_count];

    stream->pcm = pcm;
    stream->id = pcm->stream_count++;
    return stream;
}

void pcm_fini(struct pcm *pcm)
{
    for (unsigned i = 0; i < pcm->stream_count; i++)
        if (pcm->streams[i].host != NULL)
            pcm->streams[i].host->class->destroy(pcm->streams[i].host);
    free(pcm->streams);
    free(pcm->messages);
}

void pcm_activate(struct pcm *pcm)
{
    struct loop *loop = virtio_loop(pcm->dev);

    for (unsigned i = 0; i < pcm->stream_count; i++) {
        struct stream *stream = &pcm->streams[i];
        bool plays = stream_is_output(stream);
        stream->vq = &pcm->dev->queue[plays ? VIRTIO_SND_VQ_TX : VIRTIO_SND_VQ_RX];
        stream->host->loop = loop;
        stream->host->timebase = loop->timebase;
        stream->host->opened = host_opened;
        stream->host->wake = host_wake;
        stream->host->played = stream_played;
        stream->host->catch_up = host_catch_up;
        stream->host->wake_ctx = stream;
        stream_reset(stream);
    }
}

void pcm_reset(struct pcm *pcm)
{
    for (unsigned i = 0; i < pcm->stream_count; i++)
        stream_reset(&pcm->streams[i]);
    alarm_set(pcm);
    pcm->is_paused = false;
    pcm->free_messages = NULL;
    pcm->messages_used = 0;
}

void pcm_queue_reset(struct pcm *pcm, const struct virtq *vq)
{
    for (unsigned i = 0; i < pcm->stream_count; i++) {
        struct stream *stream = &pcm->streams[i];
        if (stream->vq == vq) {
            stream_flush(stream, VIRTIO_SND_S_IO_ERR);
            stream_reset(stream);
        } else if (vq->index == VIRTIO_SND_VQ_CONTROL) {
            stream_unpark(stream);
        }
    }
    alarm_set(pcm);
}

/* -- the machine is paused -- */

void pcm_pause(struct pcm *pcm)
{
    pcm->pause_begin_ns = pcm_host_ns(pcm);
    pcm->is_paused = true;
    loop_alarm(virtio_loop(pcm->dev), TIME_NEVER, NULL, NULL);
    for (unsigned i = 0; i < pcm->stream_count; i++)
        stream_pause(&pcm->streams[i]);
}

void pcm_resume(struct pcm *pcm)
{
    pcm->paused_ns += pcm_host_ns(pcm) - pcm->pause_begin_ns;
    pcm->is_paused = false;
    for (unsigned i = 0; i < pcm->stream_count; i++)
        stream_resume(&pcm->streams[i]);
    pcm_serve_all(pcm);
}
