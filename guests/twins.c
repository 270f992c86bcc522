/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For guests: does the same to two folders, as it is drawn by lot: what each call gives, and what
 * is there in the end, must be the same. One is of the file system that is tested, the other of one
 * that is trusted, such as tmpfs.
 *
 *   twins FOLDER TWIN SEED COUNT
 *
 * Says which step went wrong, and how, or nothing. The same seed draws the same steps.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_MAX_FILES 8
#define PATH_BYTES     512

static const char *folder[2];
static int open_fd[2][OPEN_MAX_FILES];
static uint64_t dice;
static unsigned long step;
static char first[PATH_BYTES], second[PATH_BYTES]; /* names of a step, below both */
static unsigned arg, slot;
static char result[2][4096]; /* what a step gave, as text */

static unsigned draw(unsigned below)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(dice >> 33) % below;
}

/* Up to three folders down, of few names, so that they are met again. */
static void draw_name(char ret_name[PATH_BYTES])
{
    unsigned depth = draw(4), len = 0;

    for (unsigned i = 0; i < depth; i++)
        len += (unsigned)snprintf(ret_name + len, PATH_BYTES - len, "d%u/", draw(3));
    (void)snprintf(ret_name + len, PATH_BYTES - len, "%c%u", "dfl"[draw(3)], draw(3));
}

static const char *in(int side, const char *name)
{
    static char path[2][PATH_BYTES * 2];
    static unsigned turn;

    turn ^= 1;
    (void)snprintf(path[turn], sizeof(path[0]), "%s/%s", folder[side], name);
    return path[turn];
}

static void tell(int side, const char *call, long r)
{
    size_t len = strlen(result[side]);

    (void)snprintf(result[side] + len, sizeof(result[0]) - len, "%s: %ld %s; ", call, r,
                   r < 0 ? strerror(errno) : "");
}

/* Sizes, times and links of folders are each file system's own. */
static void tell_stat(int side, const char *call, int r, const struct stat *st)
{
    size_t len = strlen(result[side]);

    tell(side, call, r);
    if (r < 0)
        return;
    len = strlen(result[side]);
    (void)snprintf(result[side] + len, sizeof(result[0]) - len, "%o %u:%u", st->st_mode, st->st_uid,
                   st->st_gid);
    len = strlen(result[side]);
    if (!S_ISDIR(st->st_mode))
        (void)snprintf(result[side] + len, sizeof(result[0]) - len, " %lu links, %ld bytes; ",
                       (unsigned long)st->st_nlink, (long)st->st_size);
}

/* -- steps: each on one side -- */

static void do_create(int side)
{
    int fd =
        open(in(side, first), O_RDWR | O_CREAT | (arg % 2 != 0 ? O_EXCL : 0), 0600 | arg % 0100);

    tell(side, "create", fd < 0 ? -1 : 0);
    if (fd >= 0)
        tell(side, "write", write(fd, second, strlen(second)));
    if (fd >= 0)
        (void)close(fd);
}

static void do_mkdir(int side)
{
    tell(side, "mkdir", mkdir(in(side, first), 0700 | arg % 0100));
}

static void do_rmdir(int side)
{
    tell(side, "rmdir", rmdir(in(side, first)));
}

static void do_unlink(int side)
{
    tell(side, "unlink", unlink(in(side, first)));
}

static void do_rename(int side)
{
    static const unsigned flags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};

    tell(side, "rename",
         renameat2(AT_FDCWD, in(side, first), AT_FDCWD, in(side, second), flags[arg % 4]));
}

static void do_link(int side)
{
    tell(side, "link", link(in(side, first), in(side, second)));
}

static void do_symlink(int side)
{
    char target[PATH_BYTES] = "";

    tell(side, "symlink", symlink(second, in(side, first)));
    tell(side, "readlink", readlink(in(side, first), target, sizeof(target)));
    tell(side, target, 0);
}

static void do_mkfifo(int side)
{
    tell(side, "mkfifo", mkfifo(in(side, first), 0600));
}

static void do_chmod(int side)
{
    tell(side, "chmod", chmod(in(side, first), arg % 010000));
}

static void do_chown(int side)
{
    tell(side, "chown", chown(in(side, first), arg % 3, arg % 5));
}

static void do_truncate(int side)
{
    tell(side, "truncate", truncate(in(side, first), arg % 10000));
}

