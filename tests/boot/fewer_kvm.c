/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A library to load before linnet on arm64, by LD_PRELOAD: makes this host's KVM less than it is,
 * as the environment says. FEWER_GICS=2,3 takes away the interrupt controllers of these versions,
 * FEWER_ADDRESS_BITS=N limits guests' addresses. All other ioctls go to the kernel as they are.
 * Any thread.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int without_gic(const struct kvm_create_device *device)
{
    const char *gone = getenv("FEWER_GICS");
    char version = device->type == KVM_DEV_TYPE_ARM_VGIC_V2   ? '2'
                   : device->type == KVM_DEV_TYPE_ARM_VGIC_V3 ? '3'
                                                              : 0;

    return gone != NULL && version != 0 && strchr(gone, version) != NULL;
}

int ioctl(int fd, unsigned long request, ...)
{
    const char *bits = getenv("FEWER_ADDRESS_BITS");
    va_list list;

    va_start(list, request);
    void *arg = va_arg(list, void *);
    va_end(list);
    if (request == KVM_CREATE_DEVICE && without_gic(arg)) {
        errno = ENODEV; /* as KVM says */
        return -1;
    }
    if (request == KVM_CHECK_EXTENSION && (long)arg == KVM_CAP_ARM_VM_IPA_SIZE && bits != NULL)
        return atoi(bits);
    return (int)syscall(SYS_ioctl, fd, request, arg);
}
