/* SPDX-License-Identifier: BSD-3-Clause */
/* See kvm.h. */
#include "vmm/kvm.h"

#include "vmm/base/log.h"

#include <fcntl.h>
#include <sys/ioctl.h>

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
    int r = ioctl(fd, request, arg);

    return r < 0 ? -errno : r;
}

int kvm_ioctl_number(int fd, unsigned long request, unsigned long number)
{
    int r = ioctl(fd, request, number);

    return r < 0 ? -errno : r;
}

static int kvm_open_error(int r)
{
    switch (r) {
    case -ENOENT:
    case -ENODEV:
    case -ENXIO:
        return log_error(r,
                         KVM_DEVICE " is missing: load its module (kvm_intel, kvm_amd), switch on "
                                    "virtualization in the firmware, or on arm64 start Linux at "
                                    "EL2 (see `linnet doctor`)");
    case -EACCES:
    case -EPERM:
        return log_error(r, "no permission to open " KVM_DEVICE ": join the group that owns it, "
                            "usually `sudo usermod -aG kvm $USER`, and log in again");
    default:
        return log_error(r, "open " KVM_DEVICE);
    }
}

int kvm_open(struct kvm *kvm)
{
    *kvm = (struct kvm){.fd = -1, .vm_fd = -1, .irqchip_fd = -1};
    kvm->fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
    if (kvm->fd < 0)
        return kvm_open_error(-errno);
    int version = kvm_ioctl(kvm->fd, KVM_GET_API_VERSION, NULL);
    if (version != KVM_API_VERSION)
        return log_error(version < 0 ? version : -ENOTSUP, KVM_DEVICE " is not KVM with API %d",
                         KVM_API_VERSION);
    int run_bytes = kvm_ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
    if (run_bytes < (int)sizeof(struct kvm_run))
        return log_error(run_bytes < 0 ? run_bytes : -EINVAL, "KVM_GET_VCPU_MMAP_SIZE");
    kvm->run_bytes = (size_t)run_bytes;
    return 0;
}

int kvm_create_vm(struct kvm *kvm, unsigned long type)
{
    do /* EINTR: a signal came while KVM waited for other VMs' memory notifiers */
        kvm->vm_fd = kvm_ioctl_number(kvm->fd, KVM_CREATE_VM, type);
    while (kvm->vm_fd == -EINTR);
    if (kvm->vm_fd < 0)
        return log_error(kvm->vm_fd, "KVM_CREATE_VM");
    return 0;
}

void kvm_close(struct kvm *kvm)
{
    fd_close(&kvm->irqchip_fd);
    fd_close(&kvm->vm_fd);
    fd_close(&kvm->fd);
}

int kvm_cap(const struct kvm *kvm, long cap)
{
    int fd = kvm->vm_fd >= 0 ? kvm->vm_fd : kvm->fd;
    int r = kvm_ioctl_number(fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

    return MAX(r, 0);
}

int kvm_add_memory(struct kvm *kvm, const struct memory *mem)
{
    for (unsigned i = 0; i < mem->region_count; i++) {
        const struct memory_region *region = &mem->region[i];
        struct kvm_userspace_memory_region slot = {
            .slot = i,
            .guest_phys_addr = region->base,
            .memory_size = region->size,
            .userspace_addr = (uintptr_t)memory_at(mem, region->base, region->size),
        };
        int r = kvm_ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot);
        if (r < 0)
            return log_error(r, "give %llu MiB of RAM to KVM",
                             (unsigned long long)(region->size >> 20));
    }
    return 0;
}

int kvm_add_window(struct kvm *kvm, unsigned slot, gpa_t base, const void *host, uint64_t size)
{
    struct kvm_userspace_memory_region region = {
        .slot = MEMORY_OWN_REGIONS_MAX + slot,
        .flags = KVM_MEM_READONLY,
        .guest_phys_addr = base,
        .memory_size = size,
        .userspace_addr = (uintptr_t)host,
    };
    int r = kvm_ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);

    return r < 0 ? log_error(r, "give %llu MiB at 0x%llx to KVM", (unsigned long long)(size >> 20),
                             (unsigned long long)base)
                 : 0;
}

/* On success *ret_status is how many CPUs an edge reached on x86, 0 or less if none; on arm64,
 * where edges are kept, more than 0. */
static int line_set(int vm_fd, uint32_t line, bool high, int *ret_status)
{
    struct kvm_irq_level level = {.irq = line, .level = high};
    int r = kvm_ioctl(vm_fd, KVM_IRQ_LINE_STATUS, &level);

    *ret_status = level.status;
    return r;
}

static bool irq_set(const struct irq *irq, bool high)
{
    int status;

    (void)line_set(irq->vm_fd, irq->line, high, &status); /* worked when it was connected */
    return status > 0;
}

int kvm_irq_connect(const struct kvm *kvm, struct irq *irq, struct loop *loop, uint32_t line)
{
    int status;
    int r = line_set(kvm->vm_fd, line, false, &status);

    if (r == 0)
        r = irq_connect(irq, loop, irq_set, kvm->vm_fd, line);
    return r < 0 ? log_error(r, "KVM_IRQ_LINE_STATUS 0x%x", line) : 0;
}

int kvm_ioeventfd(struct kvm *kvm, int fd, gpa_t addr, uint32_t value)
{
    struct kvm_ioeventfd ioeventfd = {
        .datamatch = value,
        .addr = addr,
        .len = 4,
        .fd = fd,
        .flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
    };
    int r = kvm_ioctl(kvm->vm_fd, KVM_IOEVENTFD, &ioeventfd);

    return r < 0 ? log_error(r, "KVM_IOEVENTFD at 0x%llx", (unsigned long long)addr) : 0;
}

int kvm_doorbell(const struct kvm *kvm, int fd, gpa_t addr, bool there)
{
    struct kvm_ioeventfd ioeventfd = {
        .addr = addr,
        .fd = fd,
        .flags = there ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
    };

    return kvm_ioctl(kvm->vm_fd, KVM_IOEVENTFD, &ioeventfd);
}
