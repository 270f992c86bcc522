/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes an entry of the kernel cache: what is behind the key in its header, and how long it is.
 * The first byte is the file's pages behind the header, the rest the header from the entry point
 * on.
 *
 * Beyond memory safety: an entry is taken or not, and then RAM outside of the kernel's room is as
 * it was.
 */
#include "arch/kernel_cache.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>

#define PAGE      4096
#define RAM_BYTES (64 * PAGE)
#define ROOM_AT   (16 * PAGE)

static struct kernel_cache cache;
static struct memory mem;
static int entry_fd;

/* The entry's name stays until the program ends. */
static char folder[] = "/tmp/linnet-fuzz-XXXXXX";

static void clean_up(void)
{
    (void)unlinkat(cache.folder_fd, cache.name, 0);
    (void)rmdir(folder);
}

static void prepare(void)
{
    const struct stat kernel = {.st_ino = 7};

    must(mkdtemp(folder) != NULL && atexit(clean_up) == 0, "there is a folder");
    must(kernel_cache_open(&cache, folder, &kernel) == 0, "the cache opens");
    entry_fd = openat(cache.folder_fd, cache.name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(entry_fd >= 0, "there is an entry");
    must(memory_create(&mem, RAM_BYTES, &(struct memory_layout){0, RAM_BYTES, RAM_BYTES},
                       MEMORY_PAGES_OFF) == 0,
         "RAM is made");
}

/* Key, what comes behind it, pages. */
static void write_entry(const uint8_t *data, size_t size)
{
    static uint8_t file[65 * PAGE];
    size_t file_size = (1 + (size_t)data[0] % 64) * PAGE;

    memset(file, 0xee, file_size);
    memcpy(file, &cache.key, sizeof(cache.key));
    memcpy(file + sizeof(cache.key), data + 1, MIN(size - 1, PAGE - sizeof(cache.key)));
    must(ftruncate(entry_fd, (off_t)file_size) == 0, "the entry has a size");
    must(pwrite(entry_fd, file, file_size, 0) == (ssize_t)file_size, "the entry is written");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct kernel_piece room = {ROOM_AT, 32 * PAGE};
    static const uint8_t zero[RAM_BYTES];
    gpa_t entry = 0;

    if (size == 0)
        return 0;
    if (mem.host == NULL)
        prepare();
    write_entry(data, size);
    memset(mem.host, 0, mem.size);
    bool taken = kernel_cache_load(&cache, &mem, &room, &entry);
    must(taken == (entry != 0), "there is an entry point if it is taken");
    must(!taken || (entry >= room.addr && entry < room.addr + room.size), "it is in the room");
    if (taken)
        memset(mem.host + room.addr, 0, room.size);
    must(memcmp(mem.host, zero, RAM_BYTES) == 0, "other RAM is as it was");
    return 0;
}
