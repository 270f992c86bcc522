/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest RAM, in regions of guest physical addresses. The only place where a guest address becomes a
 * host pointer.
 *
 * A machine's own RAM is one memfd, mapped shared, in one or two regions (x86 has a hole below
 * 4 GiB). Its size is sealed, so that another process which is given the descriptor sees what the
 * guest sees, and none can cut it off. It is in no core dump. The layout is fixed by
 * memory_create(), so any thread may read it without a lock afterwards.
 *
 * The RAM of another process's machine (a vhost-user front-end's) comes in up to
 * MEMORY_REGIONS_MAX regions, each with its own descriptor and mapping; they come and go while
 * nobody else looks at the memory.
 *
 * RAM is hostile: the guest changes it while we look. Copy what you decide on, once.
 */
#pragma once

#include "vmm/base/base.h"

#define MEMORY_REGIONS_MAX     64 /* of others' RAM; ours has MEMORY_OWN_REGIONS_MAX */
#define MEMORY_OWN_REGIONS_MAX 2

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
    int fd;          /* what the region lies in: mem->fd; or another's RAM, then it is owned */
    uint64_t offset; /* of its first byte in that */
    uint8_t *host;   /* its first byte */
    /* of another's RAM: */
    uint64_t user; /* what the other one calls the first byte */
    uint8_t *map;  /* owned, the mapping that it lies in, of whole pages; NULL: our own RAM */
    size_t map_size;
};

struct memory {
    int fd;        /* owned; the memfd. -1: another's RAM */
    uint8_t *host; /* the whole mapping, `size` bytes. NULL: another's RAM */
    uint64_t size; /* bytes of RAM in all regions of our own */
    bool collapse; /* small pages may be made huge ones */
    bool reserved; /* of pages set aside: one that is given back may be taken by others */
    unsigned region_count;
    struct memory_region region[MEMORY_REGIONS_MAX];
    /* removed, but still mapped: a request under way may lie there */
    unsigned gone_count;
    struct memory_region gone[MEMORY_REGIONS_MAX];
};

/* Makes `size` bytes (a multiple of 4 KiB) of zeroed RAM. -errno on failure; of huge pages that
 * were set aside: -EINVAL `size` is not a multiple of theirs, -ENODEV the host has none of that
 * size, -ENOMEM not enough of them are free. */
int memory_create(struct memory *mem, uint64_t size, const struct memory_layout *layout,
                  enum memory_pages pages);

/* Accepts zeroed and half-made memory, and that of others. */
void memory_destroy(struct memory *mem);

/* Makes it memory of another process, without regions. */
void memory_init_shared(struct memory *mem);
/* Maps one more: base, size, offset and user of *region; *fd is taken (-1 then). -EINVAL if the
 * numbers overflow, the file ends before the region does, or an address, of the guest or of the
 * user, is another region's, too; -ENOSPC if there are too many; -errno if the host refuses. */
int memory_add(struct memory *mem, const struct memory_region *region, int *fd);
/* Its addresses are no RAM any more; pointers into it stay valid until memory_sweep(). -ENOSPC if
 * too many are still mapped: then nothing is done. */
int memory_remove(struct memory *mem, unsigned index);
/* Unmaps what was removed. */
void memory_sweep(struct memory *mem);
/* The region with just these numbers, in the same file unless fd < 0; region_count: none. */
unsigned memory_find(const struct memory *mem, const struct memory_region *region, int fd);
/* The guest's address of what the other process calls `user`: true, or it is no RAM. */
bool memory_guest(const struct memory *mem, uint64_t user, gpa_t *ret_addr);

/* Bytes of such a page; 0 if the kind has no size of its own. */
uint64_t memory_pages_bytes(enum memory_pages pages);

/* Host address of [addr, addr + len), or NULL unless all of it lies in one region. len 0 is valid
 * where one byte would be. */
static inline void *memory_at(const struct memory *mem, gpa_t addr, uint64_t len)
{
    for (unsigned i = 0; i < mem->region_count; i++) {
        const struct memory_region *region = &mem->region[i];
        uint64_t off = addr - region->base; /* wraps if it is below */
        if (off < region->size)
            return len <= region->size - off ? region->host + off : NULL;
    }
    return NULL;
}

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

/* The guest has no use for these bytes of RAM: whole pages among them are given back to the host,
 * unless they were set aside, and are zero when the guest comes back to them. */
void memory_discard(const struct memory *mem, const void *host, uint64_t len);
