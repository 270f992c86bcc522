/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vCPU and its thread: KVM_RUN, exits to the buses, what is left to the architecture; and what is
 * done with all vCPUs of a machine at once:
 *
 *   vcpus_start()            vcpus_resume()              vcpus_stop(): any thread, a vCPU's, too
 *        v                ------------------>                  v
 *     [parked]                                 [running] --> [stopped] --> vcpus_join()
 *        ^                <------------------                  ^
 *        |                  vcpus_pause()                      |
 *        +-----------------------------------------------------+
 *
 * A parked vCPU is out of KVM with its last exit complete: KVM gives the guest the data of a read,
 * and moves on from the instruction, only when it is entered again. A stopped one is not; it serves
 * no more exits, and the guest does not get behind the instruction that asked for its end.
 *
 * Threads: main creates, starts, pauses, resumes, joins and destroys. While a vCPU runs, its fd and
 * run page belong to its thread; immediate_exit, which others set, is the one exception.
 */
#pragma once

#include "vmm/base/base.h"
#include "vmm/base/bus.h"
#include "vmm/base/events.h"
#include "vmm/base/thread.h"
#include "vmm/kvm.h"

#include <stdatomic.h>

/* How a VM ends. The first cause wins. */
enum vm_end {
    VM_RUNNING,
    VM_POWEROFF,
    VM_RESET,
    VM_CRASHED,    /* triple fault, KVM internal error */
    VM_PANICKED,   /* the guest kernel said so */
    VM_HOST_ERROR, /* a host call failed; it was logged */
    VM_WATCHDOG,   /* the guest did not feed it */
    VM_TIME_LIMIT,
    VM_BOOT_LIMIT,
    VM_QUIT,    /* the user asked, by the escape */
    VM_SIGNAL,  /* SIGTERM, SIGINT, SIGHUP */
    VM_UNTIL,   /* --until has matched */
    VM_FAIL_ON, /* --fail-on has */
    VM_COMMAND, /* the command is done: vmm/run/session.h knows how */
};

struct vcpu {
    struct vcpu_env *env;
    unsigned index;
    int fd;
    struct kvm_run *run; /* mapped, shared with KVM */
    struct thread thread;
    uint64_t exits; /* its thread's, then main's: how often KVM_RUN returned with one */
};

/* What vCPUs share. */
struct vcpu_env {
    struct kvm *kvm;
    const struct memory *mem;
    struct bus *mmio, *pio;
    struct events *events;                              /* NULL: nobody wants to know */
    void (*end)(struct vcpu_env *env, enum vm_end how); /* any thread; returns at once */

    unsigned count;
    struct vcpu *vcpu; /* array of count, owned */
    pthread_mutex_t lock;
    pthread_cond_t changed;                                           /* order, running */
    enum vcpu_order { VCPU_PARK, VCPU_RUN, VCPU_STOP } _Atomic order; /* written under the lock */
    unsigned running; /* under the lock: vCPUs that are neither parked nor stopped */
};

/* Makes `count` vCPUs, without registers; the first fields of env are set. Logged on failure. */
int vcpus_create(struct vcpu_env *env, unsigned count);
/* Starts their threads, parked. Logged on failure. */
int vcpus_start(struct vcpu_env *env);
void vcpus_resume(struct vcpu_env *env);
/* When it returns all are parked, or stopped: one of them may have ended the machine meanwhile. */
void vcpus_pause(struct vcpu_env *env);
void vcpus_stop(struct vcpu_env *env);
/* Waits for vCPUs that were stopped. Accepts those that never started. */
void vcpus_join(struct vcpu_env *env);
/* Stops and joins before. Accepts zeroed, and what a failed create left. */
void vcpus_destroy(struct vcpu_env *env);

/* One KVM_RUN: 0 or -errno (-EINTR: to be looked at again). */
int vcpu_run_once(struct vcpu *vcpu);
