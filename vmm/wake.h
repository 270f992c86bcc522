/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ends or asks a running machine from outside the guest, as events of the main loop: signals,
 * and the time limit. Main thread.
 */
#pragma once

#include "vmm/base/loop.h"
#include "vmm/base/timebase.h"

struct wake {
    struct timebase *timebase;                        /* borrowed */
    struct watch signals;                             /* signalfd, owned */
    struct watch time_limit;                          /* timerfd, owned */
    int signal;                                       /* the one that ended us */
    void (*ended)(struct wake *wake, bool by_signal); /* SIGTERM, SIGINT, SIGHUP, or time is up */
    void (*report)(struct wake *wake);                /* SIGUSR1 */
    /* NULL: nobody else wants signals. Else it is asked first, about these and a few more
     * (SIGQUIT, SIGUSR2, SIGWINCH); true if it took the signal. */
    bool (*taken)(struct wake *wake, int signal);
};

/* Blocks the signals, for threads made later too, and watches for them in `loop`. Writing to a
 * closed pipe or past a size limit becomes an error instead of a signal. 0 or -errno, logged. */
int wake_on_signals(struct wake *wake, struct loop *loop);
/* Once, in limit_ns from now: the host's time, whether the guest runs or stands still. */
int wake_after(struct wake *wake, struct loop *loop, uint64_t limit_ns);

/* Before the others, and after the loop is done. */
void wake_init(struct wake *wake, struct timebase *timebase);
void wake_fini(struct wake *wake);
