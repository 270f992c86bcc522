/* SPDX-License-Identifier: BSD-3-Clause */
/* See irq.h. */
#include "vmm/base/irq.h"

#include "vmm/base/timebase.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#define REPEAT_MIN_NS MS_NS
#define REPEAT_MAX_NS SECOND_NS

int irq_init(struct irq *irq)
{
    *irq = (struct irq){
        .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .pulse = PTHREAD_MUTEX_INITIALIZER,
        .vm_fd = -1,
        .repeat_ns = REPEAT_MIN_NS,
    };
    return irq->fd < 0 ? -errno : 0;
}

void irq_fini(struct irq *irq)
{
    loop_remove(&irq->repeat);
    fd_close(&irq->fd);
}

static void repeat_ready(struct watch *watch, uint32_t epoll_events)
{
    struct irq *irq = container_of(watch, struct irq, repeat);
    uint64_t count;

    (void)epoll_events;
    (void)!read(watch->fd, &count, sizeof(count)); /* EAGAIN: it was set anew meanwhile */
    irq_raise(irq);
}

int irq_connect(struct irq *irq, struct loop *loop, bool (*set)(const struct irq *irq, bool high),
                int vm_fd, uint32_t line)
{
    int fd = timebase_timer();

    if (fd < 0)
        return fd;
    irq->repeat = (struct watch){.fd = fd, .ready = repeat_ready};
    int r = loop_add(loop, &irq->repeat, EPOLLIN);
    if (r < 0) {
        fd_close(&fd);
        return r;
    }
    fd_close(&irq->fd);
    irq->fd = fd;
    irq->set = set;
    irq->vm_fd = vm_fd;
    irq->line = line;
    return 0;
}

/* Has the edge repeated, if it reached nobody; then less often the next time. */
static void repeat_later(struct irq *irq, bool reached)
{
    struct timebase *time = &timebase_monotonic;

    if (reached) {
        irq->repeat_ns = REPEAT_MIN_NS;
        return;
    }
    time->arm(time, irq->fd, time->now_ns(time) + irq->repeat_ns);
    irq->repeat_ns = MIN(2 * irq->repeat_ns, REPEAT_MAX_NS);
}

void irq_raise(struct irq *irq)
{
    if (irq->set == NULL) {
        (void)eventfd_write(irq->fd, 1); /* EAGAIN: 2^64-2 edges are pending, one more is none */
        return;
    }
    (void)pthread_mutex_lock(&irq->pulse);
    bool reached = irq->set(irq, true);
    (void)irq->set(irq, false);
    repeat_later(irq, reached);
    (void)pthread_mutex_unlock(&irq->pulse);
}
