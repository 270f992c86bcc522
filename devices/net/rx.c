/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames for the guest (virtio 1.2 §5.1.6.4). How long the next one is, the host's kernel tells
 * only by giving it, so buffers are gathered for one of the largest size (or, where frames have
 * been small for a while, for a few of those: many pieces are work for the kernel, too), and it is
 * read straight into them. What they have no room for goes into `spill`, until there are more.
 *
 *   held, pieces  [ 12 |  1514  ][    1526     ][    1526     ]          added later
 *   frame         [hdr |.......................................|.......]
 *                                                    spill_at ^ spill
 *
 * Without buffers nothing is read: the host's queue fills up, and drops or makes its sender wait.
 */
#include "devices/net/net.h"

#include <linux/virtio_net.h>
#include <string.h>
#include <sys/epoll.h>

/* What one wake-up may cost. */
#define ROUND_FRAMES_MAX 128

/* Of a frame that is not known yet. */
#define EXPECT_MIN 4096
#define EXPECT_MAX (NET_HDR_BYTES + NET_FRAME_MAX)

static struct virtq *rx_queue(struct net_rx *rx)
{
    return &rx->net->dev.queue[2 * rx->pair];
}

static bool is_merging(const struct net_rx *rx)
{
    return virtio_has(&rx->net->dev, VIRTIO_NET_F_MRG_RXBUF);
}

/* -- buffers -- */

/* The bytes of the largest frame that may come, with its header. */
static size_t frame_max(const struct net_rx *rx)
{
    const struct virtio_device *dev = &rx->net->dev;
    uint16_t mtu = from_le16(rx->net->config.mtu);

    if (virtio_has(dev, VIRTIO_NET_F_GUEST_TSO4) || virtio_has(dev, VIRTIO_NET_F_GUEST_TSO6))
        return NET_HDR_BYTES + NET_FRAME_MAX;
    return NET_HDR_BYTES + NET_LINK_BYTES + 4 + (size_t)(mtu != 0 ? mtu : 1500);
}

/* True if no more buffers can be gathered for a frame. */
static bool is_full(struct net_rx *rx)
{
    return rx->held_count == RX_HELD_MAX || rx->held_count == rx_queue(rx)->size ||
           rx->pieces_count + NET_CHAIN_DESCS > RX_PIECES_MAX ||
           (rx->held_count == 1 && !is_merging(rx));
}

/* Moves all to the front, if there is no place for another buffer behind them. */
static void buffers_compact(struct net_rx *rx)
{
    unsigned held = rx->held_first, pieces = rx->pieces_first;

    if (held + rx->held_count < RX_HELD_MAX &&
        pieces + rx->pieces_count + NET_CHAIN_DESCS <= RX_PIECES_MAX)
        return;
    memmove(rx->held, rx->held + held, rx->held_count * sizeof(rx->held[0]));
    memmove(rx->sizes, rx->sizes + held, rx->held_count * sizeof(rx->sizes[0]));
    memmove(rx->lengths, rx->lengths + held, rx->held_count * sizeof(rx->lengths[0]));
    memmove(rx->pieces, rx->pieces + pieces, rx->pieces_count * sizeof(rx->pieces[0]));
    rx->held_first = rx->pieces_first = 0;
}

static void buffer_add(struct net_rx *rx, struct chain *chain)
{
    uint32_t size = chain_writable(chain);

    buffers_compact(rx);
    unsigned at = rx->held_first + rx->held_count;
    int count = chain_write_iov(chain, size, &rx->pieces[rx->pieces_first + rx->pieces_count],
                                NET_CHAIN_DESCS);

    assert(count > 0); /* it has no more descriptors */
    rx->held[at] = *chain;
    rx->sizes[at] = size;
    rx->lengths[at] = (unsigned)count;
    rx->held_count++;
    rx->pieces_count += (unsigned)count;
    rx->bytes += size;
}

