/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vCPU and its thread: KVM_RUN, exits to the buses, what is left to the architecture.
 *
 * Threads: main creates, starts, stops and destroys; between start and stop the fd and the run page
 * belong to the vCPU's thread (immediate_exit, which stopping sets, is the one exception).
 */
#pragma once

#include "vmm/base/base.h"
#include "vmm/base/bus.h"
#include "vmm/base/thread.h"
#include "vmm/kvm.h"

#include <stdatomic.h>

struct arch_entry;

/* How a VM ends. The first cause wins. */
enum vm_end {
    VM_RUNNING,
    VM_POWEROFF,
    VM_RESET,
    VM_CRASHED,    /* triple fault, KVM internal error */
    VM_PANICKED,   /* the guest kernel said so */
    VM_HOST_ERROR, /* a host call failed; it was logged */
    VM_TIME_LIMIT,
    VM_QUIT,   /* the user asked, by the escape */
    VM_SIGNAL, /* SIGTERM, SIGINT, SIGHUP */
};

/* What vCPUs share. */
struct vcpu_env {
    struct kvm *kvm;
    const struct memory *mem;
    struct bus *mmio, *pio;
    void (*end)(struct vcpu_env *env, enum vm_end how); /* any thread; returns at once */
};

struct vcpu {
    struct vcpu_env *env;
    unsigned index;
    int fd;
    struct kvm_run *run; /* mapped, shared with KVM */
    struct thread thread;
    atomic_bool stopping;
};

/* Makes the vCPU and gives it its first registers; entry NULL: it waits for the guest to start it.
 * Logged on failure. */
int vcpu_create(struct vcpu *vcpu, struct vcpu_env *env, unsigned index);
int vcpu_start(struct vcpu *vcpu);
/* Takes the vCPU out of KVM_RUN and joins its thread. Accepts a vCPU never started. */
void vcpu_stop(struct vcpu *vcpu);
void vcpu_destroy(struct vcpu *vcpu);

/* One KVM_RUN: 0 or -errno (-EINTR: to be looked at again). */
int vcpu_run_once(struct vcpu *vcpu);
