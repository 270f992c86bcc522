/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ELF kernels: which are refused and why, where segments go, and what the two entries find: the
 * 64-bit one boot_params, the PVH one start_info (Xen's public headers).
 */
#include "arch/arch.h"
#include "arch/x86_64/elf.h"
#include "tests/arch/x86_64/x86_64_loading.h"

#define KERNEL_AT 0x1000000

static struct loading l;

static const struct fake_elf plain = {
    .entry = KERNEL_AT + 0x20,
    .count = 2,
    .segment = {{0x400, KERNEL_AT, 0x1000, 0x1000, 1},
                {0x1400, KERNEL_AT + 0x2000, 0x10, 0x3000, 9}},
};

static const struct fake_elf with_note = {
    .entry = KERNEL_AT + 0x20,
    .pvh_entry = KERNEL_AT + 0x2ff0,
    .count = 2,
    .segment = {{0x400, KERNEL_AT, 0x1000, 0x1000, 1},
                {0x1400, KERNEL_AT + 0x2000, 0x10, 0x3000, 9}},
};

static void setup(void)
{
    loading_begin(&l, 64 * LOAD_MIB);
    l.kernel = fake_elf(&plain);
}

static void teardown(void)
{
    loading_end(&l);
}

static void use(const struct fake_elf *elf)
{
    file_free(&l.kernel);
    l.kernel = fake_elf(elf);
}

START_TEST(segments_are_copied_to_their_physical_addresses)
{
    loading_accepted(&l);
    ck_assert_mem_eq(ram(&l, KERNEL_AT, 0x1000), l.kernel.bytes + 0x400, 0x1000);
    ck_assert(ram_is_zero(&l, KERNEL_AT + 0x1000, 0x1000));
    ck_assert_mem_eq(ram(&l, KERNEL_AT + 0x2000, 0x10), l.kernel.bytes + 0x1400, 0x10);
    ck_assert(ram_is_zero(&l, KERNEL_AT + 0x2010, 0x10000));
    ck_assert(ram_is_zero(&l, 0x100000, 0xf00000));
}
END_TEST

START_TEST(without_note_the_entry_is_64_bit_with_boot_params)
{
    l.initrd = file_of_size(5000, 0x77);
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_LINUX64);
    ck_assert_uint_eq(l.entry.pc, KERNEL_AT + 0x20);
    ck_assert_uint_eq(l.entry.arg, 0x7000);
    const uint8_t *p = ram(&l, 0x7000, 4096);
    ck_assert_uint_eq(get16(p, 0x1fe), 0xaa55);
    ck_assert_mem_eq(p + 0x202, "HdrS", 4);
    ck_assert_uint_ge(get16(p, 0x206), 0x0206);
    ck_assert_uint_eq(p[0x210], 0xff);
    ck_assert_uint_eq(p[0x211], 0x01);
    ck_assert_uint_eq(get32(p, 0x218), 0x3ffe000);
    ck_assert_uint_eq(get32(p, 0x21c), 5000);
    ck_assert_uint_eq(get32(p, 0x228), 0x20000);
    ck_assert_uint_eq(get32(p, 0x230), 0x200000);
    ck_assert_uint_eq(get64(p, 0x070), 0xe0000);
    ck_assert_uint_eq(p[0x1e8], 4);
}
END_TEST

/* -- PVH -- */

START_TEST(pvh_note_is_preferred_and_finds_start_info)
{
    use(&with_note);
    l.initrd = file_of_size(5000, 0x77);
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_PVH32);
    ck_assert_uint_eq(l.entry.pc, KERNEL_AT + 0x2ff0);
    ck_assert_uint_lt(l.entry.arg, 0x9fc00);
    const uint8_t *info = ram(&l, l.entry.arg, 56);
    ck_assert_uint_eq(get32(info, 0), 0x336ec578);
    ck_assert_uint_eq(get32(info, 4), 1);  /* version */
    ck_assert_uint_eq(get32(info, 8), 0);  /* flags */
    ck_assert_uint_eq(get32(info, 12), 1); /* modules */
    ck_assert_uint_eq(get64(info, 32), 0xe0000);
    ck_assert_str_eq((const char *)ram(&l, get64(info, 24), 64), "console=ttyS0 quiet");
    const uint8_t *module = ram(&l, get64(info, 16), 32);
    ck_assert_uint_eq(get64(module, 0), 0x3ffe000);
    ck_assert_uint_eq(get64(module, 8), 5000);
    ck_assert_uint_eq(get64(module, 16), 0);
    ck_assert_uint_eq(get64(module, 24), 0);
    ck_assert(ram_is_zero(&l, 0x7000, 4096)); /* no boot_params */
}
END_TEST

