/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host=null: frames vanish, and silence is recorded. source=tone: a sine on every channel is, begun
 * anew at each PREPARE; the value of a frame follows from its number alone, so nothing drifts. Both
 * at the stream's own pace. See host.h.
 */
#include "devices/snd/host/host.h"

#include "vmm/config/opts.h"

#include <math.h>

struct null_host {
    struct host host;
    struct pcm_params params;
    double freq_hz;
    double amplitude; /* 1: full scale */
    uint64_t frames;  /* given since open */
};

static struct null_host *null_host(struct host *host)
{
    return container_of(host, struct null_host, host);
}

static int null_create(struct host *host, const struct host_setup *setup)
{
    (void)setup;
    host->caps = host_caps_any();
    return 0;
}

static int tone_create(struct host *host, const struct host_setup *setup)
{
    struct null_host *tone = null_host(host);

    host->caps = host_caps_any();
    tone->freq_hz = (double)opts_u64(setup->opts, "tone-freq");
    tone->amplitude = pow(10, -(double)opts_u64(setup->opts, "tone-level") / 20);
    return 0;
}

static void null_destroy(struct host *host)
{
    free(null_host(host));
}

static int null_open(struct host *host, const struct pcm_params *params)
{
    null_host(host)->params = *params;
    null_host(host)->frames = 0;
    return 0;
}

static ssize_t null_write(struct host *host, const void *buf, size_t frames)
{
    (void)host;
    (void)buf;
    return (ssize_t)frames;
}

static ssize_t null_read(struct host *host, void *ret_buf, size_t frames)
{
    const struct pcm_params *params = &null_host(host)->params;

    pcm_silence(params->format, ret_buf, frames * params->channels);
    return (ssize_t)frames;
}

static ssize_t tone_read(struct host *host, void *ret_buf, size_t frames)
{
    struct null_host *tone = null_host(host);
    const struct pcm_params *params = &tone->params;
    uint8_t *out = ret_buf;

    for (size_t i = 0; i < frames; i++) {
        double turns = fmod((double)tone->frames++ * tone->freq_hz / params->rate_hz, 1);
        double value = tone->amplitude * sin(2 * M_PI * turns);
        for (uint32_t c = 0; c < params->channels; c++, out += params->format->sample_bytes)
            pcm_from_double(params->format, &value, out, 1);
    }
    return (ssize_t)frames;
}

const struct host_class host_null = {
    .name = "null",
    .instance_size = sizeof(struct null_host),
    .create = null_create,
    .destroy = null_destroy,
    .open = null_open,
    .write = null_write,
    .read = null_read,
};

const struct host_class host_tone = {
    .name = "tone",
    .instance_size = sizeof(struct null_host),
    .create = tone_create,
    .destroy = null_destroy,
    .open = null_open,
    .read = tone_read,
};
