/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes a queue with a program of a driver and a device. Byte 0: bit 0 event index, bit 1 indirect
 * descriptors, bit 2 a packed ring, bit 3 in order, bits 4 to 6 the logarithm of the size, of which
 * bit 7 takes 1 off a packed ring's. Then instructions, one letter and its operands (n: one byte):
 *
 *   D i a a l l f n   descriptor i: address, length (16 bits each), flags, next
 *   T i a a l l f n   the same in the indirect table
 *   H i               descriptor i's address gets its upper half set: far outside RAM
 *   A n               offers head n, or makes slot n available in the lap that it is time for
 *   F i f f           flags of a packed ring's descriptor i
 *   I n n             sets avail.idx
 *   M a a n ...       writes n bytes to RAM  E n n   sets used_event
 *   p  pops           u n  pushes the chain held n-th            s  asks whether to notify
 *   r n k n z n w n   reads, skips, zeroes, writes n bytes of the chain popped last
 *   o  a new round    x  stops and starts the queue
 *
 * Beyond memory safety: a chain lies in RAM and adds up, a broken queue stays dead, and popping and
 * pushing change no byte of RAM outside the used ring, or what stands for it.
 */
#include "virtio/queue.h"

#include "tests/fake_driver.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define RAM_BYTES 0x10000
#define RAM_LOW   0x8000 /* the rest is at RAM_HIGH */
#define RAM_HIGH  0xc000
#define RING      0x1000
#define TABLE     0x4000
#define HELD_MAX  128
#define DESCS_MAX 1024
#define POPS_MAX  20000
#define CHUNK_MAX 256

struct program {
    struct input in;
    struct memory mem;
    struct virtq vq;
    struct fake_ring ring;
    bool broken;
    uint64_t features;
    unsigned held_count;
    struct chain held[HELD_MAX];
    uint8_t before[RAM_BYTES];
};

/* -- what has to hold -- */

static void ram_note(struct program *p)
{
    memcpy(p->before, p->mem.host, RAM_BYTES);
}

static void same(const struct program *p, size_t start, size_t end)
{
    HOLDS(memcmp(p->before + start, p->mem.host + start, end - start) == 0);
}

/* Only the used ring differs, or a packed ring's event area, and where something was pushed its
 * descriptors. They lie in the low region, where offset and address are the same. */
static void ram_check(const struct program *p, bool pushed)
{
    const struct fake_ring *ring = &p->ring;
    size_t end = ring->used + (ring->packed ? 4 : 6 + 8u * ring->size);

    same(p, 0, ring->desc);
    same(p, ring->packed && pushed ? ring->avail : ring->desc, ring->used);
    same(p, end, RAM_BYTES);
}

static void part_check(const struct program *p, const struct iovec *iov, int count, uint32_t len)
{
    uint64_t sum = 0;

    HOLDS(count >= 0);
    for (int i = 0; i < count; i++) {
        const uint8_t *base = iov[i].iov_base;
        HOLDS(base >= p->mem.host && base < p->mem.host + RAM_BYTES);
        HOLDS(iov[i].iov_len > 0 && iov[i].iov_len <= (size_t)(p->mem.host + RAM_BYTES - base));
        sum += iov[i].iov_len;
    }
    HOLDS(sum == len);
}

/* Looks at a copy: the cursors of the chain stay. */
static void chain_check(const struct program *p, struct chain chain)
{
    static struct iovec iov[DESCS_MAX];
    uint32_t readable = chain_readable(&chain), writable = chain_writable(&chain);

    part_check(p, iov, chain_read_iov(&chain, readable, iov, DESCS_MAX), readable);
    part_check(p, iov, chain_write_iov(&chain, writable, iov, DESCS_MAX), writable);
    HOLDS(chain_readable(&chain) == 0 && chain_writable(&chain) == 0);
}

/* -- instructions -- */

static void set_desc(struct program *p, gpa_t table)
{
    uint32_t index = take_byte(&p->in) % (table == TABLE ? 64u : p->ring.size);
    struct fake_piece piece = {.addr = take_word(&p->in)};

    piece.len = take_word(&p->in);
    piece.flags = take_byte(&p->in);
    (p->ring.packed ? fake_packed_desc : fake_desc)(&p->mem, table, index, piece,
                                                    take_byte(&p->in));
}

static void set_flags(struct program *p, unsigned slot, uint16_t flags)
{
    const le16 wire = to_le16(flags);

    (void)memory_write(&p->mem, p->ring.desc + 16 * (gpa_t)slot + 14, &wire, 2);
}

/* In the lap in which the device would look at it next. */
static void make_available(struct program *p, unsigned slot)
{
    uint16_t at = p->vq.next_avail, size = p->ring.size;
    bool later = slot < at % size;
    bool wrap = (at < size) != later;
    uint16_t bits = wrap ? FAKE_AVAIL : FAKE_USED, rest;
    le16 flags;

    (void)memory_read(&p->mem, p->ring.desc + 16 * (gpa_t)slot + 14, &flags, 2);
    rest = from_le16(flags) & 0x7f7f; /* without AVAIL and USED */
    set_flags(p, slot, rest | bits);
}

static void offer(struct program *p)
{
    unsigned n = take_byte(&p->in);

    if (p->ring.packed)
        make_available(p, n % p->ring.size);
    else
        fake_offer(&p->ring, (uint16_t)n);
}

