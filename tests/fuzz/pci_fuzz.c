/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes a virtio function on a PCI bus, in front of a device with a running worker. Instructions,
 * one letter and its operands (n: one byte; o: offset, two bytes):
 *
 *   c o n ...   writes n (1 to 8) bytes of configuration space      C o n   reads so many
 *   b o n ...   the same in BAR 0                                   B o n
 *   S           a driver starts the device as Linux does, with MSI-X
 *   A n         offers head n on queue 0       K n     kicks queue n
 *   d i a a l l f n   descriptor i of queue 0: address, length (16 bits each), flags, next
 *   g n         the device changes config
 *
 * Queue 0 has an eventfd besides, as if somebody else served it.
 *
 * Beyond memory safety: what is read only stays, no message is sent before the guest has turned to
 * messages, and the bus hears that eventfd while the message may go out, no longer, and for the
 * right one.
 */
#include "tests/fake_device.h"
#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"
#include "virtio/pci.h"

#include <string.h>

#define RAM_BYTES  0x20000
#define RINGS      0x4000
#define BAR        0xe1000000
#define STEPS_MAX  4000
#define STARTS_MAX 20 /* threads are slow */
#define CALL_FD    99 /* a name: nobody looks at it */

struct program {
    struct input in;
    struct memory mem;
    struct virtio_device *dev;
    struct pci_host host;
    struct pci pci;
    struct fake_ring ring;
    uint8_t before[PCI_CONFIG_BYTES];
    unsigned starts;
    _Atomic bool may_send;
    bool bound; /* these three: under the lock of pci.msix */
    uint64_t bound_addr;
    uint32_t bound_data;
};

static void place(struct pci_host *host, struct pci *pci, gpa_t at)
{
    struct program *p = container_of(host, struct program, host);

    HOLDS(pci == &p->pci && at % PCI_BAR_BYTES == 0 && at <= UINT32_MAX);
}

static void message(struct pci_host *host, uint64_t addr, uint32_t data)
{
    struct program *p = container_of(host, struct program, host);

    (void)addr;
    (void)data;
    HOLDS(p->may_send);
}

static bool bind(struct pci_host *host, int fd, uint64_t addr, uint32_t data)
{
    struct program *p = container_of(host, struct program, host);

    HOLDS(fd == CALL_FD);
    p->bound = true;
    p->bound_addr = addr;
    p->bound_data = data;
    return true;
}

static void unbind(struct pci_host *host, int fd)
{
    struct program *p = container_of(host, struct program, host);

    HOLDS(fd == CALL_FD && p->bound);
    p->bound = false;
}

static void bound_check(struct program *p)
{
    struct msix *msix = &p->pci.msix;

    (void)pthread_mutex_lock(&msix->lock); /* a reset may be under way */
    const uint16_t vector = msix->source[0].vector;
    const struct msix_entry *entry = &msix->entry[vector < msix->count ? vector : 0];
    bool open = vector < msix->count && msix->enabled && !msix->masked &&
                (from_le32(entry->control) & 1) == 0;
    HOLDS(p->bound == open);
    HOLDS(!open || (p->bound_addr >> 32 == from_le32(entry->address_high) &&
                    (uint32_t)p->bound_addr == from_le32(entry->address_low) &&
                    p->bound_data == from_le32(entry->data)));
    (void)pthread_mutex_unlock(&msix->lock);
}

static void bar_write(struct program *p, size_t off, uint64_t val, size_t len)
{
    le64 wire = to_le64(val);

    pci_bar_write(&p->pci, off, &wire, len);
}

static void config_write(struct program *p, size_t off, const void *bytes, size_t len)
{
    p->may_send = true; /* no message before the first such write: MSI-X is off at first */
    pci_config_write(&p->pci, off, bytes, len);
}

static void state_check(struct program *p)
{
    uint8_t now[PCI_CONFIG_BYTES];

    pci_config_read(&p->pci, 0, now, sizeof(now));
    for (size_t i = 0; i < sizeof(now); i++) {
        bool window = i >= 0x84 && i < 0x88; /* data of the PCI_CFG capability */
        uint8_t fixed = (uint8_t)~p->pci.writable[i];
        if (i == 0x06)
            fixed &= (uint8_t)~0x08; /* Interrupt Status */
        HOLDS(window || (now[i] & fixed) == (p->before[i] & fixed));
    }
    HOLDS((now[0x04] & 4) != 0 || p->pci.msix.masked || !p->pci.msix.enabled);
}

