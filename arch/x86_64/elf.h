/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads an x86_64 ELF executable's headers (System V ABI; PVH note: Xen's
 * xen/include/public/elfnote.h). Pure; trusts no number in the file.
 */
#pragma once

#include "vmm/base/base.h"

#define ELF_SEGMENTS_MAX 16

/* A PT_LOAD: file_size bytes from `offset` go to `addr`, zeroes fill it to mem_size. */
struct elf_segment {
    uint64_t offset;
    uint64_t file_size;
    gpa_t addr;
    uint64_t mem_size;
};

struct elf {
    unsigned segment_count;
    struct elf_segment segment[ELF_SEGMENTS_MAX]; /* by address, none overlapping, not empty */
    gpa_t start, end;                             /* of all segments together */
    bool is_linux;                                /* a note of Linux' own says so */
    bool has_entry, has_pvh;                      /* at least one; each is in a segment */
    gpa_t entry;                                  /* e_entry, a physical address */
    gpa_t pvh_entry;
};

/* Checks and reads the headers of file[0..size). On failure *ret_why says in words what is wrong:
 * -ENOEXEC not a 64-bit x86 executable, -EBADMSG truncated or damaged. Both entries are in a
 * segment. */
int elf_parse(const uint8_t *file, size_t size, struct elf *ret_elf, const char **ret_why);
