/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See image.h. An Image looks like an EFI program to firmware: its first bytes are "MZ", and a PE
 * header tells how long its file must be, which the kernel's own header does not. An EFI zboot
 * image (drivers/firmware/efi/libstub/zboot-header.S) is an EFI program that unpacks an Image.
 */
#include "arch/arm64/image.h"

#include "vmm/base/log.h"

#include <inttypes.h>
#include <string.h>

#define TEXT_ALIGN ((uint64_t)2 << 20)

struct header {
    le32 code[2];
    le64 text_offset;
    le64 image_size;
    le64 flags;
    le64 reserved[3];
    char magic[4];
    le32 pe_offset;
};
_Static_assert(sizeof(struct header) == 64, "booting.rst");
#define MAGIC "ARM\x64"

struct zboot {
    char mz[4];
    char magic[4];
    le32 payload_offset;
    le32 payload_size; /* without the unpacked size behind it, unless that is part of the format */
    le32 reserved[2];
    char method[32];
    le32 linux_magic;
    le32 pe_offset;
};
_Static_assert(sizeof(struct zboot) == 64, "zboot-header.S");

struct pe {
    char magic[4]; /* "PE\0\0" */
    le16 machine;
    le16 section_count;
    le32 unused[3];
    le16 optional_size;
    le16 characteristics;
};
_Static_assert(sizeof(struct pe) == 24, "PE format");
#define PE_MACHINE_ARM64 0xaa64

struct pe_section {
    char name[8];
    le32 memory_size, memory_addr;
    le32 file_size, file_offset;
    le32 unused[4];
};
_Static_assert(sizeof(struct pe_section) == 40, "PE format");

/* What people hand us instead of a kernel. */
static const struct {
    size_t offset;
    const char *magic;
    const char *what;
} strangers[] = {
    {0x202, "HdrS", "an x86_64 bzImage; this is an arm64 host, give an arm64 Image"},
    {0x38, "RSC\x05", "a riscv64 kernel (Image); this is an arm64 host"},
    {0x24, "\x18\x28\x6f\x01", "a 32-bit ARM kernel (zImage); this is an arm64 host"},
    {0, "\x28\xb5\x2f\xfd", "a zstd file, not a kernel; unpack it first"},
    {0, "\x04\x22\x4d\x18", "an LZ4 file, not a kernel; unpack it first"},
    {0, "\x02\x21\x4c\x18", "an LZ4 file, not a kernel; unpack it first"},
    {0, "\3757zXZ", "an xz file, not a kernel; unpack it first"},
    {0, "BZh", "a bzip2 file, not a kernel; unpack it first"},
    {0, "070701", "a cpio archive, as initrds are, not a kernel"},
    {0, "\xd0\x0d\xfe\xed", "a device tree, not a kernel; give it as --dtb"},
    {0, "ANDROID!", "an Android boot image; give the kernel in it"},
};

static int damaged(const struct image *file, const char *what)
{
    return log_plain(-EBADMSG, "%s: damaged: %s", file->name, what);
}

/* Says what the file is, as it is no Image. */
static int refuse(const struct image *file)
{
    const char *what = "not a kernel; give an arm64 Image, Image.gz or EFI zboot image (vmlinuz)";

    if (file->size == 0)
        what = "an empty file, not a kernel";
    if (image_has(file, 0, "\177ELF"))
        what = image_has(file, 0x12, "\xb7")
                   ? "an ELF file (vmlinux); give the Image made from it"
                   : "an ELF file, and not for arm64; give an arm64 Image";
    for (size_t i = 0; i < ARRAY_SIZE(strangers); i++)
        if (image_has(file, strangers[i].offset, strangers[i].magic))
            what = strangers[i].what;
    return log_plain(-ENOEXEC, "%s: %s", file->name, what);
}

/* -- PE -- */

