/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSE messages (<linux/fuse.h>, version 7.38) in requests of virtio-fs (virtio 1.4 §5.11.6): what
 * is read of a request begins with struct fuse_in_header, what is written with struct
 * fuse_out_header.
 *
 *   readable   | fuse_in_header | arguments: a struct, names | data of WRITE |
 *   writable   | fuse_out_header | the answer |
 *
 * Header and arguments are copied once and checked against the table here. A message that is not
 * in it, such as ACCESS, FLUSH or INTERRUPT, is answered with ENOSYS, which Linux remembers and
 * then does without.
 */
#include "devices/fs/fs.h"

#include <string.h>

struct operation {
    int (*serve)(struct fs *fs, struct request *req);
    uint32_t in_min, in_max; /* bytes of arguments */
    uint32_t out;            /* bytes that the answer has at least */
    unsigned flags;
};

enum operation_flags {
    NO_NODE = 1,  /* head.nodeid says nothing */
    NO_REPLY = 2, /* there is nothing to answer */
    WRITES = 4,   /* read-only shares have none of it */
    DATA = 8,     /* what is read behind the arguments stays where it is */
    FORGETS = NO_NODE | NO_REPLY,
};

/* Linux sends names of up to 1024 bytes, and we say when one is too long. */
#define NAME_BYTES 1025

static int do_init(struct fs *fs, struct request *req);
static int do_destroy(struct fs *fs, struct request *req);
static int do_ioctl(struct fs *fs, struct request *req);

#define ENTRY_OUT   sizeof(struct fuse_entry_out)
#define ATTR_OUT    sizeof(struct fuse_attr_out)
#define OPEN_OUT    sizeof(struct fuse_open_out)
#define WRITE_OUT   sizeof(struct fuse_write_out)
#define SETXATTR_IN FUSE_COMPAT_SETXATTR_IN_SIZE + 2, FS_ARGS_MAX
/* It became longer once. */
#define INIT_IN offsetof(struct fuse_init_in, flags2), sizeof(struct fuse_init_in)

/* A struct of that type, and no more; or a name (or more) behind it. */
#define ONE(type)      sizeof(struct type), sizeof(struct type)
#define NAMED(type)    sizeof(struct type) + 2, sizeof(struct type) + NAME_BYTES
#define NAMED2(type)   sizeof(struct type) + 4, sizeof(struct type) + 2 * NAME_BYTES
#define AT_LEAST(type) sizeof(struct type), FS_ARGS_MAX

