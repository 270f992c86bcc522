/* SPDX-License-Identifier: BSD-3-Clause */
/* Images of disks: what is refused, who has it, and where a sector is. */
#include "devices/blk/image.h"

#include "devices/blk/uring.h"
#include "devices/registry.h"
#include "tests/capture.h"
#include "tests/wrap.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct blk_image image;
static char path[32];

static void setup(void)
{
    (void)strcpy(path, "/tmp/linnet-image-XXXXXX");
    int fd = mkostemp(path, O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 0x10000), 0);
    ck_assert_int_eq(close(fd), 0);
    image = (struct blk_image){.file = {-1, -1, -1}};
}

static void teardown(void)
{
    blk_image_close(&image);
    (void)unlink(path);
    (void)unsetenv("TMPDIR");
}

static int open_image(struct blk_image *other, const char *file, const char *options)
{
    struct opts *opts;

    ck_assert_int_eq(opts_create(virtio_blk.opts, &opts), 0);
    ck_assert_int_eq(opts_set(opts, "--disk ", "path", file), 0);
    ck_assert_int_eq(opts_parse(opts, "--disk ", options), 0);
    int r = blk_image_open(other, opts);
    opts_destroy(opts);
    return r;
}

/* Refused as the user's mistake, in one line with these words. */
static void refused(const char *file, const char *options, const char *words)
{
    struct blk_image other;
    struct capture capture;

    capture_start(&capture);
    int r = open_image(&other, file, options);
    const char *text = capture_end(&capture);
    blk_image_close(&other);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(text, words);
}

START_TEST(image_that_can_be_no_disk_is_refused)
{
    refused("/tmp/absent/image", "", "there is no /tmp/absent/image");
    refused("/tmp", "", "neither a file nor a block device");
    refused("/dev/null", "", "neither a file nor a block device");
    refused(path, "ro,overlay", "leave one of them out");
    ck_assert_int_eq(truncate(path, 0), 0);
    refused(path, "ro", "has 0 bytes, and a disk at least 512");
    ck_assert_int_eq(truncate(path, 511), 0);
    refused(path, "", "has 511 bytes, and a disk at least 512");
    ck_assert_int_eq(truncate(path, 1025), 0);
    refused(path, "overlay", "which is no multiple of 512; `truncate -s %512");
    ck_assert_int_eq(chmod(path, 0), 0);
    if (geteuid() != 0)
        refused(path, "ro", "Permission denied");
}
END_TEST

START_TEST(image_that_runs_as_a_program_is_not_written)
{
    refused("/proc/self/exe", "", "add ro or overlay to leave it as it is");
}
END_TEST

static bool lock_is_free(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CLOEXEC);

    bool is_free = fcntl(fd, F_OFD_SETLK, &lock) == 0;
    ck_assert_int_eq(close(fd), 0);
    return is_free;
}

START_TEST(lock_ends_with_the_engine_and_the_image)
{
    struct blk_engine *engine;

    ck_assert_int_eq(library_load(&uring_library), 0);
    ck_assert_int_eq(open_image(&image, path, ""), 0);
    int r = _i == 0 ? blk_engine_create("disk0", image.file, &engine)
                    : blk_pool_create("disk0", image.file, &engine);
    ck_assert_int_eq(r, 0);
    ck_assert(!lock_is_free());
    blk_engine_destroy(engine);
    blk_image_close(&image);
    ck_assert(lock_is_free());
}
END_TEST

