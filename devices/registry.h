/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every class of virtio device that there is. A new device is a file, a line here, a row in
 * registry.c.
 */
#pragma once

#include "virtio/device.h"

extern const struct virtio_class virtio_rng;
extern const struct virtio_class virtio_snd;

/* In slot order, ends with NULL. */
extern const struct virtio_class *const virtio_classes[];
