/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz harness without libFuzzer: main() of a program that hands each file named, and each
 * file in each folder named, to LLVMFuzzerTestOneInput() once. A file that can't be read, or no
 * file at all, is a failure. One thread.
 */
#include "vmm/base/base.h"

#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 0 or -errno. */
static int replay_file(const char *path, size_t size)
{
    /* As long as the input and no longer, so that a sanitizer sees a read past its end. */
    auto_free uint8_t *bytes = malloc(size);
    FILE *file = bytes != NULL ? fopen(path, "rbe") : NULL;
    size_t got;

    if (file == NULL)
        return -errno;
    got = fread(bytes, 1, size, file);
    (void)fclose(file); /* was only read */
    if (got != size)
        return -EIO;
    puts(path); /* before the call: a crash leaves the name of its input */
    (void)LLVMFuzzerTestOneInput(bytes, size);
    return 0;
}

/* The number of inputs, or -errno. */
static int replay_all(FTS *files)
{
    FTSENT *entry;
    int count = 0;
    int r = 0;

    while (r == 0 && (entry = fts_read(files)) != NULL) {
        if (entry->fts_info == FTS_D || entry->fts_info == FTS_DP)
            continue;
        r = entry->fts_info == FTS_F
                ? replay_file(entry->fts_path, (size_t)entry->fts_statp->st_size)
                : -entry->fts_errno;
        if (r < 0)
            fprintf(stderr, "%s: %s\n", entry->fts_path, strerror(-r));
        count++;
    }
    return r < 0 ? r : count;
}

int main(int argc, char *argv[])
{
    FTS *files;
    int count;

    setvbuf(stdout, NULL, _IOLBF, 0);
    files = argc > 1 ? fts_open(argv + 1, FTS_LOGICAL | FTS_NOCHDIR, NULL) : NULL;
    if (files == NULL) {
        fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
        return 1;
    }
    count = replay_all(files);
    fts_close(files);
    printf("%d inputs\n", MAX(count, 0));
    return count > 0 ? 0 : 1;
}
