/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest RAM: one memfd, mapped shared, in one or two regions of guest physical addresses (x86 has
 * a hole below 4 GiB). The only place where a guest address becomes a host pointer.
 *
 * All of RAM is in that memfd and its size is sealed, so that another process which is given the
 * descriptor sees what the guest sees, and none can cut it off. It is in no core dump.
 *
 * RAM is hostile: the guest changes it while we look. Copy what you decide on, once. The layout is
 * fixed by memory_create(), so any thread may read it without a lock afterwards.
 */
#pragma once

#include "vmm/base/base.h"

#define MEMORY_REGIONS_MAX 2

/* Where RAM goes: from `base` up; what reaches hole_start goes on at hole_end (hole_start ==
 * hole_end: no hole). */
struct memory_layout {
    gpa_t base, hole_start, hole_end;
};

/* The pages of the host that RAM is made of. */
enum memory_pages {
    MEMORY_PAGES_AUTO, /* huge ones where the host has them at hand (transparent huge pages) */
    MEMORY_PAGES_OFF,  /* small ones */
    MEMORY_PAGES_2M,   /* huge ones that the administrator has set aside (hugetlbfs) */
    MEMORY_PAGES_1G,
};

struct memory_region {
    gpa_t base;
    uint64_t size;   /* bytes */
    int fd;          /* borrowed; what the region lies in */
    uint64_t offset; /* of its first byte in that, and in the mapping */
};

struct memory {
    int fd;        /* owned; the memfd */
    uint8_t *host; /* the whole mapping, `size` bytes */
    uint64_t size; /* bytes of RAM in all regions */
    bool collapse; /* small pages may be made huge ones */
    bool reserved; /* of pages set aside: one that is given back may be taken by others */
    unsigned region_count;
    struct memory_region region[MEMORY_REGIONS_MAX];
};

/* Makes `size` bytes (a multiple of 4 KiB) of zeroed RAM. -errno on failure; of huge pages that
 * were set aside: -EINVAL `size` is not a multiple of theirs, -ENODEV the host has none of that
 * size, -ENOMEM not enough of them are free. */
int memory_create(struct memory *mem, uint64_t size, const struct memory_layout *layout,
                  enum memory_pages pages);

/* Accepts zeroed and half-made memory. */
void memory_destroy(struct memory *mem);

/* Bytes of such a page; 0 if the kind has no size of its own. */
uint64_t memory_pages_bytes(enum memory_pages pages);

/* Host address of [addr, addr + len), or NULL unless all of it lies in one region. len 0 is valid
 * where one byte would be. */
void *memory_at(const struct memory *mem, gpa_t addr, uint64_t len);

/* Bytes from addr to the end of its region; 0 if addr is not RAM. */
uint64_t memory_left(const struct memory *mem, gpa_t addr);

/* Copies; 0, or -EFAULT with nothing copied. */
int memory_read(const struct memory *mem, gpa_t addr, void *ret_buf, size_t len);
int memory_write(const struct memory *mem, gpa_t addr, const void *buf, size_t len);

/* Says that this RAM, as far as there is any, will be used soon, and all of it: where huge pages
 * may be and can be had it is made of them at once, which saves a fault of the host's and one of
 * the guest's for each small page. */
void memory_expect(const struct memory *mem, gpa_t addr, uint64_t len);

/* Zeroes RAM, all of which is in one region; whole pages are given back to the host, unless they
 * were set aside. */
void memory_clear(const struct memory *mem, gpa_t addr, uint64_t len);

/* The guest has no use for these bytes of the mapping: whole pages among them are given back to the
 * host, unless they were set aside, and are zero when the guest comes back to them. */
void memory_discard(const struct memory *mem, const void *host, uint64_t len);
