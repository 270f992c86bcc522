/* SPDX-License-Identifier: BSD-3-Clause */
/* See cpio.h. */
#include "vmm/run/cpio.h"

#include <stdio.h>
#include <string.h>

#define HEAD_BYTES 110 /* "070701" and 13 numbers of eight hexadecimal digits */
#define ALIGN      4   /* of names and files, from the archive's start */

static void pad(struct bytes *cpio)
{
    bytes_add(cpio, NULL, -cpio->size % ALIGN);
}

void cpio_add(struct bytes *cpio, const char *name, mode_t mode, const void *bytes, size_t size)
{
    char head[HEAD_BYTES + 1];
    size_t name_size = strlen(name) + 1;
    unsigned links = S_ISDIR(mode) ? 2 : 1;

    if (size > UINT32_MAX) {
        cpio->failed = true;
        return;
    }
    /* inode 0: no file has two names, so nobody looks */
    (void)snprintf(head, sizeof(head), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
                   0u, (unsigned)mode, 0u, 0u, links, 0u, (unsigned)size, 0u, 0u, 0u, 0u,
                   (unsigned)name_size, 0u);
    pad(cpio);
    bytes_add(cpio, head, HEAD_BYTES);
    bytes_add(cpio, name, name_size);
    pad(cpio);
    bytes_add(cpio, bytes, size);
    pad(cpio);
}

void cpio_end(struct bytes *cpio)
{
    cpio_add(cpio, "TRAILER!!!", 0, NULL, 0);
}
