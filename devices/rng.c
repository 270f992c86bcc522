/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entropy device (virtio 1.2 §5.4): fills the driver's buffers from the host kernel's random number
 * generator, getrandom(2). One queue, and neither features of its own, nor config space, nor
 * options. Requests are served on the device's worker, which owns the queue.
 *
 * A guest may ask without end, so there is an allowance of work for each tick of a timer. While it
 * is used up, or the host has no random numbers yet, requests wait in the ring.
 */
#include "devices/registry.h"
#include "vmm/base/timebase.h"

#include <linux/virtio_config.h>
#include <sys/epoll.h>
#include <sys/random.h>

/* Cap on one reply: a chain may claim 4 GiB, and any non-zero length is legal (§5.4.6.2). */
#define RNG_REPLY_BYTES_MAX 4096

/* 6.4 MB/s at most, or 25,000 small requests: some percent of a core. Linux asks for 64 bytes at a
 * time. */
#define RNG_TICK_NS       (10 * MS_NS)
#define RNG_TICK_COST_MAX 65536
#define RNG_REQUEST_COST  256 /* in bytes, for taking and returning a request */

/* Ticks in a row without an answer from the host until we give up: 2 s. */
#define RNG_FAILURES_MAX 200

struct rng {
    struct virtio_device dev;
    struct watch timer; /* owned fd, one-shot; armed while `waiting` */
    bool waiting;
    bool holding; /* a request was taken and is not answered yet */
    struct chain held;
    uint32_t cost_left; /* of this tick's allowance */
    unsigned failures;  /* of the host's source, in a row */
};

static struct rng *rng_of(struct virtio_device *dev)
{
    return container_of(dev, struct rng, dev);
}

/* Serves nothing until the next tick. */
static void rng_wait(struct rng *rng)
{
    timebase_arm_in(&timebase_monotonic, rng->timer.fd, RNG_TICK_NS);
    rng->waiting = true;
}

/* Fills the request held: 0, or -errno of the source. */
static int rng_fill(struct rng *rng)
{
    uint8_t reply[RNG_REPLY_BYTES_MAX];
    struct chain *req = &rng->held;
    size_t len = MIN(sizeof(reply), (size_t)chain_writable(req));
    uint32_t cost = RNG_REQUEST_COST + (uint32_t)len;

    rng->cost_left -= MIN(rng->cost_left, cost);
    if (chain_readable(req) > 0 || len == 0)
        return 0; /* the driver broke §5.4.6.1: it gets this one back empty */
    ssize_t got = getrandom(reply, len, GRND_NONBLOCK);
    if (got <= 0)
        return got < 0 ? -errno : -EAGAIN;
    return chain_write(req, reply, (size_t)got);
}

/* Takes and answers one request: 1, 0 when there is none, -EPROTO, or -EAGAIN if it must wait. */
static int rng_serve(struct rng *rng, struct virtq *vq)
{
    int r = rng->holding ? 1 : virtq_pop(vq, &rng->held);

    if (r <= 0)
        return r;
    rng->holding = true;
    r = rng_fill(rng);
    if (r < 0) {
        rng->failures++;
        return rng->failures < RNG_FAILURES_MAX ? -EAGAIN : -EIO;
    }
    rng->failures = 0;
    rng->holding = false;
    virtq_push(vq, &rng->held);
    return 1;
}

static void rng_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct rng *rng = rng_of(dev);
    int r = 1;

    if (rng->waiting)
        return;
    while (r > 0 && rng->cost_left > 0)
        r = rng_serve(rng, vq);
    if (r == -EAGAIN || rng->cost_left == 0)
        rng_wait(rng);
    else if (r < 0)
        virtio_fail(dev, r, "request");
    virtio_signal(dev, vq);
}

static void rng_tick(struct watch *watch, uint32_t epoll_events)
{
    struct rng *rng = container_of(watch, struct rng, timer);
    uint64_t count;

    (void)epoll_events;
    (void)!read(watch->fd, &count, sizeof(count)); /* it is one */
    rng->waiting = false;
    rng->cost_left = RNG_TICK_COST_MAX;
    rng_notify(&rng->dev, &rng->dev.queue[0]);
}

static int rng_activate(struct virtio_device *dev)
{
    struct rng *rng = rng_of(dev);

    rng->cost_left = RNG_TICK_COST_MAX;
    return loop_add(virtio_loop(dev), &rng->timer, EPOLLIN);
}

static void rng_reset(struct virtio_device *dev)
{
    struct rng *rng = rng_of(dev);

    loop_remove(&rng->timer);
    timebase_monotonic.arm(&timebase_monotonic, rng->timer.fd, TIME_NEVER);
    rng->waiting = rng->holding = false;
    rng->failures = 0;
}

static void rng_queue_reset(struct virtio_device *dev, struct virtq *vq)
{
    (void)vq;
    rng_of(dev)->holding = false;
}

static int rng_create(struct virtio_device *dev, const struct opts *opts)
{
    struct rng *rng = rng_of(dev);

    (void)opts;
    rng->timer = (struct watch){.fd = timebase_timer(), .ready = rng_tick};
    return rng->timer.fd < 0 ? log_error(rng->timer.fd, "%s: timer", dev->name) : 0;
}

static void rng_destroy(struct virtio_device *dev)
{
    fd_close(&rng_of(dev)->timer.fd);
}

static const struct opt rng_opts[] = {{0}};

const struct virtio_class virtio_rng = {
    .name = "rng",
    .help = "random numbers from the host's kernel",
    .id = VIRTIO_ID_RNG,
    .features = 1ull << VIRTIO_F_IN_ORDER,
    .queue_count = 1,
    .limits = {.size = 64, .chain_descs = 64},
    .instance_size = sizeof(struct rng),
    .instance_offset = offsetof(struct rng, dev),
    .opts = rng_opts,
    .create = rng_create,
    .destroy = rng_destroy,
    .activate = rng_activate,
    .reset = rng_reset,
    .queue_reset = rng_queue_reset,
    .notify = rng_notify,
};
