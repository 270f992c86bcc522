/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_front.h. */
#include "tests/fake_front.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define RINGS_ADDR 0x10000
#define WAIT_MS    5000

/* Fails the test, in whatever program this is: fuzz harnesses have no Check. */
#define must(holds) must_((holds), #holds, __LINE__)
static void must_(bool holds, const char *what, int line)
{
    if (holds)
        return;
    (void)fprintf(stderr, "fake_front.c:%d: does not hold: %s\n", line, what);
    abort();
}

static uint64_t sim_now_ns(struct timebase *timebase)
{
    return container_of(timebase, struct fake_front, timebase)->now_ns;
}

/* -- life -- */

void fake_front_init(struct fake_front *front, const struct virtio_class *class,
                     const struct opts *opts, bool has_threads)
{
    *front = (struct fake_front){.socket = -1,
                                 .channel = -1,
                                 .has_threads = has_threads,
                                 .timebase = {.now_ns = sim_now_ns},
                                 .now_ns = SECOND_NS};
    must(memory_create(&front->ram, FRONT_RAM_BYTES, &(struct memory_layout){0, 0, 0},
                       MEMORY_PAGES_AUTO) == 0);
    for (unsigned i = 0; i < FRONT_RINGS_MAX; i++) {
        front->kick[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        front->call[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        front->error[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        must(front->kick[i] >= 0 && front->call[i] >= 0 && front->error[i] >= 0);
    }
    memory_init_shared(&front->mem);
    must(loop_init(&front->loop) == 0);
    front->loop.timebase = &front->timebase;
    must(fake_create(class, 0, &front->mem, opts, &front->dev) == 0);
    if (has_threads)
        must(virtio_start(front->dev) == 0);
    else
        virtio_loop(front->dev)->timebase = &front->timebase;
    must(vhost_user_backend_init(&front->backend, front->dev, &front->mem, &front->loop) == 0);
}

void fake_front_fini(struct fake_front *front)
{
    fake_front_leave(front);
    vhost_user_backend_leave(&front->backend);
    virtio_destroy(front->dev);
    vhost_user_backend_fini(&front->backend);
    loop_fini(&front->loop);
    memory_destroy(&front->mem);
    memory_destroy(&front->ram);
    for (unsigned i = 0; i < FRONT_RINGS_MAX; i++) {
        fd_close(&front->kick[i]);
        fd_close(&front->call[i]);
        fd_close(&front->error[i]);
    }
}

void fake_front_connect(struct fake_front *front)
{
    int ends[2];

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    front->socket = ends[0];
    must(vhost_user_backend_serve(&front->backend, ends[1]) == 0);
}

void fake_front_leave(struct fake_front *front)
{
    fd_close(&front->socket);
    fd_close(&front->channel);
    vhost_user_receiver_fini(&front->rx);
    front->flags = 0;
}

bool fake_front_is_left(struct fake_front *front)
{
    char byte;

    return recv(front->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

/* -- time -- */

/* One round of what is ready, until nothing is. */
static void run(struct loop *loop)
{
    struct pollfd pollfd = {.fd = loop->epoll_fd, .events = POLLIN};

    for (unsigned rounds = 0; rounds < 10000; rounds++) {
        bool is_due = loop->alarm_ns <= loop->timebase->now_ns(loop->timebase);
        if (poll(&pollfd, 1, 0) == 0 && !is_due)
            return;
        loop_stop(loop);
        must(loop_run(loop) == 0);
    }
    must(false); /* it never came to rest */
}

void fake_front_step(struct fake_front *front)
{
    run(&front->loop);
    if (!front->has_threads && !front->backend.standing)
        run(virtio_loop(front->dev));
}

void fake_front_advance(struct fake_front *front, uint64_t ns)
{
    uint64_t end = front->now_ns + ns;

    fake_front_step(front);
    while (front->now_ns < end) {
        uint64_t next = MIN(front->loop.alarm_ns, end);
        if (!front->has_threads && !front->backend.standing)
            next = MIN(next, virtio_loop(front->dev)->alarm_ns);
        front->now_ns = MAX(next, front->now_ns);
        fake_front_step(front);
    }
}

/* -- messages -- */

void fake_front_say(struct fake_front *front, uint32_t request, size_t size)
{
    struct vhost_user_message *msg = &front->msg;

    msg->header =
        (struct vhost_user_header){request, VHOST_USER_VERSION | front->flags, (uint32_t)size};
    (void)vhost_user_send(front->socket, msg, 0); /* it may have been left */
    msg->fd_count = 0;
    fake_front_step(front);
}

void fake_front_say_u64(struct fake_front *front, uint32_t request, uint64_t val)
{
    front->msg.payload.u64 = val;
    fake_front_say(front, request, sizeof(val));
}

void fake_front_say_ring(struct fake_front *front, uint32_t request, uint32_t index, uint32_t num)
{
    front->msg.payload.state = (struct vhost_user_state){index, num};
    fake_front_say(front, request, sizeof(front->msg.payload.state));
}

void fake_front_say_fd(struct fake_front *front, uint32_t request, uint32_t index, int fd)
{
    if (fd >= 0)
        front->msg.fd[front->msg.fd_count++] = fd;
    fake_front_say_u64(front, request, fd < 0 ? index | 0x100 : index);
}

bool fake_front_hears(struct fake_front *front)
{
    return vhost_user_receive(front->socket, &front->rx) == 1;
}

uint64_t fake_front_ask(struct fake_front *front, uint32_t request)
{
    fake_front_say(front, request, 0);
    if (!fake_front_hears(front))
        return UINT64_MAX;
    must(front->rx.msg.header.request == request && front->rx.msg.header.size == 8);
    must(front->rx.msg.header.flags == 5);
    return front->rx.msg.payload.u64;
}

uint64_t fake_front_ack(struct fake_front *front)
{
    if (!fake_front_hears(front))
        return UINT64_MAX;
    must(front->rx.msg.header.flags == 5 && front->rx.msg.header.size == 8);
    return front->rx.msg.payload.u64;
}

void fake_front_say_table(struct fake_front *front)
{
    front->msg.payload.table =
        (struct vhost_user_table){.count = 1, .region = {{0, FRONT_RAM_BYTES, FRONT_USER, 0}}};
    front->msg.fd[front->msg.fd_count++] = front->ram.fd;
    fake_front_say(front, VHOST_USER_SET_MEM_TABLE, 8 + 32);
}

void fake_front_say_address(struct fake_front *front, uint32_t index)
{
    const struct fake_ring *ring = &front->ring[index];

    front->msg.payload.address = (struct vhost_user_address){.index = index,
                                                             .desc = FRONT_USER + ring->desc,
                                                             .used = FRONT_USER + ring->used,
                                                             .avail = FRONT_USER + ring->avail};
    fake_front_say(front, VHOST_USER_SET_VRING_ADDR, sizeof(front->msg.payload.address));
}

/* -- rings -- */

void fake_front_rings(struct fake_front *front, uint16_t size)
{
    gpa_t addr = RINGS_ADDR;

    for (unsigned i = 0; i < FRONT_RINGS_MAX; i++) {
        memset(memory_at(&front->ram, addr, fake_ring_bytes(size)), 0, fake_ring_bytes(size));
        fake_ring_init(&front->ring[i], &front->ram, size, addr, FAKE_VERSION_1);
        addr += (fake_ring_bytes(size) + 4095) & ~4095ull;
    }
}

void fake_front_kick(struct fake_front *front, uint32_t index)
{
    must(eventfd_write(front->kick[index], 1) == 0);
    fake_front_step(front);
}

uint64_t fake_front_calls(int fd)
{
    eventfd_t count = 0;

    return eventfd_read(fd, &count) == 0 ? count : 0;
}

bool fake_front_used(struct fake_front *front, uint32_t index, uint32_t *ret_id, uint32_t *ret_len)
{
    struct pollfd call = {.fd = front->call[index], .events = POLLIN};

    fake_front_step(front);
    while (!fake_used(&front->ring[index], ret_id, ret_len)) {
        if (poll(&call, 1, front->has_threads ? WAIT_MS : 0) != 1)
            return false;
        (void)fake_front_calls(call.fd);
    }
    return true;
}
