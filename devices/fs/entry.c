/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names and attributes. A name is one component, and it is opened as O_PATH | O_NOFOLLOW below a
 * folder that is held open, so that it leads nowhere else; links are followed by the guest.
 *
 * File systems that are mounted below the share are part of it, as one file system, since overlayfs
 * in the guest enters no others; their inode numbers are told apart by high bits. Those of the
 * kernel's own (proc and its like) are shown as empty folders: files there are no plain files, and
 * the guest has its own.
 */
#include "devices/fs/fs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define AUTOFS_MAGIC   0x0187
#define CONFIGFS_MAGIC 0x62656570
#define FUSECTL_MAGIC  0x65735543
#define MQUEUE_MAGIC   0x19800202
#define RPCPIPE_MAGIC  0x67596969

/* Shelved folders one in the other, which a shelved file may be below. */
#define DEPTH_MAX 1024u

static const long kernel_magics[] = {
    PROC_SUPER_MAGIC,      SYSFS_MAGIC,          DEBUGFS_MAGIC,  TRACEFS_MAGIC,
    SECURITYFS_MAGIC,      SELINUX_MAGIC,        SMACK_MAGIC,    CGROUP_SUPER_MAGIC,
    CGROUP2_SUPER_MAGIC,   BPF_FS_MAGIC,         PSTOREFS_MAGIC, EFIVARFS_MAGIC,
    BINFMTFS_MAGIC,        DEVPTS_SUPER_MAGIC,   NSFS_MAGIC,     RDTGROUP_SUPER_MAGIC,
    USBDEVICE_SUPER_MAGIC, BINDERFS_SUPER_MAGIC, AUTOFS_MAGIC,   CONFIGFS_MAGIC,
    FUSECTL_MAGIC,         MQUEUE_MAGIC,         RPCPIPE_MAGIC,
};

const char *fs_proc_path(int fd, char buf[FS_PROC_PATH_SIZE])
{
    (void)snprintf(buf, FS_PROC_PATH_SIZE, "/proc/self/fd/%d", fd);
    return buf;
}

bool fs_is_kernels(int fd)
{
    struct statfs st;

    if (fstatfs(fd, &st) < 0)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(kernel_magics); i++)
        if (st.f_type == kernel_magics[i])
            return true;
    return false;
}

/* -- attributes -- */

uint64_t fs_ino(struct fs *fs, uint64_t dev, uint64_t ino)
{
    unsigned i = 0;

    while (i < fs->dev_count && fs->devs[i] != dev)
        i++;
    if (i == ARRAY_SIZE(fs->devs))
        i--; /* more file systems than anybody has: their numbers may clash */
    else if (i == fs->dev_count)
        fs->devs[fs->dev_count++] = dev;
    return ino ^ (uint64_t)i << 48;
}

static void fill_attr(struct fs *fs, const struct statx *st, struct fuse_attr *ret_attr)
{
    uint64_t dev = makedev(st->stx_dev_major, st->stx_dev_minor);

    *ret_attr = (struct fuse_attr){
        .ino = fs_ino(fs, dev, st->stx_ino),
        .size = st->stx_size,
        .blocks = st->stx_blocks,
        .atime = (uint64_t)st->stx_atime.tv_sec,
        .mtime = (uint64_t)st->stx_mtime.tv_sec,
        .ctime = (uint64_t)st->stx_ctime.tv_sec,
        .atimensec = st->stx_atime.tv_nsec,
        .mtimensec = st->stx_mtime.tv_nsec,
        .ctimensec = st->stx_ctime.tv_nsec,
        .mode = st->stx_mode,
        .nlink = st->stx_nlink,
        .uid = st->stx_uid,
        .gid = st->stx_gid,
        .rdev = (st->stx_rdev_minor & 0xff) | st->stx_rdev_major << 8 |
                (st->stx_rdev_minor & ~0xffu) << 12, /* as the kernel packs it in 32 bits */
        .blksize = st->stx_blksize,
    };
}

