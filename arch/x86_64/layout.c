/* SPDX-License-Identifier: BSD-3-Clause */
/* See layout.h. Constants only; any thread. */
#include "arch/x86_64/layout.h"
#include "arch/x86_64/x86_64.h"
#include "devices/power.h"
#include "devices/watchdog.h"

/* KVM's IOAPIC has 24 pins: 4 is COM1, 9 is kept for a power button, 0 to 2 belong to legacy; of 8,
 * the RTC's, KVM drops edges until the last one was served. What is left is fewer than the slots,
 * so devices of a class share pins, from the third or fifth one on (in the order of
 * devices/registry.c). Those that interrupt often have pins from 16 on, which are the IOAPIC's
 * alone: at each edge of another KVM asks the PIC, too. */
static const uint8_t virtio_irqs[LAYOUT_VIRTIO_SLOTS] = {
    5,  16, 17, 16, 17,             /* rng, 4 snd */
    18, 19, 20, 21, 18, 19, 20, 21, /* 8 disks */
    22, 23, 22, 23,                 /* 4 networks */
    6,  7,                          /* console, vsock */
    10, 11, 10, 11,                 /* 4 shares */
    12, 13, 14, 13, 14,             /* balloon, 4 input */
    15, 3,  15, 3,                  /* 4 pmem */
};

static const struct platform_device fixed[] = {
    {.kind = PLATFORM_SERIAL, .port_io = true, .base = LAYOUT_SERIAL_PORT, .size = 8, .irq = 4},
    {.kind = PLATFORM_POWER, .port_io = true, .base = LAYOUT_POWER_PORT, .size = POWER_SIZE},
    {.kind = PLATFORM_RESET, .port_io = true, .base = LAYOUT_I8042_COMMAND, .size = 1},
    {.kind = PLATFORM_PANIC, .port_io = true, .base = LAYOUT_PANIC_PORT, .size = 1},
};

static const struct platform_device watchdog = {
    .kind = PLATFORM_WATCHDOG, .base = LAYOUT_WATCHDOG, .size = WATCHDOG_SIZE};

const struct arch_layout x86_64_layout = {
    .ram = {0, LAYOUT_HOLE_START, LAYOUT_HOLE_END},
    .cpus_max = LAYOUT_CPUS_MAX,
    .virtio_base = LAYOUT_VIRTIO,
    .virtio_stride = LAYOUT_VIRTIO_STRIDE,
    .virtio_slots = LAYOUT_VIRTIO_SLOTS,
    .virtio_irqs = virtio_irqs,
    .pci_config = LAYOUT_PCI_CONFIG,
    .pci_window = LAYOUT_PCI_WINDOW,
    .pci_window_size = LAYOUT_PCI_WINDOW_SIZE,
    .cmdline_bytes_max = 2048,
    .console_arg = "console=ttyS0",
    .kernel_in_tree = "arch/x86/boot/bzImage",
    .fixed = fixed,
    .fixed_count = ARRAY_SIZE(fixed),
    .watchdog = &watchdog,
};
