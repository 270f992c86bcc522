/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extended attributes, as they are on the host. By the path to our descriptor, since an O_PATH one
 * has none.
 */
#include "devices/fs/fs.h"

#include <string.h>
#include <sys/xattr.h>

/* Answers with `got`, the value's length or -1: in bytes if the guest asked for none. */
static int answer_value(struct fs *fs, uint32_t size, ssize_t got)
{
    struct fuse_getxattr_out out = {.size = (uint32_t)got};

    if (got < 0)
        return -errno;
    if (size > 0)
        return (int)got;
    memcpy(fs->reply, &out, sizeof(out));
    return sizeof(out);
}

int fs_do_getxattr(struct fs *fs, struct request *req)
{
    const struct fuse_getxattr_in *in = req->args;
    char path[FS_PROC_PATH_SIZE];
    const char *name;
    size_t at = sizeof(*in);
    int r = request_string(req, &at, &name);

    if (r < 0)
        return r;
    if (req->inode->sealed)
        return -EOPNOTSUPP;
    return answer_value(fs, in->size,
                        getxattr(fs_proc_path(req->inode->fd, path), name, fs->reply,
                                 MIN(in->size, (uint32_t)FS_REPLY_MAX)));
}

int fs_do_listxattr(struct fs *fs, struct request *req)
{
    const struct fuse_getxattr_in *in = req->args;
    char path[FS_PROC_PATH_SIZE];

    if (req->inode->sealed)
        return -EOPNOTSUPP;
    return answer_value(fs, in->size,
                        listxattr(fs_proc_path(req->inode->fd, path), (char *)fs->reply,
                                  MIN(in->size, (uint32_t)FS_REPLY_MAX)));
}

int fs_do_setxattr(struct fs *fs, struct request *req)
{
    const struct fuse_setxattr_in *in = req->args;
    char path[FS_PROC_PATH_SIZE];
    const char *name;
    size_t at = FUSE_COMPAT_SETXATTR_IN_SIZE;
    int r = request_string(req, &at, &name);

    (void)fs;
    if (r < 0)
        return r;
    if (in->size != req->args_len - at)
        return -EINVAL;
    if (req->inode->sealed)
        return -EOPNOTSUPP;
    r = setxattr(fs_proc_path(req->inode->fd, path), name, (const uint8_t *)req->args + at,
                 in->size, (int)in->flags);
    return r < 0 ? -errno : 0;
}

int fs_do_removexattr(struct fs *fs, struct request *req)
{
    char path[FS_PROC_PATH_SIZE];
    const char *name;
    size_t at = 0;
    int r = request_string(req, &at, &name);

    (void)fs;
    if (r < 0)
        return r;
    if (req->inode->sealed)
        return -EOPNOTSUPP;
    return removexattr(fs_proc_path(req->inode->fd, path), name) < 0 ? -errno : 0;
}
