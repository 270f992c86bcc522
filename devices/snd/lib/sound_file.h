/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sound file open for reading, whatever libsndfile reads, as frames of doubles: every format up
 * to 32-bit integers and 64-bit floats comes out exactly. One thread at a time uses a file.
 */
#pragma once

#include "vmm/base/base.h"

#include <sndfile.h>

#define SOUND_CHANNELS_MAX 32
#define SOUND_RATE_HZ_MAX  1000000

/* Frames that are read at once, at most. */
#define SOUND_BLOCK_FRAMES 4096

#define SOUND_FORMAT_SIZE 128

struct sound_file {
    SNDFILE *handle; /* owned */
    uint32_t rate_hz;
    unsigned channels; /* 1 to SOUND_CHANNELS_MAX */
    int format;        /* libsndfile's */
    double *block;     /* owned; SOUND_BLOCK_FRAMES frames, interleaved */
};

/* Main. 0, or -errno after one line, which begins with `prefix`. sound_close() accepts what a
 * failed open left. */
int sound_open(struct sound_file *file, const char *prefix, const char *path);
void sound_close(struct sound_file *file);

/* Reads up to `frames` frames into file->block: how many, 0 at the end, or -EIO. */
int sound_read(struct sound_file *file, size_t frames);
/* Goes back to the first frame; 0 or -EIO. */
int sound_rewind(struct sound_file *file);
/* Why the latest call failed. */
const char *sound_error(const struct sound_file *file);

/* "WAV (Microsoft), Signed 16 bit PCM". Returns buf. */
const char *sound_format(const struct sound_file *file, char buf[SOUND_FORMAT_SIZE]);
