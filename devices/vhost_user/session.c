/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What we say to a back-end: scripts of messages, one after the other, each of which waits for the
 * answer to the one before, where there is one to come. A script is played either while the
 * worker's loop does other things, or waited for; both have the same deadline for the whole of it.
 *
 * Where the back-end can (REPLY_ACK) each message is acknowledged, so that a refusal is told with
 * the message's name; where it can't, starting the rings ends with a question, because messages are
 * served in their order.
 */
#include "devices/vhost_user/vhost_user.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define BIT(n) (1ull << (n))

/* What a back-end may offer: the device's own features, and those that change nothing for us. Not
 * ACCESS_PLATFORM, with which addresses would be others. */
#define FEATURES_KNOWN                                                                             \
    ((BIT(24) - 1) | ~(BIT(50) - 1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |                           \
     BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) |          \
     BIT(VIRTIO_F_IN_ORDER))
#define FEATURES_NEEDED (BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VIRTIO_F_VERSION_1))

#define ACK BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK)

/* Addresses as the back-end hears of them: no pointers of ours, and none is 0. */
#define USER_BASE BIT(44)

const char *vu_error(int r)
{
    switch (r) {
    case -ENODATA:
    case -ECONNRESET:
    case -EPIPE:
        return "it closed the connection";
    case -ETIMEDOUT:
        return "no answer in time";
    case -EPROTO:
        return "that is not vhost-user, version 1";
    case -EREMOTEIO:
        return "it refused";
    case -ENOTSUP:
        return "it lacks VERSION_1 or PROTOCOL_FEATURES, which everybody has";
    default:
        return strerror(-r);
    }
}

/* -- payloads -- */

static void put_u64(struct vhost_user_message *msg, uint64_t val)
{
    msg->header.size = sizeof(msg->payload.u64);
    msg->payload.u64 = val;
}

static void put_state(struct vhost_user_message *msg, uint32_t index, uint32_t num)
{
    msg->header.size = sizeof(msg->payload.state);
    msg->payload.state = (struct vhost_user_state){index, num};
}

static void put_fd(struct vhost_user_message *msg, int fd)
{
    msg->fd[msg->fd_count++] = fd;
}

static void fill_features(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    (void)i;
    put_u64(msg, vu->dev.driver_features | BIT(VHOST_USER_F_PROTOCOL_FEATURES));
}

static void fill_protocol(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    (void)i;
    put_u64(msg, vu->protocol);
}

static void fill_channel(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    (void)i;
    put_fd(msg, vu->channel_other);
}

static void fill_table(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    const struct memory *mem = vu->dev.mem;
    struct vhost_user_table *table = &msg->payload.table;

    (void)i;
    assert(mem->region_count <= VHOST_USER_REGIONS_MAX);
    table->count = mem->region_count;
    table->pad = 0;
    for (unsigned k = 0; k < mem->region_count; k++) {
        const struct memory_region *region = &mem->region[k];
        table->region[k] = (struct vhost_user_region){region->base, region->size,
                                                      region->base + USER_BASE, region->offset};
        put_fd(msg, region->fd);
    }
    msg->header.size = (uint32_t)offsetof(struct vhost_user_table, region[mem->region_count]);
}

static void fill_num(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    put_state(msg, i, vu->dev.queue[i].size);
}

static void fill_base(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    put_state(msg, i, vu->base[i]);
}

static void fill_address(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    const struct virtq_config *config = &vu->dev.queue[i].config;

    msg->header.size = sizeof(msg->payload.address);
    msg->payload.address = (struct vhost_user_address){.index = i,
                                                       .desc = config->desc + USER_BASE,
                                                       .used = config->device + USER_BASE,
                                                       .avail = config->driver + USER_BASE};
}

static void fill_call(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    put_u64(msg, i);
    put_fd(msg, vu->call[i].fd);
}

static void fill_kick(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    put_u64(msg, i);
    put_fd(msg, vu->dev.queue[i].kick.fd);
}

static void fill_enable(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    (void)vu;
    put_state(msg, i, 1);
}

static void fill_ring(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    (void)vu;
    put_state(msg, i, 0);
}

static void put_config(struct vhost_user_message *msg, size_t off, size_t len)
{
    msg->header.size = (uint32_t)(VHOST_USER_CONFIG_HEADER + len);
    msg->payload.config =
        (struct vhost_user_config){.offset = (uint32_t)off, .size = (uint32_t)len};
}

static void fill_config(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    put_config(msg, (size_t)i * vu->piece_bytes, vu->piece_bytes);
}

static void fill_write(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg)
{
    (void)i;
    put_config(msg, vu->write_off, vu->write_len);
    memcpy(msg->payload.config.bytes, vu->write_bytes, vu->write_len);
}

/* -- answers -- */