static void set_event(struct program *p)
{
    uint16_t word = take_word(&p->in);

    if (p->ring.packed)
        fake_driver_event_set(&p->ring, word, word >> 5 & 3);
    else
        fake_used_event_set(&p->ring, word);
}

static void set_high(struct program *p)
{
    gpa_t at = p->ring.desc + 16 * (gpa_t)(take_byte(&p->in) % p->ring.size) + 4;

    (void)memory_write(&p->mem, at, "\xff\xff\xff\xff", 4);
}

static void set_bytes(struct program *p)
{
    gpa_t addr = take_word(&p->in);

    for (unsigned left = take_byte(&p->in); left > 0; left--) {
        uint8_t val = take_byte(&p->in);
        (void)memory_write(&p->mem, addr++, &val, 1); /* may miss RAM */
    }
}

static void pop(struct program *p)
{
    struct chain chain;

    ram_note(p);
    int r = virtq_pop(&p->vq, &chain);
    ram_check(p, false);
    HOLDS(r == 1 || r == 0 || r == -EPROTO);
    HOLDS(!p->broken || r == 0);
    p->broken |= r < 0;
    if (r != 1)
        return;
    chain_check(p, chain);
    HOLDS(p->held_count < HELD_MAX); /* a size is 128 at most */
    p->held[p->held_count++] = chain;
}

static void push(struct program *p)
{
    if (p->held_count == 0)
        return;
    unsigned which = take_byte(&p->in) % p->held_count;
    if ((p->features & FAKE_IN_ORDER) != 0)
        which = 0;
    ram_note(p);
    virtq_push(&p->vq, &p->held[which]);
    ram_check(p, true);
    p->held_count--;
    memmove(&p->held[which], &p->held[which + 1],
            (p->held_count - which) * sizeof(p->held[0])); /* oldest first */
}

static void stream(struct program *p, uint8_t op)
{
    uint8_t buf[CHUNK_MAX] = {0}, len = take_byte(&p->in);
    int r;

    if (p->held_count == 0)
        return;
    struct chain *chain = &p->held[p->held_count - 1];
    bool writes = op == 'z' || op == 'w';
    uint32_t left = writes ? chain_writable(chain) : chain_readable(chain);
    if (op == 'r')
        r = chain_read(chain, buf, len);
    else if (op == 'k')
        r = chain_skip(chain, len);
    else if (op == 'z')
        r = chain_zero(chain, len);
    else
        r = chain_write(chain, buf, len);
    HOLDS(r == (len <= left ? 0 : -EPROTO));
}

static void queue_start(struct program *p, uint8_t flags)
{
    uint16_t size = (uint16_t)(1u << (flags >> 4 & 7));

    p->features = fake_queue_features((flags & 1) != 0, (flags & 2) != 0) |
                  ((flags & 4) != 0 ? FAKE_RING_PACKED : 0) |
                  ((flags & 8) != 0 ? FAKE_IN_ORDER : 0);
    if ((flags & 4) != 0 && flags >> 7 != 0 && size > 1)
        size--;
    p->held_count = 0;
    p->broken = false;
    fake_ring_init(&p->ring, &p->mem, size, RING, p->features);
    p->vq.config = (struct virtq_config){.size = size,
                                         .ready = true,
                                         .desc = p->ring.desc,
                                         .driver = p->ring.avail,
                                         .device = p->ring.used};
    HOLDS(virtq_start(&p->vq, p->features) == 0);
}

static void step(struct program *p, uint8_t flags)
{
    uint8_t op = take_byte(&p->in);
    unsigned n;

    switch (op) {
    case 'D':
        set_desc(p, p->ring.desc);
        break;
    case 'T':
        set_desc(p, TABLE);
        break;
    case 'H':
        set_high(p);
        break;
    case 'M':
        set_bytes(p);
        break;
    case 'A':
        offer(p);
        break;
    case 'F':
        n = take_byte(&p->in);
        set_flags(p, n % p->ring.size, take_word(&p->in));
        break;
    case 'I':
        if (!p->ring.packed)
            fake_avail_idx_set(&p->ring, take_word(&p->in));
        break;
    case 'E':
        set_event(p);
        break;
    case 'p':
        pop(p);
        break;
    case 'u':
        push(p);
        break;
    case 's':
        (void)virtq_should_signal(&p->vq);
        break;
    case 'o':
        virtq_round(&p->vq);
        break;
    case 'x':
        virtq_stop(&p->vq);
        queue_start(p, flags);
        break;
    case 'r':
    case 'k':
    case 'z':
    case 'w':
        stream(p, op);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct program program;
    struct program *p = &program;

    p->in = (struct input){data, size};
    HOLDS(memory_create(&p->mem, RAM_BYTES, &(struct memory_layout){0, RAM_LOW, RAM_HIGH},
                        MEMORY_PAGES_OFF) == 0);
    const struct virtq_limits limits = {.size = 128, .chain_descs = DESCS_MAX};
    HOLDS(virtq_init(&p->vq, &p->mem, 0, &limits) == 0);
    uint8_t flags = take_byte(&p->in);
    queue_start(p, flags);
    for (unsigned i = 0; p->in.left > 0 && i < POPS_MAX; i++)
        step(p, flags);
    virtq_stop(&p->vq);
    virtq_fini(&p->vq);
    memory_destroy(&p->mem);
    return 0;
}
