/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that the rest of the tree may know of an architecture. arch/x86_64 and arch/arm64 implement
 * it; make picks the folder. The pure half (bytes put into guest memory: image loader, tables)
 * knows no KVM and is compiled and tested on any host; the other half makes ioctls.
 *
 * The machine table: machine.c fills a struct platform, in which each device's address, size,
 * interrupt and identity stand once. Descriptions for the guest (ACPI, device tree) and the buses
 * are both made from it.
 */
#pragma once

#include "vmm/base/base.h"
#include "vmm/base/memory.h"

#include <string.h>

enum platform_kind {
    PLATFORM_SERIAL,   /* 16550A */
    PLATFORM_VIRTIO,   /* virtio-mmio slot */
    PLATFORM_POWER,    /* ACPI sleep registers: see devices/power.h */
    PLATFORM_RESET,    /* i8042 command port / reset register */
    PLATFORM_PANIC,    /* pvpanic */
    PLATFORM_RTC,      /* PL031 */
    PLATFORM_WATCHDOG, /* SP805 */
    PLATFORM_PCI,      /* configuration space of the PCI bus (ECAM) */
};

struct platform_device {
    enum platform_kind kind;
    unsigned index; /* among its kind; for virtio the slot number */
    bool port_io;   /* address is an I/O port (x86) */
    gpa_t base;
    uint64_t size;
    uint32_t irq; /* GSI; 0: none */
};

#define PLATFORM_DEVICES_MAX  64
#define PLATFORM_OVERLAYS_MAX 16

/* A file read or mapped whole; `bytes` is borrowed. `name` is for messages. */
struct image {
    const char *name;
    const uint8_t *bytes;
    size_t size;
};

/* Whether it has those bytes there, none of which is 0. */
static inline bool image_has(const struct image *image, size_t offset, const char *magic)
{
    size_t len = strlen(magic);

    return image->size >= offset + len && memcmp(image->bytes + offset, magic, len) == 0;
}

/* Randomness for the kernel's first moments. */
struct platform_seed {
    uint8_t rng[64];
    uint8_t kaslr[8];
};

/* What the user says about the device tree. */
struct platform_tree {
    bool wanted;       /* make one also where ACPI tables tell it all (x86_64) */
    struct image base; /* in the place of the one made from the table; size 0: none */
    unsigned overlay_count;
    struct image overlay[PLATFORM_OVERLAYS_MAX];
};

struct kernel_cache;

struct platform {
    unsigned cpu_count;
    const struct memory *mem;
    unsigned device_count;
    struct platform_device device[PLATFORM_DEVICES_MAX];
    const char *cmdline;              /* whole, as the guest gets it; borrowed */
    const struct platform_seed *seed; /* borrowed; NULL: none */
    struct platform_tree tree;
    bool direct; /* unpack the kernel here where we can, not in the guest: sooner, no text KASLR */
    const struct kernel_cache *cache; /* of what is unpacked here; borrowed; NULL: none */

    /* What arch_vm_init() found out about the host, for the description: */
    unsigned irqchip; /* which interrupt controller it gives; the architecture's own numbers */
    bool pmu;         /* guests have performance counters */
};

/* The first device of that kind, or NULL. */
static inline const struct platform_device *platform_find(const struct platform *platform,
                                                          enum platform_kind kind)
{
    for (unsigned i = 0; i < platform->device_count; i++)
        if (platform->device[i].kind == kind)
            return &platform->device[i];
    return NULL;
}

/* Where things are; const, one per architecture. */
struct arch_layout {
    struct memory_layout ram;
    unsigned cpus_max; /* as far as addresses and ids go */
    gpa_t virtio_base; /* of slot 0 */
    uint64_t virtio_stride;
    unsigned virtio_slots;
    const uint8_t *virtio_irqs;   /* GSI of each slot */
    gpa_t pci_config, pci_window; /* the PCI bus, see vmm/pci_bus.h */
    uint64_t pci_window_size;
    uint32_t irq_line_first;             /* GSI 0 as KVM_IRQ_LINE numbers it */
    size_t cmdline_bytes_max;            /* with NUL */
    const char *console_arg;             /* the one argument linnet adds, "console=ttyS0" */
    const char *kernel_in_tree;          /* where a build of Linux leaves its kernel */
    const struct platform_device *fixed; /* devices that every machine has */
    unsigned fixed_count;
    const struct platform_device *watchdog; /* where one is, if it is wanted */
};
extern const struct arch_layout *const arch_layout;