static void do_times(int side)
{
    const struct timespec times[2] = {{arg, 1}, {arg * 2, 3}};
    struct stat st = {0};

    tell(side, "utimensat", utimensat(AT_FDCWD, in(side, first), times, AT_SYMLINK_NOFOLLOW));
    if (lstat(in(side, first), &st) == 0)
        tell(side, "time", st.st_mtim.tv_sec + st.st_mtim.tv_nsec);
}

static void do_stat(int side)
{
    struct stat st;
    int r = lstat(in(side, first), &st);

    tell_stat(side, "lstat", r, &st);
    r = stat(in(side, second), &st);
    tell_stat(side, "stat", r, &st);
}

static void do_open(int side)
{
    static const int flags[] = {O_RDONLY, O_RDWR, O_RDWR | O_APPEND, O_RDWR | O_TRUNC};
    int *fd = &open_fd[side][slot];

    if (*fd >= 0)
        tell(side, "close", close(*fd));
    *fd = open(in(side, first), flags[arg % 4] | O_NONBLOCK);
    tell(side, "open", *fd < 0 ? -1 : 0);
}

static void do_use(int side)
{
    char text[PATH_BYTES] = "";
    struct stat st;
    int fd = open_fd[side][slot], r;

    if (fd < 0)
        return;
    r = fstat(fd, &st);
    tell_stat(side, "fstat", r, &st);
    if (r < 0 || !S_ISREG(st.st_mode))
        return;
    tell(side, "pwrite", pwrite(fd, second, strlen(second), arg % 5000));
    tell(side, "ftruncate", arg % 3 != 0 ? 0 : ftruncate(fd, arg % 9000));
    tell(side, "pread", pread(fd, text, sizeof(text) - 1, arg % 4000));
    tell(side, text, 0);
}

/* -- both -- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void fail(const char *what)
{
    (void)printf("twins: step %lu, %s: %s %s %u\n  %s\n  %s\n", step, what, first, second, arg,
                 result[0], result[1]);
    exit(1);
}

static void compare(const char *what)
{
    if (strcmp(result[0], result[1]) != 0)
        fail(what);
}

/* The content of two files, or the names in two folders; then those below, down to `depth`. */
static void compare_trees(const char *name, unsigned depth)
{
    struct dirent **names[2] = {NULL, NULL};
    int count[2];

    (void)snprintf(first, sizeof(first), "%s", name);
    (void)snprintf(second, sizeof(second), "%s", name);
    for (int side = 0; side < 2; side++) {
        char text[2048] = "";
        int fd = open(in(side, name), O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
        result[side][0] = '\0';
        do_stat(side);
        if (fd >= 0)
            tell(side, "read", read(fd, text, sizeof(text) - 1));
        tell(side, text, 0);
        if (fd >= 0)
            (void)close(fd);
        count[side] = scandir(in(side, name), &names[side], NULL, by_name);
        for (int i = 0; i < count[side]; i++)
            tell(side, names[side][i]->d_name, names[side][i]->d_type);
    }
    compare("in the end");
    for (int i = 0; i < count[0] && depth > 0; i++) {
        char below[PATH_BYTES];
        if (names[0][i]->d_name[0] == '.')
            continue;
        (void)snprintf(below, sizeof(below), "%.200s/%.200s", name, names[0][i]->d_name);
        compare_trees(below, depth - 1);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(int side);
    } steps[] = {
        {"create", do_create},     {"create", do_create}, {"mkdir", do_mkdir},
        {"mkdir", do_mkdir},       {"rmdir", do_rmdir},   {"unlink", do_unlink},
        {"rename", do_rename},     {"rename", do_rename}, {"link", do_link},
        {"symlink", do_symlink},   {"fifo", do_mkfifo},   {"chmod", do_chmod},
        {"truncate", do_truncate}, {"times", do_times},   {"stat", do_stat},
        {"open", do_open},         {"open", do_open},     {"use", do_use},
        {"use", do_use},           {"chown", do_chown},
    };
    unsigned long count;

    if (argc != 5)
        return 2;
    folder[0] = argv[1];
    folder[1] = argv[2];
    dice = strtoull(argv[3], NULL, 10);
    count = strtoul(argv[4], NULL, 10);
    memset(open_fd, -1, sizeof(open_fd));
    (void)umask(0);
    for (step = 1; step <= count; step++) {
        unsigned which = draw(sizeof(steps) / sizeof(steps[0]));
        draw_name(first);
        draw_name(second);
        arg = draw(1u << 20);
        slot = draw(OPEN_MAX_FILES);
        for (int side = 0; side < 2; side++) {
            result[side][0] = '\0';
            steps[which].run(side);
        }
        compare(steps[which].name);
    }
    compare_trees(".", 6);
    return 0;
}
