/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See table.h. Each node is what its binding asks (Documentation/devicetree/bindings), in the words
 * that stock kernels know: arm/psci, interrupt-controller/arm,gic(-v3), timer/arm,arch_timer,
 * serial/8250, rtc/arm,pl031, virtio/mmio, misc/pvpanic-mmio, arm/pmu, pci/host-generic-pci,
 * interrupt-controller/arm,gic (its v2m-frame).
 */
#include "arch/arm64/table.h"
#include "arch/arm64/layout.h"
#include "devices/watchdog.h"

/* Interrupt specifiers (interrupt-controller/arm,gic.yaml): type, number, flags. */
#define SHARED     0
#define PRIVATE    1
#define EDGE       1
#define LEVEL_HIGH 4

#define PCI_MEMORY_32 0x02000000 /* the first of a PCI address's three cells */

#define CLOCK_HZ        24000000 /* of the bus of Arm's own devices */
#define SERIAL_CLOCK_HZ 1843200

struct parts {
    const struct platform *platform;
    struct tree *tree;
    uint32_t gic, clock, msi; /* phandles */
};

/* A string property of several strings, from a literal with \0 between them. */
#define STRINGS(tree, name, literal) tree_strings(tree, name, literal, sizeof(literal))

/* Flags of a private interrupt; GICv2 wants the CPUs it goes to in them. */
static uint32_t private_flags(const struct platform *platform)
{
    uint32_t cpus = (1u << MIN(platform->cpu_count, (unsigned)ARM64_GIC_V2_CPUS_MAX)) - 1;

    return LEVEL_HIGH | (platform->irqchip == ARM64_GIC_V2 ? cpus << 8 : 0);
}

static void shared_irq(struct tree *tree, const struct platform_device *dev)
{
    const uint32_t cells[] = {SHARED, dev->irq, EDGE};

    if (dev->irq != 0)
        tree_cells(tree, "interrupts", cells, ARRAY_SIZE(cells));
}

/* -- what is in the CPUs -- */

static void add_cpus(const struct parts *p)
{
    (void)tree_open(p->tree, NULL, "cpus");
    tree_cell_counts(p->tree, 1, 0);
    for (unsigned i = 0; i < p->platform->cpu_count; i++) {
        (void)tree_open_at(p->tree, NULL, "cpu", arm64_mpidr(i));
        tree_string(p->tree, "device_type", "cpu");
        tree_string(p->tree, "compatible", "arm,armv8");
        tree_cell(p->tree, "reg", arm64_mpidr(i));
        tree_string(p->tree, "enable-method", "psci");
        tree_close(p->tree);
    }
    tree_close(p->tree);
}

static void add_psci(const struct parts *p)
{
    (void)tree_open(p->tree, NULL, "psci");
    STRINGS(p->tree, "compatible", "arm,psci-1.0\0arm,psci-0.2");
    tree_string(p->tree, "method", "hvc");
    tree_close(p->tree);
}

/* Secure, non-secure, virtual, hypervisor timer. */
static void add_timer(const struct parts *p)
{
    uint32_t flags = private_flags(p->platform);
    const uint32_t interrupts[] = {PRIVATE, 13, flags, PRIVATE, 14, flags,
                                   PRIVATE, 11, flags, PRIVATE, 10, flags};

    (void)tree_open(p->tree, NULL, "timer");
    tree_string(p->tree, "compatible", "arm,armv8-timer");
    tree_cells(p->tree, "interrupts", interrupts, ARRAY_SIZE(interrupts));
    tree_flag(p->tree, "always-on");
    tree_close(p->tree);
}

static void add_pmu(const struct parts *p)
{
    const uint32_t interrupts[] = {PRIVATE, ARM64_PPI_PMU, private_flags(p->platform)};

    if (!p->platform->pmu)
        return;
    (void)tree_open(p->tree, NULL, "pmu");
    tree_string(p->tree, "compatible", "arm,armv8-pmuv3");
    tree_cells(p->tree, "interrupts", interrupts, ARRAY_SIZE(interrupts));
    tree_close(p->tree);
}

