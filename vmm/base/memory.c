/* SPDX-License-Identifier: BSD-3-Clause */
/* See memory.h. */
#include "vmm/base/memory.h"

#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

static void region_add(struct memory *mem, gpa_t base, uint64_t size)
{
    struct memory_region *last = mem->region + mem->region_count;
    uint64_t offset = mem->region_count > 0 ? last[-1].offset + last[-1].size : 0;

    assert(mem->region_count < MEMORY_REGIONS_MAX);
    *last = (struct memory_region){base, size, offset};
    mem->region_count++;
}

/* Maps the memfd at a multiple of 2 MiB, as regions of guest addresses begin at, so that a huge
 * page of the host can be one of the guest. */
static int map_aligned(struct memory *mem, uint64_t size)
{
    uint8_t *area =
        mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED)
        return -errno;
    size_t before = (size_t)(-(uintptr_t)area % HUGE_PAGE);
    void *host = mmap(area + before, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED | MAP_NORESERVE, mem->fd, 0);
    if (host == MAP_FAILED) {
        int r = -errno;
        (void)munmap(area, size + HUGE_PAGE);
        return r;
    }
    if (before > 0)
        (void)munmap(area, before);
    (void)munmap(area + before + size, HUGE_PAGE - before);
    mem->host = host;
    return 0;
}

int memory_create(struct memory *mem, uint64_t size, gpa_t base, gpa_t hole_start, gpa_t hole_end)
{
    assert(size > 0 && size % 4096 == 0);
    assert(base <= hole_start && hole_start <= hole_end);

    *mem = (struct memory){.fd = -1, .size = size};
    mem->fd = memfd_create("linnet-ram", MFD_CLOEXEC);
    if (mem->fd < 0)
        return -errno;
    if (ftruncate(mem->fd, (off_t)size) < 0)
        return -errno;
    int r = map_aligned(mem, size);
    if (r < 0)
        return r;
    uint64_t low = MIN(size, hole_start == hole_end ? size : hole_start - base);
    region_add(mem, base, low);
    if (size > low)
        region_add(mem, hole_end, size - low);
    return 0;
}

void memory_destroy(struct memory *mem)
{
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

void *memory_at(const struct memory *mem, gpa_t addr, uint64_t len)
{
    const struct memory_region *region = region_of(mem, addr);

    if (region == NULL || len > region->size - (addr - region->base))
        return NULL;
    return mem->host + region->offset + (addr - region->base);
}

int memory_map(const struct memory *mem, gpa_t addr, uint64_t len, int fd, uint64_t offset)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    void *at = memory_at(mem, addr, len);

    if (at == NULL || len == 0 || (uintptr_t)at % page != 0 || len % page != 0 ||
        offset % page != 0 || offset > INT64_MAX)
        return -EINVAL;
    void *got = mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
                     (off_t)offset);
    return got == MAP_FAILED ? -errno : 0;
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
