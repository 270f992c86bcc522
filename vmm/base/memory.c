/* SPDX-License-Identifier: BSD-3-Clause */
/* See memory.h. */
#include "vmm/base/memory.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGN_BYTES ((size_t)2 << 20) /* regions of guest addresses begin at a multiple of it */
#define SEALS       (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; headers may be older */
#endif

static const struct pages {
    unsigned memfd_flags;
    uint64_t bytes; /* of a page set aside; 0: ordinary memory */
    int advice;     /* madvise(2) */
} kinds[] = {
    [MEMORY_PAGES_AUTO] = {.advice = MADV_HUGEPAGE},
    [MEMORY_PAGES_OFF] = {.advice = MADV_NOHUGEPAGE},
    [MEMORY_PAGES_2M] = {MFD_HUGETLB | MFD_HUGE_2MB, UINT64_C(1) << 21, MADV_NORMAL},
    [MEMORY_PAGES_1G] = {MFD_HUGETLB | MFD_HUGE_1GB, UINT64_C(1) << 30, MADV_NORMAL},
};

uint64_t memory_pages_bytes(enum memory_pages pages)
{
    return kinds[pages].bytes;
}

static void region_add(struct memory *mem, gpa_t base, uint64_t size)
{
    struct memory_region *last = mem->region + mem->region_count;
    uint64_t offset = mem->region_count > 0 ? last[-1].offset + last[-1].size : 0;

    assert(mem->region_count < MEMORY_OWN_REGIONS_MAX);
    *last = (struct memory_region){base, size, mem->fd, offset, mem->host + offset};
    mem->region_count++;
}

/* Maps the memfd at a multiple of `align`, so that a huge page of the host can be one of the guest.
 * Pages that were set aside are reserved by this, or it fails. */
static int map_aligned(struct memory *mem, size_t align)
{
    const int flags = MAP_SHARED | MAP_FIXED | (mem->reserved ? 0 : MAP_NORESERVE);
    uint8_t *area = mmap(NULL, mem->size + align, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED)
        return -errno;
    size_t before = (size_t)(-(uintptr_t)area % align);
    void *host = mmap(area + before, mem->size, PROT_READ | PROT_WRITE, flags, mem->fd, 0);
    if (host == MAP_FAILED) {
        int r = -errno;
        (void)munmap(area, mem->size + align);
        return r;
    }
    if (before > 0)
        (void)munmap(area, before);
    (void)munmap(area + before + mem->size, align - before);
    mem->host = host;
    return 0;
}

int memory_create(struct memory *mem, uint64_t size, const struct memory_layout *layout,
                  enum memory_pages pages)
{
    const struct pages *kind = &kinds[pages];
    const uint64_t hole_bytes = layout->hole_end - layout->hole_start;

    assert(size > 0 && size % 4096 == 0);
    assert(layout->base <= layout->hole_start && layout->hole_start <= layout->hole_end);

