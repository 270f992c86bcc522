/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does KVM run guest code? On arm64 it does so on the CPU or not at all; a few instructions prove
 * it. Main thread.
 */
#include "arch/arch.h"
#include "vmm/kvm.h"
#include "vmm/log.h"

#include <string.h>
#include <sys/mman.h>

#define PROBE_ADDR   0x10000 /* its page, of 64 KiB as the largest that hosts have */
#define PROBE_SIZE   0x10000
#define PROBE_DEVICE 0x80000 /* where no RAM is */
#define PROBE_ANSWER 56

/* Counts the zeroes before 0xff and stores their number. */
static const uint32_t probe_code[] = {
    0xd2801fe0, /* mov   x0, #0xff */
    0xdac01000, /* clz   x0, x0 */
    0xd2a00101, /* mov   x1, #0x80000 */
    0xb9000020, /* str   w0, [x1] */
    0x14000000, /* b     . */
};

static int probe_vcpu_init(const struct kvm *kvm, int vcpu_fd)
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

/* Runs the vCPU to its first exit that says something. */
static int probe_run(int vcpu_fd, const struct kvm_run *run, enum arch_kvm_kind *ret_kind)
{
    int r;

    do
        r = kvm_ioctl(vcpu_fd, KVM_RUN, NULL);
    while (r == -EINTR || r == -EAGAIN);
    if (r < 0)
        return r;
    bool answered = run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write &&
                    run->mmio.phys_addr == PROBE_DEVICE && run->mmio.data[0] == PROBE_ANSWER;
    *ret_kind = answered ? ARCH_KVM_HARDWARE : ARCH_KVM_EMULATING;
    return 0;
}

static int probe_vm(const struct kvm *kvm, void *page, enum arch_kvm_kind *ret_kind)
{
    struct kvm_userspace_memory_region slot = {
        .guest_phys_addr = PROBE_ADDR,
        .memory_size = PROBE_SIZE,
        .userspace_addr = (uintptr_t)page,
    };
    auto_close int vcpu_fd = -1;

    memcpy(page, probe_code, sizeof(probe_code));
    __builtin___clear_cache((char *)page, (char *)page + sizeof(probe_code));
    int r = kvm_ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot);
    if (r < 0)
        return r;
    vcpu_fd = kvm_ioctl_number(kvm->vm_fd, KVM_CREATE_VCPU, 0);
    if (vcpu_fd < 0)
        return vcpu_fd;
    struct kvm_run *run =
        mmap(NULL, kvm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
    if (run == MAP_FAILED)
        return -errno;
    r = probe_vcpu_init(kvm, vcpu_fd);
    if (r >= 0)
        r = probe_run(vcpu_fd, run, ret_kind);
    (void)munmap(run, kvm->run_bytes);
    return r;
}

int arch_probe(enum arch_kvm_kind *ret_kind)
{
    void *page = MAP_FAILED;
    unsigned long type = 0;
    struct kvm kvm;
    int r = kvm_open(&kvm);

    if (r == 0)
        r = arch_vm_type(&kvm, PROBE_ADDR + PROBE_SIZE, &type);
    if (r == 0)
        r = kvm_create_vm(&kvm, type);
    if (r < 0)
        goto out;
    page = mmap(NULL, PROBE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        r = log_error(-errno, "a page for the KVM probe");
        goto out;
    }
    r = probe_vm(&kvm, page, ret_kind);
    (void)munmap(page, PROBE_SIZE);
    if (r < 0)
        (void)log_error(r, "run a few guest instructions under KVM");
out:
    kvm_close(&kvm);
    return r;
}
