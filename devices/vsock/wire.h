/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes over the queues of the socket device (virtio 1.4 "Socket Device", 1.2 §5.10). */
#pragma once

#include "vmm/base/base.h"

#include <linux/virtio_vsock.h>

#define VSOCK_CID_HOST 2

/* Later than the header of Linux that has the rest. */
#define VSOCK_F_STREAM            0
#define VSOCK_F_NO_IMPLIED_STREAM 2

#define VSOCK_SHUTDOWN_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* In front of every packet. */
struct vsock_hdr {
    le64 src_cid, dst_cid;
    le32 src_port, dst_port;
    le32 len; /* of the payload that follows */
    le16 type, op;
    le32 flags;
    le32 buf_alloc; /* room that the sender has for the stream, */
    le32 fwd_cnt;   /* and how many bytes have left it for good; wraps */
} __attribute__((packed));
#define VSOCK_HDR_BYTES 44
_Static_assert(sizeof(struct vsock_hdr) == VSOCK_HDR_BYTES, "virtio 1.2 §5.10.6");
