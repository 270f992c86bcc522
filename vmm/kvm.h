/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM's ioctls as functions that return 0 or -errno (Documentation/virt/kvm/api.rst). Main thread,
 * but for vcpu fds, which belong to their vCPU thread once it runs.
 */
#pragma once

#include "vmm/base/base.h"
#include "vmm/base/irq.h"
#include "vmm/base/memory.h"

#include <linux/kvm.h>

#define KVM_DEVICE "/dev/kvm"

struct kvm {
    int fd; /* /dev/kvm */
    int vm_fd;
    int irqchip_fd;   /* the interrupt controller where it is a KVM device (arm64), else -1 */
    size_t run_bytes; /* of a vCPU's shared struct kvm_run */
};

/* Opens /dev/kvm; then makes a VM, with `type` as KVM_CREATE_VM wants it (arch_vm_type()). On
 * failure one line was logged. Each accepts being followed by kvm_close() in any case. */
int kvm_open(struct kvm *kvm);
int kvm_create_vm(struct kvm *kvm, unsigned long type);
void kvm_close(struct kvm *kvm);

/* Value of a capability (KVM_CAP_...) of the VM, or of the host while there is no VM; 0 if it is
 * lacking. */
int kvm_cap(const struct kvm *kvm, long cap);

/* Gives all regions of mem to the guest. */
int kvm_add_memory(struct kvm *kvm, const struct memory *mem);

/* Gives the guest memory that it may only read, as slot `slot` beside those of RAM; what it writes
 * there is lost, as are writes to where nothing is. Logged. */
int kvm_add_window(struct kvm *kvm, unsigned slot, gpa_t base, const void *host, uint64_t size);

/* From now on irq_raise() pulses `line` of the interrupt controller, numbered as KVM_IRQ_LINE wants
 * it; see irq_connect(). Logged. */
int kvm_irq_connect(const struct kvm *kvm, struct irq *irq, struct loop *loop, uint32_t line);

/* A 4-byte guest write of `value` to `addr` adds 1 to eventfd `fd`, without an exit to us. */
int kvm_ioeventfd(struct kvm *kvm, int fd, gpa_t addr, uint32_t value);

/* The same for a write of any value and length at `addr`, and away again. Any thread; not logged:
 * where it fails the write comes to us. */
int kvm_doorbell(const struct kvm *kvm, int fd, gpa_t addr, bool there);

/* ioctl on the VM or any KVM fd: its result, or -errno. */
int kvm_ioctl(int fd, unsigned long request, void *arg);
/* The same for requests that take a number. */
int kvm_ioctl_number(int fd, unsigned long request, unsigned long number);
