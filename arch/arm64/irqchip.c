/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a VM needs on arm64 before and after it has vCPUs: addresses wide enough, and KVM's own
 * interrupt controller (Documentation/virt/kvm/devices/arm-vgic*.rst): GICv3, or GICv2 where the
 * host's hardware has no other. Main thread.
 */
#include "arch/arm64/layout.h"
#include "vmm/base/log.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"

/* A VM of type 0 has addresses of 40 bits; other widths must be asked for by KVM_VM_TYPE. */
#define IPA_BITS_MIN     32
#define IPA_BITS_DEFAULT 40

int arch_vm_type(const struct kvm *kvm, gpa_t ram_end, unsigned long *ret_type)
{
    int cap = kvm_cap(kvm, KVM_CAP_ARM_VM_IPA_SIZE);
    int limit = cap > 0 ? cap : IPA_BITS_DEFAULT;
    int bits = IPA_BITS_MIN;

    while (bits < 63 && ram_end > (gpa_t)1 << bits)
        bits++;
    if (bits > limit)
        return log_plain(-EINVAL,
                         "--mem: at most %llu MiB; this host's KVM gives guests addresses of %d "
                         "bits",
                         (1ULL << (limit - 20)) - (ARM64_RAM >> 20), limit);
    *ret_type = cap > 0 ? KVM_VM_TYPE_ARM_IPA_SIZE(bits) : 0;
    return 0;
}

/* -- GIC -- */

static int gic_set(const struct kvm *kvm, uint32_t group, uint64_t attr, void *value)
{
    struct kvm_device_attr request = {.group = group, .attr = attr, .addr = (uintptr_t)value};

    return kvm_ioctl(kvm->irqchip_fd, KVM_SET_DEVICE_ATTR, &request);
}

static int gic_place(const struct kvm *kvm, uint64_t what, uint64_t address)
{
    return gic_set(kvm, KVM_DEV_ARM_VGIC_GRP_ADDR, what, &address);
}

static int gic_create(struct kvm *kvm, uint32_t type)
{
    struct kvm_create_device device = {.type = type};
    int r = kvm_ioctl(kvm->vm_fd, KVM_CREATE_DEVICE, &device);

    if (r == 0)
        kvm->irqchip_fd = (int)device.fd;
    return r;
}

/* One region of redistributors for all CPUs; kernels before 4.18 know only the first, which is as
 * long as there are CPUs. */
static int gic_place_redistributors(const struct kvm *kvm, unsigned cpu_count)
{
    uint64_t region = ARM64_GICR | (uint64_t)cpu_count << 52; /* index 0, flags 0 */
    int r = gic_set(kvm, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, &region);

    return r == -ENXIO || r == -ENODEV ? gic_place(kvm, KVM_VGIC_V3_ADDR_TYPE_REDIST, ARM64_GICR)
                                       : r;
}

static int gic_place_all(const struct kvm *kvm, const struct platform *platform)
{
    bool v3 = platform->irqchip == ARM64_GIC_V3;
    int r =
        gic_place(kvm, v3 ? KVM_VGIC_V3_ADDR_TYPE_DIST : KVM_VGIC_V2_ADDR_TYPE_DIST, ARM64_GICD);

    if (r < 0)
        return r;
    return v3 ? gic_place_redistributors(kvm, platform->cpu_count)
              : gic_place(kvm, KVM_VGIC_V2_ADDR_TYPE_CPU, ARM64_GICC);
}

static int gic_create_newest(struct kvm *kvm, unsigned *ret_version)
{
    *ret_version = ARM64_GIC_V3;
    int r = gic_create(kvm, KVM_DEV_TYPE_ARM_VGIC_V3);

    if (r < 0) {
        *ret_version = ARM64_GIC_V2;
        r = gic_create(kvm, KVM_DEV_TYPE_ARM_VGIC_V2);
    }
    return r < 0 ? log_error(r, "this host's KVM has neither a GICv3 nor a GICv2 for guests") : 0;
}

