/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_backend.h. */
#include "tests/devices/vhost_user/fake_backend.h"

#include "vmm/base/timebase.h"
#include "vmm/base/unix_listener.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

void fake_backend_init(struct fake_backend *backend)
{
    *backend = (struct fake_backend){
        .features = 1ull << 32 | 1u << 30 | 1u << 29 | 1u << 28,
        .protocol = FAKE_ALL,
        .queues = 4,
        .config_size = 16,
        .config_at_once = VHOST_USER_CONFIG_MAX,
        .fd = -1,
        .listen_fd = -1,
        .channel = -1,
    };
    for (unsigned i = 0; i < VHOST_USER_FDS_MAX; i++)
        backend->ram[i] = -1;
    for (unsigned i = 0; i < FAKE_RINGS; i++)
        backend->ring[i].kick = backend->ring[i].call = -1;
    for (unsigned i = 0; i < VHOST_USER_CONFIG_MAX; i++)
        backend->config[i] = (uint8_t)(0x40 + i);
    (void)pthread_mutex_init(&backend->lock, NULL);
    (void)pthread_cond_init(&backend->changed, NULL);
}

/* -- what it does with a message; locked -- */

static int take_fd(struct vhost_user_message *msg, unsigned i)
{
    return i < msg->fd_count ? fd_take(&msg->fd[i]) : -1;
}

static void keep_fd(int *kept, int fd)
{
    fd_close(kept);
    *kept = fd;
}

static struct fake_vring *ring_of(struct fake_backend *backend, uint64_t index)
{
    ck_assert_uint_lt(index, FAKE_RINGS);
    return &backend->ring[index];
}

static void set_table(struct fake_backend *backend, struct vhost_user_message *msg)
{
    backend->table = msg->payload.table;
    for (unsigned i = 0; i < msg->fd_count; i++)
        keep_fd(&backend->ram[i], take_fd(msg, i));
}

static void take_ring_message(struct fake_backend *backend, struct vhost_user_message *msg)
{
    const uint32_t index = msg->payload.state.index & VHOST_USER_RING_MASK;
    const uint32_t num = msg->payload.state.num;
    struct fake_vring *ring = ring_of(backend, index);

    switch (msg->header.request) {
    case 8:
        ring->num = num;
        break;
    case 9:
        ring->address = msg->payload.address;
        break;
    case 10:
        ring->base = num;
        break;
    case 11:
        ring->started = false;
        break;
    case 12:
        keep_fd(&ring->kick, take_fd(msg, 0));
        ring->started = true;
        break;
    case 13:
        keep_fd(&ring->call, take_fd(msg, 0));
        break;
    default:
        ring->enabled = num == 1;
        break;
    }
}

static void set_config(struct fake_backend *backend, const struct vhost_user_config *config)
{
    memcpy(backend->config + config->offset, config->bytes, config->size);
    if (backend->echoes)
        backend->config[2] = backend->config[0];
}

static void take(struct fake_backend *backend, struct vhost_user_message *msg)
{
    switch (msg->header.request) {
    case 2:
        backend->features_set = msg->payload.u64;
        break;
    case 5:
        set_table(backend, msg);
        break;
    case 16:
        backend->protocol_set = msg->payload.u64;
        break;
    case 21:
        keep_fd(&backend->channel, take_fd(msg, 0));
        break;
    case 25:
        set_config(backend, &msg->payload.config);
        break;
    case 8 ... 13:
    case 18:
        take_ring_message(backend, msg);
        break;
    default:
        break;
    }
}

/* -- what it answers -- */

static void answer_config(const struct fake_backend *backend, struct vhost_user_message *msg)
{
    struct vhost_user_config *config = &msg->payload.config;
    uint32_t off = config->offset, size = config->size;

    if (size > backend->config_at_once || off + size > backend->config_size)
        config->size = size = 0;
    memcpy(config->bytes, backend->config + off, size);
    msg->header.size = (uint32_t)VHOST_USER_CONFIG_HEADER + size;
}

