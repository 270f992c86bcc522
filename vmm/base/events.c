/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue of events, see events.h. A place in it is free or full in turn: its `turn` says which
 * time around the queue it waits for, doubled, and 1 more while it is full. Who moves `tail` owns
 * that place until it says "full"; the writer waits for places in their order, so what is written
 * is in the order in which places were taken.
 */
#include "vmm/base/events.h"

#include "vmm/base/sparse.h"
#include "vmm/base/timebase.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

struct event_cell {
    _Atomic uint64_t turn;
    struct event event;
};

#define QUEUE_BYTES (EVENT_QUEUE_MAX * sizeof(struct event_cell))

/* 0: nothing has been told of this thread yet. */
static _Thread_local int32_t thread_number;

uint64_t events_now(void)
{
    return timebase_monotonic.now_ns(&timebase_monotonic);
}

/* -- who tells -- */

static struct event_cell *cell_at(const struct events *events, uint64_t place)
{
    return &events->cells[place % EVENT_QUEUE_MAX];
}

static uint64_t turn_of(uint64_t place)
{
    return place / EVENT_QUEUE_MAX * 2;
}

/* A place for one more event, or NULL. */
static struct event_cell *cell_take(struct events *events)
{
    uint64_t place = atomic_load_explicit(&events->tail, memory_order_relaxed);

    for (;;) {
        struct event_cell *cell = cell_at(events, place);
        /* Acquire: the writer is done with it. Partner: the release in drain(). */
        uint64_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
        if (turn < turn_of(place))
            return NULL; /* full since the last time around */
        if (turn == turn_of(place) &&
            atomic_compare_exchange_weak_explicit(&events->tail, &place, place + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return cell;
        if (turn > turn_of(place)) /* somebody else has taken it */
            place = atomic_load_explicit(&events->tail, memory_order_relaxed);
    }
}

static struct event *begin(struct events *events, enum event_kind kind)
{
    struct event_cell *cell = cell_take(events);

    if (cell == NULL) {
        (void)atomic_fetch_add_explicit(&events->lost, 1, memory_order_relaxed);
        return NULL;
    }
    memset(&cell->event, 0, offsetof(struct event, data));
    cell->event.kind = (uint8_t)kind;
    cell->event.at_ns = events_now();
    cell->event.thread = thread_number;
    return &cell->event;
}

static void tell_thread(struct events *events)
{
    thread_number = gettid();
    struct event *event = begin(events, EVENT_THREAD);
    if (event == NULL)
        return;
    (void)prctl(PR_GET_NAME, event->data); /* 16 bytes; fails on our own bugs only */
    event->sent = (uint8_t)strnlen((const char *)event->data, 16);
    events_end(events, event);
}

struct event *events_begin(struct events *events, enum event_kind kind)
{
    if (thread_number == 0)
        tell_thread(events);
    return begin(events, kind);
}

void events_end(struct events *events, struct event *event)
{
    struct event_cell *cell = container_of(event, struct event_cell, event);
    uint64_t turn = atomic_load_explicit(&cell->turn, memory_order_relaxed);
    uint64_t place = turn / 2 * EVENT_QUEUE_MAX + (uint64_t)(cell - events->cells);

    /* Release: the event is complete. Partner: the acquire in drain(). */
    atomic_store_explicit(&cell->turn, turn + 1, memory_order_release);
    /* Either the writer has yet to empty the queue after this, or it is woken. Partner: the
     * exchange in writer_main(). */
    if ((place & events->wake_mask) == 0 && !atomic_exchange(&events->woken, true))
        (void)eventfd_write(events->wake_fd, 1); /* cannot be full */
}

/* -- who writes -- */

static void write_all(struct events *events, const struct event *event)
{
    for (unsigned i = 0; i < events->sink_count; i++)
        events->sinks[i]->write(events->sinks[i], event);
}

static void tell_lost(struct events *events)
{
    uint64_t lost = atomic_load_explicit(&events->lost, memory_order_relaxed);
    const struct event event = {
        .kind = EVENT_LOST, .at_ns = events_now(), .value = lost - events->lost_told};

    if (lost == events->lost_told)
        return;
    events->lost_told = lost;
    write_all(events, &event);
}

static void drain(struct events *events)
{
    for (;;) {
        struct event_cell *cell = cell_at(events, events->head);
        uint64_t full = turn_of(events->head) + 1;
        if (atomic_load_explicit(&cell->turn, memory_order_acquire) != full)
            break;
        write_all(events, &cell->event);
        atomic_store_explicit(&cell->turn, full + 1, memory_order_release);
        events->head++;
        tell_lost(events);
    }
    tell_lost(events);
    for (unsigned i = 0; i < events->sink_count; i++)
        events->sinks[i]->rest(events->sinks[i]);
}

static void writer_main(void *arg)
{
    struct events *events = arg;
    eventfd_t count;

    while (!events->stopping) {
        (void)eventfd_read(events->wake_fd, &count);
        (void)atomic_exchange(&events->woken, false);
        drain(events);
    }
}

/* -- life -- */

int events_init(struct events *events, bool live)
{
    *events = (struct events){.wake_mask = live ? 0 : EVENT_QUEUE_MAX / 4 - 1};
    auto_close int wake_fd = eventfd(0, EFD_CLOEXEC);
    if (wake_fd < 0)
        return -errno;
    events->cells = sparse_map(QUEUE_BYTES);
    if (events->cells == NULL)
        return -ENOMEM;
    events->wake_fd = fd_take(&wake_fd);
    return 0;
}

void events_add(struct events *events, struct event_sink *sink)
{
    assert(events->sink_count < EVENT_SINKS_MAX);
    events->sinks[events->sink_count++] = sink;
}

int events_start(struct events *events)
{
    return thread_start(&events->thread, THREAD_WORKER, "events", writer_main, events);
}

void events_stop(struct events *events)
{
    events->stopping = true;
    if (thread_running(&events->thread)) {
        (void)eventfd_write(events->wake_fd, 1);
        thread_join(&events->thread);
    }
    if (events->cells != NULL)
        drain(events); /* what nobody was woken for */
}

void events_fini(struct events *events)
{
    if (events->cells == NULL)
        return;
    sparse_unmap(events->cells, QUEUE_BYTES);
    fd_close(&events->wake_fd);
    events->cells = NULL;
}