/* How long the answer to a message is that has one. Of config space: see take_config(). */
static bool size_is_right(const struct vu_step *step, const struct vhost_user_message *reply)
{
    switch (step->take == NULL ? 0 : step->request) {
    case VHOST_USER_GET_CONFIG:
        return true;
    case VHOST_USER_GET_VRING_BASE:
        return reply->header.size == sizeof(reply->payload.state);
    default:
        return reply->header.size == sizeof(reply->payload.u64);
    }
}

static int take_features(struct vhost_user *vu, unsigned i, const struct vhost_user_message *reply)
{
    (void)i;
    if ((reply->payload.u64 & FEATURES_NEEDED) != FEATURES_NEEDED)
        return -ENOTSUP;
    vu->features = reply->payload.u64 & FEATURES_KNOWN;
    return 0;
}

/* `protocol` is what we would like to have. */
static int take_protocol(struct vhost_user *vu, unsigned i, const struct vhost_user_message *reply)
{
    (void)i;
    vu->protocol &= reply->payload.u64;
    if (!vu_has(vu, VHOST_USER_PROTOCOL_F_CONFIG)) /* all that it would have to say */
        vu->protocol &= ~BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ);
    return 0;
}

static int take_queues(struct vhost_user *vu, unsigned i, const struct vhost_user_message *reply)
{
    (void)i;
    vu->queues = (uint16_t)MIN(reply->payload.u64, (uint64_t)VU_QUEUES_MAX);
    return vu->queues > 0 ? 0 : -EPROTO;
}

/* In order, and all before it was served. */
static int take_sync(struct vhost_user *vu, unsigned i, const struct vhost_user_message *reply)
{
    (void)vu;
    (void)i;
    (void)reply;
    return 0;
}

static int take_base(struct vhost_user *vu, unsigned i, const struct vhost_user_message *reply)
{
    const struct vhost_user_state *state = &reply->payload.state;

    /* split: an index; packed: two with their wrap counters */
    if (state->index != i ||
        (state->num > UINT16_MAX && !virtio_has(&vu->dev, VIRTIO_F_RING_PACKED)))
        return -EPROTO;
    vu->base[i] = state->num;
    return 0;
}

static int take_config(struct vhost_user *vu, unsigned i, const struct vhost_user_message *reply)
{
    const struct vhost_user_config *config = &reply->payload.config;
    uint32_t size = reply->header.size;

    if (size == 0 || (size == VHOST_USER_CONFIG_HEADER && config->size == 0))
        return -EREMOTEIO; /* it has none there, or less */
    if (size != VHOST_USER_CONFIG_HEADER + vu->piece_bytes || config->size != vu->piece_bytes ||
        config->offset != i * vu->piece_bytes)
        return -EPROTO;
    memcpy(vu->fresh + config->offset, config->bytes, config->size);
    vu->got = config->offset + config->size;
    return 0;
}

/* -- scripts -- */

#define SAY(message) .name = #message, .request = VHOST_USER_##message
#define NEEDS(what)  .needs = BIT(VHOST_USER_PROTOCOL_F_##what)

const struct vu_step vu_hello[] = {
    {SAY(SET_OWNER)},
    {SAY(GET_FEATURES), .take = take_features},
    {SAY(GET_PROTOCOL_FEATURES), .take = take_protocol},
    {SAY(SET_PROTOCOL_FEATURES), .fill = fill_protocol},
    {SAY(GET_QUEUE_NUM), NEEDS(MQ), .take = take_queues},
    {SAY(SET_BACKEND_REQ_FD), NEEDS(BACKEND_REQ), .fill = fill_channel},
    {0},
};

/* CALL before KICK, memory before addresses, BASE before both: each order has a back-end that wants
 * it. */
const struct vu_step vu_start[] = {
    {SAY(SET_FEATURES), .fill = fill_features},
    {SAY(SET_MEM_TABLE), .fill = fill_table},
    {SAY(SET_VRING_NUM), VU_RINGS, .fill = fill_num},
    {SAY(SET_VRING_BASE), VU_RINGS, .fill = fill_base},
    {SAY(SET_VRING_ADDR), VU_RINGS, .fill = fill_address},
    {SAY(SET_VRING_CALL), VU_RINGS, .fill = fill_call},
    {SAY(SET_VRING_KICK), VU_RINGS, .fill = fill_kick},
    {SAY(SET_VRING_ENABLE), VU_RINGS, .fill = fill_enable},
    {SAY(GET_FEATURES), .without = ACK, .take = take_sync},
    {0},
};

const struct vu_step vu_stop[] = {
    {SAY(SET_VRING_ENABLE), VU_RINGS, .fill = fill_ring},
    {SAY(GET_VRING_BASE), VU_RINGS, .fill = fill_ring, .take = take_base},
    {0},
};

const struct vu_step vu_new_life[] = {
    {SAY(RESET_DEVICE), NEEDS(RESET_DEVICE)},
    {0},
};

const struct vu_step vu_config[] = {
    {SAY(GET_CONFIG), VU_PIECES, NEEDS(CONFIG), .fill = fill_config, .take = take_config},
    {0},
};

