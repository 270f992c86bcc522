/* SPDX-License-Identifier: BSD-3-Clause */
/* The cache of unpacked kernels: found again, never when in doubt, and no trouble when it fails. */
#include "arch/kernel_cache.h"
#include "tests/alloc_fail.h"
#include "tests/child.h"
#include "tests/wrap.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define PAGE     0x1000
#define RAM_SIZE 0x600000
#define ENTRY    0x100123

/* Two pieces, the second not of whole pages; RAM of the test is made of this. */
static const struct kernel_image image = {
    .entry = ENTRY,
    .count = 2,
    .piece = {{0x100000, 0x3000}, {0x200000, 0x1801}},
};
static const struct kernel_piece room = {0x100000, 0x300000};

/* Of an entry with these pieces: header, then 3 and 2 pages. */
#define ENTRY_FILE_SIZE 0x6000
/* Where the header has what: magic, boot id, 7 words of the key, entry, count, pieces. */
#define AT_BOOT_ID  8
#define AT_ENTRY    0x68
#define AT_COUNT    0x70
#define AT_PIECE(i) (0x78 + 16 * (i))

static char base[64], folder[80], entry_path[160], new_path[160];
static struct stat kernel;
static struct kernel_cache cache;
static struct memory mem;

static void fill(struct memory *ram)
{
    memset(memory_at(ram, 0x100000, 0x3000), 0x11, 0x3000);
    memset(memory_at(ram, 0x200000, 0x1801), 0x22, 0x1801);
}

static void reopen(void)
{
    kernel_cache_close(&cache);
    ck_assert_int_eq(kernel_cache_open(&cache, folder, &kernel), 0);
}

static void fresh_memory(void)
{
    memory_destroy(&mem);
    ck_assert_int_eq(memory_create(&mem, RAM_SIZE,
                                   &(struct memory_layout){0, 0xc0000000, 0x100000000},
                                   MEMORY_PAGES_OFF),
                     0);
}

static void setup(void)
{
    strcpy(base, "/tmp/linnet-cache-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(folder, sizeof(folder), "%s/cache", base);
    kernel = (struct stat){.st_dev = 0x12, .st_ino = 0xabc, .st_size = 5000};
    kernel.st_mtim = (struct timespec){1000000, 7};
    kernel.st_ctim = (struct timespec){2000000, 8};
    snprintf(entry_path, sizeof(entry_path), "%s/kernel-12-abc", folder);
    snprintf(new_path, sizeof(new_path), "%s/kernel-12-abc.new", folder);
    fresh_memory();
    reopen();
}

static void teardown(void)
{
    char command[128];

    kernel_cache_close(&cache);
    memory_destroy(&mem);
    snprintf(command, sizeof(command), "rm -rf %s", base);
    ck_assert_int_eq(system(command), 0);
}

static bool load(gpa_t *ret_entry)
{
    *ret_entry = 0;
    return kernel_cache_load(&cache, &mem, &room, ret_entry);
}

static void store(void)
{
    fill(&mem);
    kernel_cache_store(&cache, &mem, &room, &image);
}

static bool is_fill(gpa_t addr, size_t size, uint8_t byte)
{
    const uint8_t *bytes = memory_at(&mem, addr, size);

    return bytes[0] == byte && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static void check_found(void)
{
    gpa_t entry;

    fresh_memory();
    ck_assert(load(&entry));
    ck_assert_uint_eq(entry, ENTRY);
    ck_assert(is_fill(0, 0x100000, 0));
    ck_assert(is_fill(0x100000, 0x3000, 0x11));
    ck_assert(is_fill(0x103000, 0xfd000, 0));
    ck_assert(is_fill(0x200000, 0x1801, 0x22));
    ck_assert(is_fill(0x201801, RAM_SIZE - 0x201801, 0));
}

static void check_not_found(void)
{
    gpa_t entry;

    fresh_memory();
    ck_assert(!load(&entry));
    ck_assert(is_fill(0, RAM_SIZE, 0));
}

static off_t size_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) < 0 ? -1 : st.st_size;
}

/* -- found and not found -- */

START_TEST(what_was_kept_is_found_where_it_was)
{
    check_not_found();
    store();
    check_found();
    ck_assert_int_eq(size_of(entry_path), ENTRY_FILE_SIZE);
    ck_assert_int_eq(size_of(new_path), -1);
}
END_TEST

