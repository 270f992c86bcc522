/* SPDX-License-Identifier: BSD-3-Clause */
/* The four compressions: whole, cut short, damaged, of the wrong size, without scratch space. */
#include "arch/payload.h"
#include "tests/fake_kernel.h"

#include <check.h>
#include <string.h>

#define SCRATCH_BYTES (9 << 20)

static struct file plain;
static struct file packed;
static uint8_t *out;
static uint8_t *scratch;

/* Compressible, but not trivially: counts that change their step. */
static void make_plain(size_t size)
{
    plain = (struct file){malloc(size), size};
    for (size_t i = 0; i < size; i++)
        plain.bytes[i] = (uint8_t)(i / 3 + i / 1000 * 7);
    out = malloc(size + 1);
    scratch = calloc(1, SCRATCH_BYTES);
}

static void teardown(void)
{
    file_free(&plain);
    file_free(&packed);
    free(out);
    free(scratch);
    out = scratch = NULL;
}

static void setup_small(void)
{
    make_plain(300000);
}

static void setup_large(void)
{
    make_plain((17 << 20) + 5); /* three blocks of LZ4, larger than xz's dictionary */
}

/* Unpacks packed.bytes[0..packed_size) to `out_size` bytes. */
static int unpack(size_t packed_size, size_t out_size)
{
    struct payload payload = {
        .packed = packed.bytes,
        .packed_size = packed_size,
        .out = out,
        .out_size = out_size,
        .scratch = scratch,
        .scratch_size = SCRATCH_BYTES,
    };

    return payload_unpack(&payload);
}

START_TEST(each_packing_unpacks_to_what_was_packed)
{
    packed = fake_pack((enum fake_packing)_i, &plain);
    ck_assert_uint_eq(payload_size(packed.bytes, packed.size), plain.size);
    ck_assert_int_eq(unpack(packed.size, plain.size), 0);
    ck_assert_int_eq(memcmp(out, plain.bytes, plain.size), 0);
}
END_TEST

START_TEST(another_size_than_claimed_is_damage)
{
    packed = fake_pack((enum fake_packing)_i, &plain);
    ck_assert_int_eq(unpack(packed.size, plain.size - 1), -EBADMSG);
    ck_assert_int_eq(unpack(packed.size, plain.size + 1), -EBADMSG);
}
END_TEST

START_TEST(cut_short_is_damage)
{
    packed = fake_pack((enum fake_packing)_i, &plain);
    ck_assert_int_eq(unpack(packed.size - 1, plain.size), -EBADMSG);
    ck_assert_int_eq(unpack(packed.size / 2, plain.size), -EBADMSG);
    ck_assert_int_eq(unpack(8, plain.size), -EBADMSG);
    ck_assert_int_eq(unpack(6, plain.size), -EBADMSG);
}
END_TEST

START_TEST(flipped_bits_never_unpack_to_something_else)
{
    packed = fake_pack((enum fake_packing)_i, &plain);
    for (size_t at = 2; at < packed.size - 4; at += packed.size / 97) {
        packed.bytes[at] ^= 0x10;
        int r = unpack(packed.size, plain.size);
        /* LZ4's legacy frame alone has no checksum of the contents. */
        ck_assert(r == -EBADMSG || r == -ENOMEM || (r == 0 && _i == FAKE_LZ4) ||
                  (r == 0 && memcmp(out, plain.bytes, plain.size) == 0));
        packed.bytes[at] ^= 0x10;
    }
}
END_TEST

START_TEST(xz_keeps_its_dictionary_in_scratch)
{
    struct payload payload = {.out = out, .out_size = plain.size};

    packed = fake_pack(FAKE_XZ, &plain);
    payload.packed = packed.bytes;
    payload.packed_size = packed.size;
    ck_assert_int_eq(payload_unpack(&payload), -ENOMEM);
    payload.scratch = scratch;
    payload.scratch_size = (8 << 20) - 1;
    ck_assert_int_eq(payload_unpack(&payload), -ENOMEM);
    ck_assert_uint_eq(payload.scratch_used, 0);
    payload.scratch_size = SCRATCH_BYTES;
    ck_assert_int_eq(payload_unpack(&payload), 0);
    ck_assert_uint_ge(payload.scratch_used, 8 << 20);
    for (size_t i = payload.scratch_used; i < SCRATCH_BYTES; i++)
        ck_assert_uint_eq(scratch[i], 0);
}
END_TEST

START_TEST(other_formats_are_not_ours)
{
    static const uint8_t bzip2[] = "BZh91AY&SY", lzma[] = {0x5d, 0, 0, 0x80, 0, 0, 0, 0, 0};
    struct payload payload = {.packed = bzip2, .packed_size = sizeof(bzip2)};

    ck_assert_uint_eq(payload_size(bzip2, sizeof(bzip2)), 0);
    ck_assert_uint_eq(payload_size(lzma, sizeof(lzma)), 0);
    ck_assert_uint_eq(payload_size((const uint8_t *)"\x1f\x8b", 2), 0);
    ck_assert_uint_eq(payload_size(bzip2, 0), 0);
    ck_assert_int_eq(payload_unpack(&payload), -ENOTSUP);
}
END_TEST

START_TEST(lz4_block_that_ends_behind_the_payload_is_damage)
{
    packed = fake_pack(FAKE_LZ4, &plain);
    put32(packed.bytes, 4, (uint32_t)packed.size);
    ck_assert_int_eq(unpack(packed.size, plain.size), -EBADMSG);
    put32(packed.bytes, 4, 0xffffffff);
    ck_assert_int_eq(unpack(packed.size, plain.size), -EBADMSG);
    put32(packed.bytes, 4, 0);
    ck_assert_int_eq(unpack(packed.size, plain.size), -EBADMSG);
}
END_TEST

Suite *payload_suite(void);
Suite *payload_suite(void)
{
    Suite *suite = suite_create("payload");
    TCase *small = tcase_create("small");
    TCase *large = tcase_create("large");

    tcase_add_checked_fixture(small, setup_small, teardown);
    tcase_add_loop_test(small, each_packing_unpacks_to_what_was_packed, 0, FAKE_PACKINGS);
    tcase_add_loop_test(small, another_size_than_claimed_is_damage, 0, FAKE_PACKINGS);
    tcase_add_loop_test(small, cut_short_is_damage, 0, FAKE_PACKINGS);
    tcase_add_loop_test(small, flipped_bits_never_unpack_to_something_else, 0, FAKE_PACKINGS);
    tcase_add_test(small, xz_keeps_its_dictionary_in_scratch);
    tcase_add_test(small, other_formats_are_not_ours);
    tcase_add_test(small, lz4_block_that_ends_behind_the_payload_is_damage);
    suite_add_tcase(suite, small);
    tcase_add_checked_fixture(large, setup_large, teardown);
    tcase_set_timeout(large, 60);
    tcase_add_loop_test(large, each_packing_unpacks_to_what_was_packed, 0, FAKE_PACKINGS);
    suite_add_tcase(suite, large);
    return suite;
}
