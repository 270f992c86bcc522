/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of virtio classes, see registry.h. A class says itself which slots it has. */
#include "devices/registry.h"

const struct virtio_class *const virtio_classes[] = {
    &virtio_rng, /* slot 0 */
    &virtio_snd, /* slots 1 to 4 */
    NULL,
};
