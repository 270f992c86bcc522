/* SPDX-License-Identifier: BSD-3-Clause */
/* See irq.h. */
#include "vmm/irq.h"

#include <sys/eventfd.h>

int irq_init(struct irq *irq)
{
    irq->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return irq->fd < 0 ? -errno : 0;
}

void irq_fini(struct irq *irq)
{
    fd_close(&irq->fd);
}

void irq_raise(const struct irq *irq)
{
    const uint64_t one = 1;

    (void)!write(irq->fd, &one,
                 sizeof(one)); /* EAGAIN: 2^64-2 edges are pending, one more is none */
}
