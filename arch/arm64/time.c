/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's time on arm64: the virtual counter, which KVM offsets for the VM as a whole. Writing
 * KVM_REG_ARM_TIMER_CNT of any vCPU sets the offset, so it is written once (api.rst,
 * KVM_ARM_SET_COUNTER_OFFSET, tells of newer kernels: as long as that is never used, this goes on
 * to work). Timers compare with the counter and wait with it. Main thread.
 */
#include "arch/arch.h"
#include "vmm/base/log.h"
#include "vmm/vcpu.h"

int arch_time_stop(const struct vcpu_env *vcpus, struct arch_time *ret_time)
{
    uint64_t counter = 0;
    struct kvm_one_reg reg = {.id = KVM_REG_ARM_TIMER_CNT, .addr = (uintptr_t)&counter};
    int r = kvm_ioctl(vcpus->vcpu[0].fd, KVM_GET_ONE_REG, &reg);

    if (r < 0)
        return log_error(r, "pause: read the guest's counter");
    *ret_time = (struct arch_time){.counter = counter};
    return 0;
}

int arch_time_resume(const struct vcpu_env *vcpus, const struct arch_time *time)
{
    uint64_t counter = time->counter;
    struct kvm_one_reg reg = {.id = KVM_REG_ARM_TIMER_CNT, .addr = (uintptr_t)&counter};
    int r = kvm_ioctl(vcpus->vcpu[0].fd, KVM_SET_ONE_REG, &reg);

    return r < 0 ? log_error(r, "resume: set the guest's counter") : 0;
}
