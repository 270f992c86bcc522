/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes an input device, a touch screen with two clients: the first byte of a step is a queue
 * whose driver offers anything, a question in config space, or a client that sends an event or any
 * bytes, or leaves.
 *
 * Beyond memory safety: the guest gets whole events only, and a device that needs a reset works
 * after one.
 */
#include "devices/registry.h"

#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RAM_BYTES 0x100000
#define RINGS     0x10000
#define DATA      0x80000
#define STEPS_MAX 200
#define CLIENTS   2

static const uint32_t lengths[] = {0, 1, 7, 8, 8, 8, 64, 0xffffffff};

static void path_name(char ret_path[64])
{
    (void)snprintf(ret_path, 64, "/tmp/linnet-input-fuzz-%d", (int)getpid());
}

static struct virtio_device *create(const struct memory *mem)
{
    struct virtio_device *dev;
    char path[64], text[96];

    path_name(path);
    (void)snprintf(text, sizeof(text), "kind=touch,socket=%s", path);
    must(fake_make(&virtio_input, mem, text, &dev) == 0, "a device");
    return dev;
}

static void connect_client(int *client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (*client >= 0)
        (void)close(*client);
    *client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    path_name(address.sun_path);
    (void)!connect(*client, (const struct sockaddr *)&address, sizeof(address)); /* or it is full */
}

static void offer(struct fake_driver *drv, unsigned queue, struct input *in)
{
    uint8_t shape = take_byte(in);
    struct fake_piece piece = {DATA + shape, lengths[shape % 8u],
                               ((shape & 8) != 0) == (queue == 0) ? FAKE_WRITE : 0};
    uint32_t id, len;

    for (unsigned i = 0; i < 1u + (shape >> 5); i++)
        fake_offer(&drv->ring[queue], fake_chain(&drv->ring[queue], &piece, 1));
    fake_write(drv, FAKE_QUEUE_NOTIFY, queue);
    (void)fake_wait_irq(drv, 1);
    while (fake_used(&drv->ring[queue], &id, &len))
        must(len == 0 || (queue == 0 && len == 8), "an event, or nothing");
}

/* An event: type, code and value are a byte each, the high one of the code apart. */
static void send_event(int client, struct input *in)
{
    uint8_t event[8] = {[0] = take_byte(in), [2] = take_byte(in), [4] = take_byte(in)};

    event[3] = event[0] >> 6;
    event[0] &= 0x3f;
    (void)!send(client, event, event[0] == 0x3f ? 3 : 8, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void step(struct fake_driver *drv, int clients[CLIENTS], struct input *in)
{
    uint8_t what = take_byte(in), question[2];
    int *client = &clients[what / 8 % CLIENTS];

    switch (what % 8) {
    case 0:
    case 1:
        offer(drv, what % 8, in);
        break;
    case 2:
        question[0] = take_byte(in);
        question[1] = take_byte(in);
        fake_write_bytes(drv, FAKE_CONFIG, question, 2);
        must((fake_read(drv, FAKE_CONFIG) >> 16 & 0xff) <= 128, "an answer that fits");
        break;
    case 3:
        connect_client(client);
        break;
    case 4:
        must(fake_start(drv, FAKE_VERSION_1) == 15, "it starts anew");
        break;
    default:
        send_event(*client, in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct fake_driver drv;
    struct memory mem;
    int clients[CLIENTS] = {-1, -1};

    fake_layout = take_layout(&in);
    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    fake_memory(&mem, RAM_BYTES);
    struct virtio_device *dev = create(&mem);
    fake_driver_init(&drv, dev, RINGS);
    must(virtio_start(dev) == 0, "a worker");
    must(fake_start(&drv, FAKE_VERSION_1) == 15, "it works");
    for (unsigned i = 0; i < CLIENTS; i++)
        connect_client(&clients[i]);
    for (unsigned i = 0; in.left > 0 && i < STEPS_MAX; i++) {
        step(&drv, clients, &in);
        if ((fake_read(&drv, FAKE_STATUS) & 64) != 0)
            must(fake_start(&drv, FAKE_VERSION_1) == 15, "it works again");
    }
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    for (unsigned i = 0; i < CLIENTS; i++)
        (void)close(clients[i]);
    return 0;
}
