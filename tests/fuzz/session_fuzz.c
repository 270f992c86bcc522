/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes each device by what stock kernels said to it: the corpus is tests/replay/ as it is, a line
 * of JSON a step, and what is no such line is left out. Requests lie in rings as the driver's
 * features have them; what they hold, and when they come, is the input's to say.
 *
 * One thread: what workers do is done here, until there is nothing to do, in simulated time.
 *
 * Beyond memory safety: a device comes to rest; a request comes back once, with no more in it than
 * it has room for; and whatever was said, after a reset the device works.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/recorded.h"
#include "virtio/transport.h"

#include <linux/virtio_config.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define HEAP        0x400000u
#define STEPS_MAX   400
#define REQUEST_MAX (1u << 18)
#define ROUNDS_MAX  10000
#define QUEUES_MAX  8u
#define FILE_MAX    (off_t)(64u << 20) /* the guest's memory is a file, too */
#define PERIOD_NS   (10 * MS_NS)

static struct session {
    struct memory mem;
    struct virtio_device *dev; /* NULL: no line has named it */
    struct virtio_transport transport;
    struct timebase timebase;
    uint64_t now_ns;
    char folder[32];
    int cable; /* the other end of a network card's; -1: none */
    gpa_t heap;
    struct fake_ring ring[QUEUES_MAX];
    bool laid[QUEUES_MAX];
    bool out[QUEUES_MAX][FAKE_RING_MAX]; /* requests by head, */
    uint32_t room[QUEUES_MAX][FAKE_RING_MAX];
} session;

/* -- the world of the device -- */

static void queue_news(struct virtio_transport *transport, const struct virtq *vq)
{
    (void)transport;
    (void)vq;
}

static void no_news(struct virtio_transport *transport)
{
    (void)transport;
}

static const struct virtio_transport_ops transport_ops = {
    .queue_news = queue_news, .config_news = no_news, .reset = no_news};

static uint64_t sim_now_ns(struct timebase *timebase)
{
    return container_of(timebase, struct session, timebase)->now_ns;
}

/* What is waited for comes at once. */
static void sim_arm(struct timebase *timebase, int fd, uint64_t deadline_ns)
{
    (void)timebase;
    timebase_monotonic.arm(&timebase_monotonic, fd, deadline_ns == TIME_NEVER ? deadline_ns : 0);
}

/* One round of a worker that has something to do; false: it has not. */
static bool work(struct loop *loop)
{
    struct pollfd ready = {.fd = loop->epoll_fd, .events = POLLIN};

    if (poll(&ready, 1, 0) == 0 && loop->alarm_ns > session.now_ns)
        return false;
    loop_stop(loop);
    must(loop_run(loop) == 0, "a round");
    return true;
}

