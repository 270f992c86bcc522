/* SPDX-License-Identifier: BSD-3-Clause */
/* host=null: frames vanish, and silence is recorded, at the stream's own pace. See host.h. */
#include "devices/snd/host/host.h"

#include "devices/snd/base/wire.h"
#include "vmm/base/log.h"

struct null_host {
    struct host host;
    struct pcm_params params;
};

static struct null_host *null_host(struct host *host)
{
    return container_of(host, struct null_host, host);
}

static int null_create(const struct host_setup *setup, struct host **ret_host)
{
    struct null_host *null = calloc(1, sizeof(*null));

    if (null == NULL)
        return log_error(-ENOMEM, "%s", setup->name);
    null->host = (struct host){
        .class = &host_null,
        .name = setup->name,
        .caps = {.formats = UINT64_MAX,
                 .rates = (1u << PCM_RATE_COUNT) - 1,
                 .channels_min = 1,
                 .channels_max = WIRE_CHANNELS_MAX},
    };
    *ret_host = &null->host;
    return 0;
}

static void null_destroy(struct host *host)
{
    if (host != NULL)
        free(null_host(host));
}

static int null_open(struct host *host, const struct pcm_params *params)
{
    null_host(host)->params = *params;
    return 0;
}

static void null_close(struct host *host)
{
    (void)host;
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

const struct host_class host_null = {
    .name = "null",
    .help = "nowhere, or silence",
    .create = null_create,
    .destroy = null_destroy,
    .open = null_open,
    .close = null_close,
    .write = null_write,
    .read = null_read,
};
