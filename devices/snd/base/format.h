/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCM formats and rates (virtio 1.4 §5.14.6.6.2): one table row each, so that no two places can
 * disagree about how many bytes a sample has. Samples on the wire are little endian and
 * interleaved on every host.
 */
#pragma once

#include "vmm/base/base.h"

enum pcm_direction { PCM_OUTPUT, PCM_INPUT }; /* VIRTIO_SND_D_OUTPUT, _INPUT */

/* How the bytes of a sample are to be read as a number; what the level meter and volume need. */
enum pcm_kind {
    PCM_KIND_SIGNED,   /* two's complement in the low `sample_bits` bits */
    PCM_KIND_UNSIGNED, /* same, offset by half the range */
    PCM_KIND_FLOAT,    /* IEEE 754, full scale is 1.0 */
};

struct pcm_format {
    const char *name;     /* as in options and reports: "S16" */
    uint8_t code;         /* VIRTIO_SND_PCM_FMT_*: also its bit in pcm_info.formats */
    int8_t alsa;          /* snd_pcm_format_t of the little-endian variant */
    uint8_t sample_bytes; /* of the container */
    uint8_t sample_bits;  /* significant ones, in the low end of the container */
    enum pcm_kind kind;
};

#define PCM_FORMAT_COUNT 25 /* codes 0 to 24 */
#define PCM_RATE_COUNT   16 /* codes 0 to 15 */

/* NULL if there is none. Any thread. */
const struct pcm_format *pcm_format_by_code(unsigned code);
/* By name, any case; NULL if unknown. */
const struct pcm_format *pcm_format_by_name(const char *name);

/* All that there are, as a set: bit n is code n. */
uint64_t pcm_formats(void);

/* Hertz, or 0 for an undefined code. */
uint32_t pcm_rate_hz(unsigned code);
/* VIRTIO_SND_PCM_RATE_*, or -ENOENT. */
int pcm_rate_by_hz(uint32_t rate_hz);

/* Nanoseconds that `frames` frames take, rounded up; exact for any 64-bit count below 2^63 ns. */
uint64_t frames_to_ns(uint64_t frames, uint32_t rate_hz);
/* Whole frames in a time. */
uint64_t ns_to_frames(uint64_t ns, uint32_t rate_hz);

/* Writes `samples` samples of silence. */
void pcm_silence(const struct pcm_format *format, void *ret_buf, size_t samples);

/* What SET_PARAMS set: checked, so its users need not. */
struct pcm_params {
    const struct pcm_format *format;
    uint32_t rate_hz;
    uint32_t channels;      /* 1 to 255 */
    uint32_t frame_bytes;   /* channels * format->sample_bytes */
    uint32_t period_frames; /* at least 1 */
    uint32_t buffer_frames; /* a multiple of period_frames */
};

/* Frames of both look the same. */
static inline bool pcm_params_alike(const struct pcm_params *a, const struct pcm_params *b)
{
    return a->format == b->format && a->rate_hz == b->rate_hz && a->channels == b->channels;
}

/* Samples as numbers whose full scale is 1; exactly. */
void pcm_to_double(const struct pcm_format *format, const void *buf, double *ret_samples,
                   size_t samples);
/* The reverse: to the nearest, halves upwards, and cut off at full scale, where the format has
 * one. */
void pcm_from_double(const struct pcm_format *format, const double *samples, void *ret_buf,
                     size_t count);
