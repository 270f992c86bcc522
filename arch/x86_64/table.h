/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ACPI tables (ACPI 6.5) of a machine, made from its platform table: RSDP, XSDT, FADT (hardware-
 * reduced), MADT, DSDT; WDAT and MCFG where there is a watchdog, a PCI bus. Pure: same platform and
 * base, same bytes.
 */
#pragma once

#include "arch/arch.h"

#define ACPI_TABLES_MAX 7

struct acpi_table {
    const char *signature; /* four characters of its header; "RSDP" for the root pointer */
    size_t offset;         /* in the buffer */
    size_t size;
};

/* In the order of the buffer: RSDP first, at offset 0. */
struct acpi_tables {
    unsigned count;
    struct acpi_table table[ACPI_TABLES_MAX];
    size_t size; /* bytes of the buffer in use */
};

/* Writes the tables for a guest that finds buf[0] at address `base`. -ENOSPC if they do not fit. */
int acpi_build(const struct platform *platform, gpa_t base, uint8_t *buf, size_t capacity,
               struct acpi_tables *ret_tables);
