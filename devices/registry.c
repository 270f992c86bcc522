/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of virtio devices, see registry.h. */
#include "devices/registry.h"

const struct virtio_slots virtio_slots[] = {
    /* class      first, count */
    {&virtio_rng, 0, 1},
    {&virtio_snd, 1, 4},
    {0},
};
