/* SPDX-License-Identifier: BSD-3-Clause */
/* See wav.h. */
#include "devices/snd/host/wav.h"

#include <linux/virtio_snd.h>

#define ID(a, b, c, d) ((uint32_t)(a) | (b) << 8 | (c) << 16 | (uint32_t)(d) << 24)

/* Integers are unsigned up to 8 bits, else signed, in whole bytes. */
struct pcm_params wav_params(const struct pcm_params *played)
{
    static const uint8_t codes[] = {VIRTIO_SND_PCM_FMT_U8, VIRTIO_SND_PCM_FMT_S16,
                                    VIRTIO_SND_PCM_FMT_S24_3, VIRTIO_SND_PCM_FMT_S32};
    struct pcm_params stored = *played;

    if (stored.format->kind != PCM_KIND_FLOAT)
        stored.format = pcm_format_by_code(codes[(played->format->sample_bits - 1) / 8]);
    stored.frame_bytes = stored.format->sample_bytes * stored.channels;
    return stored;
}

void wav_header(const struct pcm_params *stored, uint64_t frames, le32 ret_words[WAV_HEADER_WORDS])
{
    const uint32_t frame_bytes = stored->frame_bytes,
                   sample_bits = stored->format->sample_bytes * 8u;
    const uint64_t data = frames * frame_bytes, riff = data + WAV_HEADER_BYTES - 8;
    const uint32_t tag = stored->format->kind == PCM_KIND_FLOAT ? 3 : 1;
    const bool is_large = riff >= UINT32_MAX;
    const uint64_t most = is_large ? UINT32_MAX : UINT64_MAX; /* "see ds64" */
    /* clang-format off */
    const uint64_t words[WAV_HEADER_WORDS] = {
        is_large ? ID('R', 'F', '6', '4') : ID('R', 'I', 'F', 'F'),
        MIN(riff, most), ID('W', 'A', 'V', 'E'),
        is_large ? ID('d', 's', '6', '4') : ID('J', 'U', 'N', 'K'),
        28, riff, riff >> 32, data, data >> 32, frames, frames >> 32, 0,
        ID('f', 'm', 't', ' '), 16, tag | stored->channels << 16,
        stored->rate_hz, stored->rate_hz * frame_bytes, frame_bytes | sample_bits << 16,
        ID('f', 'a', 'c', 't'), 4, MIN(frames, most),
        ID('d', 'a', 't', 'a'), MIN(data, most),
    };
    /* clang-format on */

    for (unsigned i = 0; i < WAV_HEADER_WORDS; i++)
        ret_words[i] = to_le32((uint32_t)words[i]);
}
