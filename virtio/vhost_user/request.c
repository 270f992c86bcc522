/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a front-end may ask, see backend.h: one table says how large each message is, how many
 * descriptors it has, and what must have been negotiated.
 */
#include "virtio/vhost_user/inside.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define NOTIFICATION_DATA 38 /* kicks come by eventfd, with nothing in them */
#define RING_RESET        40 /* rings are stopped by messages */
#define NEVER             (1ull << NOTIFICATION_DATA | 1ull << RING_RESET)

#define PROTOCOL_FEATURES                                                                          \
    (1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK |                  \
     1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ | 1ull << VHOST_USER_PROTOCOL_F_CONFIG |            \
     1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE |                                                  \
     1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)

struct request {
    const char *name;
    /* 0; 1 with the answer's payload in backend->reply; -errno */
    int (*serve)(struct vhost_user_backend *backend, struct vhost_user_message *msg);
    uint32_t size_min, size_max;
    uint8_t fds_min, fds_max;
    uint64_t needs; /* protocol features: those bits; 0: none */
};

static int answer_u64(struct vhost_user_backend *backend, uint64_t val)
{
    vhost_user_begin(&backend->reply, backend->rx.msg.header.request, sizeof(val));
    backend->reply.payload.u64 = val;
    return 1;
}

/* -- features -- */

static uint64_t offered(const struct vhost_user_backend *backend)
{
    return (backend->dev->features & ~NEVER) | 1ull << VHOST_USER_F_PROTOCOL_FEATURES;
}

static int get_features(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    (void)msg;
    return answer_u64(backend, offered(backend));
}

/* VERSION_1 is meant even where it is not said (QEMU 7.2 passes on none at all to some devices):
 * the rings look alike, and there is no other kind of device here. */
static int set_features(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    const uint64_t protocol = 1ull << VHOST_USER_F_PROTOCOL_FEATURES;
    uint64_t features = msg->payload.u64;

    if ((features & ~offered(backend)) != 0)
        return -EINVAL;
    rings_stand(backend);
    backend->features = (features & ~protocol) | 1ull << VIRTIO_F_VERSION_1;
    for (uint32_t i = 0; (features & protocol) == 0 && i < backend->dev->queue_count; i++)
        backend->ring[i].enabled = true; /* one that cannot say so means it */
    return 0;
}

static int get_protocol_features(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    (void)msg;
    return answer_u64(backend, PROTOCOL_FEATURES);
}

static int set_protocol_features(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    if ((msg->payload.u64 & ~PROTOCOL_FEATURES) != 0)
        return -EINVAL;
    backend->protocol = msg->payload.u64;
    return 0;
}

static int set_owner(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    (void)backend; /* whoever connected is */
    (void)msg;
    return 0;
}

static int get_queue_num(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    (void)msg;
    return answer_u64(backend, backend->dev->queue_count);
}

/* -- memory -- */

static int get_max_mem_slots(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    (void)msg;
    return answer_u64(backend, MEMORY_REGIONS_MAX);
}

/* -- rings -- */

static struct vhost_user_ring *ring_at(struct vhost_user_backend *backend, uint64_t index)
{
    return index < backend->dev->queue_count ? &backend->ring[index] : NULL;
}

/* The ring of an index, whose device stands still if it works: its description is to change. */
static struct vhost_user_ring *ring_change(struct vhost_user_backend *backend, uint64_t index)
{
    struct vhost_user_ring *ring = ring_at(backend, index);

    if (ring != NULL && ring_works(ring))
        rings_stand(backend);
    return ring;
}

static int set_vring_num(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    const struct vhost_user_state *state = &msg->payload.state;
    struct vhost_user_ring *ring = ring_at(backend, state->index);
    const struct virtio_device *dev = backend->dev;
    bool packed = (backend->features >> VIRTIO_F_RING_PACKED & 1) != 0;

    if (ring == NULL || state->num == 0 || (!packed && (state->num & (state->num - 1)) != 0))
        return -EINVAL;
    if (state->num > dev->limits.size) {
        log_guest(&backend->dev->log_limit,
                  "%s: a queue of %u entries; it takes %u at most: have the front-end make them "
                  "smaller (crosvm: max-queue-size=256)",
                  dev->name, state->num, dev->limits.size);
        return -EINVAL;
    }
    (void)ring_change(backend, state->index);
    ring->size = state->num;
    return 0;
}

static int set_vring_addr(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    struct vhost_user_ring *ring = ring_change(backend, msg->payload.address.index);

    if (ring == NULL)
        return -EINVAL;
    ring->address = msg->payload.address;
    ring->has_address = true;
    return 0;
}

static int set_vring_base(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    struct vhost_user_ring *ring = ring_change(backend, msg->payload.state.index);

    if (ring == NULL)
        return -EINVAL;
    ring->base = msg->payload.state.num;
    return 0;
}

