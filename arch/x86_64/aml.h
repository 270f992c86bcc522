/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A writer of ACPI machine language (ACPI 6.5 §20) into a bounded buffer: just the terms that a
 * static description of devices needs. What does not fit is dropped and `full` is set, so a caller
 * checks once at the end. No threads, no allocation.
 */
#pragma once

#include "vmm/base/base.h"

struct aml {
    uint8_t *bytes; /* borrowed */
    size_t size;    /* written so far */
    size_t capacity;
    bool full; /* something did not fit; the bytes are worthless */
};

void aml_bytes(struct aml *aml, const void *bytes, size_t len);
void aml_byte(struct aml *aml, uint8_t value);

/* Values: integers in their shortest form. */
void aml_int(struct aml *aml, uint32_t value);
void aml_string(struct aml *aml, const char *text);

/* Name (name, ...): the value is what is written next. `name` has four characters. */
void aml_name(struct aml *aml, const char *name);

/* Things with a length. Each open returns a mark for the close that belongs to it. */
size_t aml_scope_open(struct aml *aml, const char *name); /* of the root, as in \_SB */
size_t aml_device_open(struct aml *aml, const char *name);
size_t aml_package_open(struct aml *aml, uint8_t element_count);
void aml_close(struct aml *aml, size_t mark);

/* ResourceTemplate () {...} (ACPI 6.5 §6.4), a value; at most 255 bytes of resources. */
size_t aml_resources_open(struct aml *aml);
void aml_resource_ports(struct aml *aml, uint16_t base, uint8_t count);
void aml_resource_memory(struct aml *aml, uint32_t base, uint32_t size);
/* consumer, edge, active high */
void aml_resource_irq(struct aml *aml, uint32_t gsi, bool shared);
/* What a bridge passes on: bus numbers, and 32-bit memory (read and write, not cached). */
void aml_resource_buses(struct aml *aml, uint8_t first, uint8_t last);
void aml_resource_window(struct aml *aml, uint32_t base, uint32_t size);
void aml_resource_fixed_hardware(struct aml *aml); /* Register (FFixedHW, 0, 0, 0) */
void aml_resources_close(struct aml *aml, size_t mark);
