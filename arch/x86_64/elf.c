/* SPDX-License-Identifier: BSD-3-Clause */
/* See elf.h. Also loads a vmlinux file: Linux by its 64-bit entry, which has room for a seed and a
 * device tree, other kernels by their PVH entry if they name one. */
#include "arch/x86_64/elf.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/layout.h"
#include "vmm/base/log.h"

#include <elf.h>
#include <string.h>

/* Linux' own limits for kernels without a bzImage header. */
#define CMDLINE_BYTES_MAX 2047
#define INITRD_LIMIT      LAYOUT_HOLE_START
#define PROTOCOL_VERSION  0x0206 /* what a vmlinux is told we speak */
#define KERNEL_ALIGNMENT  0x200000

#define NOTE_PVH_ENTRY      18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define NOTES_BYTES_MAX     65536
#define PROGRAM_HEADERS_MAX 64

struct elf_header {
    uint8_t ident[16];
    le16 type, machine;
    le32 version;
    le64 entry, phoff, shoff;
    le32 flags;
    le16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 64, "ELF64 header");

struct program_header {
    le32 type, flags;
    le64 offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct program_header) == 56, "ELF64 program header");

struct note_header {
    le32 name_size, desc_size, type;
};

static const struct {
    uint16_t machine;
    const char *what;
} machines[] = {
    {EM_AARCH64, "an arm64 kernel; this machine is x86_64"},
    {EM_386, "a 32-bit x86 kernel; give a 64-bit one"},
    {EM_RISCV, "a riscv kernel; this machine is x86_64"},
    {EM_ARM, "a 32-bit ARM kernel; this machine is x86_64"},
    {EM_PPC64, "a ppc64 kernel; this machine is x86_64"},
    {EM_S390, "an s390x kernel; this machine is x86_64"},
};

static int fail(int r, const char *why, const char **ret_why)
{
    *ret_why = why;
    return r;
}

/* True if [offset, offset + len) is in a file of `size` bytes. */
static bool within(uint64_t offset, uint64_t len, uint64_t size)
{
    return offset <= size && len <= size - offset;
}

static int read_header(const uint8_t *file, size_t size, struct elf_header *ret_header,
                       const char **ret_why)
{
    struct elf_header header = {0};

    memcpy(&header, file, MIN(size, sizeof(header)));
    /* e_machine is at the same place in 32-bit files; name a stranger before its layout fails. */
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
        if (from_le16(header.machine) == machines[i].machine)
            return fail(-ENOEXEC, machines[i].what, ret_why);
    if (size < sizeof(header))
        return fail(-EBADMSG, "truncated in its ELF header", ret_why);
    if (memcmp(header.ident, ELFMAG, SELFMAG) != 0 || header.ident[EI_CLASS] != ELFCLASS64 ||
        header.ident[EI_DATA] != ELFDATA2LSB || from_le16(header.machine) != EM_X86_64)
        return fail(-ENOEXEC, "an ELF file, but not for x86_64", ret_why);
    if (from_le16(header.type) != ET_EXEC && from_le16(header.type) != ET_DYN)
        return fail(-ENOEXEC, "an ELF file, but not an executable", ret_why);
    if (from_le16(header.phentsize) != sizeof(struct program_header) ||
        from_le16(header.phnum) == 0 || from_le16(header.phnum) > PROGRAM_HEADERS_MAX)
        return fail(-EBADMSG, "damaged: no usable ELF program headers", ret_why);
    *ret_header = header;
    return 0;
}

/* Takes one PT_LOAD into the list. */
static int add_segment(struct elf *elf, const struct program_header *ph, size_t size,
                       const char **ret_why)
{
    struct elf_segment seg = {
        .offset = from_le64(ph->offset),
        .file_size = from_le64(ph->filesz),
        .addr = from_le64(ph->paddr),
        .mem_size = from_le64(ph->memsz),
    };
    uint64_t end;

    if (seg.mem_size == 0)
        return 0;
    if (!within(seg.offset, seg.file_size, size))
        return fail(-EBADMSG, "truncated: an ELF segment ends behind the file", ret_why);
    if (seg.file_size > seg.mem_size || ckd_add(&end, seg.addr, seg.mem_size))
        return fail(-EBADMSG, "damaged: an ELF segment has an impossible size", ret_why);
    if (elf->segment_count == ELF_SEGMENTS_MAX)
        return fail(-EBADMSG, "damaged: too many ELF segments", ret_why);
    if (elf->segment_count == 0)
        elf->start = seg.addr;
    else if (seg.addr < elf->end)
        return fail(-EBADMSG, "damaged: its ELF segments overlap or are out of order", ret_why);
    elf->end = end;
    elf->segment[elf->segment_count++] = seg;
    return 0;
}

static bool note_is_of(const struct note_header *note, const char *name, const uint8_t *found)
{
    const size_t size = strlen(name) + 1;

    return from_le32(note->name_size) == size && memcmp(found, name, size) == 0;
}

