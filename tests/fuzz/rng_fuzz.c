/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the entropy device: chains of any shape in its queue. A chain is a byte, how many pieces
 * it has (low four bits; none: a reset) and whether they go into a table of their own; then two
 * bytes each.
 *
 * Beyond memory safety: a chain comes back once, with no more in it than it has room for, and what
 * breaks no rule comes back with something; else the device needs a reset, and works after one.
 */
#include "devices/registry.h"

#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"

#define RAM_BYTES  0x100000
#define RINGS      0x10000
#define TABLE      0x40000
#define DATA       0x80000
#define PIECES_MAX 15
#define CHAINS_MAX 60
#define WAITS_MAX  60 /* seconds */

static const uint32_t lengths[] = {0, 1, 2, 64, 4095, 4096, 4097, 65536, 0x7fffffff, 0xffffffff};

static struct fake_piece take_piece(struct input *in)
{
    uint8_t shape = take_byte(in), len = take_byte(in);
    struct fake_piece piece = {.addr = DATA + shape % 64u,
                               .len = lengths[len % ARRAY_SIZE(lengths)]};

    piece.flags = shape >= 32 ? FAKE_WRITE : 0;
    if (shape > 250)
        piece.addr = RAM_BYTES - shape % 4u;
    return piece;
}

/* Offers a chain; the bytes that it has room for, 0 if the device may give nothing. */
static uint64_t offer(struct fake_driver *drv, struct input *in, unsigned shape)
{
    struct fake_piece pieces[PIECES_MAX];
    unsigned count = shape % (PIECES_MAX + 1);
    uint64_t room = 0, sent = 0;

    for (unsigned i = 0; i < count; i++) {
        pieces[i] = take_piece(in);
        *(pieces[i].flags == FAKE_WRITE ? &room : &sent) += pieces[i].len;
    }
    uint16_t head = (shape & 16) != 0 ? fake_chain_indirect(&drv->ring[0], TABLE, pieces, count)
                                      : fake_chain(&drv->ring[0], pieces, count);
    fake_offer(&drv->ring[0], head);
    fake_write(drv, FAKE_QUEUE_NOTIFY, 0);
    return sent == 0 ? room : 0;
}

/* True if the chain came back; false: the device needs a reset. */
static bool came_back(struct fake_driver *drv, uint64_t room)
{
    uint32_t id, len;

    for (unsigned i = 0; !fake_used(&drv->ring[0], &id, &len); i++) {
        if ((fake_read(drv, FAKE_STATUS) & 64) != 0)
            return false;
        must(i < WAITS_MAX, "an answer");
        (void)fake_wait_irq(drv, 1000);
    }
    must(len <= room, "no more than there is room for");
    must((len == 0) == (room == 0), "something, if there is room");
    must(!fake_used(&drv->ring[0], &id, &len), "once");
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t features = FAKE_VERSION_1 | FAKE_INDIRECT_DESC;
    struct input in = {data, size};
    struct virtio_device *dev;
    struct fake_driver drv;
    struct memory mem;

    fake_layout = take_layout(&in);
    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    fake_memory(&mem, RAM_BYTES);
    must(fake_create(&virtio_rng, 0, &mem, NULL, &dev) == 0, "a device");
    fake_driver_init(&drv, dev, RINGS);
    must(virtio_start(dev) == 0, "a worker");
    must(fake_start(&drv, features) == 15, "it works");
    for (unsigned i = 0; in.left > 0 && i < CHAINS_MAX; i++) {
        uint8_t shape = take_byte(&in);
        if (shape % (PIECES_MAX + 1) != 0 && came_back(&drv, offer(&drv, &in, shape)))
            continue;
        must(fake_start(&drv, features) == 15, "it works again");
    }
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    return 0;
}
