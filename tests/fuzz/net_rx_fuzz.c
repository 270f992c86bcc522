/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what comes in to a network card, from another process (a hub, passt) by a socket or from a
 * tap: a byte says which, and what the driver takes; then events: a byte says whether the driver
 * adds buffers, or bytes come, and a shape follows.
 *
 * Beyond memory safety: buffers come back once, with no more in them than they have room for; the
 * header says how many a frame has, and nothing that the driver did not take; a device that needs a
 * reset works after one.
 */
#include "devices/registry.h"

#include "tests/fake_driver.h"
#include "tests/fake_tap.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>

#define RAM_BYTES  0x1000000
#define RINGS      0x10000
#define BUFFERS    0x100000
#define ROOM       0x20000
#define EVENTS_MAX 60
#define PLACES     64 /* of buffers, one for each that may be there at once */

static const uint32_t sizes[] = {0, 11, 12, 13, 100, 1526, 4096, 65565, 0x20000};
static const uint32_t frames[] = {0, 13, 14, 60, 1514, 1518, 1519, 9000, 65553, 65554};

static struct fake_tap tap;
static uint32_t rooms[PLACES]; /* bytes of the buffer there */

static uint64_t features_of(uint8_t bits)
{
    static const unsigned numbers[] = {VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4,
                                       VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_ECN,
                                       VIRTIO_NET_F_MRG_RXBUF,  VIRTIO_NET_F_MTU};
    uint64_t features = FAKE_VERSION_1;

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if ((bits >> i & 1) != 0)
            features |= 1ull << numbers[i];
    return features;
}

static bool has(uint64_t features, unsigned number)
{
    return (features >> number & 1) != 0;
}

static struct virtio_device *create(const struct memory *mem, int socket)
{
    struct virtio_device *dev;
    char text[48] = "host=tap,name=t,mtu=1500";

    if (socket >= 0)
        (void)snprintf(text, sizeof(text), "host=socket,mtu=1500,fd=%d", socket);
    must(fake_make(&virtio_net, mem, text, &dev) == 0, "a device");
    return dev;
}

/* Where the buffer with that head is: each has two descriptors. */
static unsigned place_of(uint32_t head)
{
    return head / 2 % PLACES;
}

static void buffer(struct fake_driver *drv, uint8_t shape)
{
    struct fake_ring *ring = &drv->ring[0];
    uint32_t size = sizes[shape % ARRAY_SIZE(sizes)], first = size / (1 + shape / 16u);
    unsigned place = place_of(ring->next_desc % ring->size);
    gpa_t at = BUFFERS + (gpa_t)ROOM * place;
    const struct fake_piece pieces[] = {{at, first, FAKE_WRITE},
                                        {at + first, size - first, shape == 255 ? 0 : FAKE_WRITE}};

    rooms[place] = size;
    fake_offer(ring, fake_chain(ring, pieces, 2));
    fake_write(drv, FAKE_QUEUE_NOTIFY, 0);
}

/* Bytes come: from a socket as they are, or a frame; from a tap a frame behind a header. */
static void come(int fd, bool is_tap, struct input *in)
{
    static uint8_t bytes[12 + 65554];
    uint32_t len = frames[take_byte(in) % ARRAY_SIZE(frames)];
    uint8_t how = take_byte(in);
    size_t count = 4;

    if (is_tap || how % 4 == 0)
        for (count = 0; count < 12; count++)
            bytes[count] = take_byte(in);
    else
        memcpy(bytes, &(uint32_t){htonl(len)}, 4);
    if (is_tap || how % 4 != 0)
        count += len;
    if (how > 250 && !is_tap)
        (void)shutdown(fd, SHUT_WR);
    else
        (void)!send(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The header of a frame whose first buffer is there: how many it has. */
static unsigned check_header(const struct memory *mem, unsigned place, uint64_t features)
{
    const uint8_t *header = memory_at(mem, BUFFERS + (gpa_t)ROOM * place, 12);
    uint8_t gso = header[1] & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

    must(header[0] == 0 || has(features, VIRTIO_NET_F_GUEST_CSUM), "a flag that was taken");
    must(gso == 0 || (gso == 1 && has(features, VIRTIO_NET_F_GUEST_TSO4)) ||
             (gso == 4 && has(features, VIRTIO_NET_F_GUEST_TSO6)),
         "segments only as they were taken");
    must(header[1] == gso || (gso != 0 && has(features, VIRTIO_NET_F_GUEST_ECN)), "ECN likewise");
    must(header[11] == 0 && header[10] > 0, "a few buffers");
    must(header[10] == 1 || has(features, VIRTIO_NET_F_MRG_RXBUF), "one buffer");
    return header[10];
}

/* The buffers that came back: of whole frames. */
static void take_used(struct fake_driver *drv, uint64_t features)
{
    struct fake_ring *ring = &drv->ring[0];
    uint32_t id, len;

    while (fake_used(ring, &id, &len)) {
        if (len == 0)
            continue; /* it was no good */
        must(len >= 12 && len <= rooms[place_of(id)], "a header, and what there is room for");
        size_t frame = len;
        for (unsigned more = check_header(ring->mem, place_of(id), features); more > 1; more--) {
            must(len == rooms[place_of(id)], "full ones before the last");
            must(fake_used(ring, &id, &len), "the rest of it");
            must(len > 0 && len <= rooms[place_of(id)], "what there is room for");
            frame += len;
        }
        must(frame >= 12 + 14 && frame <= 12 + 65553, "a frame");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t first = take_byte(&in);
    bool is_tap = (first & 128) != 0;
    uint64_t features = features_of(first);
    struct fake_driver drv;
    struct memory mem;
    int pair[2] = {-1, -1};

    fake_layout = take_layout(&in);
    log_set_level(LOG_LEVEL_ERROR); /* what is wrong is told as warnings */
    fake_memory(&mem, RAM_BYTES);
    tap = (struct fake_tap){0};
    fake_tap_start(&tap);
    must(is_tap || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "sockets");
    struct virtio_device *dev = create(&mem, pair[1]);
    fake_driver_init(&drv, dev, RINGS);
    must(virtio_start(dev) == 0, "a worker");
    must(fake_start(&drv, features) == 15, "it works");
    for (unsigned i = 0; in.left > 0 && i < EVENTS_MAX; i++) {
        uint8_t what = take_byte(&in);
        if (what % 2 == 0)
            buffer(&drv, take_byte(&in));
        else
            come(is_tap ? tap.ours[0] : pair[0], is_tap, &in);
        (void)fake_wait_irq(&drv, 1);
        take_used(&drv, features);
        if ((fake_read(&drv, FAKE_STATUS) & 64) != 0)
            must(fake_start(&drv, features) == 15, "it works again");
    }
    virtio_destroy(dev);
    take_used(&drv, features);
    fake_driver_fini(&drv);
    fake_tap_stop();
    if (pair[0] >= 0)
        (void)close(pair[0]);
    memory_destroy(&mem);
    return 0;
}
