/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that grow as they are written: the initramfs, the run file. Main thread. */
#pragma once

#include "vmm/base/base.h"

/* Zeroed is empty. */
struct bytes {
    uint8_t *at; /* owned */
    size_t size, room;
    bool failed; /* no memory: what came after it is not there */
};

/* Appends; bytes NULL: zeroes. */
void bytes_add(struct bytes *bytes, const void *from, size_t size);
void bytes_free(struct bytes *bytes);
/* Reads a whole file, or unpacks a gzip, xz or zstd one, behind what is there. -errno; of the
 * libraries that unpack, -ENOPKG after a line. */
int bytes_add_file(struct bytes *bytes, const char *path);
int bytes_add_unpacked(struct bytes *bytes, const char *path);