int fs_stat(int fd, struct statx *ret_st)
{
    int r = statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT,
                  STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, ret_st);

    return r < 0 ? -errno : 0;
}

int fs_answer_attr(struct fs *fs, int fd)
{
    struct fuse_attr_out out = {.attr_valid = fs->valid_s};
    struct statx st;
    int r = fs_stat(fd, &st);

    if (r < 0)
        return r;
    fill_attr(fs, &st, &out.attr);
    return fs_answer(fs, &out, sizeof(out));
}

/* -- files that the guest comes to know -- */

bool fs_has_room(const struct fs *fs)
{
    return fs->inodes.count < fs->inodes.size / 4 * 3;
}

static int no_room(struct fs *fs)
{
    if (!fs->full_told)
        log_guest(&fs->dev.log_limit,
                  "%s: the guest has too many files open, or knows too many (%u): it is refused "
                  "more; raise the hard limit (ulimit -Hn)",
                  fs->dev.name, fs->inodes.count);
    fs->full_told = true;
    return -ENFILE;
}

int fs_keep(struct fs *fs, int fd)
{
    if (fd < 0)
        return errno == EMFILE ? no_room(fs) : -errno;
    if ((uint32_t)fd < fs->fd_limit)
        return fd;
    (void)close(fd);
    return no_room(fs);
}

