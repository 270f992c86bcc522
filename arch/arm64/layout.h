/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where things are in an arm64 machine, as guest physical addresses.
 *
 *   0x0800_0000  GIC distributor           0x0900_0000  serial port
 *   0x0801_0000  GICv2 CPU interface       0x0901_0000  clock
 *   0x080a_0000  GICv3 redistributors,     0x0902_0000  pvpanic
 *                128 KiB for each CPU      0x0903_0000  watchdog, 0x0904_0000 MSIs
 *                                          0x0a00_0000  virtio slots
 *   0x1000_0000  PCI: registers of its devices
 *   0x3000_0000  PCI: configuration space (ECAM)
 *
 *   0x4000_0000  RAM, as far as it goes: the kernel, the initrd behind it, behind that the device
 *                tree
 */
#pragma once

#include "arch/arch.h"

#define ARM64_GICD         0x08000000ULL
#define ARM64_GICD_BYTES   0x10000
#define ARM64_GICC         0x08010000ULL
#define ARM64_GICC_BYTES   0x10000
#define ARM64_GICR         0x080a0000ULL
#define ARM64_GICR_BYTES   0x20000ULL /* for each CPU */
#define ARM64_SERIAL       0x09000000ULL
#define ARM64_RTC          0x09010000ULL
#define ARM64_PANIC        0x09020000ULL
#define ARM64_WATCHDOG     0x09030000ULL
#define ARM64_MSI          0x09040000ULL /* a GICv2m frame */
#define ARM64_MSI_BYTES    0x1000
#define ARM64_MSI_SETSPI   0x040 /* in it: the register that takes messages */
#define ARM64_VIRTIO       0x0a000000ULL
#define ARM64_SLOT_STRIDE  0x1000
#define ARM64_SLOTS        32
#define ARM64_WINDOW       0x10000000ULL
#define ARM64_WINDOW_BYTES 0x1000000
#define ARM64_ECAM         0x30000000ULL
#define ARM64_RAM          0x40000000ULL

/* As many redistributors as fit below the serial port. */
#define ARM64_CPUS_MAX ((ARM64_SERIAL - ARM64_GICR) / ARM64_GICR_BYTES)

/* Interrupts. Of a device, struct platform_device has the number among the shared ones (SPI), as
 * the device tree counts them, too; private ones (PPI) are counted as in the tree. */
#define ARM64_SPI_SERIAL   1
#define ARM64_SPI_RTC      2
#define ARM64_IRQ_LINE_SPI (1u << 24 | 32) /* SPI 0 for KVM_IRQ_LINE: the kind, and the INTID */
#define ARM64_SPI_VIRTIO   16              /* of slot 0 */
#define ARM64_INTID_MSI    96              /* the first of MSIs, up to the last of all: INTIDs */
#define ARM64_IRQS         512             /* with the 32 private ones */
#define ARM64_PPI_PMU      7

/* platform.irqchip */
enum arm64_gic { ARM64_GIC_V3 = 3, ARM64_GIC_V2 = 2 };
#define ARM64_GIC_V2_CPUS_MAX 8

/* What KVM puts into a vCPU's MPIDR: sixteen to a cluster. */
static inline uint32_t arm64_mpidr(unsigned cpu)
{
    return (cpu & 0xf) | (cpu >> 4 & 0xff) << 8;
}
