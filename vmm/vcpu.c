/* SPDX-License-Identifier: BSD-3-Clause */
/* See vcpu.h. */
#include "vmm/vcpu.h"

#include "arch/arch.h"
#include "vmm/base/log.h"

#include <stdio.h>
#include <sys/mman.h>

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

/* The same for somebody who wants to know. */
static enum vm_end vcpu_exit_told(struct vcpu *vcpu)
{
    const struct kvm_run *run = vcpu->run;
    bool io = run->exit_reason == KVM_EXIT_IO;
    uint32_t reason = run->exit_reason;
    uint64_t address = io ? run->io.port : reason == KVM_EXIT_MMIO ? run->mmio.phys_addr : 0;
    bool is_write = io ? run->io.direction == KVM_EXIT_IO_OUT
                       : reason == KVM_EXIT_MMIO && run->mmio.is_write != 0;
    uint64_t began_ns = events_now();
    enum vm_end how = vcpu_exit(vcpu);
    uint64_t took_ns = events_now() - began_ns;
    struct event *event = events_begin(vcpu->env->events, EVENT_EXIT);

    if (event == NULL)
        return how;
    event->at_ns = began_ns;
    event->took_ns = (uint32_t)MIN(took_ns, (uint64_t)UINT32_MAX);
    event->a = reason;
    event->b = is_write;
    event->value = address;
    events_end(vcpu->env->events, event);
    return how;
}

/* -- the vCPU's thread -- */

/* Parks while that is the order; false: to stop is. */
static bool vcpu_may_run(struct vcpu_env *env)
{
    (void)pthread_mutex_lock(&env->lock);
    while (env->order == VCPU_PARK)
        (void)pthread_cond_wait(&env->changed, &env->lock);
    bool run = env->order == VCPU_RUN;
    if (run)
        env->running++;
    (void)pthread_mutex_unlock(&env->lock);
    return run;
}

static void vcpu_out(struct vcpu_env *env)
{
    (void)pthread_mutex_lock(&env->lock);
    env->running--;
    (void)pthread_cond_broadcast(&env->changed);
    (void)pthread_mutex_unlock(&env->lock);
}

/* Runs until there is another order; anything but VM_RUNNING: the VM's end. That KVM_RUN was
 * interrupted says that no exit is left to complete: it does that first. */
static enum vm_end vcpu_run(struct vcpu *vcpu)
{
    const struct vcpu_env *env = vcpu->env;
    enum vm_end how = VM_RUNNING;

    while (how == VM_RUNNING && env->order != VCPU_STOP) {
        int r = vcpu_run_once(vcpu);
        if (r == -EINTR || r == -EAGAIN) {
            if (env->order != VCPU_RUN)
                break;
        } else if (r == -ENOSYS) { /* of arm64 */
            how = vcpu_crash(vcpu, "an access to no RAM, of a kind that KVM cannot decode", 0);
        } else if (r < 0) {
            (void)log_error(r,
                            r == -EFAULT ? "vCPU %u: this host can't give what the guest has as "
                                           "memory (was the file of a --pmem cut off?)"
                                         : "vCPU %u: KVM_RUN",
                            vcpu->index);
            how = VM_HOST_ERROR;
        } else if (env->order != VCPU_STOP) {
            vcpu->exits++;
            how = env->events == NULL ? vcpu_exit(vcpu) : vcpu_exit_told(vcpu);
        }
    }
    return how;
}

static void vcpu_main(void *arg)
{
    struct vcpu *vcpu = arg;
    struct vcpu_env *env = vcpu->env;

    while (vcpu_may_run(env)) {
        enum vm_end how = vcpu_run(vcpu);
        if (how != VM_RUNNING)
            env->end(env, how);
        vcpu_out(env);
    }
}

/* -- all of them -- */

static int vcpu_create(struct vcpu *vcpu, struct vcpu_env *env, unsigned index)
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

int vcpus_create(struct vcpu_env *env, unsigned count)
{
    int r = 0;

    (void)pthread_mutex_init(&env->lock, NULL); /* the default kinds: neither can fail */
    (void)pthread_cond_init(&env->changed, NULL);
    env->vcpu = calloc(count, sizeof(*env->vcpu));
    if (env->vcpu == NULL)
        return log_error(-ENOMEM, "vCPUs");
    while (env->count < count && r == 0) {
        r = vcpu_create(&env->vcpu[env->count], env, env->count);
        env->count++;
    }
    return r;
}

int vcpus_start(struct vcpu_env *env)
{
    char name[16];
    int r = 0;

    for (unsigned i = 0; i < env->count && r == 0; i++) {
        (void)snprintf(name, sizeof(name), "vcpu%u", i);
        r = thread_start(&env->vcpu[i].thread, THREAD_VCPU, name, vcpu_main, &env->vcpu[i]);
        if (r < 0)
            return log_error(r, "start the thread of vCPU %u", i);
    }
    return 0;
}

static void immediate_exit(const struct vcpu *vcpu, bool on)
{
    __atomic_store_n(&vcpu->run->immediate_exit, on, __ATOMIC_RELEASE);
}

/* Gives all an order, and takes them out of KVM_RUN: immediate_exit those that are about to enter
 * it, the signal those that are inside. Stopped they stay, and nobody touches them any more: main
 * may be joining them. */
static void vcpus_order(struct vcpu_env *env, enum vcpu_order order)
{
    (void)pthread_mutex_lock(&env->lock);
    bool stopped = env->order == VCPU_STOP;
    if (!stopped)
        env->order = order;
    (void)pthread_cond_broadcast(&env->changed);
    for (unsigned i = 0; i < env->count && order != VCPU_RUN && !stopped; i++)
        if (thread_running(&env->vcpu[i].thread)) {
            immediate_exit(&env->vcpu[i], true);
            thread_kick(&env->vcpu[i].thread);
        }
    (void)pthread_mutex_unlock(&env->lock);
}

void vcpus_resume(struct vcpu_env *env)
{
    for (unsigned i = 0; i < env->count; i++)
        immediate_exit(&env->vcpu[i], false);
    vcpus_order(env, VCPU_RUN);
}

void vcpus_pause(struct vcpu_env *env)
{
    vcpus_order(env, VCPU_PARK);
    (void)pthread_mutex_lock(&env->lock);
    while (env->running > 0)
        (void)pthread_cond_wait(&env->changed, &env->lock);
    (void)pthread_mutex_unlock(&env->lock);
}

void vcpus_stop(struct vcpu_env *env)
{
    vcpus_order(env, VCPU_STOP);
}

void vcpus_join(struct vcpu_env *env)
{
    for (unsigned i = 0; i < env->count; i++)
        thread_join(&env->vcpu[i].thread);
}

void vcpus_destroy(struct vcpu_env *env)
{
    if (env->count > 0) {
        vcpus_stop(env);
        vcpus_join(env);
    }
    for (unsigned i = 0; i < env->count; i++) {
        struct vcpu *vcpu = &env->vcpu[i];
        if (vcpu->run != NULL)
            (void)munmap(vcpu->run, env->kvm->run_bytes); /* fails on our own bugs only */
        fd_close(&vcpu->fd);
    }
    free(env->vcpu);
    env->vcpu = NULL;
    env->count = 0;
}
