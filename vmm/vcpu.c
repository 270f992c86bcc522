/* SPDX-License-Identifier: BSD-3-Clause */
/* See vcpu.h. */
#include "vmm/vcpu.h"

#include "arch/arch.h"
#include "vmm/base/log.h"

#include <stdio.h>
#include <sys/mman.h>

int vcpu_create(struct vcpu *vcpu, struct vcpu_env *env, unsigned index)
{
    *vcpu = (struct vcpu){.env = env, .index = index, .fd = -1};
    vcpu->fd = kvm_ioctl_number(env->kvm->vm_fd, KVM_CREATE_VCPU, index);
    if (vcpu->fd < 0)
        return log_error(vcpu->fd, "KVM_CREATE_VCPU %u", index);
    void *run = mmap(NULL, env->kvm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
    if (run == MAP_FAILED)
        return log_error(-errno, "map the run page of vCPU %u", index);
    vcpu->run = run;
    return 0;
}

void vcpu_destroy(struct vcpu *vcpu)
{
    vcpu_stop(vcpu);
    if (vcpu->run != NULL)
        (void)munmap(vcpu->run, vcpu->env->kvm->run_bytes); /* fails on our own bugs only */
    if (vcpu->env != NULL)
        fd_close(&vcpu->fd);
    *vcpu = (struct vcpu){.fd = -1};
}

int vcpu_run_once(struct vcpu *vcpu)
{
    return kvm_ioctl(vcpu->fd, KVM_RUN, NULL);
}

static void exit_mmio(struct vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;

    if (run->mmio.is_write)
        (void)bus_write(vcpu->env->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
    else
        (void)bus_read(vcpu->env->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
}

static enum vm_end exit_system_event(const struct vcpu *vcpu)
{
    switch (vcpu->run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        return VM_POWEROFF;
    case KVM_SYSTEM_EVENT_RESET:
        return VM_RESET;
    default:
        (void)log_error(0, "vCPU %u: the guest crashed (KVM system event %u)", vcpu->index,
                        vcpu->run->system_event.type);
        return VM_CRASHED;
    }
}

/* The guest cannot go on: says why, with what its vCPU was doing. */
static enum vm_end vcpu_crash(struct vcpu *vcpu, const char *what, uint64_t detail)
{
    (void)log_error(0, "vCPU %u: %s (0x%llx); its registers follow", vcpu->index, what,
                    (unsigned long long)detail);
    arch_vcpu_dump(vcpu);
    return VM_CRASHED;
}

/* Serves one exit; VM_RUNNING: go on. */
static enum vm_end vcpu_exit(struct vcpu *vcpu)
{
    const struct kvm_run *run = vcpu->run;

    switch (run->exit_reason) {
    case KVM_EXIT_MMIO:
        exit_mmio(vcpu);
        return VM_RUNNING;
    case KVM_EXIT_INTR:
        return VM_RUNNING;
    case KVM_EXIT_SYSTEM_EVENT:
        return exit_system_event(vcpu);
    case KVM_EXIT_SHUTDOWN:
        return vcpu_crash(vcpu, "triple fault", 0);
    case KVM_EXIT_FAIL_ENTRY:
        return vcpu_crash(vcpu, "the CPU refused to enter the guest, hardware reason",
                          run->fail_entry.hardware_entry_failure_reason);
    case KVM_EXIT_INTERNAL_ERROR:
        return vcpu_crash(vcpu,
                          run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
                              ? "KVM cannot emulate an instruction of the guest"
                              : "KVM internal error",
                          run->internal.suberror);
    default:
        if (arch_vcpu_exit(vcpu))
            return VM_RUNNING;
        return vcpu_crash(vcpu, "unknown exit from KVM", run->exit_reason);
    }
}

static void vcpu_main(void *arg)
{
    struct vcpu *vcpu = arg;
    enum vm_end how = VM_RUNNING;

    while (how == VM_RUNNING && !atomic_load(&vcpu->stopping)) {
        int r = vcpu_run_once(vcpu);
        if (r == -EINTR || r == -EAGAIN)
            continue;
        if (r == -ENOSYS) { /* of arm64 */
            how = vcpu_crash(vcpu, "an access to no RAM, of a kind that KVM cannot decode", 0);
        } else if (r < 0) {
            (void)log_error(r, "vCPU %u: KVM_RUN", vcpu->index);
            how = VM_HOST_ERROR;
        } else {
            how = vcpu_exit(vcpu);
        }
    }
    if (how != VM_RUNNING)
        vcpu->env->end(vcpu->env, how);
}

int vcpu_start(struct vcpu *vcpu)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
    int r = thread_start(&vcpu->thread, THREAD_VCPU, name, vcpu_main, vcpu);
    return r < 0 ? log_error(r, "start the thread of vCPU %u", vcpu->index) : 0;
}

void vcpu_stop(struct vcpu *vcpu)
{
    if (!thread_running(&vcpu->thread))
        return;
    /* immediate_exit catches a vCPU that is about to enter KVM_RUN, the signal one that is inside
     * it. */
    atomic_store(&vcpu->stopping, true);
    __atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELEASE);
    thread_kick(&vcpu->thread);
    thread_join(&vcpu->thread);
}
