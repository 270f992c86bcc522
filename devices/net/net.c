/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network device (virtio 1.2 §5.1): an Ethernet card whose cable ends at a tap interface, at passt,
 * or at a hub with other machines (host.h). Each direction of each pair of queues belongs to one
 * worker: rx.c, tx.c. There is a control queue only with several pairs, to say how many are used:
 * frames are not filtered by address, a bridge or passt does that.
 *
 * Offloads are those of the host: with a tap checksums and segmentation, else none.
 */
#include "devices/net/net.h"
#include "devices/net/mac.h"
#include "devices/registry.h"

#include <linux/virtio_net.h>
#include <string.h>
#include <sys/random.h>

#define BIT(n) (1ull << (n))

enum { CONTROL_MQ = 4, CONTROL_PAIRS_SET = 0, CONTROL_OK = 0, CONTROL_ERR = 1 };

enum { HOST_USER, HOST_TAP, HOST_SOCKET };
static const char *const host_choices[] = {"user", "tap", "socket", NULL};
static int (*const host_open[])(const char *, const struct opts *, struct net_host **) = {
    [HOST_USER] = user_open, [HOST_TAP] = tap_open, [HOST_SOCKET] = hub_open};

/* -- the link -- */

static void link_tell(struct net *net)
{
    le16 status = to_le16(net_is_down(net) ? 0 : VIRTIO_NET_S_LINK_UP);

    virtio_config_set(&net->dev, offsetof(struct net_config, status), &status, sizeof(status));
}

void net_gone(struct net *net)
{
    if (atomic_exchange(&net->gone, true))
        return;
    log_warn("%s: %s: the other end is gone; the link is down", net->dev.name, net->host->about);
    link_tell(net);
}

/* -- features -- */

bool net_may_segment(const struct virtio_device *dev, uint8_t gso_type, unsigned tso4,
                     unsigned tso6, unsigned ecn)
{
    uint8_t kind = gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

    return ((kind == VIRTIO_NET_HDR_GSO_TCPV4 && virtio_has(dev, tso4)) ||
            (kind == VIRTIO_NET_HDR_GSO_TCPV6 && virtio_has(dev, tso6))) &&
           (kind == gso_type || virtio_has(dev, ecn));
}

/* -- the control queue -- */

static uint8_t control_serve(struct net *net, struct chain *chain)
{
    uint8_t what[2];
    le16 pairs;

    if (chain_read(chain, what, sizeof(what)) < 0 || what[0] != CONTROL_MQ ||
        what[1] != CONTROL_PAIRS_SET || chain_readable(chain) != sizeof(pairs) ||
        !virtio_has(&net->dev, VIRTIO_NET_F_MQ))
        return CONTROL_ERR;
    (void)chain_read(chain, &pairs, sizeof(pairs)); /* they are there */
    if (from_le16(pairs) == 0 || from_le16(pairs) > net->host->pairs ||
        net->host->ops->pairs_use(net->host, from_le16(pairs)) < 0)
        return CONTROL_ERR;
    for (unsigned i = 1; i < from_le16(pairs); i++)
        virtq_kick(&net->dev.queue[2 * i]); /* its worker is to look at the host again */
    return CONTROL_OK;
}

static void control_notify(struct net *net, struct virtq *vq)
{
    struct chain chain;
    int r;

    while ((r = virtq_pop(vq, &chain)) > 0) {
        uint8_t ack = control_serve(net, &chain);
        if (chain_writable(&chain) > 0)
            (void)chain_write(&chain, &ack, sizeof(ack)); /* there is room */
        virtq_push(vq, &chain);
    }
    if (r < 0) {
        virtio_fail(&net->dev, r, "control queue");
        net_vhost_update(net);
    }
    virtio_signal(&net->dev, vq);
}

/* -- callbacks -- */

static void net_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct net *net = net_of(dev);
    unsigned pairs = virtio_has(dev, VIRTIO_NET_F_MQ) ? net->host->pairs : 1;

    if (vq->index == 2 * pairs)
        control_notify(net, vq);
    else if (vq->index > 2 * pairs)
        return; /* without MQ there is none such */
    else if (vq->index % 2 == 0)
        net_rx_serve(&net->rx[vq->index / 2]);
    else
        net_tx_serve(&net->tx[vq->index / 2]);
}

static int net_activate(struct virtio_device *dev)
{
    struct net *net = net_of(dev);
    const struct net_host_ops *ops = net->host->ops;
    int r = ops->pairs_use == NULL ? 0 : ops->pairs_use(net->host, 1);

    if (r == 0 && ops->offloads != NULL)
        r = ops->offloads(net->host, dev->driver_features);
    if (atomic_load(&net->gone))
        return 0;
    return r == 0 && net->dev.in_kernel ? net_vhost_start(net) : r;
}

