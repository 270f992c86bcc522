/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What changes folders and attributes; served of writable shares only. New files belong to whom
 * linnet runs as; to who made them, if that is root.
 */
#include "devices/fs/fs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* A name and the folder that it is in, which can be changed. */
static int take_name(const struct request *req, size_t *at, const char **ret_name)
{
    if (req->inode->type != S_IFDIR)
        return -ENOTDIR;
    return req->inode->sealed ? -EACCES : request_name(req, at, ret_name);
}

/* -- new files -- */

/* Gives a new file, held by any kind of descriptor, to who made it. In a folder that hands its
 * group down it keeps that. */
static int give(const struct fs *fs, const struct request *req, int fd, mode_t mode)
{
    char path[FS_PROC_PATH_SIZE];
    struct stat folder;
    gid_t gid = req->head.gid;

    if (!fs->root || (req->head.uid == 0 && req->head.gid == 0))
        return 0;
    if (fstat(req->inode->fd, &folder) < 0)
        return -errno;
    if ((folder.st_mode & S_ISGID) != 0)
        gid = (gid_t)-1;
    if (fchownat(fd, "", req->head.uid, gid, AT_EMPTY_PATH) < 0)
        return -errno;
    if (!S_ISDIR(mode) && (mode & (S_ISUID | S_ISGID)) != 0 &&
        chmod(fs_proc_path(fd, path), mode & 07777) < 0)
        return -errno; /* which the change of owner has taken away */
    return 0;
}

/* Answers with the entry of a file that is held as O_PATH; takes fd over. */
static int answer_entry(struct fs *fs, struct request *req, int fd)
{
    struct fuse_entry_out entry;
    int r = fs_adopt(fs, fd, req->inode, &entry);

    if (r < 0)
        return r;
    return fs_answer(fs, &entry, sizeof(entry));
}

/* Answers with the entry of what `name` is now, after `made`, what making it gave. */
static int answer_new(struct fs *fs, struct request *req, int made, const char *name, mode_t mode)
{
    auto_close int fd = -1;
    int r;

    if (made < 0)
        return -errno;
    fd = fs_open_name(fs, req->inode, name);
    r = fd < 0 ? fd : give(fs, req, fd, mode);
    return r < 0 ? r : answer_entry(fs, req, fd_take(&fd));
}

int fs_do_mkdir(struct fs *fs, struct request *req)
{
    const struct fuse_mkdir_in *in = req->args;
    const char *name;
    size_t at = sizeof(*in);
    int r = take_name(req, &at, &name);

    if (r < 0)
        return r;
    r = mkdirat(req->inode->fd, name, in->mode & 07777);
    return answer_new(fs, req, r, name, S_IFDIR | (in->mode & 07777));
}

/* Device nodes are the host's, except for overlayfs's "deleted", which is none. */
int fs_do_mknod(struct fs *fs, struct request *req)
{
    const struct fuse_mknod_in *in = req->args;
    const char *name;
    size_t at = sizeof(*in);
    int r = take_name(req, &at, &name);

    if (r < 0)
        return r;
    if ((S_ISCHR(in->mode) || S_ISBLK(in->mode)) && (in->rdev != 0 || S_ISBLK(in->mode)))
        return -EPERM;
    r = mknodat(req->inode->fd, name, in->mode, 0);
    return answer_new(fs, req, r, name, in->mode);
}

int fs_do_symlink(struct fs *fs, struct request *req)
{
    const char *name, *target;
    size_t at = 0;
    int r = take_name(req, &at, &name);

    if (r == 0)
        r = request_string(req, &at, &target);
    if (r < 0)
        return r;
    return answer_new(fs, req, symlinkat(target, req->inode->fd, name), name, S_IFLNK | 0777);
}

int fs_do_link(struct fs *fs, struct request *req)
{
    const struct fuse_link_in *in = req->args;
    struct inode *old = inode_by_id(&fs->inodes, in->oldnodeid);
    char path[FS_PROC_PATH_SIZE];
    const char *name;
    size_t at = sizeof(*in);
    int r = take_name(req, &at, &name);

    if (r == 0)
        r = old != NULL ? fs_hold(fs, old) : -ESTALE;
    if (r < 0)
        return r;
    if (linkat(AT_FDCWD, fs_proc_path(old->fd, path), req->inode->fd, name, AT_SYMLINK_FOLLOW) < 0)
        return -errno;
    r = fs_open_name(fs, req->inode, name);
    return r < 0 ? r : answer_entry(fs, req, r);
}