/* clang-format off */
static const struct operation operations[] = {
    [FUSE_LOOKUP]       = {fs_do_lookup, 2, NAME_BYTES, ENTRY_OUT, 0},
    [FUSE_FORGET]       = {fs_do_forget, ONE(fuse_forget_in), 0, NO_REPLY},
    [FUSE_GETATTR]      = {fs_do_getattr, ONE(fuse_getattr_in), ATTR_OUT, 0},
    [FUSE_SETATTR]      = {fs_do_setattr, ONE(fuse_setattr_in), ATTR_OUT, WRITES},
    [FUSE_READLINK]     = {fs_do_readlink, 0, 0, 0, 0},
    [FUSE_SYMLINK]      = {fs_do_symlink, 4, NAME_BYTES + PATH_MAX, ENTRY_OUT, WRITES},
    [FUSE_MKNOD]        = {fs_do_mknod, NAMED(fuse_mknod_in), ENTRY_OUT, WRITES},
    [FUSE_MKDIR]        = {fs_do_mkdir, NAMED(fuse_mkdir_in), ENTRY_OUT, WRITES},
    [FUSE_UNLINK]       = {fs_do_unlink, 2, NAME_BYTES, 0, WRITES},
    [FUSE_RMDIR]        = {fs_do_rmdir, 2, NAME_BYTES, 0, WRITES},
    [FUSE_RENAME]       = {fs_do_rename, NAMED2(fuse_rename_in), 0, WRITES},
    [FUSE_LINK]         = {fs_do_link, NAMED(fuse_link_in), ENTRY_OUT, WRITES},
    [FUSE_OPEN]         = {fs_do_open, ONE(fuse_open_in), OPEN_OUT, 0},
    [FUSE_READ]         = {fs_do_read, ONE(fuse_read_in), 0, 0},
    [FUSE_WRITE]        = {fs_do_write, ONE(fuse_write_in), WRITE_OUT, WRITES | DATA},
    [FUSE_STATFS]       = {fs_do_statfs, 0, 0, sizeof(struct fuse_statfs_out), 0},
    [FUSE_RELEASE]      = {fs_do_release, ONE(fuse_release_in), 0, 0},
    [FUSE_FSYNC]        = {fs_do_fsync, ONE(fuse_fsync_in), 0, 0},
    [FUSE_SETXATTR]     = {fs_do_setxattr, SETXATTR_IN, 0, WRITES},
    [FUSE_GETXATTR]     = {fs_do_getxattr, NAMED(fuse_getxattr_in), 0, 0},
    [FUSE_LISTXATTR]    = {fs_do_listxattr, ONE(fuse_getxattr_in), 0, 0},
    [FUSE_REMOVEXATTR]  = {fs_do_removexattr, 2, NAME_BYTES, 0, WRITES},
    [FUSE_INIT]         = {do_init, INIT_IN, sizeof(struct fuse_init_out), NO_NODE},
    [FUSE_OPENDIR]      = {fs_do_opendir, ONE(fuse_open_in), OPEN_OUT, 0},
    [FUSE_READDIR]      = {fs_do_readdir, ONE(fuse_read_in), 0, 0},
    [FUSE_RELEASEDIR]   = {fs_do_releasedir, ONE(fuse_release_in), 0, 0},
    [FUSE_FSYNCDIR]     = {fs_do_fsyncdir, ONE(fuse_fsync_in), 0, 0},
    [FUSE_CREATE]       = {fs_do_create, NAMED(fuse_create_in), ENTRY_OUT + OPEN_OUT, WRITES},
    [FUSE_DESTROY]      = {do_destroy, 0, 0, 0, NO_NODE},
    [FUSE_IOCTL]        = {do_ioctl, AT_LEAST(fuse_ioctl_in), 0, 0},
    [FUSE_BATCH_FORGET] = {fs_do_batch_forget, AT_LEAST(fuse_batch_forget_in), 0, FORGETS},
    [FUSE_FALLOCATE]    = {fs_do_fallocate, ONE(fuse_fallocate_in), 0, WRITES},
    [FUSE_READDIRPLUS]  = {fs_do_readdirplus, ONE(fuse_read_in), 0, 0},
    [FUSE_RENAME2]      = {fs_do_rename2, NAMED2(fuse_rename2_in), 0, WRITES},
    [FUSE_LSEEK]        = {fs_do_lseek, ONE(fuse_lseek_in), sizeof(struct fuse_lseek_out), 0},
    [FUSE_COPY_FILE_RANGE] =
                          {fs_do_copy_file_range, ONE(fuse_copy_file_range_in), WRITE_OUT, WRITES},
    [FUSE_SYNCFS]       = {fs_do_syncfs, ONE(fuse_syncfs_in), 0, 0},
    [FUSE_TMPFILE]      = {fs_do_tmpfile, NAMED(fuse_create_in), ENTRY_OUT + OPEN_OUT, WRITES},
};
/* clang-format on */

/* -- arguments -- */

int request_string(const struct request *req, size_t *at, const char **ret_text)
{
    const char *text = (const char *)req->args + *at;
    size_t left = req->args_len - *at;
    size_t len = strnlen(text, left);

    if (len == left)
        return -EINVAL;
    *at += len + 1;
    *ret_text = text;
    return 0;
}

int request_name(const struct request *req, size_t *at, const char **ret_name)
{
    const char *name;
    int r = request_string(req, at, &name);

    if (r < 0)
        return r;
    if (strlen(name) > NAME_MAX)
        return -ENAMETOOLONG;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strchr(name, '/') != NULL)
        return -EINVAL;
    *ret_name = name;
    return 0;
}

int fs_answer(struct fs *fs, const void *out, size_t size)
{
    memcpy(fs->reply, out, size);
    return (int)size;
}

/* -- the session -- */

/* What we do and the guest may use, if it can. No submounts: overlayfs in the guest would not enter
 * them. */
#define INIT_FLAGS                                                                                 \
    (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES |  \
     FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO)
#define INIT_FLAGS_WRITABLE (FUSE_AUTO_INVAL_DATA | FUSE_HANDLE_KILLPRIV_V2)
#define INIT_FLAGS_READONLY (FUSE_CACHE_SYMLINKS)

