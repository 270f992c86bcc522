/* SPDX-License-Identifier: BSD-3-Clause */
/* See sound_backend.h. */
#include "tests/devices/vhost_user/sound_backend.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define OFFERED     (1ull << 32 | 1ull << 30 | 1ull << 29 | 1ull << 28 | 1ull << 24)
#define PROTOCOL    (1ull << 9 | 1ull << 0)
#define ENTRIES_MAX 64
#define CHAIN_MAX   64 /* descriptors of a request */
#define TEXT_MAX    8192

enum { CONTROL, EVENT, TX, RX };

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

/* -- the guest's memory -- */

static struct sound_ring *ring_of(struct sound_backend *backend, uint64_t index)
{
    return index < SOUND_RINGS ? &backend->ring[index] : NULL;
}

static void *guest(struct sound_backend *backend, uint64_t addr, uint64_t len)
{
    for (uint32_t i = 0; i < backend->table.count; i++) {
        const struct vhost_user_region *region = &backend->table.region[i];
        if (addr >= region->guest && addr - region->guest <= region->size - len)
            return backend->at[i] + region->offset + (addr - region->guest);
    }
    ck_abort_msg("guest address %llx is in no region", (unsigned long long)addr);
}

/* The guest address of one of the front-end's; UINT64_MAX: it is in no region. */
static uint64_t from_user(const struct sound_backend *backend, uint64_t user)
{
    for (uint32_t i = 0; i < backend->table.count; i++) {
        const struct vhost_user_region *region = &backend->table.region[i];
        if (user >= region->user && user - region->user < region->size)
            return user - region->user + region->guest;
    }
    return UINT64_MAX;
}

static void unmap(struct sound_backend *backend)
{
    for (uint32_t i = 0; i < backend->table.count; i++)
        (void)munmap(backend->at[i],
                     backend->table.region[i].offset + backend->table.region[i].size);
    backend->table.count = 0;
}

static const char *set_table(struct sound_backend *backend, struct vhost_user_message *msg)
{
    if (msg->fd_count != msg->payload.table.count)
        return "a descriptor for each region";
    unmap(backend);
    backend->table = msg->payload.table;
    for (uint32_t i = 0; i < msg->fd_count; i++) {
        const struct vhost_user_region *region = &backend->table.region[i];
        backend->at[i] = mmap(NULL, region->offset + region->size, PROT_READ | PROT_WRITE,
                              MAP_SHARED, msg->fd[i], 0);
        ck_assert_ptr_ne(backend->at[i], MAP_FAILED);
    }
    return NULL;
}

/* -- requests -- */

struct request {
    uint8_t text[TEXT_MAX]; /* what the driver wrote */
    size_t len;
    struct desc room[CHAIN_MAX];
    unsigned rooms;
    size_t written;
};

static void add_piece(struct sound_backend *backend, struct request *request,
                      const struct desc *desc)
{
    if ((desc->flags & 2) != 0) {
        request->room[request->rooms++] = *desc;
        return;
    }
    size_t len = MIN((size_t)desc->len, TEXT_MAX - request->len);
    memcpy(request->text + request->len, guest(backend, desc->addr, desc->len), len);
    request->len += len;
}

static void gather(struct sound_backend *backend, uint64_t table, uint16_t head,
                   struct request *request)
{
    struct desc desc;
    unsigned count = 0;

    do {
        memcpy(&desc, guest(backend, table + 16ull * head, 16), 16);
        if ((desc.flags & 4) != 0)
            gather(backend, desc.addr, 0, request);
        else
            add_piece(backend, request, &desc);
        head = desc.next;
    } while ((desc.flags & 1) != 0 && ++count < CHAIN_MAX);
}

static void put(struct sound_backend *backend, struct request *request, const void *bytes,
                size_t len)
{
    const uint8_t *from = bytes;

    for (unsigned i = 0; i < request->rooms && len > 0; i++) {
        struct desc *room = &request->room[i];
        size_t part = MIN((size_t)room->len, len);
        memcpy(guest(backend, room->addr, room->len), from, part);
        room->addr += part;
        room->len -= (uint32_t)part;
        request->written += part;
        from += part;
        len -= part;
    }
    ck_assert_uint_eq(len, 0);
}

/* PCM_INFO: two streams, played and captured, which differ in nothing else. */
static void put_streams(struct sound_backend *backend, struct request *request, uint32_t first,
                        uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct {
            uint32_t node, features;
            uint64_t formats, rates;
            uint8_t direction, channels_min, channels_max, pad[5];
        } info = {.formats = 1u << 4 | 1u << 5 | 1u << 15 | 1u << 17, /* U8, S16, S24, S32 */
                  .rates = 1u << 0 | 1u << 6 | 1u << 7,
                  .direction = (uint8_t)i,
                  .channels_min = 1,
                  .channels_max = 6};
        put(backend, request, &info, sizeof(info));
    }
}

