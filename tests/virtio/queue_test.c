/* SPDX-License-Identifier: BSD-3-Clause */
/* The split ring: good chains, malformed ones, and that nothing is read twice (virtio 1.2 §2.7). */
#include "tests/alloc_fail.h"
#include "tests/entries.h"
#include "tests/virtio/queue_fixture.h"
#include "tests/wrap.h"

#include <string.h>
#include <sys/eventfd.h>

static void put(gpa_t addr, const void *bytes, size_t len)
{
    ck_assert_int_eq(memory_write(&mem, addr, bytes, len), 0);
}

static void expect(gpa_t addr, const void *bytes, size_t len)
{
    ck_assert_mem_eq(memory_at(&mem, addr, len), bytes, len);
}

static void offer(const struct fake_piece *pieces, unsigned count)
{
    fake_offer(&ring, fake_chain(&ring, pieces, count));
}

static void offer_indirect(const struct fake_piece *pieces, unsigned count)
{
    fake_offer(&ring, fake_chain_indirect(&ring, TABLE, pieces, count));
}

#define PIECES(...)                                                                                \
    (const struct fake_piece[]){__VA_ARGS__}, ARRAY_SIZE(((struct fake_piece[]){__VA_ARGS__}))

/* -- start -- */

static const struct {
    uint16_t size;
    int result;
} sizes[] = {
    {0, -EINVAL}, {1, 0},         {2, 0},         {3, -EINVAL},     {24, -EINVAL},
    {256, 0},     {257, -EINVAL}, {512, -EINVAL}, {32768, -EINVAL}, {65535, -EINVAL},
};

/* proves: VQ-S-01 */
START_TEST(size_must_be_power_of_two_up_to_max)
{
    configure(256, FAKE_VERSION_1);
    vq.limits.size = 256;
    vq.config.size = sizes[_i].size;
    ck_assert_int_eq(virtq_start(&vq, FAKE_VERSION_1), sizes[_i].result);
    ck_assert_int_eq(vq.running, sizes[_i].result == 0);
}
END_TEST

static const struct areas areas[] = {
    {0x1000, 0x2000, 0x3000, 0},
    {0x1000, 0x2002, 0x3004, 0},
    /* misaligned */
    {0x1008, 0x2000, 0x3000, -EINVAL},
    {0x1000, 0x2001, 0x3000, -EINVAL},
    {0x1000, 0x2000, 0x3002, -EINVAL},
    /* the last byte of 128, 22 and 70 is the last byte of low RAM, or one further */
    {RAM_LOW - 128, 0x2000, 0x3000, 0},
    {RAM_LOW - 112, 0x2000, 0x3000, -EINVAL},
    {0x1000, RAM_LOW - 22, 0x3000, 0},
    {0x1000, RAM_LOW - 20, 0x3000, -EINVAL},
    {0x1000, 0x2000, RAM_LOW - 72, 0},
    {0x1000, 0x2000, RAM_LOW - 68, -EINVAL},
    /* in the hole, beyond everything, wrapping */
    {RAM_LOW, 0x2000, 0x3000, -EINVAL},
    {0x1000, RAM_HIGH + 0x100000, 0x3000, -EINVAL},
    {0x1000, 0x2000, UINT64_MAX - 3, -EINVAL},
    {UINT64_MAX - 15, 0x2000, 0x3000, -EINVAL},
    /* all the same place: silly, but memory-safe */
    {0x1000, 0x1000, 0x1000, 0},
};

/* proves: VQ-S-02, VQ-S-03 */
START_TEST(areas_must_be_aligned_and_in_ram)
{
    start_at(&areas[_i], 8, FAKE_VERSION_1);
}
END_TEST

START_TEST(queue_that_cannot_be_made_leaves_nothing)
{
    static const enum wrap_call calls[] = {WRAP_EVENTFD, WRAP_MMAP};
    const struct virtq_limits limits = {.size = 8, .chain_descs = 8};
    unsigned files = entries_count("/proc/self/fd");
    struct virtq other;

    wrap_fail_after(calls[_i], 0, ENOMEM);
    int r = virtq_init(&other, &mem, 0, &limits);
    wrap_stop(calls[_i]);
    ck_assert_int_eq(r, -ENOMEM);
    virtq_fini(&other);
    virtq_fini(&other);
    ck_assert_uint_eq(entries_count("/proc/self/fd"), files);
}
END_TEST

