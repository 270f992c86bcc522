/* SPDX-License-Identifier: BSD-3-Clause */
/* Files in a folder of a test's own, which goes with what is in it. */
#pragma once

#include "vmm/base/base.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char folder[PATH_MAX];

static inline int folder_remove_one(const char *path, const struct stat *st, int kind,
                                    struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void folder_make(void)
{
    (void)strcpy(folder, "/tmp/linnet-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void folder_remove(void)
{
    ck_assert_int_eq(nftw(folder, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Returns where `name` is in the folder: good until the next call but three. */
static inline const char *in_folder(const char *name)
{
    static char paths[4][2 * PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* Writes a file, in folders that are made if they are missing. */
static inline void file_write(const char *name, const void *bytes, size_t size)
{
    char path[2 * PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    (void)close(fd);
}

static inline void file_write_text(const char *name, const char *text)
{
    file_write(name, text, strlen(text));
}
