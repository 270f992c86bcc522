/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The class of devices that another process serves, see vhost_user.h: its life from the first word
 * with the back-end to the last. What is said is in session.c.
 *
 *   create              hello, config space                              waited for
 *   DRIVER_OK, resume   start                                            the loop goes on meanwhile
 *   reset, pause        what is under way, stop (reset: new life)        waited for
 *   CONFIG_CHANGE       config space                                     the loop goes on
 *   driver's write      what is under way, write, config space           waited for
 *
 * Each of these has `timeout` for all of its answers; a back-end that takes longer is left, so that
 * nobody waits for it again. One that calls, or speaks on its channel, more than a device could
 * have to say is listened to less often.
 *
 * Does not know in-flight buffers, hence no reconnection: requests of a back-end that died are
 * lost, and for most devices only it knew which were done.
 */
#include "devices/vhost_user/vhost_user.h"
#include "devices/registry.h"

#include <linux/virtio_config.h>
#include <string.h>
#include <sys/epoll.h>

/* Where a ring begins in the packed layout: at 0, both wrap counters 1. */
#define PACKED_BEGIN 0x80008000

/* 100,000 calls a second: more than any guest could see. */
#define CALLS_PERIOD_NS (10 * MS_NS)
#define CALLS_MAX       1000

/* Of the channel, at a time and then not for a while. */
#define CHANNEL_MESSAGES_MAX 8
#define CHANNEL_PERIOD_NS    (100 * MS_NS)

/* -- the end -- */

static void calls_unwatch(struct vhost_user *vu)
{
    for (unsigned i = 0; i < vu->dev.queue_count; i++)
        virtio_call_remove(&vu->dev, &vu->dev.queue[i], &vu->call[i]);
}

static void unwatch(struct vhost_user *vu)
{
    loop_remove(&vu->link);
    loop_remove(&vu->channel);
    calls_unwatch(vu);
    vu->calls_again_ns = vu->channel_again_ns = TIME_NEVER;
}

static void link_close(struct vhost_user *vu)
{
    vhost_user_receiver_fini(&vu->rx);
    vhost_user_receiver_fini(&vu->channel_rx);
    fd_close(&vu->link.fd);
    fd_close(&vu->channel.fd);
    vu->session.steps = NULL;
    vu->rings_on = false;
}

/* The back-end broke the rules, or is gone. */
static void fail(struct vhost_user *vu, int r)
{
    char what[64];

    (void)snprintf(what, sizeof(what), "back-end, after %s", vu->session.last);
    unwatch(vu);
    link_close(vu);
    virtio_fail(&vu->dev, r == -ENODATA ? -ECONNRESET : r, what);
}

/* -- what is due later -- */

static void alarm_set(struct vhost_user *vu);

static int calls_watch(struct vhost_user *vu)
{
    int r = 0;

    vu->calls_again_ns = TIME_NEVER;
    vu->calls_left = CALLS_MAX;
    vu->calls_since = monotonic_ns();
    for (unsigned i = 0; i < vu->dev.queue_count && r == 0; i++)
        if (vu->dev.queue[i].running)
            r = virtio_call_add(&vu->dev, &vu->dev.queue[i], &vu->call[i]);
    return r;
}

static int channel_watch(struct vhost_user *vu)
{
    vu->channel_again_ns = TIME_NEVER;
    if (vu->channel.fd < 0)
        return 0;
    return loop_add(virtio_loop(&vu->dev), &vu->channel, EPOLLIN);
}

static void alarm_rings(struct loop *loop, void *ctx)
{
    struct vhost_user *vu = ctx;
    uint64_t now = monotonic_ns();
    int r = 0;

    (void)loop;
    if (vu->session.steps != NULL && now >= vu->session.deadline_ns)
        r = -ETIMEDOUT;
    if (r == 0 && now >= vu->calls_again_ns)
        r = calls_watch(vu);
    if (r == 0 && now >= vu->channel_again_ns)
        r = channel_watch(vu);
    if (r < 0)
        fail(vu, r);
    alarm_set(vu);
}

static void alarm_set(struct vhost_user *vu)
{
    uint64_t at = vu->session.steps != NULL ? vu->session.deadline_ns : TIME_NEVER;

    at = MIN(at, vu->calls_again_ns);
    at = MIN(at, vu->channel_again_ns);
    loop_alarm(virtio_loop(&vu->dev), at, alarm_rings, vu);
}

