/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bzImage (Documentation/arch/x86/boot.rst, protocol 2.12 and later). Two ways:
 *
 *   packed   the 64-bit part as it is, at its 64-bit entry point; the kernel unpacks itself in the
 *            guest, whatever its compression, and may choose a random address (KASLR).
 *   direct   the vmlinux in it is unpacked here, straight into guest RAM, and entered. Sooner
 *            there; its text is where it was linked to be. What we cannot unpack goes the first
 *            way. What we did unpack is kept (kernel_cache.h), and only copied the next time.
 *
 * The direct way: vmlinux is unpacked as a whole, its first segment in its final place, and the
 * others, whose distance in the file is not their distance in RAM, are moved there.
 *
 *   pref_address - 2 MiB     pref_address                                           + init_size
 *   | ELF headers ...        | text ...            | data ... | ... | sections |          |
 *   (2 MiB is where the kernel's linker script and x86's maximum page size put the text in the
 *   file; another offset costs a longer move, no more.)
 */
#include "arch/kernel_cache.h"
#include "arch/payload.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/elf.h"
#include "arch/x86_64/layout.h"
#include "vmm/base/log.h"

#include <string.h>

#define PROTOCOL_MIN     0x020c /* first with xloadflags: Linux 3.8 */
#define SECTOR           512
#define SETUP_SECTS_0    4     /* what a setup_sects of 0 means */
#define ENTRY_64         0x200 /* from the 64-bit part's start */
#define MAGIC_AT         ((size_t)0x202)
#define TEXT_FILE_OFFSET 0x200000 /* see above */
#define PAGE             4096ULL

struct bzimage {
    struct setup_header hdr; /* as in the file */
    const uint8_t *part;     /* the 64-bit part */
    uint64_t part_size;
    gpa_t addr, end; /* RAM that it claims */
};

static int truncated(const struct image *kernel, uint64_t claimed)
{
    return log_plain(-EBADMSG, "%s: truncated: has %zu bytes, its header says %llu", kernel->name,
                     kernel->size, (unsigned long long)claimed);
}

/* Copies the header out of the file and checks what does not depend on RAM. */
static int read_header(const struct image *kernel, struct setup_header *ret_hdr)
{
    struct setup_header hdr = {0};

    if (kernel->size < SETUP_HEADER_AT + sizeof(hdr))
        return truncated(kernel, SETUP_HEADER_AT + sizeof(hdr));
    memcpy(&hdr, kernel->bytes + SETUP_HEADER_AT, sizeof(hdr));
    if (from_le16(hdr.version) < PROTOCOL_MIN || !(hdr.loadflags & LOADFLAGS_HIGH) ||
        !(from_le16(hdr.xloadflags) & XLF_KERNEL_64))
        return log_plain(-ENOEXEC,
                         "%s: a 32-bit kernel, or one from before Linux 3.8; give a 64-bit one",
                         kernel->name);
    if (MAGIC_AT + hdr.jump_offset < SETUP_HEADER_AT + sizeof(hdr))
        return log_plain(-EBADMSG, "%s: damaged: its header ends before its fields do",
                         kernel->name);
    *ret_hdr = hdr;
    return 0;
}

static int read_bzimage(const struct load *load, struct bzimage *ret_bz)
{
    const struct image *kernel = load->kernel;
    struct bzimage bz;
    int r = read_header(kernel, &bz.hdr);

    if (r < 0)
        return r;
    size_t sectors = bz.hdr.setup_sects == 0 ? SETUP_SECTS_0 : bz.hdr.setup_sects;
    size_t start = (sectors + 1) * SECTOR;
    uint32_t init_size = from_le32(bz.hdr.init_size);
    bz.part_size = from_le32(bz.hdr.syssize) * 16ULL;
    if (start + bz.part_size > kernel->size)
        return truncated(kernel, start + bz.part_size);
    if (bz.part_size <= ENTRY_64 || bz.part_size > init_size)
        return log_plain(-EBADMSG, "%s: damaged: its 64-bit part has %llu bytes", kernel->name,
                         (unsigned long long)bz.part_size);
    bz.part = kernel->bytes + start;
    bz.addr = from_le64(bz.hdr.pref_address);
    r = load_check_room(load, bz.addr, init_size);
    if (r < 0)
        return r;
    bz.end = bz.addr + init_size;
    *ret_bz = bz;
    return 0;
}

/* -- the direct way -- */

/* Unpacks the vmlinux to `file`, which has room for file_size bytes; 0 if it is an ELF executable.
 */
static int unpack_elf(const struct load *load, const struct bzimage *bz, gpa_t file,
                      size_t file_size, struct elf *ret_elf)
{
    gpa_t scratch = round_up(MAX(file + file_size, bz->end), PAGE);
    struct payload payload = {
        .packed = bz->part + from_le32(bz->hdr.payload_offset),
        .packed_size = from_le32(bz->hdr.payload_length),
        .out = load_at(load, file, file_size),
        .out_size = file_size,
    };
    const char *why;

    if (scratch < load->low_ram_bytes) {
        payload.scratch_size = load->low_ram_bytes - scratch;
        payload.scratch = load_at(load, scratch, payload.scratch_size);
    }
    int r = payload_unpack(&payload);
    if (payload.scratch_used > 0)
        memory_clear(load->mem, scratch, payload.scratch_used);
    return r < 0 ? r : elf_parse(payload.out, payload.out_size, ret_elf, &why);
}

/*
 * Moves the segments from the file at `file` to their addresses. Both places are in the same order
 * (elf_parse() sees to the addresses), so when all move down, or none does, they can go one after
 * another and none is overwritten before its turn. False, with nothing moved, if it is not so.
 */
