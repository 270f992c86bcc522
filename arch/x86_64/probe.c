/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who executes guest code? KVM without hardware virtualization (nested under PVM, for one) opens,
 * makes VMs and answers every query, but runs guest code in its instruction emulator, which knows
 * only what hypervisors need: it stops at POPCNT, and is a thousand times too slow. So ask it to
 * run one. Main thread.
 */
#include "arch/probe.h"

#include "vmm/base/log.h"
#include "vmm/vcpu.h"

#include <string.h>

#define PROBE_ADDR   0x1000
#define PROBE_PORT   0x10
#define PROBE_ANSWER 8

/* Counts the bits of 0x00ff and says so. The same bytes do it in real mode, in which a vCPU begins,
 * and in those in which a kernel is entered. */
static const uint8_t code[] = {
    0x31, 0xc0,                   /* xor %eax, %eax */
    0xb0, 0xff,                   /* mov $0xff, %al */
    0xf3, 0x0f,       0xb8, 0xc0, /* popcnt %eax, %eax */
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

static int run_in_place(struct vcpu *vcpu, enum arch_kvm_kind *ret_kind)
{
    struct kvm_regs saved, regs = {.rip = PROBE_ADDR, .rflags = 2};
    int r = kvm_ioctl(vcpu->fd, KVM_GET_REGS, &saved);

    if (r == 0)
        r = kvm_ioctl(vcpu->fd, KVM_SET_REGS, &regs);
    if (r == 0)
        r = probe_run(vcpu->fd, vcpu->run, ret_kind);
    if (r < 0)
        return r;
    vcpu->run->immediate_exit = 1; /* completes the exit, and runs nothing */
    (void)vcpu_run_once(vcpu);
    vcpu->run->immediate_exit = 0;
    return kvm_ioctl(vcpu->fd, KVM_SET_REGS, &saved);
}

int arch_vcpu_probe(struct vcpu *vcpu, enum arch_kvm_kind *ret_kind)
{
    uint8_t saved[sizeof(code)];
    void *ram = memory_at(vcpu->env->mem, PROBE_ADDR, sizeof(code));

    assert(ram != NULL); /* all machines have RAM there */
    memcpy(saved, ram, sizeof(saved));
    memcpy(ram, code, sizeof(code));
    int r = run_in_place(vcpu, ret_kind);
    memcpy(ram, saved, sizeof(saved));
    return r < 0 ? log_error(r, "run a few guest instructions under KVM") : 0;
}