/* A frame for GICv2: Linux takes it for a GICv3 that has no ITS, too, as KVM's then is. */
static void add_msi_frame(struct parts *p)
{
    p->msi = tree_open_at(p->tree, "msi", "v2m", ARM64_MSI);
    tree_string(p->tree, "compatible", "arm,gic-v2m-frame");
    tree_flag(p->tree, "msi-controller");
    tree_reg(p->tree, (const uint64_t[]){ARM64_MSI, ARM64_MSI_BYTES}, 1);
    tree_cell(p->tree, "arm,msi-base-spi", ARM64_INTID_MSI);
    tree_cell(p->tree, "arm,msi-num-spis", ARM64_IRQS - ARM64_INTID_MSI);
    tree_close(p->tree);
}

static void add_gic(struct parts *p)
{
    const uint64_t v3[] = {ARM64_GICD, ARM64_GICD_BYTES, ARM64_GICR,
                           p->platform->cpu_count * ARM64_GICR_BYTES};
    const uint64_t v2[] = {ARM64_GICD, ARM64_GICD_BYTES, ARM64_GICC, ARM64_GICC_BYTES};
    bool is_v2 = p->platform->irqchip == ARM64_GIC_V2;

    p->gic = tree_open_at(p->tree, "gic", "interrupt-controller", ARM64_GICD);
    tree_string(p->tree, "compatible", is_v2 ? "arm,cortex-a15-gic" : "arm,gic-v3");
    tree_flag(p->tree, "interrupt-controller");
    tree_cell(p->tree, "#interrupt-cells", 3);
    tree_reg(p->tree, is_v2 ? v2 : v3, 2);
    if (platform_find(p->platform, PLATFORM_PCI) != NULL) {
        tree_cell_counts(p->tree, 2, 2);
        tree_flag(p->tree, "ranges");
        add_msi_frame(p);
    } else {
        tree_cell(p->tree, "#address-cells", 0);
    }
    tree_close(p->tree);
}

/* -- devices -- */

static void add_clock(struct parts *p)
{
    p->clock = tree_open(p->tree, "clock", "clock");
    tree_string(p->tree, "compatible", "fixed-clock");
    tree_cell(p->tree, "#clock-cells", 0);
    tree_cell(p->tree, "clock-frequency", CLOCK_HZ);
    tree_close(p->tree);
}

static void add_serial(const struct parts *p, const struct platform_device *dev)
{
    (void)tree_open_at(p->tree, "serial0", "serial", dev->base);
    tree_string(p->tree, "compatible", "ns16550a");
    tree_reg(p->tree, (const uint64_t[]){dev->base, dev->size}, 1);
    tree_cell(p->tree, "clock-frequency", SERIAL_CLOCK_HZ);
    shared_irq(p->tree, dev);
    tree_close(p->tree);
}

static void add_rtc(const struct parts *p, const struct platform_device *dev)
{
    (void)tree_open_at(p->tree, "rtc", "rtc", dev->base);
    STRINGS(p->tree, "compatible", "arm,pl031\0arm,primecell");
    tree_reg(p->tree, (const uint64_t[]){dev->base, dev->size}, 1);
    tree_cell(p->tree, "clocks", p->clock);
    tree_string(p->tree, "clock-names", "apb_pclk");
    shared_irq(p->tree, dev);
    tree_close(p->tree);
}

