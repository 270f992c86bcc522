/* SPDX-License-Identifier: BSD-3-Clause */
/* See host.h. */
#include "devices/snd/host/host.h"

int host_create(const struct host_class *class, const struct host_setup *setup,
                struct host **ret_host)
{
    struct host *host = calloc(1, class->instance_size);

    if (host == NULL)
        return log_error(-ENOMEM, "%s", setup->name);
    host->class = class;
    host->name = setup->name;
    int r = class->create(host, setup);
    if (r < 0)
        class->destroy(host);
    else
        *ret_host = host;
    return r;
}
