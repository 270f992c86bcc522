/* SPDX-License-Identifier: BSD-3-Clause */
/* See volume.h. */
#include "devices/snd/pcm/volume.h"

#include <string.h>

#define CHUNK_SAMPLES 256

static uint16_t level_of(const struct volume *volume, uint32_t channel)
{
    return volume->level[MIN(channel, WIRE_CHANNELS_MAX - 1u)];
}

static bool is_unity(const struct volume *volume, uint32_t channels)
{
    for (uint32_t channel = 0; channel < channels; channel++)
        if (level_of(volume, channel) != VOLUME_LEVEL_MAX)
            return false;
    return true;
}

void volume_init(struct volume *volume)
{
    for (unsigned channel = 0; channel < WIRE_CHANNELS_MAX; channel++)
        volume->level[channel] = VOLUME_LEVEL_MAX;
}

/* The nearest to x * level / 256, halves upwards, in units of the format's lowest bit: `sample` has
 * that bit at `shift`. */
static int32_t scale(int32_t sample, unsigned shift, uint16_t level)
{
    int64_t product = (int64_t)(sample >> shift) * level;
    int64_t nearest = (product + VOLUME_LEVEL_MAX / 2) >> 8; /* no larger than sample was */

    return (int32_t)((uint32_t)(int32_t)nearest << shift);
}
_Static_assert(VOLUME_LEVEL_MAX == 1 << 8, "see scale()");

static void apply_whole(const struct volume *volume, const struct pcm_params *params, uint8_t *buf,
                        size_t frames)
{
    const struct pcm_format *format = params->format;
    const unsigned shift = 32u - format->sample_bits;
    size_t left = frames * params->channels;
    int32_t chunk[CHUNK_SAMPLES];
    uint32_t channel = 0;

    while (left > 0) {
        size_t count = MIN(left, (size_t)CHUNK_SAMPLES);
        pcm_to_s32(format, buf, chunk, count);
        for (size_t i = 0; i < count; i++) {
            chunk[i] = scale(chunk[i], shift, level_of(volume, channel));
            channel = channel + 1 == params->channels ? 0 : channel + 1;
        }
        pcm_from_s32(format, chunk, buf, count);
        buf += count * format->sample_bytes;
        left -= count;
    }
}

/* Samples one by one: floats, and those that can be muted only. */
static void apply_single(const struct volume *volume, const struct pcm_params *params, uint8_t *buf,
                         size_t frames)
{
    const struct pcm_format *format = params->format;
    double number;

    for (size_t frame = 0; frame < frames; frame++) {
        for (uint32_t channel = 0; channel < params->channels; channel++) {
            uint16_t level = level_of(volume, channel);
            if (level == 0) {
                pcm_silence(format, buf, 1);
            } else if (format->kind == PCM_KIND_FLOAT) {
                pcm_to_double(format, buf, &number, 1);
                number *= (double)level / VOLUME_LEVEL_MAX;
                pcm_from_double(format, &number, buf, 1);
            }
            buf += format->sample_bytes;
        }
    }
}

void volume_apply(const struct volume *volume, const struct pcm_params *params, void *buf,
                  size_t frames)
{
    enum pcm_kind kind = params->format->kind;

    if (is_unity(volume, params->channels))
        return;
    if (kind == PCM_KIND_SIGNED || kind == PCM_KIND_UNSIGNED)
        apply_whole(volume, params, buf, frames);
    else
        apply_single(volume, params, buf, frames);
}