/* 5.4, the first kernel with virtio-fs; older ones have shorter messages. */
#define INIT_MINOR_MIN 31

void fs_end(struct fs *fs)
{
    handles_close(&fs->handles);
    inodes_forget(&fs->inodes);
    fs->talking = fs->full_told = false;
}

static int do_init(struct fs *fs, struct request *req)
{
    const struct fuse_init_in *in = req->args;
    uint32_t offered = INIT_FLAGS | (fs->writable ? INIT_FLAGS_WRITABLE : INIT_FLAGS_READONLY);
    struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION,
        .minor = FUSE_KERNEL_MINOR_VERSION,
        .max_readahead = in->max_readahead,
        .flags = in->flags & offered,
        .max_background = 64,
        .congestion_threshold = 48,
        .max_write = FS_PAGES_MAX * 4096,
        .time_gran = 1,
        .max_pages = FS_PAGES_MAX,
    };

    if (in->major != FUSE_KERNEL_VERSION || in->minor < INIT_MINOR_MIN)
        return -EPROTO;
    fs_end(fs); /* a new session knows nothing of the last one */
    fs->talking = true;
    return fs_answer(fs, &out, sizeof(out));
}

static int do_destroy(struct fs *fs, struct request *req)
{
    (void)req;
    fs_end(fs);
    return 0;
}

/* Not ENOSYS: overlayfs, which asks for a file's flags so, takes this for "it has none". */
static int do_ioctl(struct fs *fs, struct request *req)
{
    (void)fs;
    (void)req;
    return -ENOTTY;
}

/* -- a message -- */

/* Copies and checks what a message says before it is served: 0 or -errno, which is the answer. */
static int take(struct fs *fs, struct request *req, const struct operation *op)
{
    uint32_t len = chain_readable(req->chain);

    if (req->head.len != sizeof(req->head) + len)
        return -EINVAL;
    if (op == NULL)
        return -ENOSYS;
    if ((op->flags & DATA) != 0)
        len = MIN(len, op->in_max);
    if (len < op->in_min || len > op->in_max || req->room < op->out)
        return -EINVAL;
    if (!fs->talking && op->serve != do_init)
        return -ENOTCONN;
    if ((op->flags & WRITES) != 0 && !fs->writable)
        return -EROFS;
    req->args_len = len;
    req->args = fs->args;
    if (len < sizeof(struct fuse_init_in)) /* what a shorter one leaves out is 0 */
        memset(fs->args + len, 0, sizeof(struct fuse_init_in) - len);
    (void)chain_read(req->chain, fs->args, len); /* it is there */
    req->inode = inode_by_id(&fs->inodes, req->head.nodeid);
    if (req->inode == NULL || (op->flags & NO_REPLY) != 0)
        return req->inode == NULL && (op->flags & NO_NODE) == 0 ? -ESTALE : 0;
    return fs_hold(fs, req->inode);
}

static void answer(struct fs *fs, struct request *req, int r)
{
    struct fuse_out_header out = {.error = r < 0 ? r : 0, .unique = req->head.unique};
    size_t len = r < 0 ? 0 : (size_t)r;

    if (len > req->room) {
        out.error = -ERANGE;
        len = 0;
    }
    out.len = (uint32_t)(sizeof(out) + len);
    if (chain_write(req->chain, &out, sizeof(out)) < 0)
        return; /* it has no room for an answer, so it gets none */
    if (req->in_place)
        req->chain->written += (uint32_t)len;
    else
        (void)chain_write(req->chain, fs->reply, len); /* there is room */
}

void fs_serve(struct fs *fs, struct chain *chain)
{
    struct request req = {.chain = chain};
    const struct operation *op = NULL;
    int r;

    if (chain_read(chain, &req.head, sizeof(req.head)) < 0)
        return; /* no message: nothing to answer to */
    if (chain_writable(chain) > sizeof(struct fuse_out_header))
        req.room = chain_writable(chain) - sizeof(struct fuse_out_header);
    if (req.head.opcode < ARRAY_SIZE(operations) && operations[req.head.opcode].serve != NULL)
        op = &operations[req.head.opcode];
    r = take(fs, &req, op);
    if (r == 0)
        r = op->serve(fs, &req);
    if (op == NULL || (op->flags & NO_REPLY) == 0)
        answer(fs, &req, r);
}
