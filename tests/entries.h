/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries of a folder: of /proc/self/task threads, of /proc/self/fd open files (and a few more). */
#pragma once

#include <check.h>
#include <dirent.h>

static inline unsigned entries_count(const char *path)
{
    DIR *entries = opendir(path);
    unsigned count = 0;

    ck_assert_ptr_nonnull(entries);
    while (readdir(entries) != NULL)
        count++;
    (void)closedir(entries);
    return count;
}
