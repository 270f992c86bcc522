/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings as the front-end has them, and when the device works on them, see backend.h. A ring works
 * while it is started (by its kick eventfd; GET_VRING_BASE stops it) and enabled.
 *
 *                rings_stand()                       rings_changed()
 *   [ works ] ----------------> [ stands still ] --------------------> [ works ]
 *                                 no ring works: stays so
 *                                 all that worked do, unchanged: the same life goes on
 *                                 a ring stopped with nothing under way: is put aside
 *                                 not all of the others do (yet): waits a while for the rest
 *                                 else: the device is reset, a new life begins
 *
 * Front-ends start and stop rings one by one; they are waited for, so that a pause of the machine
 * is not taken for queues that stop for good, whose requests would be lost. A queue that has none
 * is dead while its ring does not work, and the device goes on without it at once: one that is
 * switched off alone (cards with several pairs of queues) holds up no other. It comes back as it
 * was, or, while others worked on, as a queue that was reset.
 */
#include "virtio/vhost_user/inside.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/epoll.h>

/* How long the others are waited for, when a first ring works: of a device that is idle they start
 * later as well as now. */
#define FIRST_WAIT_NS  (10 * MS_NS)
#define OTHERS_WAIT_NS SECOND_NS

/* -- a ring -- */

/* Nothing was said of it. */
static void ring_clear(struct vhost_user_backend *backend, uint32_t index)
{
    backend->ring[index] =
        (struct vhost_user_ring){.backend = backend, .kick = {.fd = -1}, .call = -1, .error = -1};
}

