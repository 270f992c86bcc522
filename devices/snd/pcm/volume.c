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

void volume_init(struct volume *volume)
{
    for (unsigned channel = 0; channel < WIRE_CHANNELS_MAX; channel++)
        volume->level[channel] = VOLUME_LEVEL_MAX;
}

void volume_apply(const struct volume *volume, const struct pcm_params *params, void *buf,
                  size_t frames)
{
    const struct pcm_format *format = params->format;
    const bool is_opaque = format->kind == PCM_KIND_OPAQUE;
    const uint32_t channels = params->channels;
    uint8_t *at = buf;

    assert(channels <= WIRE_CHANNELS_MAX);
    for (size_t left = is_unity(volume, channels) ? 0 : frames; left > 0; left--) {
        double numbers[WIRE_CHANNELS_MAX] = {0};

        if (!is_opaque)
            pcm_to_double(format, at, numbers, channels);
        for (uint32_t channel = 0; channel < channels; channel++) {
            if (volume->level[channel] > 0)
                numbers[channel] *= (double)volume->level[channel] / VOLUME_LEVEL_MAX;
            else if (is_opaque)
                pcm_silence(format, at + channel * format->sample_bytes, 1);
            else
                numbers[channel] = 0; /* of infinity, too */
        }
        if (!is_opaque)
            pcm_from_double(format, numbers, at, channels);
        at += params->frame_bytes;
    }
}