static bool move_segments(const struct load *load, const struct elf *elf, gpa_t file)
{
    unsigned up = 0, down = 0;
    uint64_t offset_min = 0;

    for (unsigned i = 0; i < elf->segment_count; i++) {
        const struct elf_segment *seg = &elf->segment[i];
        if (seg->file_size == 0)
            continue;
        if (seg->offset < offset_min)
            return false;
        offset_min = seg->offset + seg->file_size;
        up += seg->addr > file + seg->offset;
        down += seg->addr < file + seg->offset;
    }
    if (up > 0 && down > 0)
        return false;
    for (unsigned n = 0; n < elf->segment_count; n++) {
        const struct elf_segment *seg = &elf->segment[up > 0 ? elf->segment_count - 1 - n : n];
        if (seg->file_size == 0)
            continue;
        void *to = load_at(load, seg->addr, seg->file_size);
        const void *from = load_at(load, file + seg->offset, seg->file_size);
        if (to != from)
            memmove(to, from, seg->file_size);
    }
    return true;
}

/* Zeroes what is left of the file between and behind the segments. */
static void clear_between(const struct load *load, const struct elf *elf, gpa_t file,
                          uint64_t file_size)
{
    const gpa_t file_end = file + file_size;
    gpa_t at = file;

    for (unsigned i = 0; i < elf->segment_count; i++) {
        const struct elf_segment *seg = &elf->segment[i];
        gpa_t until = MIN(seg->addr, file_end);
        if (until > at)
            memory_clear(load->mem, at, until - at);
        at = MAX(at, seg->addr + seg->file_size);
    }
    if (file_end > at)
        memory_clear(load->mem, at, file_end - at);
}

/* The segments, as RAM has them now. */
static struct kernel_image image_of(const struct elf *elf)
{
    struct kernel_image image = {.entry = elf->entry};

    _Static_assert(ELF_SEGMENTS_MAX <= KERNEL_PIECES_MAX, "each segment is a piece");
    for (unsigned i = 0; i < elf->segment_count; i++)
        if (elf->segment[i].file_size > 0)
            image.piece[image.count++] =
                (struct kernel_piece){elf->segment[i].addr, elf->segment[i].file_size};
    return image;
}

/* True if the vmlinux is unpacked and in place, which *ret_image tells; else RAM is as it was. */
static bool unpack(const struct load *load, const struct bzimage *bz,
                   struct kernel_image *ret_image)
{
    uint32_t offset = from_le32(bz->hdr.payload_offset);
    uint32_t length = from_le32(bz->hdr.payload_length);
    struct elf elf;

    if (offset > bz->part_size || length > bz->part_size - offset ||
        bz->addr < LAYOUT_HIGH_RAM + TEXT_FILE_OFFSET)
        return false;
    gpa_t file = bz->addr - TEXT_FILE_OFFSET;
    uint64_t file_size = payload_size(bz->part + offset, length);
    if (file_size == 0 || file_size > load->low_ram_bytes - file)
        return false;
    int r = unpack_elf(load, bz, file, file_size, &elf);
    if (r < 0 || !elf.has_entry || elf.start < LAYOUT_HIGH_RAM || elf.end > bz->end ||
        !move_segments(load, &elf, file)) {
        memory_clear(load->mem, file, file_size);
        return false;
    }
    clear_between(load, &elf, file, file_size);
    *ret_image = image_of(&elf);
    return true;
}

/* True if the vmlinux is in place and *ret_entry set; else RAM is as it was. */
static bool load_direct(const struct load *load, const struct bzimage *bz, gpa_t *ret_entry)
{
    const gpa_t end = round_up(bz->end, PAGE); /* RAM ends with a page, too */
    const struct kernel_piece room = {LAYOUT_HIGH_RAM, end - LAYOUT_HIGH_RAM};
    struct kernel_image image;

    if (kernel_cache_load(load->platform->cache, load->mem, &room, ret_entry))
        return true;
    if (!unpack(load, bz, &image))
        return false;
    kernel_cache_store(load->platform->cache, load->mem, &room, &image);
    *ret_entry = image.entry;
    return true;
}

int bzimage_load(struct load *load)
{
    const struct image *kernel = load->kernel;
    struct bzimage bz;
    gpa_t entry;
    int r = read_bzimage(load, &bz);

    if (r < 0)
        return r;
    memory_expect(load->mem, bz.addr, bz.end - bz.addr);
    if (!load->platform->direct || !load_direct(load, &bz, &entry)) {
        memcpy(load_at(load, bz.addr, bz.part_size), bz.part, bz.part_size);
        entry = bz.addr + ENTRY_64;
    }
    load->entry = (struct arch_entry){ENTRY_LINUX64, entry, LAYOUT_BOOT_PARAMS};
    load->kernel_end = bz.end;
    load->initrd_limit = from_le32(bz.hdr.initrd_addr_max) + 1ULL;
    load->cmdline_bytes_max = from_le32(bz.hdr.cmdline_size);
    /* The header may be longer than what we know of it: the kernel wants all of it. */
    size_t header_bytes = MIN(MAGIC_AT + bz.hdr.jump_offset - SETUP_HEADER_AT, SETUP_HEADER_MAX);
    header_bytes = MIN(header_bytes, kernel->size - SETUP_HEADER_AT);
    memcpy((uint8_t *)&load->params + SETUP_HEADER_AT, kernel->bytes + SETUP_HEADER_AT,
           header_bytes);
    return 0;
}
