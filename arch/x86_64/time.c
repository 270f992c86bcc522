/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's time on x86: kvmclock, which is set back to what it was, and the TSC, which follows
 * by as much (Documentation/virt/kvm/devices/vcpu.rst §4: both from one look at the host's TSC). A
 * plain write of the TSC will not do: within a second of the last one KVM takes it for an attempt
 * to synchronize, and changes nothing. Timers that fire early meanwhile find that it is not time
 * yet. Main thread.
 */
#include "arch/arch.h"
#include "vmm/base/log.h"
#include "vmm/vcpu.h"

#include <x86intrin.h>

#define MSR_TSC 0x10

/* kvmclock, and the host's TSC at that moment. */
static int clock_get(const struct vcpu_env *vcpus, uint64_t *ret_ns, uint64_t *ret_host_tsc)
{
    struct kvm_clock_data clock = {0};
    int r = kvm_ioctl(vcpus->kvm->vm_fd, KVM_GET_CLOCK, &clock);

    if (r < 0)
        return r;
    *ret_host_tsc = (clock.flags & KVM_CLOCK_HOST_TSC) != 0 ? clock.host_tsc : __rdtsc();
    *ret_ns = clock.clock;
    return 0;
}

/* struct kvm_msrs with one entry. */
struct one_msr {
    uint32_t count, pad;
    struct kvm_msr_entry entry;
};

static int tsc_get(const struct vcpu *vcpu, uint64_t *ret_tsc)
{
    struct one_msr set = {.count = 1, .entry.index = MSR_TSC};
    int r = kvm_ioctl(vcpu->fd, KVM_GET_MSRS, &set);

    *ret_tsc = set.entry.data;
    return MIN(r, 0);
}

static int tsc_set(const struct vcpu *vcpu, uint64_t tsc)
{
    struct one_msr set = {.count = 1, .entry = {.index = MSR_TSC, .data = tsc}};
    int r = kvm_ioctl(vcpu->fd, KVM_SET_MSRS, &set);

    return MIN(r, 0);
}

/* Adds `ticks` to a vCPU's TSC; -ENXIO or the like before Linux 5.16. */
static int tsc_move(const struct vcpu *vcpu, uint64_t ticks)
{
    uint64_t offset = 0;
    struct kvm_device_attr attr = {
        .group = KVM_VCPU_TSC_CTRL,
        .attr = KVM_VCPU_TSC_OFFSET,
        .addr = (uintptr_t)&offset,
    };
    int r = kvm_ioctl(vcpu->fd, KVM_GET_DEVICE_ATTR, &attr);

    if (r < 0)
        return r;
    offset += ticks;
    return kvm_ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &attr);
}

/* Where offsets cannot be had: the first vCPU's TSC goes far from where KVM expects it, then back;
 * the others are set to the same, and that KVM takes for what it is. */
static int tsc_set_all(const struct vcpu_env *vcpus, uint64_t tsc, uint64_t far)
{
    int r = tsc_set(&vcpus->vcpu[0], tsc + far);

    for (unsigned i = 0; i < vcpus->count && r == 0; i++)
        r = tsc_set(&vcpus->vcpu[i], tsc);
    return r;
}

/* The clock ran on for `clock_ns` since it was set; the TSCs shall have as well, and no longer. */
static int tsc_resume(const struct vcpu_env *vcpus, const struct arch_time *time, uint64_t clock_ns,
                      uint64_t host_tsc)
{
    int khz = MAX(kvm_ioctl(vcpus->vcpu[0].fd, KVM_GET_TSC_KHZ, NULL), 0);
    uint64_t ran = clock_ns * (uint64_t)khz / 1000000;
    uint64_t ticks = ran - (host_tsc - time->host_counter);
    int r = 0;

    for (unsigned i = 0; i < vcpus->count && r == 0; i++)
        r = tsc_move(&vcpus->vcpu[i], ticks);
    if (r == -ENXIO || r == -ENOTTY || r == -EINVAL)
        r = tsc_set_all(vcpus, time->counter, 100 * UINT64_C(1000) * (uint64_t)MAX(khz, 1));
    return r;
}

int arch_time_stop(const struct vcpu_env *vcpus, struct arch_time *ret_time)
{
    struct arch_time time;
    int r = clock_get(vcpus, &time.clock_ns, &time.host_counter);

    if (r == 0)
        r = tsc_get(&vcpus->vcpu[0], &time.counter);
    if (r < 0)
        return log_error(r, "pause: read the guest's clock");
    *ret_time = time;
    return 0;
}

int arch_time_resume(const struct vcpu_env *vcpus, const struct arch_time *time)
{
    struct kvm_clock_data clock = {.clock = time->clock_ns};
    uint64_t now_ns = 0, host_tsc = 0;
    int r = kvm_ioctl(vcpus->kvm->vm_fd, KVM_SET_CLOCK, &clock);

    if (r == 0)
        r = clock_get(vcpus, &now_ns, &host_tsc);
    if (r == 0)
        r = tsc_resume(vcpus, time, now_ns - time->clock_ns, host_tsc);
    for (unsigned i = 0; i < vcpus->count; i++) /* or it suspects a lockup; most guests have none */
        (void)kvm_ioctl(vcpus->vcpu[i].fd, KVM_KVMCLOCK_CTRL, NULL);
    return r < 0 ? log_error(r, "resume: set the guest's clock") : 0;
}