/* -- new files that are open -- */

/* A new file: of that name, or of none, in that folder. A descriptor or -errno. */
static int open_new(struct fs *fs, const struct request *req, const char *name, int how)
{
    const struct fuse_create_in *in = req->args;
    int flags = how | (int)(in->flags & O_ACCMODE) | O_CLOEXEC;

    return fs_keep(fs, openat(req->inode->fd, name, flags, in->mode & 07777));
}

/* Answers with an entry and a handle of it, for what opening the file gave: a descriptor, which it
 * takes over, or -errno. */
static int answer_opened(struct fs *fs, const struct fuse_entry_out *entry, int fd)
{
    struct fuse_open_out out;
    struct inode *inode = inode_by_id(&fs->inodes, entry->nodeid); /* which is there */
    int r = fd < 0 ? fd : fs_answer_open(fs, fd, inode, &out);

    if (r < 0) { /* the guest never hears of that lookup */
        inode_forget(&fs->inodes, inode, 1);
        return r;
    }
    memcpy(fs->reply, entry, sizeof(*entry));
    memcpy(fs->reply + sizeof(*entry), &out, sizeof(out));
    return sizeof(*entry) + sizeof(out);
}

/* For a file that was made just now; takes fd over. */
static int answer_create(struct fs *fs, struct request *req, int taken_fd)
{
    const struct fuse_create_in *in = req->args;
    auto_close int fd = taken_fd;
    char path[FS_PROC_PATH_SIZE];
    struct fuse_entry_out entry;
    int r = give(fs, req, fd, in->mode);

    if (r == 0)
        r = fs_keep(fs, open(fs_proc_path(fd, path), O_PATH | O_CLOEXEC));
    if (r >= 0)
        r = fs_adopt(fs, r, req->inode, &entry);
    return r < 0 ? r : answer_opened(fs, &entry, fd_take(&fd));
}

/* For one that somebody else made since the guest looked: by its inode, after a look at what it is.
 */
static int answer_existing(struct fs *fs, struct request *req, const char *name)
{
    const struct fuse_create_in *in = req->args;
    struct fuse_entry_out entry;
    int r = fs_open_name(fs, req->inode, name);

    if (r >= 0)
        r = fs_adopt(fs, r, req->inode, &entry);
    if (r < 0)
        return r;
    r = fs_open_file(fs, inode_by_id(&fs->inodes, entry.nodeid), in->flags);
    return answer_opened(fs, &entry, r);
}

int fs_do_create(struct fs *fs, struct request *req)
{
    const struct fuse_create_in *in = req->args;
    const char *name;
    size_t at = sizeof(*in);
    int r = take_name(req, &at, &name);

    if (r == 0)
        r = open_new(fs, req, name, O_CREAT | O_EXCL | O_NOFOLLOW);
    if (r == -EEXIST && (in->flags & O_EXCL) == 0)
        return answer_existing(fs, req, name);
    return r < 0 ? r : answer_create(fs, req, r);
}

int fs_do_tmpfile(struct fs *fs, struct request *req)
{
    int r;

    if (req->inode->type != S_IFDIR || req->inode->sealed)
        return -ENOTDIR;
    r = open_new(fs, req, ".", O_TMPFILE);
    return r < 0 ? r : answer_create(fs, req, r);
}

/* -- names that go or change -- */

static int remove_name(struct request *req, int flags)
{
    const char *name;
    size_t at = 0;
    int r = take_name(req, &at, &name);

    if (r < 0)
        return r;
    return unlinkat(req->inode->fd, name, flags) < 0 ? -errno : 0;
}

int fs_do_unlink(struct fs *fs, struct request *req)
{
    (void)fs;
    return remove_name(req, 0);
}

int fs_do_rmdir(struct fs *fs, struct request *req)
{
    (void)fs;
    return remove_name(req, AT_REMOVEDIR);
}

