/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For guests: does to a file what is drawn by lot, and to a copy of it in memory, and looks whether
 * they are the same (as fsx of BSD does).
 *
 *   fsx FILE SEED COUNT
 *
 * Says which step went wrong, and how, or nothing. The same seed draws the same steps.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_BYTES (256u << 10)
#define LENGTH_MAX     (40u << 10)
#define BLOCK          4096u /* what O_DIRECT wants to be aligned to */

static uint8_t model[SIZE_MAX_BYTES];
static size_t model_size;
static _Alignas(4096) uint8_t buf[SIZE_MAX_BYTES];
static const char *path;
static int fd, direct_fd;
static uint64_t dice;
static unsigned long step;
static const char *what;

static void bad(const char *why, size_t at)
{
    (void)printf("fsx: step %lu, %s: %s, at %zu of %zu (%s)\n", step, what, why, at, model_size,
                 strerror(errno));
    exit(1);
}

static void must(int good, const char *why)
{
    if (!good)
        bad(why, 0);
}

static size_t draw(size_t below)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return below == 0 ? 0 : (size_t)(dice >> 33) % below;
}

static void random_bytes(size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)draw(256);
}

static void same(const uint8_t *got, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (got[i] != model[at + i])
            bad("other bytes", at + i);
}

/* What lies between the end and a larger one is zero, and has been zeroed in the model. */
static void set_size(size_t size)
{
    if (size < model_size)
        memset(model + size, 0, model_size - size);
    model_size = size;
}

static void put(size_t at, size_t len)
{
    memcpy(model + at, buf, len);
    if (at + len > model_size)
        model_size = at + len;
}

static void do_read(size_t at, size_t len)
{
    size_t expected = at >= model_size ? 0 : model_size - at < len ? model_size - at : len;

    must(pread(fd, buf, len, (off_t)at) == (ssize_t)expected, "another length");
    same(buf, at, expected);
}

static void do_write(size_t at, size_t len)
{
    random_bytes(len);
    must(pwrite(fd, buf, len, (off_t)at) == (ssize_t)len, "not all");
    put(at, len);
}

static void do_append(size_t at, size_t len)
{
    int end = open(path, O_WRONLY | O_APPEND);

    (void)at;
    if (model_size + len <= SIZE_MAX_BYTES) {
        random_bytes(len);
        must(write(end, buf, len) == (ssize_t)len, "not all");
        put(model_size, len);
    }
    must(end >= 0 && close(end) == 0, "close");
}

static void do_direct_read(size_t at, size_t len)
{
    at -= at % BLOCK;
    len += BLOCK - len % BLOCK;
    size_t expected = at >= model_size ? 0 : model_size - at < len ? model_size - at : len;
    must(pread(direct_fd, buf, len, (off_t)at) == (ssize_t)expected, "another length");
    same(buf, at, expected);
}

static void do_direct_write(size_t at, size_t len)
{
    at -= at % BLOCK;
    len -= len % BLOCK;
    random_bytes(len);
    must(pwrite(direct_fd, buf, len, (off_t)at) == (ssize_t)len, "not all");
    if (len > 0)
        put(at, len);
}

static void do_map(size_t at, size_t len, int write)
{
    size_t first = at - at % BLOCK;

    if (at >= model_size)
        return;
    if (len > model_size - at)
        len = model_size - at;
    if (len == 0)
        return;
    uint8_t *map =
        mmap(NULL, at + len - first, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)first);
    must(map != MAP_FAILED, "mmap");
    same(map + (at - first), at, len);
    if (write) {
        random_bytes(len);
        memcpy(map + (at - first), buf, len);
        put(at, len);
    }
    must(draw(2) == 0 || msync(map, at + len - first, MS_SYNC) == 0, "msync");
    must(munmap(map, at + len - first) == 0, "munmap");
}

static void do_map_read(size_t at, size_t len)
{
    do_map(at, len, 0);
}

static void do_map_write(size_t at, size_t len)
{
    do_map(at, len, 1);
}

static void do_truncate(size_t at, size_t len)
{
    (void)len;
    must((draw(2) == 0 ? ftruncate(fd, (off_t)at) : truncate(path, (off_t)at)) == 0, "truncate");
    set_size(at);
}

static void do_allocate(size_t at, size_t len)
{
    static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE};
    int mode = modes[draw(4)];

    if (len == 0)
        return;
    if (fallocate(fd, mode, (off_t)at, (off_t)len) < 0) {
        must(errno == EOPNOTSUPP, "fallocate"); /* the host's file system has no such thing */
        return;
    }
    if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && at + len > model_size)
        set_size(at + len);
    if (mode >= FALLOC_FL_PUNCH_HOLE && at < model_size)
        memset(model + at, 0, model_size - at < len ? model_size - at : len);
}

static void do_copy(size_t at, size_t len)
{
    size_t to = draw(SIZE_MAX_BYTES - LENGTH_MAX);
    off_t from_off = (off_t)at, to_off = (off_t)to;

    if (at >= model_size || at + len > model_size || (at < to + len && to < at + len) || len == 0)
        return;
    ssize_t done = copy_file_range(fd, &from_off, fd, &to_off, len, 0);
    must(done > 0, "copy_file_range");
    memcpy(buf, model + at, (size_t)done);
    put(to, (size_t)done);
}

static void do_sync(size_t at, size_t len)
{
    must((at % 2 == 0 ? fsync(fd) : fdatasync(fd)) == 0, "fsync");
    must(posix_fadvise(fd, 0, (off_t)len, POSIX_FADV_DONTNEED) == 0, "fadvise");
}

static void open_both(void)
{
    fd = open(path, O_RDWR | O_CREAT, 0644);
    must(fd >= 0, "open");
    direct_fd = open(path, O_RDWR | O_DIRECT);
    must(direct_fd >= 0, "open");
}

static void do_reopen(size_t at, size_t len)
{
    (void)at;
    (void)len;
    must(close(fd) == 0 && close(direct_fd) == 0, "close");
    open_both();
}

static void check_size(void)
{
    struct stat st;

    must(fstat(fd, &st) == 0, "fstat");
    if ((size_t)st.st_size != model_size)
        bad("another size", (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(size_t at, size_t len);
    } steps[] = {
        {"read", do_read},
        {"write", do_write},
        {"append", do_append},
        {"direct read", do_direct_read},
        {"direct write", do_direct_write},
        {"mapped read", do_map_read},
        {"mapped write", do_map_write},
        {"truncate", do_truncate},
        {"allocate", do_allocate},
        {"copy", do_copy},
        {"sync", do_sync},
        {"reopen", do_reopen},
    };
    unsigned long count;

    if (argc != 4)
        return 2;
    path = argv[1];
    dice = strtoull(argv[2], NULL, 10);
    count = strtoul(argv[3], NULL, 10);
    what = "begin";
    open_both();
    must(ftruncate(fd, 0) == 0, "truncate");
    for (step = 1; step <= count; step++) {
        size_t which = draw(sizeof(steps) / sizeof(steps[0]));
        size_t at = draw(SIZE_MAX_BYTES - LENGTH_MAX), len = draw(LENGTH_MAX - BLOCK);
        what = steps[which].name;
        steps[which].run(at, len);
        check_size();
    }
    do_reopen(0, 0);
    what = "end";
    do_read(0, SIZE_MAX_BYTES);
    return 0;
}
