/* SPDX-License-Identifier: BSD-3-Clause */
/* See wake.h. */
#include "vmm/wake.h"

#include "vmm/base/log.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

static void signal_ready(struct watch *watch, uint32_t epoll_events)
{
    struct wake *wake = container_of(watch, struct wake, signals);
    struct signalfd_siginfo info;

    (void)epoll_events;
    if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
        return;
    int signal = (int)info.ssi_signo;
    if (signal != SIGWINCH && signal != SIGUSR1 && signal != SIGUSR2)
        wake->signal = signal; /* the one to die of, should it come to that */
    if (wake->taken != NULL && wake->taken(wake, signal))
        return;
    if (signal == SIGUSR1) {
        wake->report(wake);
        return;
    }
    wake->ended(wake, true);
}

static void time_limit_ready(struct watch *watch, uint32_t epoll_events)
{
    struct wake *wake = container_of(watch, struct wake, time_limit);
    uint64_t count;

    (void)epoll_events;
    (void)!read(watch->fd, &count, sizeof(count));
    wake->ended(wake, false);
}

void wake_init(struct wake *wake, struct timebase *timebase)
{
    wake->timebase = timebase;
    wake->signals = (struct watch){.fd = -1, .ready = signal_ready};
    wake->time_limit = (struct watch){.fd = -1, .ready = time_limit_ready};
}

void wake_fini(struct wake *wake)
{
    fd_close(&wake->time_limit.fd);
    fd_close(&wake->signals.fd);
}

int wake_on_signals(struct wake *wake, struct loop *loop)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    if (wake->taken != NULL) {
        (void)sigaddset(&set, SIGQUIT);
        (void)sigaddset(&set, SIGUSR2);
        (void)sigaddset(&set, SIGWINCH);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a recording that grows too large: EFBIG */
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    wake->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (wake->signals.fd < 0)
        return log_error(-errno, "signalfd");
    int r = loop_add(loop, &wake->signals, EPOLLIN);
    return r < 0 ? log_error(r, "watch signals") : 0;
}

int wake_after(struct wake *wake, struct loop *loop, uint64_t limit_ns)
{
    wake->time_limit.fd = timebase_timer();
    if (wake->time_limit.fd < 0)
        return log_error(wake->time_limit.fd, "--time-limit");
    timebase_arm_in(wake->timebase, wake->time_limit.fd, limit_ns);
    int r = loop_add(loop, &wake->time_limit, EPOLLIN);
    return r < 0 ? log_error(r, "--time-limit") : 0;
}
