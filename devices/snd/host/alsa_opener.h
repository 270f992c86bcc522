/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opens a sound card on a thread of its own, for that may take long.
 *
 *                 opener_open()            the thread is done
 *   [closed] -------------------> [opening] -----------------> [open]
 *       ^                             |  failed, or not             |
 *       |                             v  wanted any more            v
 *       +-----------------------------+-----------------------------+ opener_close()
 *
 * While it is opening, only that thread touches the card; a close then waits for it in the
 * background. Worker; fini: main.
 */
#pragma once

#include "devices/snd/host/host.h"

enum opener_state { OPENER_CLOSED, OPENER_OPENING, OPENER_OPEN };

struct opener {
    struct host *host; /* borrowed; opened() is called on it */
    int (*open)(struct host *host, const struct pcm_params *params); /* on the thread */
    void (*close)(struct host *host);                                /* what it opened */

    enum opener_state state;
    bool wanted;              /* somebody waits for it to be open */
    struct pcm_params params; /* to open it with */

    struct pcm_params opening_params; /* what the thread opens it with; its own until done */
    pthread_t thread;
    int result;
    struct watch done; /* eventfd: the thread ended; watched while somebody waits */
};

/* `host`, `open`, `close` are set. 0 or -errno. */
int opener_init(struct opener *opener);
/* False: it hangs in open(), and all that it uses has to stay until the process ends. */
bool opener_fini(struct opener *opener);

/* As a host_class's. */
int opener_open(struct opener *opener, const struct pcm_params *params);
void opener_close(struct opener *opener);