/* Looks what became of an exchange that the loop does not wait for. */
static void went(struct vhost_user *vu, int r)
{
    if (r >= 0 && vu->link.loop != NULL && vu->link_full != vu->session.full) {
        vu->link_full = vu->session.full;
        r = loop_change(&vu->link, vu->link_full ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    if (r < 0)
        fail(vu, r);
    alarm_set(vu);
}

/* -- the rings -- */

/* A back-end of the old rule looks at a ring for the first time when it is kicked. Config space may
 * have changed since we were there last, which is told to nobody while no ring is served. */
static void started(struct vhost_user *vu)
{
    vu->config_changed = vu->kind.config_bytes > 0;
    for (unsigned i = 0; i < vu->dev.queue_count; i++)
        if (vu->dev.queue[i].running)
            virtq_kick(&vu->dev.queue[i]);
}

static void call_ready(struct watch *watch, uint32_t epoll_events)
{
    struct virtio_device *dev = container_of(watch->loop, struct virtio_worker, loop)->dev;
    struct vhost_user *vu = vu_of(dev);

    (void)epoll_events; /* an edge: the eventfd is not read, so that it may be what it likes */
    virtio_call(dev, &dev->queue[watch - vu->call]);
    if (--vu->calls_left > 0)
        return;
    vu->calls_left = CALLS_MAX;
    uint64_t end = vu->calls_since + CALLS_PERIOD_NS, now = monotonic_ns();
    vu->calls_since = now;
    if (now >= end)
        return;
    calls_unwatch(vu);
    vu->calls_again_ns = end;
    alarm_set(vu);
}

/* -- config space -- */

static void config_came(struct vhost_user *vu)
{
    if (memcmp(vu->config, vu->fresh, vu->dev.config_size) != 0)
        virtio_config_set(&vu->dev, 0, vu->fresh, vu->dev.config_size);
}

static void config_ask(struct vhost_user *vu)
{
    if (!vu->config_changed || vu->session.steps != NULL ||
        !vu_has(vu, VHOST_USER_PROTOCOL_F_CONFIG))
        return;
    vu->config_changed = false;
    went(vu, vu_session_begin(vu, vu_config, config_came));
}

static void vu_config_write(struct virtio_device *dev, size_t off, const void *buf, size_t len)
{
    struct vhost_user *vu = vu_of(dev);
    const struct vu_kind *kind = &vu->kind;
    int r;

    if (vu->link.fd < 0 || off < kind->writable_off ||
        off + len > (size_t)kind->writable_off + kind->writable_len)
        return;
    vu->write_off = off;
    vu->write_len = len;
    memcpy(vu->write_bytes, buf, len);
    r = vu_session_finish(vu);
    if (r == 0)
        r = vu_session_run(vu, vu_write);
    if (r == 0 || r == -EREMOTEIO) /* refused: then it is as it was */
        r = vu_session_run(vu, vu_config);
    if (r == 0 && vu_has(vu, VHOST_USER_PROTOCOL_F_CONFIG))
        virtio_config_take(dev, 0, vu->fresh, dev->config_size);
    went(vu, r);
}

/* -- what the back-end says -- */

static void link_ready(struct watch *watch, uint32_t epoll_events)
{
    struct vhost_user *vu = container_of(watch, struct vhost_user, link);

    int r = (epoll_events & ~(uint32_t)EPOLLOUT) != 0 ? vu_session_read(vu) : 0;
    if (r >= 0 && (epoll_events & EPOLLOUT) != 0)
        r = vu_session_send(vu);
    went(vu, MIN(r, 0));
    if (vu->link.fd >= 0)
        config_ask(vu);
}

/* Answers a message that wants it: 0 or -errno. */
static int channel_answer(struct vhost_user *vu, uint64_t answer)
{
    const struct vhost_user_header *asked = &vu->channel_rx.msg.header;
    struct vhost_user_message msg;

    vhost_user_begin(&msg, asked->request, sizeof(msg.payload.u64));
    msg.header.flags |= VHOST_USER_REPLY;
    msg.payload.u64 = answer;
    return vhost_user_send(vu->channel.fd, &msg, 0);
}

static int channel_take(struct vhost_user *vu)
{
    const struct vhost_user_header *header = &vu->channel_rx.msg.header;
    bool known = header->request == VHOST_USER_BACKEND_CONFIG_CHANGE && header->size == 0;

    vu->config_changed |= known;
    if ((header->flags & VHOST_USER_NEED_REPLY) != 0)
        return channel_answer(vu, known ? 0 : 1);
    return known ? 0 : -EPROTO;
}

static void channel_ready(struct watch *watch, uint32_t epoll_events)
{
    struct vhost_user *vu = container_of(watch, struct vhost_user, channel);
    int r = 1;

    (void)epoll_events;
    for (unsigned i = 0; i < CHANNEL_MESSAGES_MAX && r == 1; i++) {
        r = vhost_user_receive(watch->fd, &vu->channel_rx);
        if (r == 1 && channel_take(vu) < 0)
            r = -EPROTO;
    }
    loop_remove(watch);
    if (r < 0)
        fd_close(&watch->fd); /* it has no more to say that we would hear */
    else
        vu->channel_again_ns = monotonic_ns() + CHANNEL_PERIOD_NS;
    config_ask(vu);
    alarm_set(vu);
}

/* -- life -- */

static void start(struct vhost_user *vu)
{
    int r = loop_add(virtio_loop(&vu->dev), &vu->link, EPOLLIN);

    vu->link_full = false;
    if (r == 0)
        r = channel_watch(vu);
    if (r == 0)
        r = calls_watch(vu);
    vu->rings_on = true;
    if (r == 0)
        r = vu_session_begin(vu, vu_start, started);
    went(vu, r);
}

static int vu_activate(struct virtio_device *dev)
{
    struct vhost_user *vu = vu_of(dev);

    if (vu->link.fd < 0)
        return -ENOTCONN;
    for (unsigned i = 0; i < dev->queue_count; i++)
        vu->base[i] = virtio_has(dev, VIRTIO_F_RING_PACKED) ? PACKED_BEGIN : 0;
    start(vu);
    return 0;
}

/* Takes the rings back: 0 or -errno. */
static int stop(struct vhost_user *vu)
{
    int r = vu_session_finish(vu);

    unwatch(vu);
    if (r == 0 && vu->rings_on)
        r = vu_session_run(vu, vu_stop);
    vu->rings_on = false;
    alarm_set(vu);
    return r;
}

static void vu_reset(struct virtio_device *dev)
{
    struct vhost_user *vu = vu_of(dev);

    unwatch(vu);
    if (vu->link.fd < 0)
        return;
    int r = stop(vu);
    if (r == 0)
        r = vu_session_run(vu, vu_new_life);
    if (r == 0)
        return;
    log_guest(&dev->log_limit, "%s: the back-end is given up, after %s: %s", dev->name,
              vu->session.last, vu_error(r));
    link_close(vu);
}

static void vu_pause(struct virtio_device *dev)
{
    struct vhost_user *vu = vu_of(dev);
    int r = vu->link.fd < 0 ? 0 : stop(vu);

    if (r < 0)
        fail(vu, r);
}

static void vu_resume(struct virtio_device *dev, uint64_t paused_ns)
{
    struct vhost_user *vu = vu_of(dev);

    (void)paused_ns;
    if (vu->link.fd >= 0)
        start(vu);
}

static int vu_create(struct virtio_device *dev, const struct opts *opts)
{
    struct vhost_user *vu = vu_of(dev);

    vu->link = (struct watch){.fd = -1, .ready = link_ready};
    vu->channel = (struct watch){.fd = -1, .ready = channel_ready};
    vu->channel_other = -1;
    for (unsigned i = 0; i < VU_QUEUES_MAX; i++)
        vu->call[i] = (struct watch){.fd = -1, .ready = call_ready};
    vu->calls_again_ns = vu->channel_again_ns = TIME_NEVER;
    return vu_meet(vu, opts);
}

static void vu_destroy(struct virtio_device *dev)
{
    struct vhost_user *vu = vu_of(dev);

    link_close(vu);
    fd_close(&vu->channel_other);
    for (unsigned i = 0; i < VU_QUEUES_MAX; i++)
        fd_close(&vu->call[i].fd);
}

/* The back-end has no more to do, and may end. */
static int vu_finish(struct virtio_device *dev)
{
    link_close(vu_of(dev));
    return 0;
}

/* clang-format off */
#define VU_CLASS                                                                                   \
    .id = VIRTIO_ID_RNG, /* each instance has its own */                                           \
    .queue_count = 1,    /* and so here */                                                         \
    .limits = {.size = 1, .chain_descs = 1},                                                       \
    .lends_queues = true,                                                                          \
    .instance_size = sizeof(struct vhost_user),                                                    \
    .instance_offset = offsetof(struct vhost_user, dev),                                           \
    .opts = vu_opts,                                                                               \
    .create = vu_create,                                                                           \
    .destroy = vu_destroy,                                                                         \
    .activate = vu_activate,                                                                       \
    .reset = vu_reset,                                                                             \
    .pause = vu_pause,                                                                             \
    .resume = vu_resume,                                                                           \
    .config_write = vu_config_write,                                                               \
    .finish = vu_finish
/* clang-format on */

const struct virtio_class virtio_vhost_user = {
    .name = "vhost-user", .help = "device that another process serves", VU_CLASS};

const struct virtio_class virtio_isolated = {
    .name = "isolated", .help = "device of ours that a process of its own serves", VU_CLASS};
