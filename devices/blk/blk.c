/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Block device (virtio 1.2 §5.2): a disk that is a file or a block device of the host's, raw.
 *
 *   driver -> queues -> request.c -> engine.h: uring.c, or pool.c where io_uring is denied
 *                           |                        |
 *                        image.h: which file?        '-> the host's files, many things at once
 *
 * All of it is on the device's one worker, which waits for queues and for the engine, never for a
 * disk, but in a discard of a block device (see uring.c), in a pause and in a reset: the latter two
 * last until what is under way has ended, as no memory of the guest's may change afterwards. (That
 * is at most 256 requests, each with 32 MiB: one of 16 MiB, and as much that is left of it.) The
 * news of what has finished together is one interrupt.
 *
 * Does not know zoned storage, lifetimes, secure erase, or a disk that grows.
 */
#include "devices/blk/blk.h"

#include "vmm/base/sparse.h"

#include <linux/virtio_blk.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#define REQUESTS_BYTES    (BLK_OPS_MAX * sizeof(struct blk_request))
#define WRITABLE_FEATURES (1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES)

static struct blk *blk_of(struct virtio_device *dev)
{
    return container_of(dev, struct blk, dev);
}

/* -- at work -- */

static void kick_queues(struct blk *blk)
{
    for (unsigned i = 0; i < blk->dev.queue_count; i++)
        virtq_kick(&blk->dev.queue[i]);
}

static void tell_driver(struct blk *blk)
{
    for (unsigned i = 0; blk->pushed != 0; i++, blk->pushed >>= 1)
        if ((blk->pushed & 1) != 0)
            virtio_signal(&blk->dev, &blk->dev.queue[i]);
}

/* Hands over what was begun and takes what has finished, of which some goes on. What is left makes
 * the engine's fd readable. False: the host has no memory for more now. */
static bool settle(struct blk *blk)
{
    struct blk_op *op;

    (void)blk_engine_flush(blk->engine); /* once more below */
    for (unsigned i = 0; i < BLK_OPS_MAX && (op = blk_engine_reap(blk->engine)) != NULL; i++)
        blk_request_go_on(blk, op);
    bool flushed = blk_engine_flush(blk->engine);
    tell_driver(blk);
    return flushed;
}

static void work(struct blk *blk)
{
    bool again = !settle(blk);

    if (blk->short_of_requests && blk->under_way < BLK_OPS_MAX) {
        blk->short_of_requests = false;
        again = true;
    }
    if (again)
        kick_queues(blk);
}

static void blk_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct blk *blk = blk_of(dev);
    struct chain chain;
    int r = 1;

    while (blk->under_way < BLK_OPS_MAX && (r = virtq_pop(vq, &chain)) > 0)
        blk_request_start(blk, vq, &chain);
    if (r > 0)
        blk->short_of_requests = true;
    else if (r < 0)
        virtio_fail(dev, r, "request");
    work(blk);
}

static void finished_ready(struct watch *watch, uint32_t epoll_events)
{
    (void)epoll_events;
    work(container_of(watch, struct blk, finished));
}

/* Returns when nothing is under way. */
static void drain(struct blk *blk)
{
    struct pollfd finished = {.fd = blk->engine->fd, .events = POLLIN};

    while (blk->under_way > 0) {
        int patience_ms = settle(blk) ? -1 : 10;
        if (blk->under_way > 0)
            (void)poll(&finished, 1, patience_ms); /* woken by mistake, it looks again */
    }
}

/* -- life -- */

static void set_writeback(struct blk *blk, uint8_t on)
{
    virtio_config_take(&blk->dev, offsetof(struct blk_config, writeback), &on, sizeof(on));
}

/* A driver that does not know FLUSH has every write stable when it is answered (§5.2.6.2). */
static int blk_activate(struct virtio_device *dev)
{
    struct blk *blk = blk_of(dev);
    const uint8_t off = 0;

    if (!virtio_has(dev, VIRTIO_BLK_F_FLUSH))
        virtio_config_set(dev, offsetof(struct blk_config, writeback), &off, sizeof(off));
    return loop_add(virtio_loop(dev), &blk->finished, EPOLLIN);
}

/* Returns when nothing is under way; of long requests something is held. */
static void halt(struct blk *blk)
{
    blk->holding = true;
    drain(blk);
    blk->holding = false;
}

static void blk_pause(struct virtio_device *dev)
{
    halt(blk_of(dev));
}

static void blk_resume(struct virtio_device *dev, uint64_t paused_ns)
{
    struct blk *blk = blk_of(dev);

    (void)paused_ns;
    blk_requests_resume(blk, NULL);
    work(blk);
}

/* The requests of other queues end with it, or go on afterwards. */
static void blk_queue_reset(struct virtio_device *dev, struct virtq *vq)
{
    struct blk *blk = blk_of(dev);

    halt(blk);
    blk_requests_resume(blk, vq);
    work(blk);
}

static void blk_reset(struct virtio_device *dev)
{
    struct blk *blk = blk_of(dev);

    loop_remove(&blk->finished);
    blk->dropping = true;
    drain(blk);
    blk->dropping = blk->short_of_requests = false;
    blk->pushed = 0;
    blk->free = blk->held = NULL;
    blk->touched = 0;
    set_writeback(blk, 1);
}

