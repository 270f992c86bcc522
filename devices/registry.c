/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of virtio devices, see registry.h. */
#include "devices/registry.h"

#define SLOTS 32 /* of every machine */

/* clang-format off */
const struct virtio_slots virtio_slots[] = {
    /* class, first, count */
    {&virtio_rng, 0, 1},
    {&virtio_snd, 1, 4},
    {&virtio_blk, 5, 8},
    {&virtio_net, 13, 4},
    {&virtio_console, 17, 1},
    {&virtio_vsock, 18, 1},
    {&virtio_fs, 19, 4},
    {&virtio_balloon, 23, 1},
    {&virtio_input, 24, 4},
    {&virtio_pmem, 28, 4},
    {&virtio_vhost_user, VIRTIO_SLOT_FREE, 16},
    {0},
};
/* clang-format on */

int virtio_slot_free(uint32_t id, uint32_t taken)
{
    const struct virtio_slots *row = virtio_slots;
    int last = SLOTS - 1;

    while (row->class != NULL && (row->class->id != id || row->first == VIRTIO_SLOT_FREE))
        row++;
    if (row->class != NULL) {
        for (unsigned slot = row->first; slot < row->first + row->count; slot++)
            if ((taken >> slot & 1) == 0)
                return (int)slot;
        return -ENOSPC;
    }
    while (last >= 0 && (taken >> last & 1) != 0)
        last--;
    return last >= 0 ? last : -ENOSPC;
}
