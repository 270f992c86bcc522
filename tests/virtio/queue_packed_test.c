/* SPDX-License-Identifier: BSD-3-Clause */
/* The packed ring (virtio 1.2 §2.8): words as they are in memory, lists, tables, wrapping, what the
 * two sides ask of each other, and what breaks it. */
#include "tests/virtio/queue_fixture.h"
#include "tests/wrap.h"

#include <string.h>

#define BROKEN   (-EPROTO)
#define FEATURES (FAKE_VERSION_1 | FAKE_RING_PACKED | FAKE_INDIRECT_DESC)

static void put(gpa_t addr, const void *bytes, size_t len)
{
    ck_assert_int_eq(memory_write(&mem, addr, bytes, len), 0);
}

static void expect(gpa_t addr, const void *bytes, size_t len)
{
    ck_assert_mem_eq(memory_at(&mem, addr, len), bytes, len);
}

#define PIECES(...)                                                                                \
    (const struct fake_piece[]){__VA_ARGS__}, ARRAY_SIZE(((struct fake_piece[]){__VA_ARGS__}))

static void offer(const struct fake_piece *pieces, unsigned count)
{
    fake_offer(&ring, fake_chain(&ring, pieces, count));
}

static void pop(void)
{
    virtq_round(&vq);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
}

static void push_written(uint32_t len)
{
    ck_assert_int_eq(chain_zero(&chain, len), 0);
    virtq_push(&vq, &chain);
}

/* A descriptor of the first lap, as it is in memory. */
static void desc(unsigned slot, gpa_t addr, uint32_t len, uint16_t flags, uint16_t id)
{
    fake_packed_desc(&mem, ring.desc, slot, (struct fake_piece){addr, len, flags}, id);
}

static void entry(unsigned index, gpa_t addr, uint32_t len, uint16_t flags, uint16_t id)
{
    fake_packed_desc(&mem, TABLE, index, (struct fake_piece){addr, len, flags}, id);
}

/* -- start -- */

static const struct {
    uint16_t size;
    int result;
} sizes[] = {{0, -EINVAL}, {1, 0}, {3, 0}, {24, 0}, {255, 0}, {256, 0}, {257, -EINVAL}};

/* proves: VQ-P-01 */
START_TEST(size_is_any_up_to_the_largest)
{
    configure(256, FEATURES);
    vq.limits.size = 256;
    vq.config.size = sizes[_i].size;
    ck_assert_int_eq(virtq_start(&vq, FEATURES), sizes[_i].result);
}
END_TEST

static const struct areas areas[] = {
    {0x1000, 0x2000, 0x3000, 0},
    {0x1000, 0x2004, 0x3004, 0},
    {0x1008, 0x2000, 0x3000, -EINVAL},
    {0x1000, 0x2002, 0x3000, -EINVAL},
    {0x1000, 0x2000, 0x3002, -EINVAL},
    {RAM_LOW - 48, RAM_LOW - 4, RAM_LOW - 4, 0}, /* up to the last byte of low RAM */
    {RAM_LOW - 32, 0x2000, 0x3000, -EINVAL},
    {0x1000, RAM_LOW, 0x3000, -EINVAL},
    {0x1000, 0x2000, RAM_LOW, -EINVAL},
    {0x1000, 0x2000, UINT64_MAX - 3, -EINVAL},
};

/* proves: VQ-P-02 */
START_TEST(areas_must_be_aligned_and_in_ram)
{
    start_at(&areas[_i], 3, FEATURES);
}
END_TEST

START_TEST(position_is_told_and_taken_up)
{
    uint32_t id, len;

    start_with(3, FEATURES);
    ck_assert_uint_eq(virtq_base(&vq, false), 0x80008000);
    for (unsigned i = 0; i < 2; i++) {
        offer(PIECES({DATA, 4, 2}));
        pop();
        push_written(1);
        ck_assert(fake_used(&ring, &id, &len));
    }
    offer(PIECES({DATA, 4, 2}, {DATA, 4, 2})); /* over the end */
    pop();
    ck_assert_uint_eq(virtq_base(&vq, false), 0x80020001);
    virtq_stop(&vq);
    ck_assert_uint_eq(virtq_base(&vq, true), 0x80028002);
    vq.config.resumes = true;
    vq.config.base = virtq_base(&vq, true);
    ck_assert_int_eq(virtq_start(&vq, FEATURES), 0);
    pop();
    ck_assert_uint_eq(chain.id, 2);
    push_written(8);
    ck_assert(fake_used(&ring, &id, &len) && id == 2 && len == 8);
    offer(PIECES({DATA, 4, 0}));
    pop();
}
END_TEST