static int get_vring_base(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    struct vhost_user_ring *ring = ring_change(backend, msg->payload.state.index);

    if (ring == NULL)
        return -EINVAL;
    ring_stop(ring);
    vhost_user_begin(&backend->reply, msg->header.request, sizeof(msg->payload.state));
    backend->reply.payload.state = (struct vhost_user_state){msg->payload.state.index, ring->base};
    return 1;
}

static int set_vring_enable(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    struct vhost_user_ring *ring = ring_at(backend, msg->payload.state.index);
    bool enable = msg->payload.state.num == 1;

    if (ring == NULL || msg->payload.state.num > 1)
        return -EINVAL;
    if (ring->enabled == enable)
        return 0;
    rings_stand(backend);
    ring->enabled = enable;
    return 0;
}

/* The ring that comes with an eventfd, or without one by VHOST_USER_RING_NO_FD. */
static struct vhost_user_ring *ring_of_fd(struct vhost_user_backend *backend,
                                          const struct vhost_user_message *msg)
{
    bool none = (msg->payload.u64 & VHOST_USER_RING_NO_FD) != 0;

    if ((msg->payload.u64 & ~(uint64_t)(VHOST_USER_RING_MASK | VHOST_USER_RING_NO_FD)) != 0 ||
        none != (msg->fd_count == 0))
        return NULL;
    return ring_at(backend, msg->payload.u64 & VHOST_USER_RING_MASK);
}

/* A ring without an eventfd would have to be polled. */
static int set_vring_kick(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    struct vhost_user_ring *ring = ring_of_fd(backend, msg);

    if (ring == NULL || msg->fd_count == 0)
        return -EINVAL;
    rings_stand(backend);
    ring_set_kick(ring, fd_take(&msg->fd[0]));
    ring->started = true;
    return 0;
}

static int set_vring_call(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    struct vhost_user_ring *ring = ring_of_fd(backend, msg);

    if (ring == NULL)
        return -EINVAL;
    ring_set_call(ring, &ring->call, msg->fd_count > 0 ? fd_take(&msg->fd[0]) : -1);
    return 0;
}

static int set_vring_err(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    struct vhost_user_ring *ring = ring_of_fd(backend, msg);

    if (ring == NULL)
        return -EINVAL;
    ring_set_call(ring, &ring->error, msg->fd_count > 0 ? fd_take(&msg->fd[0]) : -1);
    return 0;
}

/* Deprecated; some meant a reset by it. */
static int reset_owner(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    (void)msg;
    rings_stand(backend);
    for (uint32_t i = 0; i < backend->dev->queue_count; i++)
        backend->ring[i].enabled = false;
    return 0;
}

static int reset_device(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    (void)msg;
    rings_reset(backend);
    return 0;
}

/* -- config space, and news of it -- */

static bool config_size_fits(const struct vhost_user_message *msg)
{
    const struct vhost_user_config *config = &msg->payload.config;

    return config->size <= VHOST_USER_CONFIG_MAX &&
           msg->header.size == VHOST_USER_CONFIG_HEADER + config->size;
}

/* As many bytes as were asked for, which are 0 past the end: some panic at less. */
static int get_config(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    const struct vhost_user_config *config = &msg->payload.config;
    struct vhost_user_config *reply = &backend->reply.payload.config;
    bool fits = config_size_fits(msg);
    uint32_t size = fits ? config->size : 0;

    vhost_user_begin(&backend->reply, msg->header.request,
                     (uint32_t)VHOST_USER_CONFIG_HEADER + size);
    *reply =
        (struct vhost_user_config){.offset = config->offset, .size = size, .flags = config->flags};
    virtio_lock(backend->dev);
    virtio_config_read(backend->dev, config->offset, reply->bytes, size);
    virtio_unlock(backend->dev);
    return 1;
}

/* Some write the whole of it, where the driver wrote a field: fields are words, or smaller. */
static int set_config(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    const struct vhost_user_config *config = &msg->payload.config;
    struct virtio_device *dev = backend->dev;

    if (!config_size_fits(msg) || config->size == 0 || config->flags > 1 ||
        dev->class->config_write == NULL)
        return -EINVAL;
    virtio_lock(dev);
    for (uint32_t at = 0, len; at < config->size; at += len) {
        uint64_t offset = (uint64_t)config->offset + at;
        len = MIN(config->size - at, 4u - (uint32_t)(offset % 4));
        virtio_config_write(dev, offset, config->bytes + at, len);
        virtio_settle(dev);
    }
    virtio_unlock(dev);
    return 0;
}

static int set_backend_req_fd(struct vhost_user_backend *backend, struct vhost_user_message *msg)
{
    (void)pthread_mutex_lock(&backend->lock);
    fd_close(&backend->channel);
    backend->channel = fd_take(&msg->fd[0]);
    (void)pthread_mutex_unlock(&backend->lock);
    return 0;
}

/* -- the table -- */

