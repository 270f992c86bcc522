/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes an initramfs: a cpio archive of the kind "newc" (Documentation/driver-api/early-userspace/
 * buffer-format.rst of Linux), without times, owners or links. Main thread. */
#pragma once

#include "vmm/run/bytes.h"

#include <sys/stat.h>

/* A file (S_IFREG) or folder (S_IFDIR, no bytes) with its permissions. Folders before what is in
 * them. */
void cpio_add(struct bytes *cpio, const char *name, mode_t mode, const void *bytes, size_t size);
/* The archive ends. What follows it may be another. */
void cpio_end(struct bytes *cpio);
