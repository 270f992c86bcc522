/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One x86_64_load() under way, shared by the files that take part: boot.c, bzimage.c, elf.c, pvh.c.
 * Layouts: Documentation/arch/x86/{boot,zero-page}.rst of Linux.
 */
#pragma once

#include "arch/arch.h"

/* -- boot_params, "zero page" -- */

#define E820_RAM      1
#define E820_RESERVED 2
#define E820_ACPI     3
#define E820_MAX      128 /* entries in boot_params */

struct e820_entry {
    le64 addr;
    le64 size;
    le32 type;
} __attribute__((packed));

/* The part of a bzImage's first sectors that loader and kernel talk by; at 0x1f1 of both file and
 * boot_params. Protocol 2.12 and later. */
struct setup_header {
    uint8_t setup_sects; /* 512-byte sectors before the 64-bit part, less one; 0 means 4 */
    le16 root_flags;
    le32 syssize; /* of what follows them, in 16-byte units */
    le16 ram_size;
    le16 vid_mode;
    le16 root_dev;
    le16 boot_flag; /* 0xaa55 */
    uint8_t jump;
    uint8_t jump_offset; /* the header ends this far behind 0x202 */
    char magic[4];       /* "HdrS" */
    le16 version;        /* of the protocol, 0x020c is 2.12 */
    le32 realmode_switch;
    le16 start_sys_seg;
    le16 kernel_version;
    uint8_t type_of_loader;
    uint8_t loadflags;
    le16 setup_move_size;
    le32 code32_start;
    le32 ramdisk_image;
    le32 ramdisk_size;
    le32 bootsect_kludge;
    le16 heap_end_ptr;
    uint8_t ext_loader_ver;
    uint8_t ext_loader_type;
    le32 cmd_line_ptr;
    le32 initrd_addr_max; /* highest address of an initrd's last byte */
    le32 kernel_alignment;
    uint8_t relocatable_kernel;
    uint8_t min_alignment;
    le16 xloadflags;
    le32 cmdline_size; /* longest command line, without NUL */
    le32 hardware_subarch;
    le64 hardware_subarch_data;
    le32 payload_offset; /* of the packed vmlinux, from the 64-bit part's start */
    le32 payload_length;
    le64 setup_data;
    le64 pref_address;
    le32 init_size; /* what the kernel needs from its load address up before it reads e820 */
    le32 handover_offset;
} __attribute__((packed));

struct boot_params {
    uint8_t unused_1[0x70];
    le64 acpi_rsdp_addr; /* 0x070 */
    uint8_t unused_2[0x48];
    le32 ext_ramdisk_image; /* 0x0c0: high halves */
    le32 ext_ramdisk_size;
    le32 ext_cmd_line_ptr;
    uint8_t unused_3[0x11c];
    uint8_t e820_entries; /* 0x1e8 */
    uint8_t unused_4[8];
    struct setup_header hdr; /* 0x1f1 */
    uint8_t unused_5[0x68];
    struct e820_entry e820_table[E820_MAX]; /* 0x2d0 */
    uint8_t unused_6[0x330];
} __attribute__((packed));
_Static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x70, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, ext_ramdisk_image) == 0xc0, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, e820_entries) == 0x1e8, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, hdr) == 0x1f1, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, hdr.init_size) == 0x260, "boot.rst");
_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "zero-page.rst");
_Static_assert(sizeof(struct boot_params) == 4096, "zero-page.rst");

/* A list that hdr.setup_data begins. */
struct setup_data {
    le64 next; /* 0: none */
    le32 type;
    le32 size; /* of what follows */
};
_Static_assert(sizeof(struct setup_data) == 16, "boot.rst");
#define SETUP_DTB      2
#define SETUP_RNG_SEED 9

#define SETUP_HEADER_AT     ((size_t)0x1f1)
#define SETUP_HEADER_MAX    ((size_t)0x9f) /* bytes to the next field of boot_params, 0x290 */
#define LOADFLAGS_HIGH      0x01           /* the 64-bit part belongs at 1 MiB or above */
#define XLF_KERNEL_64       0x0001
#define LOADER_UNREGISTERED 0xff /* type_of_loader; 0 would make the kernel ignore the initrd */

/* -- a load -- */

struct load {
    const struct platform *platform;
    const struct memory *mem;
    const struct image *kernel;
    const struct image *initrd; /* size 0: none */
    uint64_t low_ram_bytes;     /* RAM from 0 up */

    /* Set by the kernel's loader: */
    struct arch_entry entry;
    gpa_t kernel_end;           /* first byte behind what the kernel claims */
    uint64_t initrd_limit;      /* first address that no byte of the initrd may have */
    uint64_t cmdline_bytes_max; /* without NUL */
    struct boot_params params;  /* its hdr, but for what boot.c sets; not used for PVH */

    /* Set by boot.c: */
    gpa_t initrd_addr;
    size_t cmdline_bytes; /* without NUL */
};

/* Each checks load->kernel, puts it into RAM and sets its part of *load. -errno, logged. */
int bzimage_load(struct load *load);
int elf_load(struct load *load);

/* Writes start_info, module list and memory map for ENTRY_PVH32. */
void pvh_fill(const struct load *load);

/* Logs and returns -errno unless [addr, addr + len) is RAM that a kernel may use: above 1 MiB,
 * below the hole. */
int load_check_room(const struct load *load, gpa_t addr, uint64_t len);

/* Host address of guest RAM that is known to be there. */
void *load_at(const struct load *load, gpa_t addr, uint64_t len);

/* The map of RAM and what else the guest must know of; returns how many entries. */
#define E820_BUILD_MAX 5
unsigned e820_build(const struct memory *mem, struct e820_entry ret_map[E820_BUILD_MAX]);
