/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the registers of virtio-mmio in front of a device with a running worker. Instructions, one
 * letter and its operands (n: one byte; o: offset in the page, two bytes):
 *
 *   w o n ...   writes n (1 to 8) bytes      r o n   reads n (1 to 8) bytes
 *   S n n n n   a driver starts the device as Linux does, with these features
 *   D i a a l l f n   descriptor i of queue 0: address, length (16 bits each), flags, next
 *   A n         offers head n on queue 0     K n     kicks queue n
 *   I n n       sets avail.idx of queue 0
 *   c n         the device changes config    f       the device's class refuses to activate
 *
 * Beyond memory safety: what can be read agrees with itself after every step.
 */
#include "tests/fake_device.h"
#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define RAM_BYTES  0x20000
#define RINGS      0x4000
#define STEPS_MAX  4000
#define STARTS_MAX 20 /* threads are slow */

struct program {
    struct input in;
    struct virtio_device *dev;
    struct fake_driver drv;
    unsigned starts;
};

static void state_check(struct program *p)
{
    struct virtio_device *dev = p->dev;
    uint32_t status = fake_read(&p->drv, FAKE_STATUS);
    uint32_t isr = fake_read(&p->drv, FAKE_INTERRUPT_STATUS);

    HOLDS((status & ~(1u | 2 | 4 | 8 | 64 | 128)) == 0);
    HOLDS((isr & ~3u) == 0);
    HOLDS(status != 0 || (isr == 0 && !dev->active && dev->driver_features == 0));
    HOLDS(!dev->active || ((status & (4 | 8 | 128)) == (4 | 8)));
    HOLDS((status & 8) != 0 || dev->driver_features == 0);
    HOLDS((status & 8) == 0 || (dev->driver_features >> 32 & 1) != 0);
    HOLDS((dev->driver_features & ~dev->features) == 0);
    HOLDS(fake_read(&p->drv, FAKE_MAGIC) == 0x74726976);
    HOLDS(fake_read(&p->drv, FAKE_DEVICE_ID) == 42);
}

static void reg_write(struct program *p)
{
    uint64_t off = take_word(&p->in) % MMIO_SIZE;
    size_t len = 1 + take_byte(&p->in) % 8u;
    uint8_t buf[8];

    for (size_t i = 0; i < len; i++)
        buf[i] = take_byte(&p->in);
    if (off == FAKE_STATUS && (buf[0] & 4) != 0 && p->starts++ > STARTS_MAX)
        return;
    fake_write_bytes(&p->drv, off, buf, len);
}

static void reg_read(struct program *p)
{
    uint64_t off = take_word(&p->in) % MMIO_SIZE;
    size_t len = 1 + take_byte(&p->in) % 8u;
    uint8_t buf[8];

    fake_read_bytes(&p->drv, off, buf, len);
    if (off < 0x100 && (len != 4 || off % 4 != 0) && off + len <= MMIO_SIZE)
        for (size_t i = 0; i < len; i++)
            HOLDS(buf[i] == 0);
}

static void start(struct program *p)
{
    uint64_t features = FAKE_VERSION_1 | take_word(&p->in);

    features |= (uint64_t)take_word(&p->in) << 16;
    if (p->starts++ > STARTS_MAX)
        return;
    echo_of(p->dev)->activate_result = 0;
    HOLDS((fake_start(&p->drv, features) & ~64u) == 15);
}

static void set_desc(struct program *p)
{
    uint8_t index = take_byte(&p->in);
    struct fake_piece piece = {.addr = take_word(&p->in)};

    piece.len = take_word(&p->in);
    piece.flags = take_byte(&p->in);
    fake_desc(p->dev->mem, RINGS, index, piece, take_byte(&p->in)); /* where the first ring is */
}

static void step(struct program *p)
{
    bool started = p->drv.ring[0].size != 0;
    uint8_t val;

    switch (take_byte(&p->in)) {
    case 'w':
        reg_write(p);
        break;
    case 'r':
        reg_read(p);
        break;
    case 'S':
        start(p);
        break;
    case 'D':
        set_desc(p);
        break;
    case 'A':
        val = take_byte(&p->in);
        if (started)
            fake_offer(&p->drv.ring[0], val);
        break;
    case 'I':
        if (started)
            fake_avail_idx_set(&p->drv.ring[0], take_word(&p->in));
        break;
    case 'K':
        fake_write(&p->drv, FAKE_QUEUE_NOTIFY, take_byte(&p->in));
        break;
    case 'c':
        val = take_byte(&p->in);
        virtio_config_set(p->dev, val % ECHO_CONFIG_BYTES, &val, 1);
        break;
    case 'f':
        if (!p->dev->active)
            echo_of(p->dev)->activate_result = -EBUSY;
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program p = {.in = {data, size}};
    struct memory mem;

    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    HOLDS(memory_create(&mem, RAM_BYTES, &(struct memory_layout){0, 0, 0}, MEMORY_PAGES_OFF) == 0);
    HOLDS(fake_create(&echo_class, 0, &mem, NULL, &p.dev) == 0);
    fake_driver_init(&p.drv, p.dev, RINGS);
    HOLDS(virtio_start(p.dev) == 0);
    state_check(&p);
    for (unsigned i = 0; p.in.left > 0 && i < STEPS_MAX; i++) {
        step(&p);
        state_check(&p);
    }
    virtio_destroy(p.dev);
    fake_driver_fini(&p.drv);
    memory_destroy(&mem);
    return 0;
}
