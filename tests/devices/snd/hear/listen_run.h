/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs `linnet listen` as main() does, in a folder of its own, on files made here. For its tests.
 */
#pragma once

#include "devices/snd/hear/listen.h"
#include "tests/alloc_fail.h"
#include "tests/capture.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define WORDS_MAX 12

static char folder[64];
static char out[65536];
static struct capture err;

static inline void make_folder(void)
{
    (void)strcpy(folder, "/tmp/linnet-listen-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static inline void shell(const char *command)
{
    ck_assert_msg(system(command) == 0, "failed: %s", command);
}

static inline void remove_folder(void)
{
    char command[128];

    ck_assert_int_eq(chdir("/"), 0);
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    shell(command);
}

/* Runs the command with the words of a line (split at spaces; "" is an empty word), with memory for
 * so many allocations, and returns its status. What it wrote is in `out` and `err.text`. */
static inline int run_short(const char *line, unsigned allocations, bool *ret_failed)
{
    char words[1024], *argv[WORDS_MAX + 1] = {(char[]){"listen"}}, *save = NULL;
    int argc = 1, saved_fd, fd, status;
    ssize_t len;

    ck_assert_uint_lt(strlen(line), sizeof(words));
    (void)strcpy(words, line);
    for (char *word = strtok_r(words, " ", &save); word && argc < WORDS_MAX;
         word = strtok_r(NULL, " ", &save))
        argv[argc++] = strcmp(word, "\"\"") == 0 ? word + 2 : word;
    (void)fflush(stdout);
    saved_fd = dup(STDOUT_FILENO);
    fd = memfd_create("out", MFD_CLOEXEC);
    ck_assert_int_ge(saved_fd, 0);
    ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
    capture_start(&err);
    alloc_fail_after(allocations);
    status = listen_main(argc, argv);
    *ret_failed = alloc_fail_stop();
    (void)capture_end(&err);
    (void)fflush(stdout);
    ck_assert_int_eq(dup2(saved_fd, STDOUT_FILENO), STDOUT_FILENO);
    len = pread(fd, out, sizeof(out) - 1, 0);
    ck_assert_int_ge(len, 0);
    out[len] = '\0';
    (void)close(saved_fd);
    (void)close(fd);
    return status;
}

/* The same with memory enough. */
static inline int run(const char *line)
{
    bool failed;

    return run_short(line, UINT_MAX, &failed);
}

static inline SNDFILE *create_file(const char *path, int format, int rate, int channels)
{
    SF_INFO info = {.format = format, .samplerate = rate, .channels = channels};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);

    ck_assert_msg(file != NULL, "%s: %s", path, sf_strerror(NULL));
    return file;
}

/* A sine of 440 Hz in channel 1, 880 Hz in channel 2, ..., at half of full scale. */
static inline void write_tone(const char *path, int format, int rate, int channels, int frames)
{
    SNDFILE *file = create_file(path, format, rate, channels);
    double frame[32];

    for (int i = 0; i < frames; i++) {
        for (int c = 0; c < channels; c++)
            frame[c] = 0.5 * sin(2 * M_PI * 440 * (c + 1) * i / rate);
        ck_assert_int_eq(sf_writef_double(file, frame, 1), 1);
    }
    ck_assert_int_eq(sf_close(file), 0);
}
