/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames of the guest's (virtio 1.2 §5.1.6.2). Each goes out from where it lies; only its header is
 * copied, once, and checked. One that the host takes no more of waits, and those behind it in the
 * queue.
 *
 * That frames are sent the driver sees in the ring at once. It is interrupted for small ones, which
 * are questions, answers and acknowledgements, a little later: with a frame for the guest, with
 * TX_QUIET_BYTES of them, or after TX_QUIET_NS. For data it is interrupted at once: Linux's TCP
 * sends more when it is told that what it sent has gone.
 */
#include "devices/net/net.h"

#include <fcntl.h>
#include <linux/virtio_net.h>
#include <sys/epoll.h>

#define TX_QUIET_NS    100000
#define TX_QUIET_BYTES 1024

static struct virtq *tx_queue(struct net_tx *tx)
{
    return &tx->net->dev.queue[2 * tx->pair + 1];
}

static struct loop *tx_loop(const struct net_tx *tx)
{
    const struct virtio_device *dev = &tx->net->dev;

    return &dev->worker[(2 * tx->pair + 1) % dev->worker_count].loop;
}

/* Whether such a header may go with a frame of that length; makes it what the host is to see. */
static bool header_is_good(const struct virtio_device *dev, struct net_hdr *hdr, size_t len)
{
    size_t start = from_le16(hdr->csum_start), off = from_le16(hdr->csum_offset);
    bool partial =
        virtio_has(dev, VIRTIO_NET_F_CSUM) && (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;

    if (partial && start + off + 2 > len)
        return false;
    if (hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
        *hdr = (struct net_hdr){.csum_start = hdr->csum_start, .csum_offset = hdr->csum_offset};
    } else {
        if (!partial || from_le16(hdr->gso_size) == 0 ||
            !net_may_segment(dev, hdr->gso_type, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6,
                             VIRTIO_NET_F_HOST_ECN))
            return false;
        hdr->hdr_len = to_le16((uint16_t)MIN((size_t)from_le16(hdr->hdr_len), len)); /* a hint */
    }
    hdr->flags = partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;
    if (!partial)
        hdr->csum_start = hdr->csum_offset = to_le16(0);
    hdr->num_buffers = to_le16(0);
    return true;
}

/* Takes the request held as a frame; false: it is none that can be sent. */
static bool frame_take(struct net_tx *tx)
{
    struct chain *chain = &tx->held;

    if (chain_read(chain, &tx->hdr, sizeof(tx->hdr)) < 0)
        return false;
    tx->bytes = chain_readable(chain);
    if (tx->bytes < NET_FRAME_MIN || tx->bytes > NET_FRAME_MAX ||
        !header_is_good(&tx->net->dev, &tx->hdr, tx->bytes))
        return false;
    tx->pieces[0] = (struct iovec){&tx->hdr, sizeof(tx->hdr)};
    int count = chain_read_iov(chain, tx->bytes, tx->pieces + 1, NET_CHAIN_DESCS);
    tx->pieces_count = 1 + (unsigned)count;
    return count > 0;
}

static void wait_on(struct net_tx *tx)
{
    struct virtio_device *dev = &tx->net->dev;
    int r = tx->watch.loop != NULL ? 0 : loop_add(tx_loop(tx), &tx->watch, EPOLLOUT);

    if (r < 0)
        virtio_fail(dev, r, "events of the host");
}

/* Sends the frame held: true if it is done with. */
static bool frame_send(struct net_tx *tx)
{
    struct net_host *host = tx->net->host;
    int r = -EIO;

    if (!net_is_down(tx->net))
        r = host->ops->send(host, tx->pair, tx->pieces, tx->pieces_count);
    if (r == 1 || r == -EAGAIN)
        wait_on(tx);
    if (r == -EAGAIN)
        return false;
    if (r == -EPIPE)
        net_gone(tx->net);
    tx->counts.frames += r >= 0;
    tx->counts.bytes += r >= 0 ? tx->bytes : 0;
    tx->counts.dropped += r < 0;
    return true;
}

/* -- interrupts -- */

static void quiet_is_over(struct loop *loop, void *ctx);

/* The loop's alarm is for the first of its queues that is to be told of. */
static void alarm_set(struct net *net, struct loop *loop)
{
    uint64_t first = TIME_NEVER;

    for (unsigned i = 0; i < net->host->pairs; i++)
        if (tx_loop(&net->tx[i]) == loop && net->tx[i].quiet > 0)
            first = MIN(first, net->tx[i].quiet_end_ns);
    loop_alarm(loop, first, quiet_is_over, net);
}

static void signal_now(struct net_tx *tx)
{
    tx->quiet = 0;
    virtio_signal(&tx->net->dev, tx_queue(tx));
}

void net_tx_signal(struct net_tx *tx)
{
    if (tx->quiet == 0)
        return;
    signal_now(tx);
    alarm_set(tx->net, tx_loop(tx));
}

static void quiet_is_over(struct loop *loop, void *ctx)
{
    uint64_t now = loop->timebase->now_ns(loop->timebase);
    struct net *net = ctx;

    for (unsigned i = 0; i < net->host->pairs; i++)
        if (tx_loop(&net->tx[i]) == loop && net->tx[i].quiet > 0 && net->tx[i].quiet_end_ns <= now)
            signal_now(&net->tx[i]);
    alarm_set(net, loop);
}

/* So many more frames are done with, of so many bytes. */
static void signal_later(struct net_tx *tx, unsigned frames, uint64_t bytes)
{
    struct loop *loop = tx_loop(tx);

    if (frames == 0)
        return;
    if (tx->quiet == 0) {
        tx->quiet_end_ns = loop->timebase->now_ns(loop->timebase) + TX_QUIET_NS;
        tx->quiet_bytes = 0;
    }
    tx->quiet += frames;
    tx->quiet_bytes += bytes;
    if (tx->quiet_bytes >= TX_QUIET_BYTES)
        net_tx_signal(tx);
    else
        alarm_set(tx->net, loop);
}

/* -- serving -- */

void net_tx_serve(struct net_tx *tx)
{
    struct virtio_device *dev = &tx->net->dev;
    struct virtq *vq = tx_queue(tx);
    uint64_t before = tx->counts.bytes;
    unsigned done = 0;
    int r = 1;

    if (tx->holding && !frame_send(tx))
        return;
    if (tx->holding) {
        virtq_push(vq, &tx->held);
        done++;
    }
    tx->holding = false;
    while (!tx->holding && (r = virtq_pop(vq, &tx->held)) > 0) {
        bool taken = frame_take(tx);
        tx->counts.dropped += !taken;
        if (taken && !frame_send(tx)) {
            tx->holding = true;
        } else {
            virtq_push(vq, &tx->held);
            done++;
        }
    }
    if (r < 0)
        virtio_fail(dev, r, "transmit queue");
    signal_later(tx, done, tx->counts.bytes - before);
}

static void tx_ready(struct watch *watch, uint32_t epoll_events)
{
    struct net_tx *tx = container_of(watch, struct net_tx, watch);
    struct net_host *host = tx->net->host;

    (void)epoll_events;
    loop_remove(watch);
    int r = host->ops->send(host, tx->pair, NULL, 0);
    if (r == -EPIPE)
        net_gone(tx->net);
    if (r == 1) {
        wait_on(tx);
        return;
    }
    virtq_round(tx_queue(tx));
    net_tx_serve(tx);
}

int net_tx_init(struct net_tx *tx, struct net *net, unsigned pair)
{
    tx->net = net;
    tx->pair = pair;
    /* An epoll takes a descriptor once, and the other direction may have it. */
    tx->watch =
        (struct watch){.fd = fcntl(net->host->fd[pair], F_DUPFD_CLOEXEC, 0), .ready = tx_ready};
    return tx->watch.fd < 0 ? -errno : 0;
}

void net_tx_reset(struct net_tx *tx)
{
    loop_remove(&tx->watch);
    tx->holding = false;
    tx->quiet = 0; /* an alarm finds nothing */
}
