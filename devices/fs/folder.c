/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading folders: the host's getdents64() in FUSE's words. READDIRPLUS has the attributes of each
 * entry besides, which spares the guest a LOOKUP.
 */
#include "devices/fs/fs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct linux_dirent64 {
    uint64_t ino;
    int64_t off; /* of the next one */
    uint16_t len;
    uint8_t type;
    char name[];
};

/* The most that one entry takes of getdents64(). */
#define DENT_MAX (sizeof(struct linux_dirent64) + NAME_MAX + 1)

int fs_do_opendir(struct fs *fs, struct request *req)
{
    struct fuse_open_out out = {.open_flags =
                                    fs->writable ? 0 : FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR};
    int r;

    if (req->inode->type != S_IFDIR)
        return -ENOTDIR;
    r = fs_keep(fs, openat(req->inode->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (r >= 0)
        r = fs_add_handle(fs, r, req->inode, &out.fh);
    if (r < 0)
        return r;
    return fs_answer(fs, &out, sizeof(out));
}

struct handle *fs_folder_of(const struct fs *fs, const struct request *req, uint64_t fh)
{
    struct handle *handle = handle_by_id(&fs->handles, fh, req->head.nodeid);

    return handle != NULL && handle->folder ? handle : NULL;
}

int fs_do_releasedir(struct fs *fs, struct request *req)
{
    const struct fuse_release_in *in = req->args;
    struct handle *handle = fs_folder_of(fs, req, in->fh);

    if (handle == NULL)
        return -EBADF;
    fs_close_handle(fs, handle);
    return 0;
}

/* -- entries -- */

/* What an entry takes of the answer. */
static size_t entry_size(size_t name_len, bool plus)
{
    return FUSE_DIRENT_ALIGN((plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET) + name_len);
}

/* Looks the entry up for READDIRPLUS; one that can't be is told without (nodeid 0). */
static struct fuse_entry_out look_up(struct fs *fs, const struct inode *folder, const char *name)
{
    struct fuse_entry_out entry = {0};
    int fd;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || !fs_has_room(fs))
        return entry;
    fd = fs_open_name(fs, folder, name);
    if (fd >= 0 && fs_adopt(fs, fd, folder, &entry) < 0)
        entry = (struct fuse_entry_out){0};
    return entry;
}

/* Writes one entry of `size` bytes. */
static void put_entry(struct fs *fs, struct request *req, const struct linux_dirent64 *dent,
                      uint8_t *at, size_t size, bool plus)
{
    struct fuse_dirent out = {
        .ino = fs_ino(fs, req->inode->dev, dent->ino),
        .off = (uint64_t)dent->off,
        .namelen = (uint32_t)strlen(dent->name),
        .type = dent->type,
    };

    memset(at, 0, size);
    if (plus) {
        struct fuse_entry_out entry = look_up(fs, req->inode, dent->name);
        memcpy(at, &entry, sizeof(entry));
        at += sizeof(entry);
    }
    memcpy(at, &out, FUSE_NAME_OFFSET);
    memcpy(at + FUSE_NAME_OFFSET, dent->name, out.namelen);
}

/* Puts those of fs->dents into the answer that fit: its length. handle->at is behind all of them.
 */
static size_t put_entries(struct fs *fs, struct request *req, struct handle *handle, size_t got,
                          size_t room, bool plus)
{
    size_t done = 0;
    bool full = false;

    for (size_t at = 0; at < got;) {
        const struct linux_dirent64 *dent = (const void *)&fs->dents[at];
        size_t size = entry_size(strlen(dent->name), plus);
        full = full || size > room - done;
        if (!full) {
            put_entry(fs, req, dent, &fs->reply[done], size, plus);
            done += size;
        }
        handle->at = dent->off;
        at += dent->len;
    }
    return done;
}

static int read_folder(struct fs *fs, struct request *req, bool plus)
{
    const struct fuse_read_in *in = req->args;
    struct handle *handle = fs_folder_of(fs, req, in->fh);
    size_t most = MIN(req->room, (size_t)FS_REPLY_MAX), room = MIN(most, (size_t)in->size);
    size_t want, done;
    long got;

    if (handle == NULL)
        return -EBADF;
    if (req->inode->sealed)
        return 0;
    /* Entries with attributes are some times as long as the host's. What does not fit is read
     * again. */
    want = MAX(plus ? room / 4 : room, DENT_MAX);
    want = MIN(want, (size_t)FS_DENTS_MAX);
    if (handle->at != (int64_t)in->offset) {
        if (lseek(handle->fd, (off_t)in->offset, SEEK_SET) < 0)
            return -errno;
        handle->at = (int64_t)in->offset;
    }
    got = syscall(SYS_getdents64, handle->fd, fs->dents, want);
    if (got <= 0)
        return got < 0 ? -errno : 0;
    done = put_entries(fs, req, handle, (size_t)got, room, plus);
    if (done == 0)
        return -EINVAL; /* 0 would be the end */
    return (int)done;
}

int fs_do_readdir(struct fs *fs, struct request *req)
{
    return read_folder(fs, req, false);
}

int fs_do_readdirplus(struct fs *fs, struct request *req)
{
    return read_folder(fs, req, true);
}
