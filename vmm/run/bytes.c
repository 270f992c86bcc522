/* SPDX-License-Identifier: BSD-3-Clause */
/* See bytes.h. The formats are the libraries' business. */
#include "vmm/run/bytes.h"

#include "vmm/base/library.h"

#include <fcntl.h>
#include <lzma.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#define UNPACKED_MAX (256u << 20) /* no kernel module is larger */

#define ZLIB(F) F(, inflateInit2_) F(, inflate) F(, inflateEnd)
#define ZSTD(F) F(ZSTD_, decompress) F(ZSTD_, getFrameContentSize) F(ZSTD_, isError)
#define LZMA(F) F(lzma_, stream_buffer_decode)

static struct zlib {
    ZLIB(LIBRARY_FIELD)
} zlib;
static struct zstd {
    ZSTD(LIBRARY_FIELD)
} zstd;
static struct lzma {
    LZMA(LIBRARY_FIELD)
} lzma;

static bool make_room(struct bytes *bytes, size_t size)
{
    size_t room = MAX(bytes->room, (size_t)4096), wanted;

    if (bytes->failed || ckd_add(&wanted, bytes->size, size)) {
        bytes->failed = true;
        return false;
    }
    while (room < wanted && room <= SIZE_MAX / 2)
        room *= 2;
    if (room == bytes->room)
        return true;
    uint8_t *at = room < wanted ? NULL : realloc(bytes->at, room);
    bytes->failed = at == NULL;
    if (at != NULL) {
        bytes->at = at;
        bytes->room = room;
    }
    return at != NULL;
}

void bytes_add(struct bytes *bytes, const void *from, size_t size)
{
    if (!make_room(bytes, size))
        return;
    if (from != NULL)
        memcpy(bytes->at + bytes->size, from, size);
    else
        memset(bytes->at + bytes->size, 0, size);
    bytes->size += size;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}

int bytes_add_file(struct bytes *bytes, const char *path)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    do { /* a byte more than it has: its end is seen without another turn */
        if (!make_room(bytes, (size_t)MAX(st.st_size, (off_t)0) + 1))
            return -ENOMEM;
        n = read(fd, bytes->at + bytes->size, bytes->room - bytes->size);
        bytes->size += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    return n < 0 ? -errno : 0;
}

/* -- unpacking: each into out, of which `room` bytes are there; -ENOSPC: not enough -- */

static ssize_t unpack_gzip(const struct bytes *in, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = in->at, .next_out = out};
    const int gzip_only = MAX_WBITS + 16;

    z.avail_in = (uInt)in->size;
    z.avail_out = (uInt)room;
    if (zlib.inflateInit2_(&z, gzip_only, ZLIB_VERSION, sizeof(z)) != Z_OK)
        return -ENOMEM;
    int r = zlib.inflate(&z, Z_FINISH);
    (void)zlib.inflateEnd(&z); /* only frees */
    if (r != Z_STREAM_END)
        return z.avail_out == 0 ? -ENOSPC : -EBADMSG;
    return (ssize_t)(room - z.avail_out);
}

static ssize_t unpack_zstd(const struct bytes *in, uint8_t *out, size_t room)
{
    unsigned long long size = zstd.getFrameContentSize(in->at, in->size);

    if (size == ZSTD_CONTENTSIZE_ERROR)
        return -EBADMSG;
    if (size != ZSTD_CONTENTSIZE_UNKNOWN && size > room)
        return -ENOSPC;
    size_t got = zstd.decompress(out, room, in->at, in->size);
    if (zstd.isError(got))
        return size == ZSTD_CONTENTSIZE_UNKNOWN ? -ENOSPC : -EBADMSG;
    return (ssize_t)got;
}

static ssize_t unpack_xz(const struct bytes *in, uint8_t *out, size_t room)
{
    uint64_t limit = UNPACKED_MAX;
    size_t in_at = 0, out_at = 0;
    lzma_ret r =
        lzma.stream_buffer_decode(&limit, 0, NULL, in->at, &in_at, in->size, out, &out_at, room);

    if (r != LZMA_OK)
        return r == LZMA_BUF_ERROR ? -ENOSPC : r == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
    return (ssize_t)out_at;
}

static const struct format {
    uint8_t magic[4];
    size_t magic_bytes;
    ssize_t (*unpack)(const struct bytes *in, uint8_t *out, size_t room);
    struct library library;
} formats[] = {
    {{0x1f, 0x8b}, 2, unpack_gzip, LIBRARY("libz.so.1", "zlib1g", zlib, ZLIB)},
    {{0x28, 0xb5, 0x2f, 0xfd}, 4, unpack_zstd, LIBRARY("libzstd.so.1", "libzstd1", zstd, ZSTD)},
    {{0xfd, '7', 'z', 'X'}, 4, unpack_xz, LIBRARY("liblzma.so.5", "liblzma5", lzma, LZMA)},
};

/* With four times the room, then twice as much, until it fits. */
static int unpack(const struct format *format, const struct bytes *in, struct bytes *out)
{
    size_t room = in->size * 4;
    ssize_t n = -ENOSPC;

    while (n == -ENOSPC && room <= UNPACKED_MAX) {
        if (!make_room(out, room))
            return -ENOMEM;
        n = format->unpack(in, out->at + out->size, out->room - out->size);
        room *= 2;
    }
    if (n < 0)
        return n == -ENOSPC ? -EFBIG : (int)n;
    out->size += (size_t)n;
    return 0;
}

int bytes_add_unpacked(struct bytes *bytes, const char *path)
{
    struct bytes packed = {0};
    const struct format *format = NULL;
    int r = bytes_add_file(&packed, path);

    if (r == 0 && packed.size > UNPACKED_MAX / 4)
        r = -EFBIG;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(formats); i++)
        if (packed.at != NULL && packed.size >= formats[i].magic_bytes &&
            memcmp(packed.at, formats[i].magic, formats[i].magic_bytes) == 0)
            format = &formats[i];
    if (r == 0 && format == NULL)
        bytes_add(bytes, packed.at, packed.size);
    if (format != NULL)
        r = library_load(&format->library);
    if (r == 0 && format != NULL)
        r = unpack(format, &packed, bytes);
    bytes_free(&packed);
    return r == 0 && bytes->failed ? -ENOMEM : r;
}
