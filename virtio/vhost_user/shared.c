/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front-end's memory table. The device stands still while it changes. Regions that stay, stay
 * where they are mapped, so that requests under way and rings are not disturbed; those that go are
 * mapped as long as a request or a ring may lie in them: the device uses either until it is reset.
 */
#include "virtio/vhost_user/inside.h"

static struct memory_region region_of(const struct vhost_user_region *region)
{
    return (struct memory_region){.base = region->guest,
                                  .size = region->size,
                                  .user = region->user,
                                  .offset = region->offset};
}

void shared_sweep(struct vhost_user_backend *backend)
{
    const struct virtio_device *dev = backend->dev;

    for (uint32_t i = 0; dev->active && i < dev->queue_count; i++) {
        const struct virtq *vq = &dev->queue[i];
        bool used = !backend->ring[i].aside && !virtq_in_place(vq);
        if (vq->running && (vq->held_slots > 0 || used))
            return;
    }
    memory_sweep(backend->mem);
}

/* Removes what is not in the table, and takes out of it what stays. */
static int remove_others(struct memory *mem, struct vhost_user_message *msg, bool *stays)
{
    bool keep[MEMORY_REGIONS_MAX] = {false};
    int r = 0;

    for (uint32_t i = 0; i < msg->payload.table.count; i++) {
        struct memory_region region = region_of(&msg->payload.table.region[i]);
        unsigned at = memory_find(mem, &region, msg->fd[i]);
        stays[i] = at < mem->region_count && !keep[at];
        if (stays[i])
            keep[at] = true;
    }
    for (unsigned i = mem->region_count; i-- > 0 && r == 0;)
        if (!keep[i])
            r = memory_remove(mem, i); /* the last takes its place: it was looked at */
    return r;
}

int shared_set(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    const struct vhost_user_table *table = &msg->payload.table;
    bool stays[VHOST_USER_REGIONS_MAX] = {false};

    if (table->count > VHOST_USER_REGIONS_MAX || table->count != msg->fd_count ||
        msg->header.size != offsetof(struct vhost_user_table, region[table->count]))
        return -EBADMSG;
    rings_stand(backend);
    shared_sweep(backend);
    int r = remove_others(backend->mem, msg, stays);
    for (uint32_t i = 0; i < table->count && r == 0; i++) {
        struct memory_region region = region_of(&table->region[i]);
        if (!stays[i])
            r = memory_add(backend->mem, &region, &msg->fd[i]);
    }
    shared_sweep(backend);
    return r;
}

int shared_add(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    struct memory_region region = region_of(&msg->payload.one_region.region);

    rings_stand(backend);
    return memory_add(backend->mem, &region, &msg->fd[0]);
}

int shared_remove(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    struct memory_region region = region_of(&msg->payload.one_region.region);
    unsigned at = memory_find(backend->mem, &region, -1);

    if (at == backend->mem->region_count)
        return -ENOENT;
    rings_stand(backend);
    shared_sweep(backend);
    int r = memory_remove(backend->mem, at);
    shared_sweep(backend);
    return r;
}

void shared_drop(struct vhost_user_backend *backend)
{
    memory_destroy(backend->mem);
}
