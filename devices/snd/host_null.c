/* SPDX-License-Identifier: BSD-3-Clause */
/* host=null: frames vanish, in real time or as fast as they come. See host.h. */
#include "devices/snd/host.h"

#include "devices/snd/wire.h"

static int null_create(const struct host_setup *setup, struct host **ret_host)
{
    struct host *host = calloc(1, sizeof(*host));

    if (host == NULL)
        return -ENOMEM;
    *host = (struct host){
        .class = &host_null,
        .name = setup->name,
        .caps = {.formats = UINT64_MAX,
                 .rates = UINT64_MAX,
                 .channels_min = 1,
                 .channels_max = WIRE_CHANNELS_MAX},
    };
    *ret_host = host;
    return 0;
}

static void null_destroy(struct host *host)
{
    free(host);
}

static int null_open(struct host *host, const struct pcm_params *params)
{
    (void)host;
    (void)params;
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

const struct host_class host_null = {
    .name = "null",
    .help = "nowhere",
    .create = null_create,
    .destroy = null_destroy,
    .open = null_open,
    .close = null_close,
    .write = null_write,
};
