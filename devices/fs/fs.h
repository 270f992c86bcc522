/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A shared folder: the parts of the device, for its own files.
 *
 *   fs.c        the class: options, life, queues
 *   request.c   a FUSE message in, its answer out; the table of what is served
 *   inode.c     files that the guest knows
 *   handle.c    files that it has open
 *   entry.c     names and attributes
 *   file.c      data of files
 *   write.c     what changes that
 *   folder.c    reading folders
 *   change.c    what changes folders and attributes
 *   xattr.c     extended attributes
 *
 * A FUSE message is a guest's input, and so is each number in it. One worker owns everything.
 */
#pragma once

#include "devices/fs/handle.h"
#include "devices/fs/inode.h"
#include "virtio/device.h"

#include <linux/fuse.h>
#include <linux/limits.h>
#include <linux/virtio_fs.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "FUSE is in the guest's byte order");

/* What a message may have besides its header and the data of a WRITE: SETXATTR has the most. */
#define FS_ARGS_MAX (FUSE_COMPAT_SETXATTR_IN_SIZE + NAME_MAX + 1 + XATTR_SIZE_MAX)
/* What an answer may have, besides the data of a READ. */
#define FS_REPLY_MAX 65536
/* Linux asks for 256 pages at once, and these need not lie side by side. */
#define FS_PAGES_MAX 256
#define FS_IOVS_MAX  1024
/* The most data of a message, which is what the worker may be kept by: so many of the largest
 * pages, which are of 64 KiB. */
#define FS_DATA_MAX ((uint32_t)FS_PAGES_MAX << 16)
/* What is read of a folder at once. */
#define FS_DENTS_MAX 32768

struct fs {
    struct virtio_device dev;
    struct virtio_fs_config config;
    /* fixed after create */
    bool writable;
    bool root;         /* we may give files away: new ones belong to who made them */
    uint32_t fd_limit; /* descriptors from this number on are for the rest of the machine */
    uint64_t valid_s;  /* how long the guest may believe what it was told */
    /* the worker's */
    bool gathering; /* what is urgent: the loop's alarm looks at it next */
    bool talking;   /* from FUSE_INIT to FUSE_DESTROY */
    bool full_told; /* that there are too many files */
    struct inodes inodes;
    struct handles handles;
    uint64_t devs[256]; /* file systems met; [0] is the root's */
    unsigned dev_count;
    struct iovec iov[FS_IOVS_MAX];
    _Alignas(8) uint8_t args[FS_ARGS_MAX];
    _Alignas(8) uint8_t reply[FS_REPLY_MAX];
    _Alignas(8) uint8_t dents[FS_DENTS_MAX];
};

/* A message that is being served. */
struct request {
    struct fuse_in_header head; /* copied once */
    struct chain *chain; /* to be read: the data of WRITE; to be written: all of the answer */
    struct inode *inode; /* whose id is head.nodeid; NULL for messages about none */
    const void *args;    /* in fs->args */
    size_t args_len;
    size_t room;   /* for the answer, without its header */
    bool in_place; /* the answer's data are in guest memory already */
};

/* -- request.c -- */

/* Serves one message, as far as there is an answer. */
void fs_serve(struct fs *fs, struct chain *chain);
/* The session is over: forgets all that the guest knew and had open. */
void fs_end(struct fs *fs);
/* The next string in the arguments, from *at on, which moves behind it. -EINVAL. */
int request_string(const struct request *req, size_t *at, const char **ret_text);
/* The same, and it names something in a folder. -EINVAL, -ENAMETOOLONG. */
int request_name(const struct request *req, size_t *at, const char **ret_name);

/* Leaves that as the answer: its size, for a handler to return. */
int fs_answer(struct fs *fs, const void *out, size_t size);

/*
 * Handlers return how many bytes of the answer they left in fs->reply, or a negative errno.
 * Arguments are as long as the table in request.c says.
 */

/* -- entry.c -- */

#define FS_PROC_PATH_SIZE 32
/* A path to what a descriptor of ours holds, itself and not what it may point to. Returns buf. */
const char *fs_proc_path(int fd, char buf[FS_PROC_PATH_SIZE]);
/* The one place where a name becomes a file: opens it as O_PATH, never what it points to. A
 * descriptor or -errno. */
int fs_open_name(struct fs *fs, const struct inode *folder, const char *name);
/* Has an inode held that may be shelved: -ESTALE if its name no longer leads to it. Another that
 * was held for the same request stays so. */
