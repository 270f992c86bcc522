/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the socket device from both sides: a guest that sends any packet, and programs of the host
 * that say anything to it, come and go. A byte is who does something; those behind it are what.
 *
 * Beyond memory safety: packets to the guest are whole and for it, bytes go to it in no greater
 * number than it has ever said to have room for, and no packet makes the device need a reset.
 */
#include "devices/registry.h"
#include "vmm/base/unix_listener.h"

#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define RAM_BYTES  0x400000
#define RINGS      0x10000
#define RX         0x100000
#define RX_BYTES   4096
#define TX         0x300000
#define STEPS_MAX  100
#define CLIENTS    8
#define PORT_PLACE 9 /* of the host, where somebody listens */

enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW };

struct packet {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port, len;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

struct world {
    struct memory mem;
    struct virtio_device *dev;
    struct fake_driver drv;
    char folder[32];
    int listener;
    int clients[CLIENTS];
    uint32_t asked; /* the host's port of the last REQUEST, to the guest's port `wanted` */
    uint32_t wanted;
    uint64_t room_max; /* that the guest has ever said to have, for all of its streams */
    uint64_t got;      /* bytes */
};

static void start(struct world *world)
{
    must(fake_start(&world->drv, FAKE_VERSION_1) == 15, "it works");
}

static void create(struct world *world)
{
    char text[64], path[64];
    struct sockaddr_un address;

    strcpy(world->folder, "/tmp/linnet-fuzz-XXXXXX");
    must(mkdtemp(world->folder) != NULL, "a folder");
    (void)snprintf(text, sizeof(text), "path=%s/v", world->folder);
    fake_memory(&world->mem, RAM_BYTES);
    must(fake_make(&virtio_vsock, &world->mem, text, &world->dev) == 0, "a device");
    fake_driver_init(&world->drv, world->dev, RINGS);
    must(virtio_start(world->dev) == 0, "a worker");
    (void)snprintf(path, sizeof(path), "%s/v_%d", world->folder, PORT_PLACE);
    world->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(unix_address(path, &address) == 0, "a name");
    must(bind(world->listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
             listen(world->listener, 5) == 0,
         "a listener");
    for (unsigned i = 0; i < CLIENTS; i++)
        world->clients[i] = -1;
}

static void destroy(struct world *world)
{
    char path[64];

    virtio_destroy(world->dev);
    fake_driver_fini(&world->drv);
    memory_destroy(&world->mem);
    for (unsigned i = 0; i < CLIENTS; i++)
        fd_close(&world->clients[i]);
    fd_close(&world->listener);
    (void)snprintf(path, sizeof(path), "%s/v_%d", world->folder, PORT_PLACE);
    (void)unlink(path);
    must(rmdir(world->folder) == 0, "the device removes its socket");
}

/* -- the guest -- */

/* Looks at what came. */
static void hear(struct world *world)
{
    struct packet packet;
    uint32_t id, len;

    (void)fake_wait_irq(&world->drv, 1);
    while (fake_used(&world->drv.ring[1], &id, &len))
        must(len == 0, "nothing is written into what is sent");
    while (fake_used(&world->drv.ring[0], &id, &len)) {
        if (len == 0)
            continue; /* a buffer of no use */
        must(memory_read(&world->mem, RX + (uint64_t)id * RX_BYTES, &packet, 44) == 0, "RAM");
        must(packet.src_cid == 2 && packet.dst_cid == 3, "it is for the guest");
        must(packet.op >= REQUEST && packet.op <= 7, "it is a packet");
        must(len == 44 + packet.len && (packet.op == RW || packet.len == 0), "it is whole");
        if (packet.op == REQUEST) {
            world->asked = packet.src_port;
            world->wanted = packet.dst_port;
        }
        world->got += packet.len;
    }
    must(world->got <= world->room_max, "no more than there is room for");
}

static void offer(struct world *world, struct input *in)
{
    static const uint32_t sizes[] = {RX_BYTES, 44, 45, 43, 0, 64, 1000, 4095};
    struct fake_ring *ring = &world->drv.ring[0];
    uint8_t shape = take_byte(in);

    for (unsigned i = 0; i <= shape / 64u; i++) {
        uint32_t at = ring->next_desc % ring->size;
        struct fake_piece piece = {RX + at * RX_BYTES, sizes[shape % 8], FAKE_WRITE};
        fake_offer(ring, fake_chain(ring, &piece, 1));
    }
    fake_write(&world->drv, FAKE_QUEUE_NOTIFY, 0);
}

static void send_packet(struct world *world, struct packet *packet, uint32_t total)
{
    struct fake_ring *ring = &world->drv.ring[1];
    struct fake_piece pieces[] = {{TX, MIN(total, 20u), 0}, {TX + 20, total - MIN(total, 20u), 0}};

    must(memory_write(&world->mem, TX, packet, sizeof(*packet)) == 0, "RAM");
    world->room_max += (uint64_t)packet->buf_alloc + packet->fwd_cnt;
    fake_offer(ring, fake_chain(ring, pieces, total > 20 ? 2 : 1));
    fake_write(&world->drv, FAKE_QUEUE_NOTIFY, 1);
}

static void say(struct world *world, struct input *in)
{
    static const uint32_t lens[] = {0, 1, 100, 5000, 70000, 131072, 131073, 0xffffffff};
    uint8_t who = take_byte(in), what = take_byte(in), credit = take_byte(in);
    struct packet packet = {.src_cid = (who & 7) == 7 ? 1ull << 32 | 3 : 3,
                            .dst_cid = (who & 56) == 56 ? who : 2,
                            .src_port = who % 3,
                            .dst_port = (who & 1) != 0 ? world->asked : PORT_PLACE,
                            .type = (who & 192) == 192 ? who : 1,
                            .op = what % 10,
                            .flags = what / 10,
                            .buf_alloc = credit * 100u,
                            .fwd_cnt = credit % 7u};

    if ((who & 1) != 0)
        packet.src_port = world->wanted;
    if (packet.op == RW)
        packet.len = lens[what / 10 % 8];
    send_packet(world, &packet, what > 250 ? 43 : 44 + MIN(packet.len, 131072u) - (what > 240));
}

/* A good answer to what was asked last. */
static void answer(struct world *world)
{
    struct packet packet = {.src_cid = 3,
                            .dst_cid = 2,
                            .src_port = world->wanted,
                            .dst_port = world->asked,
                            .type = 1,
                            .op = RESPONSE,
                            .buf_alloc = 65536};

    send_packet(world, &packet, 44);
}

/* -- the host -- */

static int come(const struct world *world)
{
    struct sockaddr_un address;
    char path[64];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf(path, sizeof(path), "%s/v", world->folder);
    must(unix_address(path, &address) == 0, "a name");
    (void)connect(fd, (struct sockaddr *)&address, sizeof(address)); /* or too many do */
    return fd;
}

static void host(struct world *world, struct input *in)
{
    static const char *const lines[] = {"CONNECT 1\n", "connect 2\nmore", "CONNECT 99999999999\n",
                                        "\n"};
    static char bytes[100000];
    uint8_t what = take_byte(in);
    int *client = &world->clients[what % CLIENTS];
    const char *line = lines[what / 64];
    char byte = (char)take_byte(in);

    switch (what / CLIENTS % 8) {
    case 0:
    case 1:
        fd_close(client);
        *client = come(world);
        (void)!send(*client, line, strlen(line), MSG_NOSIGNAL);
        return;
    case 2:
        fd_close(client);
        *client = accept4(world->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return;
    case 3:
        (void)!send(*client, &byte, 1, MSG_NOSIGNAL);
        return;
    case 4:
        (void)!send(*client, bytes, (uint8_t)byte * 300u, MSG_NOSIGNAL);
        return;
    case 5:
        (void)!recv(*client, bytes, (uint8_t)byte * 300u, 0);
        return;
    case 6:
        (void)shutdown(*client, byte & 1);
        return;
    default:
        fd_close(client);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct world world = {.asked = 1};

    fake_layout = take_layout(&in);
    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    create(&world);
    start(&world);
    for (unsigned i = 0; in.left > 0 && i < STEPS_MAX; i++) {
        uint8_t what = take_byte(&in) % 16;
        if (what < 5)
            say(&world, &in);
        else if (what < 7)
            answer(&world);
        else if (what < 10)
            offer(&world, &in);
        else if (what < 15)
            host(&world, &in);
        else
            start(&world);
        hear(&world);
        must((fake_read(&world.drv, FAKE_STATUS) & 64) == 0, "no packet needs a reset");
    }
    destroy(&world);
    return 0;
}
