/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_kernel.h. */
#include "tests/fake_kernel.h"

#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

static struct file file_new(size_t size)
{
    struct file file = {calloc(1, size), size};

    assert(file.bytes != NULL);
    return file;
}

void file_free(struct file *file)
{
    free(file->bytes);
    *file = (struct file){0};
}

static void put(uint8_t *bytes, size_t at, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[at + i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *bytes, size_t at, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value |= (uint64_t)bytes[at + i] << 8 * i;
    return value;
}

void put16(uint8_t *bytes, size_t at, uint16_t value)
{
    put(bytes, at, value, 2);
}

void put32(uint8_t *bytes, size_t at, uint32_t value)
{
    put(bytes, at, value, 4);
}

void put64(uint8_t *bytes, size_t at, uint64_t value)
{
    put(bytes, at, value, 8);
}

uint16_t get16(const uint8_t *bytes, size_t at)
{
    return (uint16_t)get(bytes, at, 2);
}

uint32_t get32(const uint8_t *bytes, size_t at)
{
    return (uint32_t)get(bytes, at, 4);
}

uint64_t get64(const uint8_t *bytes, size_t at)
{
    return get(bytes, at, 8);
}

struct file fake_bzimage(const struct file *payload)
{
    size_t part_size = (FAKE_PAYLOAD_AT + payload->size + 15) / 16 * 16;
    struct file file = file_new(FAKE_PART_AT + part_size);
    uint8_t *b = file.bytes;

    b[0x1f1] = 1; /* setup_sects */
    put32(b, 0x1f4, (uint32_t)(part_size / 16));
    put16(b, 0x1fe, 0xaa55);
    b[0x200] = 0xeb;
    b[0x201] = 0x6a;             /* the header ends at 0x26c */
    put32(b, 0x202, 0x53726448); /* "HdrS" */
    put16(b, 0x206, 0x020f);
    b[0x211] = 0x01;             /* loadflags: LOADED_HIGH */
    put32(b, 0x22c, 0x7fffffff); /* initrd_addr_max */
    put32(b, 0x230, 0x200000);   /* kernel_alignment */
    b[0x234] = 1;                /* relocatable_kernel */
    put16(b, 0x236, 0x007f);     /* xloadflags */
    put32(b, 0x238, 2047);       /* cmdline_size */
    put32(b, 0x248, FAKE_PAYLOAD_AT);
    put32(b, 0x24c, (uint32_t)payload->size);
    put64(b, 0x258, 0x1000000);  /* pref_address */
    put32(b, 0x260, 4 << 20);    /* init_size */
    put32(b, 0x268, 0x12345678); /* kernel_info_offset: a field that the loader does not know */
    memset(b + FAKE_PART_AT, 0x90, part_size);
    if (payload->size > 0)
        memcpy(b + FAKE_PART_AT + FAKE_PAYLOAD_AT, payload->bytes, payload->size);
    return file;
}

uint8_t fake_byte(const struct fake_segment *seg, uint64_t i)
{
    return (uint8_t)(seg->fill + i % 251);
}

static void put_phdr(uint8_t *b, unsigned i, uint32_t type, const struct fake_segment *seg)
{
    size_t at = FAKE_PHDR_AT(i);

    put32(b, at, type);
    put32(b, at + 4, 7); /* flags */
    put64(b, at + 8, seg->offset);
    put64(b, at + 16, 0xffffffff80000000 + seg->addr);
    put64(b, at + 24, seg->addr);
    put64(b, at + 32, seg->file_size);
    put64(b, at + 40, seg->mem_size);
    put64(b, at + 48, 0x1000);
}

struct file fake_elf(const struct fake_elf *elf)
{
    const struct fake_segment note = {.offset = 512, .file_size = 24, .mem_size = 24};
    size_t size = note.offset + note.file_size;

    for (unsigned i = 0; i < elf->count; i++)
        size = MAX(size, (size_t)(elf->segment[i].offset + elf->segment[i].file_size));
    struct file file = file_new(size);
    uint8_t *b = file.bytes;
    put64(b, 0, 0x00010102464c457f); /* magic, 64 bits, little endian, version 1 */
    put16(b, 16, 2);                 /* ET_EXEC */
    put16(b, 18, 62);                /* EM_X86_64 */
    put32(b, 20, 1);
    put64(b, 24, elf->entry);
    put64(b, 32, FAKE_PHDR_AT(0));
    put16(b, 52, 64);
    put16(b, 54, 56);
    put16(b, 56, (uint16_t)(elf->count + (elf->pvh_entry != 0)));
    for (unsigned i = 0; i < elf->count; i++) {
        const struct fake_segment *seg = &elf->segment[i];
        put_phdr(b, i, 1 /* PT_LOAD */, seg);
        for (uint64_t n = 0; n < seg->file_size; n++)
            b[seg->offset + n] = fake_byte(seg, n);
    }
    if (elf->pvh_entry != 0) {
        put_phdr(b, elf->count, 4 /* PT_NOTE */, &note);
        put32(b, 512, 4); /* sizes of name and of what follows it, type */
        put32(b, 516, 8);
        put32(b, 520, 18);
        memcpy(b + 524, "Xen", 4);
        put64(b, 528, elf->pvh_entry);
    }
    return file;
}

/* -- payloads -- */

static struct file pack_gzip(const struct file *plain)
{
    z_stream z = {.next_in = plain->bytes, .avail_in = (uInt)plain->size};
    struct file file = file_new(plain->size + plain->size / 100 + 4096);

    int r = deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
    assert(r == Z_OK);
    z.next_out = file.bytes;
    z.avail_out = (uInt)file.size;
    r = deflate(&z, Z_FINISH);
    assert(r == Z_STREAM_END);
    file.size = z.total_out;
    (void)deflateEnd(&z);
    return file;
}

/* As scripts/xz_wrap.sh of Linux: x86 filter, CRC32, a dictionary larger than any kernel. */
static size_t pack_xz(const struct file *plain, uint8_t *to, size_t room)
{
    lzma_options_lzma options;
    lzma_filter filters[] = {
        {LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
    size_t size = 0;

    (void)lzma_lzma_preset(&options, 1);
    options.dict_size = 8 << 20;
    lzma_ret r = lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, plain->bytes,
                                           plain->size, to, &size, room);
    assert(r == LZMA_OK);
    return size;
}

static size_t pack_lz4(const struct file *plain, uint8_t *to, size_t room)
{
    const size_t block = 8 << 20;
    size_t size = 4;

    put32(to, 0, 0x184c2102);
    for (size_t at = 0; at < plain->size; at += block) {
        int got = LZ4_compress_default((const char *)plain->bytes + at, (char *)to + size + 4,
                                       (int)MIN(block, plain->size - at), (int)(room - size - 4));
        assert(got > 0);
        put32(to, size, (uint32_t)got);
        size += 4 + (size_t)got;
    }
    return size;
}

/* As zstd packs from a pipe: no size in the frame, a checksum behind it. */
static size_t pack_zstd(const struct file *plain, uint8_t *to, size_t room)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx();

    assert(ctx != NULL);
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, 0);
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
    size_t size = ZSTD_compress2(ctx, to, room, plain->bytes, plain->size);
    assert(!ZSTD_isError(size));
    (void)ZSTD_freeCCtx(ctx);
    return size;
}

struct file fake_pack(enum fake_packing packing, const struct file *plain)
{
    if (packing == FAKE_GZIP)
        return pack_gzip(plain);
    struct file file = file_new(plain->size + plain->size / 100 + 65536);
    if (packing == FAKE_XZ)
        file.size = pack_xz(plain, file.bytes, file.size - 4);
    else if (packing == FAKE_ZSTD)
        file.size = pack_zstd(plain, file.bytes, file.size - 4);
    else
        file.size = pack_lz4(plain, file.bytes, file.size - 4);
    put32(file.bytes, file.size, (uint32_t)plain->size);
    file.size += 4;
    return file;
}
