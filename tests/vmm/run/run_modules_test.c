/* SPDX-License-Identifier: BSD-3-Clause */
/* Modules found and ordered, in folders made here; packed ones; and some that are damaged. */
#include "vmm/run/modules.h"

#include "tests/capture.h"
#include "tests/vmm/run/folder.h"

#include <elf.h>
#include <zlib.h>

static struct modules modules;
static struct capture capture;

static void setup(void)
{
    folder_make();
    memset(&modules, 0, sizeof(modules));
}

static void teardown(void)
{
    modules_close(&modules);
    folder_remove();
}

struct fake_module {
    Elf64_Ehdr head;
    char names[32];
    char info[96];
    Elf64_Shdr sections[3];
};

/* A module with a .modinfo of the text `info`, whose '|' are NULs. */
static struct fake_module module_make(const char *info)
{
    struct fake_module module = {
        .head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64},
                 .e_shoff = offsetof(struct fake_module, sections),
                 .e_shentsize = sizeof(Elf64_Shdr),
                 .e_shnum = 3,
                 .e_shstrndx = 1},
        .names = "\0.shstrtab\0.modinfo",
    };

    (void)snprintf(module.info, sizeof(module.info), "%s", info);
    for (size_t i = 0; i < strlen(info); i++)
        if (info[i] == '|')
            module.info[i] = '\0';
    module.sections[1] = (Elf64_Shdr){.sh_name = 1,
                                      .sh_offset = offsetof(struct fake_module, names),
                                      .sh_size = sizeof(module.names)};
    module.sections[2] = (Elf64_Shdr){.sh_name = 11,
                                      .sh_offset = offsetof(struct fake_module, info),
                                      .sh_size = sizeof(module.info)};
    return module;
}

static void module_write(const char *name, const char *info)
{
    struct fake_module module = module_make(info);

    file_write(name, &module, sizeof(module));
}

/* "a b c": the modules in their order. */
static const char *order(void)
{
    static char text[1024];

    text[0] = '\0';
    for (unsigned i = 0; i < modules.count; i++) {
        (void)strcat(text, i > 0 ? " " : "");
        (void)strcat(text, modules.list[i].name);
    }
    return text;
}

START_TEST(what_a_module_needs_comes_before_it)
{
    file_write_text("modules.order", "kernel/fs/top.ko\nkernel/a-b.ko\nkernel/base.ko\n");
    module_write("kernel/fs/top.ko", "license=GPL|depends=a-b,base|name=top");
    module_write("kernel/a-b.ko", "depends=base");
    module_write("kernel/base.ko", "depends=");
    ck_assert_int_eq(modules_open(&modules, folder), 0);
    ck_assert_int_eq(modules_add(&modules, "top"), 1);
    ck_assert_str_eq(order(), "base a_b top");
    ck_assert_int_eq(modules_add(&modules, "a-b"), 0); /* there already, by either name */
    ck_assert_int_eq(modules_add(&modules, "a_b"), 0);
    ck_assert_str_eq(order(), "base a_b top");
}
END_TEST

START_TEST(built_in_or_unknown_is_none)
{
    file_write_text("modules.order", "kernel/x.ko\n");
    file_write_text("modules.builtin", "kernel/drivers/virtio-mmio.ko\n");
    ck_assert_int_eq(modules_open(&modules, folder), 0);
    ck_assert_int_eq(modules_add(&modules, "virtio_mmio"), 0);
    ck_assert_int_eq(modules_add(&modules, "nowhere"), 0);
    ck_assert_uint_eq(modules.count, 0);
    ck_assert(modules_built_in(&modules, "virtio_mmio"));
    ck_assert(!modules_built_in(&modules, "nowhere"));
    ck_assert(!modules_built_in(&modules, "x"));
}
END_TEST

START_TEST(modules_dep_alone_will_do)
{
    file_write_text("modules.dep", "kernel/x.ko: kernel/y.ko\nkernel/y.ko:\n");
    module_write("kernel/x.ko", "depends=y");
    module_write("kernel/y.ko", "depends=");
    ck_assert_int_eq(modules_open(&modules, folder), 0);
    ck_assert_int_eq(modules_add(&modules, "x"), 1);
    ck_assert_str_eq(order(), "y x");
}
END_TEST

