/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An event loop (epoll). The main thread runs one for signals, terminal and control, each worker of
 * a virtio device its own.
 *
 * A loop belongs to the thread that runs it: only that thread adds and removes watches, or another
 * one while the loop does not run, or stands still in a callback. loop_stop() alone may come from
 * anywhere.
 */
#pragma once

#include "vmm/base/timebase.h"

struct loop;

/* One watched fd. Lives in the struct that uses it; the loop keeps a pointer. Watches are level
 * triggered: `ready` must take away the cause, unless EPOLLET was given. It may remove any watch,
 * itself too. */
struct watch {
    int fd;
    void (*ready)(struct watch *watch, uint32_t epoll_events);
    struct loop *loop; /* set while added */
    struct watch *next_resting;
};

#define LOOP_BATCH_MAX 16

struct loop {
    int epoll_fd;
    struct watch stop;         /* eventfd */
    struct timebase *timebase; /* of the alarm; a test may set another */
    uint64_t alarm_ns;         /* TIME_NEVER: there is none */
    void (*alarm)(struct loop *loop, void *ctx);
    void *alarm_ctx;
    struct watch *resting; /* listening sockets that are left alone until rest_ns */
    uint64_t rest_ns;      /* TIME_NEVER: there are none */
    bool rest_told;        /* since somebody was taken */
    bool stopping;         /* the running thread only */
    int batch_count;
    void *batch[LOOP_BATCH_MAX]; /* watches of this round still to serve; NULL: removed meanwhile */
};

int loop_init(struct loop *loop);
void loop_fini(struct loop *loop);

/* Watches for `epoll_events` (EPOLLIN, ...). */
int loop_add(struct loop *loop, struct watch *watch, uint32_t epoll_events);
int loop_change(struct watch *watch, uint32_t epoll_events);
/* No `ready` call follows, not even one due in this round. Does nothing if not added. */
void loop_remove(struct watch *watch);

/* Has `alarm` called once at `alarm_ns`, by the loop's timebase, in the place of one that was to
 * come. It costs no system call: the loop waits that long and no longer. */
void loop_alarm(struct loop *loop, uint64_t alarm_ns, void (*alarm)(struct loop *loop, void *ctx),
                void *ctx);

/* Takes one who has come to a listening socket that is watched for EPOLLIN: a descriptor, which
 * does not block, or -errno. -EAGAIN: nobody is there (any more). Who can't be taken, because there
 * are too many open files, say, waits there: the socket is looked at again in a second. A line says
 * so, once. */
int loop_accept(struct watch *listener);

/* Serves until loop_stop(); 0, or -errno of epoll_wait. May be run again. */
int loop_run(struct loop *loop);
/* Any thread, async-signal-safe: the loop ends after the round it is in. */
void loop_stop(struct loop *loop);
