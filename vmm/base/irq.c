/* SPDX-License-Identifier: BSD-3-Clause */
/* See irq.h. */
#include "vmm/base/irq.h"

#include <sys/eventfd.h>

int irq_init(struct irq *irq)
{
    *irq = (struct irq){
        .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .pulse = PTHREAD_MUTEX_INITIALIZER,
        .vm_fd = -1,
    };
    return irq->fd < 0 ? -errno : 0;
}

void irq_fini(struct irq *irq)
{
    fd_close(&irq->fd);
}

void irq_raise(struct irq *irq)
{
    if (irq->set == NULL) {
        (void)eventfd_write(irq->fd, 1); /* EAGAIN: 2^64-2 edges are pending, one more is none */
        return;
    }
    (void)pthread_mutex_lock(&irq->pulse);
    (void)irq->set(irq, true); /* worked when it was connected */
    (void)irq->set(irq, false);
    (void)pthread_mutex_unlock(&irq->pulse);
}
