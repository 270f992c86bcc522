/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the back-end's socket, see vhost_user.h. */
#include "devices/vhost_user/vhost_user.h"

#include "vmm/base/unix_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#define RETRY_NS (20 * MS_NS)

/* One try: 0, -EAGAIN if a later one may succeed, or -errno. */
static int connect_once(const struct sockaddr_un *address, int *ret_fd)
{
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (stat(address->sun_path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return -ENOTSOCK;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0) {
        *ret_fd = fd_take(&fd);
        return 0;
    }
    return errno == ENOENT || errno == ECONNREFUSED ? -EAGAIN : -errno;
}

int vu_connect(const char *path, uint64_t wait_ns, int *ret_fd)
{
    struct timebase *time = &timebase_monotonic;
    const uint64_t deadline_ns = time->now_ns(time) + wait_ns;
    const struct timespec pause = {.tv_nsec = RETRY_NS};
    struct sockaddr_un address;
    int r = unix_address(path, &address);

    if (r < 0)
        return opts_error("--vhost-user socket: %s: too long; give a name of at most %zu bytes",
                          path, sizeof(address.sun_path) - 1);
    while ((r = connect_once(&address, ret_fd)) == -EAGAIN && time->now_ns(time) < deadline_ns)
        (void)nanosleep(&pause, NULL); /* a signal: we look again */
    if (r == -EAGAIN)
        return opts_error("--vhost-user socket: %s: nobody listens there; start the back-end, or "
                          "give it more time (timeout=30s)",
                          path);
    if (r == -ENOTSOCK || r == -EPROTOTYPE)
        return opts_error("--vhost-user socket: %s: %s; give the path that the back-end listens at",
                          path, r == -ENOTSOCK ? "no socket" : "no socket for streams");
    if (r < 0)
        (void)log_error(r, "--vhost-user socket: %s", path);
    return r < 0 ? -EINVAL : 0;
}
