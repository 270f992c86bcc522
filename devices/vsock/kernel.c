/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket device served by the host's kernel (vhost-vsock): the guest is an address of this
 * host's own AF_VSOCK. The kernel has the queues of packets; the event queue stays here, where
 * nothing ever happens.
 */
#include "devices/vsock/vsock.h"

#include <linux/vhost.h>
#include <string.h>

bool vsock_kernel_wanted(const struct opts *opts)
{
    return strcmp(opts_str(opts, "path"), "vhost") == 0;
}

int vsock_kernel_open(struct vsock *vsock, const struct opts *opts)
{
    uint64_t cid = vsock->cid;

    if (opts_has(opts, "forward"))
        return opts_error("--vsock forward: not with vhost; give a socket's path instead");
    int r = vhost_open(&vsock->vhost, "--vsock", "vhost-vsock", 0);
    if (r < 0)
        return r;
    vhost_limit(&vsock->vhost, &vsock->dev);
    r = vhost_request(&vsock->vhost, VHOST_VSOCK_SET_GUEST_CID, &cid);
    if (r == -EADDRINUSE)
        return log_error(r, "--vsock cid: %u is another machine's; give another one", vsock->cid);
    return r < 0 ? log_error(r, "--vsock cid: %u", vsock->cid) : 0;
}

int vsock_kernel_run(struct vsock *vsock, bool run)
{
    const struct vhost *vhost = &vsock->vhost;
    int number = run;

    if (vhost->call[VSOCK_RX].watch.loop == NULL || vhost->call[VSOCK_TX].watch.loop == NULL)
        return 0; /* it does not serve them, or not both */
    int r = vhost_request(vhost, VHOST_VSOCK_SET_RUNNING, &number);
    for (unsigned i = 0; run && i < VHOST_QUEUES_MAX; i++)
        virtq_kick(vhost->call[i].vq); /* there may be something since before */
    return r;
}

int vsock_kernel_start(struct vsock *vsock)
{
    int r = vhost_start(&vsock->vhost, &vsock->dev, VSOCK_RX, VHOST_QUEUES_MAX);

    return r < 0 ? r : vsock_kernel_run(vsock, true);
}

void vsock_kernel_stop(struct vsock *vsock)
{
    (void)vsock_kernel_run(vsock, false); /* fails on our own bugs only */
    vhost_stop(&vsock->vhost);
}
