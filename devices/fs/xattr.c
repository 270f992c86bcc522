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
