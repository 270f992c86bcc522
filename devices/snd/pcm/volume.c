/* SPDX-License-Identifier: BSD-3-Clause */
/* See volume.h. */
#include "devices/snd/pcm/volume.h"

static bool is_unity(const struct volume *volume, uint32_t channels)
{
    for (uint32_t channel = 0; channel < channels; channel++)
        if (volume->level[channel] != VOLUME_LEVEL_MAX)
            return false;
    return true;
}

void volume_apply(const struct volume *volume, const struct pcm_params *params, void *buf,
                  size_t frames)
{
    const uint32_t channels = params->channels;
    double numbers[WIRE_CHANNELS_MAX];
    uint8_t *at = buf;

    assert(channels <= WIRE_CHANNELS_MAX);
    for (size_t left = is_unity(volume, channels) ? 0 : frames; left > 0; left--) {
        pcm_to_double(params->format, at, numbers, channels);
        for (uint32_t channel = 0; channel < channels; channel++) {
            numbers[channel] *= (double)volume->level[channel] / VOLUME_LEVEL_MAX;
            if (volume->level[channel] == 0)
                numbers[channel] = 0; /* of infinity, too */
        }
        pcm_from_double(params->format, numbers, at, channels);
        at += params->frame_bytes;
    }
}
