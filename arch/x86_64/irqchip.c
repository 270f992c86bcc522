/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a VM needs on x86 before it has vCPUs: KVM's own interrupt controllers (local APICs and an
 * IOAPIC of 24 pins). No PIT: kvmclock and the TSC deadline timer replace it. Main thread.
 */
#include "arch/arch.h"
#include "vmm/base/log.h"
#include "vmm/kvm.h"

/* Three pages for real mode on old Intel CPUs and one for their identity map, in the hole below
 * 4 GiB, where no device of ours is. */
#define TSS_ADDR          0xfffbd000
#define IDENTITY_MAP_ADDR 0xfffbc000

int arch_vm_type(const struct kvm *kvm, gpa_t ram_end, unsigned long *ret_type)
{
    (void)kvm;
    (void)ram_end; /* as far as the CPU's own addresses go */
    *ret_type = 0;
    return 0;
}

int arch_vm_init(struct kvm *kvm, struct platform *platform)
{
    uint64_t identity_map = IDENTITY_MAP_ADDR;

    int cpus_max = kvm_cap(kvm, KVM_CAP_MAX_VCPUS);
    if (cpus_max > 0 && platform->cpu_count > (unsigned)cpus_max)
        return log_error(-EINVAL, "--cpus %u: this host's KVM allows at most %d",
                         platform->cpu_count, cpus_max);
    int r = kvm_ioctl_number(kvm->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDR);
    if (r < 0)
        return log_error(r, "KVM_SET_TSS_ADDR");
    r = kvm_ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
    if (r < 0)
        return log_error(r, "KVM_SET_IDENTITY_MAP_ADDR");
    r = kvm_ioctl(kvm->vm_fd, KVM_CREATE_IRQCHIP, NULL);
    return r < 0 ? log_error(r, "KVM_CREATE_IRQCHIP") : 0;
}

int arch_vm_ready(struct kvm *kvm, const struct platform *platform, struct vcpu *vcpu)
{
    (void)kvm;
    (void)platform;
    (void)vcpu;
    return 0;
}
