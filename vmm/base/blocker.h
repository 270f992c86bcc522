/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that reads or writes what somebody outside takes their time for (a pipe, a terminal),
 * with plain calls that block, and that ends all the same when the machine does:
 *
 *   main                                   the thread
 *   blocker_end()     no more comes        does what is left, blocker_progress() at each step
 *   blocker_stop()    waits as long as     ...
 *                     there is progress
 *                     gives up, kicks      its call ends with EINTR; it returns
 */
#pragma once

#include "vmm/base/irq.h"
#include "vmm/base/thread.h"

#include <stdatomic.h>

struct blocker {
    struct thread thread;
    /* Owned; raised at the thread's end, and at each step while it is `ending`. Main may watch it,
     * and read it. */
    struct irq news;
    atomic_bool ending;    /* main: no more comes, do what is there */
    atomic_bool giving_up; /* main: leave it */
    atomic_bool ended;     /* the thread */
    void (*run)(struct blocker *blocker);
};

/* Main, before the guest runs. Has run(blocker) called on a thread of its own. -errno: nothing is
 * left. */
int blocker_start(struct blocker *blocker, const char *name, void (*run)(struct blocker *blocker));
/* The thread: it got something done. */
void blocker_progress(struct blocker *blocker);
/* Main. */
void blocker_end(struct blocker *blocker);
/* Main: returns when the thread has ended, which is given up if it gets nothing done for
 * patience_ms. Does nothing if it does not run. */
void blocker_stop(struct blocker *blocker, int patience_ms);

static inline bool blocker_running(const struct blocker *blocker)
{
    return thread_running(&blocker->thread);
}
