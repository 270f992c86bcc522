/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data of regular files, which go between the file and guest memory directly. Anything else, a FIFO
 * or a device node, is never opened: the guest opens what it names in its own kernel.
 */
#include "devices/fs/fs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* -- opening -- */

int fs_open_file(struct fs *fs, const struct inode *inode, uint32_t flags)
{
    char path[FS_PROC_PATH_SIZE];
    int access = (int)(flags & O_ACCMODE);

    if (inode->type != S_IFREG || inode->sealed)
        return -EACCES;
    if (access == O_ACCMODE)
        return -EINVAL;
    if (access != O_RDONLY && !fs->writable)
        return -EROFS;
    return fs_keep(fs, open(fs_proc_path(inode->fd, path), access | O_CLOEXEC));
}

int fs_add_handle(struct fs *fs, int taken_fd, struct inode *inode, uint64_t *ret_fh)
{
    auto_close int fd = taken_fd;
    int r =
        handle_add(&fs->handles, fd, inode->type == S_IFDIR, inode_id(&fs->inodes, inode), ret_fh);

    if (r < 0)
        return r;
    (void)fd_take(&fd); /* the handle's now */
    inode_opened(&fs->inodes, inode);
    return 0;
}

void fs_close_handle(struct fs *fs, struct handle *handle)
{
    struct inode *inode = inode_by_id(&fs->inodes, handle->node);

    if (inode != NULL) /* the guest has not forgotten what it had open */
        inode_closed(&fs->inodes, inode);
    handle_close(&fs->handles, handle);
}

int fs_answer_open(struct fs *fs, int fd, struct inode *inode, struct fuse_open_out *ret_open)
{
    *ret_open = (struct fuse_open_out){.open_flags = fs->writable ? 0 : FOPEN_KEEP_CACHE};
    return fs_add_handle(fs, fd, inode, &ret_open->fh);
}

int fs_do_open(struct fs *fs, struct request *req)
{
    const struct fuse_open_in *in = req->args;
    struct fuse_open_out out;
    int r = fs_open_file(fs, req->inode, in->flags);

    if (r >= 0)
        r = fs_answer_open(fs, r, req->inode, &out);
    if (r < 0)
        return r;
    return fs_answer(fs, &out, sizeof(out));
}

struct handle *fs_file_of(const struct fs *fs, uint64_t node, uint64_t fh)
{
    struct handle *handle = handle_by_id(&fs->handles, fh, node);

    return handle != NULL && !handle->folder ? handle : NULL;
}

int fs_do_release(struct fs *fs, struct request *req)
{
    const struct fuse_release_in *in = req->args;
    struct handle *handle = fs_file_of(fs, req->head.nodeid, in->fh);

    if (handle == NULL)
        return -EBADF;
    fs_close_handle(fs, handle);
    return 0;
}

/* -- data -- */

/* Leaves out the first `len` bytes of what iov says; how many pieces are left. */
static unsigned iov_skip(struct iovec *iov, unsigned count, size_t len)
{
    unsigned done = 0;

    while (done < count && len >= iov[done].iov_len)
        len -= iov[done++].iov_len;
    if (done < count) {
        iov[done].iov_base = (uint8_t *)iov[done].iov_base + len;
        iov[done].iov_len -= len;
    }
    memmove(iov, iov + done, (count - done) * sizeof(iov[0]));
    return count - done;
}

/* Reads until there is no more: to a guest a short answer is the end of the file, which an error of
 * the disk half-way is not. */
static ssize_t read_all(int fd, struct iovec *iov, unsigned count, off_t offset)
{
    size_t got = 0;

    while (count > 0) {
        ssize_t r = preadv(fd, iov, (int)count, offset + (off_t)got);
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
        count = iov_skip(iov, count, (size_t)r);
    }
    return (ssize_t)got;
}

int fs_do_read(struct fs *fs, struct request *req)
{
    const struct fuse_read_in *in = req->args;
    const struct handle *handle = fs_file_of(fs, req->head.nodeid, in->fh);
    struct chain data = *req->chain; /* whose own cursor moves when the header is written */
    int count;

    if (handle == NULL)
        return -EBADF;
    if (in->size > req->room || in->size > FS_DATA_MAX ||
        in->offset > (uint64_t)INT64_MAX - in->size)
        return -EINVAL;
    (void)chain_skip_writable(&data, sizeof(struct fuse_out_header)); /* there is room */
    count = chain_write_iov(&data, in->size, fs->iov, FS_IOVS_MAX);
    if (count < 0)
        return count;
    req->in_place = true;
    return (int)read_all(handle->fd, fs->iov, (unsigned)count, (off_t)in->offset);
}

int fs_do_lseek(struct fs *fs, struct request *req)
{
    const struct fuse_lseek_in *in = req->args;
    const struct handle *handle = fs_file_of(fs, req->head.nodeid, in->fh);
    struct fuse_lseek_out out;
    off_t at;

    if (handle == NULL)
        return -EBADF;
    if (in->whence != SEEK_DATA && in->whence != SEEK_HOLE)
        return -EINVAL; /* the others are the guest's own affair */
    at = lseek(handle->fd, (off_t)in->offset, (int)in->whence);
    if (at < 0)
        return -errno;
    out.offset = (uint64_t)at;
    return fs_answer(fs, &out, sizeof(out));
}
