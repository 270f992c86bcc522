/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stock kernels, as far as they were fetched to build/guests: unpacked from its bzImage, a kernel
 * must lie in RAM byte for byte as its vmlinux does, which another program unpacked; and again when
 * it was kept.
 */
#include "arch/arch.h"
#include "arch/kernel_cache.h"
#include "tests/arch/x86_64/x86_64_loading.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define RAM_BYTES (96 * LOAD_MIB)

static const char *const guests[] = {"6.12-amd64", "6.12-cloud-amd64", "6.1-cloud-amd64",
                                     "7-amd64"};
static struct loading l;

static void teardown(void)
{
    loading_end(&l);
}

/* Maps build/guests/GUEST/NAME; false if it is not there. */
static bool map_file(const char *guest, const char *name, struct image *ret_image)
{
    char path[256];
    struct stat st;

    (void)snprintf(path, sizeof(path), "build/guests/%s/%s", guest, name);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return false;
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    *ret_image = (struct image){name, bytes, (size_t)st.st_size};
    return bytes != MAP_FAILED;
}

static void load(const struct image *kernel, bool direct)
{
    const struct image none = {.name = "no initrd"};

    loading_begin(&l, RAM_BYTES);
    l.platform.direct = direct;
    ck_assert_int_eq(x86_64_load(&l.platform, kernel, &none, &l.entry), 0);
}

START_TEST(direct_leaves_ram_as_the_vmlinux_does)
{
    struct image bzimage, vmlinux;

    if (!map_file(guests[_i], "vmlinuz", &bzimage) || !map_file(guests[_i], "vmlinux", &vmlinux)) {
        (void)fprintf(stderr, "SKIP unit/stock/%s: not in build/guests\n", guests[_i]);
        return;
    }
    load(&bzimage, true);
    ck_assert_int_eq(l.entry.kind, ENTRY_LINUX64);
    ck_assert_uint_eq(l.entry.pc, get64(vmlinux.bytes, 24)); /* e_entry */
    auto_free uint8_t *unpacked = malloc(RAM_BYTES);
    ck_assert_ptr_nonnull(unpacked);
    memcpy(unpacked, l.mem.host, RAM_BYTES);
    loading_end(&l);
    load(&vmlinux, false);
    ck_assert_int_eq(l.entry.kind, ENTRY_LINUX64);
    ck_assert_int_eq(memcmp(unpacked + LOAD_MIB, l.mem.host + LOAD_MIB, RAM_BYTES - LOAD_MIB), 0);
    loading_end(&l);
    load(&bzimage, false);
    ck_assert_int_eq(l.entry.kind, ENTRY_LINUX64);
    ck_assert_uint_eq(l.entry.pc, 0x1000200);
}
END_TEST

START_TEST(kept_kernel_leaves_ram_as_the_unpacked_one_does)
{
    const struct image none = {.name = "no initrd"};
    struct image bzimage;
    char folder[] = "/tmp/linnet-stock-XXXXXX", command[64];
    struct kernel_cache cache;
    uint8_t *ram_of[2];

    if (!map_file(guests[_i], "vmlinuz", &bzimage)) {
        (void)fprintf(stderr, "SKIP unit/stock/%s: not in build/guests\n", guests[_i]);
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(kernel_cache_open(&cache, folder, &(struct stat){.st_ino = 1}), 0);
    for (unsigned turn = 0; turn < 2; turn++) {
        loading_begin(&l, RAM_BYTES);
        l.platform.direct = true;
        l.platform.cache = &cache;
        ck_assert_int_eq(x86_64_load(&l.platform, &bzimage, &none, &l.entry), 0);
        ram_of[turn] = malloc(RAM_BYTES);
        memcpy(ram_of[turn], l.mem.host, RAM_BYTES);
        loading_end(&l);
        /* What is kept needs nothing of what is packed. */
        memset((uint8_t *)(uintptr_t)bzimage.bytes + bzimage.size / 2, 0, 4096);
    }
    ck_assert_int_eq(memcmp(ram_of[0], ram_of[1], RAM_BYTES), 0);
    free(ram_of[0]);
    free(ram_of[1]);
    kernel_cache_close(&cache);
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

Suite *stock_suite(void);
Suite *stock_suite(void)
{
    Suite *suite = suite_create("stock");
    TCase *tcase = tcase_create("stock");

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, direct_leaves_ram_as_the_vmlinux_does, 0, ARRAY_SIZE(guests));
    tcase_add_loop_test(tcase, kept_kernel_leaves_ram_as_the_unpacked_one_does, 0,
                        ARRAY_SIZE(guests));
    suite_add_tcase(suite, tcase);
    return suite;
}
