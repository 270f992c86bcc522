/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bzImage, entered at its 64-bit entry point (Documentation/arch/x86/boot.rst, protocol 2.12 and
 * later). The kernel unpacks itself in the guest, whatever its compression.
 */
#include "arch/x86_64/boot.h"
#include "arch/x86_64/layout.h"
#include "vmm/log.h"

#include <string.h>

#define PROTOCOL_MIN  0x020c /* first with xloadflags: Linux 3.8 */
#define SECTOR        512
#define SETUP_SECTS_0 4     /* what a setup_sects of 0 means */
#define ENTRY_64      0x200 /* from the 64-bit part's start */
#define MAGIC_AT      ((size_t)0x202)

static int truncated(const struct image *kernel, uint64_t claimed)
{
    (void)log_error(0, "%s: truncated: has %zu bytes, its header says %llu", kernel->name,
                    kernel->size, (unsigned long long)claimed);
    return -EBADMSG;
}

/* Copies the header out of the file and checks what does not depend on RAM. */
static int read_header(const struct image *kernel, struct setup_header *ret_hdr)
{
    struct setup_header hdr = {0};

    if (kernel->size < SETUP_HEADER_AT + sizeof(hdr))
        return truncated(kernel, SETUP_HEADER_AT + sizeof(hdr));
    memcpy(&hdr, kernel->bytes + SETUP_HEADER_AT, sizeof(hdr));
    if (from_le16(hdr.version) < PROTOCOL_MIN || !(hdr.loadflags & LOADFLAGS_HIGH) ||
        !(from_le16(hdr.xloadflags) & XLF_KERNEL_64)) {
        (void)log_error(0, "%s: a 32-bit kernel, or one from before Linux 3.8; give a 64-bit one",
                        kernel->name);
        return -ENOEXEC;
    }
    if (MAGIC_AT + hdr.jump_offset < SETUP_HEADER_AT + sizeof(hdr)) {
        (void)log_error(0, "%s: damaged: its header ends before its fields do", kernel->name);
        return -EBADMSG;
    }
    *ret_hdr = hdr;
    return 0;
}

int bzimage_load(struct load *load)
{
    const struct image *kernel = load->kernel;
    struct setup_header hdr;
    int r = read_header(kernel, &hdr);

    if (r < 0)
        return r;
    size_t sectors = hdr.setup_sects == 0 ? SETUP_SECTS_0 : hdr.setup_sects;
    size_t start = (sectors + 1) * SECTOR;
    uint64_t size = from_le32(hdr.syssize) * 16ULL;
    if (start + size > kernel->size)
        return truncated(kernel, start + size);
    if (size <= ENTRY_64 || size > from_le32(hdr.init_size)) {
        (void)log_error(0, "%s: damaged: its 64-bit part has %llu bytes", kernel->name,
                        (unsigned long long)size);
        return -EBADMSG;
    }
    gpa_t addr = from_le64(hdr.pref_address);
    r = load_check_room(load, addr, from_le32(hdr.init_size));
    if (r < 0)
        return r;
    memcpy(load_at(load, addr, size), kernel->bytes + start, size);

    load->entry = (struct arch_entry){ENTRY_LINUX64, addr + ENTRY_64, LAYOUT_BOOT_PARAMS};
    load->kernel_end = addr + from_le32(hdr.init_size);
    load->initrd_limit = from_le32(hdr.initrd_addr_max) + 1ULL;
    load->cmdline_bytes_max = from_le32(hdr.cmdline_size);
    /* The header may be longer than what we know of it: the kernel wants all of it. */
    size_t header_bytes = MIN(MAGIC_AT + hdr.jump_offset - SETUP_HEADER_AT, SETUP_HEADER_MAX);
    header_bytes = MIN(header_bytes, kernel->size - SETUP_HEADER_AT);
    memcpy((uint8_t *)&load->params + SETUP_HEADER_AT, kernel->bytes + SETUP_HEADER_AT,
           header_bytes);
    return 0;
}
