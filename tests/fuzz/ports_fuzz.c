/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the console device: three ports (a socket, a ring, nowhere), whose driver says anything in
 * any of the queues. A byte is a queue, or what the other end of the socket does; then a shape and,
 * for the control queue, a message of three bytes.
 *
 * Beyond memory safety: a device that needs a reset works after one, and the other end of the
 * socket gets no more than was sent.
 */
#include "devices/registry.h"

#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RAM_BYTES    0x100000
#define RINGS        0x10000
#define MESSAGE      0x40000
#define DATA         0x80000
#define REQUESTS_MAX 60
#define FEATURES     (FAKE_VERSION_1 | 2u)

static const uint32_t lengths[] = {0, 1, 7, 8, 64, 4096, 65536, 0xffffffff};

static struct virtio_device *create(const struct memory *mem, int socket)
{
    const char *texts[] = {NULL, "name=b,to=ring", "name=c"};
    struct opts *opts[3];
    struct virtio_device *dev;
    char first[32];

    (void)snprintf(first, sizeof(first), "name=a,to=fd:%d", socket);
    texts[0] = first;
    for (unsigned i = 0; i < 3; i++) {
        must(opts_create(virtio_console.opts, &opts[i]) == 0, "options");
        must(opts_parse(opts[i], "", texts[i]) == 0, "good options");
    }
    must(virtio_create(&virtio_console, 0, mem, (const struct opts *const *)opts, 3, &dev) == 0,
         "a device");
    for (unsigned i = 0; i < 3; i++)
        opts_destroy(opts[i]);
    return dev;
}

/* Of buffers that are out, by queue and head: what they have room for. */
static uint32_t rooms[8][64];

/* A message of the driver's, or any buffer. */
static void offer(struct fake_driver *drv, unsigned queue, struct input *in)
{
    uint8_t shape = take_byte(in);
    struct fake_piece piece = {DATA + shape, lengths[shape % 8u],
                               (shape & 8) != 0 ? FAKE_WRITE : 0};
    uint32_t id, len;

    if (queue == 3 && (shape & 16) == 0) {
        uint8_t message[8] = {[0] = take_byte(in), [4] = take_byte(in), [6] = take_byte(in)};
        must(memory_write(drv->ring[3].mem, MESSAGE, message, 8) == 0, "RAM");
        piece = (struct fake_piece){MESSAGE, 8, 0};
    }
    uint16_t head = fake_chain(&drv->ring[queue], &piece, 1);
    rooms[queue][head] = piece.len;
    fake_offer(&drv->ring[queue], head);
    fake_write(drv, FAKE_QUEUE_NOTIFY, queue);
    (void)fake_wait_irq(drv, 1);
    while (fake_used(&drv->ring[queue], &id, &len))
        must(len <= rooms[queue][id], "no more than there is room for");
}

/* The other end: writes, reads, or leaves. */
static void host(int fd, unsigned what)
{
    static char bytes[8192];

    if (what % 4 == 0)
        (void)!send(fd, bytes, 30u * what, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (what % 4 == 3 && what > 250)
        (void)shutdown(fd, SHUT_RDWR);
    else
        (void)!recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct fake_driver drv;
    struct memory mem;
    int pair[2];

    fake_layout = take_layout(&in);
    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    fake_memory(&mem, RAM_BYTES);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "sockets");
    must(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0, "sockets");
    struct virtio_device *dev = create(&mem, pair[1]);
    fake_driver_init(&drv, dev, RINGS);
    must(virtio_start(dev) == 0, "a worker");
    must(fake_start(&drv, FEATURES) == 15, "it works");
    for (unsigned i = 0; in.left > 0 && i < REQUESTS_MAX; i++) {
        uint8_t what = take_byte(&in);
        if (what % 10 < 8)
            offer(&drv, what % 10, &in);
        else if (what % 10 == 8)
            host(pair[0], take_byte(&in));
        else
            must(fake_start(&drv, FEATURES) == 15, "it starts anew");
        if ((fake_read(&drv, FAKE_STATUS) & 64) != 0)
            must(fake_start(&drv, FEATURES) == 15, "it works again");
    }
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    (void)close(pair[0]);
    return 0;
}
