/* SPDX-License-Identifier: BSD-3-Clause */
/* See image.h. */
#include "devices/blk/image.h"

#include "devices/blk/lock.h"
#include "vmm/base/log.h"
#include "vmm/base/sparse.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* What filesystems write at once; said of a file, whose own blocks nobody knows. */
#define FILE_BLOCK_BYTES 4096u

/* -- opening -- */

static int refuse_open(const char *path, bool writing)
{
    if (errno == ENOENT)
        return opts_error("--disk path: there is no %s; `truncate -s 10G %s` makes an empty disk",
                          path, path);
    if (writing && (errno == EACCES || errno == EROFS || errno == EPERM || errno == ETXTBSY))
        return opts_error("--disk path: %s can't be written: %s; add ro or overlay to leave it as "
                          "it is",
                          path, strerror(errno));
    return opts_error("--disk path: %s: %s", path, strerror(errno));
}

/* A block device that this host has in use is not written, and one that another machine writes has
 * its lock. */
static int refuse_busy(const char *path)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && blk_lock(fd, "--disk path", path, false) < 0)
        return -EINVAL;
    return opts_error("--disk path: %s is in use by this host (mounted?); unmount it, or add ro or "
                      "overlay",
                      path);
}

static int open_image(struct blk_image *image, const char *path, bool writing)
{
    int *fd = &image->file[BLK_FILE_IMAGE];
    struct stat facts;

    if (stat(path, &facts) < 0)
        return refuse_open(path, false);
    bool device = S_ISBLK(facts.st_mode);
    if (!device && !S_ISREG(facts.st_mode))
        return opts_error("--disk path: %s is neither a file nor a block device", path);
    *fd = open(path, O_CLOEXEC | (writing ? O_RDWR : O_RDONLY) | (writing && device ? O_EXCL : 0));
    if (*fd < 0)
        return errno == EBUSY ? refuse_busy(path) : refuse_open(path, writing);
    int logical = BLK_SECTOR_BYTES, protected = 0;
    unsigned physical = FILE_BLOCK_BYTES;
    if (device && (ioctl(*fd, BLKSSZGET, &logical) < 0 || ioctl(*fd, BLKPBSZGET, &physical) < 0 ||
                   ioctl(*fd, BLKROGET, &protected) < 0))
        return log_error(-ENODEV, "--disk path: %s: block size", path);
    if (writing && protected != 0) {
        errno = EROFS; /* which most devices say of writes alone */
        return refuse_open(path, true);
    }
    image->device = device;
    image->block_bytes = (uint32_t)logical;
    image->physical_bytes = physical;
    return 0;
}

static int measure(struct blk_image *image, const char *path)
{
    off_t bytes = lseek(image->file[BLK_FILE_IMAGE], 0, SEEK_END);

    if (bytes < 0)
        return log_error(-errno, "--disk path: %s: size", path);
    if (bytes < (off_t)BLK_SECTOR_BYTES)
        return opts_error("--disk path: %s has %lld bytes, and a disk at least %u; "
                          "`truncate -s 1G %s` makes it larger",
                          path, (long long)bytes, BLK_SECTOR_BYTES, path);
    if (bytes % image->block_bytes != 0)
        return opts_error("--disk path: %s has %lld bytes, which is no multiple of %u; "
                          "`truncate -s %%%u %s` makes it one",
                          path, (long long)bytes, image->block_bytes, image->block_bytes, path);
    image->bytes = (uint64_t)bytes;
    return 0;
}

/* -- the overlay -- */

/* A file without a name; where the filesystem has none, its name goes at once. */
static int open_nameless(const char *folder)
{
    char name[PATH_MAX];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0)
        return fd;
    if (snprintf(name, sizeof(name), "%s/linnet-overlay-XXXXXX", folder) >= (int)sizeof(name))
        return -ENAMETOOLONG;
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    (void)unlink(name); /* it was ours a moment ago */
    return fd;
}

static size_t written_bytes(const struct blk_image *image)
{
    return (size_t)(image->bytes / BLK_SECTOR_BYTES + 7) / 8;
}

