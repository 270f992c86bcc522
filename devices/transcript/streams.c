/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said to disks, networks, sockets, shares: devices through which much goes. */
#include "devices/transcript/talk.h"
#include "devices/vsock/wire.h"

#include <linux/fuse.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <string.h>

/* -- block (virtio 1.2 §5.2.6) -- */

static const char *const blk_features[] = {
    "",         "SIZE_MAX",     "SEG_MAX", "",        "GEOMETRY",
    "RO",       "BLK_SIZE",     "",        "",        "FLUSH",
    "TOPOLOGY", "CONFIG_WCE",   "MQ",      "DISCARD", "WRITE_ZEROES",
    "LIFETIME", "SECURE_ERASE", NULL};

static const struct word blk_types[] = {
    {VIRTIO_BLK_T_IN, "IN"},           {VIRTIO_BLK_T_OUT, "OUT"},
    {VIRTIO_BLK_T_FLUSH, "FLUSH"},     {VIRTIO_BLK_T_GET_ID, "GET_ID"},
    {VIRTIO_BLK_T_DISCARD, "DISCARD"}, {VIRTIO_BLK_T_WRITE_ZEROES, "WRITE_ZEROES"},
};
static const struct word blk_statuses[] = {
    {VIRTIO_BLK_S_OK, "OK"}, {VIRTIO_BLK_S_IOERR, "IOERR"}, {VIRTIO_BLK_S_UNSUPP, "UNSUPP"}};

static void blk_pop(struct saying *saying, const struct event *event)
{
    const struct bytes sent = bytes_sent(event);
    uint32_t type = bytes_32(sent, 0);

    say_word(saying, blk_types, ARRAY_SIZE(blk_types), type);
    if (type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_OUT)
        say(saying, " sector %llu, %u bytes", (unsigned long long)bytes_64(sent, 8),
            event->a + event->b - 17);
    else
        saying->key = NULL;
}

static void blk_push(struct saying *saying, const struct event *event)
{
    const struct bytes end = bytes_end(event);

    say_word(saying, blk_statuses, ARRAY_SIZE(blk_statuses),
             bytes_8(end, end.len > 0 ? end.len - 1 : 0));
    if (bytes_32(bytes_sent(event), 0) > VIRTIO_BLK_T_OUT)
        saying->key = NULL;
}

static unsigned blk_lane(unsigned queue, unsigned queues)
{
    (void)queue;
    (void)queues;
    return 0;
}

static const struct lane blk_lanes[] = {
    {"requestq", "§5.2.6", "virtio_queue_rq()", "virtblk_done()", "sectors", blk_pop, blk_push}};

const struct talk talk_blk = {
    .id = VIRTIO_ID_BLOCK,
    .name = "block",
    .section = "§5.2",
    .probe = "virtblk_probe()",
    .features = blk_features,
    .lanes = blk_lanes,
    .lane_count = 1,
    .lane = blk_lane,
};

/* -- network (§5.1.6) -- */

/* clang-format off */
static const char *const net_features[] = {
    "CSUM", "GUEST_CSUM", "CTRL_GUEST_OFFLOADS", "MTU", "", "MAC", "", "GUEST_TSO4", "GUEST_TSO6",
    "GUEST_ECN", "GUEST_UFO", "HOST_TSO4", "HOST_TSO6", "HOST_ECN", "HOST_UFO", "MRG_RXBUF",
    "STATUS", "CTRL_VQ", "CTRL_RX", "CTRL_VLAN", "", "GUEST_ANNOUNCE", "MQ", "CTRL_MAC_ADDR", NULL};
/* clang-format on */

static const struct word net_gso[] = {{VIRTIO_NET_HDR_GSO_TCPV4, "TCPV4"},
                                      {VIRTIO_NET_HDR_GSO_UDP, "UDP"},
                                      {VIRTIO_NET_HDR_GSO_TCPV6, "TCPV6"}};
static const struct word net_classes[] = {
    {VIRTIO_NET_CTRL_RX, "RX"},     {VIRTIO_NET_CTRL_MAC, "MAC"},
    {VIRTIO_NET_CTRL_VLAN, "VLAN"}, {VIRTIO_NET_CTRL_ANNOUNCE, "ANNOUNCE"},
    {VIRTIO_NET_CTRL_MQ, "MQ"},     {VIRTIO_NET_CTRL_GUEST_OFFLOADS, "GUEST_OFFLOADS"}};

