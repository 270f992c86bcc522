/* SPDX-License-Identifier: BSD-3-Clause */
/* The sound device, see snd.c. */
#pragma once

#include "virtio/device.h"

extern const struct virtio_class virtio_snd;
