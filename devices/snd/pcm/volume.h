/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gain of a group of streams: what its volume and mute controls do to the samples.
 *
 * A level is a factor of n/256, so that full level is 0 dB: then, and while nothing is muted,
 * samples stay as they are, bit for bit. Otherwise a sample of an integer format becomes the
 * nearest whole number, of a float format the product. A change takes effect between two frames, at
 * once: there is no ramp. Worker.
 */
#pragma once

#include "devices/snd/base/format.h"
#include "devices/snd/base/wire.h"

#define VOLUME_LEVEL_MAX 256 /* 0 dB */

struct volume {
    uint16_t level[WIRE_CHANNELS_MAX]; /* by channel */
};

/* Scales `frames` frames in place; 32-bit alignment is not needed. */
void volume_apply(const struct volume *volume, const struct pcm_params *params, void *buf,
                  size_t frames);
