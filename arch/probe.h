/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What arch_probe() (arch/probe.c) wants of each architecture: a few instructions that a CPU runs
 * and an emulator of a hypervisor's needs does not, and how to see that they ran. Main thread.
 */
#pragma once

#include "arch/arch.h"
#include "vmm/kvm.h"

struct probe {
    const void *code;
    size_t code_size;
    gpa_t addr;      /* where it lies, at the beginning of all RAM there is */
    size_t ram_size; /* whole pages of any host */

    /* Readies vCPU 0 to run what is at addr. 0 or -errno, not logged. */
    int (*start)(const struct kvm *kvm, int vcpu_fd);

    /* Is that exit the code's answer? */
    bool (*answered)(const struct kvm_run *run);
};

extern const struct probe arch_probe_code;

/* Runs that code, on a vCPU that is ready for it, to its first exit that says something. 0 or
 * -errno, not logged. */
int probe_run(int vcpu_fd, const struct kvm_run *run, enum arch_kvm_kind *ret_kind);
