/* SPDX-License-Identifier: BSD-3-Clause */
/* See aml.h. */
#include "arch/x86_64/aml.h"

#include <string.h>

/* Opcodes: ACPI 6.5 §20.3. */
#define AML_ZERO         0x00
#define AML_ONE          0x01
#define AML_NAME         0x08
#define AML_BYTE_PREFIX  0x0a
#define AML_WORD_PREFIX  0x0b
#define AML_DWORD_PREFIX 0x0c
#define AML_STRING       0x0d
#define AML_SCOPE        0x10
#define AML_BUFFER       0x11
#define AML_PACKAGE      0x12
#define AML_EXT_PREFIX   0x5b
#define AML_EXT_DEVICE   0x82

/* A length is always written in its three byte form: low nibble, then 16 bits. */
#define LENGTH_BYTES 3
#define LENGTH_MAX   0xfffff

void aml_bytes(struct aml *aml, const void *bytes, size_t len)
{
    if (len > aml->capacity - aml->size) {
        aml->full = true;
        return;
    }
    memcpy(aml->bytes + aml->size, bytes, len);
    aml->size += len;
}

void aml_byte(struct aml *aml, uint8_t value)
{
    aml_bytes(aml, &value, 1);
}

static void aml_word(struct aml *aml, uint16_t value)
{
    le16 wire = to_le16(value);

    aml_bytes(aml, &wire, sizeof(wire));
}

static void aml_dword(struct aml *aml, uint32_t value)
{
    le32 wire = to_le32(value);

    aml_bytes(aml, &wire, sizeof(wire));
}

void aml_int(struct aml *aml, uint32_t value)
{
    if (value <= 1) {
        aml_byte(aml, value == 0 ? AML_ZERO : AML_ONE);
    } else if (value <= UINT8_MAX) {
        aml_byte(aml, AML_BYTE_PREFIX);
        aml_byte(aml, (uint8_t)value);
    } else if (value <= UINT16_MAX) {
        aml_byte(aml, AML_WORD_PREFIX);
        aml_word(aml, (uint16_t)value);
    } else {
        aml_byte(aml, AML_DWORD_PREFIX);
        aml_dword(aml, value);
    }
}

void aml_string(struct aml *aml, const char *text)
{
    aml_byte(aml, AML_STRING);
    aml_bytes(aml, text, strlen(text) + 1);
}

static void aml_segment(struct aml *aml, const char *name)
{
    assert(strlen(name) == 4);
    aml_bytes(aml, name, 4);
}

void aml_name(struct aml *aml, const char *name)
{
    aml_byte(aml, AML_NAME);
    aml_segment(aml, name);
}

/* Leaves room for a length; the mark is its place. */
static size_t length_open(struct aml *aml)
{
    size_t mark = aml->size;

    aml_bytes(aml, (const uint8_t[LENGTH_BYTES]){0}, LENGTH_BYTES);
    return mark;
}

void aml_close(struct aml *aml, size_t mark)
{
    if (aml->full)
        return;
    size_t length = aml->size - mark; /* counts its own bytes (§20.2.4) */
    assert(length >= LENGTH_BYTES && length <= LENGTH_MAX);
    aml->bytes[mark] = (uint8_t)((LENGTH_BYTES - 1) << 6 | (length & 0xf));
    aml->bytes[mark + 1] = (uint8_t)(length >> 4);
    aml->bytes[mark + 2] = (uint8_t)(length >> 12);
}

size_t aml_scope_open(struct aml *aml, const char *name)
{
    aml_byte(aml, AML_SCOPE);
    size_t mark = length_open(aml);
    aml_byte(aml, '\\');
    aml_segment(aml, name);
    return mark;
}

size_t aml_device_open(struct aml *aml, const char *name)
{
    aml_byte(aml, AML_EXT_PREFIX);
    aml_byte(aml, AML_EXT_DEVICE);
    size_t mark = length_open(aml);
    aml_segment(aml, name);
    return mark;
}

size_t aml_package_open(struct aml *aml, uint8_t element_count)
{
    aml_byte(aml, AML_PACKAGE);
    size_t mark = length_open(aml);
    aml_byte(aml, element_count);
    return mark;
}

size_t aml_resources_open(struct aml *aml)
{
    aml_byte(aml, AML_BUFFER);
    size_t mark = length_open(aml);
    aml_byte(aml, AML_BYTE_PREFIX);
    aml_byte(aml, 0); /* size, set by close */
    return mark;
}

void aml_resource_ports(struct aml *aml, uint16_t base, uint8_t count)
{
    aml_byte(aml, 0x47); /* I/O port descriptor, 7 bytes */
    aml_byte(aml, 0x01); /* decodes 16 bits */
    aml_word(aml, base); /* lowest and highest base */
    aml_word(aml, base);
    aml_byte(aml, 1); /* alignment */
    aml_byte(aml, count);
}

void aml_resource_memory(struct aml *aml, uint32_t base, uint32_t size)
{
    aml_byte(aml, 0x86); /* 32-bit fixed memory, 9 bytes */
    aml_word(aml, 9);
    aml_byte(aml, 0x01); /* read and write */
    aml_dword(aml, base);
    aml_dword(aml, size);
}

void aml_resource_irq(struct aml *aml, uint32_t gsi, bool shared)
{
    aml_byte(aml, 0x89); /* extended interrupt, 6 bytes */
    aml_word(aml, 6);
    aml_byte(aml, shared ? 0x0b : 0x03); /* consumer, edge; bit 2 active low, bit 3 shared */
    aml_byte(aml, 1);                    /* interrupts that follow */
    aml_dword(aml, gsi);
}

#define ADDRESS_FIXED 0x0c /* both ends are, decoded positively, produced */

void aml_resource_buses(struct aml *aml, uint8_t first, uint8_t last)
{
    aml_byte(aml, 0x88); /* word address space, 13 bytes */
    aml_word(aml, 13);
    aml_byte(aml, 2); /* bus numbers */
    aml_byte(aml, ADDRESS_FIXED);
    aml_byte(aml, 0);
    aml_word(aml, 0); /* granularity */
    aml_word(aml, first);
    aml_word(aml, last);
    aml_word(aml, 0); /* translation */
    aml_word(aml, (uint16_t)(last - first + 1));
}

void aml_resource_window(struct aml *aml, uint32_t base, uint32_t size)
{
    aml_byte(aml, 0x87); /* double word address space, 23 bytes */
    aml_word(aml, 23);
    aml_byte(aml, 0); /* memory */
    aml_byte(aml, ADDRESS_FIXED);
    aml_byte(aml, 1); /* read and write */
    aml_dword(aml, 0);
    aml_dword(aml, base);
    aml_dword(aml, base + (size - 1));
    aml_dword(aml, 0);
    aml_dword(aml, size);
}

void aml_resource_fixed_hardware(struct aml *aml)
{
    aml_byte(aml, 0x82); /* generic register, 12 bytes */
    aml_word(aml, 12);
    aml_byte(aml, 0x7f); /* the processor's own; width, offset, access size and address are 0 */
    aml_bytes(aml, (const uint8_t[11]){0}, 11);
}

void aml_resources_close(struct aml *aml, size_t mark)
{
    const size_t head = LENGTH_BYTES + 2; /* length, byte prefix, size */

    aml_bytes(aml, (const uint8_t[]){0x79, 0x00}, 2); /* end tag, its checksum unused */
    if (aml->full)
        return;
    size_t size = aml->size - mark - head;
    assert(size <= UINT8_MAX);
    aml->bytes[mark + head - 1] = (uint8_t)size;
    aml_close(aml, mark);
}