START_TEST(what_a_guest_writes_stays_its_own)
{
    store();
    check_found();
    memset(memory_at(&mem, 0x100000, 0x3000), 0xee, 0x3000);
    check_found();
}
END_TEST

START_TEST(closed_cache_is_an_empty_one)
{
    gpa_t entry = 0;

    store();
    kernel_cache_close(&cache);
    check_not_found();
    kernel_cache_store(&cache, &mem, &room, &image);
    kernel_cache_store(NULL, &mem, &room, &image);
    ck_assert(!kernel_cache_load(NULL, &mem, &room, &entry));
}
END_TEST

START_TEST(another_file_is_another_kernel)
{
    const struct stat same = kernel;

    store();
    for (unsigned i = 0; i < 7; i++) {
        kernel = same;
        kernel.st_dev += i == 0;
        kernel.st_ino += i == 1;
        kernel.st_size += i == 2;
        kernel.st_mtim.tv_sec += i == 3;
        kernel.st_mtim.tv_nsec += i == 4;
        kernel.st_ctim.tv_sec += i == 5;
        kernel.st_ctim.tv_nsec += i == 6;
        reopen();
        check_not_found();
    }
    kernel = same;
    reopen();
    check_found();
}
END_TEST

START_TEST(changed_kernel_takes_the_place_of_what_it_was)
{
    store();
    kernel.st_ctim.tv_nsec++;
    reopen();
    store();
    check_found();
    kernel.st_ctim.tv_nsec--;
    reopen();
    check_not_found();
}
END_TEST

START_TEST(kernel_that_just_changed_is_not_kept)
{
    struct kernel_cache other;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    kernel.st_ctim = now;
    ck_assert_int_eq(kernel_cache_open(&other, folder, &kernel), -EAGAIN);
    kernel.st_ctim.tv_sec = now.tv_sec + 1000;
    ck_assert_int_eq(kernel_cache_open(&other, folder, &kernel), -EAGAIN);
    kernel.st_ctim.tv_sec = now.tv_sec - 60;
    kernel.st_mtim = now;
    ck_assert_int_eq(kernel_cache_open(&other, folder, &kernel), -EAGAIN);
    kernel.st_mtim.tv_sec = now.tv_sec - 60;
    ck_assert_int_eq(kernel_cache_open(&other, folder, &kernel), 0);
    kernel_cache_close(&other);
}
END_TEST

START_TEST(pages_of_zeroes_are_not_kept)
{
    struct kernel_image sparse = {ENTRY, 1, {{0x100000, 0x300000}}};
    gpa_t entry;

    memset(memory_at(&mem, 0x100000, 1), 1, 1);
    memset(memory_at(&mem, 0x100000 + 16 * PAGE, 1), 1, 1); /* 15 pages between: kept */
    memset(memory_at(&mem, 0x3ff000, PAGE), 2, PAGE);
    kernel_cache_store(&cache, &mem, &room, &sparse);
    ck_assert_int_eq(size_of(entry_path), (1 + 17 + 1) * PAGE);
    fresh_memory();
    ck_assert(load(&entry));
    ck_assert(is_fill(0x100001, PAGE, 0));
    ck_assert_uint_eq(*(uint8_t *)memory_at(&mem, 0x110000, 1), 1);
    ck_assert(is_fill(0x3ff000, PAGE, 2));
}
END_TEST

START_TEST(page_of_two_pieces_is_kept_once)
{
    const struct kernel_image halves = {ENTRY, 2, {{0x100000, 0x1800}, {0x101800, 0x800}}};
    gpa_t entry;

    memset(memory_at(&mem, 0x100000, 0x2000), 0x11, 0x2000);
    kernel_cache_store(&cache, &mem, &room, &halves);
    ck_assert_int_eq(size_of(entry_path), 3 * PAGE);
    fresh_memory();
    ck_assert(load(&entry));
    ck_assert(is_fill(0x100000, 0x2000, 0x11));
}
END_TEST

