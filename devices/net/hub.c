/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hub joins machines: whatever one sends, all others get. It is a process of its own, which the
 * machine that comes first starts, and which ends when the last one has gone, so that no machine
 * depends on another that may be paused, or end. Started before there is guest RAM or KVM, it has
 * nothing of ours.
 *
 *   machine --+                +-- machine
 *             |  socket PATH   |
 *   machine --+---- [hub] -----+-- machine
 *
 * Where there are two, a full one makes the other wait. Where there are more, it loses frames.
 * Coming and going is settled one at a time, by a lock on the socket's folder.
 */
#include "devices/net/host.h"

#include "vmm/base/log.h"
#include "vmm/base/timebase.h"
#include "vmm/base/unix_listener.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#define MEMBERS_MAX 16
/* A member may send so many frames before others have their turn. */
#define TURN_FRAMES_MAX 64
/* Who could not be taken (no descriptor is left) is tried again so often, or as frames go by. */
#define ACCEPT_AGAIN_MS 1000
/* To come and to go, which takes others no time. */
#define LOCK_PATIENCE_NS (5 * SECOND_NS)
#define LOCK_AGAIN_NS    (10 * MS_NS)

/* -- the hub -- */

struct hub {
    int listener;
    const char *path;
    struct stat socket;                   /* as we made it */
    struct net_host *member[MEMBERS_MAX]; /* NULL: place for one */
    bool full[MEMBERS_MAX];               /* its socket takes no more */
    unsigned count;
    bool more;  /* frames are left of a turn, in somebody's buffer */
    bool waits; /* somebody, who could not be taken */
    uint8_t frame[NET_FRAME_MAX];
};

static void member_drop(struct hub *hub, unsigned i)
{
    hub->member[i]->ops->close(hub->member[i]);
    hub->member[i] = NULL;
    hub->full[i] = false;
    hub->count--;
}

static void members_accept(struct hub *hub)
{
    int fd;

    while ((fd = accept4(hub->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        unsigned i = 0;
        while (i < MEMBERS_MAX && hub->member[i] != NULL)
            i++;
        if (i == MEMBERS_MAX)
            fd_close(&fd); /* it sees that its link is down */
        else if (stream_open(fd, &hub->member[i]) == 0)
            hub->count++;
    }
    hub->waits = errno != EAGAIN;
}

static void frame_send(struct hub *hub, unsigned from, size_t len)
{
    struct net_hdr plain = {0};
    const struct iovec pieces[] = {{&plain, sizeof(plain)}, {hub->frame, len}};

    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        if (i == from || hub->member[i] == NULL)
            continue;
        int r = hub->member[i]->ops->send(hub->member[i], 0, pieces, ARRAY_SIZE(pieces));
        hub->full[i] = r == 1 || r == -EAGAIN;
        if (r == -EPIPE)
            member_drop(hub, i);
    }
}

/* True if one of two must wait for the other. */
static bool must_wait(const struct hub *hub, unsigned from)
{
    bool full = false;

    for (unsigned i = 0; i < MEMBERS_MAX; i++)
        full |= i != from && hub->full[i];
    return full && hub->count == 2;
}

static void member_serve(struct hub *hub, unsigned from)
{
    struct net_hdr hdr;
    const struct iovec pieces[] = {{&hdr, sizeof(hdr)}, {hub->frame, sizeof(hub->frame)}};

    for (unsigned i = 0; i < TURN_FRAMES_MAX; i++) {
        if (must_wait(hub, from))
            return; /* until the other is flushed */
        ssize_t len =
            hub->member[from]->ops->receive(hub->member[from], 0, pieces, ARRAY_SIZE(pieces));
        if (len == -EPIPE)
            member_drop(hub, from);
        if (len < 0)
            return;
        if (len > 0)
            frame_send(hub, from, (size_t)len - sizeof(hdr));
    }
    hub->more = true;
}

static void member_flush(struct hub *hub, unsigned i)
{
    int r = hub->member[i]->ops->send(hub->member[i], 0, NULL, 0);

    hub->full[i] = r == 1;
    if (r == -EPIPE)
        member_drop(hub, i);
}

/* Waits for what there is to do, and does it. */
static void hub_turn(struct hub *hub)
{
    struct pollfd wait[1 + MEMBERS_MAX] = {
        {.fd = hub->waits ? -1 : hub->listener, .events = POLLIN}};
    int patience_ms = hub->more ? 0 : hub->waits ? ACCEPT_AGAIN_MS : -1;

    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        struct pollfd *member = &wait[1 + i];
        member->events = (short)((must_wait(hub, i) ? 0 : POLLIN) | (hub->full[i] ? POLLOUT : 0));
        /* one that waits may have hung up, which poll() tells whether asked or not */
        member->fd = hub->member[i] != NULL && member->events != 0 ? hub->member[i]->fd[0] : -1;
    }
    (void)poll(wait, ARRAY_SIZE(wait), patience_ms);
    hub->more = false;
    if (hub->waits || (wait[0].revents & POLLIN) != 0)
        members_accept(hub);
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        if (hub->member[i] != NULL && (wait[1 + i].revents & POLLOUT) != 0)
            member_flush(hub, i);
        if (hub->member[i] != NULL)
            member_serve(hub, i);
    }
}

