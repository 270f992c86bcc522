/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device tree, node by node: what each binding of Linux (Documentation/devicetree/bindings)
 * asks for, written out; and dtc's opinion of the whole.
 */
#include "arch/arm64/table.h"
#include "tests/arch/arm64/fake_image.h"

#include <libfdt.h>

static struct memory mem;
static struct platform platform;
static struct tree tree;

static void setup(void)
{
    ck_assert_int_eq(memory_create(&mem, 64 * LOAD_MIB,
                                   &(struct memory_layout){RAM_AT, RAM_AT, RAM_AT},
                                   MEMORY_PAGES_AUTO),
                     0);
    platform = (struct platform){.cpu_count = 1, .mem = &mem, .irqchip = 3};
    for (unsigned i = 0; i < arm64_layout.fixed_count; i++)
        platform.device[platform.device_count++] = arm64_layout.fixed[i];
    platform.device[platform.device_count++] = *arm64_layout.watchdog;
    for (unsigned slot = 0; slot < 5; slot += 4)
        platform.device[platform.device_count++] =
            (struct platform_device){.kind = PLATFORM_VIRTIO,
                                     .index = slot,
                                     .base = 0xa000000 + slot * 0x1000,
                                     .size = 0x200,
                                     .irq = arm64_layout.virtio_irqs[slot]};
}

static void teardown(void)
{
    tree_fini(&tree);
    memory_destroy(&mem);
}

static void build(void)
{
    const struct tree_chosen chosen = {.bootargs = "quiet", .stdout_path = ARM64_STDOUT};

    tree_fini(&tree);
    ck_assert_int_eq(tree_init(&tree), 0);
    arm64_tree(&platform, &tree);
    ck_assert_int_eq(tree_choose(&tree, &chosen), 0);
    ck_assert_uint_gt(tree_end(&tree), 0);
}

static const void *property(const char *path, const char *name, int *len)
{
    int node = fdt_path_offset(tree.fdt, path);

    ck_assert_msg(node >= 0, "no %s", path);
    return fdt_getprop(tree.fdt, node, name, len);
}