static void blk_config_write(struct virtio_device *dev, size_t off, const void *buf, size_t len)
{
    const uint8_t *on = buf;

    if (virtio_has(dev, VIRTIO_BLK_F_CONFIG_WCE) && off == offsetof(struct blk_config, writeback) &&
        len == 1 && *on <= 1)
        set_writeback(blk_of(dev), *on);
}

static void fill_config(struct blk *blk)
{
    const struct blk_image *image = &blk->image;
    uint32_t blocks = MAX(image->physical_bytes / image->block_bytes, 1u);

    blk->config = (struct blk_config){
        .capacity = to_le64(image->bytes / BLK_SECTOR_BYTES),
        .seg_max = to_le32(BLK_SEGMENTS_MAX),
        .blk_size = to_le32(image->block_bytes),
        .physical_block_exp = (uint8_t)__builtin_ctz(blocks),
        .min_io_size = to_le16((uint16_t)blocks),
        .writeback = 1,
        .num_queues = to_le16(blk->dev.queue_count),
    };
    if (image->read_only)
        return;
    blk->config.max_discard_sectors = to_le32(BLK_RANGE_SECTORS_MAX);
    blk->config.max_discard_seg = to_le32(BLK_RANGES_MAX);
    blk->config.discard_sector_alignment = to_le32(image->physical_bytes / BLK_SECTOR_BYTES);
    blk->config.max_write_zeroes_sectors = to_le32(BLK_RANGE_SECTORS_MAX);
    blk->config.max_write_zeroes_seg = to_le32(BLK_RANGES_MAX);
    blk->config.write_zeroes_may_unmap = 1;
}

static int blk_create(struct virtio_device *dev, const struct opts *opts)
{
    struct blk *blk = blk_of(dev);
    int r = blk_image_open(&blk->image, opts);

    if (r < 0)
        return r;
    blk->requests = sparse_map(REQUESTS_BYTES);
    if (blk->requests == NULL)
        return log_error(-ENOMEM, "%s: requests", dev->name);
    r = blk_engine_create(dev->name, blk->image.file, &blk->engine);
    if (r < 0)
        return r;
    blk->finished = (struct watch){.fd = blk->engine->fd, .ready = finished_ready};
    const char *serial = opts_has(opts, "serial") ? opts_str(opts, "serial") : dev->name;
    memcpy(blk->serial, serial, MIN(strlen(serial), sizeof(blk->serial)));
    dev->queue_count = (uint16_t)opts_u64(opts, "queues");
    dev->features |= blk->image.read_only ? 1ull << VIRTIO_BLK_F_RO : WRITABLE_FEATURES;
    fill_config(blk);
    dev->config = (uint8_t *)&blk->config;
    dev->config_size = sizeof(blk->config);
    return 0;
}

static void blk_destroy(struct virtio_device *dev)
{
    struct blk *blk = blk_of(dev);

    blk_engine_destroy(blk->engine);
    sparse_unmap(blk->requests, REQUESTS_BYTES);
    blk_image_close(&blk->image);
}

static const struct opt blk_opts[] = {
    {"path", NULL, "raw image or block device of the host; --disk FILE is the same", OPT_PATH,
     .flags = OPT_REQUIRED | OPT_POSITIONAL, .arg = "FILE"},
    {"ro", NULL, "the guest can't write it; several machines may have it so", OPT_BOOL},
    {"overlay", NULL,
     "the guest can write, but that goes to a file without a name in $TMPDIR or /var/tmp, which "
     "ends with the machine",
     OPT_BOOL},
    {"direct", NULL, "go past the host's cache (O_DIRECT), where the guest's buffers are aligned",
     OPT_BOOL},
    {"serial", NULL, "what the guest finds as the disk's serial number (default: disk0 and so on)",
     OPT_STRING, .max = BLK_SERIAL_BYTES, .arg = "TEXT"},
    {"queues", "1", "request queues: for a guest with several CPUs, one for each", OPT_INT,
     .min = 1, .max = BLK_QUEUES_MAX},
    {0},
};

const struct virtio_class virtio_blk = {
    .name = "disk",
    .help = "disk (virtio-blk): a raw image or a block device",
    .id = VIRTIO_ID_BLOCK,
    .features = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
                1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_TOPOLOGY |
                1ull << VIRTIO_BLK_F_CONFIG_WCE | 1ull << VIRTIO_BLK_F_MQ,
    .queue_count = 1,
    .limits = {.size = BLK_QUEUE_SIZE, .chain_descs = BLK_DESCS_MAX, .held_iovs = 8192},
    .instance_size = sizeof(struct blk),
    .instance_offset = offsetof(struct blk, dev),
    .opts = blk_opts,
    .create = blk_create,
    .destroy = blk_destroy,
    .activate = blk_activate,
    .reset = blk_reset,
    .queue_reset = blk_queue_reset,
    .notify = blk_notify,
    .pause = blk_pause,
    .resume = blk_resume,
    .config_write = blk_config_write,
};
