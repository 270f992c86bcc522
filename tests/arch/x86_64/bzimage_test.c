/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bzImage headers that lie, and the direct way: for each compression the vmlinux inside must end
 * up where its program headers say, with zeroes around it; what cannot be unpacked must leave RAM
 * exactly as the packed way does.
 */
#include "arch/arch.h"
#include "arch/kernel_cache.h"
#include "tests/arch/x86_64/x86_64_loading.h"
#include "tests/wrap.h"

#define PREF     0x1000000 /* of the fake kernel, which claims 4 MiB from there */
#define FAKE_END 0x1400000

static struct loading l;
static const struct file nothing;

static void setup(void)
{
    loading_begin(&l, 64 * LOAD_MIB);
    l.kernel = fake_bzimage(&nothing);
}

static void teardown(void)
{
    loading_end(&l);
}

/* -- the header -- */

START_TEST(file_cut_in_its_header_is_truncated)
{
    l.kernel.size = 0x206;
    loading_refused(&l, -EBADMSG, "vmlinuz: truncated: has 518 bytes, its header says 616");
    l.kernel.size = 0x267;
    loading_refused(&l, -EBADMSG, "truncated");
}
END_TEST

START_TEST(file_cut_in_its_kernel_is_truncated)
{
    size_t size = l.kernel.size;

    l.kernel.size = size - 1;
    loading_refused(&l, -EBADMSG, "truncated: has 1599 bytes, its header says 1600");
    l.kernel.size = 0x268;
    loading_refused(&l, -EBADMSG, "truncated");
    l.kernel.size = size;
    put32(l.kernel.bytes, 0x1f4, 0xffffffff); /* syssize */
    loading_refused(&l, -EBADMSG, "truncated");
}
END_TEST

START_TEST(kernels_without_64_bit_entry_are_refused)
{
    put16(l.kernel.bytes, 0x206, 0x020b); /* the protocol before */
    loading_refused(&l, -ENOEXEC, "a 32-bit kernel, or one from before Linux 3.8");
    put16(l.kernel.bytes, 0x206, 0x020c);
    loading_accepted(&l);
    put16(l.kernel.bytes, 0x236, 0x007e); /* xloadflags */
    loading_refused(&l, -ENOEXEC, "32-bit");
    put16(l.kernel.bytes, 0x236, 0x0001);
    loading_accepted(&l);
    l.kernel.bytes[0x211] = 0; /* loadflags: a zImage */
    loading_refused(&l, -ENOEXEC, "32-bit");
}
END_TEST

START_TEST(header_that_ends_too_early_is_damaged)
{
    l.kernel.bytes[0x201] = 0x65; /* 0x267; init_size and handover_offset end at 0x268 */
    loading_refused(&l, -EBADMSG, "damaged: its header");
    l.kernel.bytes[0x201] = 0x66;
    loading_accepted(&l);
    ck_assert(ram_is_zero(&l, 0x7268, 8));
}
END_TEST

START_TEST(header_is_copied_up_to_the_next_field_of_boot_params)
{
    memset(l.kernel.bytes + 0x26c, 0xee, 1024 - 0x26c);
    l.kernel.bytes[0x201] = 0xff;
    loading_accepted(&l);
    ck_assert_uint_eq(*ram(&l, 0x728f, 1), 0xee);
    ck_assert(ram_is_zero(&l, 0x7290, 0x40)); /* edd_mbr_sig_buffer */
}
END_TEST

START_TEST(zero_setup_sectors_mean_four)
{
    l.kernel.bytes[0x1f1] = 0;
    loading_refused(&l, -EBADMSG, "truncated: has 1600 bytes, its header says 3136");
    l.kernel.bytes = realloc(l.kernel.bytes, 3136);
    memset(l.kernel.bytes + 1600, 0x3c, 1536);
    l.kernel.size = 3136;
    loading_accepted(&l);
    ck_assert_mem_eq(ram(&l, PREF, 576), l.kernel.bytes + 2560, 576);
}
END_TEST