static void serve_control(struct sound_backend *backend, struct request *request)
{
    const uint32_t ok = 0x8000, bad = 0x8001, not_supp = 0x8002;
    uint32_t words[4];

    memcpy(words, request->text, sizeof(words));
    switch (words[0]) {
    case 0x0100: /* PCM_INFO: first, count, size of each */
        if (words[1] >= 2 || words[1] + words[2] > 2) {
            put(backend, request, &bad, 4);
            break;
        }
        put(backend, request, &ok, 4);
        put_streams(backend, request, words[1], words[2]);
        break;
    case 0x0101 ... 0x0105: /* SET_PARAMS, PREPARE, RELEASE, START, STOP */
        put(backend, request, words[1] < 2 ? &ok : &bad, 4);
        break;
    case 0x0002: /* JACK_REMAP */
        put(backend, request, &not_supp, 4);
        break;
    default: /* JACK_INFO: it has none */
        put(backend, request, &bad, 4);
        break;
    }
}

static void serve_tx(struct sound_backend *backend, struct request *request)
{
    const uint32_t status[2] = {0x8000, 0};

    backend->played += request->len - 4;
    put(backend, request, status, sizeof(status));
}

/* -- rings -- */

static void use(struct sound_backend *backend, struct sound_ring *ring, uint16_t head, size_t len)
{
    const uint32_t entry[2] = {head, (uint32_t)len};

    memcpy(guest(backend, ring->used + 4 + 8ull * (ring->next_used % ring->size), 8), entry, 8);
    ring->next_used++;
    __atomic_store_n((uint16_t *)guest(backend, ring->used + 2, 2), ring->next_used,
                     __ATOMIC_RELEASE);
}

static void serve_one(struct sound_backend *backend, unsigned index, uint16_t head)
{
    static struct request request; /* of the one thread there is */

    request = (struct request){0};
    gather(backend, backend->ring[index].desc, head, &request);
    backend->ring[index].taken++;
    if (index == EVENT || index == RX)
        return;
    (index == CONTROL ? serve_control : serve_tx)(backend, &request);
    use(backend, &backend->ring[index], head, request.written);
}

/* All there is; then kicks are asked for, and what came meanwhile is looked for. */
static void serve_ring(struct sound_backend *backend, unsigned index)
{
    struct sound_ring *ring = &backend->ring[index];
    const uint16_t *avail = guest(backend, ring->avail, 4 + 2ull * ring->size);
    uint16_t used = ring->next_used;

    do {
        while (ring->next_avail != __atomic_load_n(&avail[1], __ATOMIC_ACQUIRE))
            serve_one(backend, index, avail[2 + ring->next_avail++ % ring->size]);
        if ((backend->features >> 29 & 1) != 0)
            __atomic_store_n((uint16_t *)guest(backend, ring->used + 4 + 8ull * ring->size, 2),
                             ring->next_avail, __ATOMIC_SEQ_CST);
        __sync_synchronize(); /* ThreadSanitizer knows no other */
    } while (ring->next_avail != __atomic_load_n(&avail[1], __ATOMIC_ACQUIRE));
    if (ring->next_used != used && ring->call >= 0)
        (void)eventfd_write(ring->call, 1);
}

static void keep(int *kept, struct vhost_user_message *msg)
{
    fd_close(kept);
    *kept = msg->fd_count > 0 ? fd_take(&msg->fd[0]) : -1;
}

static const char *set_address(struct sound_backend *backend, struct sound_ring *ring,
                               const struct vhost_user_address *address)
{
    if (backend->table.count == 0)
        return "memory before addresses";
    ring->desc = from_user(backend, address->desc);
    ring->avail = from_user(backend, address->avail);
    ring->used = from_user(backend, address->used);
    if (ring->desc == UINT64_MAX || ring->avail == UINT64_MAX || ring->used == UINT64_MAX)
        return "rings in memory";
    memcpy(&ring->next_used, guest(backend, ring->used + 2, 2), 2);
    return NULL;
}

static const char *set_enabled(struct sound_backend *backend, struct sound_ring *ring, bool enabled)
{
    bool all = true;

    if ((backend->features >> 30 & 1) == 0)
        return "VRING_ENABLE with PROTOCOL_FEATURES only";
    ring->enabled = enabled;
    for (unsigned i = 0; i < SOUND_RINGS; i++)
        all = all && backend->ring[i].enabled;
    backend->starts += enabled && all;
    return NULL;
}

/* -- messages: each gives the rule that it breaks, or NULL -- */

static const char *take_of_ring(struct sound_backend *backend, struct vhost_user_message *msg)
{
    const struct vhost_user_state *state = &msg->payload.state;
    uint32_t index = msg->payload.state.index;
    struct sound_ring *ring = ring_of(backend, index & VHOST_USER_RING_MASK);

    if (ring == NULL)
        return "rings that there are";
    switch (msg->header.request) {
    case 8:
        ring->size = state->num;
        return ring->size == 0 || ring->size > ENTRIES_MAX ? "64 entries at most" : NULL;
    case 9:
        return set_address(backend, ring, &msg->payload.address);
    case 10:
        ring->next_avail = (uint16_t)state->num;
        return NULL;
    case 12:
        keep(&ring->kick, msg);
        return NULL;
    case 13:
        keep(&ring->call, msg);
        return NULL;
    case 18:
        return set_enabled(backend, ring, state->num == 1);
    default: /* 11: stops, and tells where */
        fd_close(&ring->kick);
        fd_close(&ring->call);
        msg->payload.state.num = ring->next_avail;
        return NULL;
    }
}

