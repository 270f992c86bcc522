/* SPDX-License-Identifier: BSD-3-Clause */
/* See unix_listener.h. */
#include "vmm/base/unix_listener.h"

#include "vmm/base/log.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define BACKLOG 16

int unix_address(const char *path, struct sockaddr_un *ret_address)
{
    size_t len = strlen(path);

    if (len >= sizeof(ret_address->sun_path))
        return -ENAMETOOLONG;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, path, len);
    return 0;
}

/* Makes way for a socket at `path`: nothing is there, or what a dead machine left. */
static int path_clear(const char *option, const char *path, const struct sockaddr_un *address)
{
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (fd < 0)
        return log_error(-errno, "%s %s", option, path);
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : log_error(-errno, "%s %s", option, path);
    if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
        return log_error(-EEXIST, "%s %s: no socket of yours, left alone; give another name",
                         option, path);
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return log_error(-EADDRINUSE, "%s %s: another machine has it; give another name", option,
                         path);
    if (errno != ECONNREFUSED)
        return log_error(-errno, "%s %s", option, path);
    if (unlink(path) < 0 && errno != ENOENT)
        return log_error(-errno, "%s %s: remove", option, path);
    return 0;
}

int unix_listen(const char *option, const char *path, struct unix_listener *ret_listener)
{
    struct sockaddr_un address;
    struct stat st;

    if (unix_address(path, &address) < 0)
        return log_plain(-EINVAL, "%s %s: too long; give a name of at most %zu bytes", option, path,
                         sizeof(address.sun_path) - 1);
    int r = path_clear(option, path, &address);
    if (r < 0)
        return r;
    ret_listener->path = strdup(path);
    if (ret_listener->path == NULL)
        return log_error(-ENOMEM, "%s %s", option, path);
    ret_listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Linux gives the file the mode that its socket has: there is no moment with another. */
    if (ret_listener->fd < 0 || fchmod(ret_listener->fd, 0600) < 0 ||
        bind(ret_listener->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return log_error(-errno, "%s %s: no socket can be made there; give another name", option,
                         path);
    if (lstat(path, &st) < 0)
        return log_error(-errno, "%s %s", option, path);
    ret_listener->dev = st.st_dev;
    ret_listener->ino = st.st_ino;
    return listen(ret_listener->fd, BACKLOG) < 0 ? log_error(-errno, "%s %s", option, path) : 0;
}

void unix_unlisten(struct unix_listener *listener)
{
    struct stat st;

    /* Somebody may have put another socket in its place; that one stays. */
    if (listener->path != NULL && lstat(listener->path, &st) == 0 && st.st_dev == listener->dev &&
        st.st_ino == listener->ino)
        (void)unlink(listener->path); /* a stale socket does no harm */
    fd_close(&listener->fd);
    free(listener->path);
    listener->path = NULL;
}
