/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the memory balloon: a byte says what features are taken, then requests: a byte of queue
 * and how many pieces, four bytes a piece. What pieces point to are page numbers, among them those
 * of the rings, and all of RAM may be given away.
 *
 * Beyond memory safety: a device that needs a reset works after one.
 */
#include "devices/registry.h"

#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"

#define RAM_BYTES    0x100000
#define RINGS        0x10000
#define NUMBERS      0x80000
#define PIECES_MAX   7
#define REQUESTS_MAX 40

static const uint32_t lengths[] = {0, 1, 4, 9, 10, 4096, 65536, 0xffffffff};

static struct fake_piece take_piece(struct input *in)
{
    uint32_t page = take_byte(in), off = take_byte(in);
    uint8_t len = take_byte(in);

    return (struct fake_piece){.addr = page << 12 | off,
                               .len = lengths[len % ARRAY_SIZE(lengths)],
                               .flags = (take_byte(in) & 1) != 0 ? FAKE_WRITE : 0};
}

static void offer(struct fake_driver *drv, struct input *in)
{
    struct fake_piece pieces[PIECES_MAX];
    uint8_t shape = take_byte(in);
    unsigned queue = shape % 5u, count = 1 + shape / 5u % PIECES_MAX;
    struct fake_ring *ring = &drv->ring[queue];
    uint32_t id, len;

    for (unsigned i = 0; i < count; i++)
        pieces[i] = take_piece(in);
    fake_offer(ring, fake_chain(ring, pieces, count));
    fake_write(drv, FAKE_QUEUE_NOTIFY, queue);
    (void)fake_wait_irq(drv, 1);
    while (
        fake_used(ring, &id, &len)) /* of what the guest gave away of its rings, nothing is left */
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct virtio_device *dev;
    struct fake_driver drv;
    struct memory mem;

    fake_layout = take_layout(&in);
    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    must(memory_create(&mem, RAM_BYTES, &(struct memory_layout){0, 0, 0}, MEMORY_PAGES_OFF) == 0,
         "RAM");
    must(fake_make(&virtio_balloon, &mem, "", &dev) == 0, "a device");
    fake_driver_init(&drv, dev, RINGS);
    must(virtio_start(dev) == 0, "a worker");
    uint64_t features = FAKE_VERSION_1 | (take_byte(&in) & 0x22);
    must(fake_start(&drv, features) == 15, "it works");
    for (uint32_t i = 0; i < 4096; i++)
        must(memory_write(&mem, NUMBERS + 4 * i, &i, 4) == 0, "numbers");
    for (unsigned i = 0; in.left > 0 && i < REQUESTS_MAX; i++) {
        offer(&drv, &in);
        if ((fake_read(&drv, FAKE_STATUS) & 64) != 0)
            must(fake_start(&drv, features) == 15, "it works again");
    }
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    return 0;
}