static const struct {
    uint32_t base;
    int result;
} bases[] = {
    {0x80008000, 0},       {0x80008002, 0},
    {0x80000000, 0},       {0x80000001, -EINVAL},
    {0x80018000, -EINVAL}, {0, 0},
    {0x8000, 0},           {2, 0},
    {3, -EINVAL},          {0x30000, -EINVAL},
    {0x80008003, -EINVAL},
};

START_TEST(position_beyond_the_ring_is_refused)
{
    configure(3, FEATURES);
    vq.config.resumes = true;
    vq.config.base = bases[_i].base;
    ck_assert_int_eq(virtq_start(&vq, FEATURES), bases[_i].result);
}
END_TEST

START_TEST(in_order_requests_that_were_not_used_are_taken_anew)
{
    uint32_t id, len;

    start_with(3, FEATURES | FAKE_IN_ORDER);
    for (unsigned i = 0; i < 2; i++) {
        offer(PIECES({DATA, 4, 2}));
        pop();
    }
    virtq_stop(&vq);
    vq.config.resumes = true;
    vq.config.base = virtq_base(&vq, false);
    ck_assert_int_eq(virtq_start(&vq, FEATURES | FAKE_IN_ORDER), 0);
    for (unsigned i = 0; i < 2; i++) {
        pop();
        push_written(1);
        ck_assert(fake_used(&ring, &id, &len));
    }
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
}
END_TEST

/* -- words in memory -- */

/* proves: VQ-G-01, VQ-P-03, VQ-P-04, VQ-P-12, VQ-P-14, VQ-G-08 */
START_TEST(words_of_both_laps)
{
    /* lap 1: available is AVAIL without USED, used is both; lap 2: the other way, and none */
    static const struct {
        uint8_t offered[16], used[16];
        uint32_t written;
    } laps[] = {
        {{0, 0, 8, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0x34, 0x12, 0x82, 0},
         {0, 0, 8, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0x34, 0x12, 0x82, 0x80},
         3},
        {{0, 0, 8, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0x35, 0x12, 0x02, 0x80},
         {0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x35, 0x12, 0x00, 0},
         0},
        {{0, 0, 8, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0x36, 0x12, 0x82, 0},
         {0, 0, 8, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x36, 0x12, 0x82, 0x80},
         2},
    };

    start_with(1, FEATURES);
    for (size_t i = 0; i < ARRAY_SIZE(laps); i++) {
        ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
        put(ring.desc, laps[i].offered, 16);
        pop();
        ck_assert_int_eq(virtq_pop(&vq, &(struct chain){0}), 0);
        expect(ring.desc, laps[i].offered, 16);
        push_written(laps[i].written);
        expect(ring.desc, laps[i].used, 16);
    }
}
END_TEST

static const struct {
    uint16_t flags;
    int first, second; /* what popping gives in lap 1 and 2 */
} states[] = {
    {FAKE_AVAIL, 1, 0}, {FAKE_USED, 0, 1},           {FAKE_AVAIL | FAKE_USED, 0, 0},
    {0, 0, 0},          {0x7f78 | FAKE_AVAIL, 1, 0}, /* bits without a meaning */
};

/* proves: VQ-P-04 */
START_TEST(only_the_right_two_bits_make_it_available)
{
    start_with(1, FEATURES);
    desc(0, DATA, 4, states[_i].flags, 0);
    ck_assert_int_eq(virtq_pop(&vq, &chain), states[_i].first);
    virtq_stop(&vq);
    vq.config.resumes = true;
    vq.config.base = 0;
    ck_assert_int_eq(virtq_start(&vq, FEATURES), 0);
    ck_assert_int_eq(virtq_pop(&vq, &chain), states[_i].second);
}
END_TEST