/* Where vCPU 0 starts. */
struct arch_entry {
    enum { ENTRY_LINUX64, ENTRY_PVH32, ENTRY_LINUX_ARM64 } kind;
    gpa_t pc;
    gpa_t arg;  /* boot_params (RSI), start_info (EBX), device tree (x0) */
    gpa_t tree; /* the device tree; tree_size 0: none */
    uint64_t tree_size;
};

/* Pure: checks the kernel, puts kernel, initrd (size 0: none), command line and the machine's
 * description into guest RAM. -errno after one line that names the file, what is wrong and the
 * remedy: -ENOEXEC not a kernel for this architecture, -EBADMSG truncated or damaged, -ENOMEM too
 * big for RAM, -ENOPKG no library to unpack it, -E2BIG command line too long for the kernel,
 * -EINVAL a device tree that is none or an overlay that does not apply. */
int arch_load(const struct platform *platform, const struct image *kernel,
              const struct image *initrd, struct arch_entry *ret_entry);

/* -- the half that makes ioctls (irqchip.c, vcpu.c, time.c, probe.c) -- */

struct kvm;
struct kvm_irq_routing_entry;
struct vcpu;
struct vcpu_env;

/* Main: the type of VM (see kvm_create_vm()) whose guest can have RAM below ram_end. Logged on
 * failure. */
int arch_vm_type(const struct kvm *kvm, gpa_t ram_end, unsigned long *ret_type);

/* Main: -EINVAL, logged, if the machine or this host has no room for so many vCPUs. */
int arch_check_cpus(const struct kvm *kvm, unsigned cpu_count);

/* Main: what the VM needs before its vCPUs exist (interrupt controller), and after them, when all
 * `cpu_count` of them are initialised. Between the two no interrupt can be connected. RAM is given
 * to KVM before: in the other order current kernels take 6 to 14 ms longer. Logged on failure. */
int arch_vm_init(struct kvm *kvm, struct platform *platform);
int arch_vm_ready(struct kvm *kvm, const struct platform *platform, struct vcpu *vcpu);

/* Any thread: a PCI device's interrupt message, whatever the guest made of it. */
void arch_message(const struct kvm *kvm, uint64_t addr, uint32_t data);

/* The same for KVM to send at an event: what the route of a GSI says of it (KVM_SET_GSI_ROUTING),
 * into an entry that is zeroed. False: it is a message for nobody. */
bool arch_message_route(uint64_t addr, uint32_t data, struct kvm_irq_routing_entry *ret_entry);
/* The routes without which lines would not work, whatever is added to them: how many. */
#define ARCH_LINE_ROUTES_MAX 40
unsigned arch_line_routes(struct kvm_irq_routing_entry *ret_entries);

/* Main: registers and identity of vCPU `vcpu->index` of `cpu_count`. The first starts at *entry. */
int arch_vcpu_init(struct vcpu *vcpu, unsigned cpu_count, const struct arch_entry *entry);

/* vCPU thread: serves an exit that only this architecture has; false if it does not know it. */
bool arch_vcpu_exit(struct vcpu *vcpu);

/* vCPU thread, or main once that has ended: registers and the bytes at the instruction pointer, as
 * log lines. */
void arch_vcpu_dump(struct vcpu *vcpu);

/* The guest's time when it stopped. */
struct arch_time {
    uint64_t clock_ns;     /* x86: of kvmclock */
    uint64_t host_counter; /* x86: TSC of the host */
    uint64_t counter;      /* of the guest: TSC, CNTVCT */
};

/* Main, while no vCPU runs: notes the guest's time, and lets it go on from there. Logged on
 * failure.
 */
int arch_time_stop(const struct vcpu_env *vcpus, struct arch_time *ret_time);
int arch_time_resume(const struct vcpu_env *vcpus, const struct arch_time *time);

enum arch_kvm_kind {
    ARCH_KVM_HARDWARE,  /* guest code runs on the CPU */
    ARCH_KVM_EMULATING, /* KVM interprets guest code: too slow and too partial for a kernel */
};

/* Main: has vCPU 0, which has its first registers, run a few instructions and sees who executes
 * them; RAM and registers are then as before. Where KVM never emulates, nothing is run. Logged on
 * failure. */
int arch_vcpu_probe(struct vcpu *vcpu, enum arch_kvm_kind *ret_kind);

/* Main: the same in a VM of its own, on each architecture. Logged on failure. */
int arch_probe(enum arch_kvm_kind *ret_kind);
