/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where things are in an x86_64 machine, as guest physical addresses.
 *
 *   0x0000_5000  GDT                       0x000e_0000  ACPI tables
 *   0x0000_6000  PVH start_info            0x000f_fff0  stub that ends a real-mode reboot
 *   0x0000_7000  boot_params               0x0010_0000  RAM; kernels are at 0x0100_0000 by habit
 *   0x0000_9000  page tables (6 pages)     0xc000_0000  hole: 0xd000_0000 virtio slots,
 *   0x0001_0000  seed (setup_data)                      0xe000_0000 PCI: ECAM, window
 *   0x0002_0000  command line                           0xfec0_0000 IOAPIC, 0xfee0_0000 LAPIC
 *   0x0009_fc00  end of low RAM            0x1_0000_0000  the rest of RAM
 *
 * All RAM that is not named here starts zeroed; the kernel counts on that for 0x40e and 0x413.
 */
#pragma once

#include "arch/arch.h"

/* What vCPU 0 finds for ENTRY_LINUX64: CR3, and a GDT whose code and data selectors are flat. */
#define LAYOUT_PAGE_TABLES       0x9000
#define LAYOUT_PAGE_TABLES_BYTES 0x6000
#define LAYOUT_GDT               0x5000
#define LAYOUT_GDT_BYTES         32
#define LAYOUT_GDT_CODE64        0x10 /* selectors */
#define LAYOUT_GDT_DATA          0x18

#define LAYOUT_START_INFO       0x6000
#define LAYOUT_START_INFO_BYTES 0x1000
#define LAYOUT_BOOT_PARAMS      0x7000
#define LAYOUT_SEED             0x10000
#define LAYOUT_CMDLINE          0x20000
#define LAYOUT_LOW_RAM_END      0x9fc00

#define LAYOUT_ACPI             0xe0000 /* the RSDP is its first byte */
#define LAYOUT_ACPI_BYTES       0x10000
#define LAYOUT_RESET_STUB       0xffff0
#define LAYOUT_RESET_STUB_BYTES 16
#define LAYOUT_HIGH_RAM         0x100000

#define LAYOUT_HOLE_START      0xc0000000ULL
#define LAYOUT_HOLE_END        0x100000000ULL
#define LAYOUT_VIRTIO          0xd0000000ULL
#define LAYOUT_VIRTIO_STRIDE   0x1000
#define LAYOUT_VIRTIO_SLOTS    32
#define LAYOUT_PCI_CONFIG      0xe0000000ULL
#define LAYOUT_PCI_WINDOW      0xe1000000ULL
#define LAYOUT_PCI_WINDOW_SIZE 0x1000000
#define LAYOUT_WATCHDOG        0xfea00000ULL
#define LAYOUT_IOAPIC          0xfec00000ULL /* KVM's own choice */
#define LAYOUT_LAPIC           0xfee00000ULL

#define LAYOUT_CPUS_MAX 255 /* APIC ids of 8 bits, the last of which means all */

#define LAYOUT_SERIAL_PORT   0x3f8
#define LAYOUT_I8042_COMMAND 0x64
#define LAYOUT_PANIC_PORT    0x505
#define LAYOUT_POWER_PORT    0x600 /* registers: devices/power.h */
