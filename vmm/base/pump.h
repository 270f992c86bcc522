/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that copies between one of linnet's own standard streams and the socket of a console
 * port. The streams are shared with other processes, so they stay as they are: the thread blocks,
 * and nobody else. Main starts it before the guest runs, and stops it after.
 */
#pragma once

#include "vmm/base/blocker.h"

#define PUMP_PATIENCE_MS 2000 /* at the end: how long a reader that takes nothing is waited for */

struct pump {
    int stream;    /* borrowed: 0, 1 or 2 */
    int socket;    /* borrowed, blocks */
    bool is_input; /* from stream to socket */
    /* For input from a terminal: may take keys away, returns how many are left. NULL: none are. */
    size_t (*keys)(struct pump *pump, uint8_t *keys, size_t count);
    struct blocker blocker; /* its news are main's to watch */
};

/* All but `blocker` is set. -errno, logged. */
int pump_start(struct pump *pump);
/* Output: what is in the socket still goes out, unless nobody takes it. Accepts what did not start,
 * and stopped ones. */
void pump_stop(struct pump *pump);
