/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest RAM: one memfd, mapped shared, in one or two regions of guest physical addresses (x86 has
 * a hole below 4 GiB). The only place where a guest address becomes a host pointer.
 *
 * Parts of it may be a file's pages instead (memory_map()), so the memfd alone is not all of RAM.
 *
 * RAM is hostile: the guest changes it while we look. Copy what you decide on, once. The layout is
 * fixed by memory_create(), so any thread may read it without a lock afterwards.
 */
#pragma once

#include "vmm/base/base.h"

#define MEMORY_REGIONS_MAX 2

struct memory_region {
    gpa_t base;
    uint64_t size;   /* bytes */
    uint64_t offset; /* of its first byte in the memfd and in the mapping */
};

struct memory {
    int fd;        /* owned; the memfd */
    uint8_t *host; /* the whole mapping, `size` bytes */
    uint64_t size; /* bytes of RAM in all regions */
    unsigned region_count;
    struct memory_region region[MEMORY_REGIONS_MAX];
};

/* Makes `size` bytes (a multiple of 4 KiB) of zeroed RAM from address `base` up; what reaches
 * hole_start goes on at hole_end (hole_start == hole_end: no hole). -errno on failure. */
int memory_create(struct memory *mem, uint64_t size, gpa_t base, gpa_t hole_start, gpa_t hole_end);

/* Accepts zeroed and half-made memory. */
void memory_destroy(struct memory *mem);

/* Host address of [addr, addr + len), or NULL unless all of it lies in one region. len 0 is valid
 * where one byte would be. */
void *memory_at(const struct memory *mem, gpa_t addr, uint64_t len);

/* Bytes from addr to the end of its region; 0 if addr is not RAM. */
uint64_t memory_left(const struct memory *mem, gpa_t addr);

/* Puts `len` bytes of a file, from `offset` on, in the place of the RAM at addr, without copying
 * them: what is written there goes to copies that nobody else sees, and no longer to the memfd. The
 * file must stay as it is while there is RAM; it may lose its name. Before any vCPU exists.
 * -EINVAL, with RAM as it was, unless all are whole pages of the host inside one region; another
 * -errno leaves nothing to go on with. */
int memory_map(const struct memory *mem, gpa_t addr, uint64_t len, int fd, uint64_t offset);

/* Copies; 0, or -EFAULT with nothing copied. */
int memory_read(const struct memory *mem, gpa_t addr, void *ret_buf, size_t len);
int memory_write(const struct memory *mem, gpa_t addr, const void *buf, size_t len);
