/* SPDX-License-Identifier: BSD-3-Clause */
/* See timebase.h. */
#include "vmm/base/timebase.h"

#include <sys/timerfd.h>
#include <time.h>

static uint64_t monotonic_now_ns(struct timebase *timebase)
{
    struct timespec now;

    (void)timebase;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void monotonic_arm(struct timebase *timebase, int fd, uint64_t deadline_ns)
{
    struct itimerspec when = {0}; /* all zero disarms */

    (void)timebase;
    if (deadline_ns != TIME_NEVER) {
        deadline_ns = MAX(deadline_ns, 1ull);
        when.it_value.tv_sec = (time_t)(deadline_ns / SECOND_NS);
        when.it_value.tv_nsec = (long)(deadline_ns % SECOND_NS);
    }
    int r = timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
    assert(r == 0); /* a timerfd and a valid time */
}

struct timebase timebase_monotonic = {.now_ns = monotonic_now_ns, .arm = monotonic_arm};

int timebase_timer(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

void timebase_arm_in(struct timebase *timebase, int fd, uint64_t in_ns)
{
    uint64_t deadline_ns;

    if (ckd_add(&deadline_ns, timebase->now_ns(timebase), in_ns))
        deadline_ns = TIME_NEVER;
    timebase->arm(timebase, fd, deadline_ns);
}
