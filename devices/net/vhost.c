/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network card on a tap whose frames the host's kernel moves (vhost-net): between the rings and
 * the tap, without this process. One vhost device serves a pair of queues. The control queue stays
 * here.
 */
#include "devices/net/net.h"

#include <linux/vhost.h>
#include <linux/virtio_net.h>

int net_vhost_open(struct net *net, unsigned pairs)
{
    int r = 0;

    for (unsigned i = 0; i < pairs && r == 0; i++)
        r = vhost_open(&net->vhost[i], "--net vhost", "vhost-net", 1ull << VIRTIO_NET_F_MRG_RXBUF);
    if (r == 0)
        vhost_limit(&net->vhost[0], &net->dev);
    return r;
}

void net_vhost_close(struct net *net)
{
    for (unsigned i = 0; i < NET_PAIRS_MAX; i++)
        vhost_close(&net->vhost[i]);
}

static int backends_set(struct net *net, bool run)
{
    int r = 0;

    for (unsigned i = 0; i < net->host->pairs; i++)
        for (unsigned q = 0; q < VHOST_QUEUES_MAX; q++) {
            struct vhost_vring_file tap = {q, run ? net->host->fd[i] : -1};
            if (net->vhost[i].call[q].watch.loop == NULL)
                continue; /* it does not serve that one now */
            int error = vhost_request(&net->vhost[i], VHOST_NET_SET_BACKEND, &tap);
            r = r < 0 ? r : error;
            if (run) /* there may be something since before */
                virtq_kick(net->vhost[i].call[q].vq);
        }
    return r;
}

void net_vhost_update(struct net *net)
{
    bool run = !net->paused && !net_is_down(net) && !virtio_failed(&net->dev);
    int r = backends_set(net, run);

    if (r < 0 && run) {
        (void)backends_set(net, false);
        virtio_fail(&net->dev, r, "vhost-net");
    }
}

int net_vhost_start(struct net *net)
{
    int r = 0;

    for (unsigned i = 0; i < net->host->pairs && r == 0; i++)
        r = vhost_start(&net->vhost[i], &net->dev, 2 * i, VHOST_QUEUES_MAX);
    if (r == 0 && !net_is_down(net))
        r = backends_set(net, true);
    if (r == 0) /* of nothing but the tap's end */
        r = loop_add(virtio_loop(&net->dev), &net->rx[0].watch, 0);
    return r;
}

void net_vhost_stop(struct net *net)
{
    (void)backends_set(net, false); /* fails on our own bugs only */
    for (unsigned i = 0; i < net->host->pairs; i++)
        vhost_stop(&net->vhost[i]);
}
