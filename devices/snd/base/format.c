/* SPDX-License-Identifier: BSD-3-Clause */
/* See format.h: the one table of formats and the one of rates. No state. */
#include "devices/snd/base/format.h"

#include "vmm/base/timebase.h"

#include <alsa/asoundlib.h>
#include <linux/virtio_snd.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#define SIGNED   PCM_KIND_SIGNED
#define UNSIGNED PCM_KIND_UNSIGNED
#define REAL     PCM_KIND_FLOAT

/* The row of format X: code, ALSA's code A, bytes, bits, kind. */
#define ROW(X, A, BYTES, BITS, KIND)                                                               \
    [VIRTIO_SND_PCM_FMT_##X] = {.name = #X,                                                        \
                                .code = VIRTIO_SND_PCM_FMT_##X,                                    \
                                .alsa = SND_PCM_FORMAT_##A,                                        \
                                .sample_bytes = (BYTES),                                           \
                                .sample_bits = (BITS),                                             \
                                .kind = (KIND)}

/*
 * "S24" is 24 bits in the low end of 4 bytes, "S24_3" is 24 bits in 3 bytes. What is no number
 * (mu-law and A-law, ADPCM, DSD, IEC 958) is not offered: nobody could hear, record or mute it.
 */
static const struct pcm_format formats[PCM_FORMAT_COUNT] = {
    ROW(S8, S8, 1, 8, SIGNED),          ROW(U8, U8, 1, 8, UNSIGNED),
    ROW(S16, S16_LE, 2, 16, SIGNED),    ROW(U16, U16_LE, 2, 16, UNSIGNED),
    ROW(S18_3, S18_3LE, 3, 18, SIGNED), ROW(U18_3, U18_3LE, 3, 18, UNSIGNED),
    ROW(S20_3, S20_3LE, 3, 20, SIGNED), ROW(U20_3, U20_3LE, 3, 20, UNSIGNED),
    ROW(S24_3, S24_3LE, 3, 24, SIGNED), ROW(U24_3, U24_3LE, 3, 24, UNSIGNED),
    ROW(S20, S20_LE, 4, 20, SIGNED),    ROW(U20, U20_LE, 4, 20, UNSIGNED),
    ROW(S24, S24_LE, 4, 24, SIGNED),    ROW(U24, U24_LE, 4, 24, UNSIGNED),
    ROW(S32, S32_LE, 4, 32, SIGNED),    ROW(U32, U32_LE, 4, 32, UNSIGNED),
    ROW(FLOAT, FLOAT_LE, 4, 32, REAL),  ROW(FLOAT64, FLOAT64_LE, 8, 64, REAL),
};

/* By code. 12000 and 24000 are new in virtio 1.4. */
static const uint32_t rates_hz[PCM_RATE_COUNT] = {
    5512,  8000,  11025, 16000,  22050,  32000,  44100, 48000,
    64000, 88200, 96000, 176400, 192000, 384000, 12000, 24000,
};

const struct pcm_format *pcm_format_by_code(unsigned code)
{
    return code < PCM_FORMAT_COUNT && formats[code].name != NULL ? &formats[code] : NULL;
}

const struct pcm_format *pcm_format_by_name(const char *name)
{
    for (size_t i = 0; i < PCM_FORMAT_COUNT; i++)
        if (formats[i].name != NULL && strcasecmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

uint64_t pcm_formats(void)
{
    uint64_t set = 0;

    for (unsigned code = 0; code < PCM_FORMAT_COUNT; code++)
        set |= formats[code].name != NULL ? 1ull << code : 0;
    return set;
}

uint32_t pcm_rate_hz(unsigned code)
{
    return code < PCM_RATE_COUNT ? rates_hz[code] : 0;
}

int pcm_rate_by_hz(uint32_t rate_hz)
{
    for (int i = 0; i < PCM_RATE_COUNT; i++)
        if (rates_hz[i] == rate_hz)
            return i;
    return -ENOENT;
}

uint64_t frames_to_ns(uint64_t frames, uint32_t rate_hz)
{
    uint64_t rest = frames % rate_hz;

    return frames / rate_hz * SECOND_NS + (rest * SECOND_NS + rate_hz - 1) / rate_hz;
}

uint64_t ns_to_frames(uint64_t ns, uint32_t rate_hz)
{
    return ns / SECOND_NS * rate_hz + ns % SECOND_NS * rate_hz / SECOND_NS;
}

/* A sample of an integer format as a number whose full scale is 32 bits. */
static int32_t sample_get(const struct pcm_format *format, const uint8_t *bytes)
{
    const uint32_t flip = format->kind == PCM_KIND_UNSIGNED ? 0x80000000u : 0;
    uint32_t bits = 0;

    for (size_t b = 0; b < format->sample_bytes; b++)
        bits |= (uint32_t)bytes[b] << 8 * b;
    return (int32_t)(bits << (32u - format->sample_bits) ^ flip);
}

/* The reverse: what does not fit the format's bits is cut off. Signed ones are sign-extended to the
 * whole container, as ALSA wants it. */
static void sample_put(const struct pcm_format *format, int32_t number, uint8_t *ret_bytes)
{
    const unsigned shift = 32u - format->sample_bits;
    uint32_t bits = format->kind == PCM_KIND_SIGNED ? (uint32_t)(number >> shift)
                                                    : ((uint32_t)number ^ 0x80000000u) >> shift;

    for (size_t b = 0; b < format->sample_bytes; b++)
        ret_bytes[b] = (uint8_t)(bits >> 8 * b);
}

void pcm_silence(const struct pcm_format *format, void *ret_buf, size_t samples)
{
    uint8_t *out = ret_buf;

    memset(out, 0, samples * format->sample_bytes);
    for (size_t i = 0; i < samples && format->kind == PCM_KIND_UNSIGNED; i++)
        sample_put(format, 0, out + i * format->sample_bytes);
}

void pcm_to_double(const struct pcm_format *format, const void *buf, double *ret_samples,
                   size_t samples)
{
    const uint8_t *in = buf;
    float narrow;

    for (size_t i = 0; i < samples; i++, in += format->sample_bytes) {
        if (format->kind != PCM_KIND_FLOAT) {
            ret_samples[i] = sample_get(format, in) * 0x1p-31;
        } else if (format->sample_bytes == sizeof(double)) {
            memcpy(&ret_samples[i], in, sizeof(double));
        } else {
            memcpy(&narrow, in, sizeof(narrow));
            ret_samples[i] = (double)narrow;
        }
    }
}

void pcm_from_double(const struct pcm_format *format, const double *samples, void *ret_buf,
                     size_t count)
{
    const double half = exp2(31 - format->sample_bits); /* of the last bit */
    uint8_t *out = ret_buf;

    for (size_t i = 0; i < count; i++, out += format->sample_bytes) {
        float narrow = (float)samples[i];
        double number = floor(samples[i] * 0x1p31 + half);

        if (format->kind != PCM_KIND_FLOAT)
            sample_put(format, (int32_t)MAX(MIN(number, INT32_MAX), INT32_MIN), out);
        else if (format->sample_bytes == sizeof(narrow))
            memcpy(out, &narrow, sizeof(narrow));
        else
            memcpy(out, &samples[i], sizeof(samples[i]));
    }
}