static void get_config(const struct sound_backend *backend, struct vhost_user_config *config,
                       uint32_t *size)
{
    const uint32_t fields[4] = {0, 2, 1, 0};

    if (config->offset > backend->config_bytes ||
        config->size > backend->config_bytes - config->offset)
        config->size = 0;
    memcpy(config->bytes, (const uint8_t *)fields + config->offset, config->size);
    *size = (uint32_t)VHOST_USER_CONFIG_HEADER + config->size;
}

static const char *take(struct sound_backend *backend, struct vhost_user_message *msg)
{
    uint64_t number = msg->payload.u64;

    switch (msg->header.request) {
    case 2:
        backend->features = number;
        return (number & ~OFFERED) != 0 ? "features that are offered" : NULL;
    case 3:
        if (backend->owned)
            return "one SET_OWNER";
        backend->owned = true;
        return NULL;
    case 5:
        return set_table(backend, msg);
    case 8 ... 13:
    case 18:
        return take_of_ring(backend, msg);
    case 16:
        backend->protocol = number;
        return (number & ~PROTOCOL) != 0 ? "protocol features that are offered" : NULL;
    case 1:
    case 15:
        return NULL;
    case 17:
        return (backend->protocol & 1) == 0 ? "GET_QUEUE_NUM with MQ only" : NULL;
    case 24:
        return (backend->protocol >> 9 & 1) == 0 ? "GET_CONFIG with CONFIG only" : NULL;
    default:
        return "messages that it knows";
    }
}

static void answer(const struct sound_backend *backend, struct vhost_user_message *msg)
{
    msg->header.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
    msg->header.size = 8;
    switch (msg->header.request) {
    case 1:
        msg->payload.u64 = OFFERED;
        break;
    case 15:
        msg->payload.u64 = PROTOCOL;
        break;
    case 17:
        msg->payload.u64 = SOUND_RINGS;
        break;
    case 24:
        get_config(backend, &msg->payload.config, &msg->header.size);
        break;
    case 11:
        break;
    default:
        return; /* nobody acknowledges */
    }
    (void)vhost_user_send(backend->fd, msg, 0);
}

/* -- its life -- */

static bool read_message(struct sound_backend *backend, struct vhost_user_receiver *rx)
{
    int r = vhost_user_receive(backend->fd, rx);

    if (r <= 0)
        return r == 0;
    struct vhost_user_message msg = rx->msg;
    *rx = (struct vhost_user_receiver){0}; /* its descriptors are in the copy */
    backend->broken = take(backend, &msg);
    while (msg.fd_count > 0)
        fd_close(&msg.fd[--msg.fd_count]);
    if (backend->broken == NULL)
        answer(backend, &msg);
    return backend->broken == NULL;
}

static void *run(void *arg)
{
    struct sound_backend *backend = arg;
    struct vhost_user_receiver rx = {0};
    bool on = true;

    while (on) {
        struct pollfd fds[1 + SOUND_RINGS] = {{.fd = backend->fd, .events = POLLIN}};
        eventfd_t kicks;
        for (unsigned i = 0; i < SOUND_RINGS; i++)
            fds[1 + i] = (struct pollfd){
                .fd = backend->ring[i].enabled ? backend->ring[i].kick : -1, .events = POLLIN};
        (void)poll(fds, 1 + SOUND_RINGS, -1);
        for (unsigned i = 0; i < SOUND_RINGS; i++)
            if (fds[1 + i].revents != 0 && eventfd_read(fds[1 + i].fd, &kicks) == 0)
                serve_ring(backend, i);
        if (fds[0].revents != 0)
            on = read_message(backend, &rx);
    }
    vhost_user_receiver_fini(&rx);
    fd_close(&backend->fd);
    return NULL;
}

int sound_backend_start(struct sound_backend *backend)
{
    int ends[2];

    for (unsigned i = 0; i < SOUND_RINGS; i++)
        backend->ring[i] = (struct sound_ring){.kick = -1, .call = -1};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    backend->fd = ends[0];
    ck_assert_int_eq(pthread_create(&backend->thread, NULL, run, backend), 0);
    return ends[1];
}

void sound_backend_stop(struct sound_backend *backend)
{
    (void)pthread_join(backend->thread, NULL);
    for (unsigned i = 0; i < SOUND_RINGS; i++) {
        fd_close(&backend->ring[i].kick);
        fd_close(&backend->ring[i].call);
    }
    unmap(backend);
}
