/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of arm64_load(): an arm64 machine with RAM, Images and EFI zboot images of a few KiB.
 * Offsets are those of Documentation/arch/arm64/booting.rst and zboot-header.S, written out here.
 */
#pragma once

#include "arch/arm64/arm64.h"
#include "tests/arch/loading.h"

#define RAM_AT      0x40000000ULL
#define IMAGE_BYTES 8192 /* of an Image's file */

/* An Image with a PE header at 0x40 of one section that ends where the file does. */
static inline struct file fake_image(uint64_t text_offset, uint64_t image_size)
{
    struct file file = {calloc(1, IMAGE_BYTES), IMAGE_BYTES};

    ck_assert_ptr_nonnull(file.bytes);
    for (size_t i = 256; i < IMAGE_BYTES; i++)
        file.bytes[i] = (uint8_t)(i * 7 + i / 256);
    memcpy(file.bytes, "MZ", 2);
    put64(file.bytes, 0x08, text_offset);
    put64(file.bytes, 0x10, image_size);
    put64(file.bytes, 0x18, 0xa);
    memcpy(file.bytes + 0x38, "ARM\x64", 4);
    put32(file.bytes, 0x3c, 0x40);
    memcpy(file.bytes + 0x40, "PE\0\0", 4);
    put16(file.bytes, 0x44, 0xaa64);
    put16(file.bytes, 0x46, 1);    /* sections */
    put16(file.bytes, 0x54, 0x10); /* bytes of the optional header */
    put32(file.bytes, 0x68 + 16, IMAGE_BYTES - 4096);
    put32(file.bytes, 0x68 + 20, 4096);
    return file;
}

/* An EFI zboot image of a payload that has its unpacked size in its last four bytes. */
static inline struct file fake_zboot(const struct file *payload, const char *method)
{
    const size_t at = 4096;
    struct file file = {calloc(1, at + payload->size + 512), at + payload->size + 512};
    bool gzip = strcmp(method, "gzip") == 0;

    ck_assert_ptr_nonnull(file.bytes);
    memcpy(file.bytes, "MZ\0\0zimg", 8);
    put32(file.bytes, 8, (uint32_t)at);
    put32(file.bytes, 12, (uint32_t)payload->size - (gzip ? 0 : 4));
    (void)snprintf((char *)file.bytes + 24, 32, "%s", method);
    put32(file.bytes, 0x3c, 0x40);
    memcpy(file.bytes + 0x40, "PE\0\0", 4);
    put16(file.bytes, 0x44, 0xaa64);
    memcpy(file.bytes + at, payload->bytes, payload->size);
    return file;
}

static inline void loading_begin(struct loading *l, uint64_t ram_bytes)
{
    memset(l, 0, sizeof(*l));
    l->load = arm64_load;
    loading_begin_on(l, ram_bytes, &(struct memory_layout){RAM_AT, RAM_AT, RAM_AT}, &arm64_layout);
    l->platform.irqchip = 3;
}
