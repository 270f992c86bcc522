/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk of 1 MiB behind its registers, and a driver that asks it for things. Between the device
 * and its engine stands a layer that does what the host's disk can't be made to do: hold
 * operations, and spoil their results.
 */
#pragma once

#include "devices/blk/blk.h"
#include "tests/fake_driver.h"

#define DISK_BYTES   0x100000u
#define DISK_SECTORS (DISK_BYTES / 512)

/* Where things are in the guest's RAM. */
#define DISK_HEADER 0x80000
#define DISK_STATUS 0x80100
#define DISK_DATA   0x100000
#define DISK_APART  0x200000
#define DISK_RAM    0x400000

/* Features (virtio 1.2 §5.2.3). */
#define DISK_RO           (1ull << 5)
#define DISK_FLUSH        (1ull << 9)
#define DISK_CONFIG_WCE   (1ull << 11)
#define DISK_MQ           (1ull << 12)
#define DISK_DISCARD      (1ull << 13)
#define DISK_WRITE_ZEROES (1ull << 14)
#define DISK_ALL          (~0ull)

enum disk_type {
    DISK_IN = 0,
    DISK_OUT = 1,
    DISK_FLUSH_REQUEST = 4,
    DISK_GET_ID = 8,
    DISK_DISCARD_REQUEST = 11,
    DISK_WRITE_ZEROES_REQUEST = 13,
};

/* What is wrong with the host: set by the test at any time. */
struct disk_faults {
    atomic_bool hold;        /* nothing finishes */
    atomic_uint reset_looks; /* a reset has looked so often in vain: `hold` is over; 0: it is not */
    atomic_int error;        /* every operation of that kind ends so: -errno; 0: none */
    atomic_uint kind;        /* of `error`: enum blk_op_kind */
    atomic_uint short_bytes; /* reads and writes do no more than this at once; 0: all */
    atomic_uint begun, syncs, allocates;
};

struct disk {
    struct memory mem;
    struct virtio_device *dev;
    struct fake_driver drv;
    struct disk_faults faults;
    char path[32];
    uint32_t used_len; /* of the last answer */
};
extern struct disk disk;

/* Makes the file: byte i of sector s is s + i. */
void disk_setup(void);
void disk_teardown(void);
/* A device with these options (after path=); denied: as where the host denies io_uring. */
void disk_create(const char *options, bool denied);
/* Up to DRIVER_OK, with those of the features that it offers. */
void disk_start(uint64_t features);

/* A request in the first queue, not kicked. `len` bytes of data at DISK_DATA. */
void disk_offer(uint32_t type, uint64_t sector, uint32_t len);
/* The same of one sector, with memory of its own: for several at once. */
void disk_offer_apart(uint16_t queue, unsigned index, uint32_t type, uint64_t sector);
uint8_t *disk_apart_status(unsigned index);
uint8_t *disk_apart_data(unsigned index);
/* Any chain. */
void disk_offer_pieces(uint16_t queue, const struct fake_piece *pieces, unsigned count);
void disk_kick(uint16_t queue);
/* Waits for the next answer: its status byte. */
uint8_t disk_answer(void);
/* All three. */
uint8_t disk_ask(uint32_t type, uint64_t sector, uint32_t len);
/* DISCARD or WRITE_ZEROES of one range. */
uint8_t disk_ask_range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags);
void disk_put_header(gpa_t addr, uint32_t type, uint64_t sector);

uint8_t *disk_ram(gpa_t addr, uint64_t len);
/* Fills RAM at DISK_DATA with bytes that are `seed` plus their place. */
void disk_fill(uint8_t seed, uint32_t len);
/* What the file has there. */
void disk_file_read(uint64_t offset, void *ret_buf, size_t len);
/* That it has what disk_setup() wrote, there. */
void disk_file_unchanged(uint64_t offset, size_t len);