/* All that a queue needs was made with it: a guest that starts it makes nothing be allocated. */
START_TEST(start_needs_no_memory)
{
    configure(8, FAKE_VERSION_1);
    alloc_fail_after(0);
    wrap_fail_after(WRAP_MMAP, 0, ENOMEM);
    int r = virtq_start(&vq, FAKE_VERSION_1);
    wrap_stop(WRAP_MMAP);
    ck_assert(!alloc_fail_stop());
    ck_assert_int_eq(r, 0);
}
END_TEST

START_TEST(stopped_queue_is_empty)
{
    start(8, false, true);
    offer(PIECES({DATA, 4, 0}));
    virtq_stop(&vq);
    virtq_stop(&vq);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    ck_assert(!virtq_should_signal(&vq));
}
END_TEST

/* -- going on where another one stopped -- */

static void take(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        offer(PIECES({DATA, 4, 2}));
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    }
}

START_TEST(position_is_told_and_taken_up)
{
    uint32_t id, len;

    start(4, false, true);
    take(3);
    virtq_push(&vq, &chain); /* the others are under way */
    ck_assert_uint_eq(virtq_base(&vq, false), 3);
    ck_assert_uint_eq(virtq_base(&vq, true), 1);
    virtq_stop(&vq);
    ck_assert_uint_eq(virtq_base(&vq, false), 3);
    vq.config.resumes = true;
    vq.config.base = virtq_base(&vq, true);
    ck_assert_int_eq(virtq_start(&vq, FAKE_VERSION_1), 0);
    for (uint16_t expected = 1; expected < 3; expected++) {
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        ck_assert_uint_eq(chain.id, expected);
        virtq_push(&vq, &chain);
    }
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    ck_assert(fake_used(&ring, &id, &len) && id == 2);
    ck_assert(fake_used(&ring, &id, &len) && id == 1);
    ck_assert(fake_used(&ring, &id, &len) && id == 2);
    ck_assert_uint_eq(fake_used_idx(&ring), 3);
}
END_TEST

static const struct {
    uint16_t used_idx;
    uint32_t base;
    int result;
} bases[] = {
    {0, 0, 0},       {0, 4, 0},      {0, 5, -EINVAL},      {0, 0xffff, -EINVAL},
    {7, 7, 0},       {0xfffe, 2, 0}, {0xfffe, 3, -EINVAL}, {3, 0x10003, 0},
    {8, 7, -EINVAL},
};

START_TEST(position_beyond_the_ring_is_refused)
{
    const le16 used_idx = to_le16(bases[_i].used_idx);

    configure(4, FAKE_VERSION_1);
    put(ring.used + 2, &used_idx, 2);
    vq.config.resumes = true;
    vq.config.base = bases[_i].base;
    ck_assert_uint_eq(virtq_base(&vq, false), bases[_i].base); /* it never started */
    ck_assert_int_eq(virtq_start(&vq, FAKE_VERSION_1), bases[_i].result);
}
END_TEST

/* -- good chains -- */

/* proves: VQ-G-01, VQ-S-12 */
START_TEST(wire_is_little_endian)
{
    static const uint8_t desc[] = {0x00, 0x00, 0x08, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0};
    static const uint8_t avail[] = {0, 0, 1, 0, 5, 0};
    static const uint8_t used[] = {1, 0, 1, 0, 5, 0, 0, 0, 3, 0, 0, 0};

    start(8, false, true);
    put(ring.desc + 5 * 16, desc, sizeof(desc));
    put(ring.avail, avail, sizeof(avail));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(chain_write(&chain, "abc", 3), 0);
    virtq_push(&vq, &chain);
    expect(DATA, "abc", 3);
    expect(ring.used, used, sizeof(used));
}
END_TEST

/* proves: VQ-G-03 */
START_TEST(header_split_anywhere_reads_the_same)
{
    static const char text[] = "0123456789abcdef";
    uint32_t cut = (uint32_t)_i;
    char got[16];

    start(8, false, true);
    put(DATA, text, cut);
    put(DATA + 0x1000, text + cut, 16 - cut);
    offer(PIECES({DATA, cut, 0}, {DATA + 0x1000, 16 - cut, 0}, {DATA + 0x2000, cut, 2},
                 {DATA + 0x3000, 16 - cut, 2}));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_uint_eq(chain_readable(&chain), 16);
    ck_assert_uint_eq(chain_writable(&chain), 16);
    ck_assert_int_eq(chain_read(&chain, got, 5), 0);
    ck_assert_int_eq(chain_read(&chain, got + 5, 11), 0);
    ck_assert_mem_eq(got, text, 16);
    ck_assert_int_eq(chain_write(&chain, text, 11), 0);
    ck_assert_int_eq(chain_write(&chain, text + 11, 5), 0);
    expect(DATA + 0x2000, text, cut);
    expect(DATA + 0x3000, text + cut, 16 - cut);
}
END_TEST

