/* SPDX-License-Identifier: BSD-3-Clause */
/* See handle.h. */
#include "devices/fs/handle.h"

#include "vmm/base/sparse.h"

int handles_init(struct handles *handles, uint32_t size)
{
    void *at = sparse_map(size * sizeof(handles->handle[0]));

    *handles = (struct handles){.handle = at, .size = size, .used = 1};
    return at == NULL ? -ENOMEM : 0;
}

void handles_fini(struct handles *handles)
{
    if (handles->handle == NULL)
        return;
    handles_close(handles);
    sparse_unmap(handles->handle, handles->size * sizeof(handles->handle[0]));
    *handles = (struct handles){0};
}

int handle_add(struct handles *handles, int fd, bool folder, uint64_t node, uint64_t *ret_id)
{
    uint32_t index = handles->free;
    struct handle *handle;

    if (index == 0 && handles->used == handles->size)
        return -ENFILE;
    if (index == 0)
        index = handles->used++;
    else
        handles->free = handles->handle[index].next;
    handle = &handles->handle[index];
    *handle =
        (struct handle){.fd = fd, .generation = handle->generation, .folder = folder, .node = node};
    *ret_id = (uint64_t)handle->generation << 32 | index;
    return 0;
}

struct handle *handle_by_id(const struct handles *handles, uint64_t id, uint64_t node)
{
    uint32_t index = (uint32_t)id;
    struct handle *handle;

    if (index == 0 || index >= handles->used)
        return NULL;
    handle = &handles->handle[index];
    return handle->fd >= 0 && handle->generation == id >> 32 && handle->node == node ? handle
                                                                                     : NULL;
}

void handle_close(struct handles *handles, struct handle *handle)
{
    fd_close(&handle->fd);
    handle->generation++;
    handle->next = handles->free;
    handles->free = (uint32_t)(handle - handles->handle);
}

void handles_close(struct handles *handles)
{
    for (uint32_t i = 1; i < handles->used; i++)
        if (handles->handle[i].fd >= 0)
            handle_close(handles, &handles->handle[i]);
}
