/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does KVM run guest code? On arm64 it does so on the CPU or not at all; a few instructions prove
 * it. Main thread.
 */
#include "arch/probe.h"

#define PROBE_ADDR   0x10000
#define PROBE_DEVICE 0x80000 /* where no RAM is */
#define PROBE_ANSWER 56

/* Counts the zeroes before 0xff and stores their number. */
static const uint32_t code[] = {
    0xd2801fe0, /* mov   x0, #0xff */
    0xdac01000, /* clz   x0, x0 */
    0xd2a00101, /* mov   x1, #0x80000 */
    0xb9000020, /* str   w0, [x1] */
    0x14000000, /* b     . */
};

static int start(const struct kvm *kvm, int vcpu_fd)
{
    uint64_t pc = PROBE_ADDR;
    struct kvm_one_reg reg = {
        .id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc),
        .addr = (uintptr_t)&pc,
    };
    struct kvm_vcpu_init init;
    int r = kvm_ioctl(kvm->vm_fd, KVM_ARM_PREFERRED_TARGET, &init);

    if (r == 0)
        r = kvm_ioctl(vcpu_fd, KVM_ARM_VCPU_INIT, &init);
    return r < 0 ? r : kvm_ioctl(vcpu_fd, KVM_SET_ONE_REG, &reg);
}

static bool answered(const struct kvm_run *run)
{
    return run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write &&
           run->mmio.phys_addr == PROBE_DEVICE && run->mmio.data[0] == PROBE_ANSWER;
}

const struct probe arch_probe_code = {
    .code = code,
    .code_size = sizeof(code),
    .addr = PROBE_ADDR,
    .ram_size = 0x10000, /* a page of the largest that hosts have */
    .start = start,
    .answered = answered,
};

int arch_vcpu_probe(struct vcpu *vcpu, enum arch_kvm_kind *ret_kind)
{
    (void)vcpu;
    *ret_kind = ARCH_KVM_HARDWARE;
    return 0;
}