START_TEST(skip_and_zero_move_like_read_and_write)
{
    char got[3];

    start(8, false, true);
    put(DATA, "abcdef", 6);
    put(DATA + 0x100, "xxxxxx", 6);
    offer(PIECES({DATA, 2, 0}, {DATA + 3, 3, 0}, {DATA + 0x100, 2, 2}, {DATA + 0x104, 2, 2}));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(chain_skip(&chain, 1), 0);
    ck_assert_int_eq(chain_read(&chain, got, 3), 0);
    ck_assert_mem_eq(got, "bde", 3);
    ck_assert_int_eq(chain_skip(&chain, 2), -EPROTO);
    ck_assert_int_eq(chain_skip(&chain, 1), 0);
    ck_assert_int_eq(chain_read(&chain, got, 1), -EPROTO);
    ck_assert_int_eq(chain_zero(&chain, 1), 0);
    ck_assert_int_eq(chain_skip_writable(&chain, 4), -EPROTO);
    ck_assert_int_eq(chain_skip_writable(&chain, 2), 0);
    ck_assert_int_eq(chain_zero(&chain, 2), -EPROTO);
    ck_assert_int_eq(chain_write(&chain, "z", 1), 0);
    ck_assert_int_eq(chain_write(&chain, "z", 1), -EPROTO);
    ck_assert_uint_eq(chain.written, 2);
    expect(DATA + 0x100, "\0xxxxz", 6);
}
END_TEST

/* proves: VQ-G-08, VQ-S-13 */
START_TEST(used_length_is_what_was_written)
{
    uint32_t id, len;

    start(8, false, true);
    offer(PIECES({DATA, 3, 2}, {DATA + 16, 3, 2}));
    offer(PIECES({DATA, 3, 2}));
    offer(PIECES({DATA, 3, 0}));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(chain_write(&chain, "12345", 5), 0);
    virtq_push(&vq, &chain);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    virtq_push(&vq, &chain);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    virtq_push(&vq, &chain);
    ck_assert(fake_used(&ring, &id, &len) && id == 0 && len == 5);
    ck_assert(fake_used(&ring, &id, &len) && id == 2 && len == 0);
    ck_assert(fake_used(&ring, &id, &len) && id == 3 && len == 0);
    ck_assert(!fake_used(&ring, &id, &len));
    expect(DATA + 16, "45\0", 3);
}
END_TEST

/* proves: VQ-G-12, VQ-S-12 */
START_TEST(chains_return_once_in_any_order)
{
    struct chain a, b, c;
    uint32_t id, len;

    start(8, false, true);
    offer(PIECES({DATA, 1, 0}, {DATA, 1, 0}));
    offer(PIECES({DATA, 1, 0}));
    offer(PIECES({DATA, 1, 0}, {DATA, 1, 0}));
    ck_assert_int_eq(virtq_pop(&vq, &a), 1);
    ck_assert_int_eq(virtq_pop(&vq, &b), 1);
    ck_assert_int_eq(virtq_pop(&vq, &c), 1);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    virtq_push(&vq, &c);
    virtq_push(&vq, &a);
    virtq_push(&vq, &b);
    ck_assert(fake_used(&ring, &id, &len) && id == 3);
    ck_assert(fake_used(&ring, &id, &len) && id == 0);
    ck_assert(fake_used(&ring, &id, &len) && id == 2);
    ck_assert(!fake_used(&ring, &id, &len));
}
END_TEST

/* proves: VQ-O-05 */
START_TEST(in_order_ring_is_checked_like_any_other)
{
    start_with(8, FAKE_VERSION_1 | FAKE_IN_ORDER);
    fake_desc(&mem, ring.desc, 3, (struct fake_piece){DATA, 1, FAKE_NEXT}, 1); /* not 4 */
    fake_desc(&mem, ring.desc, 1, (struct fake_piece){DATA, 1, 0}, 0);
    fake_offer(&ring, 3);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_uint_eq(chain_readable(&chain), 2);
    fake_desc(&mem, ring.desc, 2, (struct fake_piece){DATA, 1, FAKE_NEXT}, 8);
    fake_offer(&ring, 2);
    ck_assert_int_eq(virtq_pop(&vq, &chain), -EPROTO);
}
END_TEST