    *mem = (struct memory){.fd = -1,
                           .size = size,
                           .reserved = kind->bytes > 0,
                           .collapse = pages == MEMORY_PAGES_AUTO};
    if (kind->bytes > 0 && size % kind->bytes != 0)
        return -EINVAL;
    mem->fd = memfd_create("linnet-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING | kind->memfd_flags);
    if (mem->fd < 0)
        return -errno;
    if (ftruncate(mem->fd, (off_t)size) < 0 || fcntl(mem->fd, F_ADD_SEALS, SEALS) < 0)
        return -errno;
    int r = map_aligned(mem, MAX(ALIGN_BYTES, kind->bytes));
    if (r < 0)
        return r;
    (void)madvise(mem->host, size, MADV_DONTDUMP); /* these two: as far as the host can */
    (void)madvise(mem->host, size, kind->advice);
    uint64_t low = hole_bytes == 0 ? size : MIN(size, layout->hole_start - layout->base);
    region_add(mem, layout->base, low);
    if (size > low)
        region_add(mem, layout->hole_end, size - low);
    return 0;
}

void memory_destroy(struct memory *mem)
{
    memory_sweep(mem);
    while (mem->region_count > 0 && mem->region[0].map != NULL) {
        (void)memory_remove(mem, 0); /* there is room: none is left that was removed before */
        memory_sweep(mem);
    }
    if (mem->host != NULL)
        (void)munmap(mem->host, mem->size); /* fails on our own bugs only */
    if (mem->size > 0)                      /* else all zero, and fd 0 is not ours */
        fd_close(&mem->fd);
    *mem = (struct memory){.fd = -1};
}

static const struct memory_region *region_of(const struct memory *mem, gpa_t addr)
{
    for (unsigned i = 0; i < mem->region_count; i++)
        if (addr >= mem->region[i].base && addr - mem->region[i].base < mem->region[i].size)
            return &mem->region[i];
    return NULL;
}

uint64_t memory_left(const struct memory *mem, gpa_t addr)
{
    const struct memory_region *region = region_of(mem, addr);

    return region == NULL ? 0 : region->size - (addr - region->base);
}

int memory_read(const struct memory *mem, gpa_t addr, void *ret_buf, size_t len)
{
    const void *from = memory_at(mem, addr, len);

    if (from == NULL)
        return -EFAULT;
    memcpy(ret_buf, from, len);
    return 0;
}

int memory_write(const struct memory *mem, gpa_t addr, const void *buf, size_t len)
{
    void *to = memory_at(mem, addr, len);

    if (to == NULL)
        return -EFAULT;
    memcpy(to, buf, len);
    return 0;
}

void memory_expect(const struct memory *mem, gpa_t addr, uint64_t len)
{
    const gpa_t end = (addr + MIN(len, memory_left(mem, addr))) / ALIGN_BYTES * ALIGN_BYTES;
    const gpa_t first = round_up(addr, ALIGN_BYTES);

    if (first >= end || !mem->collapse)
        return;
    uint8_t *host = memory_at(mem, first, end - first);
    for (uint64_t at = 0; at < end - first; at += ALIGN_BYTES)
        *(volatile uint8_t *)(host + at) = 0; /* it is 0; what holds nothing is not made huge */
    (void)madvise(host, end - first, MADV_COLLAPSE);
}

/* (Not by MADV_REMOVE: QEMU's user emulation, where tests run, says yes to that and does nothing.)
 */
static bool give_back(const struct memory_region *region, const uint8_t *pages, uint64_t len)
{
    off_t offset = (off_t)region->offset + (pages - region->host);

    return fallocate(region->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, (off_t)len) ==
           0;
}

void memory_clear(const struct memory *mem, gpa_t addr, uint64_t len)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const struct memory_region *region = region_of(mem, addr);

    assert(region != NULL && len <= region->size - (addr - region->base));
    uint8_t *bytes = region->host + (addr - region->base);
    size_t head = MIN(len, (size_t)(-(uintptr_t)bytes % page));
    size_t pages = mem->reserved ? 0 : (len - head) / page * page;

    memset(bytes, 0, head);
    if (pages > 0 && !give_back(region, bytes + head, pages))
        memset(bytes + head, 0, pages);
    memset(bytes + head + pages, 0, len - head - pages);
}

static const struct memory_region *region_with(const struct memory *mem, const uint8_t *host)
{
    unsigned i = 0;

    while (host < mem->region[i].host || host >= mem->region[i].host + mem->region[i].size) {
        i++;
        assert(i < mem->region_count);
    }
    return &mem->region[i];
}

static void discard_in(const struct memory_region *region, const uint8_t *bytes, uint64_t len)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t head = -(uintptr_t)bytes % page;

    if (len >= head + page)
        (void)give_back(region, bytes + head, (len - head) / page * page);
}

void memory_discard(const struct memory *mem, const void *host, uint64_t len)
{
    const uint8_t *bytes = host;

    while (len > 0 && !mem->reserved) { /* regions may lie side by side */
        const struct memory_region *region = region_with(mem, bytes);
        uint64_t here = MIN(len, region->size - (uint64_t)(bytes - region->host));
        discard_in(region, bytes, here);
        bytes += here;
        len -= here;
    }
}