START_TEST(pvh_memory_map_is_the_machines)
{
    static const uint64_t want[5][3] = {{0, 0x9fc00, 1},
                                        {0xe0000, 0x10000, 3},
                                        {0xf0000, 0x10000, 2},
                                        {0x100000, 0xbff00000, 1},
                                        {0x100000000, 0x40000000, 1}};

    loading_end(&l);
    loading_begin(&l, 4096 * LOAD_MIB);
    l.kernel = fake_elf(&with_note);
    loading_accepted(&l);
    const uint8_t *info = ram(&l, l.entry.arg, 56);
    ck_assert_uint_eq(get32(info, 12), 0); /* no initrd, no module */
    ck_assert_uint_eq(get32(info, 48), 5);
    for (unsigned i = 0; i < 5; i++) {
        const uint8_t *entry = ram(&l, get64(info, 40) + (uint64_t)24 * i, 24);
        ck_assert_uint_eq(get64(entry, 0), want[i][0]);
        ck_assert_uint_eq(get64(entry, 8), want[i][1]);
        ck_assert_uint_eq(get32(entry, 16), want[i][2]);
        ck_assert_uint_eq(get32(entry, 20), 0);
    }
}
END_TEST

START_TEST(pvh_note_of_four_bytes_counts_too)
{
    use(&with_note);
    put32(l.kernel.bytes, 516, 4);
    put32(l.kernel.bytes, 532, 0xffffffff); /* behind it */
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_PVH32);
    ck_assert_uint_eq(l.entry.pc, KERNEL_AT + 0x2ff0);
}
END_TEST

/* Notes that name no PVH entry, or not in a way to trust: the 64-bit entry is taken. */
static const struct {
    size_t at;
    uint32_t value;
} no_notes[] = {
    {512, 3},                      /* name_size: not "Xen" with its NUL */
    {512, 0xffffffff},             /* behind the segment */
    {512, 0xfffffffd},             /* its rounding would wrap in 32 bits */
    {516, 0},                      /* size of the address */
    {516, 16},                     /* ends behind the segment */
    {516, 0xffffffff},             /* */
    {520, 6},                      /* another note of Xen's */
    {524, 0x00554e47},             /* "GNU" */
    {532, 1},                      /* above 4 GiB: in no segment */
    {528, KERNEL_AT - 1},          /* below the kernel */
    {528, KERNEL_AT + 0x5000},     /* behind it */
    {528, KERNEL_AT + 0x1000},     /* between segments */
    {FAKE_PHDR_AT(2), 5},          /* p_type: PT_SHLIB */
    {FAKE_PHDR_AT(2) + 8, 0x1500}, /* p_offset: the note ends behind the file */
    {FAKE_PHDR_AT(2) + 32, 11},    /* p_filesz: less than a note's header */
};

START_TEST(other_notes_leave_the_64_bit_entry)
{
    use(&with_note);
    put32(l.kernel.bytes, no_notes[_i].at, no_notes[_i].value);
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_LINUX64);
    ck_assert_uint_eq(l.entry.pc, KERNEL_AT + 0x20);
}
END_TEST

START_TEST(pvh_note_is_found_behind_another)
{
    uint8_t *b;

    use(&with_note);
    b = l.kernel.bytes;
    put32(b, 512 + 512, 3); /* a 3-byte name and 5 bytes of contents, both padded */
    put32(b, 512 + 516, 5);
    put32(b, 512 + 520, 1);
    put64(b, 512 + 524, 0x6e6f63006261); /* "ab", padding, "con..." */
    memcpy(b + 512 + 536, b + 512, 24);
    put64(b, FAKE_PHDR_AT(2) + 8, 1024);
    put64(b, FAKE_PHDR_AT(2) + 32, 48);
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_PVH32);
}
END_TEST

START_TEST(pvh_kernel_needs_no_64_bit_entry)
{
    use(&with_note);
    put64(l.kernel.bytes, 24, 0);
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_PVH32);
}
END_TEST

