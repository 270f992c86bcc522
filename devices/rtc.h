/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Real-time clock PL031 (Arm DDI 0224): seconds since 1970, from the host's clock; what the guest
 * sets is kept as a distance from that. The alarm goes off in the second that it is set to.
 *
 * Registers are vCPU threads', the alarm is the thread's that runs the loop which watches it.
 */
#pragma once

#include "vmm/base/bus.h"
#include "vmm/base/irq.h"
#include "vmm/base/loop.h"
#include "vmm/base/timebase.h"

#define RTC_SIZE 0x1000

struct rtc {
    struct timebase *timebase; /* of the alarm */
    uint64_t (*wall_ns)(void); /* the host's time since 1970; tests bring their own */
    struct watch timer;        /* for the owner to add to a loop, EPOLLIN */
    struct irq irq;            /* an edge for each alarm that is not masked */
    pthread_mutex_t lock;      /* of what follows */
    uint32_t offset_s;         /* added to the host's time, modulo 2^32 */
    uint32_t match;
    bool unmasked, raised; /* the alarm's interrupt, and that it went off */
    bool armed;            /* the timer waits for the alarm */
};

/* Shows the host's time. -errno; rtc_fini() may follow in any case, also of a zeroed one. */
int rtc_init(struct rtc *rtc, struct timebase *timebase);
void rtc_fini(struct rtc *rtc);

extern const struct bus_ops rtc_ops; /* ctx: struct rtc *; a 32-bit register each 4 bytes */
