/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interrupt line on which each event is an edge. Any thread may raise it.
 *
 * Connected (kvm_irq_connect()), it pulses a pin of KVM's interrupt controller from the thread that
 * raises it. An irqfd would do the same from a kernel worker that must be woken for it: only
 * message-signalled interrupts get around that (virt/kvm/eventfd.c in Linux). Not connected, its
 * edges are counted by an eventfd, for a loop or a test to read.
 */
#pragma once

#include "vmm/base/base.h"

#include <pthread.h>

struct irq {
    int fd;                /* eventfd, owned; -1 once connected */
    pthread_mutex_t pulse; /* one at a time: an edge on a line that is high is none */
    int (*set)(const struct irq *irq, bool high); /* NULL: not connected */
    int vm_fd;                                    /* borrowed; this and the next are for set() */
    uint32_t line;
};

/* On failure -errno; irq_fini() may follow in any case, also twice. */
int irq_init(struct irq *irq);
void irq_fini(struct irq *irq);

/* One edge. Never blocks for long: at most for another thread's edge. */
void irq_raise(struct irq *irq);
