/* SPDX-License-Identifier: BSD-3-Clause */
/* See irqfds.h. */
#include "vmm/irqfds.h"

#include <string.h>

void irqfds_init(struct irqfds *irqfds, const struct kvm *kvm)
{
    _Static_assert(offsetof(struct irqfds, routes.entry) - offsetof(struct irqfds, routes) ==
                       sizeof(struct kvm_irq_routing),
                   "linux/kvm.h");
    *irqfds = (struct irqfds){.kvm = kvm, .lock = PTHREAD_MUTEX_INITIALIZER};
    irqfds->lines = arch_line_routes(irqfds->routes.entry);
}

/* Its place; where it is not known: `count`. */
static unsigned find(const struct irqfds *irqfds, int fd)
{
    unsigned at = 0;

    while (at < irqfds->count && irqfds->irqfd[at].fd != fd)
        at++;
    return at;
}

/* KVM refuses a table as a whole: it is left as it was. */
static bool route(struct irqfds *irqfds, unsigned at, uint64_t addr, uint32_t data)
{
    struct kvm_irq_routing_entry *entry = &irqfds->routes.entry[irqfds->lines + at];
    const struct kvm_irq_routing_entry old = *entry;
    struct irqfd *irqfd = &irqfds->irqfd[at];
    unsigned count = MAX(irqfds->count, at + 1);

    if (at < irqfds->count && irqfd->addr == addr && irqfd->data == data)
        return true;
    memset(entry, 0, sizeof(*entry));
    entry->gsi = irqfds->lines + at;
    irqfds->routes.count = irqfds->lines + count;
    if (!arch_message_route(addr, data, entry) ||
        kvm_ioctl(irqfds->kvm->vm_fd, KVM_SET_GSI_ROUTING, &irqfds->routes) < 0) {
        *entry = old;
        return false;
    }
    irqfds->count = count;
    irqfd->addr = addr;
    irqfd->data = data;
    return true;
}

static bool assign(const struct irqfds *irqfds, unsigned at, uint32_t flags)
{
    struct kvm_irqfd request = {
        .fd = (uint32_t)irqfds->irqfd[at].fd,
        .gsi = irqfds->lines + at,
        .flags = flags,
    };

    return kvm_ioctl(irqfds->kvm->vm_fd, KVM_IRQFD, &request) == 0;
}

static void unassign(struct irqfds *irqfds, unsigned at)
{
    if (irqfds->irqfd[at].bound)
        (void)assign(irqfds, at, KVM_IRQFD_FLAG_DEASSIGN); /* fails on our own bugs only */
    irqfds->irqfd[at].bound = false;
}

bool irqfds_bind(struct irqfds *irqfds, int fd, uint64_t addr, uint32_t data)
{
    bool bound = false;

    (void)pthread_mutex_lock(&irqfds->lock); /* default kind: cannot fail */
    unsigned at = find(irqfds, fd);
    if (at < IRQFDS_MAX) {
        struct irqfd *irqfd = &irqfds->irqfd[at];
        irqfd->fd = fd; /* a new one, that is */
        if (!route(irqfds, at, addr, data))
            unassign(irqfds, at);
        else if (!irqfd->bound)
            irqfd->bound = assign(irqfds, at, 0);
        bound = irqfd->bound;
    }
    (void)pthread_mutex_unlock(&irqfds->lock);
    return bound;
}

void irqfds_unbind(struct irqfds *irqfds, int fd)
{
    (void)pthread_mutex_lock(&irqfds->lock);
    unsigned at = find(irqfds, fd);
    if (at < irqfds->count)
        unassign(irqfds, at);
    (void)pthread_mutex_unlock(&irqfds->lock);
}
