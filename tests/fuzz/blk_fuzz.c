/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes a disk of 64 KiB: chains of any shape in one of two queues. The first byte says whether it
 * is read-only, an overlay, and which features the driver takes; a chain is a byte (how many
 * pieces, whether they go into a table of their own, which queue; none: a reset), a header of a
 * byte each for type, sector and what is wrong with it, and two bytes for each piece. Data is what
 * is in RAM, in which there are lists of ranges.
 *
 * Beyond memory safety: a chain comes back once, with no more in it than it has room for, and with
 * a status that there is if there is room for one; a disk that is not to be written stays as it is;
 * else the device needs a reset, and works after one.
 */
#include "devices/registry.h"

#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>

#define RAM_BYTES  0x100000
#define RINGS      0x10000
#define HEADER     0x30000
#define TABLE      0x40000
#define DATA       0x80000
#define DISK_BYTES 0x10000
#define PIECES_MAX 7
#define CHAINS_MAX 40
#define WAITS_MAX  60 /* seconds */

static const uint32_t lengths[] = {0,   1,    15,   16,   17,   21,    32,    256,
                                   512, 1024, 1025, 4096, 8192, 65536, 65537, 0xffffffff};
static const uint8_t types[] = {0, 1, 4, 8, 11, 13, 0, 1, 2, 10, 14, 16, 255};

static uint8_t *ram(const struct memory *mem, gpa_t addr, uint64_t len)
{
    return memory_at(mem, addr, len);
}

static void put_header(const struct memory *mem, struct input *in)
{
    uint8_t type = take_byte(in), sector = take_byte(in), odd = take_byte(in);
    const struct {
        le32 type, reserved;
        le64 sector;
    } header = {to_le32(types[type % ARRAY_SIZE(types)]), to_le32(odd),
                to_le64(odd > 250   ? UINT64_MAX - sector
                        : odd > 240 ? UINT64_MAX / 512 + sector
                                    : sector)};

    memcpy(ram(mem, HEADER, sizeof(header)), &header, sizeof(header));
}

/* Ranges of a list, some good. */
static void put_ranges(const struct memory *mem)
{
    for (unsigned i = 0; i < 4096; i++) {
        const struct {
            le64 sector;
            le32 sectors, flags;
        } range = {to_le64(i * 37 % 140), to_le32(i % 17), to_le32(i % 19 == 0 ? 2 : i % 5 == 0)};
        memcpy(ram(mem, DATA + 16ull * i, 16), &range, 16);
    }
}

static struct fake_piece take_piece(struct input *in)
{
    uint8_t shape = take_byte(in), len = take_byte(in);
    struct fake_piece piece = {.addr = DATA + 16 * (shape % 32u),
                               .len = lengths[len % ARRAY_SIZE(lengths)]};

    piece.flags = shape % 64 >= 32 ? FAKE_WRITE : 0;
    if (shape > 250)
        piece.addr = RAM_BYTES - shape % 4u;
    return piece;
}

/* Where the last writable byte is; 0 if there is none. The bytes that there is room for. */
static gpa_t status_of(const struct fake_piece *pieces, unsigned count, uint64_t *ret_room)
{
    gpa_t at = 0;

    *ret_room = 0;
    for (unsigned i = 0; i < count; i++)
        if (pieces[i].flags == FAKE_WRITE && pieces[i].len > 0) {
            at = pieces[i].addr + pieces[i].len - 1;
            *ret_room += pieces[i].len;
        }
    return at;
}

/* Offers a chain and waits: true if it came back, false if the device needs a reset. */
static bool ask(struct fake_driver *drv, struct input *in, uint8_t shape)
{
    struct fake_piece pieces[PIECES_MAX + 1] = {{HEADER, shape % 32 == 31 ? 15 : 16, 0}};
    unsigned count = 1 + shape % (PIECES_MAX + 1);
    uint16_t queue = (shape & 64) != 0;
    struct fake_ring *ring = &drv->ring[queue];
    uint32_t id, len;
    uint64_t room;

    put_header(drv->dev->mem, in);
    for (unsigned i = 1; i < count; i++)
        pieces[i] = take_piece(in);
    gpa_t status = status_of(pieces, count, &room);
    fake_offer(ring, (shape & 16) != 0 ? fake_chain_indirect(ring, TABLE, pieces, count)
                                       : fake_chain(ring, pieces, count));
    fake_write(drv, FAKE_QUEUE_NOTIFY, queue);
    for (unsigned i = 0; !fake_used(ring, &id, &len); i++) {
        if ((fake_read(drv, FAKE_STATUS) & 64) != 0)
            return false;
        must(i < WAITS_MAX, "an answer");
        (void)fake_wait_irq(drv, 1000);
    }
    must(len <= room, "no more than there is room for");
    must(room == 0 || *ram(drv->dev->mem, status, 1) <= 2, "a status");
    must(!fake_used(ring, &id, &len), "once");
    return true;
}

static int make_image(char path[32])
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    must(fd >= 0 && ftruncate(fd, DISK_BYTES) == 0, "an image");
    must(pwrite(fd, "first", 5, 0) == 5 && pwrite(fd, "last", 4, DISK_BYTES - 4) == 4, "bytes");
    (void)snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static void must_be_unchanged(int fd)
{
    char got[DISK_BYTES];

    must(pread(fd, got, sizeof(got), 0) == sizeof(got), "the image");
    must(memcmp(got, "first", 5) == 0 && memcmp(got + DISK_BYTES - 4, "last", 4) == 0, "ends");
    for (unsigned i = 5; i < DISK_BYTES - 4; i++)
        must(got[i] == 0, "an image that is not to be written stays as it is");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const kinds[] = {"queues=2", "queues=2,ro", "queues=2,overlay"};
    struct input in = {data, size};
    uint8_t first = take_byte(&in);
    uint64_t features = FAKE_VERSION_1 | FAKE_INDIRECT_DESC |
                        ((first & 64) != 0 ? 1ull << 9 | 1ull << 11 | 1ull << 12 : 0) |
                        ((first & 128) != 0 ? 1ull << 13 | 1ull << 14 : 0);
    struct virtio_device *dev;
    struct fake_driver drv;
    struct memory mem;
    char path[32], text[64];
    int fd = make_image(path);

    fake_layout = take_layout(&in);
    log_set_level(LOG_LEVEL_ERROR); /* what the guest does wrong is told as warnings */
    fake_memory(&mem, RAM_BYTES);
    put_ranges(&mem);
    (void)snprintf(text, sizeof(text), "path=%s,%s", path, kinds[first % 3]);
    must(fake_make(&virtio_blk, &mem, text, &dev) == 0, "a device");
    fake_driver_init(&drv, dev, RINGS);
    must(virtio_start(dev) == 0, "a worker");
    must(fake_start(&drv, features) == 15, "it works");
    for (unsigned i = 0; in.left > 0 && i < CHAINS_MAX; i++) {
        uint8_t shape = take_byte(&in);
        if (shape != 0 && ask(&drv, &in, shape))
            continue;
        must(fake_start(&drv, features) == 15, "it works again");
    }
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    memory_destroy(&mem);
    if (first % 3 != 0)
        must_be_unchanged(fd);
    (void)close(fd);
    return 0;
}
