/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains and rings that break the rules, and those at the edge of them (virtio 1.2 §2.7.5). */
#include "tests/virtio/queue_fixture.h"

#include <string.h>

#define GIB    0x40000000u
#define BROKEN (-EPROTO)

static void setup_started(void)
{
    setup();
    start(8, false, true);
}

static void restart(uint16_t size, bool indirect)
{
    virtq_stop(&vq);
    start(size, false, indirect);
}

static void desc(unsigned index, gpa_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
    fake_desc(&mem, ring.desc, index, (struct fake_piece){addr, len, flags}, next);
}

static void entry(unsigned index, gpa_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
    fake_desc(&mem, TABLE, index, (struct fake_piece){addr, len, flags}, next);
}

/* Offers head 0. */
static int pop(void)
{
    fake_offer(&ring, 0);
    return virtq_pop(&vq, &chain);
}

/* -- what a descriptor says -- */

static const struct {
    gpa_t addr;
    uint32_t len;
    int result;
} ranges[] = {
    {0, 1, 1},
    {RAM_LOW - 1, 1, 1},
    {RAM_LOW - 1, 2, BROKEN}, /* into the hole */
    {RAM_LOW, 1, BROKEN},
    {0xd0000000, 4, BROKEN}, /* where devices live */
    {RAM_HIGH - 1, 1, BROKEN},
    {RAM_HIGH - 1, 2, BROKEN},
    {RAM_HIGH, 0x100000, 1},
    {RAM_HIGH, 0x100001, BROKEN},
    {RAM_HIGH + 0x100000, 1, BROKEN},
    {0, GIB, 1},
    {0, GIB + 1, BROKEN},
    {RAM_LOW - 0x1000, UINT32_MAX, BROKEN}, /* over the hole and on */
    {UINT64_MAX, 1, BROKEN},
    {UINT64_MAX - 0xfff, 0x2000, BROKEN}, /* wraps */
    {UINT64_MAX, UINT32_MAX, BROKEN},
};

/* proves: VQ-G-10 */
START_TEST(range_outside_ram_breaks_ring)
{
    desc(0, ranges[_i].addr, ranges[_i].len, 0, 0);
    ck_assert_int_eq(pop(), ranges[_i].result);
}
END_TEST

/* proves: VQ-G-10 */
START_TEST(bad_range_behind_good_ones_gives_nothing_out)
{
    memset(&chain, 0xee, sizeof(chain));
    desc(0, DATA, 4, FAKE_NEXT, 1);
    desc(1, DATA, 4, FAKE_NEXT | FAKE_WRITE, 2);
    desc(2, RAM_LOW, 4, FAKE_WRITE, 0);
    ck_assert_int_eq(pop(), BROKEN);
    ck_assert_uint_eq(chain.id, 0xeeee);
}
END_TEST

/* proves: VQ-G-05 */
START_TEST(readable_after_writable_breaks_ring)
{
    desc(0, DATA, (uint32_t)_i, FAKE_WRITE | FAKE_NEXT, 1); /* also if it has no bytes */
    desc(1, DATA, 4, 0, 0);
    ck_assert_int_eq(pop(), BROKEN);
}
END_TEST

/* proves: VQ-G-05 */
START_TEST(readable_after_writable_in_table_breaks_ring)
{
    desc(0, DATA, 4, FAKE_WRITE | FAKE_NEXT, 1);
    desc(1, TABLE, 16, FAKE_INDIRECT, 0);
    entry(0, DATA, 4, 0, 0);
    ck_assert_int_eq(pop(), BROKEN);
}
END_TEST

static const struct {
    uint32_t readable[4], writable[4]; /* lengths */
    int result;
} totals[] = {
    {{GIB, GIB, GIB, GIB - 1}, {0, 0, 0, 0}, 1}, /* 2^32 - 1 */
    {{0, 0, 0, 0}, {GIB, GIB, GIB, GIB - 1}, 1},
    {{GIB, GIB, 0, 0}, {GIB, GIB, 0, 0}, 1}, /* 2^32, legal */
    {{GIB, GIB, 1, 0}, {GIB, GIB, 0, 0}, BROKEN},
    {{GIB, GIB, GIB, GIB}, {0, 0, 0, 0}, BROKEN}, /* legal, but refused: see queue.c */
    {{GIB, GIB, GIB, GIB}, {GIB, GIB, GIB, GIB}, BROKEN},
};

