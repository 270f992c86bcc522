/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See kernel_cache.h. Who writes an entry holds a lock (flock) on NAME.new, and so does who throws
 * a file away; rename and removal of a name are done by nobody else, so the file renamed is the one
 * that was written. A writer that finds the lock taken leaves the work to the other.
 */
#include "arch/kernel_cache.h"

#include "vmm/base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define NAME_PREFIX  "kernel-"
#define NAME_NEW     ".new"

/* Zeroes of fewer pages between two pieces are kept with them. */
#define GAP_PAGES_MIN 16

/* Names looked at, and files thrown away, in one go. */
#define NAMES_MAX   4096
#define DISCARD_MAX 64

struct header_piece {
    le64 addr, size;
};

/* Of an entry, at 0; the first piece follows at the next page. */
struct header {
    struct kernel_cache_key key;
    le64 entry;
    le64 count;
    struct header_piece piece[KERNEL_PIECES_MAX];
};

static uint64_t page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* -- the folder -- */

int kernel_cache_folder(char ret_path[PATH_MAX])
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int len;

    if (xdg != NULL && xdg[0] == '/')
        len = snprintf(ret_path, PATH_MAX, "%s/linnet", xdg);
    else if (home != NULL && home[0] == '/')
        len = snprintf(ret_path, PATH_MAX, "%s/.cache/linnet", home);
    else
        return -ENOENT;
    return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* What cannot be made cannot be opened, which says why. */
static int folder_open(const char *path)
{
    auto_free char *parent = strdup(path);
    struct stat st;

    if (parent == NULL)
        return -ENOMEM;
    char *slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent) {
        *slash = '\0';
        (void)mkdir(parent, 0700);
    }
    (void)mkdir(path, 0700);
    auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return -EPERM;
    return fd_take(&fd);
}

/* -- the key -- */

static int read_boot_id(char *ret_id, size_t size)
{
    auto_close int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, ret_id, size);
    if (n <= 0)
        return n < 0 ? -errno : -ENODATA;
    return 0;
}

static le64 wire_s(int64_t seconds)
{
    return to_le64((uint64_t)seconds);
}

static int key_make(const struct stat *kernel, struct kernel_cache_key *ret_key)
{
    struct kernel_cache_key key = {
        .magic = "linnetK1",
        .device = to_le64(kernel->st_dev),
        .inode = to_le64(kernel->st_ino),
        .size = wire_s(kernel->st_size),
        .mtime_s = wire_s(kernel->st_mtim.tv_sec),
        .mtime_ns = wire_s(kernel->st_mtim.tv_nsec),
        .ctime_s = wire_s(kernel->st_ctim.tv_sec),
        .ctime_ns = wire_s(kernel->st_ctim.tv_nsec),
    };
    int r = read_boot_id(key.boot_id, sizeof(key.boot_id));

    if (r == 0)
        *ret_key = key;
    return r;
}

int kernel_cache_open(struct kernel_cache *cache, const char *folder, const struct stat *kernel)
{
    struct timespec now;

    *cache = (struct kernel_cache){.bytes_max = KERNEL_CACHE_BYTES_MAX};
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    if (now.tv_sec - kernel->st_ctim.tv_sec <= KERNEL_AGE_MIN_S ||
        now.tv_sec - kernel->st_mtim.tv_sec <= KERNEL_AGE_MIN_S)
        return -EAGAIN;
    int r = key_make(kernel, &cache->key);
    if (r < 0)
        return r;
    r = folder_open(folder);
    if (r < 0)
        return r;
    cache->folder_fd = r;
    cache->open = true;
    (void)snprintf(cache->name, sizeof(cache->name), NAME_PREFIX "%llx-%llx",
                   (unsigned long long)kernel->st_dev, (unsigned long long)kernel->st_ino);
    return 0;
}

void kernel_cache_close(struct kernel_cache *cache)
{
    if (cache->open)
        fd_close(&cache->folder_fd);
    *cache = (struct kernel_cache){0};
}

/* -- an entry, to read -- */

