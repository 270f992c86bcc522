/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream: bytes, credit (virtio 1.4 "Buffer Space Management") and its end. See vsock.h.
 *
 * The two directions end by themselves. `host_shut` is what the guest is told by SHUTDOWN: the host
 * sends no more (end of file was read), takes no more (a write failed). `guest_shut` is what the
 * guest says; the host's peer learns it when all that came before was written.
 */
#include "devices/vsock/vsock.h"

#include <strings.h>
#include <sys/socket.h>

#define EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

/* -- its end -- */

/* The guest is told RST as soon as it has a buffer, and that is all there is left of it. */
static void end(struct conn *conn)
{
    loop_remove(&conn->host);
    fd_close(&conn->host.fd);
    conn->held = 0;
    conn->state = CONN_RESETTING;
    conn->deadline_ns = TIME_NEVER;
    conn->tell = TELL_RST;
    conn_queue(conn);
}

/* The host's peer shall not take it for a good end; over a Unix socket it can't be told apart. */
static void abort_host(struct conn *conn)
{
    const struct linger none = {.l_onoff = 1};

    if (conn->tcp && conn->host.fd >= 0)
        (void)setsockopt(conn->host.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

void conn_reset(struct conn *conn)
{
    abort_host(conn);
    end(conn);
}

static void host_shut(struct conn *conn, uint8_t what)
{
    if ((conn->host_shut | what) != conn->host_shut)
        conn->tell |= TELL_SHUTDOWN;
    conn->host_shut |= what;
}

/* Tells the host's peer what the guest does no more. */
static void guest_shut(struct conn *conn)
{
    uint8_t news = conn->guest_shut & (uint8_t)~conn->guest_shut_done;

    if (conn->held > 0)
        news &= VIRTIO_VSOCK_SHUTDOWN_RCV;
    if ((news & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0)
        (void)shutdown(conn->host.fd, SHUT_RD); /* fails if the peer has left, which is seen */
    if ((news & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0)
        (void)shutdown(conn->host.fd, SHUT_WR);
    conn->guest_shut_done |= news;
}

/* After anything that happened: is an end of it reached? */
static void settle(struct conn *conn)
{
    if (conn->state == CONN_DRAINING && conn->held == 0)
        conn_free(conn);
    if (conn->state == CONN_CLOSING && conn->guest_shut == VSOCK_SHUTDOWN_BOTH)
        end(conn);
    if (conn->state != CONN_OPEN)
        return;
    if (conn->guest_shut == VSOCK_SHUTDOWN_BOTH && conn->held == 0) {
        end(conn);
        return;
    }
    guest_shut(conn);
    if (conn->hung_up && ((conn->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0 ||
                          (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0))
        host_shut(conn, VSOCK_SHUTDOWN_BOTH);
    if (conn->host_shut == VSOCK_SHUTDOWN_BOTH) {
        loop_remove(&conn->host);
        fd_close(&conn->host.fd);
        conn->state = CONN_CLOSING;
        conn_deadline(conn, CLOSING_NS);
    }
}

/* -- to the guest -- */

/* What the guest has room for; 0 if it lies about what it has taken. */
static uint32_t credit(const struct conn *conn)
{
    uint32_t under_way = conn->tx_cnt - conn->peer_fwd_cnt;

    return under_way > conn->peer_buf_alloc ? 0 : conn->peer_buf_alloc - under_way;
}

static bool may_read(const struct conn *conn)
{
    return conn->state == CONN_OPEN && conn->readable &&
           (conn->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) == 0 &&
           (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) == 0;
}

void conn_queue(struct conn *conn)
{
    struct vsock *vsock = conn->vsock;
    bool dry = may_read(conn) && credit(conn) == 0;

    if (conn->state == CONN_DRAINING)
        conn->tell = 0; /* its ports may be another's by now */
    if (dry && !conn->credit_asked)
        conn->tell |= TELL_CREDIT_REQUEST;
    conn->credit_asked = dry;
    if (conn->queued || (conn->tell == 0 && (dry || !may_read(conn))))
        return;
    conn->queued = true;
    conn->next = NULL;
    *vsock->queue_end = conn;
    vsock->queue_end = &conn->next;
}

/* Writes the header of a packet of this stream. */
static void say(struct conn *conn, struct chain *buffer, uint16_t op, uint32_t len)
{
    const struct address ports = {conn->guest_port, conn->host_port, VIRTIO_VSOCK_TYPE_STREAM};
    struct vsock_hdr hdr = {.op = to_le16(op), .len = to_le32(len)};

    if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
        hdr.flags = to_le32(conn->host_shut);
    hdr.buf_alloc = to_le32(CONN_BUF_BYTES);
    hdr.fwd_cnt = to_le32(conn->fwd_cnt);
    conn->fwd_told = conn->fwd_cnt;
    conn->tell &= (uint8_t)~TELL_CREDIT_UPDATE;
    vsock_write_hdr(conn->vsock, buffer, &hdr, &ports);
}

/* Reads from the socket into the buffer, behind where the header goes: whether there was any. */
static bool say_bytes(struct conn *conn, struct chain *buffer)
{
    struct iovec iov[VSOCK_PIECES_MAX];
    struct chain body = *buffer; /* to look at */

    (void)chain_skip_writable(&body, VSOCK_HDR_BYTES);
    if (chain_writable(&body) == 0)
        return true; /* a buffer for headers only: another one, please */
    int count =
        chain_write_iov(&body, MIN(chain_writable(&body), credit(conn)), iov, VSOCK_PIECES_MAX);
    ssize_t n = readv(conn->host.fd, iov, count);
    if (n > 0) {
        say(conn, buffer, VIRTIO_VSOCK_OP_RW, (uint32_t)n);
        (void)chain_write_iov(buffer, (size_t)n, iov, VSOCK_PIECES_MAX);
        conn->tx_cnt += (uint32_t)n;
        conn->vsock->to_guest_bytes += (uint64_t)n;
        return true;
    }
    if (n < 0 && errno == EAGAIN) {
        conn->readable = false;
    } else if (n < 0) {
        conn_reset(conn);
    } else {
        host_shut(conn, VIRTIO_VSOCK_SHUTDOWN_SEND);
        settle(conn);
    }
    return false;
}

bool conn_say(struct conn *conn, struct chain *buffer)
{
    static const uint16_t ops[] = {
        VIRTIO_VSOCK_OP_RST,      VIRTIO_VSOCK_OP_REQUEST,        VIRTIO_VSOCK_OP_RESPONSE,
        VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_OP_CREDIT_REQUEST, VIRTIO_VSOCK_OP_CREDIT_UPDATE};

    if (conn->tell == 0 && may_read(conn) && credit(conn) > 0 && say_bytes(conn, buffer))
        return true;
    if (conn->tell == 0)
        return false;
    unsigned bit = (unsigned)ffs(conn->tell) - 1;
    conn->tell &= (uint8_t) ~(1u << bit);
    say(conn, buffer, ops[bit], 0);
    if (conn->state == CONN_RESETTING)
        conn_free(conn);
    return true;
}

/* -- to the host -- */

/* So many bytes are done with. */
static void forwarded(struct conn *conn, size_t len)
{
    conn->fwd_cnt += (uint32_t)len;
    if (conn->fwd_cnt - conn->fwd_told >= CONN_BUF_BYTES / 2)
        conn->tell |= TELL_CREDIT_UPDATE;
}

/* Writes to the socket: how many bytes it took. If it is closed, there is nobody for what is held,
 * and for what will come. */
static size_t give(struct conn *conn, struct iovec *iov, size_t count)
{
    const struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    ssize_t n = sendmsg(conn->host.fd, &message, MSG_NOSIGNAL);

    if (n >= 0) {
        forwarded(conn, (size_t)n);
        return (size_t)n;
    }
    if (errno != EAGAIN) {
        forwarded(conn, conn->held);
        conn->held = 0;
        host_shut(conn, VIRTIO_VSOCK_SHUTDOWN_RCV);
    }
    return 0;
}

/* Waits for room in the socket, or no more. */
static void wait_out(struct conn *conn)
{
    bool wanted = conn->held > 0;

    if (wanted == conn->wait_out || conn->host.loop == NULL)
        return;
    if (loop_change(&conn->host, EVENTS | (wanted ? EPOLLOUT : 0u)) < 0)
        conn_reset(conn);
    conn->wait_out = wanted;
}

/* Goes on with what the socket did not take before. */
static void give_held(struct conn *conn)
{
    uint8_t *buf = conn_buf(conn);
    size_t n = 1;

    while (conn->held > 0 && n > 0) {
        uint32_t part = MIN(conn->held, CONN_BUF_BYTES - conn->held_at);
        struct iovec iov[] = {{buf + conn->held_at, part}, {buf, conn->held - part}};
        n = give(conn, iov, 2);
        if (conn->held == 0)
            break; /* it is closed */
        conn->held_at = (uint32_t)((conn->held_at + n) % CONN_BUF_BYTES);
        conn->held -= (uint32_t)n;
    }
    wait_out(conn);
}

/* Keeps the next bytes of the request; the guest keeps to its credit, so there is room. */
static void hold(struct conn *conn, struct chain *req, uint32_t len)
{
    uint8_t *buf = conn_buf(conn);
    uint32_t at = (conn->held_at + conn->held) % CONN_BUF_BYTES;
    uint32_t part = MIN(len, CONN_BUF_BYTES - at);

    assert(len <= CONN_BUF_BYTES - conn->held);
    (void)chain_read(req, buf + at, part);
    (void)chain_read(req, buf, len - part);
    conn->held += len;
    conn->buf_touched = true;
    wait_out(conn);
}

/* Takes the payload, which is in `req` and within the credit. */
static void take(struct conn *conn, struct chain *req, uint32_t len)
{
    struct iovec iov[VSOCK_PIECES_MAX];

    conn->rx_cnt += len;
    conn->vsock->from_guest_bytes += len;
    if (conn->held == 0 && len > 0 && (conn->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) == 0) {
        struct chain ahead = *req; /* for a part of it may be taken */
        int count = chain_read_iov(&ahead, len, iov, VSOCK_PIECES_MAX);
        size_t n = give(conn, iov, (size_t)count);
        (void)chain_skip(req, n);
        len -= (uint32_t)n;
    }
    if ((conn->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0)
        forwarded(conn, len);
    else if (len > 0)
        hold(conn, req, len);
}

/* -- what the guest says -- */

/* RST: a good end if it had said before that it is done. */
static void let_go(struct conn *conn)
{
    if (conn->state == CONN_OPEN && conn->guest_shut == VSOCK_SHUTDOWN_BOTH) {
        conn_leave(conn);
        conn->state = CONN_DRAINING;
        conn->tell = 0;
        return;
    }
    abort_host(conn);
    conn_free(conn);
}

/* False if it does not fit the state that the stream is in. */
static bool hear(struct conn *conn, const struct vsock_hdr *hdr, struct chain *req)
{
    bool open = conn->state == CONN_OPEN || conn->state == CONN_CLOSING;
    uint32_t len = from_le32(hdr->len);

    switch (from_le16(hdr->op)) {
    case VIRTIO_VSOCK_OP_RESPONSE:
        if (conn->state != CONN_ASKING || (conn->tell & TELL_REQUEST) != 0)
            return false;
        conn_open(conn);
        return true;
    case VIRTIO_VSOCK_OP_RW:
        if (!open || (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0 ||
            len > chain_readable(req) || len > CONN_BUF_BYTES - (conn->rx_cnt - conn->fwd_told))
            return false;
        take(conn, req, len);
        return true;
    case VIRTIO_VSOCK_OP_SHUTDOWN:
        conn->guest_shut |= (uint8_t)(from_le32(hdr->flags) & VSOCK_SHUTDOWN_BOTH);
        return open;
    case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
        conn->tell |= TELL_CREDIT_UPDATE;
        return open;
    case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
        return open;
    default:
        return false;
    }
}

void conn_hear(struct conn *conn, const struct vsock_hdr *hdr, struct chain *req)
{
    if (from_le16(hdr->op) == VIRTIO_VSOCK_OP_RST) {
        let_go(conn);
        return;
    }
    if (conn->state == CONN_RESETTING)
        return; /* it will know */
    conn->peer_buf_alloc = from_le32(hdr->buf_alloc);
    conn->peer_fwd_cnt = from_le32(hdr->fwd_cnt);
    if (!hear(conn, hdr, req))
        conn_reset(conn);
    settle(conn);
    conn_queue(conn);
}

void conn_open(struct conn *conn)
{
    char answer[HELLO_BYTES_MAX];
    int len = snprintf(answer, sizeof(answer), "OK %u\n", conn->guest_port);

    conn->state = CONN_OPEN;
    conn->deadline_ns = TIME_NEVER;
    conn->readable = true;
    if (conn->from_path && send(conn->host.fd, answer, (size_t)len, MSG_NOSIGNAL) != len)
        conn_reset(conn);
}

void conn_ready(struct watch *watch, uint32_t epoll_events)
{
    struct conn *conn = container_of(watch, struct conn, host);
    struct vsock *vsock = conn->vsock;

    if (conn->state == CONN_HELLO) {
        vsock_hello(conn);
    } else {
        conn->readable = true;
        conn->hung_up |= (epoll_events & EPOLLHUP) != 0;
        give_held(conn);
        settle(conn);
    }
    conn_queue(conn);
    vsock_say(vsock);
    vsock_doors_watch(vsock);
}