/* Makes the message its own answer: false if there is none. */
static bool answer(const struct fake_backend *backend, struct vhost_user_message *msg)
{
    bool acked = (msg->header.flags & VHOST_USER_NEED_REPLY) != 0;

    msg->header.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
    switch (msg->header.request) {
    case 1:
        msg->payload.u64 = backend->features;
        break;
    case 15:
        msg->payload.u64 = backend->protocol;
        break;
    case 17:
        msg->payload.u64 = backend->queues;
        break;
    case 11:
        msg->payload.state.num = backend->stop_base;
        break;
    case 24:
        answer_config(backend, msg);
        return true;
    default:
        msg->payload.u64 = 0;
        msg->header.size = 8;
        return acked;
    }
    msg->header.size = 8;
    return true;
}

static void lie(struct fake_backend *backend, struct vhost_user_message *msg)
{
    switch (backend->lie) {
    case LIE_CLOSE:
        fd_close(&backend->fd);
        break;
    case LIE_REFUSE:
        msg->payload.u64 = 1;
        break;
    case LIE_OTHER_REQUEST:
        msg->header.request++;
        break;
    case LIE_NO_REPLY:
        msg->header.flags = VHOST_USER_VERSION;
        break;
    case LIE_VERSION:
        msg->header.flags = VHOST_USER_REPLY | 2;
        break;
    case LIE_SHORT:
        msg->header.size = 4;
        break;
    case LIE_LONG:
        msg->header.size = 4096;
        break;
    case LIE_HUGE:
        msg->header.size = 1 << 20;
        break;
    case LIE_DESCRIPTOR:
        msg->fd[msg->fd_count++] = backend->fd;
        break;
    case LIE_CONTENT:
        msg->payload.u64 = msg->header.request == 17 ? 0 : msg->payload.u64 ^ 1;
        break;
    default:
        break;
    }
}

/* As it is, whatever the header says. */
static void send_raw(const struct fake_backend *backend, const struct vhost_user_message *msg)
{
    struct vhost_user_message out = *msg;

    if (out.header.size <= VHOST_USER_PAYLOAD_MAX)
        (void)vhost_user_send(backend->fd, &out, 0);
    else
        (void)send(backend->fd, &out.header, sizeof(out.header), MSG_NOSIGNAL);
}

static void serve(struct fake_backend *backend, struct vhost_user_message *msg)
{
    const bool lies = backend->lie != LIE_NONE && backend->lie_at == msg->header.request;
    const size_t room = sizeof(backend->heard) - backend->heard_len;

    take(backend, msg);
    while (msg->fd_count > 0) /* it has no use for these */
        fd_close(&msg->fd[--msg->fd_count]);
    if (room > 16)
        backend->heard_len +=
            (size_t)snprintf(backend->heard + backend->heard_len, room, " %u", msg->header.request);
    if (!answer(backend, msg) || (lies && backend->lie == LIE_SILENT))
        return;
    if (lies)
        lie(backend, msg);
    if (backend->fd >= 0)
        send_raw(backend, msg);
    if (lies && backend->lie == LIE_TWICE)
        send_raw(backend, msg);
    msg->fd_count = 0;
}

/* -- its life -- */

static bool meet(struct fake_backend *backend)
{
    const struct timespec late = {.tv_nsec = (long)(backend->late_ms * MS_NS)};
    struct unix_listener listener = {.fd = -1};

    if (backend->path == NULL)
        return true;
    (void)nanosleep(&late, NULL);
    ck_assert_int_eq(unix_listen("test", backend->path, &listener), 0);
    struct pollfd ready = {.fd = listener.fd, .events = POLLIN};
    if (poll(&ready, 1, 30000) == 1)
        backend->fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC);
    unix_unlisten(&listener);
    return backend->fd >= 0;
}

