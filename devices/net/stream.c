/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames on a stream socket, each behind its length: what passt and QEMU's "stream" speak, too. The
 * other end is another process: what it sends is bounded and checked.
 *
 * Whole reads go into a buffer, of which frames are taken; a frame that the socket does not take
 * whole is kept here until the rest is out, so that no frame is ever cut.
 */
#include "devices/net/host.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#define LENGTH_BYTES sizeof(uint32_t)
#define IN_BYTES     (1u << 18)

struct stream {
    struct net_host host;
    size_t in_start, in_end;   /* of `in`: what came and was not taken yet */
    size_t out_start, out_end; /* of `out`: what is to be sent first */
    uint8_t in[IN_BYTES];
    uint8_t out[LENGTH_BYTES + NET_FRAME_MAX];
};
_Static_assert(IN_BYTES >= 2 * (LENGTH_BYTES + NET_FRAME_MAX), "a frame fits behind half of one");

static struct stream *stream_of(struct net_host *host)
{
    return container_of(host, struct stream, host);
}

void net_iov_write(const struct iovec *iov, unsigned count, size_t off, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    for (unsigned i = 0; i < count && len > 0; i++) {
        size_t skip = MIN(off, iov[i].iov_len), part = MIN(len, iov[i].iov_len - skip);
        memcpy((uint8_t *)iov[i].iov_base + skip, from, part);
        off -= skip;
        from += part;
        len -= part;
    }
    assert(len == 0);
}

/* -- sending -- */

static bool is_gone(int error)
{
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

/* Sends what is left of a frame: 0, 1 if it is not all out, -EPIPE. */
static int flush(struct stream *stream)
{
    size_t len = stream->out_end - stream->out_start;
    ssize_t sent = 0;

    if (len > 0)
        sent = send(stream->host.fd[0], stream->out + stream->out_start, len,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return is_gone(errno) ? -EPIPE : 1;
    stream->out_start += (size_t)sent;
    return stream->out_start < stream->out_end;
}

/* Keeps what the socket did not take. */
static void keep(struct stream *stream, const struct iovec *iov, unsigned count, size_t sent)
{
    stream->out_start = stream->out_end = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t skip = MIN(sent, iov[i].iov_len), part = iov[i].iov_len - skip;
        memcpy(stream->out + stream->out_end, (uint8_t *)iov[i].iov_base + skip, part);
        stream->out_end += part;
        sent -= skip;
    }
}

static int stream_send(struct net_host *host, unsigned pair, const struct iovec *iov,
                       unsigned count)
{
    struct stream *stream = stream_of(host);
    struct iovec pieces[NET_PIECES_MAX];
    size_t total = LENGTH_BYTES;
    int r = flush(stream);

    (void)pair;
    if (r != 0 || count == 0)
        return r == 1 && count > 0 ? -EAGAIN : r;
    assert(count <= NET_PIECES_MAX);
    for (unsigned i = 1; i < count; i++) {
        pieces[i] = iov[i];
        total += iov[i].iov_len;
    }
    if (total > sizeof(stream->out))
        return -EMSGSIZE;
    uint32_t length = htonl((uint32_t)(total - LENGTH_BYTES));
    pieces[0] = (struct iovec){&length, LENGTH_BYTES};
    const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    ssize_t sent = sendmsg(host->fd[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && is_gone(errno))
        return -EPIPE;
    if (sent >= 0 && (size_t)sent == total)
        return 0;
    keep(stream, pieces, count, sent < 0 ? 0 : (size_t)sent);
    return 1;
}

/* -- receiving -- */

/* More bytes: how many, -EAGAIN, or -EPIPE if no more will come. */
static ssize_t read_more(struct stream *stream)
{
    if (IN_BYTES - stream->in_end < LENGTH_BYTES + NET_FRAME_MAX) {
        stream->in_end -= stream->in_start;
        memmove(stream->in, stream->in + stream->in_start, stream->in_end);
        stream->in_start = 0;
    }
    ssize_t got = recv(stream->host.fd[0], stream->in + stream->in_end, IN_BYTES - stream->in_end,
                       MSG_DONTWAIT);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : -EPIPE;
    stream->in_end += (size_t)got;
    return got;
}

/* Takes a frame that is there: 1, 0 if there is none, -EPIPE if its length makes no sense: then
 * nothing that follows does. */
static int frame_take(struct stream *stream, const uint8_t **ret_frame, uint32_t *ret_len)
{
    size_t there = stream->in_end - stream->in_start;
    uint32_t len;

    if (there < LENGTH_BYTES)
        return 0;
    memcpy(&len, stream->in + stream->in_start, LENGTH_BYTES);
    len = ntohl(len);
    if (len > NET_FRAME_MAX)
        return -EPIPE;
    if (there - LENGTH_BYTES < len)
        return 0;
    *ret_frame = stream->in + stream->in_start + LENGTH_BYTES;
    *ret_len = len;
    stream->in_start += LENGTH_BYTES + len;
    if (stream->in_start == stream->in_end)
        stream->in_start = stream->in_end = 0; /* where *ret_frame is stays as it is for now */
    return 1;
}

static ssize_t stream_receive(struct net_host *host, unsigned pair, const struct iovec *iov,
                              unsigned count)
{
    struct stream *stream = stream_of(host);
    static const struct net_hdr plain; /* nothing left to do to the frame */
    const uint8_t *frame;
    uint32_t len;
    int r;

    (void)pair;
    while ((r = frame_take(stream, &frame, &len)) == 0) {
        ssize_t got = read_more(stream);
        if (got < 0)
            return got;
    }
    if (r < 0)
        return r;
    if (len < NET_FRAME_MIN)
        return 0;
    net_iov_write(iov, count, 0, &plain, sizeof(plain));
    net_iov_write(iov, count, sizeof(plain), frame, len);
    return (ssize_t)(sizeof(plain) + len);
}

/* -- life -- */

static void stream_close(struct net_host *host)
{
    fd_close(&host->fd[0]);
    free(stream_of(host));
}

static const struct net_host_ops stream_ops = {
    .send = stream_send,
    .receive = stream_receive,
    .close = stream_close,
};

int stream_open(int fd, struct net_host **ret_host)
{
    struct stream *stream = calloc(1, sizeof(*stream));

    if (stream == NULL) {
        fd_close(&fd);
        return log_error(-ENOMEM, "network");
    }
    stream->host = (struct net_host){.ops = &stream_ops, .pairs = 1, .fd = {fd}};
    *ret_host = &stream->host;
    return 0;
}