START_TEST(kernel_part_of_impossible_size_is_damaged)
{
    put32(l.kernel.bytes, 0x1f4, 0x200 / 16); /* nothing at the entry point */
    loading_refused(&l, -EBADMSG, "damaged: its 64-bit part has 512 bytes");
    put32(l.kernel.bytes, 0x1f4, 0x210 / 16);
    loading_accepted(&l);
    put32(l.kernel.bytes, 0x260, 0x20f); /* init_size: a byte less than the file has */
    loading_refused(&l, -EBADMSG, "damaged");
    put32(l.kernel.bytes, 0x260, 0);
    loading_refused(&l, -EBADMSG, "damaged");
}
END_TEST

static const struct {
    uint64_t pref_address;
    int r;
    const char *text;
} addresses[] = {
    {0, -EBADMSG, "damaged"},
    {0xff000, -EBADMSG, "damaged"},
    {0xffffffffffffffff, -EBADMSG, "damaged"},
    {0xfffffffffffff000, -EBADMSG, "damaged"},
    {0xbfd00000, -EBADMSG, "damaged"}, /* ends in the hole */
    {0x100000000, -EBADMSG, "damaged"},
    {0xbfc00000, -ENOMEM, "needs --mem of at least 3072 MiB, it is 64"},
    {0x3c00001, -ENOMEM, "needs --mem of at least 65 MiB, it is 64"},
    {0x3c00000, 0, ""},
    {0x100000, 0, ""},
};

START_TEST(kernel_address_must_be_ram)
{
    put64(l.kernel.bytes, 0x258, addresses[_i].pref_address);
    ck_assert_int_eq(loading_run(&l), addresses[_i].r);
    ck_assert_ptr_nonnull(strstr(l.capture.text, addresses[_i].text));
    ck_assert(addresses[_i].r == 0 || capture_is_one_error(l.capture.text));
}
END_TEST

/* -- the direct way -- */

/* Three segments as in a real kernel: text at 2 MiB of the file, the next nearer in RAM than in
 * the file, the last with zeroes behind it. */
static const struct fake_elf real_shape = {
    .entry = PREF + 0x10,
    .count = 3,
    .segment = {{0x200000, PREF, 0x5000, 0x5000, 1},
                {0x206000, PREF + 0x5000, 0x1800, 0x1800, 2},
                {0x208000, PREF + 0x7000, 0x100, 0x3000, 3}},
};

/* A vmlinux with its text early in the file, so that all segments move up and across each other. */
static const struct fake_elf all_up = {
    .entry = PREF + 0x201000,
    .count = 3,
    .segment = {{0x400, PREF + 0x1000, 0x200000, 0x200000, 1},
                {0x200400, PREF + 0x201000, 0x100000, 0x100000, 2},
                {0x300400, PREF + 0x301400, 0x10, 0x1000, 3}},
};

/* Text far back in the file: all move down; the last is zeroes alone. */
static const struct fake_elf all_down = {
    .entry = PREF,
    .count = 3,
    .segment = {{0x280000, PREF, 0x90000, 0x90000, 5},
                {0x310000, PREF + 0x90000, 0x7777, 0x8000, 6},
                {0, PREF + 0x100000, 0, 0x1000, 7}},
};

static const struct fake_elf *const shapes[] = {&real_shape, &all_up, &all_down};

/* A bzImage around `elf`. */
static void pack_kernel(const struct fake_elf *elf, enum fake_packing packing)
{
    struct file plain = fake_elf(elf);
    struct file packed = fake_pack(packing, &plain);

    file_free(&l.kernel);
    l.kernel = fake_bzimage(&packed);
    file_free(&plain);
    file_free(&packed);
    l.platform.direct = true;
}

/* RAM above 1 MiB is what the segments say, and zero. */
static void check_segments(const struct fake_elf *elf)
{
    auto_free uint8_t *want = calloc(1, 64 * LOAD_MIB);

    ck_assert_ptr_nonnull(want);
    for (unsigned i = 0; i < elf->count; i++)
        for (uint64_t n = 0; n < elf->segment[i].file_size; n++)
            want[elf->segment[i].addr + n] = fake_byte(&elf->segment[i], n);
    ck_assert_int_eq(memcmp(want + LOAD_MIB, ram(&l, LOAD_MIB, 63 * LOAD_MIB), 63 * LOAD_MIB), 0);
}