static int rename_names(struct fs *fs, struct request *req, size_t at, uint64_t folder,
                        uint32_t flags)
{
    struct inode *to = inode_by_id(&fs->inodes, folder);
    const char *name, *new_name;
    int r = take_name(req, &at, &name);

    if (r == 0)
        r = request_name(req, &at, &new_name);
    if (r == 0)
        r = to != NULL ? fs_hold(fs, to) : -ESTALE;
    if (r < 0)
        return r;
    if (to->type != S_IFDIR || to->sealed)
        return -ENOTDIR;
    if (renameat2(req->inode->fd, name, to->fd, new_name, flags) < 0)
        return -errno;
    fs_moved(fs, to, new_name);
    if ((flags & RENAME_EXCHANGE) != 0)
        fs_moved(fs, req->inode, name);
    return 0;
}

int fs_do_rename(struct fs *fs, struct request *req)
{
    const struct fuse_rename_in *in = req->args;

    return rename_names(fs, req, sizeof(*in), in->newdir, 0);
}

int fs_do_rename2(struct fs *fs, struct request *req)
{
    const struct fuse_rename2_in *in = req->args;

    if ((in->flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) != 0)
        return -EINVAL;
    return rename_names(fs, req, sizeof(*in), in->newdir, in->flags);
}

/* -- attributes -- */

int fs_kill_suid(int fd)
{
    char path[FS_PROC_PATH_SIZE];
    struct stat st;
    mode_t kill;

    if (fstat(fd, &st) < 0)
        return -errno;
    kill = st.st_mode & S_ISUID;
    if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        kill |= S_ISGID;
    if (kill != 0 && chmod(fs_proc_path(fd, path), (st.st_mode & ~kill) & 07777) < 0)
        return -errno;
    return 0;
}

static int set_size(struct fs *fs, const struct request *req, const struct fuse_setattr_in *in)
{
    const struct handle *handle = NULL;
    auto_close int fd = -1;
    int r;

    if ((in->valid & FATTR_FH) != 0)
        handle = handle_by_id(&fs->handles, in->fh, req->head.nodeid);
    if (handle == NULL) {
        r = fs_open_file(fs, req->inode, O_WRONLY);
        if (r < 0)
            return r;
        fd = r;
    }
    if (ftruncate(handle != NULL ? handle->fd : fd, (off_t)in->size) < 0)
        return -errno;
    return (in->valid & FATTR_KILL_SUIDGID) != 0 ? fs_kill_suid(req->inode->fd) : 0;
}

static struct timespec time_to_set(const struct fuse_setattr_in *in, uint32_t set, uint32_t now)
{
    bool access = set == FATTR_ATIME;

    if ((in->valid & set) == 0)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    if ((in->valid & now) != 0)
        return (struct timespec){.tv_nsec = UTIME_NOW};
    return (struct timespec){(time_t)(access ? in->atime : in->mtime),
                             access ? in->atimensec : in->mtimensec};
}

int fs_do_setattr(struct fs *fs, struct request *req)
{
    const struct fuse_setattr_in *in = req->args;
    const struct timespec times[2] = {time_to_set(in, FATTR_ATIME, FATTR_ATIME_NOW),
                                      time_to_set(in, FATTR_MTIME, FATTR_MTIME_NOW)};
    char path[FS_PROC_PATH_SIZE];
    int fd = req->inode->fd, r;

    (void)fs_proc_path(fd, path);
    if (req->inode->sealed)
        return -EACCES;
    if ((in->valid & (FATTR_UID | FATTR_GID)) != 0 &&
        fchownat(fd, "", (in->valid & FATTR_UID) != 0 ? in->uid : (uid_t)-1,
                 (in->valid & FATTR_GID) != 0 ? in->gid : (gid_t)-1, AT_EMPTY_PATH) < 0)
        return -errno;
    if ((in->valid & FATTR_MODE) != 0 && chmod(path, in->mode & 07777) < 0)
        return -errno;
    if ((in->valid & FATTR_SIZE) != 0) {
        r = set_size(fs, req, in);
        if (r < 0)
            return r;
    }
    if ((in->valid & (FATTR_ATIME | FATTR_MTIME)) != 0 && utimensat(AT_FDCWD, path, times, 0) < 0)
        return -errno;
    return fs_answer_attr(fs, fd);
}