/* A note of Linux' own before that of PVH. */
static void say_linux(void)
{
    uint8_t *b = l.kernel.bytes;

    put32(b, 1024, 6); /* "Linux", padded, and four bytes of contents */
    put32(b, 1028, 4);
    put32(b, 1032, 0x100);
    memcpy(b + 1036, "Linux\0\0\0\0\0\0", 12);
    memcpy(b + 1048, b + 512, 24);
    put64(b, FAKE_PHDR_AT(2) + 8, 1024);
    put64(b, FAKE_PHDR_AT(2) + 32, 48);
}

START_TEST(linux_is_entered_where_it_can_be_given_a_seed)
{
    use(&with_note);
    say_linux();
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_LINUX64);
    ck_assert_uint_eq(l.entry.pc, KERNEL_AT + 0x20);
}
END_TEST

START_TEST(linux_without_a_64_bit_entry_is_entered_by_pvh)
{
    use(&with_note);
    say_linux();
    put64(l.kernel.bytes, 24, 0);
    loading_accepted(&l);
    ck_assert_int_eq(l.entry.kind, ENTRY_PVH32);
}
END_TEST

/* -- what is refused -- */

/* One 64-bit number of a good file changed. */
static const struct {
    size_t at;
    uint64_t value;
    int r;
    const char *text;
} refused[] = {
    {18, 183, -ENOEXEC, "arm64"},
    {18, 3, -ENOEXEC, "32-bit x86"},
    {18, 243, -ENOEXEC, "riscv"},
    {18, 40, -ENOEXEC, "32-bit ARM"},
    {18, 21, -ENOEXEC, "ppc64"},
    {18, 22, -ENOEXEC, "s390x"},
    {18, 0xbeef, -ENOEXEC, "not for x86_64"},
    {4, 1, -ENOEXEC, "not for x86_64"},                /* 32 bits */
    {4, 0x0202, -ENOEXEC, "not for x86_64"},           /* big endian */
    {16, 62 << 16 | 1, -ENOEXEC, "not an executable"}, /* an object file */
    {16, 62 << 16 | 4, -ENOEXEC, "not an executable"}, /* a core */
    {FAKE_PHDR_AT(0), 3, -ENOEXEC, "a program"},       /* wants an interpreter */
    {32, 0x1410, -EBADMSG, "truncated"},               /* program headers behind the file */
    {32, UINT64_MAX, -EBADMSG, "truncated"},
    {32, 0x1410 - 111, -EBADMSG, "truncated"},
    {54, 2ULL << 16 | 32, -EBADMSG, "damaged"}, /* size of a program header */
    {54, 56, -EBADMSG, "damaged"},              /* none */
    {54, 65ULL << 16 | 56, -EBADMSG, "damaged"},
    {FAKE_PHDR_AT(1) + 8, 0x1401, -EBADMSG, "truncated"}, /* offset */
    {FAKE_PHDR_AT(1) + 8, UINT64_MAX, -EBADMSG, "truncated"},
    {FAKE_PHDR_AT(1) + 32, 0x11, -EBADMSG, "truncated"}, /* file size */
    {FAKE_PHDR_AT(1) + 32, UINT64_MAX, -EBADMSG, "truncated"},
    {FAKE_PHDR_AT(1) + 40, 0xf, -EBADMSG, "damaged"}, /* memory size below it */
    {FAKE_PHDR_AT(1) + 40, UINT64_MAX, -EBADMSG, "damaged"},
    {FAKE_PHDR_AT(1) + 24, KERNEL_AT + 0xfff, -EBADMSG, "damaged"}, /* overlaps */
    {FAKE_PHDR_AT(1) + 24, 0x200000, -EBADMSG, "damaged"},          /* out of order */
    {FAKE_PHDR_AT(1) + 24, 0xbfffd001, -EBADMSG, "damaged"},        /* into the hole */
    {FAKE_PHDR_AT(0) + 24, 0xff000, -EBADMSG, "damaged"},           /* below 1 MiB; 64-bit entry */
    {FAKE_PHDR_AT(1) + 24, 0x3ffd001, -ENOMEM, "needs --mem of at least 65 MiB, it is 64"},
    {FAKE_PHDR_AT(1) + 24, 0xbfffd000, -ENOMEM, "needs --mem of at least 3072 MiB"},
    {24, KERNEL_AT + 0x1000, -EBADMSG, "entry point"}, /* between segments */
    {24, KERNEL_AT - 1, -EBADMSG, "entry point"},
    {24, 0xffffffff81000000, -EBADMSG, "entry point"}, /* virtual */
};