/* Looks for the PVH entry in notes[0..size), and for Linux; damaged notes end the search. */
static void scan_notes(struct elf *elf, const uint8_t *notes, uint64_t size)
{
    uint64_t at = 0;

    while (within(at, sizeof(struct note_header), size)) {
        struct note_header note;
        memcpy(&note, notes + at, sizeof(note));
        uint64_t name = at + sizeof(note);
        uint64_t desc = name + (from_le32(note.name_size) + 3ULL) / 4 * 4;
        uint64_t desc_size = from_le32(note.desc_size);
        if (!within(desc, desc_size, size))
            return;
        elf->is_linux |= note_is_of(&note, "Linux", notes + name);
        if (from_le32(note.type) == NOTE_PVH_ENTRY && note_is_of(&note, "Xen", notes + name) &&
            (desc_size == 4 || desc_size == 8)) {
            le64 entry = {0};
            memcpy(&entry, notes + desc, desc_size);
            elf->pvh_entry = from_le64(entry);
            elf->has_pvh = true;
        }
        at = desc + (desc_size + 3) / 4 * 4;
    }
}

static bool in_segments(const struct elf *elf, gpa_t addr)
{
    for (unsigned i = 0; i < elf->segment_count; i++)
        if (addr >= elf->segment[i].addr && addr - elf->segment[i].addr < elf->segment[i].mem_size)
            return true;
    return false;
}

int elf_parse(const uint8_t *file, size_t size, struct elf *ret_elf, const char **ret_why)
{
    struct elf_header header;
    struct elf elf = {0};
    int r = read_header(file, size, &header, ret_why);

    if (r < 0)
        return r;
    uint64_t at = from_le64(header.phoff);
    uint64_t table_bytes = (uint64_t)from_le16(header.phnum) * sizeof(struct program_header);
    if (!within(at, table_bytes, size))
        return fail(-EBADMSG, "truncated: its ELF program headers are missing", ret_why);
    for (unsigned i = 0; i < from_le16(header.phnum); i++) {
        struct program_header ph;
        memcpy(&ph, file + at + i * sizeof(ph), sizeof(ph));
        uint64_t offset = from_le64(ph.offset), len = from_le64(ph.filesz);
        if (from_le32(ph.type) == PT_INTERP)
            return fail(-ENOEXEC, "a program for Linux, not a kernel", ret_why);
        if (from_le32(ph.type) == PT_NOTE && within(offset, len, size))
            scan_notes(&elf, file + offset, MIN(len, (uint64_t)NOTES_BYTES_MAX));
        if (from_le32(ph.type) == PT_LOAD)
            r = add_segment(&elf, &ph, size, ret_why);
        if (r < 0)
            return r;
    }
    elf.entry = from_le64(header.entry);
    elf.has_entry = in_segments(&elf, elf.entry);
    elf.has_pvh = elf.has_pvh && in_segments(&elf, elf.pvh_entry);
    if (!elf.has_entry && !elf.has_pvh)
        return fail(-EBADMSG, "damaged: its entry point is in none of its ELF segments", ret_why);
    *ret_elf = elf;
    return 0;
}

/* RAM is zero where the file has nothing to say. */
static void copy_segments(const struct load *load, const struct elf *elf)
{
    for (unsigned i = 0; i < elf->segment_count; i++) {
        const struct elf_segment *seg = &elf->segment[i];
        memcpy(load_at(load, seg->addr, seg->mem_size), load->kernel->bytes + seg->offset,
               seg->file_size);
    }
}

int elf_load(struct load *load)
{
    const struct image *kernel = load->kernel;
    struct setup_header *hdr = &load->params.hdr;
    struct elf elf;
    const char *why;
    int r = elf_parse(kernel->bytes, kernel->size, &elf, &why);

    if (r < 0) {
        (void)log_error(0, "%s: %s", kernel->name, why);
        return r;
    }
    r = load_check_room(load, elf.start, elf.end - elf.start);
    if (r < 0)
        return r;
    memory_expect(load->mem, elf.start, elf.end - elf.start);
    copy_segments(load, &elf);
    load->entry = (struct arch_entry){ENTRY_LINUX64, elf.entry, LAYOUT_BOOT_PARAMS};
    if (elf.has_pvh && !(elf.is_linux && elf.has_entry))
        load->entry = (struct arch_entry){ENTRY_PVH32, elf.pvh_entry, LAYOUT_START_INFO};
    load->kernel_end = elf.end;
    load->initrd_limit = INITRD_LIMIT;
    load->cmdline_bytes_max = CMDLINE_BYTES_MAX;
    hdr->boot_flag = to_le16(0xaa55);
    memcpy(hdr->magic, "HdrS", 4);
    hdr->version = to_le16(PROTOCOL_VERSION);
    hdr->kernel_alignment = to_le32(KERNEL_ALIGNMENT);
    return 0;
}