/* The property is exactly these cells. */
static void cells(const char *path, const char *name, unsigned count, const uint32_t *want)
{
    int len;
    const uint8_t *value = property(path, name, &len);

    ck_assert_msg(value != NULL && len == (int)(4 * count), "%s %s: %d bytes", path, name, len);
    for (unsigned i = 0; i < count; i++)
        ck_assert_uint_eq(fdt32_ld((const fdt32_t *)(const void *)(value + 4 * i)), want[i]);
}
#define CELLS(path, name, ...)                                                                     \
    cells(path, name, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

/* The property is these strings, NULs included. */
static void text(const char *path, const char *name, const char *want, size_t size)
{
    int len;
    const void *value = property(path, name, &len);

    ck_assert_msg(value != NULL && len == (int)size && memcmp(value, want, size) == 0, "%s %s",
                  path, name);
}
#define TEXT(path, name, literal) text(path, name, literal, sizeof(literal))

static void flag(const char *path, const char *name)
{
    int len;

    ck_assert_msg(property(path, name, &len) != NULL && len == 0, "%s %s", path, name);
}

#define GIC "/interrupt-controller@8000000"

START_TEST(root_is_a_virtual_machine_with_64_bit_addresses)
{
    build();
    TEXT("/", "compatible", "linux,dummy-virt");
    CELLS("/", "#address-cells", 2);
    CELLS("/", "#size-cells", 2);
    CELLS("/", "interrupt-parent", fdt_get_phandle(tree.fdt, fdt_path_offset(tree.fdt, GIC)));
    ck_assert_uint_ne(fdt_get_phandle(tree.fdt, fdt_path_offset(tree.fdt, GIC)), 0);
}
END_TEST

START_TEST(memory_is_all_of_ram)
{
    build();
    TEXT("/memory@40000000", "device_type", "memory");
    CELLS("/memory@40000000", "reg", 0, 0x40000000, 0, 0x4000000);
    memory_destroy(&mem);
    ck_assert_int_eq(memory_create(&mem, 6ULL << 30,
                                   &(struct memory_layout){RAM_AT, RAM_AT, RAM_AT},
                                   MEMORY_PAGES_AUTO),
                     0);
    build();
    CELLS("/memory@40000000", "reg", 0, 0x40000000, 1, 0x80000000);
}
END_TEST

/* arm/cpus.yaml; the numbers are what KVM gives a vCPU's MPIDR: sixteen to a cluster. */
START_TEST(cpus_have_their_mpidr_and_start_by_psci)
{
    platform.cpu_count = 18;
    build();
    CELLS("/cpus", "#address-cells", 1);
    CELLS("/cpus", "#size-cells", 0);
    TEXT("/cpus/cpu@0", "device_type", "cpu");
    TEXT("/cpus/cpu@0", "compatible", "arm,armv8");
    TEXT("/cpus/cpu@0", "enable-method", "psci");
    CELLS("/cpus/cpu@0", "reg", 0);
    CELLS("/cpus/cpu@f", "reg", 15);
    CELLS("/cpus/cpu@100", "reg", 0x100);
    CELLS("/cpus/cpu@101", "reg", 0x101);
    ck_assert_int_lt(fdt_path_offset(tree.fdt, "/cpus/cpu@102"), 0);
}
END_TEST

/* arm/psci.yaml */
START_TEST(psci_is_called_by_hvc)
{
    build();
    TEXT("/psci", "compatible", "arm,psci-1.0\0arm,psci-0.2");
    TEXT("/psci", "method", "hvc");
}
END_TEST

/* timer/arm,arch_timer.yaml */
START_TEST(timer_has_four_private_interrupts)
{
    build();
    TEXT("/timer", "compatible", "arm,armv8-timer");
    CELLS("/timer", "interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    flag("/timer", "always-on");
}
END_TEST

/* interrupt-controller/arm,gic-v3.yaml */
START_TEST(gic_v3_has_distributor_and_a_redistributor_a_cpu)
{
    platform.cpu_count = 3;
    build();
    TEXT(GIC, "compatible", "arm,gic-v3");
    CELLS(GIC, "#interrupt-cells", 3);
    flag(GIC, "interrupt-controller");
    CELLS(GIC, "reg", 0, 0x08000000, 0, 0x10000, 0, 0x080a0000, 0, 0x60000);
}
END_TEST

/* interrupt-controller/arm,gic.yaml: private interrupts name the CPUs they go to */
START_TEST(gic_v2_has_distributor_and_cpu_interface)
{
    platform.irqchip = 2;
    platform.cpu_count = 3;
    platform.pmu = true;
    build();
    TEXT(GIC, "compatible", "arm,cortex-a15-gic");
    CELLS(GIC, "reg", 0, 0x08000000, 0, 0x10000, 0, 0x08010000, 0, 0x10000);
    CELLS("/timer", "interrupts", 1, 13, 0x704, 1, 14, 0x704, 1, 11, 0x704, 1, 10, 0x704);
    CELLS("/pmu", "interrupts", 1, 7, 0x704);
}
END_TEST

/* arm/pmu.yaml */
START_TEST(pmu_is_there_if_the_host_has_one)
{
    build();
    ck_assert_int_lt(fdt_path_offset(tree.fdt, "/pmu"), 0);
    platform.pmu = true;
    build();
    TEXT("/pmu", "compatible", "arm,armv8-pmuv3");
    CELLS("/pmu", "interrupts", 1, 7, 4);
}
END_TEST

/* serial/8250.yaml */
START_TEST(serial_is_a_16550_with_a_clock)
{
    build();
    TEXT("/serial@9000000", "compatible", "ns16550a");
    CELLS("/serial@9000000", "reg", 0, 0x09000000, 0, 8);
    CELLS("/serial@9000000", "interrupts", 0, 1, 1);
    CELLS("/serial@9000000", "clock-frequency", 1843200);
}
END_TEST

/* watchdog/arm,sp805.yaml */
START_TEST(watchdog_is_a_primecell_with_a_clock_of_its_own)
{
    build();
    TEXT("/watchdog@9030000", "compatible", "arm,sp805\0arm,primecell");
    CELLS("/watchdog@9030000", "reg", 0, 0x09030000, 0, 0x1000);
    CELLS("/watchdog@9030000", "clocks",
          fdt_get_phandle(tree.fdt, fdt_path_offset(tree.fdt, "/watchdog-clock")),
          fdt_get_phandle(tree.fdt, fdt_path_offset(tree.fdt, "/clock")));
    TEXT("/watchdog@9030000", "clock-names", "wdog_clk\0apb_pclk");
    CELLS("/watchdog-clock", "clock-frequency", 1000);
}
END_TEST

/* rtc/arm,pl031.yaml, clock/fixed-clock.yaml */
START_TEST(rtc_is_a_primecell_with_a_clock)
{
    build();
    TEXT("/rtc@9010000", "compatible", "arm,pl031\0arm,primecell");
    CELLS("/rtc@9010000", "reg", 0, 0x09010000, 0, 0x1000);
    CELLS("/rtc@9010000", "clocks", fdt_get_phandle(tree.fdt, fdt_path_offset(tree.fdt, "/clock")));
    TEXT("/rtc@9010000", "clock-names", "apb_pclk");
    CELLS("/rtc@9010000", "interrupts", 0, 2, 1);
    TEXT("/clock", "compatible", "fixed-clock");
    CELLS("/clock", "#clock-cells", 0);
    CELLS("/clock", "clock-frequency", 24000000);
}
END_TEST

/* misc/pvpanic-mmio.yaml */
START_TEST(pvpanic_has_its_two_bytes)
{
    build();
    TEXT("/pvpanic@9020000", "compatible", "qemu,pvpanic-mmio");
    CELLS("/pvpanic@9020000", "reg", 0, 0x09020000, 0, 2);
}
END_TEST

/* virtio/mmio.yaml: our interrupts are edges */
START_TEST(virtio_devices_are_in_their_slots_and_empty_slots_are_not_there)
{
    build();
    TEXT("/virtio@a000000", "compatible", "virtio,mmio");
    CELLS("/virtio@a000000", "reg", 0, 0x0a000000, 0, 0x200);
    CELLS("/virtio@a000000", "interrupts", 0, 16, 1);
    flag("/virtio@a000000", "dma-coherent");
    CELLS("/virtio@a004000", "reg", 0, 0x0a004000, 0, 0x200);
    CELLS("/virtio@a004000", "interrupts", 0, 20, 1);
    ck_assert_int_lt(fdt_path_offset(tree.fdt, "/virtio@a001000"), 0);
}
END_TEST

static void add_pci(void)
{
    platform.device[platform.device_count++] =
        (struct platform_device){.kind = PLATFORM_PCI, .base = 0x30000000, .size = 0x100000};
}

/* pci/host-generic-pci.yaml; interrupt-controller/arm,gic.yaml: v2m-frame */
START_TEST(pci_bus_has_its_windows_and_a_frame_for_messages)
{
    const char *frame = GIC "/v2m@9040000";

    add_pci();
    build();
    TEXT("/pcie@30000000", "compatible", "pci-host-ecam-generic");
    TEXT("/pcie@30000000", "device_type", "pci");
    CELLS("/pcie@30000000", "bus-range", 0, 0);
    CELLS("/pcie@30000000", "reg", 0, 0x30000000, 0, 0x100000);
    CELLS("/pcie@30000000", "ranges", 0x02000000, 0, 0x10000000, 0, 0x10000000, 0, 0x1000000);
    CELLS("/pcie@30000000", "#address-cells", 3);
    CELLS("/pcie@30000000", "#size-cells", 2);
    flag("/pcie@30000000", "dma-coherent");
    CELLS("/pcie@30000000", "msi-parent",
          fdt_get_phandle(tree.fdt, fdt_path_offset(tree.fdt, frame)));
    TEXT(frame, "compatible", "arm,gic-v2m-frame");
    flag(frame, "msi-controller");
    CELLS(frame, "reg", 0, 0x09040000, 0, 0x1000);
    CELLS(frame, "arm,msi-base-spi", 96);
    CELLS(frame, "arm,msi-num-spis", 416);
    flag(GIC, "ranges");
}
END_TEST

START_TEST(devices_have_labels_for_overlays)
{
    build();
    TEXT("/__symbols__", "gic", GIC);
    TEXT("/__symbols__", "serial0", "/serial@9000000");
    TEXT("/__symbols__", "rtc", "/rtc@9010000");
    TEXT("/__symbols__", "virtio04", "/virtio@a004000");
    ck_assert_uint_ne(fdt_get_phandle(tree.fdt, fdt_path_offset(tree.fdt, "/virtio@a004000")), 0);
}
END_TEST

START_TEST(slots_and_interrupts_do_not_collide)
{
    bool taken[96] = {[1] = true}; /* serial */

    ck_assert_uint_eq(arm64_layout.virtio_slots, 32);
    for (unsigned i = 0; i < arm64_layout.virtio_slots; i++) {
        ck_assert_uint_lt(arm64_layout.virtio_irqs[i], 96);
        ck_assert(!taken[arm64_layout.virtio_irqs[i]]);
        taken[arm64_layout.virtio_irqs[i]] = true;
    }
    ck_assert(0x080a0000 + 64 * 0x20000 <= 0x09000000); /* redistributors of 64 CPUs */
}
END_TEST

START_TEST(whole_machine_of_64_cpus_fits)
{
    platform.cpu_count = 64;
    platform.pmu = true;
    for (unsigned slot = 8; slot < 32; slot++)
        platform.device[platform.device_count++] =
            (struct platform_device){.kind = PLATFORM_VIRTIO,
                                     .index = slot,
                                     .base = 0xa000000 + slot * 0x1000,
                                     .size = 0x200,
                                     .irq = arm64_layout.virtio_irqs[slot]};
    build();
    ck_assert_int_ge(fdt_path_offset(tree.fdt, "/cpus/cpu@30f"), 0);
    ck_assert_int_ge(fdt_path_offset(tree.fdt, "/virtio@a01f000"), 0);
}
END_TEST

/* -- dtc, the device tree compiler -- */

/* dtc decompiles the tree without a word. */
static void dtc_is_silent(void)
{
    char dtb[] = "/tmp/linnet-dtb-XXXXXX", line[256], said[512] = "";
    int fd = mkstemp(dtb);
    size_t size = fdt_totalsize(tree.fdt);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, tree.fdt, size), (int)size);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_msg(system("command -v dtc >/dev/null") == 0, "dtc is not installed");
    (void)snprintf(line, sizeof(line), "dtc -I dtb -O dts -o /dev/null %s 2>&1", dtb);
    FILE *dtc = popen(line, "r");
    ck_assert_ptr_nonnull(dtc);
    size_t len = fread(said, 1, sizeof(said) - 1, dtc);
    int status = pclose(dtc);
    (void)unlink(dtb);
    ck_assert_msg(len == 0 && status == 0, "dtc says: %s", said);
}

