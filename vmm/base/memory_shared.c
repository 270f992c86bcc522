/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Another process's RAM, see memory.h. What it says of its regions is not trusted: sums are checked
 * for overflow, and a file that ends too soon is refused. One that is cut off later is SIGBUS.
 */
#include "vmm/base/memory.h"

#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE_BYTES_MAX (1 << 30)

void memory_init_shared(struct memory *mem)
{
    *mem = (struct memory){.fd = -1};
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

static int check(const struct memory *mem, const struct memory_region *want)
{
    uint64_t end;

    if (want->size == 0 || ckd_add(&end, want->base, want->size) ||
        ckd_add(&end, want->user, want->size) || ckd_add(&end, want->offset, want->size) ||
        end > INT64_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < mem->region_count; i++)
        if (overlap(want->base, want->size, mem->region[i].base, mem->region[i].size) ||
            overlap(want->user, want->size, mem->region[i].user, mem->region[i].size))
            return -EINVAL;
    return mem->region_count == MEMORY_REGIONS_MAX ? -ENOSPC : 0;
}

/* Maps whole pages of the file, huge ones where it is made of such: their size is its block size.
 */
static int map(struct memory *mem, struct memory_region *region, int fd)
{
    const uint64_t small = (uint64_t)sysconf(_SC_PAGESIZE);
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size < 0 || (uint64_t)st.st_size < region->offset + region->size)
        return -EINVAL;
    uint64_t page = st.st_blksize > (off_t)small && st.st_blksize <= PAGE_BYTES_MAX
                        ? (uint64_t)st.st_blksize
                        : small;
    uint64_t before = region->offset % page;
    uint64_t whole = round_up(before + region->size, page);
    void *at = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
                    (off_t)(region->offset - before));
    if (at == MAP_FAILED)
        return -errno;
    (void)madvise(at, whole, MADV_DONTDUMP); /* as far as the host can */
    mem->reserved |= page > small;
    region->map = at;
    region->map_size = whole;
    region->host = region->map + before;
    return 0;
}

int memory_add(struct memory *mem, const struct memory_region *region, int *fd)
{
    auto_close int taken = fd_take(fd);
    struct memory_region new = *region;
    int r = check(mem, region);

    if (r == 0)
        r = map(mem, &new, taken);
    if (r < 0)
        return r;
    new.fd = fd_take(&taken);
    mem->region[mem->region_count++] = new;
    return 0;
}

int memory_remove(struct memory *mem, unsigned index)
{
    if (mem->gone_count == MEMORY_REGIONS_MAX)
        return -ENOSPC;
    mem->gone[mem->gone_count++] = mem->region[index];
    mem->region[index] = mem->region[--mem->region_count];
    return 0;
}

void memory_sweep(struct memory *mem)
{
    while (mem->gone_count > 0) {
        struct memory_region *region = &mem->gone[--mem->gone_count];
        (void)munmap(region->map, region->map_size); /* fails on our own bugs only */
        fd_close(&region->fd);
    }
}

static bool same_file(int a, int b)
{
    struct stat one, other;

    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

unsigned memory_find(const struct memory *mem, const struct memory_region *region, int fd)
{
    unsigned i;

    for (i = 0; i < mem->region_count; i++) {
        const struct memory_region *at = &mem->region[i];
        if (at->base == region->base && at->size == region->size && at->user == region->user &&
            (fd < 0 || (at->offset == region->offset && same_file(at->fd, fd))))
            break;
    }
    return i;
}

bool memory_guest(const struct memory *mem, uint64_t user, gpa_t *ret_addr)
{
    for (unsigned i = 0; i < mem->region_count; i++) {
        const struct memory_region *region = &mem->region[i];
        if (user < region->user || user - region->user >= region->size)
            continue;
        *ret_addr = region->base + (user - region->user);
        return true;
    }
    return false;
}
