/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interrupt line as an eventfd. KVM injects an edge for each write (irqfd without resampling);
 * a test hands in an eventfd of its own and counts. Any thread may raise.
 */
#pragma once

#include "vmm/base.h"

struct irq {
    int fd; /* eventfd, owned by whoever made it with irq_init() */
};

int irq_init(struct irq *irq);
void irq_fini(struct irq *irq);

/* One edge. Never blocks. */
void irq_raise(const struct irq *irq);
