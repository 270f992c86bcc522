/* SPDX-License-Identifier: BSD-3-Clause */
/* What changes data of files that are open, and makes it last. */
#include "devices/fs/fs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int fs_do_write(struct fs *fs, struct request *req)
{
    const struct fuse_write_in *in = req->args;
    const struct handle *handle = fs_file_of(fs, req->head.nodeid, in->fh);
    struct fuse_write_out out = {0};
    bool cached = (in->write_flags & FUSE_WRITE_CACHE) != 0; /* the handle is any of the file's */
    ssize_t done;
    int count;

    if (handle == NULL)
        return -EBADF;
    if (in->size != chain_readable(req->chain) || in->size > FS_DATA_MAX ||
        in->offset > (uint64_t)INT64_MAX - in->size)
        return -EINVAL;
    count = chain_read_iov(req->chain, in->size, fs->iov, FS_IOVS_MAX);
    if (count < 0)
        return count;
    done = pwritev2(handle->fd, fs->iov, count, (off_t)in->offset,
                    !cached && (in->flags & O_APPEND) != 0 ? RWF_APPEND : 0);
    if (done < 0)
        return -errno;
    if ((in->write_flags & FUSE_WRITE_KILL_SUIDGID) != 0)
        (void)fs_kill_suid(handle->fd); /* the data are written, whatever comes of it */
    out.size = (uint32_t)done;
    return fs_answer(fs, &out, sizeof(out));
}

static int sync_handle(const struct request *req, const struct handle *handle)
{
    const struct fuse_fsync_in *in = req->args;
    int r;

    if (handle == NULL)
        return -EBADF;
    r = (in->fsync_flags & FUSE_FSYNC_FDATASYNC) != 0 ? fdatasync(handle->fd) : fsync(handle->fd);
    return r < 0 ? -errno : 0;
}

int fs_do_fsync(struct fs *fs, struct request *req)
{
    const struct fuse_fsync_in *in = req->args;

    return sync_handle(req, fs_file_of(fs, req->head.nodeid, in->fh));
}

int fs_do_fsyncdir(struct fs *fs, struct request *req)
{
    const struct fuse_fsync_in *in = req->args;

    return sync_handle(req, fs_folder_of(fs, req, in->fh));
}

/* The guest's sync(1): of the file system that the share is on. */
int fs_do_syncfs(struct fs *fs, struct request *req)
{
    auto_close int fd = fs_keep(
        fs, openat(fs->inodes.inode[FUSE_ROOT_ID].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    (void)req;
    if (fd < 0)
        return fd;
    return syncfs(fd) < 0 ? -errno : 0;
}

int fs_do_fallocate(struct fs *fs, struct request *req)
{
    const struct fuse_fallocate_in *in = req->args;
    const struct handle *handle = fs_file_of(fs, req->head.nodeid, in->fh);
    const uint32_t known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;

    if (handle == NULL)
        return -EBADF;
    if ((in->mode & ~known) != 0)
        return -EOPNOTSUPP;
    if (fallocate(handle->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0)
        return -errno;
    return 0;
}

int fs_do_copy_file_range(struct fs *fs, struct request *req)
{
    const struct fuse_copy_file_range_in *in = req->args;
    const struct handle *from = fs_file_of(fs, req->head.nodeid, in->fh_in);
    const struct handle *to = fs_file_of(fs, in->nodeid_out, in->fh_out);
    off_t off_in = (off_t)in->off_in, off_out = (off_t)in->off_out;
    struct fuse_write_out out = {0};
    ssize_t done;

    if (from == NULL || to == NULL)
        return -EBADF;
    if (in->flags != 0)
        return -EINVAL;
    done = copy_file_range(from->fd, &off_in, to->fd, &off_out, MIN(in->len, (uint64_t)FS_DATA_MAX),
                           0);
    if (done < 0)
        return -errno;
    out.size = (uint32_t)done;
    return fs_answer(fs, &out, sizeof(out));
}
