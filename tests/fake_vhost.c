/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_vhost.h. */
#include "tests/fake_vhost.h"

#include <linux/vhost.h>
#include <string.h>
#include <sys/mman.h>

static struct fake_vhosts *fake; /* NULL: not started */

void fake_vhost_start(struct fake_vhosts *vhosts)
{
    fake = vhosts;
}

void fake_vhost_stop(void)
{
    fake = NULL;
}

int fake_vhost_open(const char *path)
{
    if (fake == NULL || strcmp(path, fake->path) != 0)
        return -ENOSYS;
    errno = fake->open_error;
    if (errno != 0)
        return -1;
    assert(fake->opened < FAKE_VHOSTS_MAX);
    struct fake_vhost *vhost = &fake->vhost[fake->opened++];
    *vhost = (struct fake_vhost){.fd = memfd_create("fake-vhost", MFD_CLOEXEC)};
    for (unsigned i = 0; i < 2; i++)
        vhost->ring[i] = (struct fake_vring){.kick = -1, .call = -1, .backend = -1};
    return vhost->fd;
}

static int memory_set(struct fake_vhost *vhost, const struct vhost_memory *table)
{
    if (table->nregions > ARRAY_SIZE(vhost->region))
        return -E2BIG;
    vhost->regions = table->nregions;
    memcpy(vhost->region, (const uint8_t *)table + sizeof(*table), /* NOLINT: they follow */
           table->nregions * sizeof(table->regions[0]));
    return 0;
}

static int backend_set(struct fake_vring *ring, int fd)
{
    if (fd >= 0 && (ring->addr.desc_user_addr == 0 || ring->kick < 0))
        return -EFAULT;
    ring->backend = fd;
    return 0;
}

static int ring_serve(struct fake_vring *ring, unsigned long request, void *arg)
{
    struct vhost_vring_state *state = arg;
    const struct vhost_vring_file *file = arg;
    bool runs = ring->backend >= 0;

    switch (request) {
    case VHOST_SET_VRING_NUM:
        ring->num = state->num;
        return runs ? -EBUSY : 0;
    case VHOST_SET_VRING_BASE:
        ring->base = state->num;
        return runs ? -EBUSY : 0;
    case VHOST_GET_VRING_BASE:
        state->num = ring->base;
        return 0;
    case VHOST_SET_VRING_ADDR:
        memcpy(&ring->addr, arg, sizeof(ring->addr));
        return 0;
    case VHOST_SET_VRING_KICK:
        ring->kick = file->fd;
        return 0;
    case VHOST_SET_VRING_CALL:
        ring->call = file->fd;
        return 0;
    case VHOST_NET_SET_BACKEND:
        return backend_set(ring, file->fd);
    default:
        return -ENOTTY;
    }
}

static int running_set(struct fake_vhost *vhost, int running)
{
    for (unsigned i = 0; i < 2; i++)
        if (running != 0 && (vhost->ring[i].addr.desc_user_addr == 0 || vhost->ring[i].kick < 0))
            return -EFAULT;
    vhost->running = running;
    return 0;
}

static int serve(struct fake_vhost *vhost, unsigned long request, void *arg)
{
    const unsigned *index = arg; /* a ring's requests begin with it */

    switch (request) {
    case VHOST_GET_FEATURES:
        memcpy(arg, &fake->known, sizeof(fake->known));
        return 0;
    case VHOST_SET_OWNER:
        vhost->owned = true;
        return 0;
    }
    if (!vhost->owned)
        return -EPERM;
    switch (request) {
    case VHOST_SET_FEATURES:
        memcpy(&vhost->features, arg, sizeof(vhost->features));
        return (vhost->features & ~fake->known) == 0 ? 0 : -EOPNOTSUPP;
    case VHOST_SET_MEM_TABLE:
        return memory_set(vhost, arg);
    case VHOST_VSOCK_SET_GUEST_CID:
        memcpy(&vhost->cid, arg, sizeof(vhost->cid));
        return vhost->cid == fake->cid_taken ? -EADDRINUSE : 0;
    case VHOST_VSOCK_SET_RUNNING:
        return running_set(vhost, *(const int *)arg);
    default:
        return *index < 2 ? ring_serve(&vhost->ring[*index], request, arg) : -ENOBUFS;
    }
}

int fake_vhost_ioctl(int fd, unsigned long request, unsigned long number)
{
    for (unsigned i = 0; fake != NULL && i < fake->opened; i++) {
        if (fake->vhost[i].fd != fd)
            continue;
        if (fake->requests++ == fake->fails_at)
            return -EIO;
        return serve(&fake->vhost[i], request, (void *)(uintptr_t)number); /* NOLINT: it is one */
    }
    return -ENOSYS;
}