/* An access to no RAM that KVM cannot decode (a pair of registers is stored, say, in the image of a
 * --pmem) shall be the guest's trouble, not its end: see arch_vcpu_exit(). */
static void ask_for_undecoded(const struct kvm *kvm)
{
    struct kvm_enable_cap exits = {.cap = KVM_CAP_ARM_NISV_TO_USER};

    if (kvm_cap(kvm, KVM_CAP_ARM_INJECT_EXT_DABT) > 0)
        (void)kvm_ioctl(kvm->vm_fd, KVM_ENABLE_CAP, &exits);
}

int arch_vm_init(struct kvm *kvm, struct platform *platform)
{
    uint32_t irqs = ARM64_IRQS;

    int r = arch_check_cpus(kvm, platform->cpu_count); /* with a GICv2: 8 */
    if (r == 0)
        r = gic_create_newest(kvm, &platform->irqchip);
    if (r < 0)
        return r;
    r = gic_place_all(kvm, platform);
    if (r < 0)
        return log_error(r, "place the GICv%u", platform->irqchip);
    r = gic_set(kvm, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &irqs);
    if (r < 0)
        return log_error(r, "give the GIC %u interrupts", irqs);
    platform->pmu = kvm_cap(kvm, KVM_CAP_ARM_PMU_V3) > 0;
    ask_for_undecoded(kvm);
    return 0;
}

static bool is_message(uint64_t addr, uint32_t data)
{
    return addr == ARM64_MSI + ARM64_MSI_SETSPI && data >= ARM64_INTID_MSI && data < ARM64_IRQS;
}

/* What a GICv2m frame makes of it: an edge of the shared interrupt that it names. */
void arch_message(const struct kvm *kvm, uint64_t addr, uint32_t data)
{
    if (!is_message(addr, data))
        return;
    struct kvm_irq_level level = {.irq = ARM64_IRQ_LINE_SPI - 32 + data, .level = 1};
    (void)kvm_ioctl(kvm->vm_fd, KVM_IRQ_LINE, &level);
    level.level = 0;
    (void)kvm_ioctl(kvm->vm_fd, KVM_IRQ_LINE, &level);
}

/* KVM raises the pin at an event and never lowers it: to a GIC that is an edge each time, where the
 * guest has set the pin up for edges, as drivers of the frame do. */
bool arch_message_route(uint64_t addr, uint32_t data, struct kvm_irq_routing_entry *ret_entry)
{
    ret_entry->type = KVM_IRQ_ROUTING_IRQCHIP;
    ret_entry->u.irqchip.pin = data - 32;
    return is_message(addr, data);
}

/* KVM_IRQ_LINE goes by no route here. */
unsigned arch_line_routes(struct kvm_irq_routing_entry *ret_entries)
{
    (void)ret_entries;
    return 0;
}

/* The interrupt of its performance counters, and them. */
static int pmu_init(const struct vcpu *vcpu)
{
    int irq = 16 + ARM64_PPI_PMU;
    struct kvm_device_attr set_irq = {
        .group = KVM_ARM_VCPU_PMU_V3_CTRL,
        .attr = KVM_ARM_VCPU_PMU_V3_IRQ,
        .addr = (uintptr_t)&irq,
    };
    struct kvm_device_attr init = {
        .group = KVM_ARM_VCPU_PMU_V3_CTRL,
        .attr = KVM_ARM_VCPU_PMU_V3_INIT,
    };
    int r = kvm_ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &set_irq);

    if (r == 0)
        r = kvm_ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &init);
    return r < 0 ? log_error(r, "performance counters of vCPU %u", vcpu->index) : 0;
}

int arch_vm_ready(struct kvm *kvm, const struct platform *platform, struct vcpu *vcpu)
{
    int r = gic_set(kvm, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);

    if (r < 0)
        return log_error(r, "start the GIC");
    for (unsigned i = 0; i < platform->cpu_count && platform->pmu && r == 0; i++)
        r = pmu_init(&vcpu[i]);
    return r;
}
