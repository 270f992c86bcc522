/* SPDX-License-Identifier: BSD-3-Clause */
/* See events.h. */
#include "virtio/events.h"

#include <string.h>

/* Bytes of a message that an event takes: of a request that comes; of a request that goes back, so
 * that its answer can be understood, and of the answer its beginning and its end. */
#define POP_BYTES    EVENT_DATA_BYTES
#define SENT_BYTES   48
#define TAIL_BYTES   16
#define ANSWER_BYTES (EVENT_DATA_BYTES - SENT_BYTES - TAIL_BYTES)

/* -- devices -- */

static struct event *begin(const struct virtio_device *dev, enum event_kind kind)
{
    struct event *event = events_begin(dev->events, kind);

    if (event != NULL)
        event->device = dev->events_number;
    return event;
}

void device_event(const struct virtio_device *dev, enum event_kind kind, uint32_t queue, uint32_t a,
                  uint32_t b)
{
    struct event *event = begin(dev, kind);

    if (event == NULL)
        return;
    event->queue = (uint16_t)queue;
    event->a = a;
    event->b = b;
    events_end(dev->events, event);
}

void device_event_data(const struct virtio_device *dev, enum event_kind kind, uint32_t a,
                       uint32_t b, const void *data, size_t len)
{
    struct event *event = begin(dev, kind);

    if (event == NULL)
        return;
    event->a = a;
    event->b = b;
    event->sent = (uint8_t)MIN(len, (size_t)EVENT_DATA_BYTES);
    memcpy(event->data, data, event->sent);
    events_end(dev->events, event);
}

/* -- queues -- */

void queue_event_setup(const struct virtio_device *dev, const struct virtq *vq, bool enable)
{
    const uint64_t addr[] = {vq->config.desc, vq->config.driver, vq->config.device};
    struct event *event = begin(dev, EVENT_QUEUE);

    if (event == NULL)
        return;
    event->queue = vq->index;
    event->a = vq->config.size;
    event->b = vq->limits.size;
    event->value = enable;
    event->sent = sizeof(addr);
    memcpy(event->data, addr, sizeof(addr));
    events_end(dev->events, event);
}

void queue_event_kick(const struct virtio_device *dev, const struct virtq *vq, uint64_t began_ns)
{
    uint64_t took_ns = events_now() - began_ns;
    struct event *event = begin(dev, EVENT_KICK);

    if (event == NULL)
        return;
    event->queue = vq->index;
    event->at_ns = began_ns;
    event->took_ns = (uint32_t)MIN(took_ns, (uint64_t)UINT32_MAX);
    events_end(dev->events, event);
}

static struct event *queue_begin(const struct virtq *vq, enum event_kind kind, uint16_t id)
{
    struct event *event = events_begin(vq->events->to, kind);

    if (event == NULL)
        return NULL;
    event->device = vq->events->device;
    event->queue = vq->index;
    event->id = id;
    return event;
}

/* Adds the first of `len` bytes at a cursor, at most `most`: how many. */
static uint8_t copy(struct event *event, struct chain_cursor at, uint32_t len, size_t most)
{
    struct chain look = {.read = at, .readable_left = len};
    uint8_t *to = event->data + event->sent + event->answer;
    size_t bytes = MIN((size_t)len, most);

    (void)chain_read(&look, to, bytes); /* as much is there */
    return (uint8_t)bytes;
}

void queue_events_forget(struct virtq *vq)
{
    vq->events->free = 0;
    for (uint16_t i = 0; i < vq->limits.size; i++)
        vq->events->request[i].next = (uint16_t)(i + 1);
}

void queue_event_pop(struct virtq *vq, struct chain *chain)
{
    struct queue_request *request = &vq->events->request[vq->events->free];
    struct event *event = queue_begin(vq, EVENT_POP, chain->id);

    assert(vq->events->free < vq->limits.size); /* no more are under way than the ring has slots */
    chain->told = vq->events->free;
    vq->events->free = request->next;
    *request = (struct queue_request){.popped_ns = events_now(),
                                      .write = chain->write,
                                      .readable = chain->readable_left,
                                      .writable = chain->writable_left};
    if (event == NULL)
        return;
    event->a = chain->readable_left;
    event->b = chain->writable_left;
    event->sent = copy(event, chain->read, chain->readable_left, POP_BYTES);
    events_end(vq->events->to, event);
}

/* The end of the writable part, where it is not in its beginning. */
static uint8_t copy_tail(struct event *event, const struct queue_request *request)
{
    struct chain look = {.read = request->write, .readable_left = request->writable};
    uint32_t rest = request->writable - event->answer;
    size_t bytes = MIN(rest, (uint32_t)TAIL_BYTES);

    (void)chain_skip(&look, request->writable - bytes); /* as much is there */
    (void)chain_read(&look, event->data + event->sent + event->answer, bytes);
    return (uint8_t)bytes;
}

static void push_one(struct virtq *vq, const struct chain *chain)
{
    struct queue_request *request = &vq->events->request[chain->told];
    struct event *event = queue_begin(vq, EVENT_PUSH, chain->id);
    const struct chain_cursor begin = {.chunk = chain->chunks};

    request->next = vq->events->free;
    vq->events->free = chain->told;
    if (event == NULL)
        return;
    event->a = request->writable;
    event->b = chain->written;
    event->took_ns = (uint32_t)MIN(event->at_ns - request->popped_ns, (uint64_t)UINT32_MAX);
    event->sent = copy(event, begin, request->readable, SENT_BYTES);
    event->answer = copy(event, request->write, request->writable, ANSWER_BYTES);
    event->tail = copy_tail(event, request);
    events_end(vq->events->to, event);
}

/* A dead queue's memory is not to be touched. */
void queue_event_push(struct virtq *vq, const struct chain *chains, unsigned count)
{
    for (unsigned i = 0; i < count && !vq->dead; i++)
        push_one(vq, &chains[i]);
}

/* -- life -- */

int virtio_events_tell(struct virtio_device *dev, struct events *events, uint8_t number,
                       unsigned slot)
{
    for (unsigned i = 0; i < dev->queue_count; i++) {
        struct virtq *vq = &dev->queue[i];
        struct queue_events *told =
            calloc(1, sizeof(*told) + vq->limits.size * sizeof(told->request[0]));
        if (told == NULL)
            return log_error(-ENOMEM, "%s: events", dev->name);
        told->to = events;
        told->device = number;
        vq->events = told;
        queue_events_forget(vq);
    }
    dev->events = events;
    dev->events_number = number;
    struct event *event = begin(dev, EVENT_DEVICE);
    if (event == NULL)
        return 0;
    event->a = dev->id;
    event->b = slot;
    event->value = dev->features;
    events_end(events, event);
    return 0;
}

void virtio_events_forget(struct virtio_device *dev)
{
    for (unsigned i = 0; dev->queue != NULL && i < dev->queue_count; i++)
        free(dev->queue[i].events);
    dev->events = NULL;
}
