/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is at the other end of a network device's cable:
 *
 *   tap     a network interface of this machine's kernel                     tap.c
 *   stream  frames on a socket, each behind its length (big-endian, 32 bits) stream.c
 *             to passt, a process that is network for who is not root        user.c
 *             to a hub, a process that joins machines                        hub.c
 *
 * Main opens it before there is guest RAM. Then each queue's two directions belong to the workers
 * that serve them, until main closes it. Nothing here waits.
 *
 * A frame goes with a header (virtio 1.2 §5.1.6), always the first NET_HDR_BYTES of its pieces, in
 * a piece of their own.
 */
#pragma once

#include "vmm/base/base.h"
#include "vmm/config/forward.h"
#include "vmm/config/opts.h"

#include <sys/uio.h>

#define NET_PAIRS_MAX 8

struct net_hdr {
    uint8_t flags, gso_type;
    le16 hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
#define NET_HDR_BYTES 12
_Static_assert(sizeof(struct net_hdr) == NET_HDR_BYTES, "virtio 1.2 §5.1.6");

/* Link header (with a VLAN tag) and IP packet. */
#define NET_LINK_BYTES 14
#define NET_FRAME_MIN  NET_LINK_BYTES
#define NET_FRAME_MAX  (65535 + NET_LINK_BYTES + 4)
/* Most pieces of a frame, with its header. */
#define NET_PIECES_MAX 600

struct net_host;

struct net_host_ops {
    /* Sends a frame. 0; 1: the same, but it is not all out yet; -EAGAIN: try again when the
     * descriptor is writable; -EPIPE: it is gone for good; else it can't be sent, as it is.
     * count 0: goes on with what was not out yet. */
    int (*send)(struct net_host *host, unsigned pair, const struct iovec *iov, unsigned count);
    /* Receives a frame into pieces that have room for any: bytes with the header; 0: there was one,
     * of no use; -EAGAIN; -EPIPE: it is gone for good. */
    ssize_t (*receive)(struct net_host *host, unsigned pair, const struct iovec *iov,
                       unsigned count);
    /* Frames to be received may need what these features of the driver's allow (§5.1.3): 0 or
     * -errno. NULL: they never do. */
    int (*offloads)(struct net_host *host, uint64_t features);
    /* So many pairs, from the first one on, are used. NULL: there is one. */
    int (*pairs_use)(struct net_host *host, unsigned count);
    void (*close)(struct net_host *host);
};

/* To be embedded. */
struct net_host {
    const struct net_host_ops *ops;
    uint64_t features;              /* that it can serve, of those that let frames be unfinished */
    unsigned pairs;                 /* of queues */
    uint16_t mtu;                   /* 0: not known */
    int fd[NET_PAIRS_MAX];          /* owned, one for a pair */
    struct forwards forwards;       /* ports of this machine that lead into the guest */
    char about[NET_PAIRS_MAX * 64]; /* a line for people */
};

/* What to open, as asked for by --net. `name` is for messages. Each logs what is wrong. */
int tap_open(const char *name, const struct opts *opts, struct net_host **ret_host);
int user_open(const char *name, const struct opts *opts, struct net_host **ret_host);
int hub_open(const char *name, const struct opts *opts, struct net_host **ret_host);

/* On a connected stream socket, which it takes, also on failure. -ENOMEM. */
int stream_open(int fd, struct net_host **ret_host);

/* Copies between a buffer and pieces, from byte `off` of these on; there is room. */
void net_iov_write(const struct iovec *iov, unsigned count, size_t off, const void *buf,
                   size_t len);
