/* SPDX-License-Identifier: BSD-3-Clause */
/* See wire.h. */
#include "virtio/vhost_user/wire.h"

#include "vmm/base/timebase.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* Room for the most descriptors in one message. */
union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_FDS_MAX)];
};

void vhost_user_begin(struct vhost_user_message *msg, uint32_t request, uint32_t size)
{
    assert(size <= VHOST_USER_PAYLOAD_MAX);
    msg->header = (struct vhost_user_header){request, VHOST_USER_VERSION, size};
    msg->fd_count = 0;
}

/* Waits until there may be more to do: 0, -ETIMEDOUT or -errno. */
static int wait_for(int fd, short events, uint64_t deadline_ns)
{
    uint64_t now_ns = monotonic_ns();
    struct pollfd pollfd = {.fd = fd, .events = events};

    if (deadline_ns <= now_ns)
        return -ETIMEDOUT;
    struct timespec left = {.tv_sec = (time_t)((deadline_ns - now_ns) / SECOND_NS),
                            .tv_nsec = (long)((deadline_ns - now_ns) % SECOND_NS)};
    int r = ppoll(&pollfd, 1, &left, NULL);
    if (r == 0)
        return -ETIMEDOUT;
    return r < 0 && errno != EINTR ? -errno : 0;
}

/* -- sending -- */

/* A message of this size is one piece of a Unix stream: all of it goes, or nothing. */
static int send_now(int fd, const struct vhost_user_message *msg)
{
    struct vhost_user_message *bytes = (struct vhost_user_message *)(uintptr_t)msg; /* only read */
    struct iovec iov[] = {{&bytes->header, sizeof(bytes->header)},
                          {&bytes->payload, msg->header.size}};
    union control control = {0};
    struct msghdr out = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};

    if (msg->fd_count > 0) {
        out.msg_control = &control;
        out.msg_controllen = CMSG_SPACE(sizeof(int) * msg->fd_count);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&out);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * msg->fd_count);
        memcpy(CMSG_DATA(cmsg), msg->fd, sizeof(int) * msg->fd_count);
    }
    ssize_t n = sendmsg(fd, &out, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return -errno;
    return (size_t)n == sizeof(msg->header) + msg->header.size ? 0 : -EIO;
}

int vhost_user_send(int fd, const struct vhost_user_message *msg, uint64_t deadline_ns)
{
    assert(msg->header.size <= VHOST_USER_PAYLOAD_MAX && msg->fd_count <= VHOST_USER_FDS_MAX);
    int r;

    while ((r = send_now(fd, msg)) == -EAGAIN || r == -EINTR) {
        r = wait_for(fd, POLLOUT, deadline_ns);
        if (r < 0)
            break;
    }
    return r;
}

/* -- receiving -- */

static void fds_drop(struct vhost_user_message *msg)
{
    while (msg->fd_count > 0)
        fd_close(&msg->fd[--msg->fd_count]);
}

/* Takes what came with a piece: 0, or -EPROTO if it is more than a message may have, or `wanted` is
 * false. Every descriptor that the kernel has made is kept or closed. */
static int fds_take(struct vhost_user_message *msg, struct msghdr *in, bool wanted)
{
    int r = (in->msg_flags & MSG_CTRUNC) != 0 ? -EPROTO : 0;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(in); cmsg != NULL; cmsg = CMSG_NXTHDR(in, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= cmsg->cmsg_len; at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(cmsg) + at, sizeof(fd));
            if (wanted && msg->fd_count < VHOST_USER_FDS_MAX) {
                msg->fd[msg->fd_count++] = fd;
            } else {
                fd_close(&fd);
                r = -EPROTO;
            }
        }
    }
    return r;
}

static bool header_is_good(const struct vhost_user_header *header)
{
    return (header->flags & VHOST_USER_VERSION_MASK) == VHOST_USER_VERSION &&
           header->size <= VHOST_USER_PAYLOAD_MAX;
}

/* One more piece, of the header or of the payload: how many bytes, or -errno. */
static ssize_t receive_piece(int fd, struct vhost_user_receiver *rx)
{
    const size_t header = sizeof(rx->msg.header);
    bool in_header = rx->have < header;
    union control control;
    struct iovec iov = {(uint8_t *)&rx->msg.header + rx->have, header - rx->have};
    struct msghdr in = {.msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control)};

    if (!in_header)
        iov = (struct iovec){rx->msg.payload.bytes + (rx->have - header),
                             rx->msg.header.size - (rx->have - header)};
    ssize_t n = recvmsg(fd, &in, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    int r = fds_take(&rx->msg, &in, in_header);
    if (r < 0)
        return r;
    if (n == 0)
        return rx->have == 0 ? -ENODATA : -ECONNRESET;
    rx->have += (size_t)n;
    return in_header && rx->have == header && !header_is_good(&rx->msg.header) ? -EPROTO : n;
}

static bool is_whole(const struct vhost_user_receiver *rx)
{
    const size_t header = sizeof(rx->msg.header);

    return rx->have >= header && rx->have == header + rx->msg.header.size;
}

int vhost_user_receive(int fd, struct vhost_user_receiver *rx)
{
    ssize_t n = 0;

    if (is_whole(rx))
        vhost_user_receiver_fini(rx);
    while (n >= 0 && !is_whole(rx))
        n = receive_piece(fd, rx);
    if (n == -EAGAIN || n == -EINTR)
        return 0;
    return n < 0 ? (int)n : 1;
}

int vhost_user_receive_until(int fd, struct vhost_user_receiver *rx, uint64_t deadline_ns)
{
    int r;

    while ((r = vhost_user_receive(fd, rx)) == 0) {
        r = wait_for(fd, POLLIN, deadline_ns);
        if (r < 0)
            break;
    }
    return r;
}

void vhost_user_receiver_fini(struct vhost_user_receiver *rx)
{
    fds_drop(&rx->msg);
    rx->have = 0;
}