/* 66 pages, each too far from the next to be of one piece with it; a header has 64. */
START_TEST(more_pieces_than_a_header_has_are_kept_whole)
{
    const struct kernel_image many = {ENTRY, 1, {{0x100000, 66 * 17 * PAGE}}};
    const struct kernel_piece all = {0x100000, 0x500000};
    gpa_t entry;

    for (unsigned i = 0; i < 66; i++)
        memset(memory_at(&mem, 0x100000 + i * 17 * PAGE, PAGE), (int)i + 1, PAGE);
    kernel_cache_store(&cache, &mem, &all, &many);
    fresh_memory();
    ck_assert(kernel_cache_load(&cache, &mem, &all, &entry));
    for (unsigned i = 0; i < 66; i++)
        ck_assert(is_fill(0x100000 + i * 17 * PAGE, PAGE, (uint8_t)(i + 1)));
    ck_assert(is_fill(0x101000, 16 * PAGE, 0));
}
END_TEST

/* -- not to be trusted -- */

static void patch(off_t at, const void *bytes, size_t size)
{
    int fd = open(entry_path, O_WRONLY);

    ck_assert_int_eq(pwrite(fd, bytes, size, at), (ssize_t)size);
    close(fd);
}

static const struct {
    off_t at;
    uint64_t value;
} lies[] = {
    {0, 0x0123456789abcdef},          /* magic */
    {AT_BOOT_ID, 0x3030303030303030}, /* written before the host was booted */
    {AT_ENTRY, 0},
    {AT_ENTRY, 0x103000}, /* behind the first piece */
    {AT_COUNT, 0},
    {AT_COUNT, 1},
    {AT_COUNT, 3},
    {AT_COUNT, 65},
    {AT_COUNT, UINT64_MAX},
    {AT_PIECE(0), 0xff000}, /* below the room */
    {AT_PIECE(0), 0x100001},
    {AT_PIECE(0) + 8, 0x2fff},
    {AT_PIECE(0) + 8, 0x4000}, /* more than the file has */
    {AT_PIECE(0) + 8, UINT64_MAX & ~0xfffull},
    {AT_PIECE(1), 0x102000}, /* in the first one */
    {AT_PIECE(1), 0x3ff000}, /* its end is above the room */
    {AT_PIECE(1), 0x400000},
    {AT_PIECE(1), UINT64_MAX & ~0xfffull},
};

START_TEST(header_that_lies_is_not_believed)
{
    le64 value = to_le64(lies[_i].value);

    store();
    patch(lies[_i].at, &value, sizeof(value));
    check_not_found();
    store();
    check_found();
}
END_TEST

static const off_t wrong_sizes[] = {0, 1, 0x1000, ENTRY_FILE_SIZE - 1, ENTRY_FILE_SIZE + 1};

START_TEST(file_of_the_wrong_size_is_not_used)
{
    store();
    ck_assert_int_eq(truncate(entry_path, wrong_sizes[_i]), 0);
    check_not_found();
    store();
    check_found();
}
END_TEST

START_TEST(entry_that_others_may_write_is_not_used)
{
    store();
    ck_assert_int_eq(chmod(entry_path, 0620), 0);
    check_not_found();
    ck_assert_int_eq(chmod(entry_path, 0602), 0);
    check_not_found();
    store();
    check_found();
}
END_TEST

START_TEST(entry_of_another_user_is_not_used) /* by root only: who else can make one */
{
    store();
    ck_assert_int_eq(chown(entry_path, 65534, 65534), 0);
    check_not_found();
    store();
    check_found();
}
END_TEST

START_TEST(folder_of_another_user_is_not_used) /* by root only */
{
    struct kernel_cache other;

    ck_assert_int_eq(chown(folder, 65534, 65534), 0);
    ck_assert_int_eq(kernel_cache_open(&other, folder, &kernel), -EPERM);
}
END_TEST

START_TEST(link_is_not_followed)
{
    char elsewhere[100];

    store();
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", base);
    ck_assert_int_eq(rename(entry_path, elsewhere), 0);
    ck_assert_int_eq(symlink(elsewhere, entry_path), 0);
    check_not_found();
    ck_assert_int_eq(truncate(elsewhere, 9), 0);
    store(); /* in the place of the link */
    check_found();
    ck_assert_int_eq(size_of(elsewhere), 9);
}
END_TEST

START_TEST(link_is_not_written_through)
{
    char elsewhere[100];

    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", base);
    ck_assert_int_eq(symlink(elsewhere, new_path), 0);
    store();
    check_not_found();
    ck_assert_int_eq(size_of(elsewhere), -1);
}
END_TEST