static void bytes_at(struct program *p, uint8_t what)
{
    bool bar = what == 'b' || what == 'B', write = what == 'b' || what == 'c';
    size_t off = (size_t)take_word(&p->in) % (bar ? (size_t)PCI_BAR_BYTES : 0x200);
    size_t len = 1 + take_byte(&p->in) % 8u;
    uint8_t buf[8];

    for (size_t i = 0; i < len && write; i++)
        buf[i] = take_byte(&p->in);
    if (bar && len > PCI_BAR_BYTES - off)
        return;
    if (bar && write && off <= 0x14 && off + len > 0x14 && p->starts++ > STARTS_MAX)
        return;
    if (bar && write)
        pci_bar_write(&p->pci, off, buf, len);
    else if (bar)
        pci_bar_read(&p->pci, off, buf, len);
    else if (write)
        config_write(p, off, buf, len);
    else
        pci_config_read(&p->pci, off, buf, len);
}

static void start(struct program *p)
{
    size_t msix = 0x88;

    if (p->starts++ > STARTS_MAX)
        return;
    config_write(p, 0x04, "\x06\x00", 2);
    bar_write(p, 0x14, 0, 1);
    virtio_lock(p->dev);
    virtio_settle(p->dev);
    virtio_unlock(p->dev);
    bar_write(p, 0x14, 1, 1);
    bar_write(p, 0x14, 3, 1);
    bar_write(p, 0x08, 1ull << 32, 8);
    bar_write(p, 0x08, 1, 4);
    bar_write(p, 0x0c, 1, 4); /* VERSION_1 */
    bar_write(p, 0x14, 11, 1);
    config_write(p, msix + 2, "\x02\x80", 2);
    for (unsigned v = 0; v < 3; v++) {
        bar_write(p, 0x2000 + 16 * v, 0xfee00000, 8);
        bar_write(p, 0x2008 + 16 * v, 0x40 + v, 8);
    }
    bar_write(p, 0x10, 0, 2);
    fake_ring_init(&p->ring, &p->mem, 8, RINGS, FAKE_VERSION_1);
    bar_write(p, 0x16, 0, 2);
    bar_write(p, 0x18, 8, 2);
    bar_write(p, 0x1a, 1, 2);
    bar_write(p, 0x20, p->ring.desc, 8);
    bar_write(p, 0x28, p->ring.avail, 8);
    bar_write(p, 0x30, p->ring.used, 8);
    bar_write(p, 0x1c, 1, 2);
    bar_write(p, 0x14, 15, 1);
}

static void set_desc(struct program *p)
{
    uint8_t index = take_byte(&p->in);
    struct fake_piece piece = {.addr = take_word(&p->in)};

    piece.len = take_word(&p->in);
    piece.flags = take_byte(&p->in);
    fake_desc(&p->mem, RINGS, index, piece, take_byte(&p->in));
}

static void step(struct program *p)
{
    uint8_t what = take_byte(&p->in), val;

    switch (what) {
    case 'c':
    case 'C':
    case 'b':
    case 'B':
        bytes_at(p, what);
        break;
    case 'S':
        start(p);
        break;
    case 'd':
        set_desc(p);
        break;
    case 'A':
        val = take_byte(&p->in);
        if (p->ring.size != 0)
            fake_offer(&p->ring, val);
        break;
    case 'K':
        bar_write(p, 0x1000 + 4 * (size_t)take_byte(&p->in), 0, 2);
        break;
    case 'g':
        val = take_byte(&p->in);
        virtio_config_set(p->dev, val % ECHO_CONFIG_BYTES, &val, 1);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program p = {.in = {data, size}, .host = {place, message, bind, unbind}};

    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    HOLDS(memory_create(&p.mem, RAM_BYTES, &(struct memory_layout){0, 0, 0}, MEMORY_PAGES_OFF) ==
          0);
    HOLDS(fake_create(&echo_class, 0, &p.mem, NULL, &p.dev) == 0);
    HOLDS(pci_init(&p.pci, p.dev, &p.host, BAR) == 0);
    msix_lend(&p.pci.msix, 0, CALL_FD);
    HOLDS(virtio_start(p.dev) == 0);
    pci_config_read(&p.pci, 0, p.before, sizeof(p.before));
    for (unsigned i = 0; p.in.left > 0 && i < STEPS_MAX; i++) {
        step(&p);
        state_check(&p);
        bound_check(&p);
    }
    virtio_destroy(p.dev);
    pci_fini(&p.pci);
    memory_destroy(&p.mem);
    return 0;
}
