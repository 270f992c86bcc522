/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interrupt line on which each event is an edge. Any thread may raise it.
 *
 * Connected, it pulses a pin of KVM's interrupt controller from the thread that raises it. An irqfd
 * would do the same from a kernel worker that must be woken for it: only message-signalled
 * interrupts get around that (virt/kvm/eventfd.c in Linux). Not connected, its edges are counted by
 * an eventfd, for a loop or a test to read.
 *
 * No edge is lost. An IOAPIC ignores one on a pin that is masked just then, and Linux masks pins
 * for a moment where no handler runs afterwards: while a CPU goes offline its interrupts move to
 * others. KVM says of each edge whether it was taken; one that was not is repeated from the loop of
 * the main thread, after a millisecond and then less and less often, until it is. (A level would
 * not be lost either, but its end costs the guest more exits for each interrupt: the CPU's EOI is
 * intercepted, and Linux reads the APIC's trigger mode at each.) A GIC remembers edges while they
 * are masked.
 */
#pragma once

#include "vmm/base/loop.h"

#include <pthread.h>

struct irq {
    int fd;               /* owned: an eventfd; once connected a timerfd */
    pthread_mutex_t lock; /* one edge at a time: one on a line that is high is none */
    /* NULL: not connected. False: the edge reached no CPU. */
    bool (*set)(const struct irq *irq, bool high);
    int vm_fd; /* borrowed; this and the next are for set() */
    uint32_t line;
    struct watch repeat; /* of the timer */
    uint64_t repeat_ns;  /* after that time; 0: no edge waits for it. Under the lock */
};

/* On failure -errno; irq_fini() may follow in any case, also twice. */
int irq_init(struct irq *irq);
/* Main, while nobody raises it. */
void irq_fini(struct irq *irq);

/* Main, while nobody raises it: from now on edges go to set(). `loop` is the main thread's, and
 * outlives the line or does not run again. */
int irq_connect(struct irq *irq, struct loop *loop, bool (*set)(const struct irq *irq, bool high),
                int vm_fd, uint32_t line);

/* One edge. Never blocks for long: at most for another thread's edge. */
void irq_raise(struct irq *irq);
