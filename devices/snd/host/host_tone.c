/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source=tone: a sine on every channel, begun anew at each PREPARE. See host.h. The value of a
 * frame follows from its number alone, so nothing drifts.
 */
#include "devices/snd/host/host.h"

#include "devices/snd/base/wire.h"
#include "vmm/base/log.h"
#include "vmm/config/opts.h"

#include <math.h>
#include <string.h>

struct tone_host {
    struct host host;
    double freq_hz;
    double amplitude; /* 1: full scale */
    struct pcm_params params;
    uint64_t frames; /* given since open */
};

static struct tone_host *tone_host(struct host *host)
{
    return container_of(host, struct tone_host, host);
}

static int tone_create(const struct host_setup *setup, struct host **ret_host)
{
    struct tone_host *tone = calloc(1, sizeof(*tone));
    uint64_t formats = 0;

    if (tone == NULL)
        return log_error(-ENOMEM, "%s", setup->name);
    for (unsigned code = 0; code < PCM_FORMAT_COUNT; code++) {
        const struct pcm_format *format = pcm_format_by_code(code);
        if (format != NULL && format->kind != PCM_KIND_OPAQUE)
            formats |= 1ull << code;
    }
    tone->freq_hz = (double)opts_u64(setup->opts, "tone-freq");
    tone->amplitude = pow(10, -(double)opts_u64(setup->opts, "tone-level") / 20);
    tone->host = (struct host){.class = &host_tone,
                               .name = setup->name,
                               .caps = {.formats = formats,
                                        .rates = (1u << PCM_RATE_COUNT) - 1,
                                        .channels_min = 1,
                                        .channels_max = WIRE_CHANNELS_MAX}};
    *ret_host = &tone->host;
    return 0;
}

static void tone_destroy(struct host *host)
{
    if (host != NULL)
        free(tone_host(host));
}

static int tone_open(struct host *host, const struct pcm_params *params)
{
    struct tone_host *tone = tone_host(host);

    tone->params = *params;
    tone->frames = 0;
    return 0;
}

static void tone_close(struct host *host)
{
    (void)host;
}

/* The next frame: -1 to 1. */
static double tone_next(struct tone_host *tone)
{
    double turns = fmod((double)tone->frames++ * tone->freq_hz / tone->params.rate_hz, 1);

    return tone->amplitude * sin(2 * M_PI * turns);
}

static void put_sample(const struct pcm_format *format, double value, uint8_t *out)
{
    int32_t number = (int32_t)lrint(value * INT32_MAX);
    float real = (float)value;

    if (format->kind != PCM_KIND_FLOAT)
        pcm_from_s32(format, &number, out, 1);
    else if (format->sample_bytes == 4)
        memcpy(out, &real, sizeof(real));
    else
        memcpy(out, &value, sizeof(value));
}

static ssize_t tone_read(struct host *host, void *ret_buf, size_t frames)
{
    struct tone_host *tone = tone_host(host);
    const struct pcm_format *format = tone->params.format;
    uint8_t *out = ret_buf;

    for (size_t i = 0; i < frames; i++) {
        double value = tone_next(tone);
        for (uint32_t c = 0; c < tone->params.channels; c++, out += format->sample_bytes)
            put_sample(format, value, out);
    }
    return (ssize_t)frames;
}

const struct host_class host_tone = {
    .name = "tone",
    .help = "a sine",
    .create = tone_create,
    .destroy = tone_destroy,
    .open = tone_open,
    .close = tone_close,
    .read = tone_read,
};
