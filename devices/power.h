/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a guest ends itself: ACPI sleep registers and reset register (ACPI 6.5 §4.8.3.7, §4.8.3.6),
 * the reset pulse of an i8042 (port 0x64, command 0xfe) and pvpanic (QEMU's docs/specs/pvpanic).
 */
#pragma once

#include "vmm/base/bus.h"

/* Registers of the ACPI block, a byte each. */
#define POWER_SLEEP_CONTROL 0
#define POWER_SLEEP_STATUS  1
#define POWER_RESET         2
#define POWER_SIZE          3

#define POWER_RESET_VALUE 0x01 /* FADT RESET_VALUE */
#define POWER_S5_TYPE     5    /* SLP_TYP of \_S5 */

enum power_event { POWER_EVENT_OFF, POWER_EVENT_RESET, POWER_EVENT_PANIC };

/* vCPU thread; returns at once. */
struct power {
    void (*event)(struct power *power, enum power_event event);
};

/* ctx of all three: struct power *. */
extern const struct bus_ops power_ops;   /* ACPI block, POWER_SIZE bytes */
extern const struct bus_ops i8042_ops;   /* the command port, 0x64 */
extern const struct bus_ops pvpanic_ops; /* one byte */
