/* SPDX-License-Identifier: BSD-3-Clause */
/* See event.h. */
#include "devices/snd/event.h"

#include "devices/snd/base/wire_ctl.h"

/* What is pending of a jack. */
enum { JACK_CONNECTED = 1, JACK_DISCONNECTED = 2 };

static bool wants_xruns(const struct events *events, unsigned stream)
{
    return (events->pcm->streams[stream].features & 1u << VIRTIO_SND_PCM_F_EVT_XRUNS) != 0;
}

/* -- what to tell next -- */

/* Takes the first of those pending, of which there is one. */
static struct wire_event take(struct events *events)
{
    unsigned i = 0;

    while (events->what[i] == 0)
        i++;
    const unsigned what = events->what[i];
    uint32_t code =
        what == JACK_CONNECTED ? VIRTIO_SND_EVT_JACK_CONNECTED : VIRTIO_SND_EVT_JACK_DISCONNECTED;
    uint32_t data = i;
    if (i >= EVENT_STREAMS) {
        code = VIRTIO_SND_EVT_PCM_XRUN;
        data = i - EVENT_STREAMS;
    } else if (i >= EVENT_CONTROLS) {
        code = WIRE_EVT_CTL_NOTIFY;
        data = WIRE_CTL_VALUE << 16 | (i - EVENT_CONTROLS); /* halves: id and mask (SND-92) */
    }
    events->what[i] = 0;
    events->pending--;
    return (struct wire_event){{to_le32(code)}, to_le32(data)};
}

/* Drops what a driver no longer wants to know: SET_PARAMS came after it happened. */
static void drop_unwanted(struct events *events)
{
    for (unsigned i = 0; i < events->pcm->stream_count; i++) {
        if (events->what[EVENT_STREAMS + i] != 0 && !wants_xruns(events, i)) {
            events->what[EVENT_STREAMS + i] = 0;
            events->pending--;
        }
    }
}

/* -- telling -- */

/* Gives one buffer back: with an event, or empty if none can be in it (SND-74). */
static void buffer_serve(struct events *events, struct virtq *vq, struct chain *chain)
{
    if (chain_readable(chain) == 0 && chain_writable(chain) >= sizeof(struct wire_event)) {
        struct wire_event event = take(events);
        int r = chain_write(chain, &event, sizeof(event));
        assert(r == 0); /* there is room */
    }
    virtq_push(vq, chain);
}

void events_deliver(struct events *events)
{
    struct virtq *vq = &events->dev->queue[VIRTIO_SND_VQ_EVENT];
    struct chain chain;
    int r = 1;

    if (events->pcm->is_paused)
        return; /* it is told when the machine goes on */
    drop_unwanted(events);
    /* Buffers are there without a kick (SND-75); one look takes no more than the ring holds. */
    for (unsigned taken = 0; events->pending > 0 && r > 0 && taken < vq->size; taken++) {
        virtq_round(vq);
        r = virtq_pop(vq, &chain);
        if (r > 0)
            buffer_serve(events, vq, &chain);
    }
    if (r > 0 && events->pending > 0)
        virtq_kick(vq); /* more may wait: the worker comes back for it */
    if (r < 0)
        virtio_fail(events->dev, r, "event queue");
    virtio_signal(events->dev, vq);
}

void events_forget(struct events *events)
{
    *events = (struct events){.dev = events->dev, .pcm = events->pcm};
}

/* -- what happens -- */

/* `what` is pending at place `i`. Without a queue there is no driver: it will ask when it comes. */
static void set(struct events *events, unsigned i, unsigned what)
{
    if (!events->dev->queue[VIRTIO_SND_VQ_EVENT].running)
        return;
    events->pending += events->what[i] == 0;
    events->what[i] = (uint8_t)what;
    events_deliver(events);
}

void events_jack(struct events *events, unsigned jack, bool connected)
{
    set(events, jack, connected ? JACK_CONNECTED : JACK_DISCONNECTED);
}

void events_control(struct events *events, unsigned control)
{
    if (virtio_has(events->dev, WIRE_F_CTLS))
        set(events, EVENT_CONTROLS + control, 1);
}

void events_xrun(struct events *events, unsigned stream)
{
    if (wants_xruns(events, stream))
        set(events, EVENT_STREAMS + stream, 1);
}