/* proves: VQ-S-11 */
START_TEST(chain_over_4_gib_breaks_ring)
{
    for (uint16_t i = 0; i < 4; i++) {
        desc(i, 0, totals[_i].readable[i], FAKE_NEXT, (uint16_t)(i + 1));
        desc(4u + i, 0, totals[_i].writable[i], FAKE_WRITE | (i < 3 ? FAKE_NEXT : 0),
             (uint16_t)(5 + i));
    }
    ck_assert_int_eq(pop(), totals[_i].result);
}
END_TEST

/* -- how descriptors hang together -- */

static const struct {
    uint16_t head;
    int result;
} heads[] = {{0, 1}, {7, 1}, {8, BROKEN}, {9, BROKEN}, {0x8000, BROKEN}, {0xffff, BROKEN}};

/* proves: VQ-S-09 */
START_TEST(head_beyond_table_breaks_ring)
{
    desc(heads[_i].head % 8u, DATA, 4, 0, 0);
    fake_offer(&ring, heads[_i].head);
    ck_assert_int_eq(virtq_pop(&vq, &chain), heads[_i].result);
}
END_TEST

static const struct {
    uint16_t flags, next;
    int result;
} nexts[] = {
    {FAKE_NEXT, 7, 1},
    {FAKE_NEXT, 8, BROKEN},
    {FAKE_NEXT, 0xffff, BROKEN},
    {0, 8, 1},
    {0, 0xffff, 1},
    {0xfff8, 0xffff, 1}, /* unknown flags */
    {0xfff8 | FAKE_NEXT, 7, 1},
};

/* proves: VQ-S-10 */
START_TEST(next_counts_only_with_its_flag_and_must_exist)
{
    desc(0, DATA, 4, nexts[_i].flags, nexts[_i].next);
    desc(7, DATA, 4, 0, 0);
    ck_assert_int_eq(pop(), nexts[_i].result);
}
END_TEST

/* proves: VQ-S-10, VQ-I-01 */
START_TEST(next_in_table_must_be_inside_it)
{
    desc(0, TABLE, 32, FAKE_INDIRECT, 0);
    entry(0, DATA, 4, FAKE_NEXT, (uint16_t)(1 + _i));
    entry(1, DATA, 4, 0, 0);
    entry(2, DATA, 4, 0, 0); /* there, but not in a table of 32 bytes */
    ck_assert_int_eq(pop(), _i == 0 ? 1 : BROKEN);
}
END_TEST

/* proves: VQ-S-11, VQ-G-04 */
START_TEST(loop_breaks_ring)
{
    uint16_t length = (uint16_t)(_i + 1); /* of the loop */

    for (uint16_t i = 0; i < 8; i++)
        desc(i, DATA, 0, FAKE_NEXT, (uint16_t)((i + 1) % length));
    ck_assert_int_eq(pop(), BROKEN);
}
END_TEST

/* proves: VQ-S-11 */
START_TEST(loop_in_table_breaks_ring)
{
    desc(0, TABLE, 48, FAKE_INDIRECT, 0);
    entry(0, DATA, 1, FAKE_NEXT, 1);
    entry(1, DATA, 1, FAKE_NEXT, 2);
    entry(2, DATA, 1, FAKE_NEXT, 1);
    ck_assert_int_eq(pop(), BROKEN);
}
END_TEST

/* -- avail.idx -- */

static const struct {
    uint16_t seen, idx; /* after so many requests, avail.idx says this */
    int result;
} idxs[] = {
    {0, 8, 1},      {0, 9, BROKEN}, {0, 0x7fff, BROKEN}, {0, 0xffff, BROKEN},
    {3, 2, BROKEN}, {3, 3, 0},      {3, 11, 1},          {3, 12, BROKEN},
};

/* proves: VQ-S-07 */
START_TEST(avail_idx_jump_breaks_ring)
{
    desc(0, DATA, 4, 0, 0);
    for (unsigned i = 0; i < idxs[_i].seen; i++) {
        ck_assert_int_eq(pop(), 1);
        virtq_push(&vq, &chain);
    }
    fake_avail_idx_set(&ring, idxs[_i].idx);
    ck_assert_int_eq(virtq_pop(&vq, &chain), idxs[_i].result);
}
END_TEST

START_TEST(broken_ring_stays_silent_and_untouched)
{
    struct chain held;

    desc(0, DATA, 4, FAKE_WRITE, 0);
    ck_assert_int_eq(pop(), 1);
    held = chain;
    fake_avail_idx_set(&ring, 1000);
    ck_assert_int_eq(virtq_pop(&vq, &chain), BROKEN);
    fake_avail_idx_set(&ring, 2);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    virtq_push(&vq, &held);
    ck_assert_uint_eq(fake_used_idx(&ring), 0);
    ck_assert(!virtq_should_signal(&vq));
}
END_TEST

