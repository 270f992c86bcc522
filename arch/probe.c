/* SPDX-License-Identifier: BSD-3-Clause */
/* See arch_probe() in arch.h, and probe.h. A VM of one vCPU runs until its first exit. */
#include "arch/probe.h"

#include "vmm/base/log.h"

#include <string.h>
#include <sys/mman.h>

int probe_run(int vcpu_fd, const struct kvm_run *run, enum arch_kvm_kind *ret_kind)
{
    int r;

    do
        r = kvm_ioctl(vcpu_fd, KVM_RUN, NULL);
    while (r == -EINTR || r == -EAGAIN);
    if (r < 0)
        return r;
    *ret_kind = arch_probe_code.answered(run) ? ARCH_KVM_HARDWARE : ARCH_KVM_EMULATING;
    return 0;
}

static int run_vm(const struct kvm *kvm, char *ram, enum arch_kvm_kind *ret_kind)
{
    struct kvm_userspace_memory_region slot = {
        .guest_phys_addr = arch_probe_code.addr,
        .memory_size = arch_probe_code.ram_size,
        .userspace_addr = (uintptr_t)ram,
    };

    memcpy(ram, arch_probe_code.code, arch_probe_code.code_size);
    __builtin___clear_cache(ram, ram + arch_probe_code.code_size);
    int r = kvm_ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot);
    if (r < 0)
        return r;
    auto_close int vcpu_fd = kvm_ioctl_number(kvm->vm_fd, KVM_CREATE_VCPU, 0);
    if (vcpu_fd < 0)
        return vcpu_fd;
    struct kvm_run *run =
        mmap(NULL, kvm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
    if (run == MAP_FAILED)
        return -errno;
    r = arch_probe_code.start(kvm, vcpu_fd);
    if (r >= 0)
        r = probe_run(vcpu_fd, run, ret_kind);
    (void)munmap(run, kvm->run_bytes);
    return r;
}

int arch_probe(enum arch_kvm_kind *ret_kind)
{
    const size_t size = arch_probe_code.ram_size;
    unsigned long type = 0;
    struct kvm kvm;
    int r = kvm_open(&kvm);

    if (r == 0)
        r = arch_vm_type(&kvm, arch_probe_code.addr + size, &type);
    if (r == 0)
        r = kvm_create_vm(&kvm, type);
    if (r < 0)
        goto out;
    void *ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED) {
        r = log_error(-errno, "memory for the KVM probe");
        goto out;
    }
    r = run_vm(&kvm, ram, ret_kind);
    (void)munmap(ram, size);
    if (r < 0)
        (void)log_error(r, "run a few guest instructions under KVM");
out:
    kvm_close(&kvm);
    return r;
}