/* The broken queue stands where it stood. */
START_TEST(in_order_requests_of_a_broken_ring_go_nowhere)
{
    struct chain held[3];

    start_with(4, FAKE_VERSION_1 | FAKE_IN_ORDER);
    for (unsigned i = 0; i < 3; i++) {
        offer(PIECES({DATA, 1, 0}));
        ck_assert_int_eq(virtq_pop(&vq, &held[i]), 1);
    }
    fake_break(&ring);
    ck_assert_int_eq(virtq_pop(&vq, &chain), -EPROTO);
    for (unsigned i = 0; i < 3; i++)
        virtq_push(&vq, &held[i]);
    ck_assert_uint_eq(fake_used_idx(&ring), 0);
}
END_TEST

/* Each has its own used element, whether the driver could do with the last one's or not. */
/* The driver may have moved used.idx: requests between it and the position are nobody's. */
START_TEST(in_order_requests_that_were_not_used_are_taken_anew)
{
    uint32_t id, len;

    start_with(4, FAKE_VERSION_1 | FAKE_IN_ORDER);
    take(3);
    virtq_stop(&vq);
    vq.config.resumes = true;
    vq.config.base = virtq_base(&vq, false);
    ck_assert_int_eq(virtq_start(&vq, FAKE_VERSION_1 | FAKE_IN_ORDER), 0);
    for (uint16_t i = 0; i < 3; i++) {
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        virtq_push(&vq, &chain);
        ck_assert(fake_used(&ring, &id, &len) && id == i);
    }
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
}
END_TEST

START_TEST(in_order_requests_are_used_one_by_one)
{
    struct chain held[3];
    uint32_t id, len;

    start_with(4, FAKE_VERSION_1 | FAKE_IN_ORDER);
    for (unsigned i = 0; i < 3; i++) {
        offer(PIECES({DATA, 1, 0}));
        ck_assert_int_eq(virtq_pop(&vq, &held[i]), 1);
    }
    virtq_push(&vq, &held[0]);
    virtq_push_all(&vq, &held[1], 2);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert(fake_used(&ring, &id, &len) && id == i && len == 0);
}
END_TEST

/* proves: VQ-S-16 */
START_TEST(same_head_twice_gives_two_requests)
{
    struct chain again;
    char got[2];
    uint32_t id, len;

    start(2, false, true);
    put(DATA, "ab", 2);
    fake_offer(&ring, fake_chain(&ring, PIECES({DATA, 2, 0})));
    fake_offer(&ring, 0);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(virtq_pop(&vq, &again), 1);
    ck_assert_ptr_ne(chain.chunks, again.chunks);
    ck_assert_int_eq(chain_read(&chain, got, 2), 0);
    ck_assert_int_eq(chain_read(&again, got, 2), 0);
    virtq_push(&vq, &again);
    virtq_push(&vq, &chain);
    ck_assert(fake_used(&ring, &id, &len) && id == 0);
    ck_assert(fake_used(&ring, &id, &len) && id == 0);
}
END_TEST

/* proves: VQ-S-16 */
START_TEST(more_requests_than_descriptors_break_the_ring)
{
    struct chain held[2];

    start(2, false, true);
    offer(PIECES({DATA, 2, 0}));
    fake_offer(&ring, 0);
    ck_assert_int_eq(virtq_pop(&vq, &held[0]), 1);
    ck_assert_int_eq(virtq_pop(&vq, &held[1]), 1);
    fake_offer(&ring, 0);
    ck_assert_int_eq(virtq_pop(&vq, &chain), -EPROTO);
}
END_TEST

