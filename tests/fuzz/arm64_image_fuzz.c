/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the files that arm64_load() reads: the first byte says how, the rest is the file.
 *
 *   k  a kernel     K  a kernel, with an initrd     t  a device tree (--dtb)     o  an overlay
 *
 * Beyond memory safety: a file is refused with one of the known errors, or entry point, initrd and
 * a sound device tree are in RAM.
 */
#include "arch/arm64/arm64.h"
#include "tests/fuzz/fuzz.h"

#include <libfdt.h>
#include <string.h>
#include <sys/mman.h>

#define RAM_AT    0x40000000ULL
#define RAM_BYTES (16 << 20)

/* Made once: a run leaves it zeroed. */
static const struct memory *ram(void)
{
    static struct memory mem;

    if (mem.host == NULL)
        must(memory_create(&mem, RAM_BYTES, &(struct memory_layout){RAM_AT, RAM_AT, RAM_AT},
                           MEMORY_PAGES_OFF) == 0,
             "RAM is made");
    return &mem;
}

/* The smallest Image: a header that claims 64 KiB. */
static void fill_image(uint8_t bytes[64])
{
    memset(bytes, 0, 64);
    bytes[0x12] = 1;
    memcpy(bytes + 0x38, "ARM\x64", 4);
}

static void check_loaded(const struct memory *mem, const struct arch_entry *entry,
                         const struct image *initrd)
{
    const void *tree = memory_at(mem, entry->tree, entry->tree_size);

    must(entry->pc >= RAM_AT && entry->pc < RAM_AT + mem->size, "the entry point is in RAM");
    must(entry->tree % 8 == 0 && entry->tree_size <= 2 << 20, "the tree is placed as is asked");
    must(tree != NULL && fdt_check_full(tree, entry->tree_size) == 0, "there is a sound tree");
    if (initrd->size == 0)
        return;
    int chosen = fdt_path_offset(tree, "/chosen"), len;
    const void *start = fdt_getprop(tree, chosen, "linux,initrd-start", &len);
    must(start != NULL && len == 8, "the kernel knows of the initrd");
    const void *copy = memory_at(mem, fdt64_ld(start), initrd->size);
    must(copy != NULL && memcmp(copy, initrd->bytes, initrd->size) == 0, "the initrd is in RAM");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t initrd_bytes[5000] = {1, 2, 3};
    const struct memory *mem = ram();
    /* As a file is when it is mapped: aligned. */
    uint8_t *bytes = size > 0 ? malloc(MAX(size - 1, (size_t)1)) : NULL, small[64];
    struct platform platform = {.cpu_count = 1, .mem = mem, .cmdline = "quiet", .irqchip = 3};
    struct arch_entry entry;

    if (bytes == NULL)
        return 0;
    for (unsigned i = 0; i < arm64_layout.fixed_count; i++)
        platform.device[platform.device_count++] = arm64_layout.fixed[i];
    memcpy(bytes, data + 1, size - 1);
    struct image file = {"fuzz", bytes, size - 1}, kernel = file;
    struct image initrd = {"initrd", initrd_bytes, data[0] == 'K' ? sizeof(initrd_bytes) : 0};
    if (data[0] == 't' || data[0] == 'o') {
        fill_image(small);
        kernel = (struct image){"Image", small, sizeof(small)};
    }
    if (data[0] == 't' && file.size > 0)
        platform.tree.base = file;
    if (data[0] == 'o')
        platform.tree.overlay[platform.tree.overlay_count++] = file;
    int r = arm64_load(&platform, &kernel, &initrd, &entry);
    must(r == 0 || r == -ENOEXEC || r == -EBADMSG || r == -ENOMEM || r == -E2BIG || r == -EINVAL,
         "a file is taken, or refused for a known reason");
    if (r == 0)
        check_loaded(mem, &entry, &initrd);
    must(madvise(mem->host, mem->size, MADV_REMOVE) == 0, "RAM can be emptied");
    free(bytes);
    return 0;
}