START_TEST(direct_puts_each_segment_in_its_place)
{
    const struct fake_elf *shape = shapes[_i / FAKE_PACKINGS];

    pack_kernel(shape, (enum fake_packing)(_i % FAKE_PACKINGS));
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_LINUX64);
    ck_assert_uint_eq(l.entry.pc, shape->entry);
    ck_assert_uint_eq(l.entry.arg, 0x7000);
    check_segments(shape);
}
END_TEST

START_TEST(direct_boot_params_are_those_of_the_packed_way)
{
    uint8_t packed_way[4096];

    pack_kernel(&real_shape, FAKE_GZIP);
    l.platform.direct = false;
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.pc, PREF + 0x200);
    memcpy(packed_way, ram(&l, 0x7000, 4096), 4096);
    l.platform.direct = true;
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.pc, PREF + 0x10);
    ck_assert_mem_eq(ram(&l, 0x7000, 4096), packed_way, 4096);
}
END_TEST

START_TEST(direct_initrd_lies_as_in_the_packed_way)
{
    pack_kernel(&real_shape, FAKE_XZ);
    l.initrd = file_of_size(44 * LOAD_MIB, 0x44); /* all from 20 MiB up: also xz's scratch */
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.pc, PREF + 0x10);
    ck_assert_uint_eq(get32(ram(&l, 0x7000, 4096), 0x218), FAKE_END);
    ck_assert_mem_eq(ram(&l, FAKE_END, l.initrd.size), l.initrd.bytes, l.initrd.size);
    ck_assert(ram_is_zero(&l, PREF + 0x8000, FAKE_END - PREF - 0x8000));
}
END_TEST

/* -- what must go the packed way, and how each is made -- */

static void spoil_magic(void)
{
    l.kernel.bytes[FAKE_PART_AT + FAKE_PAYLOAD_AT] ^= 1;
}

static void spoil_contents(void)
{
    l.kernel.bytes[FAKE_PART_AT + FAKE_PAYLOAD_AT + get32(l.kernel.bytes, 0x24c) / 2] ^= 0x40;
}

/* The unpacked size that the payload claims. */
static void claim(uint32_t size)
{
    put32(l.kernel.bytes, FAKE_PART_AT + FAKE_PAYLOAD_AT + get32(l.kernel.bytes, 0x24c) - 4, size);
}

static void claim_nothing(void)
{
    claim(0);
}

static void claim_one_less(void)
{
    claim(0x208100 - 1);
}

static void claim_one_more(void)
{
    claim(0x208100 + 1);
}

static void claim_all_ram(void)
{
    claim(50 << 20); /* 14 MiB to 64 MiB: fits, but is not so */
}

static void claim_more_than_ram(void)
{
    claim((50 << 20) + 1);
}

static void claim_4_gib(void)
{
    claim(0xffffffff);
}

static void payload_behind_the_kernel(void)
{
    put32(l.kernel.bytes, 0x248, 0xffffff00);
}

static void payload_longer_than_the_kernel(void)
{
    put32(l.kernel.bytes, 0x24c, 0xffffffff);
}

static void payload_of_nothing(void)
{
    put32(l.kernel.bytes, 0x24c, 0);
}

static void kernel_too_low_for_its_file(void)
{
    put64(l.kernel.bytes, 0x258, 0x2ff000); /* file would start below 1 MiB */
}

/* Packs real_shape with one number of its ELF headers changed. */
static void repack(size_t at, uint64_t value)
{
    struct file plain = fake_elf(&real_shape);

    put64(plain.bytes, at, value);
    struct file packed = fake_pack(FAKE_GZIP, &plain);
    file_free(&l.kernel);
    l.kernel = fake_bzimage(&packed);
    file_free(&plain);
    file_free(&packed);
}

static void elf_is_none(void)
{
    repack(0, 0);
}