/* As after a kill: the open file is on its way between two sockets, and in no process. */
START_TEST(lock_that_nobody_has_is_waited_for)
{
    char room[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int sockets[2];

    ck_assert_int_eq(open_image(&image, path, ""), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &image.file[BLK_FILE_IMAGE], sizeof(int));
    ck_assert_int_eq(sendmsg(sockets[0], &message, 0), 1);
    blk_image_close(&image);
    pid_t child = fork();
    if (child == 0) {
        (void)usleep(100000);
        _exit(0);
    }
    (void)close(sockets[0]);
    (void)close(sockets[1]);
    ck_assert(!lock_is_free());
    ck_assert_int_eq(open_image(&image, path, ""), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

/* Another process has it, as another linnet would. */
START_TEST(locked_image_is_refused_with_the_name_of_who_has_it)
{
    static const struct {
        const char *theirs, *ours;
        bool refused;
    } rows[] = {
        {"", "", true},        {"", "ro", true},    {"", "overlay", true},
        {"ro", "", true},      {"ro", "ro", false}, {"overlay", "overlay", false},
        {"overlay", "", true},
    };
    int ready[2];
    char words[64], byte;

    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)!write(ready[1], open_image(&image, path, rows[_i].theirs) == 0 ? "y" : "n", 1);
        (void)pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'y');
    (void)snprintf(words, sizeof(words), "is in use by process %d; end that", child);
    if (rows[_i].refused)
        refused(path, rows[_i].ours, words);
    else
        ck_assert_int_eq(open_image(&image, path, rows[_i].ours), 0);
    blk_image_close(&image);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(open_image(&image, path, ""), 0); /* the lock went with it */
}
END_TEST

/* Its header is bytes of the disk. */
START_TEST(no_format_is_guessed)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    ck_assert_int_eq(write(fd, "QFI\xfb\0\0\0\3", 8), 8);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(open_image(&image, path, ""), 0);
    ck_assert_uint_eq(image.bytes, 0x10000);
}
END_TEST

START_TEST(overlay_has_the_sectors_that_were_written)
{
    uint64_t len;

    ck_assert_int_eq(open_image(&image, path, "overlay"), 0);
    ck_assert_uint_eq(blk_image_target(&image), BLK_FILE_OVERLAY);
    blk_image_wrote(&image, 512 * 7, 512 * 10);
    blk_image_wrote(&image, 0x10000 - 512, 512);
    static const struct {
        uint64_t sector, sectors, same;
        unsigned file;
    } rows[] = {
        {0, 128, 7, BLK_FILE_IMAGE},    {7, 121, 10, BLK_FILE_OVERLAY},
        {8, 2, 2, BLK_FILE_OVERLAY},    {16, 112, 1, BLK_FILE_OVERLAY},
        {17, 111, 110, BLK_FILE_IMAGE}, {127, 1, 1, BLK_FILE_OVERLAY},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        len = rows[i].sectors * 512;
        ck_assert_uint_eq(blk_image_source(&image, rows[i].sector * 512, &len), rows[i].file);
        ck_assert_uint_eq(len, rows[i].same * 512);
    }
}
END_TEST

START_TEST(overlay_has_no_name)
{
    char link[64], name[256];

    ck_assert_int_eq(setenv("TMPDIR", "/tmp", 1), 0);
    ck_assert_int_eq(open_image(&image, path, "overlay"), 0);
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", image.file[BLK_FILE_OVERLAY]);
    ssize_t len = readlink(link, name, sizeof(name) - 1);
    ck_assert_int_gt(len, 0);
    name[len] = '\0';
    ck_assert_ptr_nonnull(strstr(name, "/tmp/"));
    ck_assert_ptr_nonnull(strstr(name, " (deleted)"));
    ck_assert_int_eq(setenv("TMPDIR", "/tmp/absent", 1), 0);
    refused(path, "overlay", "no file in /tmp/absent: No such file or directory; set TMPDIR");
}
END_TEST

START_TEST(only_what_is_aligned_is_direct)
{
    uint8_t *page = aligned_alloc(4096, 8192);
    struct iovec iov[2] = {{page, 4096}, {page + 4096, 4096}};

    ck_assert_int_eq(open_image(&image, path, ""), 0);
    ck_assert(!blk_image_is_direct(&image, 0, iov, 2));
    blk_image_close(&image);
    ck_assert_int_eq(open_image(&image, path, "direct"), 0);
    image.direct_offset_bytes = 512;
    image.direct_base_bytes = 4;
    ck_assert(blk_image_is_direct(&image, 1024, iov, 2));
    ck_assert(!blk_image_is_direct(&image, 256, iov, 2));
    iov[1].iov_base = page + 4098;
    ck_assert(!blk_image_is_direct(&image, 1024, iov, 2));
    iov[1] = (struct iovec){page + 4096, 100};
    ck_assert(!blk_image_is_direct(&image, 1024, iov, 2));
    free(page);
}
END_TEST

