/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queues of the socket device: packets of the guest's are checked and go to their stream; in
 * the other direction streams take turns, a packet each. See vsock.h.
 */
#include "devices/vsock/vsock.h"

/* -- from the guest -- */

/* Refuses what belongs to no stream. There is room: tx is stopped before there is none. */
static void refuse(struct vsock *vsock, const struct address *ports)
{
    unsigned last = (vsock->refusal_first + vsock->refusal_count++) % REFUSALS_MAX;

    assert(vsock->refusal_count <= REFUSALS_MAX);
    vsock->refusals[last] = *ports;
}

static void hear_stranger(struct vsock *vsock, const struct vsock_hdr *hdr,
                          const struct address *ports)
{
    struct conn *conn = NULL;

    if (from_le16(hdr->op) == VIRTIO_VSOCK_OP_RST)
        return;
    if (from_le16(hdr->op) == VIRTIO_VSOCK_OP_REQUEST)
        conn = vsock_connect(vsock, ports->guest_port, ports->host_port);
    if (conn == NULL) {
        refuse(vsock, ports);
        return;
    }
    conn->peer_buf_alloc = from_le32(hdr->buf_alloc);
    conn->peer_fwd_cnt = from_le32(hdr->fwd_cnt);
    conn->tell = TELL_RESPONSE;
    conn_queue(conn);
}

/* A driver that takes NO_IMPLIED_STREAM wants streams only if it says so. */
static bool has_streams(const struct vsock *vsock)
{
    return virtio_has(&vsock->dev, VSOCK_F_STREAM) ||
           !virtio_has(&vsock->dev, VSOCK_F_NO_IMPLIED_STREAM);
}

static void hear(struct vsock *vsock, struct chain *req)
{
    struct vsock_hdr hdr;

    if (chain_read(req, &hdr, sizeof(hdr)) < 0 || from_le64(hdr.src_cid) != vsock->cid ||
        from_le64(hdr.dst_cid) != VSOCK_CID_HOST)
        return;
    const struct address ports = {from_le32(hdr.src_port), from_le32(hdr.dst_port),
                                  from_le16(hdr.type)};
    if (ports.type != VIRTIO_VSOCK_TYPE_STREAM || !has_streams(vsock)) {
        if (from_le16(hdr.op) != VIRTIO_VSOCK_OP_RST)
            refuse(vsock, &ports);
        return;
    }
    struct conn *conn = conn_find(vsock, ports.guest_port, ports.host_port);
    if (conn == NULL)
        hear_stranger(vsock, &hdr, &ports);
    else
        conn_hear(conn, &hdr, req);
}

void vsock_hear(struct vsock *vsock)
{
    struct virtq *vq = &vsock->dev.queue[VSOCK_TX];
    struct chain req;
    int r = 0;

    while (vsock->refusal_count < REFUSALS_MAX && (r = virtq_pop(vq, &req)) > 0) {
        hear(vsock, &req);
        virtq_push(vq, &req);
    }
    vsock->tx_stopped = vsock->refusal_count == REFUSALS_MAX;
    if (r < 0)
        virtio_fail(&vsock->dev, r, "packet");
    virtio_signal(&vsock->dev, vq);
}

/* -- to the guest -- */

void vsock_write_hdr(struct vsock *vsock, struct chain *buffer, struct vsock_hdr *hdr,
                     const struct address *ports)
{
    hdr->src_cid = to_le64(VSOCK_CID_HOST);
    hdr->dst_cid = to_le64(vsock->cid);
    hdr->src_port = to_le32(ports->host_port);
    hdr->dst_port = to_le32(ports->guest_port);
    hdr->type = to_le16(ports->type);
    (void)chain_write(buffer, hdr, sizeof(*hdr)); /* there is room: take_buffer() */
}

static void say_refusal(struct vsock *vsock, struct chain *buffer)
{
    struct vsock_hdr hdr = {.op = to_le16(VIRTIO_VSOCK_OP_RST)};

    vsock_write_hdr(vsock, buffer, &hdr, &vsock->refusals[vsock->refusal_first]);
    vsock->refusal_first = (vsock->refusal_first + 1) % REFUSALS_MAX;
    vsock->refusal_count--;
}

static struct conn *next_conn(struct vsock *vsock)
{
    struct conn *conn = vsock->queue;

    vsock->queue = conn->next;
    if (vsock->queue == NULL)
        vsock->queue_end = &vsock->queue;
    conn->queued = false;
    return conn;
}

/* A buffer of the driver's that can hold a header: 1, 0 if there is none. Others go back empty. */
static int take_buffer(struct vsock *vsock)
{
    struct virtq *vq = &vsock->dev.queue[VSOCK_RX];
    int r = 1;

    while (!vsock->has_buffer && (r = virtq_pop(vq, &vsock->buffer)) > 0) {
        vsock->has_buffer = chain_readable(&vsock->buffer) == 0 &&
                            chain_writable(&vsock->buffer) >= VSOCK_HDR_BYTES;
        if (!vsock->has_buffer)
            virtq_push(vq, &vsock->buffer);
    }
    return r;
}

void vsock_say(struct vsock *vsock)
{
    struct virtq *vq = &vsock->dev.queue[VSOCK_RX];
    int r = 1;

    virtq_round(vq);
    while ((vsock->refusal_count > 0 || vsock->queue != NULL) && (r = take_buffer(vsock)) > 0) {
        bool used = true;
        if (vsock->refusal_count > 0) {
            say_refusal(vsock, &vsock->buffer);
        } else {
            struct conn *conn = next_conn(vsock);
            used = conn_say(conn, &vsock->buffer);
            conn_queue(conn);
        }
        if (used)
            virtq_push(vq, &vsock->buffer);
        vsock->has_buffer = !used;
    }
    if (r < 0)
        virtio_fail(&vsock->dev, r, "buffer");
    virtio_signal(&vsock->dev, vq);
    if (vsock->tx_stopped && vsock->refusal_count < REFUSALS_MAX) {
        vsock->tx_stopped = false;
        virtq_kick(&vsock->dev.queue[VSOCK_TX]);
    }
}
