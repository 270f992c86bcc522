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
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .vm_fd = -1,
    };
    return irq->fd < 0 ? -errno : 0;
}

void irq_fini(struct irq *irq)
{
    loop_remove(&irq->repeat);
    fd_close(&irq->fd);
}

/* Under the lock. The edge will be repeated in `ns`; 0: it need not be. */
static void repeat_in(struct irq *irq, uint64_t ns)
{
    irq->repeat_ns = ns;
    timebase_arm_in(&timebase_monotonic, irq->fd, ns == 0 ? TIME_NEVER : ns);
}

/* Under the lock. An edge that reaches nobody is repeated; `again`: it is one of those. */
static void pulse(struct irq *irq, bool again)
{
    bool reached = irq->set(irq, true);

    (void)irq->set(irq, false);
    if (reached && irq->repeat_ns > 0)
        repeat_in(irq, 0);
    else if (!reached && again)
        repeat_in(irq, MIN(2 * irq->repeat_ns, REPEAT_MAX_NS));
    else if (!reached && irq->repeat_ns == 0)
        repeat_in(irq, REPEAT_MIN_NS);
}

static void repeat_ready(struct watch *watch, uint32_t epoll_events)
{
    struct irq *irq = container_of(watch, struct irq, repeat);
    uint64_t count;

    (void)epoll_events;
    (void)pthread_mutex_lock(&irq->lock);
    (void)!read(watch->fd, &count, sizeof(count)); /* EAGAIN: it was set anew meanwhile */
    if (irq->repeat_ns > 0)
        pulse(irq, true);
    (void)pthread_mutex_unlock(&irq->lock);
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

void irq_raise(struct irq *irq)
{
    if (irq->set == NULL) {
        (void)eventfd_write(irq->fd, 1); /* EAGAIN: 2^64-2 edges are pending, one more is none */
        return;
    }
    (void)pthread_mutex_lock(&irq->lock);
    pulse(irq, false);
    (void)pthread_mutex_unlock(&irq->lock);
}
