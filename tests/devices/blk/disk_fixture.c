/* SPDX-License-Identifier: BSD-3-Clause */
/* See disk_fixture.h. */
#include "tests/devices/blk/disk_fixture.h"

#include "devices/blk/uring.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>

#define RINGS 0x10000

struct disk disk;

static const struct blk_engine_ops *real;

/* -- between the device and its engine -- */

static void fault_submit(struct blk_engine *engine, struct blk_op *op)
{
    disk.faults.begun++;
    disk.faults.syncs += op->kind == BLK_OP_SYNC;
    disk.faults.allocates += op->kind == BLK_OP_ALLOCATE;
    real->submit(engine, op);
}

static struct blk_op *fault_reap(struct blk_engine *engine)
{
    struct disk_faults *faults = &disk.faults;
    bool in_reset = container_of(disk.dev, struct blk, dev)->dropping;

    if (in_reset && faults->reset_looks > 0 && --faults->reset_looks == 0)
        faults->hold = false;
    struct blk_op *op = faults->hold ? NULL : real->reap(engine);

    if (op == NULL)
        return NULL;
    int error = faults->error; /* each once: the test changes them meanwhile */
    ssize_t short_bytes = faults->short_bytes;
    if (error != 0 && op->kind == faults->kind)
        op->result = error;
    else if (short_bytes > 0 && op->result > short_bytes)
        op->result = short_bytes;
    return op;
}

static bool fault_flush(struct blk_engine *engine)
{
    return real->flush(engine);
}

static void fault_destroy(struct blk_engine *engine)
{
    real->destroy(engine);
}

static const struct blk_engine_ops fault_ops = {
    .submit = fault_submit, .flush = fault_flush, .reap = fault_reap, .destroy = fault_destroy};

/* -- the device -- */

static int deny(unsigned entries, struct io_uring *ring, unsigned flags)
{
    (void)entries, (void)ring, (void)flags;
    return -EPERM;
}

void disk_setup(void)
{
    uint8_t bytes[512];

    disk = (struct disk){.path = "/tmp/linnet-disk-XXXXXX"};
    int fd = mkostemp(disk.path, O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    for (unsigned sector = 0; sector < DISK_SECTORS; sector++) {
        for (unsigned i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)(sector + i);
        ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    }
    ck_assert_int_eq(close(fd), 0);
    fake_memory(&disk.mem, DISK_RAM);
}

void disk_teardown(void)
{
    virtio_destroy(disk.dev);
    if (disk.dev != NULL)
        fake_driver_fini(&disk.drv);
    memory_destroy(&disk.mem);
    (void)unlink(disk.path);
}

void disk_create(const char *options, bool denied)
{
    char text[256];

    ck_assert_int_eq(library_load(&uring_library), 0);
    __typeof__(uring.queue_init) init = uring.queue_init;
    if (denied)
        uring.queue_init = deny;
    (void)snprintf(text, sizeof(text), "path=%s%s%s", disk.path, options[0] != '\0' ? "," : "",
                   options);
    ck_assert_int_eq(fake_make(&virtio_blk, &disk.mem, text, &disk.dev), 0);
    uring.queue_init = init;
    struct blk_engine *engine = container_of(disk.dev, struct blk, dev)->engine;
    real = engine->ops;
    engine->ops = &fault_ops;
    fake_driver_init(&disk.drv, disk.dev, RINGS);
    ck_assert_int_eq(virtio_start(disk.dev), 0);
}

void disk_start(uint64_t features)
{
    ck_assert_uint_eq(fake_start(&disk.drv, features & ~FAKE_EVENT_IDX), 15);
}

/* -- the driver -- */

uint8_t *disk_ram(gpa_t addr, uint64_t len)
{
    return memory_at(&disk.mem, addr, len);
}

void disk_put_header(gpa_t addr, uint32_t type, uint64_t sector)
{
    const struct {
        le32 type, reserved;
        le64 sector;
    } header = {to_le32(type), to_le32(0), to_le64(sector)};

    memcpy(disk_ram(addr, sizeof(header)), &header, sizeof(header));
}

void disk_offer_pieces(uint16_t queue, const struct fake_piece *pieces, unsigned count)
{
    struct fake_ring *ring = &disk.drv.ring[queue];

    fake_offer(ring, fake_chain(ring, pieces, count));
}

void disk_offer(uint32_t type, uint64_t sector, uint32_t len)
{
    bool reads = type == DISK_IN || type == DISK_GET_ID;
    const struct fake_piece pieces[] = {{DISK_HEADER, 16, 0},
                                        {DISK_DATA, len, reads ? FAKE_WRITE : 0},
                                        {DISK_STATUS, 1, FAKE_WRITE}};

    disk_put_header(DISK_HEADER, type, sector);
    *disk_ram(DISK_STATUS, 1) = 0xff;
    disk_offer_pieces(0, pieces, 3);
}

static gpa_t apart(unsigned index)
{
    return DISK_APART + 0x1000ull * index;
}

void disk_offer_apart(uint16_t queue, unsigned index, uint32_t type, uint64_t sector)
{
    gpa_t at = apart(index);
    const struct fake_piece pieces[] = {
        {at, 16, 0}, {at + 512, 512, type == DISK_IN ? FAKE_WRITE : 0}, {at + 16, 1, FAKE_WRITE}};

    disk_put_header(at, type, sector);
    *disk_apart_status(index) = 0xff;
    disk_offer_pieces(queue, pieces, 3);
}

uint8_t *disk_apart_status(unsigned index)
{
    return disk_ram(apart(index) + 16, 1);
}

uint8_t *disk_apart_data(unsigned index)
{
    return disk_ram(apart(index) + 512, 512);
}

void disk_kick(uint16_t queue)
{
    fake_write(&disk.drv, FAKE_QUEUE_NOTIFY, queue);
}

uint8_t disk_answer(void)
{
    uint32_t id;

    ck_assert(fake_wait_used(&disk.drv, 0, &id, &disk.used_len));
    return *disk_ram(DISK_STATUS, 1);
}

uint8_t disk_ask(uint32_t type, uint64_t sector, uint32_t len)
{
    disk_offer(type, sector, len);
    disk_kick(0);
    return disk_answer();
}

uint8_t disk_ask_range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    const struct {
        le64 sector;
        le32 sectors, flags;
    } range = {to_le64(sector), to_le32(sectors), to_le32(flags)};

    memcpy(disk_ram(DISK_DATA, sizeof(range)), &range, sizeof(range));
    return disk_ask(type, 0, sizeof(range));
}

/* -- bytes -- */

void disk_fill(uint8_t seed, uint32_t len)
{
    uint8_t *ram = disk_ram(DISK_DATA, len);

    for (uint32_t i = 0; i < len; i++)
        ram[i] = (uint8_t)(seed + i);
}

void disk_file_read(uint64_t offset, void *ret_buf, size_t len)
{
    int fd = open(disk.path, O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, ret_buf, len, (off_t)offset), (ssize_t)len);
    ck_assert_int_eq(close(fd), 0);
}

void disk_file_unchanged(uint64_t offset, size_t len)
{
    static uint8_t got[DISK_BYTES];

    disk_file_read(offset, got, len);
    for (size_t i = 0; i < len; i++)
        ck_assert_uint_eq(got[i], (uint8_t)((offset + i) / 512 + (offset + i) % 512));
}
