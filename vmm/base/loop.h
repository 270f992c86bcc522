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

#include "vmm/base/base.h"

struct loop;

/* One watched fd. Lives in the struct that uses it; the loop keeps a pointer. Watches are level
 * triggered: `ready` must take away the cause. It may remove any watch, itself too. */
struct watch {
    int fd;
    void (*ready)(struct watch *watch, uint32_t epoll_events);
    struct loop *loop; /* set while added */
};

#define LOOP_BATCH_MAX 16

struct loop {
    int epoll_fd;
    struct watch stop; /* eventfd */
    bool stopping;     /* the running thread only */
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

/* Serves until loop_stop(); 0, or -errno of epoll_wait. May be run again. */
int loop_run(struct loop *loop);
/* Any thread, async-signal-safe: the loop ends after the round it is in. */
void loop_stop(struct loop *loop);