START_TEST(restarted_ring_forgets_that_it_was_broken)
{
    fake_avail_idx_set(&ring, 1000);
    ck_assert_int_eq(virtq_pop(&vq, &chain), BROKEN);
    restart(8, true);
    desc(0, DATA, 4, 0, 0);
    ck_assert_int_eq(pop(), 1);
}
END_TEST

/* -- indirect tables -- */

/* proves: VQ-I-01 */
START_TEST(table_is_followed_from_entry_0_by_next)
{
    char got[3];

    ck_assert_int_eq(memory_write(&mem, DATA, "abc", 3), 0);
    desc(0, TABLE, 16 * 4, FAKE_INDIRECT, 0);
    entry(0, DATA + 2, 1, FAKE_NEXT, 3);
    entry(1, DATA + 0, 1, 0, 2); /* the end */
    entry(2, RAM_LOW, 1, 0, 0);  /* not part of it */
    entry(3, DATA + 1, 1, FAKE_NEXT, 1);
    ck_assert_int_eq(pop(), 1);
    ck_assert_uint_eq(chain_readable(&chain), 3);
    ck_assert_int_eq(chain_read(&chain, got, 3), 0);
    ck_assert_mem_eq(got, "cba", 3);
}
END_TEST

/* proves: VQ-I-02 */
START_TEST(write_flag_of_pointer_is_ignored)
{
    desc(0, TABLE, 32, FAKE_INDIRECT | FAKE_WRITE, 0);
    entry(0, DATA, 3, FAKE_NEXT, 1);
    entry(1, DATA, 4, FAKE_WRITE, 0);
    ck_assert_int_eq(pop(), 1);
    ck_assert_uint_eq(chain_readable(&chain), 3);
    ck_assert_uint_eq(chain_writable(&chain), 4);
}
END_TEST

/* proves: VQ-I-03 */
START_TEST(direct_descriptors_may_precede_table)
{
    uint16_t direct = (uint16_t)_i;

    for (uint16_t i = 0; i < direct; i++)
        desc(i, DATA, 1, FAKE_NEXT, (uint16_t)(i + 1));
    desc(direct, TABLE, 32, FAKE_INDIRECT, 0);
    entry(0, DATA, 10, FAKE_NEXT, 1);
    entry(1, DATA, 20, FAKE_WRITE, 0);
    ck_assert_int_eq(pop(), 1);
    ck_assert_uint_eq(chain_readable(&chain), 10u + direct);
    ck_assert_uint_eq(chain_writable(&chain), 20);
}
END_TEST

/* proves: VQ-I-04 */
START_TEST(table_without_feature_breaks_ring)
{
    restart(8, false);
    desc(0, TABLE, 16, FAKE_INDIRECT, 0);
    entry(0, DATA, 4, 0, 0);
    ck_assert_int_eq(pop(), BROKEN);
}
END_TEST

/* proves: VQ-I-05 */
START_TEST(table_in_table_breaks_ring)
{
    desc(0, TABLE, 32, FAKE_INDIRECT, 0);
    entry(0, DATA, 4, FAKE_NEXT, 1);
    entry(1, TABLE + 0x1000, 16, FAKE_INDIRECT, 0);
    fake_desc(&mem, TABLE + 0x1000, 0, (struct fake_piece){DATA, 4, 0}, 0);
    ck_assert_int_eq(pop(), BROKEN);
}
END_TEST

/* proves: VQ-I-06 */
START_TEST(pointer_with_next_breaks_ring)
{
    desc(0, TABLE, 16, FAKE_INDIRECT | FAKE_NEXT, 1);
    desc(1, DATA, 4, 0, 0);
    entry(0, DATA, 4, 0, 0);
    ck_assert_int_eq(pop(), BROKEN);
}
END_TEST

static const struct {
    uint32_t entries, direct;
    int result;
} lengths[] = {
    {9, 0, 1},    /* longer than the queue */
    {1024, 0, 1}, /* our own limit */
    {1025, 0, BROKEN}, {1017, 7, 1}, {1018, 7, BROKEN},
};