/* Nobody but this user can have written it. */
static bool is_ours(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
           (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Are the pieces whole pages in `room`, in order, as many as the file has, and the entry in one? */
static bool header_is_sane(const struct header *header, const struct kernel_piece *room,
                           uint64_t file_size)
{
    const uint64_t page = page_bytes();
    const gpa_t entry = from_le64(header->entry), room_end = room->addr + room->size;
    gpa_t free_from = room->addr;
    uint64_t file_used = page;
    bool entry_seen = false;

    if (from_le64(header->count) > KERNEL_PIECES_MAX)
        return false;
    for (uint64_t i = 0; i < from_le64(header->count); i++) {
        gpa_t addr = from_le64(header->piece[i].addr);
        uint64_t size = from_le64(header->piece[i].size);
        if (addr % page != 0 || size % page != 0 || addr < free_from || addr > room_end ||
            size > room_end - addr)
            return false;
        entry_seen |= entry >= addr && entry - addr < size;
        free_from = addr + size;
        file_used += size;
    }
    return entry_seen && file_used == file_size;
}

/* The entry's descriptor, header and size, or -errno: -ESTALE it is for another kernel, or not
 * sane.
 */
static int entry_open(const struct kernel_cache *cache, const struct kernel_piece *room,
                      struct header *ret_header, uint64_t *ret_size)
{
    auto_close int fd = openat(cache->folder_fd, cache->name,
                               O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!is_ours(&st))
        return -EPERM;
    if (pread(fd, ret_header, sizeof(*ret_header), 0) != sizeof(*ret_header) ||
        memcmp(&ret_header->key, &cache->key, sizeof(cache->key)) != 0 ||
        !header_is_sane(ret_header, room, (uint64_t)st.st_size))
        return -ESTALE;
    *ret_size = (uint64_t)st.st_size;
    return fd_take(&fd);
}

static int read_all(int fd, void *ret_bytes, uint64_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t n = pread(fd, ret_bytes, size, (off_t)offset);
        if (n <= 0)
            return n < 0 ? -errno : -ESTALE; /* cut off meanwhile */
        ret_bytes = (uint8_t *)ret_bytes + n;
        size -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* Reads an entry's pieces into RAM: 0, or -errno and RAM is as it was. (A mapping of the file would
 * cost a fault each 64 KiB and its end, more than half of the copy; and a SIGBUS, were it cut off.)
 */
static int read_pieces(const struct memory *mem, const struct header *header, int fd)
{
    uint64_t offset = page_bytes();
    int r = 0;

    for (uint64_t i = 0; i < from_le64(header->count) && r == 0; i++) {
        uint64_t size = from_le64(header->piece[i].size);
        r = read_all(fd, memory_at(mem, from_le64(header->piece[i].addr), size), size, offset);
        offset += size;
    }
    for (uint64_t i = 0; i < from_le64(header->count) && r < 0; i++)
        memory_clear(mem, from_le64(header->piece[i].addr), from_le64(header->piece[i].size));
    return r;
}

bool kernel_cache_load(const struct kernel_cache *cache, const struct memory *mem,
                       const struct kernel_piece *room, gpa_t *ret_entry)
{
    struct header header;
    uint64_t size;

    if (cache == NULL || !cache->open)
        return false;
    auto_close int fd = entry_open(cache, room, &header, &size);
    int r = fd < 0 ? fd : read_pieces(mem, &header, fd);
    if (r < 0) {
        log_debug("kernel cache: %s: not there: %s", cache->name, strerror(-r));
        return false;
    }
    (void)futimens(fd, NULL); /* used now; if that can't be told, it is thrown away the sooner */
    log_debug("kernel cache: %s: taken, %llu KiB", cache->name, (unsigned long long)(size >> 10));
    *ret_entry = from_le64(header.entry);
    return true;
}

/* -- an entry, to write -- */

/* Opens a file of the folder, and locks it if it is ours and nobody has; then its name is not
 * changed by others. */
static int lock_named(const struct kernel_cache *cache, const char *name, int flags)
{
    auto_close int fd = openat(cache->folder_fd, name,
                               flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    struct stat mine, named;

    if (fd < 0 || fstat(fd, &mine) < 0)
        return -errno;
    if (!S_ISREG(mine.st_mode) || mine.st_uid != geteuid())
        return -EPERM;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    if (fstatat(cache->folder_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (named.st_dev != mine.st_dev || named.st_ino != mine.st_ino)
        return -ESTALE;
    return fd_take(&fd);
}

static bool page_is_zero(const uint8_t *page, uint64_t size)
{
    return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

/* Fills the header's pieces with the pages that are not zero. */
static void find_pages(const struct memory *mem, const struct kernel_image *image,
                       struct header *header)
{
    const uint64_t page = page_bytes();
    struct kernel_piece found[KERNEL_PIECES_MAX];
    unsigned used = 0;
    gpa_t at = 0;

    for (unsigned i = 0; i < image->count; i++) {
        gpa_t end = image->piece[i].addr + image->piece[i].size;
        for (at = MAX(at, image->piece[i].addr / page * page); at < end; at += page) {
            const uint8_t *bytes = memory_at(mem, at, page);
            assert(bytes != NULL);
            if (page_is_zero(bytes, page))
                continue;
            struct kernel_piece *last = &found[used > 0 ? used - 1 : 0];
            if (used == KERNEL_PIECES_MAX ||
                (used > 0 && at - (last->addr + last->size) < GAP_PAGES_MIN * page))
                last->size = at + page - last->addr;
            else
                found[used++] = (struct kernel_piece){at, page};
        }
    }
    header->count = to_le64(used);
    for (unsigned i = 0; i < used; i++)
        header->piece[i] = (struct header_piece){to_le64(found[i].addr), to_le64(found[i].size)};
}

static int write_all(int fd, const void *bytes, uint64_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, bytes, size, (off_t)offset);
        if (n <= 0)
            return n < 0 ? -errno : -ENOSPC;
        bytes = (const uint8_t *)bytes + n;
        size -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static int entry_write(int fd, const struct memory *mem, const struct header *header)
{
    uint64_t offset = page_bytes();
    int r = 0;

    _Static_assert(sizeof(*header) <= 4096, "the header is one page, of any size");
    if (ftruncate(fd, 0) < 0 || fchmod(fd, 0600) < 0)
        return -errno;
    for (uint64_t i = 0; i < from_le64(header->count) && r == 0; i++) {
        uint64_t size = from_le64(header->piece[i].size);
        r = write_all(fd, memory_at(mem, from_le64(header->piece[i].addr), size), size, offset);
        offset += size;
    }
    return r < 0 ? r : write_all(fd, header, sizeof(*header), 0);
}

/* Writes NAME.new and gives it its name. -EEXIST: somebody was faster. */
static int entry_make(const struct kernel_cache *cache, const struct memory *mem,
                      const struct kernel_piece *room, struct header *header)
{
    char name_new[sizeof(cache->name) + sizeof(NAME_NEW)];
    struct header present;
    uint64_t size;

    (void)snprintf(name_new, sizeof(name_new), "%s" NAME_NEW, cache->name);
    auto_close int fd = lock_named(cache, name_new, O_RDWR | O_CREAT);
    if (fd < 0)
        return fd;
    auto_close int other = entry_open(cache, room, &present, &size);
    int r = other >= 0 ? -EEXIST : entry_write(fd, mem, header);
    if (r == 0 && renameat(cache->folder_fd, name_new, cache->folder_fd, cache->name) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(cache->folder_fd, name_new, 0); /* else it is for the next to overwrite */
    return r;
}

/* -- the folder's size -- */

/* All bytes of the folder's entries, finished or not, and the name of the one longest unused. */
static uint64_t folder_bytes(const struct kernel_cache *cache, char ret_oldest[NAME_MAX + 1])
{
    int fd = openat(cache->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct timespec oldest = {.tv_sec = INT64_MAX};
    uint64_t sum = 0;
    struct dirent *item;

    if (folder == NULL) {
        fd_close(&fd);
        return 0;
    }
    for (unsigned i = 0; i < NAMES_MAX && (item = readdir(folder)) != NULL; i++) {
        struct stat st;
        if (strncmp(item->d_name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0 ||
            fstatat(fd, item->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        sum += (uint64_t)st.st_size;
        if (st.st_mtim.tv_sec < oldest.tv_sec ||
            (st.st_mtim.tv_sec == oldest.tv_sec && st.st_mtim.tv_nsec < oldest.tv_nsec)) {
            oldest = st.st_mtim;
            (void)snprintf(ret_oldest, NAME_MAX + 1, "%s", item->d_name);
        }
    }
    (void)closedir(folder); /* fails on our own bugs only */
    return sum;
}

static void trim(const struct kernel_cache *cache)
{
    char oldest[NAME_MAX + 1];

    for (unsigned i = 0; i < DISCARD_MAX; i++) {
        if (folder_bytes(cache, oldest) <= cache->bytes_max)
            return;
        auto_close int fd = lock_named(cache, oldest, O_RDONLY);
        if (fd < 0 || unlinkat(cache->folder_fd, oldest, 0) < 0)
            return; /* somebody else has it in hand */
        log_debug("kernel cache: %s: thrown away", oldest);
    }
}

void kernel_cache_store(const struct kernel_cache *cache, const struct memory *mem,
                        const struct kernel_piece *room, const struct kernel_image *image)
{
    struct header header = {0};

    if (cache == NULL || !cache->open)
        return;
    header.key = cache->key;
    header.entry = to_le64(image->entry);
    find_pages(mem, image, &header);
    int r = entry_make(cache, mem, room, &header);
    if (r < 0) {
        log_debug("kernel cache: %s: not kept: %s", cache->name, strerror(-r));
        return;
    }
    log_debug("kernel cache: %s: kept", cache->name);
    trim(cache);
}