static void net_reset(struct virtio_device *dev)
{
    struct net *net = net_of(dev);

    for (unsigned i = 0; i < net->host->pairs; i++) {
        net_rx_reset(&net->rx[i]);
        net_tx_reset(&net->tx[i]);
    }
    net_vhost_stop(net);
    net->paused = false;
}

static void net_pause(struct virtio_device *dev)
{
    net_of(dev)->paused = true;
    net_vhost_update(net_of(dev));
}

static void net_resume(struct virtio_device *dev, uint64_t paused_ns)
{
    (void)paused_ns;
    net_of(dev)->paused = false;
    net_vhost_update(net_of(dev));
}

static void net_queue_reset(struct virtio_device *dev, struct virtq *vq)
{
    struct net *net = net_of(dev);

    if (vq->index / 2u >= net->host->pairs)
        return; /* the control queue's requests are served at once */
    if (vq->index % 2 == 0)
        net_rx_reset(&net->rx[vq->index / 2]);
    else
        net_tx_reset(&net->tx[vq->index / 2]);
}

static void tell(const struct net *net, FILE *out)
{
    const uint8_t *mac = net->config.mac;
    struct net_counts in = {0}, from = {0};

    for (unsigned i = 0; i < net->host->pairs; i++) {
        in.frames += net->rx[i].counts.frames;
        in.bytes += net->rx[i].counts.bytes;
        in.dropped += net->rx[i].counts.dropped;
        from.frames += net->tx[i].counts.frames;
        from.bytes += net->tx[i].counts.bytes;
        from.dropped += net->tx[i].counts.dropped;
    }
    (void)fprintf(out, "link %s, %02x:%02x:%02x:%02x:%02x:%02x, %s\n",
                  net_is_down(net) ? "down" : "up", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
                  net->host->about);
    if (net->dev.in_kernel) {
        (void)fprintf(out, "frames go through vhost-net: the interface counts them (ip -s link)\n");
        return;
    }
    (void)fprintf(out, "received: %llu frames, %llu bytes; dropped %llu\n",
                  (unsigned long long)in.frames, (unsigned long long)in.bytes,
                  (unsigned long long)in.dropped);
    (void)fprintf(out, "sent: %llu frames, %llu bytes; dropped %llu\n",
                  (unsigned long long)from.frames, (unsigned long long)from.bytes,
                  (unsigned long long)from.dropped);
}

static int net_command(struct virtio_device *dev, const char *const words[], FILE *reply)
{
    struct net *net = net_of(dev);
    bool down;

    if (strcmp(words[0], "status") == 0 && words[1] == NULL) {
        tell(net, reply);
        return 0;
    }
    if (strcmp(words[0], "link") != 0 || words[1] == NULL || words[2] != NULL ||
        (strcmp(words[1], "up") != 0 && strcmp(words[1], "down") != 0))
        return virtio_refuse(reply, -EINVAL, "%s takes: status, link up, link down", dev->name);
    down = strcmp(words[1], "down") == 0;
    if (!down && atomic_load(&net->gone))
        return virtio_refuse(reply, -ENOTCONN, "%s: the other end is gone", dev->name);
    net->unplugged = down;
    net_vhost_update(net);
    link_tell(net);
    return 0;
}

static void net_results(struct virtio_device *dev, struct results *results)
{
    const struct forwards *forwards = &net_of(dev)->host->forwards;
    char name[16];

    for (unsigned i = 0; i < forwards->count; i++) {
        const struct forward *item = &forwards->item[i];
        (void)snprintf(name, sizeof(name), "%s:%u", item->udp ? "udp" : "tcp", item->to);
        results_port(results, name, item->from);
    }
}

/* -- creation -- */

