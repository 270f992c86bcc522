/* SPDX-License-Identifier: BSD-3-Clause */
/* See vhost.h. */
#include "devices/vhost.h"

#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#define BIT(n) (1ull << (n))

/* What the rings are like (virtio 1.2 §6): all features from here on, and those that we pass on. */
#define RING_FIRST 24
#define RING_FEATURES                                                                              \
    (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))

int vhost_request(const struct vhost *vhost, unsigned long number, void *arg)
{
    return ioctl(vhost->fd, number, arg) < 0 ? -errno : 0;
}

/* -- main -- */

static int prepare(struct vhost *vhost)
{
    const uint64_t wanted = vhost->kind | BIT(VIRTIO_F_VERSION_1);
    int r = vhost_request(vhost, VHOST_GET_FEATURES, &vhost->known);

    if (r == 0 && (vhost->known & wanted) != wanted)
        r = -ENOTSUP;
    if (r == 0) /* a thread of the kernel's for this process, too */
        r = vhost_request(vhost, VHOST_SET_OWNER, NULL);
    for (unsigned i = 0; i < VHOST_QUEUES_MAX && r == 0; i++) {
        vhost->call[i].watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = vhost->call[i].watch.fd < 0 ? -errno : 0;
    }
    return r;
}

int vhost_open(struct vhost *vhost, const char *name, const char *node, uint64_t kind)
{
    char path[32];

    *vhost = (struct vhost){.kind = kind};
    for (unsigned i = 0; i < VHOST_QUEUES_MAX; i++)
        vhost->call[i].watch.fd = -1;
    (void)snprintf(path, sizeof(path), "/dev/%s", node);
    vhost->fd = open(path, O_RDWR | O_CLOEXEC);
    if (vhost->fd < 0 && errno == EACCES)
        return log_error(-errno, "%s: %s: let users have it: sudo chmod 666 %s", name, path, path);
    if (vhost->fd < 0)
        return log_error(-errno, "%s: %s: load its module: sudo modprobe %s", name, path, node);
    int r = prepare(vhost);
    return r < 0 ? log_error(r, "%s: %s", name, path) : 0;
}

void vhost_close(struct vhost *vhost)
{
    if (vhost->fd == 0)
        return; /* never opened */
    for (unsigned i = 0; i < VHOST_QUEUES_MAX; i++)
        fd_close(&vhost->call[i].watch.fd);
    fd_close(&vhost->fd);
    *vhost = (struct vhost){0};
}

void vhost_limit(const struct vhost *vhost, struct virtio_device *dev)
{
    const uint64_t others = BIT(RING_FIRST) - 1;

    dev->features &= others | (vhost->known & RING_FEATURES);
    dev->in_kernel = true;
}

/* -- the worker -- */

static void call_ready(struct watch *watch, uint32_t epoll_events)
{
    const struct vhost_call *call = container_of(watch, struct vhost_call, watch);

    (void)epoll_events;
    if (!virtio_failed(call->dev))
        virtio_call(call->dev, call->vq);
}

static int memory_set(const struct vhost *vhost, const struct memory *mem)
{
    struct {
        _Alignas(struct vhost_memory) uint8_t head[sizeof(struct vhost_memory)];
        struct vhost_memory_region region[MEMORY_OWN_REGIONS_MAX];
    } table = {.head = {0}};
    const struct vhost_memory head = {.nregions = mem->region_count};

    memcpy(table.head, &head, sizeof(head));
    for (unsigned i = 0; i < mem->region_count; i++) {
        gpa_t base = mem->region[i].base;
        uint64_t size = mem->region[i].size;
        table.region[i] = (struct vhost_memory_region){
            .guest_phys_addr = base,
            .memory_size = size,
            .userspace_addr = (uintptr_t)memory_at(mem, base, size),
        };
    }
    return vhost_request(vhost, VHOST_SET_MEM_TABLE, &table);
}

/* It serves that queue as its number `i`. */
static int queue_give(struct vhost *vhost, unsigned i, struct virtio_device *dev, struct virtq *vq)
{
    struct vhost_call *call = &vhost->call[i];
    int r;

    virtq_stop(vq);
    r = virtq_lend(vq, dev->driver_features);
    if (r < 0)
        return r;
    struct vhost_vring_state size = {i, vq->size}, base = {i, virtq_base(vq, false)};
    struct vhost_vring_addr addr = {
        .index = i,
        .desc_user_addr = (uintptr_t)vq->desc,
        .avail_user_addr = (uintptr_t)vq->driver,
        .used_user_addr = (uintptr_t)vq->device,
    };
    struct vhost_vring_file kicks = {i, vq->kick.fd}, calls = {i, call->watch.fd};
    const struct {
        unsigned long number;
        void *arg;
    } requests[] = {
        {VHOST_SET_VRING_NUM, &size},   {VHOST_SET_VRING_BASE, &base},
        {VHOST_SET_VRING_ADDR, &addr},  {VHOST_SET_VRING_KICK, &kicks},
        {VHOST_SET_VRING_CALL, &calls},
    };
    for (unsigned n = 0; n < ARRAY_SIZE(requests) && r == 0; n++)
        r = vhost_request(vhost, requests[n].number, requests[n].arg);
    if (r < 0)
        return r;
    call->dev = dev;
    call->vq = vq;
    call->watch.ready = call_ready;
    return virtio_call_add(dev, vq, &call->watch);
}

int vhost_start(struct vhost *vhost, struct virtio_device *dev, unsigned first, unsigned count)
{
    uint64_t features = dev->driver_features & (RING_FEATURES | vhost->kind);

    assert(count <= VHOST_QUEUES_MAX);
    if (dev->mem->host == NULL)
        return -ENOTSUP; /* another process's RAM comes and goes, and the kernel would not know */
    int r = vhost_request(vhost, VHOST_SET_FEATURES, &features);
    if (r == 0)
        r = memory_set(vhost, dev->mem);
    for (unsigned i = 0; i < count && r == 0; i++)
        if (dev->queue[first + i].running)
            r = queue_give(vhost, i, dev, &dev->queue[first + i]);
    return r;
}

void vhost_stop(struct vhost *vhost)
{
    for (unsigned i = 0; i < VHOST_QUEUES_MAX; i++)
        virtio_call_remove(vhost->call[i].dev, vhost->call[i].vq, &vhost->call[i].watch);
}
