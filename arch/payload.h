/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packed vmlinux inside a bzImage: gzip, xz, zstd, or LZ4 in its legacy frame format, each with
 * the unpacked size in its last four bytes (gzip's own ISIZE; appended to the others). Unpacks in
 * one step from memory to memory, so no decoder needs a window of its own; but for xz, whose
 * library insists on one and gets it from the caller's scratch space. Trusts no byte of the input.
 */
#pragma once

#include "vmm/base/base.h"

struct payload {
    const uint8_t *packed; /* borrowed, as all three */
    size_t packed_size;
    uint8_t *out;
    size_t out_size;
    uint8_t *scratch;
    size_t scratch_size; /* may be 0; xz then fails */
    size_t scratch_used; /* set: bytes of scratch that may have changed */
};

/* The unpacked size that the payload claims; 0 if its compression is not one of ours. */
uint64_t payload_size(const uint8_t *packed, size_t packed_size);

/* Fills out[0..out_size). -ENOTSUP compression not ours, -ENOMEM, -EBADMSG damaged or not exactly
 * out_size bytes, -ENOPKG no library for it, after a line; then `out` holds anything. Main. */
int payload_unpack(struct payload *payload);