START_TEST(failures_of_the_host_leave_nothing)
{
    struct capture capture;

    capture_start(&capture);
    wrap_fail_after(WRAP_MMAP, 0, ENOMEM);
    int r = open_image(&image, path, "overlay");
    (void)wrap_stop(WRAP_MMAP);
    ck_assert_one_error(capture_end(&capture), "");
    ck_assert_int_eq(r, -ENOMEM);
    blk_image_close(&image);
    ck_assert_int_eq(open_image(&image, path, ""), 0); /* not locked */
}
END_TEST

/* Also the engines: nothing is left, and a second try works. */
START_TEST(pool_without_threads_or_descriptors_fails)
{
    const int files[BLK_FILES_MAX] = {-1, -1, -1};
    struct blk_engine *engine = NULL;

    for (unsigned n = 0; n < 4; n++) {
        wrap_fail_after(WRAP_PTHREAD_CREATE, n, EAGAIN);
        int r = blk_pool_create("disk0", files, &engine);
        (void)wrap_stop(WRAP_PTHREAD_CREATE);
        ck_assert_int_eq(r, -EAGAIN);
    }
    wrap_fail_after(WRAP_EVENTFD, 0, EMFILE);
    int r = blk_pool_create("disk0", files, &engine);
    (void)wrap_stop(WRAP_EVENTFD);
    ck_assert_int_eq(r, -EMFILE);
    ck_assert_ptr_null(engine);
    ck_assert_int_eq(blk_pool_create("disk0", files, &engine), 0);
    blk_engine_destroy(engine);
}
END_TEST

static int deny_files(struct io_uring *ring, const int *files, unsigned count)
{
    (void)ring, (void)files, (void)count;
    return -EPERM;
}

static int deny_limit(struct io_uring *ring, unsigned *values)
{
    (void)ring, (void)values;
    return -EINVAL; /* kernels before 5.15 */
}

/* Whatever step of it the host denies. */
START_TEST(threads_come_where_a_ring_is_denied)
{
    const int files[BLK_FILES_MAX] = {-1, -1, -1};
    struct blk_engine *engine = NULL, *threads = NULL;

    ck_assert_int_eq(library_load(&uring_library), 0);
    ck_assert_int_eq(blk_pool_create("disk0", files, &threads), 0);
    struct uring saved = uring;
    if (_i == 0)
        uring.register_files = deny_files;
    else
        uring.register_iowq_max_workers = deny_limit;
    int r = blk_engine_create("disk0", files, &engine);
    uring = saved;
    ck_assert_int_eq(r, 0);
    ck_assert_ptr_eq(engine->ops, threads->ops);
    blk_engine_destroy(engine);
    blk_engine_destroy(threads);
}
END_TEST

Suite *blk_image_suite(void);
Suite *blk_image_suite(void)
{
    Suite *suite = suite_create("blk_image");
    TCase *tcase = tcase_create("images");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, image_that_can_be_no_disk_is_refused);
    tcase_add_test(tcase, image_that_runs_as_a_program_is_not_written);
    tcase_add_loop_test(tcase, lock_ends_with_the_engine_and_the_image, 0, 2);
    tcase_add_test(tcase, lock_that_nobody_has_is_waited_for);
    tcase_add_loop_test(tcase, locked_image_is_refused_with_the_name_of_who_has_it, 0, 7);
    tcase_add_test(tcase, no_format_is_guessed);
    tcase_add_test(tcase, overlay_has_the_sectors_that_were_written);
    tcase_add_test(tcase, overlay_has_no_name);
    tcase_add_test(tcase, only_what_is_aligned_is_direct);
    tcase_add_test(tcase, failures_of_the_host_leave_nothing);
    tcase_add_test(tcase, pool_without_threads_or_descriptors_fails);
    tcase_add_loop_test(tcase, threads_come_where_a_ring_is_denied, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}
