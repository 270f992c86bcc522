/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes kernel images: the first byte says how to load, the rest is the file.
 *
 *   bit 0  unpack a bzImage here     bit 1  with an initrd     bit 2  2 MiB of RAM, else 32
 *
 * Beyond memory safety: an image is refused with one of x86_64_load()'s errors, or the entry point
 * and the initrd are in RAM and what the loader promises is there.
 */
#include "arch/x86_64/x86_64.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>

#define RAM_BYTES    (32 << 20)
#define LITTLE_BYTES (2 << 20)
#define BOOT_PARAMS  0x7000

static uint32_t get_le32(const uint8_t *at)
{
    le32 wire;

    memcpy(&wire, at, sizeof(wire));
    return from_le32(wire);
}

/* Both machines are made once: a run leaves them zeroed. */
static const struct memory *ram(bool little)
{
    static struct memory mem[2];

    if (mem[little].host == NULL)
        must(memory_create(&mem[little], little ? LITTLE_BYTES : RAM_BYTES,
                           &(struct memory_layout){0, 0xc0000000, 0x100000000},
                           MEMORY_PAGES_OFF) == 0,
             "RAM is made");
    return &mem[little];
}

static void check_loaded(const struct memory *mem, const struct arch_entry *entry,
                         const struct image *initrd)
{
    const uint8_t *params = memory_at(mem, BOOT_PARAMS, 4096);

    must(entry->pc >= 0x100000 && entry->pc < mem->size, "the entry point is in RAM");
    must(memcmp(memory_at(mem, 0xe0000, 8), "RSD PTR ", 8) == 0, "there are tables");
    if (entry->kind == ENTRY_PVH32 || initrd->size == 0)
        return;
    const uint8_t *copy = memory_at(mem, get_le32(params + 0x218), initrd->size);
    must(get_le32(params + 0x21c) == initrd->size, "the kernel knows the initrd's size");
    must(copy != NULL && memcmp(copy, initrd->bytes, initrd->size) == 0, "the initrd is in RAM");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t initrd_bytes[5000] = {1, 2, 3};

    if (size == 0)
        return 0;
    const struct memory *mem = ram((data[0] & 4) != 0);
    struct image kernel = {"fuzz", data + 1, size - 1};
    struct image initrd = {"initrd", initrd_bytes, (data[0] & 2) != 0 ? sizeof(initrd_bytes) : 0};
    struct platform platform = {
        .cpu_count = 1, .mem = mem, .cmdline = "quiet", .direct = (data[0] & 1) != 0};
    struct arch_entry entry;
    int r = x86_64_load(&platform, &kernel, &initrd, &entry);
    must(r == 0 || r == -ENOEXEC || r == -EBADMSG || r == -ENOMEM || r == -E2BIG,
         "an image is taken, or refused for a known reason");
    if (r == 0)
        check_loaded(mem, &entry, &initrd);
    must(madvise(mem->host, mem->size, MADV_REMOVE) == 0, "RAM can be emptied");
    return 0;
}
