/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz harness without libFuzzer: main() of a program that hands each file named, and each
 * file in each folder named, to LLVMFuzzerTestOneInput() once; with --mutants N also N times
 * changed by dice, which fall the same each time. A file that can't be read, or no file at all, is
 * a failure. One thread.
 */
#include "vmm/base/base.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EDIT_BYTES 256 /* there is an edit for so many, at most */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned mutants;
static uint64_t dice;

/* Below `limit`, which is not 0. */
static size_t roll(size_t limit)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(dice >> 33) % limit;
}

/* A line, or what is between two bytes that would end one: where it begins, and how long it is. */
static size_t pick_line(const uint8_t *bytes, size_t size, size_t *ret_len)
{
    size_t at = roll(size);

    while (at > 0 && bytes[at - 1] != '\n')
        at--;
    const uint8_t *end = memchr(bytes + at, '\n', size - at);
    *ret_len = (end == NULL ? size : (size_t)(end - bytes) + 1) - at;
    return at;
}

/* A byte becomes one that is elsewhere, so that text stays text; or a line goes, or comes twice,
 * for which there is room. The new size. */
static size_t edit(uint8_t *bytes, size_t size, size_t room)
{
    size_t len, at, what = roll(8);

    if (size == 0)
        return 0;
    if (what > 1) {
        bytes[roll(size)] = bytes[roll(size)];
        return size;
    }
    at = pick_line(bytes, size, &len);
    if (what == 0 || size + len > room) {
        memmove(bytes + at, bytes + at + len, size - at - len);
        return size - len;
    }
    memmove(bytes + at + len, bytes + at, size - at);
    return size + len;
}

/* 0 or -errno. */
static int run_mutants(const uint8_t *bytes, size_t size)
{
    const size_t room = size * 2;

    for (unsigned i = 0; i < mutants; i++) {
        auto_free uint8_t *changed = malloc(room), *exact = NULL;
        size_t now = size;
        if (changed == NULL)
            return -ENOMEM;
        memcpy(changed, bytes, size);
        for (size_t edits = 1 + roll(1 + size / EDIT_BYTES); edits > 0; edits--)
            now = edit(changed, now, room);
        exact = malloc(now); /* so that a sanitizer sees a read past its end */
        if (exact == NULL)
            return -ENOMEM;
        memcpy(exact, changed, now);
        printf("  mutant %u\n", i + 1);
        (void)LLVMFuzzerTestOneInput(exact, now);
    }
    return 0;
}

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
    dice = size;
    return run_mutants(bytes, size);
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
    if (argc > 2 && strcmp(argv[1], "--mutants") == 0) {
        mutants = (unsigned)strtoul(argv[2], NULL, 10);
        argc -= 2;
        argv += 2;
    }
    files = argc > 1 ? fts_open(argv + 1, FTS_LOGICAL | FTS_NOCHDIR, NULL) : NULL;
    if (files == NULL) {
        fprintf(stderr, "usage: %s [--mutants N] FILE-OR-FOLDER...\n", argv[0]);
        return 1;
    }
    count = replay_all(files);
    fts_close(files);
    printf("%d inputs\n", MAX(count, 0));
    return count > 0 ? 0 : 1;
}
