/* SPDX-License-Identifier: BSD-3-Clause */
/* What loudspeakers the channels of a frame belong to (virtio 1.4 §5.14.6.9). Constant. */
#pragma once

#include "vmm/base/base.h"

#define CHMAP_CHANNELS_MAX 8

/* The positions (VIRTIO_SND_CHMAP_*) of frames with so many channels, 1 to CHMAP_CHANNELS_MAX. */
const uint8_t *chmap_of(unsigned channels);
