/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a kernel entered by its PVH note finds in EBX (Xen's xen/include/public/arch-x86/hvm/
 * start_info.h, version 1). All of it lies below 1 GiB, which is all the kernel maps at first.
 */
#include "arch/x86_64/boot.h"
#include "arch/x86_64/layout.h"

#include <string.h>

#define START_INFO_MAGIC   0x336ec578
#define START_INFO_VERSION 1

struct start_info {
    le32 magic; /* the kernel uses these bytes as its first stack */
    le32 version;
    le32 flags;
    le32 module_count;
    le64 modules;
    le64 cmdline;
    le64 rsdp;
    le64 memmap;
    le32 memmap_count;
    le32 reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "start_info version 1");

struct module {
    le64 addr;
    le64 size;
    le64 cmdline;
    le64 reserved;
};

struct memmap_entry {
    le64 addr;
    le64 size;
    le32 type; /* as in e820 */
    le32 reserved;
};

/* The page at LAYOUT_START_INFO. */
struct start_page {
    struct start_info info;
    struct module initrd;
    struct memmap_entry map[E820_BUILD_MAX];
};
_Static_assert(sizeof(struct start_page) <= LAYOUT_START_INFO_BYTES, "one page");

void pvh_fill(const struct load *load)
{
    struct e820_entry map[E820_BUILD_MAX];
    unsigned count = e820_build(load->mem, map);
    struct start_page page = {
        .info =
            {
                .magic = to_le32(START_INFO_MAGIC),
                .version = to_le32(START_INFO_VERSION),
                .module_count = to_le32(load->initrd->size > 0 ? 1 : 0),
                .modules = to_le64(LAYOUT_START_INFO + offsetof(struct start_page, initrd)),
                .cmdline = to_le64(LAYOUT_CMDLINE),
                .rsdp = to_le64(LAYOUT_ACPI),
                .memmap = to_le64(LAYOUT_START_INFO + offsetof(struct start_page, map)),
                .memmap_count = to_le32(count),
            },
        .initrd = {.addr = to_le64(load->initrd_addr), .size = to_le64(load->initrd->size)},
    };

    for (unsigned i = 0; i < count; i++)
        page.map[i] = (struct memmap_entry){map[i].addr, map[i].size, map[i].type, {0}};
    memcpy(load_at(load, LAYOUT_START_INFO, sizeof(page)), &page, sizeof(page));
}
