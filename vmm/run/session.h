/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A command's life while its machine runs: threads copy linnet's standard streams, the main loop
 * talks with init in the guest (ctl.h), passes signals on, and ends the machine when CMD's status
 * has come and all its output is written. Main thread.
 *
 *   [boots] --hello--> [init] --started--> [CMD runs] --status--> [output is written] --> end
 *      |--boot-limit--> end       a signal:  ends      goes to CMD
 */
#pragma once

#include "vmm/base/loop.h"
#include "vmm/base/pump.h"
#include "vmm/run/ctl.h"
#include "vmm/run/run.h"
#include "vmm/vcpu.h"

struct session {
    const struct run *run; /* borrowed */
    void (*end)(struct session *session, enum vm_end how);

    struct ctl ctl;
    uint64_t hello_ns, started_ns; /* when it said so, CLOCK_MONOTONIC; 0: it did not */
    struct watch messages;         /* our end of linnet.ctl */
    struct pump pump[RUN_CTL];
    struct session_news {
        struct watch watch; /* of the pump with that number */
        struct session *session;
    } news[RUN_CTL];
    struct watch timer; /* owned: --boot-limit, then patience */
    bool escaped;       /* the input thread's */
    atomic_bool quit;   /* Ctrl-A x; the input thread's, told by its news */
    bool raw;           /* linnet's terminal is */
    bool gone;          /* init in the guest is: its port is closed */
    bool asked;         /* CMD was asked to end, by SIGINT or SIGTERM */
};

/* Takes part in `loop`, starts the threads; before the guest runs. session_stop() may follow in any
 * case. boot_limit_ns 0: none. Logged on failure. */
int session_start(struct session *session, const struct run *run, struct loop *loop,
                  uint64_t boot_limit_ns);
/* True if CMD got it; else it is linnet's own. */
bool session_signal(struct session *session, int signal);
/* The machine was paused, and goes on: has init set the guest's clock. Accepts zeroed ones. */
void session_resumed(struct session *session);
/* When the guest runs no more, for `how`: hears and writes what is left, and says in a line if
 * CMD's status never came. False then. Accepts zeroed ones. */
bool session_stop(struct session *session, enum vm_end how);
/* After that: which exit status it is. */
int session_status(const struct session *session, enum vm_end how);
