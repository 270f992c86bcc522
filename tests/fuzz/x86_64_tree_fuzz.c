/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the device trees that x86_64_load() reads: the first byte is t for a whole one (--dtb) or
 * o for an overlay, the rest is the file.
 *
 * Beyond memory safety: a file is refused for a known reason, or the kernel gets a sound tree, and
 * the seed before it.
 */
#include "arch/x86_64/x86_64.h"
#include "tests/fuzz/fuzz.h"

#include <libfdt.h>
#include <string.h>
#include <sys/mman.h>

#define RAM_BYTES   (32 << 20)
#define BOOT_PARAMS 0x7000

/* The smallest bzImage of protocol 2.15: a sector of setup, and a page for the guest to run. */
static void fill_kernel(uint8_t bytes[8192])
{
    static const uint8_t header[] = {'H', 'd', 'r', 'S', 0x0f, 0x02};

    memset(bytes, 0, 8192);
    bytes[0x1f1] = 1;    /* setup_sects */
    bytes[0x1f5] = 0x01; /* syssize: 4096 bytes */
    bytes[0x1fe] = 0x55;
    bytes[0x1ff] = 0xaa;
    bytes[0x201] = 0x6a; /* the header's end */
    memcpy(bytes + 0x202, header, sizeof(header));
    bytes[0x211] = 1;    /* LOADED_HIGH */
    bytes[0x22f] = 0x7f; /* initrd_addr_max */
    bytes[0x236] = 1;    /* XLF_KERNEL_64 */
    bytes[0x239] = 8;    /* cmdline_size */
    bytes[0x25b] = 1;    /* pref_address: 16 MiB */
    bytes[0x262] = 1;    /* init_size: 64 KiB */
}

static uint64_t field(const struct memory *mem, gpa_t addr)
{
    le64 wire;

    must(memory_read(mem, addr, &wire, sizeof(wire)) == 0, "it is in RAM");
    return from_le64(wire);
}

static void check_loaded(const struct memory *mem, const struct arch_entry *entry)
{
    const void *tree = memory_at(mem, entry->tree, entry->tree_size);
    const gpa_t seed = field(mem, BOOT_PARAMS + 0x250);

    must(tree != NULL && fdt_check_full(tree, entry->tree_size) == 0, "there is a sound tree");
    must(field(mem, seed + 8) == (9 | UINT64_C(64) << 32), "the seed comes first");
    must(field(mem, seed) == entry->tree - 16, "the tree is behind it");
    must(field(mem, entry->tree - 16) == 0, "nothing is behind the tree");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memory mem;
    static uint8_t kernel_bytes[8192];
    const struct image kernel = {"bzImage", kernel_bytes, sizeof(kernel_bytes)};
    const struct image initrd = {.name = "no initrd"};
    const struct platform_seed seed = {{1}, {2}};
    struct platform platform = {.cpu_count = 1, .mem = &mem, .cmdline = "quiet", .seed = &seed};
    struct arch_entry entry;

    if (size < 2 || (data[0] != 't' && data[0] != 'o'))
        return 0;
    if (mem.host == NULL) {
        must(memory_create(&mem, RAM_BYTES, &x86_64_layout.ram, MEMORY_PAGES_OFF) == 0,
             "RAM is made");
        fill_kernel(kernel_bytes);
    }
    uint8_t *bytes = malloc(size - 1); /* aligned, as a file is when it is mapped */
    if (bytes == NULL)
        return 0;
    memcpy(bytes, data + 1, size - 1);
    const struct image file = {"fuzz", bytes, size - 1};
    platform.tree.wanted = true;
    if (data[0] == 't')
        platform.tree.base = file;
    else
        platform.tree.overlay[platform.tree.overlay_count++] = file;
    int r = x86_64_load(&platform, &kernel, &initrd, &entry);
    must(r == 0 || r == -EINVAL || r == -ENOMEM, "a tree is taken, or refused for a known reason");
    if (r == 0)
        check_loaded(&mem, &entry);
    must(madvise(mem.host, mem.size, MADV_REMOVE) == 0, "RAM can be emptied");
    free(bytes);
    return 0;
}