/* The header of a frame, and the frame's own. */
static void net_frame(struct saying *saying, struct bytes bytes, uint32_t len)
{
    uint16_t hdr = sizeof(struct virtio_net_hdr_v1), csum = VIRTIO_NET_HDR_F_NEEDS_CSUM;

    say(saying, "%u bytes, type 0x%04x", len - hdr,
        bytes_8(bytes, hdr + 12) << 8 | bytes_8(bytes, hdr + 13));
    if ((bytes_8(bytes, 0) & csum) != 0)
        say(saying, ", checksum wanted at %u + %u", bytes_16(bytes, 6), bytes_16(bytes, 8));
    if (bytes_8(bytes, 1) == VIRTIO_NET_HDR_GSO_NONE)
        return;
    say(saying, ", ");
    say_word(saying, net_gso, ARRAY_SIZE(net_gso), bytes_8(bytes, 1) & 0x7f);
    say(saying, " in segments of %u", bytes_16(bytes, 4));
}

static void net_pop(struct saying *saying, const struct event *event)
{
    net_frame(saying, bytes_sent(event), event->a);
}

static void net_push(struct saying *saying, const struct event *event)
{
    net_frame(saying, bytes_answer(event), event->b);
}

static void net_control_pop(struct saying *saying, const struct event *event)
{
    const struct bytes sent = bytes_sent(event);

    say_word(saying, net_classes, ARRAY_SIZE(net_classes), bytes_8(sent, 0));
    say(saying, " command %u", bytes_8(sent, 1));
    if (bytes_8(sent, 0) == VIRTIO_NET_CTRL_MQ)
        say(saying, ": %u pairs", bytes_16(sent, 2));
}

static void net_control_push(struct saying *saying, const struct event *event)
{
    say(saying, "%s", bytes_8(bytes_answer(event), 0) == VIRTIO_NET_OK ? "OK" : "ERR");
}

/* Pairs, and then perhaps one more. */
static unsigned net_lane(unsigned queue, unsigned queues)
{
    return queues % 2 == 1 && queue + 1 == queues ? 2 : queue % 2;
}

static const struct lane net_lanes[] = {
    {"receiveq", "§5.1.6", "try_fill_recv()", "receive_buf()", "frames", say_room, net_push},
    {"transmitq", "§5.1.6", "start_xmit()", "free_old_xmit()", "frames", net_pop, say_done},
    {"controlq", "§5.1.6.5", "virtnet_send_command()", "virtnet_send_command()", NULL,
     net_control_pop, net_control_push},
};

const struct talk talk_net = {
    .id = VIRTIO_ID_NET,
    .name = "network",
    .section = "§5.1",
    .probe = "virtnet_probe()",
    .features = net_features,
    .lanes = net_lanes,
    .lane_count = ARRAY_SIZE(net_lanes),
    .lane = net_lane,
};

/* -- sockets (§5.10.6) -- */

static const char *const vsock_features[] = {"STREAM", "SEQPACKET", "NO_IMPLIED_STREAM", NULL};
static const struct word vsock_ops[] = {
    {VIRTIO_VSOCK_OP_REQUEST, "REQUEST"},
    {VIRTIO_VSOCK_OP_RESPONSE, "RESPONSE"},
    {VIRTIO_VSOCK_OP_RST, "RST"},
    {VIRTIO_VSOCK_OP_SHUTDOWN, "SHUTDOWN"},
    {VIRTIO_VSOCK_OP_RW, "RW"},
    {VIRTIO_VSOCK_OP_CREDIT_UPDATE, "CREDIT_UPDATE"},
    {VIRTIO_VSOCK_OP_CREDIT_REQUEST, "CREDIT_REQUEST"},
};

static void vsock_packet(struct saying *saying, struct bytes bytes)
{
    uint16_t op = bytes_16(bytes, offsetof(struct vsock_hdr, op));

    say_word(saying, vsock_ops, ARRAY_SIZE(vsock_ops), op);
    say(saying, " %llu:%u to %llu:%u, %u bytes, credit %u of %u",
        (unsigned long long)bytes_64(bytes, offsetof(struct vsock_hdr, src_cid)),
        bytes_32(bytes, offsetof(struct vsock_hdr, src_port)),
        (unsigned long long)bytes_64(bytes, offsetof(struct vsock_hdr, dst_cid)),
        bytes_32(bytes, offsetof(struct vsock_hdr, dst_port)),
        bytes_32(bytes, offsetof(struct vsock_hdr, len)),
        bytes_32(bytes, offsetof(struct vsock_hdr, fwd_cnt)),
        bytes_32(bytes, offsetof(struct vsock_hdr, buf_alloc)));
    if (op != VIRTIO_VSOCK_OP_RW && op != VIRTIO_VSOCK_OP_CREDIT_UPDATE)
        saying->key = NULL;
}

static void vsock_pop(struct saying *saying, const struct event *event)
{
    vsock_packet(saying, bytes_sent(event));
}

