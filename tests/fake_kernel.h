/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernels made for tests of image loaders: a bzImage, an ELF file and packed payloads, a few
 * hundred bytes each and correct until a test spoils a field. Offsets are those of the boot
 * protocol and of ELF64, written out here and not taken from the loader.
 */
#pragma once

#include "vmm/base/base.h"

/* Heap; file_free() when done. */
struct file {
    uint8_t *bytes;
    size_t size;
};

void file_free(struct file *file);

/* Little-endian integers at an offset of a file or of guest RAM. */
void put16(uint8_t *bytes, size_t at, uint16_t value);
void put32(uint8_t *bytes, size_t at, uint32_t value);
void put64(uint8_t *bytes, size_t at, uint64_t value);
uint16_t get16(const uint8_t *bytes, size_t at);
uint32_t get32(const uint8_t *bytes, size_t at);
uint64_t get64(const uint8_t *bytes, size_t at);

/*
 * bzImage: 2 setup sectors (1024 bytes), then the 64-bit part: 0x240 bytes of 0x90, the payload,
 * 0x90 up to 16 bytes. Protocol 2.15, pref_address 16 MiB, init_size 4 MiB, header to 0x26c.
 */
#define FAKE_PART_AT    1024
#define FAKE_PAYLOAD_AT 0x240 /* in the 64-bit part */
struct file fake_bzimage(const struct file *payload);

/* ELF: a program header for each segment (and the note), contents made from `fill`. */
struct fake_segment {
    uint64_t offset, addr, file_size, mem_size;
    uint8_t fill; /* its bytes count up from here */
};

struct fake_elf {
    uint64_t entry;
    uint64_t pvh_entry; /* 0: no note */
    unsigned count;
    struct fake_segment segment[4];
};
#define FAKE_PHDR_AT(i) (64 + 56 * (size_t)(i))
struct file fake_elf(const struct fake_elf *elf);

/* The byte that segment `seg` has at `i`. */
uint8_t fake_byte(const struct fake_segment *seg, uint64_t i);

/* A payload as the kernel's build makes it, unpacked size included. */
enum fake_packing { FAKE_GZIP, FAKE_XZ, FAKE_ZSTD, FAKE_LZ4, FAKE_PACKINGS };
struct file fake_pack(enum fake_packing packing, const struct file *plain);
