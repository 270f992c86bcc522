/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what a guest sends to a network card with two pairs of queues on a tap: a byte says which
 * offloads the driver takes; then chains: a byte for the queue and the shape, ten of a header, and
 * one for each piece. In the control queue the header's first bytes are the command.
 *
 * Beyond memory safety: a chain comes back once, with no more in it than an answer; what gets out
 * is a frame, with a header that the kernel may see from such a driver; a device that needs a reset
 * works after one.
 */
#include "devices/registry.h"

#include "tests/fake_driver.h"
#include "tests/fake_tap.h"
#include "tests/fuzz/fuzz.h"

#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>

#define RAM_BYTES  0x100000
#define RINGS      0x10000
#define SENT       0x40000
#define ANSWER     0x80000
#define PIECES_MAX 6
#define CHAINS_MAX 60

static const uint32_t lengths[] = {0,  1,  2,    12,   13,    14,    26,    60,
                                   88, 90, 1514, 4096, 65553, 65565, 65566, 0xffffffff};

static struct fake_tap tap;

/* Features that go together, or do not (virtio 1.2 §5.1.3.1). */
static uint64_t features_of(uint8_t bits)
{
    static const unsigned numbers[] = {VIRTIO_NET_F_CSUM,      VIRTIO_NET_F_HOST_TSO4,
                                       VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_ECN,
                                       VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_CTRL_VQ,
                                       VIRTIO_NET_F_MQ};
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

static unsigned number_at(const uint8_t *bytes)
{
    return bytes[0] | (unsigned)bytes[1] << 8;
}

static void check_header(const uint8_t *header, size_t len, uint64_t features)
{
    uint8_t gso = header[1] & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

    must(header[0] <= VIRTIO_NET_HDR_F_NEEDS_CSUM, "no flag but the checksum's");
    must(header[0] == 0 || has(features, VIRTIO_NET_F_CSUM), "a checksum only if it was taken");
    must(header[0] == 0 || number_at(header + 6) + number_at(header + 8) + 2 <= len,
         "a checksum's place in the frame");
    must(gso == 0 || (gso == 1 && has(features, VIRTIO_NET_F_HOST_TSO4)) ||
             (gso == 4 && has(features, VIRTIO_NET_F_HOST_TSO6)),
         "segmentation only as it was taken");
    must(header[1] == gso || (gso != 0 && has(features, VIRTIO_NET_F_HOST_ECN)), "ECN likewise");
    must(gso == 0 || (header[0] != 0 && number_at(header + 4) != 0), "a size of segments");
    must(number_at(header + 2) <= len && number_at(header + 10) == 0, "a header's length");
}

/* What got out. */
static void take_frames(uint64_t features)
{
    static uint8_t bytes[12 + 65553 + 1];

    for (unsigned i = 0; i < tap.opened; i++) {
        ssize_t len;
        while ((len = recv(tap.ours[i], bytes, sizeof(bytes), 0)) > 0) { /* 0: closed */
            must(len >= 12 + 14 && (size_t)len < sizeof(bytes), "a frame");
            check_header(bytes, (size_t)len - 12, features);
        }
    }
}

static void offer(struct fake_driver *drv, struct input *in, uint64_t features)
{
    struct fake_piece pieces[PIECES_MAX + 1];
    uint8_t shape = take_byte(in);
    unsigned queue = shape % 5u, count = 1 + shape / 5u % PIECES_MAX;
    unsigned control = has(features, VIRTIO_NET_F_MQ) ? 4 : 2;
    struct fake_ring *ring = &drv->ring[queue];
    gpa_t at = SENT;
    uint8_t header[10];
    uint32_t id, len;

    for (size_t i = 0; i < sizeof(header); i++)
        header[i] = take_byte(in);
    must(memory_write(ring->mem, SENT, header, sizeof(header)) == 0, "RAM");
    for (unsigned i = 0; i < count; i++) {
        uint8_t piece = take_byte(in);
        pieces[i] = (struct fake_piece){at, lengths[piece % 16u], piece > 250 ? FAKE_WRITE : 0};
        at += piece < 240 ? pieces[i].len : 7;
    }
    if (queue == control)
        pieces[count++] = (struct fake_piece){ANSWER, 1, FAKE_WRITE};
    fake_offer(ring, fake_chain(ring, pieces, count));
    fake_write(drv, FAKE_QUEUE_NOTIFY, queue);
    (void)fake_wait_irq(drv, 1);
    while (fake_used(ring, &id, &len))
        must(len <= (queue == control), "no more than an answer");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint64_t features = features_of(take_byte(&in));
    struct virtio_device *dev;
    struct fake_driver drv;
    struct memory mem;

    fake_layout = take_layout(&in);
    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    fake_memory(&mem, RAM_BYTES);
    tap = (struct fake_tap){0};
    fake_tap_start(&tap);
    must(fake_make(&virtio_net, &mem, "host=tap,name=t,queues=2", &dev) == 0, "a device");
    fake_driver_init(&drv, dev, RINGS);
    must(virtio_start(dev) == 0, "workers");
    must(fake_start(&drv, features) == 15, "it works");
    for (unsigned i = 0; in.left > 0 && i < CHAINS_MAX; i++) {
        offer(&drv, &in, features);
        take_frames(features);
        if ((fake_read(&drv, FAKE_STATUS) & 64) != 0)
            must(fake_start(&drv, features) == 15, "it works again");
    }
    virtio_destroy(dev);
    take_frames(features);
    fake_driver_fini(&drv);
    fake_tap_stop();
    memory_destroy(&mem);
    return 0;
}