static void elf_enters_nowhere(void)
{
    repack(24, PREF + 0xa000);
}

static void elf_wants_low_ram(void)
{
    repack(FAKE_PHDR_AT(0) + 24, 0x7000);
}

static void elf_ends_behind_init_size(void)
{
    repack(FAKE_PHDR_AT(2) + 40, FAKE_END - (PREF + 0x7000) + 1);
}

static void elf_moves_up_and_down(void)
{
    repack(FAKE_PHDR_AT(2) + 24, PREF + 0x8001);
}

static void elf_file_order_is_not_ram_order(void)
{
    repack(FAKE_PHDR_AT(2) + 8, 0x204000);
}

static const struct {
    const char *name;
    void (*spoil)(void);
} fallbacks[] = {
#define FALLBACK(f)                                                                                \
    {                                                                                              \
#f, f                                                                                      \
    }
    FALLBACK(spoil_magic),
    FALLBACK(spoil_contents),
    FALLBACK(claim_nothing),
    FALLBACK(claim_one_less),
    FALLBACK(claim_one_more),
    FALLBACK(claim_all_ram),
    FALLBACK(claim_more_than_ram),
    FALLBACK(claim_4_gib),
    FALLBACK(payload_behind_the_kernel),
    FALLBACK(payload_longer_than_the_kernel),
    FALLBACK(payload_of_nothing),
    FALLBACK(kernel_too_low_for_its_file),
    FALLBACK(elf_is_none),
    FALLBACK(elf_enters_nowhere),
    FALLBACK(elf_wants_low_ram),
    FALLBACK(elf_ends_behind_init_size),
    FALLBACK(elf_moves_up_and_down),
    FALLBACK(elf_file_order_is_not_ram_order),
};

START_TEST(what_cannot_be_unpacked_goes_the_packed_way)
{
    pack_kernel(&real_shape, FAKE_ZSTD);
    fallbacks[_i].spoil();
    uint64_t addr = get64(l.kernel.bytes, 0x258), size = l.kernel.size - FAKE_PART_AT;
    loading_accepted(&l);
    ck_assert_msg(l.entry.pc == addr + 0x200, "%s was unpacked", fallbacks[_i].name);
    ck_assert_mem_eq(ram(&l, addr, size), l.kernel.bytes + FAKE_PART_AT, size);
    ck_assert(ram_is_zero(&l, 0x100000, addr - 0x100000));
    ck_assert(ram_is_zero(&l, addr + size, 64 * LOAD_MIB - addr - size));
}
END_TEST

START_TEST(xz_without_room_for_its_dictionary_goes_the_packed_way)
{
    loading_end(&l);
    loading_begin(&l, 27 * LOAD_MIB); /* 20 MiB are the kernel's, the dictionary has 8 */
    pack_kernel(&real_shape, FAKE_XZ);
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.pc, PREF + 0x200);
}
END_TEST

/* -- kept from an earlier run -- */

static char folder[64];
static struct kernel_cache cache;

static void setup_cache(void)
{
    const struct stat old = {.st_ino = 7, .st_size = 4711};

    setup();
    strcpy(folder, "/tmp/linnet-bzimage-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(kernel_cache_open(&cache, folder, &old), 0);
    l.platform.cache = &cache;
}

static void teardown_cache(void)
{
    char path[100];

    kernel_cache_close(&cache);
    snprintf(path, sizeof(path), "%s/kernel-0-7", folder);
    (void)unlink(path); /* where there is one */
    ck_assert_int_eq(rmdir(folder), 0);
    teardown();
}

/* Another machine, and a kernel file that nobody can unpack any more. */
static void begin_again(void)
{
    struct file kernel = l.kernel;

    l.kernel = (struct file){0};
    loading_end(&l);
    loading_begin(&l, 64 * LOAD_MIB);
    l.kernel = kernel;
    spoil_contents();
    l.platform.direct = true;
    l.platform.cache = &cache;
}

START_TEST(kernel_unpacked_once_is_found_again)
{
    uint8_t params[4096];

    pack_kernel(shapes[_i], FAKE_ZSTD);
    loading_accepted(&l);
    check_segments(shapes[_i]);
    memcpy(params, ram(&l, 0x7000, 4096), 4096);
    begin_again();
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.pc, shapes[_i]->entry);
    check_segments(shapes[_i]);
    ck_assert_mem_eq(ram(&l, 0x7000, 4096), params, 4096);
}
END_TEST

