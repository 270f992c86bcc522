/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eventfds that KVM hears by itself (irqfds): each event is an interrupt message to the guest, and
 * no thread of ours wakes up. The eventfd is bound to a number (GSI), and a route says which
 * message that is. KVM takes all routes anew at each change, so they are here, all of a machine.
 *
 * A message that stays the same while its eventfd is bound, unbound, and bound again (it is masked
 * for a moment) takes no change of routes. An eventfd keeps its GSI for good.
 *
 * Any thread. KVM has a bind or unbind wait for those who send just then, no longer.
 */
#pragma once

#include "arch/arch.h"
#include "vmm/kvm.h"

#include <pthread.h>

#define IRQFDS_MAX 128

struct irqfd {
    int fd; /* borrowed */
    uint32_t data;
    uint64_t addr; /* the message of its route */
    bool bound;
};

struct irqfds {
    const struct kvm *kvm; /* borrowed */
    pthread_mutex_t lock;  /* for what follows */
    unsigned count;
    struct irqfd irqfd[IRQFDS_MAX];
    unsigned lines; /* routes that are not ours; then one for each irqfd */
    struct {        /* struct kvm_irq_routing; each of ours has its place here as its GSI */
        uint32_t count, flags;
        struct kvm_irq_routing_entry entry[ARCH_LINE_ROUTES_MAX + IRQFDS_MAX];
    } routes;
};

/* Main. */
void irqfds_init(struct irqfds *irqfds, const struct kvm *kvm);

/* Each event of eventfd `fd` is that message from now on, and so is one that it holds already.
 * False: it is not bound (any more), for KVM can't, the message is for nobody, or there are too
 * many. */
bool irqfds_bind(struct irqfds *irqfds, int fd, uint64_t addr, uint32_t data);
/* What KVM has heard was sent when this returns, and nothing follows. Accepts one not bound. */
void irqfds_unbind(struct irqfds *irqfds, int fd);
