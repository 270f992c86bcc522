/* SPDX-License-Identifier: BSD-3-Clause */
/* See event.h. */
#include "devices/snd/event.h"

#include "devices/snd/base/wire_ctl.h"
#include "devices/snd/snd.h"

_Static_assert(2 * SND_STREAMS_MAX <= EVENT_STREAMS_MAX, "a flag for each stream");
_Static_assert(WIRE_CTL_VALUE + WIRE_CTL_INFO + WIRE_CTL_TLV <= UINT8_MAX, "a mask is a byte");

static struct virtq *event_queue(struct snd *snd)
{
    return &snd->dev.queue[VIRTIO_SND_VQ_EVENT];
}

static bool wants_xruns(const struct stream *stream)
{
    return (stream->features & 1u << VIRTIO_SND_PCM_F_EVT_XRUNS) != 0;
}

/* -- what to tell next -- */

static struct wire_event jack_event(struct snd *snd, unsigned jack)
{
    bool connected = snd->jacks.item[jack].info.connected != 0;

    snd->events.jack[jack] = false;
    return (struct wire_event){
        {to_le32(connected ? VIRTIO_SND_EVT_JACK_CONNECTED : VIRTIO_SND_EVT_JACK_DISCONNECTED)},
        to_le32(jack)};
}

static struct wire_event xrun_event(struct snd *snd, unsigned stream)
{
    snd->events.xrun[stream] = false;
    return (struct wire_event){{to_le32(VIRTIO_SND_EVT_PCM_XRUN)}, to_le32(stream)};
}

/* Its data are two halves: id and mask (SND-92). */
static struct wire_event control_event(struct snd *snd, unsigned control)
{
    uint32_t mask = snd->events.control[control];

    snd->events.control[control] = 0;
    return (struct wire_event){{to_le32(WIRE_EVT_CTL_NOTIFY)}, to_le32(mask << 16 | control)};
}

/* Takes one of those pending; there is one. */
static struct wire_event take(struct snd *snd)
{
    const struct events *events = &snd->events;

    for (unsigned i = 0; i < EVENT_JACKS_MAX; i++)
        if (events->jack[i])
            return jack_event(snd, i);
    for (unsigned i = 0; i < EVENT_CONTROLS_MAX; i++)
        if (events->control[i] != 0)
            return control_event(snd, i);
    for (unsigned i = 0; i < EVENT_STREAMS_MAX; i++)
        if (events->xrun[i])
            return xrun_event(snd, i);
    assert(false); /* `pending` counts them */
    return (struct wire_event){{to_le32(0)}, to_le32(0)};
}

/* Drops what a driver no longer wants to know: SET_PARAMS came after it happened. */
static void drop_unwanted(struct snd *snd)
{
    struct events *events = &snd->events;

    for (unsigned i = 0; i < snd->stream_count; i++) {
        if (events->xrun[i] && !wants_xruns(&snd->streams[i])) {
            events->xrun[i] = false;
            events->pending--;
        }
    }
}

/* -- telling -- */

/* Gives one buffer back: with an event, or empty if none can be in it (SND-74). */
static void buffer_serve(struct snd *snd, struct chain *chain)
{
    if (chain_readable(chain) == 0 && chain_writable(chain) >= sizeof(struct wire_event)) {
        struct wire_event event = take(snd);
        int r = chain_write(chain, &event, sizeof(event));
        assert(r == 0); /* there is room */
        snd->events.pending--;
    }
    virtq_push(event_queue(snd), chain);
}

void events_deliver(struct snd *snd)
{
    struct virtq *vq = event_queue(snd);
    struct chain chain;
    int r = 1;

    drop_unwanted(snd);
    /* Buffers are there without a kick (SND-75); one look takes no more than the ring holds. */
    for (unsigned taken = 0; snd->events.pending > 0 && r > 0 && taken < vq->size; taken++) {
        virtq_round(vq);
        r = virtq_pop(vq, &chain);
        if (r > 0)
            buffer_serve(snd, &chain);
    }
    if (r > 0 && snd->events.pending > 0)
        virtq_kick(vq); /* more may wait: the worker comes back for it */
    if (r < 0)
        virtio_fail(&snd->dev, r, "event queue");
    virtio_signal(&snd->dev, vq);
}

void events_forget(struct snd *snd)
{
    snd->events = (struct events){0};
}

/* -- what happens -- */

/* Without a queue there is no driver: it will ask when it comes. */
static bool has_driver(const struct snd *snd)
{
    return snd->dev.queue[VIRTIO_SND_VQ_EVENT].running;
}

static void set_flag(struct snd *snd, bool *flag)
{
    if (!has_driver(snd))
        return;
    snd->events.pending += !*flag;
    *flag = true;
    events_deliver(snd);
}

void events_jack(struct snd *snd, unsigned jack)
{
    assert(jack < snd->jacks.count);
    set_flag(snd, &snd->events.jack[jack]);
}

void events_xrun(const struct stream *stream)
{
    if (wants_xruns(stream))
        set_flag(stream->snd, &stream->snd->events.xrun[stream->id]);
}

void events_control(struct snd *snd, unsigned control, unsigned mask)
{
    uint8_t *pending = &snd->events.control[control];

    assert(control < snd->ctls.count &&
           (mask & ~(WIRE_CTL_VALUE | WIRE_CTL_INFO | WIRE_CTL_TLV)) == 0);
    if (!has_driver(snd) || !virtio_has(&snd->dev, WIRE_F_CTLS) || mask == 0)
        return;
    snd->events.pending += *pending == 0;
    *pending |= (uint8_t)mask;
    events_deliver(snd);
}
