/* SPDX-License-Identifier: BSD-3-Clause */
/* See payload.h. The formats are the libraries' business; here are their frames and bounds. */
#include "arch/payload.h"

#include "vmm/base/library.h"

#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define TRAILER_BYTES 4

/* Legacy LZ4: blocks of at most 8 MiB, each after its packed size. */
#define LZ4_LEGACY_MAGIC     0x184c2102
#define LZ4_LEGACY_BLOCK_MAX (8 << 20)

/* xz: what its decoder may take from the heap at a time (not its dictionary) and in all. */
#define XZ_HEAP_PIECE_MAX (64 << 10)
#define XZ_HEAP_MAX       (1 << 20)

/* A kernel that is kept needs none of these. */
#define ZLIB(F) F(, inflateInit2_) F(, inflate) F(, inflateEnd)
#define ZSTD(F) F(ZSTD_, createDCtx) F(ZSTD_, decompressDCtx) F(ZSTD_, freeDCtx) F(ZSTD_, isError)
#define LZ4(F)  F(LZ4_, decompress_safe)
#define LZMA(F) F(lzma_, stream_decoder) F(lzma_, code) F(lzma_, end)

static struct zlib {
    ZLIB(LIBRARY_FIELD)
} zlib;
static struct zstd {
    ZSTD(LIBRARY_FIELD)
} zstd;
static struct lz4 {
    LZ4(LIBRARY_FIELD)
} lz4;
static struct lzma {
    LZMA(LIBRARY_FIELD)
} lzma;

static uint32_t get_le32(const uint8_t *at)
{
    le32 wire;

    memcpy(&wire, at, sizeof(wire));
    return from_le32(wire);
}

static int unpack_gzip(struct payload *p)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)p->packed}; /* zlib does not write there */

    if (p->packed_size > UINT32_MAX || p->out_size > UINT32_MAX)
        return -EBADMSG;
    z.avail_in = (uInt)p->packed_size;
    z.next_out = p->out;
    z.avail_out = (uInt)p->out_size;
    const int gzip_only = MAX_WBITS + 16;
    if (zlib.inflateInit2_(&z, gzip_only, ZLIB_VERSION, sizeof(z)) != Z_OK)
        return -ENOMEM;
    int r = zlib.inflate(&z, Z_FINISH);
    (void)zlib.inflateEnd(&z); /* only frees */
    return r == Z_STREAM_END && z.avail_out == 0 ? 0 : -EBADMSG;
}

static int unpack_zstd(struct payload *p)
{
    ZSTD_DCtx *ctx = zstd.createDCtx();

    if (ctx == NULL)
        return -ENOMEM;
    size_t got = zstd.decompressDCtx(ctx, p->out, p->out_size, p->packed, p->packed_size);
    (void)zstd.freeDCtx(ctx); /* only frees */
    return !zstd.isError(got) && got == p->out_size ? 0 : -EBADMSG;
}

static int unpack_lz4(struct payload *p)
{
    size_t in = 0, out = 0;

    while (p->packed_size - in > sizeof(uint32_t)) {
        uint32_t size = get_le32(p->packed + in);
        in += sizeof(uint32_t);
        if (size == LZ4_LEGACY_MAGIC)
            continue;
        if (size > p->packed_size - in || size > INT32_MAX)
            return -EBADMSG;
        int room = (int)MIN(p->out_size - out, (size_t)LZ4_LEGACY_BLOCK_MAX);
        int got = lz4.decompress_safe((const char *)p->packed + in, (char *)p->out + out, (int)size,
                                      room);
        if (got < 0)
            return -EBADMSG;
        in += size;
        out += (size_t)got;
    }
    return in == p->packed_size && out == p->out_size ? 0 : -EBADMSG;
}

/* The dictionary, as large as the kernel at least, goes to scratch: one big piece at a time. */
static void *xz_alloc(void *opaque, size_t count, size_t size)
{
    struct payload *p = opaque;
    size_t bytes;

    if (ckd_mul(&bytes, count, size))
        return NULL;
    if (bytes <= XZ_HEAP_PIECE_MAX)
        return malloc(bytes);
    if (bytes > p->scratch_size || p->scratch_used > 0)
        return NULL;
    p->scratch_used = bytes;
    return p->scratch;
}

static void xz_free(void *opaque, void *piece)
{
    const struct payload *p = opaque;

    if (piece != p->scratch)
        free(piece);
}

static int unpack_xz(struct payload *p)
{
    const lzma_allocator allocator = {.alloc = xz_alloc, .free = xz_free, .opaque = p};
    lzma_stream xz = LZMA_STREAM_INIT;

    xz.allocator = &allocator;
    xz.next_in = p->packed;
    xz.avail_in = p->packed_size;
    xz.next_out = p->out;
    xz.avail_out = p->out_size;
    if (lzma.stream_decoder(&xz, p->scratch_size + XZ_HEAP_MAX, 0) != LZMA_OK)
        return -ENOMEM;
    lzma_ret r = lzma.code(&xz, LZMA_FINISH);
    lzma.end(&xz);
    if (r == LZMA_MEM_ERROR || r == LZMA_MEMLIMIT_ERROR)
        return -ENOMEM;
    return r == LZMA_STREAM_END && xz.avail_out == 0 ? 0 : -EBADMSG;
}

static const struct format {
    uint8_t magic[2];
    size_t trailer_bytes; /* of the payload that the decoder must not see */
    int (*unpack)(struct payload *p);
    struct library library;
} formats[] = {
    {{0x1f, 0x8b}, 0, unpack_gzip, LIBRARY("libz.so.1", "zlib1g", zlib, ZLIB)},
    {{0x28, 0xb5}, TRAILER_BYTES, unpack_zstd, LIBRARY("libzstd.so.1", "libzstd1", zstd, ZSTD)},
    {{0x02, 0x21}, TRAILER_BYTES, unpack_lz4, LIBRARY("liblz4.so.1", "liblz4-1", lz4, LZ4)},
    {{0xfd, 0x37}, TRAILER_BYTES, unpack_xz, LIBRARY("liblzma.so.5", "liblzma5", lzma, LZMA)},
};

static const struct format *format_of(const uint8_t *packed, size_t packed_size)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (packed_size >= sizeof(formats[i].magic) + TRAILER_BYTES &&
            memcmp(packed, formats[i].magic, sizeof(formats[i].magic)) == 0)
            return &formats[i];
    return NULL;
}

uint64_t payload_size(const uint8_t *packed, size_t packed_size)
{
    if (format_of(packed, packed_size) == NULL)
        return 0;
    return get_le32(packed + packed_size - TRAILER_BYTES);
}

int payload_unpack(struct payload *payload)
{
    const struct format *format = format_of(payload->packed, payload->packed_size);
    struct payload bare = *payload;

    if (format == NULL)
        return -ENOTSUP;
    bare.packed_size -= format->trailer_bytes;
    int r = library_load(&format->library);
    if (r == 0)
        r = format->unpack(&bare);
    payload->scratch_used = bare.scratch_used;
    return r;
}