/* Some lists say .o, and the files may be packed. */
START_TEST(listed_with_another_ending_is_found)
{
    struct fake_module module = module_make("depends=");
    uint8_t packed[4096];
    z_stream z = {.next_in = (Bytef *)&module, .avail_in = sizeof(module), .next_out = packed};

    z.avail_out = sizeof(packed);
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, 0), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    file_write("drivers/x.ko.gz", packed, z.total_out);
    (void)deflateEnd(&z);
    file_write_text("modules.order", "drivers/x.o\n");
    ck_assert_int_eq(modules_open(&modules, folder), 0);
    ck_assert_int_eq(modules_add(&modules, "x"), 1);
    ck_assert_uint_eq(modules.list[0].bytes.size, sizeof(module));
    ck_assert_mem_eq(modules.list[0].bytes.at, &module, sizeof(module));
}
END_TEST

static const struct {
    const char *order, *file, *info;
} wrong[] = {
    {"kernel/gone.ko\n", "kernel/other.ko", "depends="},
    {"kernel/x.ko\n", "kernel/x.ko", "depends=x"},              /* itself */
    {"kernel/x.ko\nkernel/y.ko\n", "kernel/x.ko", "depends=y"}, /* which is not there */
};

START_TEST(module_that_cannot_be_had_is_one_line)
{
    const char *name = _i == 0 ? "gone" : "x";

    file_write_text("modules.order", wrong[_i].order);
    module_write(wrong[_i].file, wrong[_i].info);
    ck_assert_int_eq(modules_open(&modules, folder), 0);
    capture_start(&capture);
    int r = modules_add(&modules, name);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, _i == 1 ? -ELOOP : -ENOENT);
    ck_assert_one_error(text, "");
    ck_assert_uint_eq(modules.count, 0);
}
END_TEST

START_TEST(no_lists_are_said)
{
    ck_assert_int_eq(modules_open(&modules, folder), -ENOENT);
}
END_TEST

/* Cut anywhere, or with any one byte another, it is read within its bounds (sanitizers look). */
START_TEST(damaged_module_has_no_info_or_ends)
{
    struct fake_module module = module_make("depends=base");

    for (size_t size = 0; size < sizeof(module); size++) {
        struct bytes cut = {0};
        bytes_add(&cut, &module, size);
        (void)module_info(&cut, "depends");
        bytes_free(&cut);
    }
    for (size_t at = 0; at < 8 * sizeof(module); at++) {
        struct fake_module other = module;
        ((uint8_t *)&other)[at / 8] ^= (uint8_t)(1 << at % 8);
        struct bytes whole = {0};
        bytes_add(&whole, &other, sizeof(other));
        const char *info = module_info(&whole, "depends");
        ck_assert(info == NULL || strlen(info) < sizeof(module));
        bytes_free(&whole);
    }
    struct bytes whole = {0};
    bytes_add(&whole, &module, sizeof(module));
    ck_assert_str_eq(module_info(&whole, "depends"), "base");
    ck_assert_ptr_null(module_info(&whole, "license"));
    bytes_free(&whole);
}
END_TEST

Suite *run_modules_suite(void);
Suite *run_modules_suite(void)
{
    Suite *suite = suite_create("run_modules");
    TCase *tc = tcase_create("modules");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_a_module_needs_comes_before_it);
    tcase_add_test(tc, built_in_or_unknown_is_none);
    tcase_add_test(tc, modules_dep_alone_will_do);
    tcase_add_test(tc, listed_with_another_ending_is_found);
    tcase_add_loop_test(tc, module_that_cannot_be_had_is_one_line, 0, ARRAY_SIZE(wrong));
    tcase_add_test(tc, no_lists_are_said);
    tcase_add_test(tc, damaged_module_has_no_info_or_ends);
    suite_add_tcase(suite, tc);
    return suite;
}
