/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes persistent memory: requests of up to three pieces, a byte of shape, a byte of type.
 *
 * Beyond memory safety: an answer has 4 bytes or none, the window stays as the file is, and a
 * device that needs a reset works after one.
 */
#include "devices/registry.h"

#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_BYTES    0x100000
#define RINGS        0x10000
#define DATA         0x80000
#define REQUESTS_MAX 100

static const uint32_t lengths[] = {0, 1, 3, 4, 5, 64, 0x10000, 0xffffffff};

static struct virtio_device *create(const struct memory *mem)
{
    struct virtio_device *dev;
    char text[64];
    int fd = memfd_create("image", MFD_CLOEXEC);

    must(fd >= 0 && write(fd, "image", 5) == 5, "a file");
    (void)snprintf(text, sizeof(text), "path=/proc/self/fd/%d", fd);
    must(fake_make(&virtio_pmem, mem, text, &dev) == 0, "a device");
    (void)close(fd);
    return dev;
}

static void offer(struct fake_driver *drv, struct input *in)
{
    struct fake_piece pieces[3];
    uint8_t shape = take_byte(in), type[4] = {take_byte(in)};
    unsigned count = 1 + shape % 3u;
    uint32_t id, len;

    must(memory_write(drv->ring[0].mem, DATA, type, 4) == 0, "RAM");
    for (unsigned i = 0; i < count; i++) {
        uint8_t piece = take_byte(in);
        pieces[i] = (struct fake_piece){DATA + (piece >> 4), lengths[piece % 8u],
                                        (piece & 8) != 0 ? FAKE_WRITE : 0};
    }
    fake_offer(&drv->ring[0], fake_chain(&drv->ring[0], pieces, count));
    fake_write(drv, FAKE_QUEUE_NOTIFY, 0);
    (void)fake_wait_irq(drv, 1);
    while (fake_used(&drv->ring[0], &id, &len))
        must(len == 0 || len == 4, "an answer, or nothing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct fake_driver drv;
    struct memory mem;

    fake_layout = take_layout(&in);
    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    fake_memory(&mem, RAM_BYTES);
    struct virtio_device *dev = create(&mem);
    fake_driver_init(&drv, dev, RINGS);
    must(virtio_start(dev) == 0, "a worker");
    must(fake_start(&drv, FAKE_VERSION_1) == 15, "it works");
    for (unsigned i = 0; in.left > 0 && i < REQUESTS_MAX; i++) {
        offer(&drv, &in);
        if ((fake_read(&drv, FAKE_STATUS) & 64) != 0)
            must(fake_start(&drv, FAKE_VERSION_1) == 15, "it works again");
    }
    must(memcmp(dev->window, "image", 6) == 0, "the file is as it was");
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    return 0;
}