START_TEST(what_is_no_file_is_left_alone)
{
    ck_assert_int_eq(mkfifo(entry_path, 0600), 0);
    check_not_found();
    ck_assert_int_eq(unlink(entry_path), 0);
    ck_assert_int_eq(mkdir(entry_path, 0700), 0);
    check_not_found();
    store();
    check_not_found();
    ck_assert_int_eq(size_of(new_path), -1);
}
END_TEST

START_TEST(folder_that_others_may_write_is_refused)
{
    struct kernel_cache other;

    ck_assert_int_eq(chmod(folder, 0770), 0);
    ck_assert_int_eq(kernel_cache_open(&other, folder, &kernel), -EPERM);
    ck_assert_int_eq(chmod(folder, 0707), 0);
    ck_assert_int_eq(kernel_cache_open(&other, folder, &kernel), -EPERM);
}
END_TEST

/* -- trouble -- */

START_TEST(folder_is_made_with_its_parent)
{
    struct kernel_cache other;
    struct stat st;
    char path[100];

    snprintf(path, sizeof(path), "%s/a/b", base);
    ck_assert_int_eq(kernel_cache_open(&other, path, &kernel), 0);
    kernel_cache_close(&other);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
    snprintf(path, sizeof(path), "%s/c/d/e", base);
    ck_assert_int_eq(kernel_cache_open(&other, path, &kernel), -ENOENT);
}
END_TEST

START_TEST(folder_that_is_none_is_told)
{
    struct kernel_cache other;
    char path[100];

    snprintf(path, sizeof(path), "%s/file", base);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(kernel_cache_open(&other, path, &kernel), -ENOTDIR);
    kernel_cache_close(&other);
    alloc_fail_after(0);
    int r = kernel_cache_open(&other, folder, &kernel);
    ck_assert(alloc_fail_stop());
    ck_assert_int_eq(r, -ENOMEM);
    kernel_cache_close(&other);
}
END_TEST

START_TEST(folder_that_went_away_keeps_nothing)
{
    ck_assert_int_eq(rmdir(folder), 0);
    store();
    check_not_found();
    ck_assert_int_eq(size_of(folder), -1);
}
END_TEST

START_TEST(disk_that_is_full_leaves_nothing_behind)
{
    struct rlimit old, small = {0x3000, RLIM_INFINITY};

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    store();
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    check_not_found();
    ck_assert_int_eq(size_of(new_path), -1);
    ck_assert_int_eq(size_of(entry_path), -1);
}
END_TEST

START_TEST(entry_that_cannot_be_read_to_its_end_is_not_used)
{
    gpa_t entry;

    store();
    fresh_memory();
    wrap_fail_after(WRAP_PREAD, 2, EIO); /* after the header and the first piece */
    bool found = load(&entry);
    ck_assert_uint_eq(wrap_stop(WRAP_PREAD), 1);
    ck_assert(!found);
    ck_assert(is_fill(0, RAM_SIZE, 0));
    check_found();
}
END_TEST

/* -- several at once -- */

START_TEST(only_one_writes_an_entry)
{
    int fd = open(new_path, O_CREAT | O_RDWR, 0600);

    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    store();
    check_not_found();
    ck_assert_int_eq(size_of(new_path), 0);
    close(fd); /* as if that writer had died */
    store();
    check_found();
    ck_assert_int_eq(size_of(new_path), -1);
}
END_TEST

START_TEST(what_a_dead_writer_left_is_written_over)
{
    close(open(new_path, O_CREAT | O_RDWR, 0600));
    ck_assert_int_eq(truncate(new_path, 0x100000), 0);
    ck_assert_int_eq(chmod(new_path, 0666), 0);
    store();
    check_found();
    ck_assert_int_eq(size_of(entry_path), ENTRY_FILE_SIZE);
}
END_TEST