const struct vu_step vu_write[] = {
    {SAY(SET_CONFIG), NEEDS(CONFIG), .fill = fill_write},
    {0},
};

/* -- playing them -- */

static bool is_due(const struct vhost_user *vu, const struct vu_step *step, unsigned i)
{
    if ((vu->protocol & step->needs) != step->needs || (vu->protocol & step->without) != 0)
        return false;
    return step->times != VU_RINGS || vu->dev.queue[i].running;
}

/* Finds the next message that is to be sent; NULL: there is none left. */
static const struct vu_step *next(struct vhost_user *vu)
{
    const unsigned counts[] = {
        [VU_ONCE] = 1, [VU_RINGS] = vu->dev.queue_count, [VU_PIECES] = vu->pieces};
    struct vu_session *session = &vu->session;

    for (; session->steps[session->step].name != NULL; session->step++, session->i = 0) {
        const struct vu_step *step = &session->steps[session->step];
        for (; session->i < counts[step->times]; session->i++)
            if (is_due(vu, step, session->i))
                return step;
    }
    return NULL;
}

/* Whether that message is acknowledged: not the one that agrees upon it. */
static bool is_acknowledged(const struct vhost_user *vu, const struct vu_step *step)
{
    return step->take == NULL && step->request != VHOST_USER_SET_PROTOCOL_FEATURES &&
           step->request != VHOST_USER_SET_OWNER && (vu->protocol & ACK) != 0;
}

/* Sends until there is an answer to wait for, or no room (for which this waits until then; 0: it
 * does not): 0; 1 at the end of the script; or -errno. */
static int send_on(struct vhost_user *vu, uint64_t until_ns)
{
    struct vu_session *session = &vu->session;
    struct vhost_user_message msg;
    const struct vu_step *step;

    while ((step = next(vu)) != NULL) {
        vhost_user_begin(&msg, step->request, 0);
        if (step->fill != NULL)
            step->fill(vu, session->i, &msg);
        if (is_acknowledged(vu, step))
            msg.header.flags |= VHOST_USER_NEED_REPLY;
        session->last = step->name;
        int r = vhost_user_send(vu->link.fd, &msg, until_ns);
        session->full = r == -ETIMEDOUT && until_ns == 0;
        session->waiting = r == 0 && (step->take != NULL || is_acknowledged(vu, step));
        if (session->full || session->waiting)
            return 0;
        if (r < 0)
            return r;
        session->i++;
    }
    session->steps = NULL;
    if (session->done != NULL)
        session->done(vu);
    return 1;
}

/* A message has come: the same. */
static int take(struct vhost_user *vu, const struct vhost_user_message *msg, uint64_t until_ns)
{
    struct vu_session *session = &vu->session;
    const struct vu_step *step = &session->steps[session->step];
    int r;

    if (!session->waiting || msg->header.request != step->request || msg->fd_count > 0 ||
        msg->header.flags != (VHOST_USER_VERSION | VHOST_USER_REPLY) || !size_is_right(step, msg))
        return -EPROTO;
    if (step->take == NULL)
        r = msg->payload.u64 == 0 ? 0 : -EREMOTEIO;
    else
        r = step->take(vu, session->i, msg);
    if (r < 0)
        return r;
    session->i++;
    return send_on(vu, until_ns);
}

static int ended(struct vhost_user *vu, int r)
{
    if (r < 0)
        vu->session.steps = NULL;
    return r;
}

int vu_session_begin(struct vhost_user *vu, const struct vu_step *steps,
                     void (*done)(struct vhost_user *vu))
{
    assert(vu->session.steps == NULL);
    vu->session = (struct vu_session){
        .steps = steps,
        .deadline_ns = monotonic_ns() + vu->patience_ns,
        .done = done,
        .last = vu->session.last,
    };
    return ended(vu, send_on(vu, 0));
}

int vu_session_send(struct vhost_user *vu)
{
    return vu->session.full ? ended(vu, send_on(vu, 0)) : 0;
}

int vu_session_read(struct vhost_user *vu)
{
    int r = vhost_user_receive(vu->link.fd, &vu->rx);

    if (r == 1)
        r = vu->session.steps != NULL ? take(vu, &vu->rx.msg, 0) : -EPROTO;
    return ended(vu, r);
}

int vu_session_finish(struct vhost_user *vu)
{
    struct vu_session *session = &vu->session;
    int r = 0;

    if (session->full)
        r = send_on(vu, session->deadline_ns);
    while (session->steps != NULL && r >= 0) {
        r = vhost_user_receive_until(vu->link.fd, &vu->rx, session->deadline_ns);
        if (r == 1)
            r = take(vu, &vu->rx.msg, session->deadline_ns);
    }
    return MIN(ended(vu, r), 0);
}

int vu_session_run(struct vhost_user *vu, const struct vu_step *steps)
{
    int r = vu_session_begin(vu, steps, NULL);

    return r == 0 ? vu_session_finish(vu) : MIN(r, 0);
}