#define PROTOCOL(name) (1ull << VHOST_USER_PROTOCOL_F_##name)
#define SIZE(bytes)    (bytes), (bytes)
#define STATE          SIZE(sizeof(struct vhost_user_state))
#define U64            SIZE(sizeof(uint64_t))
#define ONE_REGION     SIZE(sizeof(struct vhost_user_one_region))
#define TABLE          offsetof(struct vhost_user_table, region), sizeof(struct vhost_user_table)
#define CONFIG         VHOST_USER_CONFIG_HEADER, VHOST_USER_PAYLOAD_MAX

/* clang-format off */
static const struct request requests[] = {
    [VHOST_USER_GET_FEATURES] = {"GET_FEATURES", get_features},
    [VHOST_USER_SET_FEATURES] = {"SET_FEATURES", set_features, U64},
    [VHOST_USER_SET_OWNER] = {"SET_OWNER", set_owner},
    [VHOST_USER_RESET_OWNER] = {"RESET_OWNER", reset_owner},
    [VHOST_USER_SET_MEM_TABLE] = {"SET_MEM_TABLE", shared_set, TABLE, 0, VHOST_USER_FDS_MAX},
    [VHOST_USER_SET_VRING_NUM] = {"SET_VRING_NUM", set_vring_num, STATE},
    [VHOST_USER_SET_VRING_ADDR] =
        {"SET_VRING_ADDR", set_vring_addr, SIZE(sizeof(struct vhost_user_address))},
    [VHOST_USER_SET_VRING_BASE] = {"SET_VRING_BASE", set_vring_base, STATE},
    [VHOST_USER_GET_VRING_BASE] = {"GET_VRING_BASE", get_vring_base, STATE},
    [VHOST_USER_SET_VRING_KICK] = {"SET_VRING_KICK", set_vring_kick, U64, 0, 1},
    [VHOST_USER_SET_VRING_CALL] = {"SET_VRING_CALL", set_vring_call, U64, 0, 1},
    [VHOST_USER_SET_VRING_ERR] = {"SET_VRING_ERR", set_vring_err, U64, 0, 1},
    [VHOST_USER_GET_PROTOCOL_FEATURES] = {"GET_PROTOCOL_FEATURES", get_protocol_features},
    [VHOST_USER_SET_PROTOCOL_FEATURES] = {"SET_PROTOCOL_FEATURES", set_protocol_features, U64},
    [VHOST_USER_GET_QUEUE_NUM] = {"GET_QUEUE_NUM", get_queue_num, .needs = PROTOCOL(MQ)},
    [VHOST_USER_SET_VRING_ENABLE] = {"SET_VRING_ENABLE", set_vring_enable, STATE},
    [VHOST_USER_SET_BACKEND_REQ_FD] =
        {"SET_BACKEND_REQ_FD", set_backend_req_fd, 0, 0, 1, 1, PROTOCOL(BACKEND_REQ)},
    [VHOST_USER_GET_CONFIG] = {"GET_CONFIG", get_config, CONFIG, .needs = PROTOCOL(CONFIG)},
    [VHOST_USER_SET_CONFIG] = {"SET_CONFIG", set_config, CONFIG, .needs = PROTOCOL(CONFIG)},
    [VHOST_USER_RESET_DEVICE] = {"RESET_DEVICE", reset_device, .needs = PROTOCOL(RESET_DEVICE)},
    [VHOST_USER_GET_MAX_MEM_SLOTS] =
        {"GET_MAX_MEM_SLOTS", get_max_mem_slots, .needs = PROTOCOL(CONFIGURE_MEM_SLOTS)},
    [VHOST_USER_ADD_MEM_REG] =
        {"ADD_MEM_REG", shared_add, ONE_REGION, 1, 1, PROTOCOL(CONFIGURE_MEM_SLOTS)},
    [VHOST_USER_REM_MEM_REG] =
        {"REM_MEM_REG", shared_remove, ONE_REGION, 0, 1, PROTOCOL(CONFIGURE_MEM_SLOTS)},
};
/* clang-format on */

static const struct request *request_of(uint32_t request)
{
    return request < ARRAY_SIZE(requests) && requests[request].serve != NULL ? &requests[request]
                                                                             : NULL;
}

const char *vhost_user_request_name(uint32_t request)
{
    const struct request *row = request_of(request);

    return row != NULL ? row->name : "an unknown request";
}

int vhost_user_request_serve(struct vhost_user_backend *backend)
{
    struct vhost_user_message *msg = &backend->rx.msg;
    const struct request *row = request_of(msg->header.request);

    if (row == NULL || (row->needs & ~backend->protocol) != 0)
        return -EOPNOTSUPP;
    if ((msg->header.flags & VHOST_USER_REPLY) != 0 || msg->header.size < row->size_min ||
        msg->header.size > row->size_max || msg->fd_count < row->fds_min ||
        msg->fd_count > row->fds_max)
        return -EBADMSG;
    int answered = row->serve(backend, msg);
    int r = answered < 0 ? answered : rings_changed(backend);
    return r < 0 ? r : answered;
}