static void *run(void *arg)
{
    struct fake_backend *backend = arg;
    struct vhost_user_receiver rx = {0};
    int fd = meet(backend) ? backend->fd : -1;

    while (fd >= 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        (void)usleep(1000 * backend->slow_ms);
        if (poll(&ready, 1, 20000) != 1 || vhost_user_receive(fd, &rx) < 0)
            break;
        (void)pthread_mutex_lock(&backend->lock);
        if (rx.have >= sizeof(rx.msg.header) &&
            rx.have == sizeof(rx.msg.header) + rx.msg.header.size) {
            struct vhost_user_message msg = rx.msg;
            rx = (struct vhost_user_receiver){0}; /* its descriptors are the other's now */
            serve(backend, &msg);
        }
        fd = backend->fd;
        (void)pthread_cond_broadcast(&backend->changed);
        (void)pthread_mutex_unlock(&backend->lock);
    }
    vhost_user_receiver_fini(&rx);
    (void)pthread_mutex_lock(&backend->lock);
    fd_close(&backend->fd);
    backend->gone = true;
    (void)pthread_cond_broadcast(&backend->changed);
    (void)pthread_mutex_unlock(&backend->lock);
    return NULL;
}

int fake_backend_start(struct fake_backend *backend)
{
    int ends[2] = {-1, -1};

    if (backend->path == NULL) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        backend->fd = ends[0];
        if (backend->narrow) /* it becomes the smallest there is */
            ck_assert_int_eq(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int)), 0);
    }
    ck_assert_int_eq(pthread_create(&backend->thread, NULL, run, backend), 0);
    return ends[1];
}

void fake_backend_die(struct fake_backend *backend)
{
    (void)pthread_mutex_lock(&backend->lock);
    if (backend->fd >= 0)
        (void)shutdown(backend->fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&backend->lock);
}

void fake_backend_stop(struct fake_backend *backend)
{
    fake_backend_die(backend);
    (void)pthread_join(backend->thread, NULL);
    fd_close(&backend->channel);
    for (unsigned i = 0; i < VHOST_USER_FDS_MAX; i++)
        fd_close(&backend->ram[i]);
    for (unsigned i = 0; i < FAKE_RINGS; i++) {
        fd_close(&backend->ring[i].kick);
        fd_close(&backend->ring[i].call);
    }
}

/* -- what a test asks -- */

void fake_backend_lie(struct fake_backend *backend, uint32_t request, enum fake_lie lie)
{
    (void)pthread_mutex_lock(&backend->lock);
    backend->lie_at = request;
    backend->lie = lie;
    (void)pthread_mutex_unlock(&backend->lock);
}

/* Locked. */
static bool wait_change(struct fake_backend *backend, const struct timespec *end)
{
    return pthread_cond_timedwait(&backend->changed, &backend->lock, end) == 0;
}

static struct timespec in_5_s(void)
{
    struct timespec end;

    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 5;
    return end;
}

static bool ends_with(const char *text, const char *words)
{
    size_t len = strlen(text), want = strlen(words);

    return len >= want && strcmp(text + len - want, words) == 0;
}

bool fake_backend_hears(struct fake_backend *backend, const char *words)
{
    const struct timespec end = in_5_s();
    bool heard;

    (void)pthread_mutex_lock(&backend->lock);
    while (!(heard = ends_with(backend->heard, words)) && wait_change(backend, &end))
        continue;
    if (!heard)
        printf("heard:%s, not%s\n", backend->heard, words);
    backend->heard_len = 0;
    backend->heard[0] = '\0';
    (void)pthread_mutex_unlock(&backend->lock);
    return heard;
}

bool fake_backend_left(struct fake_backend *backend)
{
    const struct timespec end = in_5_s();

    (void)pthread_mutex_lock(&backend->lock);
    while (!backend->gone && wait_change(backend, &end))
        continue;
    bool gone = backend->gone;
    (void)pthread_mutex_unlock(&backend->lock);
    return gone;
}

unsigned fake_backend_count(struct fake_backend *backend, const char *word)
{
    unsigned count = 0;

    (void)pthread_mutex_lock(&backend->lock);
    for (const char *at = backend->heard; (at = strstr(at, word)) != NULL; at++)
        count++;
    (void)pthread_mutex_unlock(&backend->lock);
    return count;
}

void fake_backend_say(struct fake_backend *backend, bool on_channel, uint32_t request,
                      uint32_t flags)
{
    struct vhost_user_message msg;

    vhost_user_begin(&msg, request, 0);
    msg.header.flags |= flags;
    (void)pthread_mutex_lock(&backend->lock);
    (void)vhost_user_send(on_channel ? backend->channel : backend->fd, &msg, 0);
    (void)pthread_mutex_unlock(&backend->lock);
}
