/* SPDX-License-Identifier: BSD-3-Clause */
/* What a vCPU says of itself. */
#pragma once

#include "vmm/kvm.h"

/* Gives vCPU `index` of `cpu_count` its CPUID. Main thread; 0 or -errno, logged. */
int cpuid_set(const struct kvm *kvm, int vcpu_fd, unsigned index, unsigned cpu_count);
