/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's side of the socket device: clients that come in by PATH and say which port of the
 * guest they want, clients of TCP doors, whose port is known, and the sockets PATH_port, where
 * programs of this host wait for the guest. See vsock.h.
 */
#include "devices/vsock/vsock.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ACCEPTS_MAX    16               /* in one go */
#define PORT_SUFFIX    11               /* "_4294967295" */
#define GUEST_PORT_MAX (UINT32_MAX - 1) /* the last one means any */

/* -- to the guest -- */

/* A stream that the host begins, to that port: the guest is asked. */
static void ask(struct conn *conn, uint32_t port)
{
    struct vsock *vsock = conn->vsock;

    conn->guest_port = port;
    do
        conn->host_port = vsock->next_port++;
    while (conn_find(vsock, port, conn->host_port) != NULL);
    conn_enter(conn);
    conn->tell = TELL_REQUEST;
    conn_deadline(conn, ANSWER_NS);
    conn_queue(conn);
}

/* "CONNECT 5555" or "connect 5555". */
static int hello_parse(const char *line, uint32_t *ret_port)
{
    static const struct opt row = {"port", NULL, "", OPT_INT, .max = GUEST_PORT_MAX};
    uint64_t port;

    if ((strncmp(line, "CONNECT ", 8) != 0 && strncmp(line, "connect ", 8) != 0) ||
        opt_number_parse(&row, line + 8, &port) < 0)
        return -EINVAL;
    *ret_port = (uint32_t)port;
    return 0;
}

/* Takes no byte behind the line: it is the guest's. */
void vsock_hello(struct conn *conn)
{
    char *line = conn->hello, *end = NULL;
    uint32_t port;
    ssize_t n = 0;

    while (end == NULL && conn->hello_len < HELLO_BYTES_MAX) {
        char *at = line + conn->hello_len;
        n = recv(conn->host.fd, at, HELLO_BYTES_MAX - conn->hello_len, MSG_PEEK);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            break;
        end = memchr(at, '\n', (size_t)n);
        n = recv(conn->host.fd, at, end == NULL ? (size_t)n : (size_t)(end - at) + 1, 0);
        conn->hello_len += (unsigned)MAX(n, (ssize_t)0);
    }
    if (end != NULL)
        *end = '\0';
    if (end == NULL || hello_parse(line, &port) < 0)
        conn_free(conn);
    else
        ask(conn, port);
}

/* -- from the guest -- */

struct conn *vsock_connect(struct vsock *vsock, uint32_t guest_port, uint32_t host_port)
{
    struct sockaddr_un address;
    char path[sizeof(address.sun_path)];

    (void)snprintf(path, sizeof(path), "%s_%u", vsock->listener.path, host_port);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || unix_address(path, &address) < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return NULL; /* nobody, or too many wait there already */
    struct conn *conn = conn_new(vsock, fd_take(&fd));
    if (conn == NULL)
        return NULL;
    conn->guest_port = guest_port;
    conn->host_port = host_port;
    conn_enter(conn);
    conn_open(conn);
    return conn;
}

/* -- doors -- */

static void welcome(struct door *door, int fd)
{
    const int one = 1;
    struct conn *conn = conn_new(door->vsock, fd);

    if (conn == NULL)
        return;
    conn->from_path = door->port == 0;
    conn->tcp = !conn->from_path;
    if (conn->from_path) {
        conn_deadline(conn, HELLO_NS);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* slower, but works */
    ask(conn, door->port);
}

static bool has_room(const struct vsock *vsock, const struct door *door)
{
    return vsock->count < vsock->conns_max && (door->port != 0 || vsock->hellos < HELLOS_MAX);
}

static void door_ready(struct watch *watch, uint32_t epoll_events)
{
    struct door *door = container_of(watch, struct door, watch);
    struct vsock *vsock = door->vsock;

    (void)epoll_events;
    for (unsigned i = 0; i < ACCEPTS_MAX && has_room(vsock, door); i++) {
        int fd = loop_accept(watch);
        if (fd < 0)
            break;
        welcome(door, fd);
    }
    vsock_say(vsock);
    vsock_doors_watch(vsock);
}

void vsock_doors_watch(struct vsock *vsock)
{
    for (unsigned i = 0; i < vsock->door_count; i++) {
        struct door *door = &vsock->doors[i];
        bool wanted = has_room(vsock, door);
        int r = 0;
        if (wanted && door->watch.loop == NULL)
            r = loop_add(virtio_loop(&vsock->dev), &door->watch, EPOLLIN);
        else if (!wanted)
            loop_remove(&door->watch);
        if (r < 0)
            virtio_fail(&vsock->dev, r, "socket");
    }
}

void vsock_doors_shut(struct vsock *vsock)
{
    for (unsigned i = 0; i < vsock->door_count; i++)
        loop_remove(&vsock->doors[i].watch);
}

/* -- opening -- */

static void add_door(struct vsock *vsock, int fd, uint32_t port)
{
    vsock->doors[vsock->door_count++] =
        (struct door){.vsock = vsock, .watch = {.fd = fd, .ready = door_ready}, .port = port};
}

static int open_forward(struct vsock *vsock, struct forward *forward)
{
    if (forward->udp)
        return opts_error("--vsock forward: streams only; give tcp:...");
    int fd = forward_bind("--vsock", forward);
    if (fd < 0)
        return fd;
    add_door(vsock, fd, forward->to);
    return listen(fd, SOMAXCONN) < 0
               ? log_error(-errno, "--vsock forward: %s port %u", forward->address, forward->from)
               : 0;
}

int vsock_doors_open(struct vsock *vsock, const struct opts *opts)
{
    const char *path = opts_str(opts, "path");
    const size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1 - PORT_SUFFIX;
    int r = 0;

    if (strlen(path) > path_max)
        return opts_error("--vsock path: %s: too long; give a name of at most %zu bytes, for "
                          "_PORT comes behind it",
                          path, path_max);
    if (opts_has(opts, "forward"))
        r = forwards_parse("--vsock", opts_str(opts, "forward"), GUEST_PORT_MAX, &vsock->forwards);
    if (r == 0)
        r = unix_listen("--vsock path:", path, &vsock->listener);
    if (r == 0)
        add_door(vsock, vsock->listener.fd, 0);
    for (unsigned i = 0; i < vsock->forwards.count && r == 0; i++)
        r = open_forward(vsock, &vsock->forwards.item[i]);
    return r;
}

void vsock_doors_close(struct vsock *vsock)
{
    for (unsigned i = 1; i < vsock->door_count; i++)
        fd_close(&vsock->doors[i].watch.fd);
    unix_unlisten(&vsock->listener);
}