START_TEST(good_entry_is_not_written_again)
{
    struct stat before, after;

    store();
    ck_assert_int_eq(stat(entry_path, &before), 0);
    store();
    ck_assert_int_eq(stat(entry_path, &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_int_eq(size_of(new_path), -1);
}
END_TEST

/* As linnets do that start at the same time; one throws the entry away now and then. */
static void run_at_once(unsigned number)
{
    gpa_t entry;

    for (unsigned i = 0; i < 100; i++) {
        reopen();
        fresh_memory();
        if (load(&entry))
            ck_assert(is_fill(0x100000, 0x3000, 0x11) && is_fill(0x200000, 0x1801, 0x22));
        else
            store();
        if (number == 0 && i % 4 == 0)
            (void)unlink(entry_path);
    }
    _exit(0);
}

START_TEST(many_at_once_find_all_of_it_or_nothing)
{
    pid_t child[6];
    int status;

    for (unsigned i = 0; i < 6; i++) {
        child[i] = child_fork();
        if (child[i] == 0)
            run_at_once(i);
    }
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_int_eq(waitpid(child[i], &status, 0), child[i]);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(size_of(new_path), -1);
}
END_TEST

/* -- size -- */

static void age(const char *path, time_t seconds)
{
    const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};

    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Keeps kernels of inode 1 to 3 as if used at these times. */
static void store_three(void)
{
    for (unsigned i = 1; i <= 3; i++) {
        char path[160];
        kernel.st_ino = i;
        reopen();
        store();
        snprintf(path, sizeof(path), "%s/kernel-12-%u", folder, i);
        age(path, 1000 * i);
    }
    kernel.st_ino = 4;
    reopen();
}

static bool is_kept(const char *name)
{
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return size_of(path) >= 0;
}

START_TEST(longest_unused_is_thrown_away_first)
{
    store_three();
    kernel.st_ino = 1;
    reopen();
    check_found(); /* used now */
    kernel.st_ino = 4;
    reopen();
    cache.bytes_max = 3 * ENTRY_FILE_SIZE;
    store();
    ck_assert(is_kept("kernel-12-1"));
    ck_assert(!is_kept("kernel-12-2"));
    ck_assert(is_kept("kernel-12-3"));
    ck_assert(is_kept("kernel-12-4"));
}
END_TEST

START_TEST(what_a_dead_writer_left_is_thrown_away_too)
{
    char left[160], mine[160];

    store_three();
    snprintf(left, sizeof(left), "%s/kernel-1-1.new", folder);
    close(open(left, O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(truncate(left, 0x100000), 0);
    age(left, 500);
    snprintf(mine, sizeof(mine), "%s/notes", folder); /* not the cache's */
    close(open(mine, O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(truncate(mine, 0x100000), 0);
    age(mine, 100);
    cache.bytes_max = 4 * ENTRY_FILE_SIZE;
    store();
    ck_assert(!is_kept("kernel-1-1.new"));
    ck_assert(is_kept("kernel-12-1"));
    ck_assert(is_kept("notes"));
}
END_TEST

START_TEST(what_is_being_written_is_not_thrown_away)
{
    char path[160];

    store_three();
    snprintf(path, sizeof(path), "%s/kernel-12-1.new", folder);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    age(path, 500);
    cache.bytes_max = ENTRY_FILE_SIZE;
    store();
    ck_assert(is_kept("kernel-12-1.new"));
    close(fd);
}
END_TEST

START_TEST(cache_is_512_mib_at_most)
{
    ck_assert_uint_eq(cache.bytes_max, 536870912);
}
END_TEST

/* -- where it is -- */

static const struct {
    const char *xdg, *home;
    int r;
    const char *path;
} places[] = {
    {"/x", "/h", 0, "/x/linnet"},
    {NULL, "/h", 0, "/h/.cache/linnet"},
    {"", "/h", 0, "/h/.cache/linnet"},
    {"relative", "/h", 0, "/h/.cache/linnet"}, /* the XDG specification: to be ignored */
    {NULL, "h", -ENOENT, ""},
    {NULL, "", -ENOENT, ""},
    {NULL, NULL, -ENOENT, ""},
};

static const char *const variables[] = {"XDG_CACHE_HOME", "HOME"};
static char *values[ARRAY_SIZE(variables)];

static void put_env(const char *name, const char *value)
{
    ck_assert_int_eq(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void keep_env(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
        values[i] = getenv(variables[i]) != NULL ? strdup(getenv(variables[i])) : NULL;
}

static void restore_env(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
        put_env(variables[i], values[i]);
        free(values[i]);
    }
}

START_TEST(folder_is_where_the_environment_says)
{
    char path[PATH_MAX] = "";

    put_env("XDG_CACHE_HOME", places[_i].xdg);
    put_env("HOME", places[_i].home);
    ck_assert_int_eq(kernel_cache_folder(path), places[_i].r);
    ck_assert_str_eq(path, places[_i].path);
}
END_TEST

START_TEST(folder_with_too_long_a_name_is_refused)
{
    char home[PATH_MAX + 1], path[PATH_MAX];

    memset(home, 'h', PATH_MAX);
    home[0] = '/';
    home[PATH_MAX - 14] = '\0'; /* with "/.cache/linnet" PATH_MAX bytes */
    put_env("XDG_CACHE_HOME", NULL);
    put_env("HOME", home);
    ck_assert_int_eq(kernel_cache_folder(path), -ENAMETOOLONG);
    home[PATH_MAX - 15] = '\0';
    put_env("HOME", home);
    ck_assert_int_eq(kernel_cache_folder(path), 0);
}
END_TEST

Suite *kernel_cache_suite(void);
Suite *kernel_cache_suite(void)
{
    Suite *suite = suite_create("kernel_cache");
    TCase *found = tcase_create("found"), *trust = tcase_create("trust");
    TCase *trouble = tcase_create("trouble"), *place = tcase_create("place");

    tcase_add_checked_fixture(found, setup, teardown);
    tcase_add_test(found, what_was_kept_is_found_where_it_was);
    tcase_add_test(found, what_a_guest_writes_stays_its_own);
    tcase_add_test(found, closed_cache_is_an_empty_one);
    tcase_add_test(found, another_file_is_another_kernel);
    tcase_add_test(found, changed_kernel_takes_the_place_of_what_it_was);
    tcase_add_test(found, kernel_that_just_changed_is_not_kept);
    tcase_add_test(found, pages_of_zeroes_are_not_kept);
    tcase_add_test(found, page_of_two_pieces_is_kept_once);
    tcase_add_test(found, more_pieces_than_a_header_has_are_kept_whole);
    suite_add_tcase(suite, found);
    tcase_add_checked_fixture(trust, setup, teardown);
    tcase_add_loop_test(trust, header_that_lies_is_not_believed, 0, (int)ARRAY_SIZE(lies));
    tcase_add_loop_test(trust, file_of_the_wrong_size_is_not_used, 0, (int)ARRAY_SIZE(wrong_sizes));
    tcase_add_test(trust, entry_that_others_may_write_is_not_used);
    tcase_add_test(trust, link_is_not_followed);
    tcase_add_test(trust, link_is_not_written_through);
    tcase_add_test(trust, what_is_no_file_is_left_alone);
    tcase_add_test(trust, folder_that_others_may_write_is_refused);
    if (geteuid() == 0) {
        tcase_add_test(trust, entry_of_another_user_is_not_used);
        tcase_add_test(trust, folder_of_another_user_is_not_used);
    }
    suite_add_tcase(suite, trust);
    tcase_add_checked_fixture(trouble, setup, teardown);
    tcase_add_test(trouble, folder_is_made_with_its_parent);
    tcase_add_test(trouble, folder_that_is_none_is_told);
    tcase_add_test(trouble, folder_that_went_away_keeps_nothing);
    tcase_add_test(trouble, disk_that_is_full_leaves_nothing_behind);
    tcase_add_test(trouble, entry_that_cannot_be_read_to_its_end_is_not_used);
    tcase_add_test(trouble, only_one_writes_an_entry);
    tcase_add_test(trouble, what_a_dead_writer_left_is_written_over);
    tcase_add_test(trouble, good_entry_is_not_written_again);
    tcase_add_test(trouble, many_at_once_find_all_of_it_or_nothing);
    tcase_add_test(trouble, longest_unused_is_thrown_away_first);
    tcase_add_test(trouble, what_a_dead_writer_left_is_thrown_away_too);
    tcase_add_test(trouble, what_is_being_written_is_not_thrown_away);
    tcase_add_test(trouble, cache_is_512_mib_at_most);
    suite_add_tcase(suite, trouble);
    tcase_add_checked_fixture(place, keep_env, restore_env);
    tcase_add_loop_test(place, folder_is_where_the_environment_says, 0, (int)ARRAY_SIZE(places));
    tcase_add_test(place, folder_with_too_long_a_name_is_refused);
    suite_add_tcase(suite, place);
    return suite;
}
