/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * File system device (virtio 1.4 §5.11): a folder of this host in the guest, by a FUSE server of
 * our own. One request queue; no DAX, no notifications. See fs.h.
 *
 * One worker serves both queues, one request at a time, and calls the host's file system as it
 * does: a device that did it beside the worker would gain little, as plain files do not block.
 * Nothing else is opened. Forgetting, which has a queue of its own, comes first.
 */
#include "devices/fs/fs.h"

#include "devices/registry.h"

#include <fcntl.h>
#include <linux/virtio_config.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* How long what the guest forgets is gathered. */
#define GATHER_NS 1000000

#define QUEUE_SIZE 1024 /* Linux takes as many pages at once as fit: FS_PAGES_MAX and four */

/* Descriptors: as many as the hard limit allows, up to FDS_MAX; the last are for the machine. Of
 * the others each share has its part for files that are not open, and one is for those that are. */
#define FDS_MAX     (1u << 20)
#define FDS_RESERVE 256
#define SHARES_MAX  4
#define FILES_MAX   (1u << 20) /* that the guest knows, the least recently used of them shelved */
#define HANDLES_MAX 65536

static struct fs *fs_of(struct virtio_device *dev)
{
    return container_of(dev, struct fs, dev);
}

/* -- queues -- */

/* As virtq_pop(). */
static int serve_one(struct fs *fs, struct virtq *vq)
{
    struct chain chain;
    int r = virtq_pop(vq, &chain);

    if (r > 0) {
        fs_serve(fs, &chain);
        virtq_push(vq, &chain);
    }
    return r;
}

static void gathered(struct loop *loop, void *ctx);

/* What there is of the high priority queue, all of which tells what the guest forgot: 0 or -errno.
 * It tells that of each file by itself, thousands when it unmounts; so for a while after one it
 * need not kick us. */
static int serve_urgent(struct fs *fs)
{
    struct virtq *vq = &fs->dev.queue[0];
    struct loop *loop = virtio_loop(&fs->dev);
    bool any = false;
    int r;

    while ((r = serve_one(fs, vq)) > 0)
        any = true;
    if (any && !fs->gathering)
        loop_alarm(loop, loop->timebase->now_ns(loop->timebase) + GATHER_NS, gathered, fs);
    fs->gathering = fs->gathering || any;
    if (fs->gathering)
        virtq_kicks_off(vq);
    return r;
}

static void end_round(struct fs *fs, int r)
{
    if (r < 0)
        virtio_fail(&fs->dev, r, "request");
    virtio_signal(&fs->dev, &fs->dev.queue[0]);
    virtio_signal(&fs->dev, &fs->dev.queue[1]);
}

static void gathered(struct loop *loop, void *ctx)
{
    struct fs *fs = ctx;

    (void)loop;
    fs->gathering = false;
    if (virtio_failed(&fs->dev))
        return;
    virtq_round(&fs->dev.queue[0]);
    end_round(fs, serve_urgent(fs));
}

/* What is urgent does not wait for more than the request that is being served (§5.11.6.2). */
static void fs_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct fs *fs = fs_of(dev);
    int r;

    do {
        r = serve_urgent(fs);
        if (r == 0 && vq != &dev->queue[0])
            r = serve_one(fs, vq);
    } while (r > 0);
    end_round(fs, r);
}

/* The mode of a new file is the guest's to say: no umask on this thread. */
static int fs_activate(struct virtio_device *dev)
{
    if (!fs_of(dev)->writable)
        return 0;
    if (unshare(CLONE_FS) < 0)
        return -errno;
    (void)umask(0);
    return 0;
}

static void fs_reset(struct virtio_device *dev)
{
    loop_alarm(virtio_loop(dev), TIME_NEVER, NULL, NULL);
    fs_of(dev)->gathering = false;
    fs_end(fs_of(dev));
}

/* -- life -- */

/* Each file that the guest knows takes a descriptor if there are enough. Asks for as many as there
 * may be, which goes beyond the hard limit for root only. How many it is. */