/* proves: VQ-P-06, VQ-P-09, VQ-P-10, VQ-P-11, VQ-G-03 */
START_TEST(list_is_read_in_its_order_and_answered_once)
{
    char got[4];
    uint16_t before;

    start_with(5, FEATURES);
    put(DATA, "abcd", 4);
    for (uint32_t lap = 0; lap < 10; lap++) { /* begins at every slot */
        uint32_t id, len;
        offer(PIECES({DATA + 2, 2, 0}, {DATA, 2, 0}, {DATA + 8, 4, 2}));
        before = ring.used_at;
        pop();
        ck_assert_uint_eq(chain.id, before % 5u);
        ck_assert_int_eq(chain_read(&chain, got, 4), 0);
        ck_assert_mem_eq(got, "cdab", 4);
        push_written(4);
        ck_assert(fake_used(&ring, &id, &len) && id == before % 5u && len == 4);
        ck_assert_uint_eq(ring.used_at, (before + 3u) % 10);
        ck_assert(!fake_used(&ring, &id, &len));
    }
}
END_TEST

/* proves: VQ-P-10, VQ-P-17 */
START_TEST(id_is_the_last_ones_and_echoed_whatever_it_is)
{
    static const uint8_t used[] = {0, 0, 0, 0, 0xff, 0xff, 0x80, 0x80};

    start_with(4, FEATURES);
    desc(1, DATA, 4, FAKE_AVAIL, 0xffff);
    desc(0, DATA, 4, FAKE_AVAIL | FAKE_NEXT, 0x1111);
    pop();
    ck_assert_uint_eq(chain.id, 0xffff);
    virtq_push(&vq, &chain);
    expect(ring.desc + 8, used, 8);
}
END_TEST

/* proves: VQ-P-07, VQ-P-11, VQ-G-12 */
START_TEST(chains_return_once_in_any_order)
{
    struct chain a, b, c;
    uint32_t id, len;

    start_with(7, FEATURES);
    for (unsigned i = 0; i < 50; i++) {
        offer(PIECES({DATA, 1, 2}, {DATA, 1, 2}));
        uint16_t first = (uint16_t)((ring.avail_at + 12u) % 7u);
        offer(PIECES({DATA, 1, 2}));
        offer(PIECES({DATA, 1, 2}, {DATA, 1, 2}, {DATA, 1, 2}));
        virtq_round(&vq);
        ck_assert_int_eq(virtq_pop(&vq, &a), 1);
        ck_assert_int_eq(virtq_pop(&vq, &b), 1);
        ck_assert_int_eq(virtq_pop(&vq, &c), 1);
        ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
        ck_assert_uint_eq(a.id, first);
        virtq_push(&vq, &c);
        virtq_push(&vq, &a);
        virtq_push(&vq, &b);
        ck_assert(fake_used(&ring, &id, &len) && id == c.id);
        ck_assert(fake_used(&ring, &id, &len) && id == a.id);
        ck_assert(fake_used(&ring, &id, &len) && id == b.id);
        ck_assert(!fake_used(&ring, &id, &len));
    }
}
END_TEST

/* The driver sees nothing of several before the first, which is written last. */
/* proves: VQ-P-16, VQ-P-08 */
START_TEST(several_are_seen_at_once)
{
    struct chain held[3];
    uint32_t id, len;

    start_with(4, FEATURES);
    for (unsigned i = 0; i < 3; i++) {
        offer(PIECES({DATA, 4, 2}));
        ck_assert_int_eq(virtq_pop(&vq, &held[i]), 1);
    }
    virtq_push_all(&vq, held, 3);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert(fake_used(&ring, &id, &len) && id == i);
    ck_assert(!fake_used(&ring, &id, &len));
}
END_TEST

/* proves: VQ-P-13, VQ-G-06, VQ-G-09 */
START_TEST(slot_is_written_once)
{
    uint8_t before[64];

    start_with(4, FEATURES);
    offer(PIECES({DATA, 4, 0}, {DATA, 4, 2}));
    pop();
    push_written(4);
    memcpy(before, memory_at(&mem, ring.desc, 64), 64);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    (void)virtq_should_signal(&vq);
    expect(ring.desc, before, 64);
}
END_TEST

/* -- tables -- */

