/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of virtio devices, see registry.h. */
#include "devices/registry.h"

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
    {0},
};
/* clang-format on */