/* With a clock of its own: that of the bus would have it end after 178 s at most. */
static void add_watchdog(const struct parts *p, const struct platform_device *dev)
{
    uint32_t clock = tree_open(p->tree, "wdclock", "watchdog-clock");
    STRINGS(p->tree, "compatible", "fixed-clock");
    tree_cell(p->tree, "#clock-cells", 0);
    tree_cell(p->tree, "clock-frequency", WATCHDOG_HZ);
    tree_close(p->tree);
    (void)tree_open_at(p->tree, "watchdog", "watchdog", dev->base);
    STRINGS(p->tree, "compatible", "arm,sp805\0arm,primecell");
    tree_reg(p->tree, (const uint64_t[]){dev->base, dev->size}, 1);
    const uint32_t clocks[] = {clock, p->clock};
    tree_cells(p->tree, "clocks", clocks, ARRAY_SIZE(clocks));
    STRINGS(p->tree, "clock-names", "wdog_clk\0apb_pclk");
    tree_close(p->tree);
}

static void add_panic(const struct parts *p, const struct platform_device *dev)
{
    (void)tree_open_at(p->tree, "pvpanic", "pvpanic", dev->base);
    tree_string(p->tree, "compatible", "qemu,pvpanic-mmio");
    tree_reg(p->tree, (const uint64_t[]){dev->base, dev->size}, 1);
    tree_close(p->tree);
}

static void add_virtio(const struct parts *p, const struct platform_device *dev)
{
    char label[] = "virtio00";

    assert(dev->index < 100);
    label[6] = (char)('0' + dev->index / 10);
    label[7] = (char)('0' + dev->index % 10);
    (void)tree_open_at(p->tree, label, "virtio", dev->base);
    tree_string(p->tree, "compatible", "virtio,mmio");
    tree_reg(p->tree, (const uint64_t[]){dev->base, dev->size}, 1);
    shared_irq(p->tree, dev);
    tree_flag(p->tree, "dma-coherent");
    tree_close(p->tree);
}

/* One bus; no pins, so no interrupt-map. */
static void add_pci(const struct parts *p, const struct platform_device *dev)
{
    const uint32_t buses[] = {0, 0};
    const uint32_t ranges[] = {PCI_MEMORY_32, 0, ARM64_WINDOW,      0,
                               ARM64_WINDOW,  0, ARM64_WINDOW_BYTES};

    (void)tree_open_at(p->tree, "pci", "pcie", dev->base);
    tree_string(p->tree, "compatible", "pci-host-ecam-generic");
    tree_string(p->tree, "device_type", "pci");
    tree_cell_counts(p->tree, 3, 2);
    tree_cells(p->tree, "bus-range", buses, ARRAY_SIZE(buses));
    tree_reg(p->tree, (const uint64_t[]){dev->base, dev->size}, 1);
    tree_cells(p->tree, "ranges", ranges, ARRAY_SIZE(ranges));
    tree_cell(p->tree, "msi-parent", p->msi);
    tree_flag(p->tree, "dma-coherent");
    tree_close(p->tree);
}

void arm64_tree(const struct platform *platform, struct tree *tree)
{
    static void (*const add[])(const struct parts *, const struct platform_device *) = {
        [PLATFORM_SERIAL] = add_serial,     [PLATFORM_RTC] = add_rtc,
        [PLATFORM_WATCHDOG] = add_watchdog, [PLATFORM_PANIC] = add_panic,
        [PLATFORM_VIRTIO] = add_virtio,     [PLATFORM_PCI] = add_pci,
    };
    struct parts p = {.platform = platform, .tree = tree};

    (void)tree_open(tree, NULL, "");
    tree_string(tree, "model", "linnet");
    tree_string(tree, "compatible", "linux,dummy-virt");
    tree_cell_counts(tree, 2, 2);
    tree_cell(tree, "interrupt-parent", tree->phandle_last + 1); /* the GIC is the first with one */
    tree_memory(tree, platform->mem);
    add_gic(&p);
    add_cpus(&p);
    add_psci(&p);
    add_timer(&p);
    add_pmu(&p);
    add_clock(&p);
    for (unsigned i = 0; i < platform->device_count; i++) {
        const struct platform_device *dev = &platform->device[i];
        assert(dev->kind < ARRAY_SIZE(add) && add[dev->kind] != NULL && !dev->port_io);
        add[dev->kind](&p, dev);
    }
    tree_written(tree);
}