int rings_init(struct vhost_user_backend *backend)
{
    uint32_t count = backend->dev->queue_count;

    backend->ring = calloc(count, sizeof(backend->ring[0]));
    if (backend->ring == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        ring_clear(backend, i);
    return 0;
}

void rings_fini(struct vhost_user_backend *backend)
{
    free(backend->ring);
    backend->ring = NULL;
}

bool ring_works(const struct vhost_user_ring *ring)
{
    return ring->started && ring->enabled && ring->has_address;
}

void ring_set_kick(struct vhost_user_ring *ring, int fd)
{
    loop_remove(&ring->kick); /* the worker stands still, or it was in no loop */
    fd_close(&ring->kick.fd);
    ring->kick.fd = fd;
}

void ring_set_call(struct vhost_user_ring *ring, int *slot, int fd)
{
    (void)pthread_mutex_lock(&ring->backend->lock);
    fd_close(slot);
    *slot = fd;
    (void)pthread_mutex_unlock(&ring->backend->lock);
}

void ring_stop(struct vhost_user_ring *ring)
{
    ring->started = false;
    ring_set_kick(ring, -1);
    ring_set_call(ring, &ring->call, -1);
}

/* The worker: the front-end's guest kicked. Each kick is an edge, and not read: see worker.c. */
static void ring_kicked(struct watch *watch, uint32_t epoll_events)
{
    struct vhost_user_ring *ring = container_of(watch, struct vhost_user_ring, kick);
    struct virtio_device *dev = ring->backend->dev;

    (void)epoll_events;
    virtio_queue_serve(dev, &dev->queue[ring - ring->backend->ring]);
}

/* -- standing still -- */

static uint64_t now_ns(const struct vhost_user_backend *backend)
{
    return backend->loop->timebase->now_ns(backend->loop->timebase);
}

void rings_stand(struct vhost_user_backend *backend)
{
    struct virtio_device *dev = backend->dev;

    loop_alarm(backend->loop, TIME_NEVER, NULL, NULL);
    if (backend->standing)
        return;
    virtio_pause(dev);
    backend->standing = true;
    backend->stood_at_ns = now_ns(backend);
    news_hold(backend, true);
    for (uint32_t i = 0; i < dev->queue_count; i++)
        if (ring_works(&backend->ring[i]) && dev->queue[i].running)
            backend->ring[i].base = virtq_base(&dev->queue[i], false);
}

#define READY (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

/* The device is as new, and its driver has got as far as those features. That is before any are
 * said, too: drivers may write config space before there are rings (input). Locked. */
static void device_reset(struct virtio_device *dev, uint64_t features)
{
    virtio_status_write(dev, 0);
    virtio_settle(dev);
    virtio_features_write(dev, 0, (uint32_t)features);
    virtio_features_write(dev, 1, (uint32_t)(features >> 32));
    virtio_status_write(dev, READY);
}

void rings_reset(struct vhost_user_backend *backend)
{
    rings_stand(backend);
    virtio_lock(backend->dev);
    device_reset(backend->dev, 1ull << VIRTIO_F_VERSION_1);
    virtio_unlock(backend->dev);
    for (uint32_t i = 0; i < backend->dev->queue_count; i++) {
        struct vhost_user_ring *ring = &backend->ring[i];
        ring_stop(ring);
        ring_set_call(ring, &ring->error, -1);
        ring_clear(backend, i);
    }
}

/* -- going on -- */

/* The guest's address of a part of the ring; one that is in no region makes the queue fail when it
 * starts, as a driver's bad set-up does. */
static gpa_t guest_address(const struct vhost_user_backend *backend, uint64_t user)
{
    gpa_t addr;

    return memory_guest(backend->mem, user, &addr) ? addr : UINT64_MAX;
}

static struct virtq_config config_of(const struct vhost_user_backend *backend, uint32_t index)
{
    const struct vhost_user_ring *ring = &backend->ring[index];

    return (struct virtq_config){.size = (uint16_t)ring->size,
                                 .resumes = true,
                                 .base = ring->base,
                                 .desc = guest_address(backend, ring->address.desc),
                                 .driver = guest_address(backend, ring->address.avail),
                                 .device = guest_address(backend, ring->address.used)};
}

/* Where a new life begins on a ring: at BASE, but some front-ends give there what the driver has
 * made available so far, and lose what it made available before DRIVER_OK. What has not been used
 * is taken (again) from a ring of which nothing was used, and from one that the device fills. */
static uint32_t first_base(const struct vhost_user_backend *backend, uint32_t index,
                           const struct virtq_config *config)
{
    const struct virtio_device *dev = backend->dev;
    le16 used;

    if ((backend->features >> VIRTIO_F_RING_PACKED & 1) != 0 ||
        memory_read(backend->mem, config->device + 2, &used, sizeof(used)) < 0)
        return config->base;
    bool fills = index < 64 && (dev->class->fill_queues >> index & 1) != 0;
    return fills || from_le16(used) == 0 ? from_le16(used) : config->base;
}

/* The queue runs, and everything about it is as it was. */
static bool is_same(const struct vhost_user_backend *backend, uint32_t index)
{
    const struct virtq *vq = &backend->dev->queue[index];
    const struct virtq_config now = config_of(backend, index), *was = &vq->config;

    return vq->running && virtq_in_place(vq) && now.size == was->size && now.desc == was->desc &&
           now.driver == was->driver && now.device == was->device &&
           now.base == virtq_base(vq, false);
}

/* Whether the life that was interrupted can go on. */
static bool goes_on(const struct vhost_user_backend *backend)
{
    const struct virtio_device *dev = backend->dev;
    bool any = false;

    if (!dev->active || virtio_failed(dev) || dev->driver_features != backend->features)
        return false;
    for (uint32_t i = 0; i < dev->queue_count; i++) {
        if (!ring_works(&backend->ring[i]) || !dev->queue[i].running)
            continue;
        bool same = is_same(backend, i);
        if (!same && (backend->none_works || !backend->ring[i].aside))
            return false;
        any |= same;
    }
    return any;
}

static void queue_set_up(struct vhost_user_backend *backend, uint32_t index)
{
    struct virtio_device *dev = backend->dev;
    struct virtq_config *config = virtio_queue_setup(dev, index);

    *config = config_of(backend, index);
    config->base = first_base(backend, index, config);
    virtio_queue_enable(dev, index, true);
    virtio_settle(dev);
}

/* From the beginning, as the driver of a register transport does. */
static void begin_life(struct vhost_user_backend *backend)
{
    struct virtio_device *dev = backend->dev;

    virtio_lock(dev);
    device_reset(dev, backend->features);
    shared_sweep(backend);
    for (uint32_t i = 0; i < dev->queue_count; i++) {
        backend->ring[i].aside = false;
        if (ring_works(&backend->ring[i]))
            queue_set_up(backend, i);
    }
    virtio_status_write(dev, READY | VIRTIO_CONFIG_S_DRIVER_OK);
    virtio_settle(dev);
    virtio_unlock(dev);
}

/* Its ring does not work any more, or is another. */
static void queue_stop(struct virtio_device *dev, uint32_t index)
{
    virtio_queue_enable(dev, index, false);
    virtio_settle(dev);
}

static void queue_go_on(struct vhost_user_backend *backend, uint32_t index)
{
    struct virtio_device *dev = backend->dev;
    struct vhost_user_ring *ring = &backend->ring[index];
    struct virtq *vq = &dev->queue[index];
    const bool works = ring_works(ring), was_aside = ring->aside;

    ring->aside = !works && vq->running && vq->held_slots == 0;
    if (ring->aside) {
        virtq_kill(vq);
        return;
    }
    if (vq->running && !(works && is_same(backend, index)))
        queue_stop(dev, index);
    if (!works)
        return;
    if (!vq->running)
        queue_set_up(backend, index);
    else if (was_aside)
        virtq_revive(vq);
    virtq_kick(vq); /* it may have been added to in between */
}

/* Rings that do not work any more stop for good, if they can't be put aside; further ones start. */
static void go_on(struct vhost_user_backend *backend)
{
    virtio_lock(backend->dev);
    for (uint32_t i = 0; i < backend->dev->queue_count; i++)
        queue_go_on(backend, i);
    virtio_unlock(backend->dev);
}

/* Kicks of rings that work wake the workers, and no others do. */
static int kicks_watch(struct vhost_user_backend *backend)
{
    struct virtio_device *dev = backend->dev;
    int r = 0;

    for (uint32_t i = 0; i < dev->queue_count && r == 0; i++) {
        struct vhost_user_ring *ring = &backend->ring[i];
        struct loop *loop = &dev->worker[i % dev->worker_count].loop;
        loop_remove(&ring->kick);
        ring->kick.ready = ring_kicked;
        if (ring_works(ring))
            r = loop_add(loop, &ring->kick, EPOLLIN | EPOLLET);
    }
    return r;
}

static int go(struct vhost_user_backend *backend)
{
    if (goes_on(backend))
        go_on(backend);
    else
        begin_life(backend);
    int r = kicks_watch(backend);
    if (r < 0)
        return r;
    news_hold(backend, false);
    backend->standing = backend->none_works = false;
    virtio_resume(backend->dev, now_ns(backend) - backend->stood_at_ns);
    return 0;
}

static void waited(struct loop *loop, void *ctx)
{
    struct vhost_user_backend *backend = ctx;

    (void)loop;
    if (go(backend) < 0)
        vhost_user_backend_leave(backend);
}

/* A ring that does not work may be about to: what is under way there waits for it, and after a
 * pause of all of them, what worked before. */
static bool is_missing(const struct vhost_user_backend *backend, uint32_t index)
{
    const struct virtq *vq = &backend->dev->queue[index];

    if (!vq->running)
        return false;
    return backend->none_works ? !backend->ring[index].aside : vq->held_slots > 0;
}

int rings_changed(struct vhost_user_backend *backend)
{
    const struct virtio_device *dev = backend->dev;
    bool lives = dev->active && !virtio_failed(dev);
    uint32_t works = 0, missing = 0;

    if (!backend->standing)
        return 0;
    for (uint32_t i = 0; i < dev->queue_count; i++) {
        bool here = ring_works(&backend->ring[i]);
        works += here;
        missing += !here && (!lives || is_missing(backend, i));
    }
    if (works == 0) {
        backend->none_works = true;
        return 0;
    }
    if (missing == 0)
        return go(backend);
    loop_alarm(backend->loop, now_ns(backend) + (lives ? OTHERS_WAIT_NS : FIRST_WAIT_NS), waited,
               backend);
    return 0;
}
