/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens in a machine, for --transcript and --trace: threads in which it happens (vCPUs,
 * workers) put an event into a queue, and a thread of its own takes it out and has it written.
 *
 *   vCPU    events_begin() .. events_end() --.    +---+---+---+---+     writer: each
 *   worker  events_begin() .. events_end() ---+-> | E | E | E |   | --> event to each sink
 *
 * Who tells of an event never waits and makes a system call only where the writer sleeps. What
 * finds no room is not written, but counted, and the count is written: EVENT_LOST. Nobody tells
 * anything where the pointer to struct events is NULL: that test is all that it costs then.
 *
 * The bytes of messages are copied from guest memory, at most EVENT_DATA_BYTES: lengths in them are
 * the guest's words.
 */
#pragma once

#include "vmm/base/thread.h"

#include <stdatomic.h>

/* What `a`, `b`, `value` and `queue` mean; the others are 0. */
enum event_kind {
    EVENT_NONE,
    EVENT_LOST,   /* `value` events found no room */
    EVENT_THREAD, /* data: the name of a thread of which there is an event for the first time */
    EVENT_EXIT,   /* a vCPU: KVM's exit reason a, address `value`, b: was a write; took_ns */
    EVENT_PERIOD, /* sound: stream a: a period of b frames has ended */
    EVENT_KICK,   /* the queue's eventfd was seen by its worker, which was at it for took_ns */

    /* a device and its driver, see virtio/transport.h */
    EVENT_DEVICE,         /* there is one: id a, slot b, offering the features `value` */
    EVENT_FEATURES_READ,  /* word a of what is offered is b */
    EVENT_FEATURES_WRITE, /* word a of what the driver takes is b */
    EVENT_STATUS,         /* the driver wrote a; the status is b then */
    EVENT_RESET,          /* a reset is complete */
    EVENT_QUEUE,          /* size a of at most b, enabled if `value`; data: three addresses */
    EVENT_QUEUE_RESET,    /* the driver resets that queue */
    EVENT_ACTIVE,         /* the device runs, or does not: errno a */
    EVENT_FAIL,           /* it needs a reset: errno a; data: why */
    EVENT_CONFIG_READ,    /* b bytes from a on; data: those (at most 8) */
    EVENT_CONFIG_WRITE,   /* the same */
    EVENT_CONFIG_NEWS,    /* the driver is told that config space changed */
    EVENT_POP,            /* request `id`: a bytes to read, b to write */
    EVENT_PUSH,           /* it comes back, b of `a` bytes written, took_ns after */
    EVENT_INTERRUPT,      /* of the queue */
};

/* Of EVENT_DEVICE: it is in another process's machine. */
#define EVENT_NO_SLOT    UINT32_MAX
#define EVENT_DATA_BYTES 192

struct event {
    uint64_t at_ns; /* CLOCK_MONOTONIC */
    uint64_t value;
    uint32_t took_ns, a, b;
    int32_t thread; /* the kernel's number */
    uint16_t queue, id;
    uint8_t kind;   /* enum event_kind */
    uint8_t device; /* its number, as EVENT_DEVICE came */
    /* How many bytes of data there are: the beginning of what the driver sent, then of what the
     * device answered, then the last bytes of that. */
    uint8_t sent, answer, tail;
    uint8_t data[EVENT_DATA_BYTES];
};

/* To be embedded: where events are written. All is called by one thread, the writer's. */
struct event_sink {
    void (*write)(struct event_sink *sink, const struct event *event);
    void (*rest)(struct event_sink *sink); /* no more for now */
};

#define EVENT_SINKS_MAX 2
#define EVENT_QUEUE_MAX 8192 /* events that wait to be written; a power of two */

struct events {
    struct event_cell *cells; /* owned, mapped */
    _Atomic uint64_t tail;    /* next place to fill */
    uint64_t head;            /* next place to write; the writer's */
    _Atomic uint64_t lost;    /* all so far, */
    uint64_t lost_told;       /* and of those the writer has told */
    uint64_t wake_mask;       /* it is woken at places where none of these bits is set */
    _Atomic bool woken;       /* it will look once more */
    _Atomic bool stopping;
    int wake_fd; /* owned eventfd */
    struct thread thread;
    struct event_sink *sinks[EVENT_SINKS_MAX]; /* borrowed */
    unsigned sink_count;
};

/* Main. On failure -errno, and nothing is left. `live`: what happens is written at once, not
 * when there is much of it. */
int events_init(struct events *events, bool live);
/* Before events_start(). */
void events_add(struct events *events, struct event_sink *sink);
int events_start(struct events *events);
/* Nobody tells anything any more: all of it is written, the thread joined. Accepts one that was not
 * started. */
void events_stop(struct events *events);
/* Accepts a zeroed one. */
void events_fini(struct events *events);

uint64_t events_now(void);
/* Any thread. An event to be filled, in which are its kind, its time and its thread; NULL: there is
 * no room. */
struct event *events_begin(struct events *events, enum event_kind kind);
/* It is complete. */
void events_end(struct events *events, struct event *event);