/* proves: VQ-I-09 */
START_TEST(table_is_all_of_it_in_order)
{
    char got[3];

    start_with(4, FEATURES);
    put(DATA, "abc", 3);
    desc(0, TABLE, 64, FAKE_AVAIL | FAKE_INDIRECT | FAKE_WRITE, 9);
    entry(0, DATA + 2, 1, 0, 77);
    entry(1, DATA + 1, 1, FAKE_NEXT | FAKE_INDIRECT | FAKE_AVAIL | FAKE_USED, 3);
    entry(2, DATA, 1, 0, 0);
    entry(3, DATA, 8, FAKE_WRITE, 0xffff);
    pop();
    ck_assert_uint_eq(chain.id, 9);
    ck_assert_int_eq(chain_read(&chain, got, 3), 0);
    ck_assert_mem_eq(got, "cba", 3);
    ck_assert_uint_eq(chain_writable(&chain), 8);
    virtq_push(&vq, &chain);
    ck_assert_uint_eq(virtq_base(&vq, false), 0x80018001); /* one slot */
}
END_TEST

static const struct {
    gpa_t addr;
    uint32_t len;
    int result;
} tables[] = {
    {TABLE, 16, 1},
    {TABLE, 0, BROKEN},
    {TABLE, 15, BROKEN},
    {TABLE, 24, BROKEN},
    {TABLE, 16 * 1024, 1},
    {TABLE, 16 * 1025, BROKEN}, /* our own limit */
    {RAM_LOW, 16, BROKEN},
    {RAM_LOW - 8, 16, BROKEN},
    {TABLE, 0xfffffff0, BROKEN},
    {UINT64_MAX - 15, 16, BROKEN},
};

/* proves: VQ-I-08, VQ-I-07, VQ-G-04 */
START_TEST(table_must_be_whole_entries_in_ram)
{
    start_with(4, FEATURES);
    desc(0, tables[_i].addr, tables[_i].len, FAKE_AVAIL | FAKE_INDIRECT, 0);
    ck_assert_int_eq(virtq_pop(&vq, &chain), tables[_i].result);
}
END_TEST

static const struct {
    uint64_t without; /* features */
    uint16_t flags[2];
    int result;
} pointers[] = {
    {0, {FAKE_INDIRECT, 0}, 1},
    {FAKE_INDIRECT_DESC, {FAKE_INDIRECT, 0}, BROKEN},
    {0, {FAKE_INDIRECT | FAKE_NEXT, 0}, BROKEN},
    {0, {FAKE_NEXT, FAKE_INDIRECT}, BROKEN},
    {0, {FAKE_NEXT, 0}, 1},
};

/* proves: VQ-I-10, VQ-I-04 */
START_TEST(pointer_is_alone_and_negotiated)
{
    start_with(4, FEATURES & ~pointers[_i].without);
    entry(0, DATA, 4, 0, 0);
    for (unsigned i = 0; i < 2; i++)
        desc(i, TABLE, 16, FAKE_AVAIL | pointers[_i].flags[i], 0);
    ck_assert_int_eq(virtq_pop(&vq, &chain), pointers[_i].result);
}
END_TEST

/* proves: VQ-I-10 */
START_TEST(lists_and_tables_alternate)
{
    start_with(5, FEATURES);
    for (unsigned i = 0; i < 20; i++) {
        uint32_t id, len;
        if (i % 2 == 0)
            fake_offer(&ring,
                       fake_chain_indirect(&ring, TABLE, PIECES({DATA, 4, 0}, {DATA, 4, 2})));
        else
            offer(PIECES({DATA, 4, 0}, {DATA, 4, 2}));
        pop();
        ck_assert_uint_eq(chain_readable(&chain), 4);
        push_written(4);
        ck_assert(fake_used(&ring, &id, &len));
    }
}
END_TEST

/* -- what breaks it -- */

static const struct {
    unsigned available; /* that many are, and all say that more follow */
    int result;
} lists[] = {{1, BROKEN}, {3, BROKEN}, {4, BROKEN}};

/* proves: VQ-P-15 */
START_TEST(list_into_what_is_not_available_breaks_ring)
{
    start_with(4, FEATURES);
    for (unsigned i = 0; i < lists[_i].available; i++)
        desc(i, DATA, 1, FAKE_AVAIL | FAKE_NEXT, 0);
    ck_assert_int_eq(virtq_pop(&vq, &chain), lists[_i].result);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
}
END_TEST