/* proves: VQ-I-07, VQ-G-04, VQ-G-11 */
START_TEST(chain_is_cut_off_at_1024_descriptors)
{
    uint16_t direct = (uint16_t)lengths[_i].direct;

    for (uint16_t i = 0; i < direct; i++)
        desc(i, DATA, 0, FAKE_NEXT, (uint16_t)(i + 1));
    desc(direct, TABLE, 16 * lengths[_i].entries, FAKE_INDIRECT, 0);
    for (uint32_t i = 0; i < lengths[_i].entries; i++)
        entry(i, DATA + 2ull * i, i % 2, i + 1 < lengths[_i].entries ? FAKE_NEXT : 0,
              (uint16_t)(i + 1));
    ck_assert_int_eq(pop(), lengths[_i].result);
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
    {TABLE, 17, BROKEN},
    {TABLE, 24, BROKEN},
    {TABLE, GIB - TABLE, 1}, /* of 67 million entries one is read */
    {TABLE, GIB - TABLE + 16, BROKEN},
    {TABLE, 0xfffffff0, BROKEN},
    {RAM_LOW, 16, BROKEN},
    {RAM_LOW - 8, 16, BROKEN},
    {RAM_HIGH + 0x100000, 16, BROKEN},
    {UINT64_MAX - 15, 16, BROKEN},
    {UINT64_MAX - 15, 32, BROKEN},
};

/* proves: VQ-I-08 */
START_TEST(table_must_be_whole_entries_in_ram)
{
    entry(0, DATA, 4, 0, 0);
    entry(1, DATA, 4, 0, 0);
    fake_desc(&mem, RAM_LOW - 16, 0, (struct fake_piece){DATA, 4, 0}, 0);
    desc(0, tables[_i].addr, tables[_i].len, FAKE_INDIRECT, 0);
    ck_assert_int_eq(pop(), tables[_i].result);
}
END_TEST

/* proves: VQ-I-08 */
START_TEST(table_need_not_be_aligned)
{
    fake_desc(&mem, TABLE + 1, 0, (struct fake_piece){DATA, 4, FAKE_NEXT}, 1);
    fake_desc(&mem, TABLE + 1, 1, (struct fake_piece){DATA, 5, FAKE_WRITE}, 0);
    desc(0, TABLE + 1, 32, FAKE_INDIRECT, 0);
    ck_assert_int_eq(pop(), 1);
    ck_assert_uint_eq(chain_readable(&chain), 4);
    ck_assert_uint_eq(chain_writable(&chain), 5);
}
END_TEST

#define LOOP(test, count) tcase_add_loop_test(tcase, test, 0, (int)(count))

Suite *queue_bad_suite(void);
Suite *queue_bad_suite(void)
{
    Suite *suite = suite_create("queue_bad");
    TCase *tcase = tcase_create("walk");

    tcase_add_checked_fixture(tcase, setup_started, teardown);
    LOOP(range_outside_ram_breaks_ring, ARRAY_SIZE(ranges));
    tcase_add_test(tcase, bad_range_behind_good_ones_gives_nothing_out);
    LOOP(readable_after_writable_breaks_ring, 2);
    tcase_add_test(tcase, readable_after_writable_in_table_breaks_ring);
    LOOP(chain_over_4_gib_breaks_ring, ARRAY_SIZE(totals));
    LOOP(head_beyond_table_breaks_ring, ARRAY_SIZE(heads));
    LOOP(next_counts_only_with_its_flag_and_must_exist, ARRAY_SIZE(nexts));
    LOOP(next_in_table_must_be_inside_it, 2);
    LOOP(loop_breaks_ring, 8);
    tcase_add_test(tcase, loop_in_table_breaks_ring);
    LOOP(avail_idx_jump_breaks_ring, ARRAY_SIZE(idxs));
    tcase_add_test(tcase, broken_ring_stays_silent_and_untouched);
    tcase_add_test(tcase, restarted_ring_forgets_that_it_was_broken);
    tcase_add_test(tcase, table_is_followed_from_entry_0_by_next);
    tcase_add_test(tcase, write_flag_of_pointer_is_ignored);
    LOOP(direct_descriptors_may_precede_table, 8);
    tcase_add_test(tcase, table_without_feature_breaks_ring);
    tcase_add_test(tcase, table_in_table_breaks_ring);
    tcase_add_test(tcase, pointer_with_next_breaks_ring);
    LOOP(chain_is_cut_off_at_1024_descriptors, ARRAY_SIZE(lengths));
    LOOP(table_must_be_whole_entries_in_ram, ARRAY_SIZE(tables));
    tcase_add_test(tcase, table_need_not_be_aligned);
    suite_add_tcase(suite, tcase);
    return suite;
}
