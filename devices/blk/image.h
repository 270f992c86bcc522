/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file or block device that a disk lies in: raw, byte for byte. No format is ever guessed.
 *
 * With an overlay the image is only read: what the guest writes goes to a sparse file without a
 * name, at the same offset, and a bit for each sector says where its contents are now. A sector is
 * the least that a guest writes, so nothing is ever copied.
 *
 *   image    | A | B | C | D | E | F |        the guest reads  | A | b | c | D | e | F |
 *   overlay  |   | b | c |   | e |   |
 *   written    0   1   1   0   1   0
 *
 * Main; then the device's worker.
 */
#pragma once

#include "devices/blk/engine.h"
#include "vmm/config/opts.h"

#define BLK_SECTOR_BYTES 512u

/* Numbers of files, as the engine knows them. */
enum {
    BLK_FILE_IMAGE,
    BLK_FILE_DIRECT,  /* the same, past the host's cache (O_DIRECT); -1: not wanted */
    BLK_FILE_OVERLAY, /* -1: none */
};

struct blk_image {
    int file[BLK_FILES_MAX]; /* owned */
    bool read_only;          /* for the guest */
    bool device;             /* not a file */
    uint64_t bytes;
    uint32_t block_bytes;                            /* what can be addressed, */
    uint32_t physical_bytes;                         /* and what is written well at once */
    uint32_t direct_offset_bytes, direct_base_bytes; /* alignment that BLK_FILE_DIRECT wants */
    uint8_t *written;                                /* of an overlay: a bit for each sector */
};

/* Opens and locks what path=, ro, overlay and direct say. -errno after a line that says what is
 * wrong; blk_image_close() may follow in any case. */
int blk_image_open(struct blk_image *image, const struct opts *opts);
void blk_image_close(struct blk_image *image);

/* The file to read from at `offset`, up to *len bytes, which it makes less. */
unsigned blk_image_source(const struct blk_image *image, uint64_t offset, uint64_t *len);
/* The file that takes writes, */
static inline unsigned blk_image_target(const struct blk_image *image)
{
    return image->written != NULL ? BLK_FILE_OVERLAY : BLK_FILE_IMAGE;
}
/* which took these bytes, whole sectors. */
void blk_image_wrote(struct blk_image *image, uint64_t offset, uint64_t len);
/* Whether this can go past the host's cache. */
bool blk_image_is_direct(const struct blk_image *image, uint64_t offset, const struct iovec *iov,
                         unsigned iov_count);