int fs_open_name(struct fs *fs, const struct inode *folder, const char *name)
{
    if (folder->sealed)
        return -ENOENT;
    return fs_keep(fs, openat(folder->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

/* -- files that the guest knows and that were shelved -- */

/* A shelved file, below a folder that is held: -ESTALE if its name leads to another now. */
static int hold_again(struct fs *fs, struct inode *inode, const struct inode *folder)
{
    int r = fs_open_name(fs, folder, inode_name(&fs->inodes, inode));
    auto_close int fd = r;
    struct statx st;

    if (r >= 0)
        r = fs_stat(fd, &st);
    if (r == 0 && inode_find(&fs->inodes, &st) != inode)
        r = -ESTALE;
    if (r == 0)
        inode_hold(&fs->inodes, inode, fd_take(&fd), &st, inode_id(&fs->inodes, folder));
    return r == -ENOENT || r == -ENOTDIR ? -ESTALE : r;
}

int fs_hold(struct fs *fs, struct inode *inode)
{
    unsigned depth_max = MIN(fs->inodes.idle_max / 2, DEPTH_MAX); /* all on the way are held */
    int r = 0;

    for (unsigned i = 0; inode->fd < 0 && r == 0; i++) {
        struct inode *top = inode, *folder = inode_by_id(&fs->inodes, top->folder);
        for (unsigned depth = i; folder != NULL && folder->fd < 0 && depth < depth_max; depth++) {
            top = folder;
            folder = inode_by_id(&fs->inodes, top->folder);
        }
        r = folder == NULL || folder->fd < 0 ? -ESTALE : hold_again(fs, top, folder);
    }
    inode_touch(&fs->inodes, inode);
    return r;
}

/* The inode of a descriptor, which it takes, since the last way to a file is the one to look for it
 * again; NULL if there is no room. */
static struct inode *inode_of(struct fs *fs, int *fd, const struct inode *folder,
                              const struct statx *st)
{
    struct inode *inode = inode_find(&fs->inodes, st);
    uint64_t folder_id = inode_id(&fs->inodes, folder);

    if (inode != NULL) {
        inode_hold(&fs->inodes, inode, fd_take(fd), st, folder_id);
        return inode;
    }
    inode = inode_add(&fs->inodes, *fd, st, folder_id);
    if (inode == NULL)
        return NULL;
    *fd = -1;
    inode->sealed =
        (inode->mount != folder->mount || inode->dev != folder->dev) && fs_is_kernels(inode->fd);
    return inode;
}

int fs_adopt(struct fs *fs, int taken_fd, const struct inode *folder,
             struct fuse_entry_out *ret_entry)
{
    auto_close int fd = taken_fd;
    struct inode *inode;
    struct statx st;
    int r = fs_stat(fd, &st);

    if (r < 0)
        return r;
    inode = inode_of(fs, &fd, folder, &st);
    if (inode == NULL)
        return no_room(fs);
    inode->lookups++;
    *ret_entry = (struct fuse_entry_out){
        .nodeid = inode_id(&fs->inodes, inode),
        .entry_valid = fs->valid_s,
        .attr_valid = fs->valid_s,
    };
    fill_attr(fs, &st, &ret_entry->attr);
    return 0;
}

void fs_moved(struct fs *fs, const struct inode *folder, const char *name)
{
    auto_close int fd = fs_open_name(fs, folder, name);
    struct inode *inode;
    struct statx st;

    if (fd < 0 || fs_stat(fd, &st) < 0)
        return;
    inode = inode_find(&fs->inodes, &st);
    if (inode != NULL)
        inode_hold(&fs->inodes, inode, fd_take(&fd), &st, inode_id(&fs->inodes, folder));
}

int fs_do_lookup(struct fs *fs, struct request *req)
{
    struct fuse_entry_out entry = {.entry_valid = fs->valid_s};
    const char *name;
    size_t at = 0;
    int r = request_name(req, &at, &name);

    if (r == 0)
        r = fs_open_name(fs, req->inode, name);
    if (r >= 0)
        r = fs_adopt(fs, r, req->inode, &entry);
    if (r < 0 && !(r == -ENOENT && !fs->writable)) /* nobody makes it: that may be remembered */
        return r;
    return fs_answer(fs, &entry, sizeof(entry));
}

int fs_do_forget(struct fs *fs, struct request *req)
{
    const struct fuse_forget_in *in = req->args;

    inode_forget(&fs->inodes, req->inode, in->nlookup);
    return 0;
}

int fs_do_batch_forget(struct fs *fs, struct request *req)
{
    const struct fuse_batch_forget_in *in = req->args;
    const struct fuse_forget_one *one = (const void *)(in + 1);
    size_t count = (req->args_len - sizeof(*in)) / sizeof(*one);

    for (size_t i = 0; i < MIN(count, (size_t)in->count); i++) {
        struct inode *inode = inode_by_id(&fs->inodes, one[i].nodeid);
        if (inode != NULL)
            inode_forget(&fs->inodes, inode, one[i].nlookup);
    }
    return 0;
}

/* -- what is told of a file that is known -- */

int fs_do_getattr(struct fs *fs, struct request *req)
{
    const struct fuse_getattr_in *in = req->args;
    const struct handle *handle = NULL;

    if ((in->getattr_flags & FUSE_GETATTR_FH) != 0)
        handle = handle_by_id(&fs->handles, in->fh, req->head.nodeid);
    return fs_answer_attr(fs, handle != NULL ? handle->fd : req->inode->fd);
}

int fs_do_readlink(struct fs *fs, struct request *req)
{
    if (req->inode->type != S_IFLNK)
        return -EINVAL;
    ssize_t len = readlinkat(req->inode->fd, "", (char *)fs->reply, FS_REPLY_MAX);
    return len < 0 ? -errno : (int)len;
}

int fs_do_statfs(struct fs *fs, struct request *req)
{
    struct fuse_statfs_out out = {0};
    struct statfs st;

    if (fstatfs(req->inode->fd, &st) < 0)
        return -errno;
    out.st = (struct fuse_kstatfs){
        .blocks = st.f_blocks,
        .bfree = st.f_bfree,
        .bavail = st.f_bavail,
        .files = st.f_files,
        .ffree = st.f_ffree,
        .bsize = (uint32_t)st.f_bsize,
        .namelen = (uint32_t)st.f_namelen,
        .frsize = (uint32_t)st.f_frsize,
    };
    return fs_answer(fs, &out, sizeof(out));
}