int fs_hold(struct fs *fs, struct inode *inode);
/* A name leads to a known file now: it is looked for there from now on. */
void fs_moved(struct fs *fs, const struct inode *folder, const char *name);
/* Has the guest know a file: what to answer about it. Takes fd over, also on failure. */
int fs_adopt(struct fs *fs, int fd, const struct inode *folder, struct fuse_entry_out *ret_entry);
/* Whether a descriptor may be kept: -ENFILE, closed, if too few are left for the machine. */
int fs_keep(struct fs *fs, int fd);
/* The inode number that the guest is told. */
uint64_t fs_ino(struct fs *fs, uint64_t dev, uint64_t ino);
/* True if there is room for a guest that reads ahead. */
bool fs_has_room(const struct fs *fs);
/* Attributes of what a descriptor holds: 0 or -errno. */
int fs_stat(int fd, struct statx *ret_st);
/* Whether it is of a file system of the kernel's own: no plain files. */
bool fs_is_kernels(int fd);
/* Answers with the attributes of a descriptor. */
int fs_answer_attr(struct fs *fs, int fd);

int fs_do_lookup(struct fs *fs, struct request *req);
int fs_do_forget(struct fs *fs, struct request *req);
int fs_do_batch_forget(struct fs *fs, struct request *req);
int fs_do_getattr(struct fs *fs, struct request *req);
int fs_do_readlink(struct fs *fs, struct request *req);
int fs_do_statfs(struct fs *fs, struct request *req);

/* -- file.c -- */

/* Opens a regular file for `flags`, of which the way of access counts. -errno. */
int fs_open_file(struct fs *fs, const struct inode *inode, uint32_t flags);
/* Makes a handle of what was opened, a file or a folder: its id. Takes fd over, also on failure. */
int fs_add_handle(struct fs *fs, int fd, struct inode *inode, uint64_t *ret_fh);
/* Its inode may be shelved again. */
void fs_close_handle(struct fs *fs, struct handle *handle);
/* Makes a handle of an open file: what to answer about it. Takes fd over. */
int fs_answer_open(struct fs *fs, int fd, struct inode *inode, struct fuse_open_out *ret_open);

/* The regular file that is open so, or NULL. */
struct handle *fs_file_of(const struct fs *fs, uint64_t node, uint64_t fh);

int fs_do_open(struct fs *fs, struct request *req);
int fs_do_read(struct fs *fs, struct request *req);
int fs_do_lseek(struct fs *fs, struct request *req);
int fs_do_release(struct fs *fs, struct request *req);

/* -- folder.c -- */

/* The folder that is open so, or NULL. */
struct handle *fs_folder_of(const struct fs *fs, const struct request *req, uint64_t fh);

int fs_do_opendir(struct fs *fs, struct request *req);
int fs_do_readdir(struct fs *fs, struct request *req);
int fs_do_readdirplus(struct fs *fs, struct request *req);
int fs_do_releasedir(struct fs *fs, struct request *req);

/* -- xattr.c -- */

int fs_do_getxattr(struct fs *fs, struct request *req);
int fs_do_listxattr(struct fs *fs, struct request *req);
int fs_do_setxattr(struct fs *fs, struct request *req);
int fs_do_removexattr(struct fs *fs, struct request *req);

/* -- write.c -- */

int fs_do_write(struct fs *fs, struct request *req);
int fs_do_fsync(struct fs *fs, struct request *req);
int fs_do_fsyncdir(struct fs *fs, struct request *req);
int fs_do_syncfs(struct fs *fs, struct request *req);
int fs_do_fallocate(struct fs *fs, struct request *req);
int fs_do_copy_file_range(struct fs *fs, struct request *req);

/* -- change.c -- */

/* Takes set-user-ID and set-group-ID away, as a write by somebody without rights does. */
int fs_kill_suid(int fd);

int fs_do_mkdir(struct fs *fs, struct request *req);
int fs_do_mknod(struct fs *fs, struct request *req);
int fs_do_symlink(struct fs *fs, struct request *req);
int fs_do_link(struct fs *fs, struct request *req);
int fs_do_create(struct fs *fs, struct request *req);
int fs_do_tmpfile(struct fs *fs, struct request *req);
int fs_do_unlink(struct fs *fs, struct request *req);
int fs_do_rmdir(struct fs *fs, struct request *req);
int fs_do_rename(struct fs *fs, struct request *req);
int fs_do_rename2(struct fs *fs, struct request *req);
int fs_do_setattr(struct fs *fs, struct request *req);