/* proves: VQ-G-11 */
START_TEST(zero_length_descriptors_add_no_bytes)
{
    char got[2];

    start(8, false, true);
    put(DATA, "ab", 2);
    offer(PIECES({DATA, 0, 0}, {DATA, 1, 0}, {UINT64_MAX, 0, 0}, {DATA + 1, 1, 0}, {RAM_LOW, 0, 2},
                 {DATA, 1, 2}, {0, 0, 2}));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_uint_eq(chain_readable(&chain), 2);
    ck_assert_uint_eq(chain_writable(&chain), 1);
    ck_assert_int_eq(chain_read(&chain, got, 2), 0);
    ck_assert_mem_eq(got, "ab", 2);
    ck_assert_int_eq(chain_write(&chain, "c", 1), 0);
    expect(DATA, "cb", 2);
}
END_TEST

START_TEST(neighbours_in_ram_share_an_iovec)
{
    struct iovec iov[3];

    start(8, false, true);
    offer(
        PIECES({DATA, 8, 0}, {DATA + 8, 8, 0}, {DATA + 16, 4, 2}, {DATA + 20, 4, 2}, {DATA, 1, 2}));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(chain_read_iov(&chain, 16, iov, 3), 1);
    ck_assert_uint_eq(iov[0].iov_len, 16);
    ck_assert_int_eq(chain_write_iov(&chain, 9, iov, 3), 2);
    ck_assert_uint_eq(iov[0].iov_len, 8);
    ck_assert_uint_eq(iov[1].iov_len, 1);
}
END_TEST

/* proves: VQ-G-06, VQ-S-04, VQ-S-05 */
START_TEST(only_writable_bytes_and_used_ring_change)
{
    uint8_t ring_before[256], table_before[64];

    start(8, false, true);
    put(DATA, "read", 4);
    offer_indirect(PIECES({DATA, 4, 0}, {DATA + 4, 4, 2}, {DATA + 8, 4, 2}));
    memcpy(ring_before, memory_at(&mem, ring.desc, ring.used - ring.desc), ring.used - ring.desc);
    memcpy(table_before, memory_at(&mem, TABLE, 48), 48);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(chain_write(&chain, "123456789", 9), -EPROTO);
    ck_assert_int_eq(chain_write(&chain, "12345678", 8), 0);
    virtq_push(&vq, &chain);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    expect(ring.desc, ring_before, ring.used - ring.desc);
    expect(TABLE, table_before, 48);
    expect(DATA, "read12345678", 12);
}
END_TEST

/* There is no way to read it. */
/* proves: VQ-G-07 */
START_TEST(reading_ends_where_the_writable_part_begins)
{
    struct iovec iov[2];
    char got[8];

    start(8, false, true);
    offer(PIECES({DATA, 4, 0}, {DATA + 4, 4, 2}));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(chain_read(&chain, got, 5), -EPROTO);
    ck_assert_int_eq(chain_skip(&chain, 5), -EPROTO);
    ck_assert_int_eq(chain_read_iov(&chain, 5, iov, 2), -EPROTO);
    ck_assert_int_eq(chain_read_iov(&chain, 4, iov, 2), 1); /* neighbours, but two pieces */
    ck_assert_uint_eq(iov[0].iov_len, 4);
    ck_assert_int_eq(chain_read(&chain, got, 1), -EPROTO);
    ck_assert_int_eq(chain_read_iov(&chain, 1, iov, 2), -EPROTO);
    ck_assert_uint_eq(chain_writable(&chain), 4);
}
END_TEST

START_TEST(iovecs_are_the_bytes_that_copying_would_move)
{
    struct iovec iov[40];
    char got[4];

    start(64, false, true);
    for (gpa_t at = 0; at < 40; at++) /* more pieces than a chunk has room for, with gaps */
        put(DATA + 3 * at, "ab", 2);
    struct fake_piece pieces[60];
    for (unsigned i = 0; i < 60; i++)
        pieces[i] = (struct fake_piece){DATA + 3ull * i, 2, i < 40 ? 0 : FAKE_WRITE};
    offer_indirect(pieces, 60);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(chain_read(&chain, got, 3), 0);
    ck_assert_int_eq(chain_read_iov(&chain, 77, iov, 38), -E2BIG); /* one too few */
    ck_assert_uint_eq(chain_readable(&chain), 77);
    ck_assert_int_eq(chain_read_iov(&chain, 76, iov, 39), 39); /* from the middle to the middle */
    ck_assert_ptr_eq(iov[0].iov_base, memory_at(&mem, DATA + 4, 1));
    ck_assert_uint_eq(iov[0].iov_len, 1);
    for (unsigned i = 1; i < 38; i++) {
        ck_assert_ptr_eq(iov[i].iov_base, memory_at(&mem, DATA + 3ull * (i + 1), 1));
        ck_assert_uint_eq(iov[i].iov_len, 2);
    }
    ck_assert_uint_eq(iov[38].iov_len, 1);
    ck_assert_int_eq(chain_read(&chain, got, 1), 0); /* the byte behind them */
    ck_assert_int_eq(got[0], 'b');
    ck_assert_int_eq(chain_write(&chain, "x", 1), 0);
    ck_assert_int_eq(chain_write_iov(&chain, 40, iov, 40), -EPROTO);
    ck_assert_int_eq(chain_write_iov(&chain, 39, iov, 19), -E2BIG);
    ck_assert_int_eq(chain_write_iov(&chain, 39, iov, 20), 20);
    ck_assert_uint_eq(chain.written, 40);
    ck_assert_int_eq(chain_read_iov(&chain, 0, iov, 0), 0);
}
END_TEST

