/* SPDX-License-Identifier: BSD-3-Clause */
/* See disk.h. So the guest gets the modules of one file system, and a wrong disk costs no boot. */
#include "vmm/run/disk.h"

#include "vmm/base/base.h"
#include "vmm/base/log.h"
#include "vmm/config/opts.h"

#include <fcntl.h>
#include <string.h>

#define SECTOR_BYTES 512

static const struct {
    const char *type;
    off_t at;
    const char *mark;
} marks[] = {
    {"ext4", 1080, "\x53\xef"}, {"erofs", 1024, "\xe2\xe1\xf5\xe0"}, {"squashfs", 0, "hsqs"},
    {"xfs", 0, "XFSB"},         {"btrfs", 65600, "_BHRfS_M"},
};

/* True if the bytes of `mark` are there. */
static bool has(int fd, off_t at, const char *mark)
{
    char bytes[8];
    const size_t size = strlen(mark);

    return pread(fd, bytes, size, at) == (ssize_t)size && memcmp(bytes, mark, size) == 0;
}

static const char *type_at(int fd, off_t base)
{
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        if (has(fd, base + marks[i].at, marks[i].mark))
            return marks[i].type;
    return NULL;
}

/* Where the first partition begins, by an MBR or a GPT; 0: there is none. */
static off_t partition_find(int fd)
{
    le32 first = {0};
    le64 start = {0};

    if (!has(fd, 510, "\x55\xaa"))
        return 0;
    if (has(fd, SECTOR_BYTES, "EFI PART"))
        (void)!pread(fd, &start, sizeof(start), 2 * SECTOR_BYTES + 32); /* the usual place */
    else if (pread(fd, &first, sizeof(first), 446 + 8) == sizeof(first))
        start = to_le64(from_le32(first));
    return from_le64(start) < INT64_MAX / 2 / SECTOR_BYTES ? (off_t)from_le64(start) * SECTOR_BYTES
                                                           : 0;
}

int run_disk_find(const char *path, struct run_disk *ret_disk)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return log_error(-errno, "--root disk: %s", path);
    *ret_disk = (struct run_disk){.type = type_at(fd, 0), .device = "/dev/vda"};
    off_t partition = ret_disk->type == NULL ? partition_find(fd) : 0;
    if (partition > 0)
        *ret_disk = (struct run_disk){.type = type_at(fd, partition), .device = "/dev/vda1"};
    if (ret_disk->type == NULL)
        return opts_error("--root disk: %s has no ext4, erofs, squashfs, xfs or btrfs, nor has its "
                          "first partition",
                          path);
    return 0;
}
