/* SPDX-License-Identifier: BSD-3-Clause */
/* Modules, console ports, and the root that CMD sees. */
#include "vmm/run/guest/guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define PORTS_WAIT_MS 5000

/* In the initramfs. */
#define LOWER   "/linnet/lower"
#define CHANGES "/linnet/changes"
#define ROOT    "/linnet/root"

void modules_load(struct guest *guest)
{
    const char *file = NULL;

    while ((file = run_string(guest, RUN_MODULE, file)) != NULL) {
        auto_close int fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
            unfit(guest, "module %s: %s", file, strerror(errno));
        (void)unlink(file); /* its memory is of more use to CMD */
    }
}

/* -- ports -- */

/* The port of that name, opened. -1: it is not there (yet). No udev made a link to it. */
static int port_open(const char *name)
{
    char path[PATH_MAX], told[64];
    DIR *ports = opendir("/sys/class/virtio-ports");
    const struct dirent *entry;
    int port = -1;

    while (ports != NULL && port < 0 && (entry = readdir(ports)) != NULL) {
        (void)snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
        auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t len = fd < 0 ? -1 : read(fd, told, sizeof(told) - 1);
        if (len <= 1)
            continue;
        told[len - 1] = '\0'; /* a newline */
        if (strcmp(told, name) != 0)
            continue;
        (void)snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
        port = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    }
    if (ports != NULL)
        (void)closedir(ports);
    return port;
}

static bool is_connected(int port)
{
    struct pollfd state = {.fd = port};

    return poll(&state, 1, 0) >= 0 && (state.revents & POLLHUP) == 0;
}

static void wait_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

int port_ctl_open(void)
{
    int ctl = -1;

    for (int ms = 0; ms <= PORTS_WAIT_MS; ms++) {
        if (ctl < 0)
            ctl = port_open(PORT_CTL);
        if (ctl >= 0 && is_connected(ctl))
            return ctl;
        wait_ms(1);
    }
    fd_close(&ctl);
    return -1;
}

/*
 * Opens all four. The control port comes last in the device, so when the host's end of that is seen
 * to be open, the same was already said of the others: from then on a port whose host end is closed
 * has been closed, which for CMD's input means its end.
 */
void ports_open(struct guest *guest)
{
    static const char *const names[PORTS] = {PORT_IN, PORT_OUT, PORT_ERR, PORT_CTL};

    guest->port[CTL] = port_ctl_open();
    if (guest->port[CTL] < 0)
        unfit(guest, "console port %s is not there after 5 s", PORT_CTL);
    for (int i = 0; i < CTL; i++) {
        guest->port[i] = port_open(names[i]);
        if (guest->port[i] < 0)
            unfit(guest, "console port %s: %s", names[i], strerror(errno));
    }
}

/* -- root -- */

void make_folders(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    for (size_t i = 1; i <= len && i < sizeof(part); i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        (void)mkdir(part, 0755); /* there already, or the mount will say why not */
    }
}

/* ENODEV is what mount(2) says of a file system that the kernel does not have. */
static void mount_or_die(struct guest *guest, const char *source, const char *at, const char *type,
                         unsigned long flags, const char *options)
{
    make_folders(at);
    if (mount(source, at, type, flags, options) == 0)
        return;
    if (errno == ENODEV)
        unfit(guest,
              "the kernel has no %s, nor is there a module of it: set it in its "
              "configuration, or --root none",
              type);
    unfit(guest, "mount %s at %s: %s", source, at, strerror(errno));
}

/* "@PLACE", which follows `string`. */
static const char *place_of(const struct guest *guest, const char *string)
{
    const char *place = run_string(guest, RUN_AT, string);

    return place != NULL ? place : "/";
}