static int make_overlay(struct blk_image *image)
{
    const char *folder = getenv("TMPDIR");

    if (folder == NULL || folder[0] == '\0')
        folder = "/var/tmp";
    int fd = open_nameless(folder);
    if (fd < 0)
        return opts_error("--disk overlay: no file in %s: %s; set TMPDIR to a folder with room",
                          folder, strerror(-fd));
    image->file[BLK_FILE_OVERLAY] = fd;
    if (ftruncate(fd, (off_t)image->bytes) < 0)
        return log_error(-errno, "--disk overlay: a file of %llu bytes in %s",
                         (unsigned long long)image->bytes, folder);
    image->written = sparse_map(written_bytes(image)); /* touched: a 4096th of what is written */
    return image->written == NULL ? log_error(-ENOMEM, "--disk overlay") : 0;
}

static bool is_written(const struct blk_image *image, uint64_t sector)
{
    return (image->written[sector / 8] >> sector % 8 & 1) != 0;
}

unsigned blk_image_source(const struct blk_image *image, uint64_t offset, uint64_t *len)
{
    if (image->written == NULL)
        return BLK_FILE_IMAGE;
    uint64_t sector = offset / BLK_SECTOR_BYTES, count = *len / BLK_SECTOR_BYTES, same = 1;
    bool written = is_written(image, sector);
    while (same < count && is_written(image, sector + same) == written)
        same++;
    *len = same * BLK_SECTOR_BYTES;
    return written ? BLK_FILE_OVERLAY : BLK_FILE_IMAGE;
}

void blk_image_wrote(struct blk_image *image, uint64_t offset, uint64_t len)
{
    if (image->written == NULL)
        return;
    uint64_t first = offset / BLK_SECTOR_BYTES, end = first + len / BLK_SECTOR_BYTES;
    for (uint64_t sector = first; sector < end; sector++)
        image->written[sector / 8] |= (uint8_t)(1u << sector % 8);
}

/* -- past the host's cache -- */

static int open_direct(struct blk_image *image, const char *path)
{
    struct statx facts;
    char self[64];
    int access = fcntl(image->file[BLK_FILE_IMAGE], F_GETFL) & O_ACCMODE;

    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", image->file[BLK_FILE_IMAGE]);
    image->file[BLK_FILE_DIRECT] = open(self, O_CLOEXEC | O_DIRECT | access);
    if (image->file[BLK_FILE_DIRECT] < 0)
        return opts_error("--disk direct: %s: its filesystem can't do without a cache (%s); leave "
                          "direct out",
                          path, strerror(errno));
    image->direct_offset_bytes = image->direct_base_bytes =
        MAX(image->block_bytes, FILE_BLOCK_BYTES);
    if (statx(image->file[BLK_FILE_DIRECT], "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) == 0 &&
        (facts.stx_mask & STATX_DIOALIGN) != 0 && facts.stx_dio_offset_align > 0) {
        image->direct_offset_bytes = facts.stx_dio_offset_align;
        image->direct_base_bytes = facts.stx_dio_mem_align;
    }
    return 0;
}

bool blk_image_is_direct(const struct blk_image *image, uint64_t offset, const struct iovec *iov,
                         unsigned iov_count)
{
    bool fits = image->file[BLK_FILE_DIRECT] >= 0 && offset % image->direct_offset_bytes == 0;

    for (unsigned i = 0; i < iov_count && fits; i++)
        fits = (uintptr_t)iov[i].iov_base % image->direct_base_bytes == 0 &&
               iov[i].iov_len % image->direct_offset_bytes == 0;
    return fits;
}

/* -- all of it -- */

int blk_image_open(struct blk_image *image, const struct opts *opts)
{
    const char *path = opts_str(opts, "path");
    bool overlay = opts_bool(opts, "overlay");

    *image = (struct blk_image){.file = {-1, -1, -1}, .read_only = opts_bool(opts, "ro")};
    if (overlay && image->read_only)
        return opts_error("--disk overlay: nothing is written with ro; leave one of them out");
    bool writing = !overlay && !image->read_only;
    int r = open_image(image, path, writing);
    if (r == 0)
        r = blk_lock(image->file[BLK_FILE_IMAGE], "--disk path", path, writing);
    if (r == 0)
        r = measure(image, path);
    if (r == 0 && opts_bool(opts, "direct"))
        r = open_direct(image, path);
    if (r == 0 && overlay)
        r = make_overlay(image);
    return r;
}

void blk_image_close(struct blk_image *image)
{
    sparse_unmap(image->written, written_bytes(image));
    image->written = NULL;
    for (unsigned i = 0; i < BLK_FILES_MAX; i++)
        fd_close(&image->file[i]);
}