START_TEST(bad_headers_are_refused)
{
    put64(l.kernel.bytes, refused[_i].at, refused[_i].value);
    loading_refused(&l, refused[_i].r, refused[_i].text);
}
END_TEST

START_TEST(good_bounds_are_accepted)
{
    put64(l.kernel.bytes, FAKE_PHDR_AT(1) + 24, 0x3ffd000); /* to the last byte of RAM */
    loading_accepted(&l);
    put64(l.kernel.bytes, FAKE_PHDR_AT(1) + 24, KERNEL_AT + 0x1000); /* right behind the first */
    loading_accepted(&l);
    put64(l.kernel.bytes, 24, KERNEL_AT + 0x3fff); /* last byte of memory */
    loading_accepted(&l);
    put64(l.kernel.bytes, 24, KERNEL_AT);
    put64(l.kernel.bytes, FAKE_PHDR_AT(1) + 24, 0); /* an empty segment is at no address */
    put64(l.kernel.bytes, FAKE_PHDR_AT(1) + 32, 0);
    put64(l.kernel.bytes, FAKE_PHDR_AT(1) + 40, 0);
    loading_accepted(&l);
}
END_TEST

START_TEST(files_cut_anywhere_are_refused)
{
    size_t size = l.kernel.size;

    for (l.kernel.size = 4; l.kernel.size < size; l.kernel.size++) {
        ck_assert_int_eq(loading_run(&l), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(l.capture.text, "truncated"));
    }
    loading_accepted(&l);
}
END_TEST

START_TEST(more_segments_than_any_kernel_has_are_refused)
{
    uint8_t *b = l.kernel.bytes;

    put16(b, 56, 17);
    for (unsigned i = 0; i < 17; i++) {
        memcpy(b + FAKE_PHDR_AT(i), b + FAKE_PHDR_AT(0), 56);
        put64(b, FAKE_PHDR_AT(i) + 24, KERNEL_AT + i * 0x1000);
    }
    loading_refused(&l, -EBADMSG, "too many ELF segments");
    put16(b, 56, 16);
    loading_accepted(&l);
}
END_TEST

START_TEST(parse_says_why_and_leaves_the_result_alone)
{
    struct elf elf = {.segment_count = 77};
    const char *why = NULL;

    ck_assert_int_eq(elf_parse(l.kernel.bytes, 100, &elf, &why), -EBADMSG);
    ck_assert_uint_eq(elf.segment_count, 77);
    ck_assert_ptr_nonnull(why);
}
END_TEST

Suite *elf_suite(void);
Suite *elf_suite(void)
{
    Suite *suite = suite_create("elf");
    TCase *tcase = tcase_create("elf");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, segments_are_copied_to_their_physical_addresses);
    tcase_add_test(tcase, without_note_the_entry_is_64_bit_with_boot_params);
    tcase_add_test(tcase, pvh_note_is_preferred_and_finds_start_info);
    tcase_add_test(tcase, pvh_memory_map_is_the_machines);
    tcase_add_test(tcase, pvh_note_of_four_bytes_counts_too);
    tcase_add_loop_test(tcase, other_notes_leave_the_64_bit_entry, 0, ARRAY_SIZE(no_notes));
    tcase_add_test(tcase, pvh_note_is_found_behind_another);
    tcase_add_test(tcase, pvh_kernel_needs_no_64_bit_entry);
    tcase_add_test(tcase, linux_is_entered_where_it_can_be_given_a_seed);
    tcase_add_test(tcase, linux_without_a_64_bit_entry_is_entered_by_pvh);
    tcase_add_loop_test(tcase, bad_headers_are_refused, 0, ARRAY_SIZE(refused));
    tcase_add_test(tcase, good_bounds_are_accepted);
    tcase_add_test(tcase, files_cut_anywhere_are_refused);
    tcase_add_test(tcase, more_segments_than_any_kernel_has_are_refused);
    tcase_add_test(tcase, parse_says_why_and_leaves_the_result_alone);
    suite_add_tcase(suite, tcase);
    return suite;
}
