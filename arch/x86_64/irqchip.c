/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a VM needs on x86 before it has vCPUs: KVM's own interrupt controllers (local APICs and an
 * IOAPIC of 24 pins). No PIT: kvmclock and the TSC deadline timer replace it. Main thread.
 */
#include "arch/arch.h"
#include "vmm/base/log.h"
#include "vmm/kvm.h"

#include <sys/eventfd.h>

/* Three pages for real mode on old Intel CPUs and one for their identity map, in the hole below
 * 4 GiB, where no device of ours is. */
#define TSS_ADDR          0xfffbd000
#define IDENTITY_MAP_ADDR 0xfffbc000

#define PCI_ADDRESS_PORT 0xcf8

int arch_vm_type(const struct kvm *kvm, gpa_t ram_end, unsigned long *ret_type)
{
    (void)kvm;
    (void)ram_end; /* as far as the CPU's own addresses go */
    *ret_type = 0;
    return 0;
}

/* KVM starts local APICs as a PC's firmware leaves them: LINT0 unmasked, for the old interrupt
 * controller (PIC), whose pins are the IOAPIC's, too. Kernels before 5.4 do not mask it on a
 * hardware-reduced machine: GSI 5 would also come as vector 5. The part itself starts masked. */
static int mask_lint0(const struct kvm *kvm)
{
    struct kvm_enable_cap off = {
        .cap = KVM_CAP_DISABLE_QUIRKS,
        .args[0] = KVM_X86_QUIRK_LINT0_REENABLED,
    };
    int r = kvm_ioctl(kvm->vm_fd, KVM_ENABLE_CAP, &off);

    return r < 0 ? log_error(r, "mask LINT0 of the local APICs (needs Linux 4.1)") : 0;
}

/* The PIC shares pins 0 to 15 with the IOAPIC. No guest of ours uses it, but unmasked it would take
 * the edges that the IOAPIC ignores, and KVM not say that they reached no CPU (vmm/base/irq.h). */
static int mask_pic(const struct kvm *kvm)
{
    static const uint32_t chips[] = {KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE};
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(chips) && r == 0; i++) {
        struct kvm_irqchip chip = {.chip_id = chips[i], .chip.pic.imr = 0xff};
        r = kvm_ioctl(kvm->vm_fd, KVM_SET_IRQCHIP, &chip);
    }
    return r < 0 ? log_error(r, "mask the PIC") : 0;
}

/* PCI, if there is any, has no ports; kernels find that out by writes to its address port and reads
 * of its data port, on some CPUs 16,000 of each. What is written is of no use: KVM drops it,
 * without an exit to us. */
static int ignore_pci_address(const struct kvm *kvm)
{
    auto_close int fd = eventfd(0, EFD_CLOEXEC);
    struct kvm_ioeventfd drop = {
        .addr = PCI_ADDRESS_PORT,
        .len = 4,
        .fd = fd,
        .flags = KVM_IOEVENTFD_FLAG_PIO,
    };

    if (fd < 0)
        return log_error(-errno, "eventfd");
    int r = kvm_ioctl(kvm->vm_fd, KVM_IOEVENTFD, &drop); /* KVM keeps the eventfd */
    return r < 0 ? log_error(r, "KVM_IOEVENTFD at port 0x%x", PCI_ADDRESS_PORT) : 0;
}

int arch_vm_init(struct kvm *kvm, struct platform *platform)
{
    uint64_t identity_map = IDENTITY_MAP_ADDR;

    int r = arch_check_cpus(kvm, platform->cpu_count);
    if (r < 0)
        return r;
    r = kvm_ioctl_number(kvm->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDR);
    if (r < 0)
        return log_error(r, "KVM_SET_TSS_ADDR");
    r = kvm_ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
    if (r < 0)
        return log_error(r, "KVM_SET_IDENTITY_MAP_ADDR");
    r = kvm_ioctl(kvm->vm_fd, KVM_CREATE_IRQCHIP, NULL);
    if (r < 0)
        return log_error(r, "KVM_CREATE_IRQCHIP");
    r = mask_lint0(kvm);
    if (r == 0)
        r = mask_pic(kvm);
    return r < 0 ? r : ignore_pci_address(kvm);
}

/* To a local APIC; nobody is told of one that is for none. */
void arch_message(const struct kvm *kvm, uint64_t addr, uint32_t data)
{
    struct kvm_msi msi = {
        .address_lo = (uint32_t)addr,
        .address_hi = (uint32_t)(addr >> 32),
        .data = data,
    };

    (void)kvm_ioctl(kvm->vm_fd, KVM_SIGNAL_MSI, &msi);
}

bool arch_message_route(uint64_t addr, uint32_t data, struct kvm_irq_routing_entry *ret_entry)
{
    ret_entry->type = KVM_IRQ_ROUTING_MSI;
    ret_entry->u.msi.address_lo = (uint32_t)addr;
    ret_entry->u.msi.address_hi = (uint32_t)(addr >> 32);
    ret_entry->u.msi.data = data;
    return true;
}

static void line_route(struct kvm_irq_routing_entry *entry, uint32_t line, uint32_t chip,
                       uint32_t pin)
{
    *entry = (struct kvm_irq_routing_entry){.gsi = line, .type = KVM_IRQ_ROUTING_IRQCHIP};
    entry->u.irqchip.irqchip = chip;
    entry->u.irqchip.pin = pin;
}

/* As KVM has them at first: the PIC and the IOAPIC. */
unsigned arch_line_routes(struct kvm_irq_routing_entry *ret_entries)
{
    unsigned count = 0;

    for (uint32_t line = 0; line < 16; line++)
        line_route(&ret_entries[count++], line,
                   line < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, line % 8);
    for (uint32_t line = 0; line < KVM_IOAPIC_NUM_PINS; line++)
        line_route(&ret_entries[count++], line, KVM_IRQCHIP_IOAPIC, line);
    return count;
}

int arch_vm_ready(struct kvm *kvm, const struct platform *platform, struct vcpu *vcpu)
{
    (void)kvm;
    (void)platform;
    (void)vcpu;
    return 0;
}
