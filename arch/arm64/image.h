/* SPDX-License-Identifier: BSD-3-Clause */
/* The arm64 kernel file formats (Documentation/arch/arm64/booting.rst). Pure; trusts no number in
 * a file. */
#pragma once

#include "arch/arch.h"

/* What the header of an Image says. */
struct arm64_image {
    uint64_t text_offset; /* from an address that is a multiple of 2 MiB; less than that */
    uint64_t size;        /* bytes of RAM that it claims, its file's at least */
};

/* Reads the header of an Image. -ENOEXEC if it is something else, -EBADMSG if it is damaged or
 * truncated; logged. */
int arm64_image_read(const struct image *file, struct arm64_image *ret_image);

/* A kernel packed into a file: what the bytes at `bytes` unpack to is an Image. */
struct arm64_packed {
    const uint8_t *bytes; /* in the file */
    size_t size;          /* with the unpacked size in the last 4 bytes: see arch/payload.h */
    const char *method;   /* as the file calls it, for messages */
};

/* 1 if the file is a gzip file or an EFI zboot image for arm64, 0 if it is neither; -ENOEXEC,
 * -EBADMSG; logged. */
int arm64_packed_find(const struct image *file, struct arm64_packed *ret_packed);