START_TEST(kernel_for_the_guest_to_unpack_is_not_kept)
{
    pack_kernel(&real_shape, FAKE_ZSTD);
    l.platform.direct = false;
    loading_accepted(&l);
    begin_again();
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.pc, PREF + 0x200);
}
END_TEST

START_TEST(kernel_that_could_not_be_unpacked_is_not_kept)
{
    pack_kernel(&real_shape, FAKE_ZSTD);
    spoil_magic();
    loading_accepted(&l);
    spoil_magic(); /* it is right again */
    loading_accepted(&l);
    ck_assert_uint_eq(l.entry.pc, PREF + 0x10);
}
END_TEST

START_TEST(kept_kernel_that_cannot_be_read_is_left_to_the_guest)
{
    const struct image none = {0};

    pack_kernel(&real_shape, FAKE_ZSTD);
    loading_accepted(&l);
    begin_again();
    const struct image kernel = {"vmlinuz", l.kernel.bytes, l.kernel.size};
    wrap_fail_after(WRAP_PREAD, 1, EIO); /* after its header; a capture would read by it, too */
    int r = l.load(&l.platform, &kernel, &none, &l.entry);
    ck_assert_uint_gt(wrap_stop(WRAP_PREAD), 0);
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(l.entry.pc, PREF + 0x200);
}
END_TEST

Suite *bzimage_suite(void);
Suite *bzimage_suite(void)
{
    Suite *suite = suite_create("bzimage");
    TCase *header = tcase_create("header");
    TCase *direct = tcase_create("direct");
    TCase *kept = tcase_create("kept");

    tcase_add_checked_fixture(header, setup, teardown);
    tcase_add_test(header, file_cut_in_its_header_is_truncated);
    tcase_add_test(header, file_cut_in_its_kernel_is_truncated);
    tcase_add_test(header, kernels_without_64_bit_entry_are_refused);
    tcase_add_test(header, header_that_ends_too_early_is_damaged);
    tcase_add_test(header, header_is_copied_up_to_the_next_field_of_boot_params);
    tcase_add_test(header, zero_setup_sectors_mean_four);
    tcase_add_test(header, kernel_part_of_impossible_size_is_damaged);
    tcase_add_loop_test(header, kernel_address_must_be_ram, 0, ARRAY_SIZE(addresses));
    suite_add_tcase(suite, header);
    tcase_add_checked_fixture(direct, setup, teardown);
    tcase_set_timeout(direct, 60);
    tcase_add_loop_test(direct, direct_puts_each_segment_in_its_place, 0,
                        ARRAY_SIZE(shapes) * FAKE_PACKINGS);
    tcase_add_test(direct, direct_boot_params_are_those_of_the_packed_way);
    tcase_add_test(direct, direct_initrd_lies_as_in_the_packed_way);
    tcase_add_loop_test(direct, what_cannot_be_unpacked_goes_the_packed_way, 0,
                        ARRAY_SIZE(fallbacks));
    tcase_add_test(direct, xz_without_room_for_its_dictionary_goes_the_packed_way);
    suite_add_tcase(suite, direct);
    tcase_add_checked_fixture(kept, setup_cache, teardown_cache);
    tcase_set_timeout(kept, 60);
    tcase_add_loop_test(kept, kernel_unpacked_once_is_found_again, 0, ARRAY_SIZE(shapes));
    tcase_add_test(kept, kernel_for_the_guest_to_unpack_is_not_kept);
    tcase_add_test(kept, kernel_that_could_not_be_unpacked_is_not_kept);
    tcase_add_test(kept, kept_kernel_that_cannot_be_read_is_left_to_the_guest);
    suite_add_tcase(suite, kept);
    return suite;
}
