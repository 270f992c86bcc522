/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watchdog SP805 (Arm DDI 0270): a guest that has started it and then feeds it no more has hung,
 * and the machine ends. It counts a millisecond at a time, from what the guest loads down to 0, and
 * that twice: the first time is a warning, an interrupt on real ones, which is not connected here;
 * the second time is the end. Linux drives it by a device tree (sp805_wdt), and by the instructions
 * of an ACPI table (WDAT, wdat_wdt).
 *
 * Registers are vCPU threads', the alarm is the thread's that runs the loop which watches it;
 * pause and resume are main's, while no vCPU runs.
 */
#pragma once

#include "vmm/base/bus.h"
#include "vmm/base/loop.h"
#include "vmm/base/timebase.h"

#include <pthread.h>

#define WATCHDOG_SIZE 0x1000
#define WATCHDOG_HZ   1000 /* of its clock */

/* Registers that the ACPI table names. */
#define WATCHDOG_LOAD    0x000
#define WATCHDOG_CONTROL 0x008
#define WATCHDOG_CLEAR   0x00c /* any value: begins from the start */

#define WATCHDOG_CONTROL_COUNTS 1u
#define WATCHDOG_CONTROL_ENDS   2u /* the second time is the end */

struct watchdog {
    struct timebase *timebase;
    /* Nobody fed it: on the thread of the loop; returns at once. */
    void (*hungry)(struct watchdog *watchdog);
    struct watch timer;   /* for the owner to add to a loop, EPOLLIN */
    pthread_mutex_t lock; /* of what follows */
    uint32_t load;
    uint32_t control;
    bool locked;
    bool ended;        /* it was told */
    uint64_t fed_ns;   /* when it began from the start, while it counts */
    uint64_t stood_ns; /* while paused: when that began; 0: it is not */
};

/* -errno; watchdog_fini() may follow in any case, also of a zeroed one. */
int watchdog_init(struct watchdog *watchdog, struct timebase *timebase);
void watchdog_fini(struct watchdog *watchdog);

/* The guest's time stands still, and goes on. Accept a zeroed one. */
void watchdog_pause(struct watchdog *watchdog);
void watchdog_resume(struct watchdog *watchdog);

extern const struct bus_ops watchdog_ops; /* ctx: struct watchdog *; 32 bits each 4 bytes */