START_TEST(dtc_has_nothing_to_say)
{
    platform.cpu_count = 4;
    platform.pmu = true;
    platform.irqchip = _i % 2 == 0 ? 3 : 2;
    if (_i >= 2)
        add_pci();
    build();
    dtc_is_silent();
}
END_TEST

Suite *arm64_table_suite(void);
Suite *arm64_table_suite(void)
{
    Suite *suite = suite_create("arm64_table");
    TCase *tcase = tcase_create("arm64_table");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, root_is_a_virtual_machine_with_64_bit_addresses);
    tcase_add_test(tcase, memory_is_all_of_ram);
    tcase_add_test(tcase, cpus_have_their_mpidr_and_start_by_psci);
    tcase_add_test(tcase, psci_is_called_by_hvc);
    tcase_add_test(tcase, timer_has_four_private_interrupts);
    tcase_add_test(tcase, gic_v3_has_distributor_and_a_redistributor_a_cpu);
    tcase_add_test(tcase, gic_v2_has_distributor_and_cpu_interface);
    tcase_add_test(tcase, pmu_is_there_if_the_host_has_one);
    tcase_add_test(tcase, serial_is_a_16550_with_a_clock);
    tcase_add_test(tcase, watchdog_is_a_primecell_with_a_clock_of_its_own);
    tcase_add_test(tcase, rtc_is_a_primecell_with_a_clock);
    tcase_add_test(tcase, pvpanic_has_its_two_bytes);
    tcase_add_test(tcase, virtio_devices_are_in_their_slots_and_empty_slots_are_not_there);
    tcase_add_test(tcase, pci_bus_has_its_windows_and_a_frame_for_messages);
    tcase_add_test(tcase, devices_have_labels_for_overlays);
    tcase_add_test(tcase, slots_and_interrupts_do_not_collide);
    tcase_add_test(tcase, whole_machine_of_64_cpus_fits);
    tcase_add_loop_test(tcase, dtc_has_nothing_to_say, 0, 4);
    suite_add_tcase(suite, tcase);
    return suite;
}
