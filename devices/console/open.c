/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port is on the host, opened: see port.h. Main. */
#include "devices/console/port.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

const char *const port_choices[] = {
    [TO_NULL] = "null",      [TO_RING] = "ring", [TO_FILE] = "file:PATH",
    [TO_FIFO] = "fifo:PATH", [TO_PTY] = "pty",   [TO_SOCKET] = "socket:PATH",
    [TO_STDIO] = "stdio",    [TO_FD] = "fd:N",   [TO_FD + 1] = NULL,
};

static int open_file(struct port *port, const char *path)
{
    port->host.fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    if (port->host.fd < 0)
        return opts_error("--console to: file:%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(port->host.fd, &st) < 0 || !S_ISREG(st.st_mode))
        return opts_error("--console to: file:%s: not a regular file", path);
    return 0;
}

/* For both ends, so that there is always one to read. */
static int open_fifo(struct port *port, const char *path)
{
    struct stat st;

    if (mkfifo(path, 0600) < 0 && errno != EEXIST)
        return opts_error("--console to: fifo:%s: %s", path, strerror(errno));
    port->host.fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (port->host.fd < 0)
        return opts_error("--console to: fifo:%s: %s", path, strerror(errno));
    if (fstat(port->host.fd, &st) < 0 || !S_ISFIFO(st.st_mode))
        return opts_error("--console to: fifo:%s: it is there, and no FIFO", path);
    return 0;
}

static int open_pty(struct port *port)
{
    struct termios raw;
    char path[64];

    port->host.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (port->host.fd < 0 || grantpt(port->host.fd) < 0 || unlockpt(port->host.fd) < 0 ||
        ptsname_r(port->host.fd, path, sizeof(path)) != 0)
        return log_error(-errno, "--console to: pty");
    port->pty_fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (port->pty_fd < 0 || tcgetattr(port->pty_fd, &raw) < 0)
        return log_error(-errno, "--console to: %s", path);
    cfmakeraw(&raw);
    if (tcsetattr(port->pty_fd, TCSANOW, &raw) < 0)
        return log_error(-errno, "--console to: %s", path);
    log_info("port %s is %s", port->name, path);
    return 0;
}

static int open_socket(struct port *port, const char *path)
{
    int r = unix_listen("--console to: socket", path, &port->listener);

    if (r == 0)
        port->door.fd = port->listener.fd;
    return r;
}

/* A socket that whoever started us has made, and that does not block. */
static int open_fd(struct port *port, const char *text)
{
    static const struct opt row = {"fd", NULL, "", OPT_INT, .max = INT32_MAX};
    uint64_t number;
    int type, flags;
    socklen_t len = sizeof(type);

    if (opt_number_parse(&row, text, &number) < 0)
        return opts_error("--console to: fd:%s is no number", text);
    flags = fcntl((int)number, F_GETFL);
    if (flags < 0 || (flags & O_NONBLOCK) == 0 ||
        getsockopt((int)number, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
        return opts_error("--console to: fd:%s: give a stream socket that does not block", text);
    port->host.fd = (int)number;
    return fcntl(port->host.fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

static int open_ring(struct port *port)
{
    port->ring = malloc(PORT_RING_BYTES);
    return port->ring == NULL ? log_error(-ENOMEM, "--console to: ring") : 0;
}

/* Standard input and output are shared with other processes, and may block: two threads copy
 * between them and a socket. */
static int open_stdio(struct port *port)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return log_error(-errno, "--console to: stdio");
    port->stdio_fd = pair[0];
    port->host.fd = pair[1];
    if (fcntl(port->host.fd, F_SETFL, O_NONBLOCK) < 0)
        return log_error(-errno, "--console to: stdio");
    for (int i = 0; i < 2; i++) {
        port->pump[i].stream = i;
        port->pump[i].is_input = i == STDIN_FILENO;
        port->pump[i].socket = port->stdio_fd;
        int r = pump_start(&port->pump[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int port_open_host(struct port *port, const char *arg)
{
    switch (port->to) {
    case TO_FILE:
        return open_file(port, arg);
    case TO_RING:
        return open_ring(port);
    case TO_PTY:
        return open_pty(port);
    case TO_FIFO:
        return open_fifo(port, arg);
    case TO_SOCKET:
        return open_socket(port, arg);
    case TO_STDIO:
        return open_stdio(port);
    case TO_FD:
        return open_fd(port, arg);
    default:
        return 0;
    }
}
