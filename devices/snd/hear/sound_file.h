/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sound file open for reading, whatever libsndfile reads, as frames of doubles: every format up
 * to 32-bit integers and 64-bit floats comes out exactly. One thread at a time uses a file.
 */
#pragma once

#include "devices/snd/lib/sndfile.h"

/* Frames that are read at once. */
#define SOUND_BLOCK_FRAMES 4096

#define SOUND_FORMAT_SIZE 128

struct sound_file {
    SNDFILE *handle;  /* owned */
    const char *path; /* borrowed */
    uint32_t rate_hz;
    unsigned channels; /* 1 to LISTENER_CHANNELS_MAX */
    int format;        /* libsndfile's */
    double *block;     /* owned; SOUND_BLOCK_FRAMES frames, interleaved */
};

/* 0, or -errno after one line on standard error. sound_close() accepts what a failed open left. */
int sound_open(struct sound_file *file, const char *path);
void sound_close(struct sound_file *file);

/* Reads frames into file->block: how many (fewer than SOUND_BLOCK_FRAMES at the end only, then 0),
 * or -EIO after one line on standard error. */
int sound_read(struct sound_file *file);

/* "WAV (Microsoft), Signed 16 bit PCM". Returns buf. */
const char *sound_format(const struct sound_file *file, char buf[SOUND_FORMAT_SIZE]);