/* Gathers buffers for `wanted` bytes, as far as there are any: 0 or -EPROTO. */
static int buffers_gather(struct net_rx *rx, size_t wanted)
{
    struct chain chain;

    while (rx->bytes < wanted && !is_full(rx)) {
        int r = virtq_pop(rx_queue(rx), &chain);
        if (r <= 0)
            return r;
        if (chain_readable(&chain) > 0 || chain_writable(&chain) < NET_HDR_BYTES)
            virtq_push(rx_queue(rx), &chain); /* the driver broke §5.1.6.3: empty */
        else
            buffer_add(rx, &chain);
    }
    return 0;
}

/* The first buffers are used: as many as the frame takes. */
static void buffers_use(struct net_rx *rx)
{
    struct chain *used = &rx->held[rx->held_first];
    struct iovec *into = &rx->pieces[rx->pieces_first];
    unsigned pieces = rx->pieces_count;
    size_t left = rx->frame;
    uint16_t count = 0;

    for (unsigned i = rx->held_first; left > 0; i++, count++) {
        used[count].written = (uint32_t)MIN(left, (size_t)rx->sizes[i]);
        left -= used[count].written;
        rx->bytes -= rx->sizes[i];
        rx->pieces_first += rx->lengths[i];
        rx->pieces_count -= rx->lengths[i];
    }
    rx->held_first += count;
    rx->held_count -= count;
    rx->hdr.num_buffers = to_le16(count);
    net_iov_write(into, pieces, 0, &rx->hdr, sizeof(rx->hdr));
    virtq_push_all(rx_queue(rx), used, count);
}

/* -- frames -- */

/* Whether the driver may have it: what a driver that was here before allowed may still come. Makes
 * the header what this one is to see. */