/* The other end of the cable sends back what it gets. */
static bool send_back(void)
{
    static uint8_t bytes[1 << 17];
    ssize_t len = session.cable < 0 ? 0 : recv(session.cable, bytes, sizeof(bytes), MSG_DONTWAIT);

    return len > 0 && send(session.cable, bytes, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

/* A ring is there, and what the device takes it for: a driver that changes features later breaks
 * the rules, and finds anything there. */
static bool has_ring(unsigned queue)
{
    bool packed = virtio_has(session.dev, VIRTIO_F_RING_PACKED);

    return queue < QUEUES_MAX && session.laid[queue] && session.ring[queue].packed == packed;
}

static void take_used(unsigned queue)
{
    uint32_t id, len;

    while (has_ring(queue) && fake_used(&session.ring[queue], &id, &len)) {
        must(id < FAKE_RING_MAX && session.out[queue][id], "a request comes back once");
        must(len <= session.room[queue][id], "no more than there is room for");
        session.out[queue][id] = false;
    }
}

static void rest(void)
{
    bool busy = true;

    for (unsigned rounds = 0; busy; rounds++) {
        must(rounds < ROUNDS_MAX, "rest");
        busy = rounds < ROUNDS_MAX / 2 && send_back(); /* frames must not go round for ever */
        for (unsigned i = 0; i < session.dev->worker_count; i++)
            busy |= work(&session.dev->worker[i].loop);
        for (unsigned i = 0; i < QUEUES_MAX; i++)
            take_used(i);
    }
}

/* -- the driver -- */

/* 0: there is no more. */
static gpa_t take_ram(uint64_t len)
{
    gpa_t at = session.heap;
    uint64_t bytes = (len + 15) & ~15ull;

    if (bytes > RECORDED_RAM_BYTES - at)
        return 0;
    session.heap += bytes;
    return at;
}

static void forget(void)
{
    memset(session.laid, 0, sizeof(session.laid));
    session.heap = HEAP;
}

static void set_status(uint32_t val)
{
    virtio_status_write(session.dev, val);
    virtio_settle(session.dev);
    if (val != 0)
        return;
    must(virtio_status_read(session.dev) == 0, "a reset");
    forget();
}

static void lay_ring(uint32_t queue, uint16_t size)
{
    struct virtq_config *config = virtio_queue_setup(session.dev, queue);
    gpa_t at = config == NULL ? 0 : take_ram(fake_ring_bytes(size));
    struct fake_ring *ring = &session.ring[queue];

    if (at == 0)
        return;
    fake_ring_init(ring, &session.mem, size, at, session.dev->driver_features);
    memset(session.out[queue], 0, sizeof(session.out[queue]));
    session.laid[queue] = true;
    *config = (struct virtq_config){
        .size = size, .desc = ring->desc, .driver = ring->avail, .device = ring->used};
}

static void set_queue(const json_t *line)
{
    uint32_t queue = recorded_number(line, "queue"), size = recorded_number(line, "size");
    bool enable = recorded_number(line, "enable") != 0;

    if (queue >= MIN(QUEUES_MAX, session.dev->queue_count))
        return;
    if (enable && size > 0 && (size & (size - 1)) == 0 &&
        size <= MIN((uint32_t)FAKE_RING_MAX, session.dev->queue[queue].limits.size))
        lay_ring(queue, (uint16_t)size);
    virtio_queue_enable(session.dev, queue, enable);
    virtio_settle(session.dev);
    if (!enable)
        session.laid[queue] = false;
}

/* What is known of it, and zeroes. */
static bool add_sent(struct fake_piece *piece, uint32_t len, const json_t *line)
{
    uint8_t bytes[RECORDED_BYTES_MAX];
    size_t known = MIN(recorded_bytes(line, "sent", bytes), (size_t)len);

    *piece = (struct fake_piece){take_ram(len), len, 0};
    if (piece->addr == 0)
        return false;
    memset(memory_at(&session.mem, piece->addr, len), 0, len);
    must(memory_write(&session.mem, piece->addr, bytes, known) == 0, "RAM");
    return true;
}

static void offer_request(const json_t *line)
{
    uint32_t queue = recorded_number(line, "queue"), sent = recorded_number(line, "readable");
    uint32_t room = recorded_number(line, "writable");
    struct fake_piece pieces[2];
    unsigned count = 0;

    if (!has_ring(queue) || sent > REQUEST_MAX || room > REQUEST_MAX)
        return;
    struct fake_ring *ring = &session.ring[queue];
    if (sent > 0 && !add_sent(&pieces[count++], sent, line))
        return;
    if (room > 0) {
        pieces[count] = (struct fake_piece){take_ram(room), room, FAKE_WRITE};
        if (pieces[count++].addr == 0)
            return;
    }
    unsigned held = 0;
    for (unsigned i = 0; i < FAKE_RING_MAX; i++)
        held += session.out[queue][i];
    if (count == 0 || 2 * (held + 1) > ring->size)
        return;
    uint16_t head = fake_chain(ring, pieces, count);
    session.out[queue][head] = true;
    session.room[queue][head] = room;
    fake_used_event_set(ring, ring->used_seen);
    fake_offer(ring, head);
    virtio_queue_kick(session.dev, queue);
}

static void use_config(const json_t *line, bool writes)
{
    uint8_t bytes[RECORDED_BYTES_MAX];
    size_t len = recorded_bytes(line, "sent", bytes);

    if (writes)
        virtio_config_write(session.dev, recorded_number(line, "offset"), bytes, MIN(len, 8u));
    else
        virtio_config_read(session.dev, recorded_number(line, "offset"), bytes, len);
    virtio_settle(session.dev);
}

/* An answer came that does not come by itself now: time goes on. */
static void wait_answer(const json_t *line)
{
    uint32_t queue = recorded_number(line, "queue");

    for (unsigned i = 0; has_ring(queue) && i < FAKE_RING_MAX; i++)
        if (session.out[queue][i]) {
            session.now_ns += PERIOD_NS;
            return;
        }
}

/* -- lines -- */

static void create(const char *name)
{
    const struct recorded_kind *kind = recorded_kind(name);
    int ends[2] = {-1, -1};

    if (kind == NULL)
        return;
    if (strcmp(name, "net0") == 0)
        must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "a cable");
    session.cable = ends[1];
    session.dev = recorded_create(kind, session.folder, ends[0], &session.mem);
    for (unsigned i = 0; i < session.dev->worker_count; i++)
        session.dev->worker[i].loop.timebase = &session.timebase;
    session.transport.ops = &transport_ops;
    virtio_connect(session.dev, &session.transport);
}

static void say(const json_t *line)
{
    const char *event = recorded_text(line, "event");

    if (session.dev == NULL) {
        if (strcmp(event, "device") == 0)
            create(recorded_text(line, "name"));
        return;
    }
    virtio_lock(session.dev);
    if (strcmp(event, "status") == 0)
        set_status(recorded_number(line, "write"));
    else if (strcmp(event, "features-write") == 0)
        virtio_features_write(session.dev, recorded_number(line, "word"),
                              recorded_number(line, "bits"));
    else if (strcmp(event, "queue") == 0)
        set_queue(line);
    else if (strcmp(event, "config-read") == 0 || strcmp(event, "config-write") == 0)
        use_config(line, strcmp(event, "config-write") == 0);
    else if (strcmp(event, "pop") == 0)
        offer_request(line);
    else if (strcmp(event, "push") == 0)
        wait_answer(line);
    virtio_unlock(session.dev);
    rest();
}

/* Whatever was said, the next driver finds a device that works. */
static void check_reset(void)
{
    virtio_lock(session.dev);
    set_status(0);
    set_status(3);
    virtio_features_write(session.dev, 1, 1);
    set_status(11);
    for (unsigned i = 0; i < MIN(QUEUES_MAX, session.dev->queue_count); i++) {
        lay_ring(i, (uint16_t)MIN(session.dev->queue[i].limits.size, 64u));
        virtio_queue_enable(session.dev, i, true);
    }
    set_status(15);
    must(virtio_status_read(session.dev) == 15, "it works again");
    virtio_unlock(session.dev);
    rest();
    must(virtio_status_read(session.dev) == 15, "it goes on working");
}

static void begin(void)
{
    static bool begun;
    struct rlimit limit = {FILE_MAX, FILE_MAX};

    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    session = (struct session){.timebase = {.now_ns = sim_now_ns, .arm = sim_arm},
                               .now_ns = 1000 * SECOND_NS,
                               .cable = -1,
                               .heap = HEAP};
    recorded_folder_make(session.folder);
    fake_memory(&session.mem, RECORDED_RAM_BYTES);
    if (begun)
        return;
    begun = true;
    (void)signal(SIGXFSZ, SIG_IGN);
    must(setrlimit(RLIMIT_FSIZE, &limit) == 0, "files stay small");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = text + size;

    begin();
    for (unsigned i = 0; text < end && i < STEPS_MAX; i++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop == NULL ? end : stop;
        json_t *line = json_loadb(text, (size_t)(stop - text), 0, NULL);
        if (line != NULL)
            say(line);
        json_decref(line);
        text = stop + 1;
    }
    if (session.dev != NULL)
        check_reset();
    virtio_destroy(session.dev);
    fd_close(&session.cable);
    memory_destroy(&session.mem);
    recorded_folder_remove(session.folder);
    return 0;
}