static uint32_t raise_fd_limit(void)
{
    struct rlimit limit, more = {FDS_MAX, FDS_MAX};

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return FDS_RESERVE * 2;
    if (limit.rlim_cur < FDS_MAX) {
        more.rlim_max = MAX(limit.rlim_max, more.rlim_max);
        if (setrlimit(RLIMIT_NOFILE, &more) < 0) {
            more = (struct rlimit){MIN(limit.rlim_max, more.rlim_cur), limit.rlim_max};
            (void)setrlimit(RLIMIT_NOFILE, &more); /* or it stays */
        }
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return (uint32_t)MIN(MAX(limit.rlim_cur, (rlim_t)FDS_RESERVE * 2), (rlim_t)FDS_MAX);
}

static int open_root(struct fs *fs, const char *path)
{
    auto_close int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct statx st;
    int r;

    if (fd < 0 || faccessat(fd, ".", R_OK | X_OK, AT_EACCESS) < 0)
        return opts_error("--share path: %s: %s", path, strerror(errno));
    if (fs->writable && faccessat(fd, ".", W_OK, AT_EACCESS) < 0)
        return opts_error("--share path: %s: can't be written to (%s); leave rw out", path,
                          strerror(errno));
    if (fs_is_kernels(fd))
        return opts_error(
            "--share path: %s: has no plain files; the guest has its own of this kind", path);
    r = fs_stat(fd, &st);
    if (r < 0)
        return log_error(r, "--share path: %s", path);
    (void)inode_add(&fs->inodes, fd_take(&fd), &st, 0); /* the first one: there is room */
    (void)fs_ino(fs, fs->inodes.inode[FUSE_ROOT_ID].dev, 0);
    return 0;
}

static int fs_create(struct virtio_device *dev, const struct opts *opts)
{
    struct fs *fs = fs_of(dev);
    const char *tag = opts_str(opts, "tag");
    int r;

    if (tag[0] == '\0')
        return opts_error("--share tag: is empty; give the name by which the guest mounts it");
    memcpy(fs->config.tag, tag, strlen(tag)); /* fits: so the table says; padded by zeros */
    fs->config.num_request_queues = 1;
    dev->config = (uint8_t *)&fs->config;
    dev->config_size = sizeof(fs->config);
    fs->writable = opts_bool(opts, "rw");
    fs->valid_s = fs->writable ? 1 : 86400;
    fs->root = geteuid() == 0;
    fs->fd_limit = raise_fd_limit() - FDS_RESERVE;
    r = inodes_init(&fs->inodes, FILES_MAX, fs->fd_limit / (SHARES_MAX + 1));
    if (r == 0)
        r = handles_init(&fs->handles, HANDLES_MAX);
    return r < 0 ? log_error(r, "%s", dev->name) : open_root(fs, opts_str(opts, "path"));
}

static void fs_destroy(struct virtio_device *dev)
{
    handles_fini(&fs_of(dev)->handles);
    inodes_fini(&fs_of(dev)->inodes);
}

static const struct opt fs_opts[] = {
    {.name = "path",
     .help = "folder that the guest sees",
     .type = OPT_PATH,
     .arg = "DIR",
     .flags = OPT_REQUIRED | OPT_POSITIONAL},
    {.name = "tag",
     .help = "name by which it does: mount -t virtiofs TAG /mnt",
     .max = sizeof(((struct virtio_fs_config *)0)->tag),
     .flags = OPT_REQUIRED | OPT_UNIQUE},
    {.name = "rw",
     .value = "off",
     .help = "whether the guest may change it, with your rights; else changes made here meanwhile "
             "may not be seen there",
     .type = OPT_BOOL},
    {0},
};

const struct virtio_class virtio_fs = {
    .name = "share",
    .help = "folder of this host (virtio-fs)",
    .id = VIRTIO_ID_FS,
    .features = 1ull << VIRTIO_F_IN_ORDER,
    .queue_count = 2, /* for what is urgent, and for requests */
    .limits = {.size = QUEUE_SIZE, .chain_descs = FS_IOVS_MAX},
    .instance_size = sizeof(struct fs),
    .instance_offset = offsetof(struct fs, dev),
    .opts = fs_opts,
    .create = fs_create,
    .destroy = fs_destroy,
    .activate = fs_activate,
    .reset = fs_reset,
    .notify = fs_notify,
};