/* Slots of requests under way, as if they had been used: there is no end of them. */
/* proves: VQ-P-15, VQ-G-12 */
START_TEST(slots_under_way_that_come_again_break_ring)
{
    start_with(2, FEATURES);
    offer(PIECES({DATA, 1, 2}));
    pop();
    desc(1, DATA, 1, FAKE_AVAIL | FAKE_NEXT, 1);
    desc(0, DATA, 1, FAKE_USED, 1); /* of the second lap, while that of the first is out */
    ck_assert_int_eq(virtq_pop(&vq, &chain), BROKEN);
}
END_TEST

static const struct {
    struct fake_piece piece[2];
} bads[] = {
    {{{RAM_LOW, 1, FAKE_NEXT}, {DATA, 1, 0}}},
    {{{DATA, 1, FAKE_NEXT}, {UINT64_MAX, 2, 0}}},
    {{{DATA, 0x40000000, 0}, {DATA, 1, 0}}},
    {{{DATA, 1, FAKE_NEXT | FAKE_WRITE}, {DATA, 1, 0}}}, /* readable after writable */
};

/* proves: VQ-G-10, VQ-G-05 */
START_TEST(bad_descriptor_breaks_ring)
{
    start_with(4, FEATURES);
    for (unsigned i = 0; i < 2; i++)
        desc(i, bads[_i].piece[i].addr, bads[_i].piece[i].len, FAKE_AVAIL | bads[_i].piece[i].flags,
             0);
    ck_assert_int_eq(virtq_pop(&vq, &chain), BROKEN);
    ck_assert(!virtq_should_signal(&vq));
}
END_TEST

static bool scribbled;

static void scribble(void)
{
    memset(memory_at(&mem, ring.desc, 16ull * ring.size), 0xff, 16ull * ring.size);
    scribbled = true;
}

/* proves: VQ-G-09, VQ-P-05 */
START_TEST(descriptor_changed_after_copy_has_no_effect)
{
    uint32_t base;

    start_with(4, FEATURES);
    if (_i == 0)
        offer(PIECES({DATA, 4, 0}));
    else
        fake_offer(&ring, fake_chain_indirect(&ring, TABLE, PIECES({DATA, 4, 0})));
    wrap_walk(scribble);
    int r = virtq_pop(&vq, &chain);
    ck_assert(scribbled);
    ck_assert_int_eq(r, 1);
    ck_assert_uint_eq(chain.id, 0);
    ck_assert_uint_eq(chain_readable(&chain), 4);
    virtq_push(&vq, &chain);
    base = virtq_base(&vq, false);
    ck_assert_uint_eq(base, 0x80018001);
}
END_TEST

/* -- events -- */

/* proves: VQ-P-20 */
START_TEST(device_area_says_where_it_wants_a_kick)
{
    start_with(3, FEATURES | FAKE_EVENT_IDX);
    ck_assert_uint_eq(fake_device_event(&ring), 1u << 16); /* DISABLE: it will look by itself */
    for (uint32_t i = 0; i < 12; i++) {
        uint32_t id, len;
        uint32_t wrap = i / 3 % 2 == 0 ? 0x8000 : 0;
        ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
        ck_assert_uint_eq(fake_device_event(&ring), 2u << 16 | wrap | i % 3); /* DESC, here */
        offer(PIECES({DATA, 4, 2}));
        pop();
        ck_assert_uint_eq(fake_device_event(&ring), 1u << 16);
        push_written(1);
        ck_assert(fake_used(&ring, &id, &len));
    }
}
END_TEST

/* proves: VQ-P-20 */
START_TEST(device_area_without_event_idx_is_on_or_off)
{
    start_with(3, FEATURES);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    ck_assert_uint_eq(fake_device_event(&ring), 0);
    offer(PIECES({DATA, 4, 2}));
    pop();
    ck_assert_uint_eq(fake_device_event(&ring), 1u << 16);
}
END_TEST

static const struct {
    uint16_t off_wrap, flags;
    bool event_idx, notifies;
} wishes[] = {
    {0, 0, true, true},       {0, 1, true, false},           {0, 1, false, false},
    {0, 0, false, true},      {0x8001, 2, true, true},       {0x8002, 2, true, true},
    {0x8000, 2, true, false}, {0, 2, true, false},           {1, 2, true, false},
    {2, 2, true, false},      {0x8000, 2, false, true},      /* without the feature */
    {0x8000, 3, true, true},                                 /* reserved */
    {0x8003, 2, true, true},                                 /* beyond the ring */
    {0x7fff, 2, true, true},  {0x8000, 0xfffd, true, false}, /* bits without a meaning */
};