static void vsock_push(struct saying *saying, const struct event *event)
{
    vsock_packet(saying, bytes_answer(event));
}

static const struct lane vsock_lanes[] = {
    {"rxq", "§5.10.6", "virtio_vsock_rx_fill()", "virtio_transport_rx_work()", "packets", say_room,
     vsock_push},
    {"txq", "§5.10.6", "virtio_transport_send_pkt_work()", "virtio_transport_tx_work()", "packets",
     vsock_pop, say_done},
    {"eventq", "§5.10.6", "virtio_vsock_event_fill()", "virtio_transport_event_work()", "events",
     say_room, say_bytes},
};

const struct talk talk_vsock = {
    .id = VIRTIO_ID_VSOCK,
    .name = "socket",
    .section = "§5.10",
    .probe = "virtio_vsock_probe()",
    .features = vsock_features,
    .lanes = vsock_lanes,
    .lane_count = ARRAY_SIZE(vsock_lanes),
};

/* -- shares (§5.11.6) -- */

static const char *const fs_features[] = {"NOTIFICATION", NULL};

#define OP(name)                                                                                   \
    {                                                                                              \
        FUSE_##name, #name                                                                         \
    }
static const struct word fs_ops[] = {
    OP(LOOKUP),      OP(FORGET),   OP(GETATTR),        OP(SETATTR),   OP(READLINK),     OP(SYMLINK),
    OP(MKNOD),       OP(MKDIR),    OP(UNLINK),         OP(RMDIR),     OP(RENAME),       OP(LINK),
    OP(OPEN),        OP(READ),     OP(WRITE),          OP(STATFS),    OP(RELEASE),      OP(FSYNC),
    OP(SETXATTR),    OP(GETXATTR), OP(LISTXATTR),      OP(FLUSH),     OP(REMOVEXATTR),  OP(INIT),
    OP(OPENDIR),     OP(READDIR),  OP(RELEASEDIR),     OP(FSYNCDIR),  OP(ACCESS),       OP(CREATE),
    OP(DESTROY),     OP(IOCTL),    OP(POLL),           OP(FALLOCATE), OP(BATCH_FORGET), OP(RENAME2),
    OP(READDIRPLUS), OP(LSEEK),    OP(COPY_FILE_RANGE)};

/* Behind the header of these there is a name. */
static bool fs_is_named(uint32_t op)
{
    return op == FUSE_LOOKUP || op == FUSE_UNLINK || op == FUSE_RMDIR;
}

static uint32_t fs_op(struct saying *saying, const struct event *event)
{
    uint32_t op = bytes_32(bytes_sent(event), offsetof(struct fuse_in_header, opcode));

    say_word(saying, fs_ops, ARRAY_SIZE(fs_ops), op);
    if (op != FUSE_READ && op != FUSE_WRITE && op != FUSE_FORGET)
        saying->key = NULL;
    return op;
}

static void fs_pop(struct saying *saying, const struct event *event)
{
    const struct bytes sent = bytes_sent(event);
    uint32_t op = fs_op(saying, event);
    size_t body = sizeof(struct fuse_in_header);

    say(saying, " node %llu",
        (unsigned long long)bytes_64(sent, offsetof(struct fuse_in_header, nodeid)));
    if (fs_is_named(op)) {
        say(saying, " ");
        say_text(saying, sent, body, sent.len > body ? sent.len - body : 0);
    } else if (op == FUSE_READ || op == FUSE_WRITE) {
        say(saying, ", %u bytes at %llu", bytes_32(sent, body + 16),
            (unsigned long long)bytes_64(sent, body + 8));
    }
}

static void fs_push(struct saying *saying, const struct event *event)
{
    int32_t error = (int32_t)bytes_32(bytes_answer(event), 4);

    (void)fs_op(saying, event);
    say(saying, ": %s, %u bytes", error == 0 ? "OK" : strerror(error < -4095 ? 0 : -error),
        event->b);
}

static const struct lane fs_lanes[] = {
    {"hiprio", "§5.11.6", "virtio_fs_hiprio_dispatch_work()", "virtio_fs_hiprio_done_work()",
     "requests", fs_pop, fs_push},
    {"request0", "§5.11.6", "virtio_fs_enqueue_req()", "virtio_fs_requests_done_work()", "requests",
     fs_pop, fs_push},
};

const struct talk talk_fs = {
    .id = VIRTIO_ID_FS,
    .name = "file system",
    .section = "§5.11",
    .probe = "virtio_fs_probe()",
    .features = fs_features,
    .lanes = fs_lanes,
    .lane_count = ARRAY_SIZE(fs_lanes),
};
