/* SPDX-License-Identifier: BSD-3-Clause */
/* See arch_check_cpus() in arch.h. */
#include "arch/arch.h"

#include "vmm/base/log.h"
#include "vmm/kvm.h"

int arch_check_cpus(const struct kvm *kvm, unsigned cpu_count)
{
    int host_max = kvm_cap(kvm, KVM_CAP_MAX_VCPUS);

    if (cpu_count > arch_layout->cpus_max)
        return log_plain(-EINVAL, "--cpus %u: this machine has at most %u", cpu_count,
                         arch_layout->cpus_max);
    if (host_max > 0 && cpu_count > (unsigned)host_max)
        return log_plain(-EINVAL, "--cpus %u: this host's KVM allows at most %d", cpu_count,
                         host_max);
    return 0;
}
