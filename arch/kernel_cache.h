/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernels as unpacked in an earlier run, kept in a folder of the user's, to be copied into guest
 * RAM.
 *
 * An entry belongs to one kernel file, and holds only while that file has the same device, inode,
 * size and times, and the host has not been booted anew. Within one boot of the host all see the
 * same page cache, so that an entry, which appears by rename(2) when it is complete, is never seen
 * torn; after a power failure it does not count. That, and that only this user (or root) could have
 * written it, is why its contents need no checksum: who can forge one can replace linnet as well.
 *
 *   header, one page: magic, the key above, entry point, pieces (address, size)
 *   pieces            whole pages, in the order of their addresses; RAM is zero between them
 *
 * Nothing here ever fails a run. Any number of linnets may use one folder at once. Main thread,
 * before any vCPU exists.
 */
#pragma once

#include "vmm/base/memory.h"

#include <limits.h>
#include <sys/stat.h>

/* The folder has at most this much; what was not used for longest goes first. */
#define KERNEL_CACHE_BYTES_MAX ((uint64_t)512 << 20)

#define KERNEL_PIECES_MAX 64

/* A file that changed less than this ago may change again without a change of its times. */
#define KERNEL_AGE_MIN_S 2

/* What identifies the contents of a kernel file, as it stands in an entry. */
struct kernel_cache_key {
    char magic[8];
    char boot_id[40]; /* of the host; text */
    le64 device, inode, size;
    le64 mtime_s, mtime_ns, ctime_s, ctime_ns;
};

/* The cache, with one kernel in mind. Zeroed is not open; then close only. */
struct kernel_cache {
    bool open;
    int folder_fd; /* owned */
    uint64_t bytes_max;
    struct kernel_cache_key key;
    char name[48]; /* of the entry */
};

/* A part of guest RAM. */
struct kernel_piece {
    gpa_t addr;
    uint64_t size;
};

/* A kernel in guest RAM: pieces by address, not overlapping, not empty. Between them RAM is zero as
 * far as the pages that they touch go. */
struct kernel_image {
    gpa_t entry;
    unsigned count;
    struct kernel_piece piece[KERNEL_PIECES_MAX];
};

/* The folder where nothing else is said: linnet in $XDG_CACHE_HOME or in ~/.cache. -ENOENT if the
 * environment names no place, -ENAMETOOLONG. */
int kernel_cache_folder(char ret_path[PATH_MAX]);

/* Opens the cache in `folder`, which is made if it is not there, as is its parent, for the kernel
 * file with that status, as fstat() gave it before the file was read. -errno, not logged: -EPERM
 * others may write to that folder; -EAGAIN the file is too young. */
int kernel_cache_open(struct kernel_cache *cache, const char *folder, const struct stat *kernel);
void kernel_cache_close(struct kernel_cache *cache);

/* True if the kernel was there: it is in RAM, all in `room`, and *ret_entry is in it. Else it has
 * to be unpacked, RAM is untouched. A cache that is NULL or not open is an empty one. */
bool kernel_cache_load(const struct kernel_cache *cache, const struct memory *mem,
                       const struct kernel_piece *room, gpa_t *ret_entry);

/* Keeps the kernel for the next run. If not, then log_debug() tells why. */
void kernel_cache_store(const struct kernel_cache *cache, const struct memory *mem,
                        const struct kernel_piece *room, const struct kernel_image *image);
