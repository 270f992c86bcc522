/* SPDX-License-Identifier: BSD-3-Clause */
/* See layout.h. Constants only; any thread. */
#include "arch/arm64/layout.h"
#include "arch/arm64/arm64.h"
#include "devices/rtc.h"
#include "devices/serial.h"
#include "devices/watchdog.h"

#define SPI(slot) (ARM64_SPI_VIRTIO + (slot))

static const uint8_t virtio_irqs[ARM64_SLOTS] = {
    SPI(0),  SPI(1),  SPI(2),  SPI(3),  SPI(4),  SPI(5),  SPI(6),  SPI(7),
    SPI(8),  SPI(9),  SPI(10), SPI(11), SPI(12), SPI(13), SPI(14), SPI(15),
    SPI(16), SPI(17), SPI(18), SPI(19), SPI(20), SPI(21), SPI(22), SPI(23),
    SPI(24), SPI(25), SPI(26), SPI(27), SPI(28), SPI(29), SPI(30), SPI(31),
};

static const struct platform_device fixed[] = {
    {.kind = PLATFORM_SERIAL, .base = ARM64_SERIAL, .size = SERIAL_SIZE, .irq = ARM64_SPI_SERIAL},
    {.kind = PLATFORM_RTC, .base = ARM64_RTC, .size = RTC_SIZE, .irq = ARM64_SPI_RTC},
    {.kind = PLATFORM_PANIC, .base = ARM64_PANIC, .size = 2},
};

static const struct platform_device watchdog = {
    .kind = PLATFORM_WATCHDOG, .base = ARM64_WATCHDOG, .size = WATCHDOG_SIZE};

/* RAM ends where KVM says that addresses do: arch_vm_type(). */
const struct arch_layout arm64_layout = {
    .ram = {ARM64_RAM, ARM64_RAM, ARM64_RAM}, /* no hole */
    .cpus_max = ARM64_CPUS_MAX,
    .virtio_base = ARM64_VIRTIO,
    .virtio_stride = ARM64_SLOT_STRIDE,
    .virtio_slots = ARM64_SLOTS,
    .virtio_irqs = virtio_irqs,
    .irq_line_first = ARM64_IRQ_LINE_SPI,
    .pci_config = ARM64_ECAM,
    .pci_window = ARM64_WINDOW,
    .pci_window_size = ARM64_WINDOW_BYTES,
    .cmdline_bytes_max = 2048,
    .console_arg = "console=ttyS0",
    .kernel_in_tree = "arch/arm64/boot/Image",
    .fixed = fixed,
    .fixed_count = ARRAY_SIZE(fixed),
    .watchdog = &watchdog,
};