/* Its memory is bounded whatever the driver asks for: what has no room waits, and loses nothing. */
START_TEST(request_without_room_in_the_pool_waits_in_the_ring)
{
    const struct virtq_limits limits = {.size = 4, .chain_descs = 60};
    struct fake_piece pieces[60];
    struct chain held[4];
    eventfd_t kicks;

    virtq_fini(&vq);
    ck_assert_int_eq(virtq_init(&vq, &mem, 0, &limits), 0); /* 4 chunks, and 4 for one of 60 */
    start(4, false, true);
    for (unsigned i = 0; i < 60; i++)
        pieces[i] = (struct fake_piece){DATA + 3ull * i, 2, FAKE_WRITE};
    for (unsigned i = 0; i < 4; i++)
        offer_indirect(pieces, 60);
    ck_assert_int_eq(virtq_pop(&vq, &held[0]), 1);
    ck_assert_int_eq(virtq_pop(&vq, &held[1]), 1);
    for (unsigned i = 2; i < 4; i++) {
        ck_assert_int_eq(virtq_pop(&vq, &held[i]), 0);
        ck_assert_int_eq(virtq_pop(&vq, &held[i]), 0);
        ck_assert_int_eq(eventfd_read(vq.kick.fd, &kicks), -1);
        virtq_push(&vq, &held[i - 2]);
        ck_assert_int_eq(eventfd_read(vq.kick.fd, &kicks), 0); /* the worker comes back for it */
        ck_assert_int_eq(virtq_pop(&vq, &held[i]), 1);
        ck_assert_uint_eq(chain_writable(&held[i]), 120);
    }
    virtq_push(&vq, &held[3]);
    virtq_push(&vq, &held[2]);
    ck_assert_int_eq(eventfd_read(vq.kick.fd, &kicks), -1); /* nothing waits */
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
}
END_TEST

/* proves: VQ-S-06 */
START_TEST(indices_run_freely_over_65536)
{
    uint32_t id, len;

    start(4, false, true);
    for (unsigned i = 0; i < 70000; i++) {
        offer(PIECES({DATA, 1, 2}));
        virtq_round(&vq);
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        virtq_push(&vq, &chain);
        ck_assert(fake_used(&ring, &id, &len));
        ck_assert_uint_eq(id, i % 4);
    }
    ck_assert_uint_eq(fake_used_idx(&ring), 70000 - 65536);
}
END_TEST

/* proves: VQ-G-13 */
START_TEST(round_is_bounded_and_kicks_itself)
{
    eventfd_t kicks;

    start(256, false, true);
    for (unsigned i = 0; i < 200; i++)
        offer(PIECES({DATA, 1, 0}));
    for (unsigned i = 0; i < 128; i++)
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(eventfd_read(vq.kick.fd, &kicks), -1);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    ck_assert_int_eq(eventfd_read(vq.kick.fd, &kicks), 0);
    virtq_round(&vq);
    for (unsigned i = 128; i < 200; i++)
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    ck_assert_int_eq(eventfd_read(vq.kick.fd, &kicks), -1);
}
END_TEST

/* -- read once -- */

static bool scribbled;

/* Overwrites all that the driver wrote: descriptors, available ring. */
static void scribble(void)
{
    memset(memory_at(&mem, ring.desc, 16ull * ring.size), 0xff, 16ull * ring.size);
    memset(memory_at(&mem, ring.avail, 6 + 2ull * ring.size), 0xff, 6 + 2ull * ring.size);
    scribbled = true;
}

