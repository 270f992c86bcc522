/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who executes guest code? KVM without hardware virtualization (nested under PVM, for one) opens,
 * makes VMs and answers every query, but runs guest code in its instruction emulator, which knows
 * only what hypervisors need: it stops at POPCNT, and is a thousand times too slow. So ask it to
 * run one. Main thread.
 */
#include "arch/probe.h"

#define PROBE_ADDR   0x1000
#define PROBE_PORT   0x10
#define PROBE_ANSWER 8

/* Real mode: count the bits of 0x00ff and say so. */
static const uint8_t code[] = {
    0xb8, 0xff,       0x00,       /* mov $0xff, %ax */
    0xf3, 0x0f,       0xb8, 0xc0, /* popcnt %ax, %ax */
    0xe6, PROBE_PORT,             /* out %al, $0x10 */
    0xf4,                         /* hlt */
};

static int start(const struct kvm *kvm, int vcpu_fd)
{
    struct kvm_regs regs = {.rip = PROBE_ADDR, .rflags = 2};
    struct kvm_sregs sregs;
    int r = kvm_ioctl(vcpu_fd, KVM_GET_SREGS, &sregs);

    (void)kvm;
    if (r < 0)
        return r;
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    r = kvm_ioctl(vcpu_fd, KVM_SET_SREGS, &sregs);
    return r < 0 ? r : kvm_ioctl(vcpu_fd, KVM_SET_REGS, &regs);
}

static bool answered(const struct kvm_run *run)
{
    return run->exit_reason == KVM_EXIT_IO && run->io.port == PROBE_PORT &&
           *((const uint8_t *)run + run->io.data_offset) == PROBE_ANSWER;
}

const struct probe arch_probe_code = {
    .code = code,
    .code_size = sizeof(code),
    .addr = PROBE_ADDR,
    .ram_size = 0x1000,
    .start = start,
    .answered = answered,
};