/* -- coming and going -- */

/* Locks the folder of `path`: a descriptor that holds the lock, or -errno. Anybody may have locked
 * it, for ever: -ETIMEDOUT then. */
static int folder_lock(const char *path, uint64_t patience_ns)
{
    const struct timespec pause = {.tv_nsec = LOCK_AGAIN_NS};
    const uint64_t begin = monotonic_ns();
    char copy[PATH_MAX];

    (void)snprintf(copy, sizeof(copy), "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK && monotonic_ns() - begin < patience_ns) {
            (void)nanosleep(&pause, NULL);
            continue;
        }
        errno = errno == EWOULDBLOCK ? ETIMEDOUT : errno;
        fd_close(&fd);
    }
    return fd < 0 ? -errno : fd;
}

/* Ends the hub, unless somebody is coming. */
static void hub_end(struct hub *hub)
{
    auto_close int lock = folder_lock(hub->path, TIME_NEVER);
    struct stat st;

    (void)lock; /* held until it is closed */
    members_accept(hub);
    if (hub->count > 0)
        return;
    /* Somebody may have put another in its place; that one stays. */
    if (lstat(hub->path, &st) == 0 && st.st_dev == hub->socket.st_dev &&
        st.st_ino == hub->socket.st_ino)
        (void)unlink(hub->path); /* a stale socket does no harm */
    _exit(0);
}

/* In the child: it keeps the listening socket alone. */
static void hub_run(int listener, const char *path)
{
    struct hub *hub = calloc(1, sizeof(*hub));
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    if (hub == NULL || null < 0 || lstat(path, &hub->socket) < 0)
        _exit(1);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd);
    hub->listener = dup2(listener, STDERR_FILENO + 1);
    hub->path = path;
    (void)close_range(STDERR_FILENO + 2, ~0u, 0);
    (void)setsid(); /* a terminal's signals are for machines */
    (void)prctl(PR_SET_NAME, "linnet-hub");
    do {
        hub_turn(hub);
        if (hub->count == 0)
            hub_end(hub);
    } while (hub->listener >= 0);
    _exit(1);
}

/* `member` is the first one's end, connected before the hub runs: a hub that waited for it would do
 * so for ever if we were killed meanwhile. */
static int hub_start(const char *path, const struct sockaddr_un *address, int member)
{
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || fchmod(fd, 0600) < 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        listen(fd, MEMBERS_MAX) < 0 ||
        connect(member, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        hub_run(fd, path);
    return pid < 0 ? -errno : 0;
}

static int hub_connect(const char *name, const char *path, const struct sockaddr_un *address,
                       int fd)
{
    const struct sockaddr *to = (const struct sockaddr *)address;
    auto_close int lock = folder_lock(path, LOCK_PATIENCE_NS);
    struct stat st;
    int r = 0;

    if (lock == -ETIMEDOUT)
        return log_error(lock, "%s path: the folder of %s has been locked for %d s; give another",
                         name, path, (int)(LOCK_PATIENCE_NS / SECOND_NS));
    if (lock < 0)
        return log_error(lock, "%s path: the folder of %s", name, path);
    if (connect(fd, to, sizeof(*address)) == 0)
        return 0;
    if (errno != ENOENT && errno != ECONNREFUSED)
        return log_error(-errno, "%s path: %s", name, path);
    if (lstat(path, &st) == 0 && (!S_ISSOCK(st.st_mode) || unlink(path) < 0))
        return log_error(-EEXIST, "%s path: %s is no socket of yours; give another name", name,
                         path);
    r = hub_start(path, address, fd);
    return r < 0 ? log_error(r, "%s path: %s", name, path) : 0;
}

/* One that somebody else connected and handed to us. */
static int inherit(const char *name, int fd, struct net_host **ret_host)
{
    int type = 0;
    socklen_t len = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
        return opts_error("%s: fd %d: not a stream socket; open one, and leave it open for linnet",
                          name, fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return log_error(-errno, "%s: fd %d", name, fd);
    int r = stream_open(fd, ret_host);
    if (r == 0)
        (void)snprintf((*ret_host)->about, sizeof((*ret_host)->about), "socket, descriptor %d", fd);
    return r;
}

int hub_open(const char *name, const struct opts *opts, struct net_host **ret_host)
{
    const char *path = opts_str(opts, "path");
    struct sockaddr_un address;

    if (opts_has(opts, "fd") == (path != NULL))
        return opts_error("%s: socket wants either path=SOCKET or a connected one (fd=N)", name);
    if (path == NULL)
        return inherit(name, (int)opts_u64(opts, "fd"), ret_host);
    if (unix_address(path, &address) < 0)
        return opts_error("%s path: %s: too long; give a name of at most %zu bytes", name, path,
                          sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return log_error(-errno, "%s", name);
    int r = hub_connect(name, path, &address, fd);
    if (r < 0) {
        fd_close(&fd);
        return r;
    }
    r = stream_open(fd, ret_host);
    if (r == 0)
        (void)snprintf((*ret_host)->about, sizeof((*ret_host)->about), "socket %s", path);
    return r;
}
