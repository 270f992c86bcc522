/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who executes guest code? KVM without hardware virtualization (nested under PVM, for one) opens,
 * makes VMs and answers every query, but runs guest code in its instruction emulator, which knows
 * only what hypervisors need: it stops at POPCNT, and is a thousand times too slow. So ask it to
 * run one. Main thread.
 */
#include "arch/arch.h"
#include "vmm/kvm.h"
#include "vmm/log.h"

#include <string.h>
#include <sys/mman.h>

#define PROBE_ADDR 0x1000
#define PROBE_SIZE 0x1000

/* Real mode: count the bits of 0x00ff and say so. */
static const uint8_t probe_code[] = {
    0xb8, 0xff, 0x00,       /* mov $0xff, %ax */
    0xf3, 0x0f, 0xb8, 0xc0, /* popcnt %ax, %ax */
    0xe6, 0x10,             /* out %al, $0x10 */
    0xf4,                   /* hlt */
};
#define PROBE_PORT   0x10
#define PROBE_ANSWER 8

static int probe_registers(int vcpu_fd)
{
    struct kvm_regs regs = {.rip = PROBE_ADDR, .rflags = 2};
    struct kvm_sregs sregs;
    int r = kvm_ioctl(vcpu_fd, KVM_GET_SREGS, &sregs);

    if (r < 0)
        return r;
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    r = kvm_ioctl(vcpu_fd, KVM_SET_SREGS, &sregs);
    return r < 0 ? r : kvm_ioctl(vcpu_fd, KVM_SET_REGS, &regs);
}

/* Runs the vCPU to its first exit that says something. */
static int probe_run(int vcpu_fd, struct kvm_run *run, enum arch_kvm_kind *ret_kind)
{
    int r;

    do
        r = kvm_ioctl(vcpu_fd, KVM_RUN, NULL);
    while (r == -EINTR || r == -EAGAIN);
    if (r < 0)
        return r;
    bool answered = run->exit_reason == KVM_EXIT_IO && run->io.port == PROBE_PORT &&
                    *((uint8_t *)run + run->io.data_offset) == PROBE_ANSWER;
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
    r = probe_registers(vcpu_fd);
    if (r >= 0)
        r = probe_run(vcpu_fd, run, ret_kind);
    (void)munmap(run, kvm->run_bytes);
    return r;
}

int arch_probe(enum arch_kvm_kind *ret_kind)
{
    struct kvm kvm;
    int r = kvm_open(&kvm);

    if (r == 0)
        r = kvm_create_vm(&kvm, 0);
    if (r < 0)
        goto out;
    void *page = mmap(NULL, PROBE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
