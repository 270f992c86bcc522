/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the network device: a pair of queues for each direction's worker, see net.c.
 */
#pragma once

#include "devices/net/host.h"
#include "devices/vhost.h"

#define NET_QUEUE_SIZE  256
#define NET_CHAIN_DESCS 128 /* in one request; Linux wants 19 */

/* Requests and pieces that are gathered for one frame. */
#define RX_HELD_MAX   256
#define RX_PIECES_MAX (NET_PIECES_MAX - NET_CHAIN_DESCS)

struct net_counts {
    uint64_t frames, bytes, dropped;
};

struct net;

/* From outside to the guest: the receiveq's worker. */
struct net_rx {
    struct net *net;
    unsigned pair;
    struct watch watch;             /* the host's descriptor; added while there are buffers */
    struct chain held[RX_HELD_MAX]; /* buffers that wait for frames, in their order, */
    uint32_t sizes[RX_HELD_MAX];    /* of each, bytes, */
    unsigned lengths[RX_HELD_MAX];  /* and how many of `pieces` */
    unsigned held_first, held_count;
    struct iovec pieces[RX_PIECES_MAX]; /* of all of them */
    unsigned pieces_first, pieces_count;
    size_t bytes;                                     /* of all */
    size_t expect;                                    /* most bytes that the next frame may have */
    size_t frame;                                     /* received, with its header; 0: none is */
    size_t spill_at;                                  /* its bytes from there on are in `spill` */
    struct net_hdr hdr;                               /* of it */
    uint8_t spill[NET_HDR_BYTES + NET_FRAME_MAX + 1]; /* where there was too little room */
    struct net_counts counts;
};

/* From the guest to outside: the transmitq's worker. */
struct net_tx {
    struct net *net;
    unsigned pair;
    struct watch watch;    /* owned, of the host's descriptor; added while a frame waits */
    unsigned quiet;        /* frames that were sent, and no interrupt yet, */
    uint64_t quiet_bytes;  /* in them, */
    uint64_t quiet_end_ns; /* and when it is due */
    bool holding;          /* a frame waits */
    struct chain held;
    struct net_hdr hdr;
    struct iovec pieces[1 + NET_CHAIN_DESCS];
    unsigned pieces_count;
    size_t bytes; /* of the frame */
    struct net_counts counts;
};

struct net_config {
    uint8_t mac[6];
    le16 status, pairs, mtu;
};
_Static_assert(sizeof(struct net_config) == 12, "virtio 1.2 §5.1.4");

struct net {
    struct virtio_device dev;
    struct net_config config;
    struct net_host *host; /* owned */
    bool unplugged;        /* by command */
    _Atomic bool gone;     /* the host's end is. Any worker */
    struct net_rx rx[NET_PAIRS_MAX];
    struct net_tx tx[NET_PAIRS_MAX];
    bool paused;
    struct vhost vhost[NET_PAIRS_MAX]; /* dev.in_kernel: these do the work of rx and tx */
};

static inline struct net *net_of(struct virtio_device *dev)
{
    return container_of(dev, struct net, dev);
}

/* Whether the driver took what a frame of that type needs, of those features of its direction. */
bool net_may_segment(const struct virtio_device *dev, uint8_t gso_type, unsigned tso4,
                     unsigned tso6, unsigned ecn);

/* Any worker: the host's end is gone for good. */
void net_gone(struct net *net);

/* True if nothing goes through now. */
static inline bool net_is_down(const struct net *net)
{
    return net->unplugged || atomic_load_explicit(&net->gone, memory_order_relaxed);
}

/* Receives while there are frames and buffers for them. */
void net_rx_serve(struct net_rx *rx);
void net_rx_init(struct net_rx *rx, struct net *net, unsigned pair);
void net_rx_reset(struct net_rx *rx);

/* Sends what is in the queue. */
void net_tx_serve(struct net_tx *tx);
/* Interrupts for what was sent, if that still waits. */
void net_tx_signal(struct net_tx *tx);
int net_tx_init(struct net_tx *tx, struct net *net, unsigned pair);
void net_tx_reset(struct net_tx *tx);

/* The host's kernel serves the queues, of a card on a tap. vhost.c */
int net_vhost_open(struct net *net, unsigned pairs);
void net_vhost_close(struct net *net);
/* On failure net_vhost_stop() may follow. */
int net_vhost_start(struct net *net);
void net_vhost_stop(struct net *net);
/* Has it go on, or stand still, as it is to be now. */
void net_vhost_update(struct net *net);
