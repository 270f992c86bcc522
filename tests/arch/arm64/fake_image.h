/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of arm64_load(): an arm64 machine with RAM, Images and EFI zboot images of a few KiB.
 * Offsets are those of Documentation/arch/arm64/booting.rst and zboot-header.S, written out here.
 */
#pragma once

#include "arch/arm64/arm64.h"
#include "tests/capture.h"
#include "tests/fake_kernel.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define RAM_AT      0x40000000ULL
#define MIB_BYTES   ((uint64_t)1 << 20)
#define IMAGE_BYTES 8192 /* of an Image's file */

struct arm_loading {
    struct memory mem;
    struct platform platform;
    struct file kernel, initrd;
    struct arch_entry entry;
    struct capture capture; /* what arm64_load() wrote */
};

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

static inline void arm_begin(struct arm_loading *l, uint64_t ram_bytes)
{
    memset(l, 0, sizeof(*l));
    ck_assert_int_eq(memory_create(&l->mem, ram_bytes,
                                   &(struct memory_layout){RAM_AT, RAM_AT, RAM_AT},
                                   MEMORY_PAGES_OFF),
                     0);
    l->platform = (struct platform){
        .cpu_count = 1, .mem = &l->mem, .cmdline = "console=ttyS0 quiet", .irqchip = 3};
    for (unsigned i = 0; i < arm64_layout.fixed_count; i++)
        l->platform.device[l->platform.device_count++] = arm64_layout.fixed[i];
}

static inline void arm_end(struct arm_loading *l)
{
    file_free(&l->kernel);
    file_free(&l->initrd);
    memory_destroy(&l->mem);
}

static inline int arm_run(struct arm_loading *l)
{
    struct image kernel = {"Image", l->kernel.bytes, l->kernel.size};
    struct image initrd = {"initrd.img", l->initrd.bytes, l->initrd.size};

    capture_start(&l->capture);
    int r = arm64_load(&l->platform, &kernel, &initrd, &l->entry);
    (void)capture_end(&l->capture);
    return r;
}

/* Loads, and wants it refused with one line that has `text` in it. */
static inline void arm_refused(struct arm_loading *l, int r, const char *text)
{
    ck_assert_int_eq(arm_run(l), r);
    ck_assert_one_error(l->capture.text, text);
}

/* Loads, and wants neither trouble nor words. */
static inline void arm_accepted(struct arm_loading *l)
{
    ck_assert_int_eq(arm_run(l), 0);
    ck_assert_str_eq(l->capture.text, "");
}

static inline const uint8_t *arm_ram(const struct arm_loading *l, gpa_t addr, uint64_t len)
{
    const uint8_t *host = memory_at(&l->mem, addr, len);

    ck_assert_ptr_nonnull(host);
    return host;
}
