/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes a device that another process serves by what that process says, on its socket and on its
 * channel, while a driver starts, writes, pauses and resets: a byte says which event comes, a shape
 * follows. What was said before it is asked for is read when it is. A first byte says how the
 * back-end begins; most do it right, else there is no device.
 *
 * Beyond memory safety: nothing waits longer than its time, and the device is either as it was or
 * needs a reset, which it says.
 */
#include "devices/vhost_user/vhost_user.h"

#include "devices/registry.h"
#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define RINGS      0x10000
#define EVENTS_MAX 24

static const uint32_t sizes[] = {0, 4, 8, 12, 16, 40, 140, 4096, 4097};

/* The first `len` bytes of a message, whatever it says. */
static void put(int fd, struct vhost_user_message *msg, size_t len)
{
    const size_t head = MIN(len, sizeof(msg->header));
    struct iovec iov[] = {{&msg->header, head}, {&msg->payload, len - head}};
    const struct msghdr out = {.msg_iov = iov, .msg_iovlen = 2};

    (void)!sendmsg(fd, &out, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A message: from its first byte on it may be anything. */
static void say(int fd, struct input *in, const uint32_t *usual)
{
    struct vhost_user_message msg = {0};
    uint8_t how = take_byte(in);

    msg.header = (struct vhost_user_header){usual[0], 5, usual[1]};
    if ((how & 1) != 0)
        msg.header.request = take_byte(in);
    if ((how & 2) != 0)
        msg.header.flags = take_byte(in);
    if ((how & 4) != 0)
        msg.header.size = sizes[take_byte(in) % ARRAY_SIZE(sizes)];
    msg.payload.u64 = (how & 8) != 0 ? UINT64_MAX : 0;
    for (unsigned i = 0; (how & 16) != 0 && i < 20; i++)
        msg.payload.bytes[i] = take_byte(in);
    size_t len = sizeof(msg.header) + MIN(msg.header.size, (uint32_t)VHOST_USER_PAYLOAD_MAX);
    if ((how & 32) != 0)
        len = MIN(len, (size_t)take_byte(in));
    put(fd, &msg, len);
}

/* What an honest one says to our first words: a device of two queues that has config space. */
static void say_hello(int fd, struct input *in)
{
    static const struct {
        uint32_t request;
        uint64_t answer;
    } words[] = {{1, 1ull << 32 | 1u << 30},
                 {15, 1u << 0 | 1u << 3 | 1u << 5 | 1u << 9 | 1u << 13},
                 {17, 2},
                 {21, 0}};
    static const uint32_t config[] = {24, 148};
    struct vhost_user_message msg = {0};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        msg.header = (struct vhost_user_header){words[i].request, 5, 8};
        msg.payload.u64 = words[i].answer;
        put(fd, &msg, sizeof(msg.header) + 8);
    }
    if ((take_byte(in) & 15) == 0) {
        say(fd, in, config);
        return;
    }
    msg.header = (struct vhost_user_header){24, 5, VHOST_USER_CONFIG_HEADER + 136};
    msg.payload.config = (struct vhost_user_config){.size = 136};
    put(fd, &msg, sizeof(msg.header) + msg.header.size);
}

static struct virtio_device *create(const struct memory *mem, int fd)
{
    struct virtio_device *dev = NULL;
    struct opts *opts;
    char keys[64];

    (void)snprintf(keys, sizeof(keys), "kind=input,timeout=1ms,fd=%d", fd);
    must(opts_create(virtio_vhost_user.opts, &opts) == 0 && opts_parse(opts, "", keys) == 0,
         "options");
    int r = fake_create(&virtio_vhost_user, 0, mem, opts, &dev);
    opts_destroy(opts);
    must(r == 0 || r == -EINVAL, "it is made, or refused");
    return dev;
}

/* Answers to what a start or a stop of two queues asks, in their order. */
static void answer(int fd, struct input *in, bool start)
{
    static const uint32_t starts[][2] = {{2, 8},  {5, 8},  {8, 8},  {8, 8},  {10, 8},
                                         {10, 8}, {9, 8},  {9, 8},  {13, 8}, {13, 8},
                                         {12, 8}, {12, 8}, {18, 8}, {18, 8}};
    static const uint32_t stops[][2] = {{18, 8}, {18, 8}, {11, 8}, {11, 8}, {34, 8}};
    const uint32_t(*usual)[2] = start ? starts : stops;
    uint8_t wrong = take_byte(in);

    for (unsigned i = 0; i < (start ? ARRAY_SIZE(starts) : ARRAY_SIZE(stops)); i++) {
        struct vhost_user_message msg = {{usual[i][0], 5, usual[i][1]}};
        msg.payload.u64 = usual[i][0] == 11 && i == 3; /* the second ring */
        if (wrong % 16 == i)
            say(fd, in, usual[i]);
        else
            put(fd, &msg, sizeof(msg.header) + 8);
    }
}

/* Reads what we were told, for the end of the channel that came with it: -1 if none did. */
static int hear(int fd)
{
    struct vhost_user_receiver rx = {0};
    int channel = -1;

    while (vhost_user_receive(fd, &rx) == 1)
        if (rx.msg.header.request == VHOST_USER_SET_BACKEND_REQ_FD && rx.msg.fd_count == 1)
            channel = fd_take(&rx.msg.fd[0]);
    vhost_user_receiver_fini(&rx);
    return channel;
}

static void event(struct fake_driver *drv, const int fds[2], struct input *in)
{
    struct vhost_user *vu = container_of(drv->dev, struct vhost_user, dev);
    const int fd = fds[0];
    static const uint32_t change[] = {2, 0}, config[] = {24, 148};
    const uint8_t byte = take_byte(in);

    switch (take_byte(in) % 9) {
    case 0:
        say(fd, in, config);
        break;
    case 1:
        say(fds[1], in, change);
        break;
    case 2:
        answer(fd, in, true);
        (void)fake_start(drv, FAKE_VERSION_1);
        break;
    case 3:
        answer(fd, in, false);
        fake_write(drv, FAKE_STATUS, 0);
        break;
    case 4:
        answer(fd, in, false);
        virtio_pause(&vu->dev);
        answer(fd, in, true);
        virtio_resume(&vu->dev, 1000);
        break;
    case 5:
        fake_write_bytes(drv, FAKE_CONFIG + (byte & 3u), &byte, 1);
        break;
    case 6:
        (void)eventfd_write(vu->call[byte & 1].fd, byte);
        break;
    case 7:
        (void)fake_wait_irq(drv, 2);
        break;
    default:
        if (byte == 255)
            (void)shutdown(fd, SHUT_WR);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct fake_driver drv;
    struct memory mem;
    int pair[2];

    log_set_level(LOG_LEVEL_ERROR); /* what is wrong is told as warnings */
    fake_memory(&mem, 0x100000);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "sockets");
    say_hello(pair[0], &in);
    struct virtio_device *dev = create(&mem, pair[1]);
    if (dev != NULL) {
        const int fds[] = {pair[0], hear(pair[0])};
        fake_driver_init(&drv, dev, RINGS);
        must(virtio_start(dev) == 0, "a worker");
        for (unsigned i = 0; in.left > 0 && i < EVENTS_MAX; i++)
            event(&drv, fds, &in);
        fake_write(&drv, FAKE_STATUS, 0);
        must(fake_read(&drv, FAKE_STATUS) == 0, "a reset is done");
        virtio_destroy(dev);
        fake_driver_fini(&drv);
        if (fds[1] >= 0)
            (void)close(fds[1]);
    }
    (void)close(pair[0]);
    memory_destroy(&mem);
    return 0;
}