static int configure(struct net *net, const struct opts *opts)
{
    struct virtio_device *dev = &net->dev;
    const struct net_host *host = net->host;
    unsigned mtu = (unsigned)opts_u64(opts, "mtu");
    const char *mac = opts_str(opts, "mac");

    if (mac != NULL && net_mac_parse(mac, net->config.mac) < 0)
        return opts_error("--net mac: \"%s\" will not do; give an address as 52:54:00:12:34:56, "
                          "the first number even",
                          mac);
    if (mac == NULL) { /* nobody else's, most probably */
        if (getrandom(net->config.mac, sizeof(net->config.mac), 0) < 0)
            return log_error(-errno, "%s: an address", dev->name);
        net->config.mac[0] = (uint8_t)((net->config.mac[0] & ~1) | 2);
    }
    mtu = mtu == 0 ? host->mtu : mtu;
    net->config.status = to_le16(VIRTIO_NET_S_LINK_UP);
    net->config.pairs = to_le16((uint16_t)host->pairs);
    net->config.mtu = to_le16((uint16_t)mtu);
    dev->config = (uint8_t *)&net->config;
    dev->config_size = sizeof(net->config);
    dev->features |= host->features;
    if (mtu != 0)
        dev->features |= BIT(VIRTIO_NET_F_MTU);
    dev->queue_count = (uint16_t)(2 * host->pairs);
    if (host->pairs > 1) {
        dev->features |= BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ);
        dev->queue_count++;
        dev->worker_count = (uint16_t)host->pairs;
    }
    return 0;
}

static int net_create(struct virtio_device *dev, const struct opts *opts)
{
    struct net *net = net_of(dev);
    size_t host = opts_choice(opts, "host");
    int r = 0;

    for (unsigned i = 0; i < NET_PAIRS_MAX; i++)
        net->tx[i].watch.fd = -1;
    if (opts_bool(opts, "vhost") && host != HOST_TAP)
        return opts_error("--net vhost: the kernel serves a tap only; give --net tap,name=...");
    if (opts_bool(opts, "vhost"))
        r = net_vhost_open(net, (unsigned)opts_u64(opts, "queues"));
    if (r == 0)
        r = host_open[host]("--net", opts, &net->host);
    if (r == 0)
        r = configure(net, opts);
    for (unsigned i = 0; r == 0 && i < net->host->pairs; i++) {
        net_rx_init(&net->rx[i], net, i);
        r = net_tx_init(&net->tx[i], net, i);
        if (r < 0)
            return log_error(r, "%s", dev->name);
    }
    return r;
}

static void net_destroy(struct virtio_device *dev)
{
    struct net *net = net_of(dev);

    for (unsigned i = 0; i < NET_PAIRS_MAX; i++)
        fd_close(&net->tx[i].watch.fd);
    net_vhost_close(net);
    if (net->host != NULL)
        net->host->ops->close(net->host);
}

static const struct opt net_opts[] = {
    {.name = "host",
     .value = "user",
     .help = "where the cable ends: user is passt, which needs no root; tap an interface of this "
             "machine; socket other machines",
     .type = OPT_CHOICE,
     .flags = OPT_POSITIONAL,
     .choices = host_choices},
    {.name = "forward",
     .help = "user: ports of this machine that lead into the guest, as tcp:127.0.0.1:2222-22, "
             "several with + between; port 0 is a free one, which `linnet control VM net0 status` "
             "and --summary tell",
     .arg = "PORTS"},
    {.name = "name", .help = "tap: name of the interface", .type = OPT_NAME},
    {.name = "fd",
     .help = "tap, socket: an open descriptor instead",
     .type = OPT_INT,
     .min = 3,
     .max = 1 << 20},
    {.name = "queues",
     .value = "1",
     .help = "tap: pairs of queues, each with threads of its own",
     .type = OPT_INT,
     .min = 1,
     .max = NET_PAIRS_MAX},
    {.name = "vhost",
     .value = "off",
     .help = "tap: the kernel of this machine moves the frames (vhost-net), linnet does not",
     .type = OPT_BOOL},
    {.name = "path",
     .help = "socket: machines with the same one are joined",
     .type = OPT_PATH,
     .arg = "SOCKET"},
    {.name = "mac",
     .help = "address of the card; if left out it follows from --name, or from dice without one",
     .arg = "ADDRESS"},
    {.name = "mtu",
     .help = "largest packet, told to the guest; user: 65520 if left out",
     .type = OPT_INT,
     .min = 1280,
     .max = 65520},
    {0},
};

const struct virtio_class virtio_net = {
    .name = "net",
    .help = "network card",
    .id = VIRTIO_ID_NET,
    .features = BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_MRG_RXBUF),
    .queue_count = 2,
    .limits = {.size = NET_QUEUE_SIZE, .chain_descs = NET_CHAIN_DESCS, .held_iovs = 4096},
    .instance_size = sizeof(struct net),
    .instance_offset = offsetof(struct net, dev),
    .opts = net_opts,
    .create = net_create,
    .destroy = net_destroy,
    .activate = net_activate,
    .reset = net_reset,
    .queue_reset = net_queue_reset,
    .pause = net_pause,
    .resume = net_resume,
    .notify = net_notify,
    .command = net_command,
    .results = net_results,
};
