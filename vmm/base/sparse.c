/* SPDX-License-Identifier: BSD-3-Clause */
/* See sparse.h. */
#include "vmm/base/sparse.h"

#include <sys/mman.h>

void *sparse_map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        return NULL;
    (void)madvise(at, bytes, MADV_NOHUGEPAGE); /* a kernel without huge pages refuses */
    return at;
}

void sparse_unmap(void *at, size_t bytes)
{
    if (at != NULL)
        (void)munmap(at, bytes); /* fails on our own bugs only */
}
