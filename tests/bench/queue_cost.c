/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a request costs in the virtqueue itself, on the device's side: taken, its bytes looked for,
 * given back, and the question whether to notify. Whoever runs this under valgrind's callgrind
 * counts the instructions of serve() (bench/queue.sh).
 *
 *   queue_cost LAYOUT SHAPE BATCH
 *
 * LAYOUT: split or packed. SHAPE: one, list, table: one descriptor, three in a list, three in an
 * indirect table. BATCH: requests that wait when the device looks.
 */
#include "tests/fake_ring.h"
#include "virtio/queue.h"

#include <stdlib.h>
#include <string.h>

#define RING    0x10000
#define TABLES  0x40000
#define DATA    0x80000
#define SIZE    256
#define BATCHES 1000

static struct memory mem;
static struct virtq vq;
static struct fake_ring ring;

/* As a device's notify() does it. */
__attribute__((noinline)) static bool serve(void)
{
    struct chain chain;
    uint8_t header[4];

    virtq_round(&vq);
    while (virtq_pop(&vq, &chain) > 0) {
        (void)chain_read(&chain, header, sizeof(header));
        (void)chain_skip_writable(&chain, chain_writable(&chain) - 8);
        (void)chain_write(&chain, "12345678", 8);
        virtq_push(&vq, &chain);
    }
    return virtq_should_signal(&vq);
}

static void offer(const char *shape)
{
    const struct fake_piece pieces[] = {
        {DATA, 4, 0}, {DATA + 64, 1920, 0}, {DATA + 4096, 8, FAKE_WRITE}};
    uint16_t head;

    if (strcmp(shape, "one") == 0)
        head = fake_chain(&ring, pieces + 2, 1);
    else if (strcmp(shape, "list") == 0)
        head = fake_chain(&ring, pieces, 3);
    else
        head = fake_chain_indirect(&ring, TABLES + 64ull * ring.next_desc, pieces, 3);
    fake_offer(&ring, head);
}

int main(int argc, char *argv[])
{
    const struct virtq_limits limits = {.size = SIZE, .chain_descs = SIZE};
    uint64_t features = FAKE_VERSION_1 | FAKE_EVENT_IDX | FAKE_INDIRECT_DESC;
    uint32_t id, len;

    if (argc != 4)
        return 1;
    if (strcmp(argv[1], "packed") == 0)
        features |= FAKE_RING_PACKED;
    int r = memory_create(&mem, 0x100000, &(struct memory_layout){0, 0, 0}, MEMORY_PAGES_OFF);
    if (r == 0)
        r = virtq_init(&vq, &mem, 0, &limits);
    fake_ring_init(&ring, &mem, SIZE, RING, features);
    vq.config = (struct virtq_config){
        .size = SIZE, .ready = true, .desc = ring.desc, .driver = ring.avail, .device = ring.used};
    if (r == 0)
        r = virtq_start(&vq, features);
    for (unsigned i = 0; i < BATCHES && r == 0; i++) {
        for (int left = atoi(argv[3]); left > 0; left--)
            offer(argv[2]);
        fake_used_event_set(&ring, ring.used_seen);
        if (!serve())
            r = -EIO;
        while (fake_used(&ring, &id, &len))
            continue;
    }
    virtq_stop(&vq);
    virtq_fini(&vq);
    memory_destroy(&mem);
    return r == 0 ? 0 : 1;
}