/* The host's folder below, read-only; what changes is in memory and gone with it. */
static void root_share(struct guest *guest)
{
    mount_or_die(guest, ROOT_TAG, LOWER, "virtiofs", MS_RDONLY, NULL);
    mount_or_die(guest, "changes", CHANGES, "tmpfs", 0, "size=50%,mode=755");
    make_folders(CHANGES "/upper");
    make_folders(CHANGES "/work");
    mount_or_die(guest, "root", ROOT, "overlay", 0,
                 "lowerdir=" LOWER ",upperdir=" CHANGES "/upper,workdir=" CHANGES "/work,xino=off");
}

/* Read-only where it can't be written. */
static void root_disk(struct guest *guest)
{
    const char *type = run_string(guest, RUN_DISK, NULL), *device = place_of(guest, type);

    make_folders(ROOT);
    if (mount(device, ROOT, type, 0, NULL) < 0)
        mount_or_die(guest, device, ROOT, type, MS_RDONLY, NULL);
}

/* What is the kernel's and not of any disk. What a kernel does not have is no loss. */
static void mount_kernel(void)
{
    static const struct {
        const char *at, *type, *options;
    } mounts[] = {
        {"/dev/pts", "devpts", "mode=620,ptmxmode=666,gid=5"},
        {"/dev/shm", "tmpfs", "mode=1777"},
        {"/run", "tmpfs", "mode=755"},
        {"/sys/kernel/debug", "debugfs", NULL},
        {"/sys/kernel/tracing", "tracefs", NULL},
        {"/sys/kernel/config", "configfs", NULL},
        {"/sys/fs/bpf", "bpf", NULL},
        {"/sys/fs/cgroup", "cgroup2", NULL},
    };
    static const char *const links[][2] = {
        {"/proc/self/fd", "/dev/fd"},
        {"fd/0", "/dev/stdin"},
        {"fd/1", "/dev/stdout"},
        {"fd/2", "/dev/stderr"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        (void)mkdir(mounts[i].at, 0755);
        (void)mount(mounts[i].type, mounts[i].at, mounts[i].type, MS_NOSUID, mounts[i].options);
    }
    for (size_t i = 0; i < ARRAY_SIZE(links); i++)
        (void)symlink(links[i][0], links[i][1]);
}

/* Before the initramfs, where the share is mounted, is left behind. */
static void mount_binds(struct guest *guest)
{
    char at[PATH_MAX], from[PATH_MAX];
    const char *string = NULL;

    while ((string = run_string(guest, RUN_BIND, string)) != NULL) {
        (void)snprintf(from, sizeof(from), LOWER "%s", string);
        (void)snprintf(at, sizeof(at), ROOT "%s", place_of(guest, string));
        mount_or_die(guest, from, at, "none", MS_BIND, NULL);
    }
}

static void mount_shares(struct guest *guest)
{
    const char *string = NULL;

    while ((string = run_string(guest, RUN_SHARE_RO, string)) != NULL)
        mount_or_die(guest, string, place_of(guest, string), "virtiofs", MS_RDONLY, NULL);
    while ((string = run_string(guest, RUN_SHARE_RW, string)) != NULL)
        mount_or_die(guest, string, place_of(guest, string), "virtiofs", 0, NULL);
}

/* Takes what is mounted on the initramfs along, and leaves that behind. */
static void root_move(struct guest *guest)
{
    static const char *const kept[] = {"/dev", "/proc", "/sys"};
    char at[PATH_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        (void)snprintf(at, sizeof(at), ROOT "%s", kept[i]);
        mount_or_die(guest, kept[i], at, "none", MS_MOVE, NULL);
    }
    if (chdir(ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
        chdir("/") < 0)
        unfit(guest, "enter the root: %s", strerror(errno));
}

void root_enter(struct guest *guest)
{
    const char *kind = run_string(guest, RUN_ROOT, NULL);

    if (kind == NULL)
        unfit(guest, "the run file names no root");
    else if (strcmp(kind, "none") != 0) {
        if (strcmp(kind, "disk") == 0)
            root_disk(guest);
        else
            root_share(guest);
        mount_binds(guest);
        root_move(guest);
    }
    mount_kernel();
    mount_shares(guest);
}
