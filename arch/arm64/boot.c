/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arm64_load(): a Linux kernel, its initrd and the device tree into guest RAM
 * (Documentation/arch/arm64/booting.rst), one behind the other:
 *
 *   RAM   + text_offset             page       2 MiB
 *   |     | Image, unpacked | .bss  | initrd   | device tree |  free
 *
 * so that they are within one another's reach (1 GiB-aligned window of 32 GiB) however much RAM
 * there is. Runs on the main thread before any vCPU exists, so RAM holds still.
 */
#include "arch/arm64/arm64.h"
#include "arch/arm64/image.h"
#include "arch/arm64/layout.h"
#include "arch/arm64/table.h"
#include "arch/payload.h"
#include "vmm/base/log.h"

#include <inttypes.h>
#include <string.h>

#define MIB        ((uint64_t)1 << 20)
#define PAGE       ((uint64_t)4096)
#define TREE_ALIGN (2 * MIB)

struct load {
    const struct platform *platform;
    const struct image *kernel;
    const struct image *initrd; /* size 0: none */
    gpa_t entry;
    gpa_t initrd_addr;
    gpa_t end; /* first byte of RAM that is free */
};

/* Host address of guest RAM behind all that is loaded so far, if `len` bytes are left there. */
static void *room(const struct load *load, gpa_t addr, uint64_t len, const char *name)
{
    const struct memory *mem = load->platform->mem;
    void *host = memory_at(mem, addr, len);

    if (host == NULL)
        (void)log_error(0, "%s: needs --mem of at least %" PRIu64 " MiB, it is %" PRIu64, name,
                        round_up(addr - ARM64_RAM + MIN(len, UINT64_MAX / 2), MIB) / MIB,
                        mem->size / MIB);
    return host;
}

/* -- kernel -- */

/* A kernel of that size comes to `start`, and the initrd behind it. */
static void expect_kernel(const struct load *load, gpa_t start, uint64_t size)
{
    memory_expect(load->platform->mem, start, size + load->initrd->size);
}

/* Unpacks to the start of RAM; what is there then is *ret_image. */
static int unpack(const struct load *load, const struct arm64_packed *packed,
                  struct image *ret_image)
{
    const char *name = load->kernel->name;
    struct payload payload = {.packed = packed->bytes, .packed_size = packed->size};

    payload.out_size = payload_size(packed->bytes, packed->size);
    if (payload.out_size == 0)
        return log_plain(-ENOEXEC, "%s: an Image packed with \"%.31s\"; unpack it first", name,
                         packed->method);
    payload.out = room(load, ARM64_RAM, payload.out_size, name);
    if (payload.out == NULL)
        return -ENOMEM;
    gpa_t behind = round_up(ARM64_RAM + payload.out_size, PAGE);
    payload.scratch_size = memory_left(load->platform->mem, behind);
    if (payload.scratch_size > 0)
        payload.scratch = memory_at(load->platform->mem, behind, payload.scratch_size);
    expect_kernel(load, ARM64_RAM, payload.out_size);
    int r = payload_unpack(&payload);
    if (payload.scratch_used > 0)
        memory_clear(load->platform->mem, behind, payload.scratch_used);
    if (r == 0)
        *ret_image = (struct image){name, payload.out, payload.out_size};
    else if (r == -ENOMEM)
        (void)log_error(0, "%s: needs more --mem, to be unpacked", name);
    else if (r != -ENOPKG) /* which was said */
        (void)log_error(0, "%s: damaged: what is packed in it (%.31s) cannot be unpacked", name,
                        packed->method);
    return r;
}

static int load_kernel(struct load *load)
{
    struct image file = *load->kernel;
    struct arm64_packed packed;
    struct arm64_image image;
    int r = arm64_packed_find(&file, &packed);

    if (r > 0)
        r = unpack(load, &packed, &file);
    if (r == 0)
        r = arm64_image_read(&file, &image);
    if (r < 0)
        return r;
    load->entry = ARM64_RAM + image.text_offset;
    load->end = load->entry;
    uint8_t *to = room(load, load->entry, image.size, file.name);
    if (to == NULL)
        return -ENOMEM;
    if (file.bytes == load->kernel->bytes)
        expect_kernel(load, load->entry, image.size);
    if (to != file.bytes) /* an unpacked one is in its place but for its text offset */
        memmove(to, file.bytes, MIN(file.size, image.size));
    load->end += image.size;
    return 0;
}

/* -- initrd, device tree -- */

static int load_initrd(struct load *load)
{
    const struct image *initrd = load->initrd;

    if (initrd->size == 0)
        return 0;
    load->initrd_addr = round_up(load->end, PAGE);
    void *to = room(load, load->initrd_addr, initrd->size, initrd->name);
    if (to == NULL)
        return -ENOMEM;
    memcpy(to, initrd->bytes, initrd->size);
    load->end = load->initrd_addr + initrd->size;
    return 0;
}

static int load_tree(struct load *load, struct arch_entry *ret_entry)
{
    const struct platform *platform = load->platform;
    const struct tree_chosen chosen = {
        .bootargs = platform->cmdline,
        .stdout_path = platform->tree.base.size == 0 ? ARM64_STDOUT : NULL,
        .initrd_start = load->initrd_addr,
        .initrd_size = load->initrd->size,
        .seed = platform->seed,
    };
    gpa_t addr = round_up(load->end, TREE_ALIGN);
    struct tree tree;
    int r = tree_make(&tree, platform, arm64_tree, &chosen);

    if (r == 0) {
        size_t size = tree_end(&tree);
        void *to = room(load, addr, size, "device tree");
        if (to != NULL)
            memcpy(to, tree.fdt, size);
        r = to != NULL ? 0 : -ENOMEM;
        *ret_entry = (struct arch_entry){ENTRY_LINUX_ARM64, load->entry, addr, addr, size};
        load->end = addr + size;
    }
    tree_fini(&tree);
    return r;
}

int arm64_load(const struct platform *platform, const struct image *kernel,
               const struct image *initrd, struct arch_entry *ret_entry)
{
    struct load load = {.platform = platform, .kernel = kernel, .initrd = initrd};
    int r;

    if (strlen(platform->cmdline) >= arm64_layout.cmdline_bytes_max)
        return log_plain(
            -E2BIG, "%s: command line of %zu bytes, the kernel takes %zu; shorten --append",
            kernel->name, strlen(platform->cmdline), arm64_layout.cmdline_bytes_max - 1);
    r = load_kernel(&load);
    if (r == 0)
        r = load_initrd(&load);
    return r < 0 ? r : load_tree(&load, ret_entry);
}