static bool frame_is_good(struct net_rx *rx)
{
    const struct virtio_device *dev = &rx->net->dev;
    size_t len = rx->frame - NET_HDR_BYTES;
    bool partial = virtio_has(dev, VIRTIO_NET_F_GUEST_CSUM);
    uint16_t mtu = virtio_has(dev, VIRTIO_NET_F_MTU) ? from_le16(rx->net->config.mtu) : 0;

    if (rx->hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        if (!partial || !net_may_segment(dev, rx->hdr.gso_type, VIRTIO_NET_F_GUEST_TSO4,
                                         VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_ECN))
            return false;
    } else if (mtu != 0 && len > (size_t)mtu + NET_LINK_BYTES + 4) {
        return false;
    }
    if ((rx->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 && !partial)
        return false;
    rx->hdr.flags &= partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID : 0;
    return len <= NET_FRAME_MAX;
}

/* Receives a frame, into the buffers and what they have no room for: 1, 0 if there was one of no
 * use, -EAGAIN, -EPIPE. */
static int frame_receive(struct net_rx *rx)
{
    struct iovec pieces[2 + RX_PIECES_MAX]; /* as many as are set, for this is done often */
    const struct iovec *into = &rx->pieces[rx->pieces_first];
    struct net_host *host = rx->net->host;
    size_t skip = NET_HDR_BYTES; /* the header's place */
    size_t room = 0;
    unsigned count = 1;

    pieces[0] = (struct iovec){&rx->hdr, sizeof(rx->hdr)};
    for (unsigned i = 0; i < rx->pieces_count && room < rx->expect; i++) {
        room += into[i].iov_len;
        size_t part = MIN(skip, into[i].iov_len);
        skip -= part;
        if (part < into[i].iov_len)
            pieces[count++] =
                (struct iovec){(uint8_t *)into[i].iov_base + part, into[i].iov_len - part};
    }
    pieces[count++] = (struct iovec){rx->spill, sizeof(rx->spill)};
    ssize_t len = host->ops->receive(host, rx->pair, pieces, count);
    if (len < 0)
        return (int)len;
    rx->frame = (size_t)len;
    rx->spill_at = room;
    rx->expect = rx->frame > room ? EXPECT_MAX : MAX(rx->expect - rx->expect / 8, 2 * rx->frame);
    rx->expect = MAX(rx->expect, (size_t)EXPECT_MIN);
    if (len > 0 && !net_is_down(rx->net) && frame_is_good(rx))
        return 1;
    rx->frame = 0;
    rx->counts.dropped++;
    return 0;
}

/* Hands over the frame that was received: 1, 0 if it is to wait for buffers, -EPROTO. */
static int frame_deliver(struct net_rx *rx)
{
    int r = buffers_gather(rx, rx->frame);

    if (r < 0)
        return r;
    if (rx->frame > rx->bytes && !is_full(rx))
        return 0;
    if (rx->frame > rx->bytes) { /* no partial delivery (§5.1.6.3.1) */
        rx->counts.dropped++;
    } else {
        if (rx->frame > rx->spill_at)
            net_iov_write(&rx->pieces[rx->pieces_first], rx->pieces_count, rx->spill_at, rx->spill,
                          rx->frame - rx->spill_at);
        rx->counts.frames++;
        rx->counts.bytes += rx->frame - NET_HDR_BYTES;
        buffers_use(rx);
    }
    rx->frame = 0;
    return 1;
}

/* One frame: 1 if there may be more, 0 if there are no buffers, -EAGAIN, -EPIPE, -EPROTO. */
static int frame_serve(struct net_rx *rx)
{
    int r;

    if (rx->frame == 0) {
        r = buffers_gather(rx, MIN(frame_max(rx), rx->expect));
        if (r < 0 || rx->held_count == 0)
            return r;
        r = frame_receive(rx);
        if (r <= 0)
            return r == 0 ? 1 : r;
    }
    return frame_deliver(rx);
}

/* -- serving -- */

/* Whether a frame that comes wakes us up. */
static void watch_set(struct net_rx *rx, bool on)
{
    struct virtio_device *dev = &rx->net->dev;
    int r = 0;

    if (!on)
        loop_remove(&rx->watch);
    else if (rx->watch.loop == NULL)
        r = loop_add(&dev->worker[2 * rx->pair % dev->worker_count].loop, &rx->watch, EPOLLIN);
    if (r < 0)
        virtio_fail(dev, r, "events of the host");
}

void net_rx_serve(struct net_rx *rx)
{
    struct virtio_device *dev = &rx->net->dev;
    uint64_t before = rx->counts.frames;
    int r = 1;

    if (virtio_failed(dev))
        return;
    for (unsigned i = 0; i < ROUND_FRAMES_MAX && r > 0; i++)
        r = frame_serve(rx);
    virtio_signal(dev, rx_queue(rx));
    if (rx->counts.frames != before && dev->worker_count == 1)
        net_tx_signal(&rx->net->tx[rx->pair]);
    watch_set(rx, r == -EAGAIN);
    if (r > 0)
        virtq_kick(rx_queue(rx)); /* others are to have their turn; the host may keep frames where
                                     no event tells of them */
    else if (r == -EPIPE)
        net_gone(rx->net);
    else if (r == -EPROTO)
        virtio_fail(dev, r, "receive queue");
}

static void rx_ready(struct watch *watch, uint32_t epoll_events)
{
    struct net_rx *rx = container_of(watch, struct net_rx, watch);

    if ((epoll_events & EPOLLIN) == 0) {
        loop_remove(watch); /* until the next kick, if it is one of several that is not used */
        if (rx->pair == 0)
            net_gone(rx->net);
        return;
    }
    virtq_round(rx_queue(rx));
    net_rx_serve(rx);
}

void net_rx_init(struct net_rx *rx, struct net *net, unsigned pair)
{
    rx->net = net;
    rx->pair = pair;
    rx->expect = EXPECT_MAX;
    rx->watch = (struct watch){.fd = net->host->fd[pair], .ready = rx_ready};
}

void net_rx_reset(struct net_rx *rx)
{
    loop_remove(&rx->watch);
    rx->held_first = rx->held_count = 0;
    rx->pieces_first = rx->pieces_count = 0;
    rx->bytes = rx->frame = 0;
    rx->expect = EXPECT_MAX;
}