/* Slot 0 was used and told of before; now slots 1 and 2 are, by one chain. */
/* proves: VQ-P-18, VQ-P-19 */
START_TEST(driver_area_says_when_to_notify)
{
    start_with(3, FEATURES | (wishes[_i].event_idx ? FAKE_EVENT_IDX : 0));
    offer(PIECES({DATA, 4, 2}));
    pop();
    virtq_push(&vq, &chain);
    ck_assert(virtq_should_signal(&vq));
    offer(PIECES({DATA, 4, 2}, {DATA, 4, 2}));
    fake_driver_event_set(&ring, wishes[_i].off_wrap, wishes[_i].flags);
    ck_assert(!virtq_should_signal(&vq)); /* nothing was used */
    pop();
    virtq_push(&vq, &chain);
    ck_assert_int_eq(virtq_should_signal(&vq), wishes[_i].notifies);
    ck_assert(!virtq_should_signal(&vq));
}
END_TEST

/* proves: VQ-P-18 */
START_TEST(more_than_two_laps_unsignalled_notify)
{
    start_with(3, FEATURES | FAKE_EVENT_IDX);
    for (unsigned i = 0; i < 6; i++) {
        uint32_t id, len;
        offer(PIECES({DATA, 4, 2}));
        pop();
        virtq_push(&vq, &chain);
        ck_assert(fake_used(&ring, &id, &len));
    }
    fake_driver_event_set(&ring, 0x8002, 2);
    ck_assert(virtq_should_signal(&vq));
}
END_TEST

#define LOOP(test, count) tcase_add_loop_test(tcase, test, 0, (int)(count))

Suite *queue_packed_suite(void);
Suite *queue_packed_suite(void)
{
    Suite *suite = suite_create("queue_packed");
    TCase *tcase = tcase_create("packed");

    tcase_add_checked_fixture(tcase, setup, teardown);
    LOOP(size_is_any_up_to_the_largest, ARRAY_SIZE(sizes));
    LOOP(areas_must_be_aligned_and_in_ram, ARRAY_SIZE(areas));
    tcase_add_test(tcase, position_is_told_and_taken_up);
    tcase_add_test(tcase, in_order_requests_that_were_not_used_are_taken_anew);
    LOOP(position_beyond_the_ring_is_refused, ARRAY_SIZE(bases));
    tcase_add_test(tcase, words_of_both_laps);
    LOOP(only_the_right_two_bits_make_it_available, ARRAY_SIZE(states));
    tcase_add_test(tcase, list_is_read_in_its_order_and_answered_once);
    tcase_add_test(tcase, id_is_the_last_ones_and_echoed_whatever_it_is);
    tcase_add_test(tcase, chains_return_once_in_any_order);
    tcase_add_test(tcase, several_are_seen_at_once);
    tcase_add_test(tcase, slot_is_written_once);
    tcase_add_test(tcase, table_is_all_of_it_in_order);
    LOOP(table_must_be_whole_entries_in_ram, ARRAY_SIZE(tables));
    LOOP(pointer_is_alone_and_negotiated, ARRAY_SIZE(pointers));
    tcase_add_test(tcase, lists_and_tables_alternate);
    LOOP(list_into_what_is_not_available_breaks_ring, ARRAY_SIZE(lists));
    tcase_add_test(tcase, slots_under_way_that_come_again_break_ring);
    LOOP(bad_descriptor_breaks_ring, ARRAY_SIZE(bads));
    LOOP(descriptor_changed_after_copy_has_no_effect, 2);
    tcase_add_test(tcase, device_area_says_where_it_wants_a_kick);
    tcase_add_test(tcase, device_area_without_event_idx_is_on_or_off);
    LOOP(driver_area_says_when_to_notify, ARRAY_SIZE(wishes));
    tcase_add_test(tcase, more_than_two_laps_unsignalled_notify);
    suite_add_tcase(suite, tcase);
    return suite;
}