/* proves: VQ-G-09 */
START_TEST(descriptor_changed_after_copy_has_no_effect)
{
    char got[4];

    start(8, false, true);
    put(DATA, "good", 4);
    offer(PIECES({DATA, 4, 0}));
    wrap_walk(scribble);
    int r = virtq_pop(&vq, &chain);
    ck_assert(scribbled);
    ck_assert_int_eq(r, 1);
    ck_assert_uint_eq(chain.id, 0);
    ck_assert_uint_eq(chain_readable(&chain), 4);
    ck_assert_uint_eq(chain_writable(&chain), 0);
    ck_assert_int_eq(chain_read(&chain, got, 4), 0);
    ck_assert_mem_eq(got, "good", 4);
}
END_TEST

/* proves: VQ-G-09 */
START_TEST(indirect_pointer_changed_after_copy_has_no_effect)
{
    start(8, false, true);
    offer_indirect(PIECES({DATA, 4, 0}, {DATA, 5, 2}));
    wrap_walk(scribble);
    int r = virtq_pop(&vq, &chain);
    ck_assert(scribbled);
    ck_assert_int_eq(r, 1);
    ck_assert_uint_eq(chain_readable(&chain), 4);
    ck_assert_uint_eq(chain_writable(&chain), 5);
}
END_TEST

/* proves: VQ-G-09 */
START_TEST(chain_changed_after_pop_has_no_effect)
{
    uint32_t id, len;

    start(8, false, true);
    offer(PIECES({DATA, 4, 2}));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    scribble();
    ck_assert_int_eq(chain_write(&chain, "1234", 4), 0);
    virtq_push(&vq, &chain);
    expect(DATA, "1234", 4);
    ck_assert(fake_used(&ring, &id, &len) && id == 0 && len == 4);
}
END_TEST

Suite *queue_suite(void);
Suite *queue_suite(void)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = tcase_create("ring");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, size_must_be_power_of_two_up_to_max, 0, (int)ARRAY_SIZE(sizes));
    tcase_add_loop_test(tcase, areas_must_be_aligned_and_in_ram, 0, (int)ARRAY_SIZE(areas));
    tcase_add_loop_test(tcase, queue_that_cannot_be_made_leaves_nothing, 0, 2);
    tcase_add_test(tcase, start_needs_no_memory);
    tcase_add_test(tcase, stopped_queue_is_empty);
    tcase_add_test(tcase, position_is_told_and_taken_up);
    tcase_add_loop_test(tcase, position_beyond_the_ring_is_refused, 0, (int)ARRAY_SIZE(bases));
    tcase_add_test(tcase, wire_is_little_endian);
    tcase_add_loop_test(tcase, header_split_anywhere_reads_the_same, 0, 17);
    tcase_add_test(tcase, skip_and_zero_move_like_read_and_write);
    tcase_add_test(tcase, used_length_is_what_was_written);
    tcase_add_test(tcase, chains_return_once_in_any_order);
    tcase_add_test(tcase, in_order_ring_is_checked_like_any_other);
    tcase_add_test(tcase, in_order_requests_of_a_broken_ring_go_nowhere);
    tcase_add_test(tcase, in_order_requests_that_were_not_used_are_taken_anew);
    tcase_add_test(tcase, in_order_requests_are_used_one_by_one);
    tcase_add_test(tcase, same_head_twice_gives_two_requests);
    tcase_add_test(tcase, more_requests_than_descriptors_break_the_ring);
    tcase_add_test(tcase, zero_length_descriptors_add_no_bytes);
    tcase_add_test(tcase, neighbours_in_ram_share_an_iovec);
    tcase_add_test(tcase, only_writable_bytes_and_used_ring_change);
    tcase_add_test(tcase, reading_ends_where_the_writable_part_begins);
    tcase_add_test(tcase, iovecs_are_the_bytes_that_copying_would_move);
    tcase_add_test(tcase, request_without_room_in_the_pool_waits_in_the_ring);
    tcase_add_test(tcase, indices_run_freely_over_65536);
    tcase_add_test(tcase, round_is_bounded_and_kicks_itself);
    tcase_add_test(tcase, descriptor_changed_after_copy_has_no_effect);
    tcase_add_test(tcase, indirect_pointer_changed_after_copy_has_no_effect);
    tcase_add_test(tcase, chain_changed_after_pop_has_no_effect);
    suite_add_tcase(suite, tcase);
    return suite;
}
