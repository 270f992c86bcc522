/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bond between a stream and its host: opens the host, on a thread of its own if opening may
 * take long, notices when it is gone, and tries to get it back.
 *
 *                 attach_open()          the thread is done
 *   [closed] -------------------> [opening] -----------------> [open]
 *       ^                             |  failed, or not             |
 *       |                             v  wanted any more            v
 *       +-----------------------------+-----------------------------+ attach_close(), attach_lose()
 *
 * While it is opening, only that thread touches the host; a close then waits for it in the
 * background. Worker; init and fini: main; activate and reset: with the worker joined.
 */
#pragma once

#include "devices/snd/host/host.h"

enum attach_state { ATTACH_CLOSED, ATTACH_OPENING, ATTACH_OPEN };

struct attach {
    struct host *host; /* owned */
    enum attach_state state;
    bool wanted;              /* somebody waits for it to be open */
    struct pcm_params params; /* to open it with */

    struct pcm_params opening_params; /* what the thread opens it with; its own until done */
    pthread_t thread;
    int result;
    struct watch done; /* eventfd: the thread ended */

    /* Worker: an open that was not over when attach_open() returned has ended. */
    void (*opened)(struct attach *attach, int r);
};

/* `host` and `opened` are set. 0 or -errno. */
int attach_init(struct attach *attach);
/* Destroys the host. Accepts what a failed init left. */
void attach_fini(struct attach *attach);
int attach_activate(struct attach *attach, struct loop *loop);
void attach_reset(struct attach *attach);

/* 0: open. -EINPROGRESS: `opened` will be called. Else why the host can't be opened. */
int attach_open(struct attach *attach, const struct pcm_params *params);
/* Also takes back a wish to have it open. */
void attach_close(struct attach *attach);

static inline bool attach_is_open(const struct attach *attach)
{
    return attach->state == ATTACH_OPEN;
}
