/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extended attributes, as they are on the host. By the path to our descriptor, since an O_PATH one
 * has none.
 */
#include "devices/fs/fs.h"

#include <string.h>
#include <sys/xattr.h>

/* The name of an attribute, and the path to the file that has it. */
static int take_name(const struct request *req, size_t *at, const char **ret_name,
                     char ret_path[FS_PROC_PATH_SIZE])
{
    (void)fs_proc_path(req->inode->fd, ret_path);
    return req->inode->sealed ? -EOPNOTSUPP : request_string(req, at, ret_name);
}

/* Answers with `got`, the value's length or -1: in bytes if the guest asked for none. */
static int answer_value(struct fs *fs, uint32_t size, ssize_t got)
{
    struct fuse_getxattr_out out = {.size = (uint32_t)got};

    if (got < 0)
        return -errno;
    if (size > 0)
        return (int)got;
    return fs_answer(fs, &out, sizeof(out));
}

int fs_do_getxattr(struct fs *fs, struct request *req)
{
    const struct fuse_getxattr_in *in = req->args;
    char path[FS_PROC_PATH_SIZE];
    const char *name;
    size_t at = sizeof(*in);
    int r = take_name(req, &at, &name, path);

    if (r < 0)
        return r;
    return answer_value(fs, in->size,
                        getxattr(path, name, fs->reply, MIN(in->size, (uint32_t)FS_REPLY_MAX)));
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
    int r = take_name(req, &at, &name, path);

    (void)fs;
    if (r < 0)
        return r;
    if (in->size != req->args_len - at)
        return -EINVAL;
    r = setxattr(path, name, (const uint8_t *)req->args + at, in->size, (int)in->flags);
    return r < 0 ? -errno : 0;
}

int fs_do_removexattr(struct fs *fs, struct request *req)
{
    char path[FS_PROC_PATH_SIZE];
    const char *name;
    size_t at = 0;
    int r = take_name(req, &at, &name, path);

    (void)fs;
    if (r == 0 && removexattr(path, name) < 0)
        r = -errno;
    return r;
}
