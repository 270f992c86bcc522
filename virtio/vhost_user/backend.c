/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection to a front-end, answers to it, and the device's news, see backend.h. */
#include "virtio/vhost_user/inside.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define ROUND_MESSAGES_MAX 64 /* before the loop looks at something else */

/* -- news: any thread -- */

/* The eventfd is the front-end's, too, which may have filled it and cleared O_NONBLOCK: then this
 * would block. That it is filled between the look and the write is all that is left to chance. */
static void event_write(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};

    if (fd >= 0 && poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0)
        (void)eventfd_write(fd, 1); /* no eventfd, or no room: the front-end's own loss */
}

static void queue_news(struct virtio_transport *transport, const struct virtq *vq)
{
    struct vhost_user_backend *backend =
        container_of(transport, struct vhost_user_backend, transport);

    (void)pthread_mutex_lock(&backend->lock);
    event_write(backend->ring[vq->index].call);
    (void)pthread_mutex_unlock(&backend->lock);
}

/* Locked. One that is lost because nobody reads is like one that is still unread. */
static void channel_tell(struct vhost_user_backend *backend)
{
    struct vhost_user_message msg;

    backend->news = false;
    if (backend->channel < 0 || (backend->protocol >> VHOST_USER_PROTOCOL_F_CONFIG & 1) == 0)
        return;
    vhost_user_begin(&msg, VHOST_USER_BACKEND_CONFIG_CHANGE, 0);
    int r = vhost_user_send(backend->channel, &msg, 0);
    if (r < 0 && r != -ETIMEDOUT)
        fd_close(&backend->channel);
}

static void config_news(struct virtio_transport *transport)
{
    struct vhost_user_backend *backend =
        container_of(transport, struct vhost_user_backend, transport);
    bool failed = virtio_failed(backend->dev);

    (void)pthread_mutex_lock(&backend->lock);
    for (uint32_t i = 0; failed && i < backend->dev->queue_count; i++)
        event_write(backend->ring[i].error);
    backend->news |= !failed;
    if (backend->news && !backend->suspended)
        channel_tell(backend);
    (void)pthread_mutex_unlock(&backend->lock);
}

static void reset(struct virtio_transport *transport)
{
    (void)transport; /* what the front-end has said it has said */
}

static const struct virtio_transport_ops transport_ops = {
    .queue_news = queue_news, .config_news = config_news, .reset = reset};

void news_hold(struct vhost_user_backend *backend, bool hold)
{
    (void)pthread_mutex_lock(&backend->lock);
    backend->suspended = hold;
    if (backend->news && !hold)
        channel_tell(backend);
    (void)pthread_mutex_unlock(&backend->lock);
}

/* -- messages -- */

static int send_reply(struct vhost_user_backend *backend)
{
    backend->reply.header.flags |= VHOST_USER_REPLY;
    return vhost_user_send(backend->socket.fd, &backend->reply, 0);
}

/* Serves the message that has come, and answers it. -errno: the connection is of no use. */
static int serve(struct vhost_user_backend *backend)
{
    const struct vhost_user_header *header = &backend->rx.msg.header;
    int r = vhost_user_request_serve(backend); /* may be what negotiates answers */
    bool asked = (header->flags & VHOST_USER_NEED_REPLY) != 0 &&
                 (backend->protocol >> VHOST_USER_PROTOCOL_F_REPLY_ACK & 1) != 0;

    if (r < 0)
        log_guest(&backend->dev->log_limit, "%s: front-end: %s: %s", backend->dev->name,
                  vhost_user_request_name(header->request), strerror(-r));
    if (r == 1)
        return send_reply(backend);
    if (r == -EBADMSG || (r < 0 && !asked))
        return r;
    if (!asked)
        return 0;
    vhost_user_begin(&backend->reply, header->request, sizeof(uint64_t));
    backend->reply.payload.u64 = r < 0;
    return send_reply(backend);
}

static void socket_ready(struct watch *watch, uint32_t epoll_events)
{
    struct vhost_user_backend *backend = container_of(watch, struct vhost_user_backend, socket);
    int r = 1;

    (void)epoll_events;
    for (unsigned i = 0; i < ROUND_MESSAGES_MAX && r > 0; i++) {
        r = vhost_user_receive(watch->fd, &backend->rx);
        if (r > 0 && serve(backend) < 0)
            r = -EPROTO;
    }
    if (r < 0)
        vhost_user_backend_leave(backend);
}

/* -- life -- */

int vhost_user_backend_init(struct vhost_user_backend *backend, struct virtio_device *dev,
                            struct memory *mem, struct loop *loop)
{
    *backend = (struct vhost_user_backend){.transport = {.ops = &transport_ops},
                                           .dev = dev,
                                           .mem = mem,
                                           .loop = loop,
                                           .left = backend->left,
                                           .socket = {.fd = -1, .ready = socket_ready},
                                           .channel = -1};
    (void)pthread_mutex_init(&backend->lock, NULL); /* default kind: cannot fail */
    int r = rings_init(backend);
    if (r < 0)
        return r;
    virtio_connect(dev, &backend->transport);
    rings_reset(backend);
    return 0;
}

void vhost_user_backend_fini(struct vhost_user_backend *backend)
{
    if (backend->dev == NULL)
        return;
    rings_fini(backend);
    (void)pthread_mutex_destroy(&backend->lock);
}

int vhost_user_backend_serve(struct vhost_user_backend *backend, int fd)
{
    assert(backend->socket.fd < 0);
    backend->socket.fd = fd;
    int r = loop_add(backend->loop, &backend->socket, EPOLLIN);
    if (r < 0)
        fd_close(&backend->socket.fd);
    return r;
}

void vhost_user_backend_leave(struct vhost_user_backend *backend)
{
    if (!vhost_user_backend_busy(backend))
        return;
    loop_remove(&backend->socket);
    fd_close(&backend->socket.fd);
    rings_reset(backend);
    shared_drop(backend);
    backend->features = backend->protocol = 0;
    (void)pthread_mutex_lock(&backend->lock);
    fd_close(&backend->channel);
    backend->news = false;
    (void)pthread_mutex_unlock(&backend->lock);
    vhost_user_receiver_fini(&backend->rx);
    if (backend->left != NULL)
        backend->left(backend);
}