/* True if the file has a PE header at `offset`. */
static bool pe_read(const struct image *file, size_t offset, struct pe *ret_pe)
{
    if (offset > file->size || sizeof(*ret_pe) > file->size - offset)
        return false;
    memcpy(ret_pe, file->bytes + offset, sizeof(*ret_pe));
    return memcmp(ret_pe->magic, "PE\0", 4) == 0;
}

/* How long the file must be for its sections; 0 if it does not say. */
static uint64_t pe_file_size(const struct image *file, size_t offset)
{
    struct pe_section section;
    uint64_t end = 0;
    struct pe pe;

    if (!pe_read(file, offset, &pe))
        return 0;
    size_t at = offset + sizeof(pe) + from_le16(pe.optional_size);
    for (unsigned i = 0; i < from_le16(pe.section_count); i++, at += sizeof(section)) {
        if (at > file->size || sizeof(section) > file->size - at)
            return at + sizeof(section);
        memcpy(&section, file->bytes + at, sizeof(section));
        end = MAX(end, (uint64_t)from_le32(section.file_offset) + from_le32(section.file_size));
    }
    return end;
}

/* -- Image -- */

int arm64_image_read(const struct image *file, struct arm64_image *ret_image)
{
    struct header header;

    if (file->size < sizeof(header) || !image_has(file, offsetof(struct header, magic), MAGIC))
        return refuse(file);
    memcpy(&header, file->bytes, sizeof(header));
    struct arm64_image image = {from_le64(header.text_offset), from_le64(header.image_size)};
    if (image.size == 0)
        return log_plain(-ENOEXEC, "%s: a kernel from before Linux 3.17; give a newer one",
                         file->name);
    if (image.text_offset >= TEXT_ALIGN)
        return damaged(file, "its text offset is 2 MiB or more");
    uint64_t size = pe_file_size(file, from_le32(header.pe_offset));
    if (size > file->size)
        return log_plain(-EBADMSG, "%s: truncated: has %zu bytes, its header says %" PRIu64,
                         file->name, file->size, size);
    if (size > image.size)
        return damaged(file, "it is larger than the RAM that it asks for");
    *ret_image = image;
    return 0;
}

/* -- packed -- */

static int zboot_find(const struct image *file, struct arm64_packed *ret_packed)
{
    struct arm64_packed packed;
    struct zboot zboot;
    struct pe pe;

    if (file->size < sizeof(zboot))
        return damaged(file, "its header is not whole");
    memcpy(&zboot, file->bytes, sizeof(zboot));
    uint32_t offset = from_le32(zboot.payload_offset), size = from_le32(zboot.payload_size);
    if (pe_read(file, from_le32(zboot.pe_offset), &pe) && from_le16(pe.machine) != PE_MACHINE_ARM64)
        return log_plain(-ENOEXEC,
                         "%s: an EFI zboot image of another architecture; this is an arm64 host",
                         file->name);
    packed.method = (const char *)file->bytes + offsetof(struct zboot, method);
    if (memchr(packed.method, '\0', sizeof(zboot.method)) == NULL)
        return damaged(file, "its method of packing has no name");
    /* Behind the payload, gzip's apart, the kernel's build puts the size of what it unpacks to. */
    uint64_t whole = (uint64_t)size + (strcmp(packed.method, "gzip") == 0 ? 0 : sizeof(le32));
    if (offset > file->size || whole > file->size - offset)
        return log_plain(-EBADMSG, "%s: truncated: has %zu bytes, its header says %" PRIu64,
                         file->name, file->size, offset + whole);
    packed.bytes = file->bytes + offset;
    packed.size = whole;
    *ret_packed = packed;
    return 1;
}

int arm64_packed_find(const struct image *file, struct arm64_packed *ret_packed)
{
    if (image_has(file, 0, "MZ") && image_has(file, offsetof(struct zboot, magic), "zimg"))
        return zboot_find(file, ret_packed);
    if (!image_has(file, 0, "\x1f\x8b\x08"))
        return 0;
    *ret_packed = (struct arm64_packed){file->bytes, file->size, "gzip"};
    return 1;
}
