/* SPDX-License-Identifier: BSD-3-Clause */
/* See port.h. */
#include "devices/console/port.h"

#include "vmm/base/text.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READS_MAX 16  /* buffers filled in one go: other ports wait for it */
#define LINE_MAX  256 /* of what a ring is printed as */

/* Written in one go, for other ports, a pause and the end of the machine wait for that: a request
 * may be of 4 GiB, and a file takes all of it. */
#define SENT_BYTES_MAX ((size_t)16 << 20)

static struct virtq *rx(struct port *port)
{
    return &port->dev->queue[port->rx];
}

static struct virtq *tx(struct port *port)
{
    return &port->dev->queue[port->tx];
}

bool port_connected(const struct port *port)
{
    return port->host.fd >= 0 || port->to == TO_NULL || port->to == TO_RING;
}

static bool has_input(const struct port *port)
{
    return port->to >= TO_PTY;
}

/* Watches for what there is to do. Nothing: not at all, for an end that hangs up is told always;
 * which is to be known of one that is silent. */
static int watch(struct port *port)
{
    uint32_t events = (port->guest_open && port->receiving && !port->silent ? EPOLLIN : 0u) |
                      (port->sending && port->to != TO_FILE ? EPOLLOUT : 0u) |
                      (port->silent ? EPOLLERR : 0u);
    int r = 0;

    if (port->host.fd < 0 || events == port->watched)
        return 0;
    if (events == 0)
        loop_remove(&port->host);
    else if (port->watched == 0)
        r = loop_add(virtio_loop(port->dev), &port->host, events);
    else
        r = loop_change(&port->host, events);
    port->watched = events;
    return r;
}

/* Nobody is at the other end any more. */
static void host_gone(struct port *port)
{
    loop_remove(&port->host);
    port->watched = 0;
    fd_close(&port->host.fd);
    port->silent = port->deaf = false;
    port->changed(port);
}

/* The other end has closed what we write to. What it sent before is still to be read. */
static void host_deaf(struct port *port)
{
    char byte;

    if (has_input(port) && recv(port->host.fd, &byte, 1, MSG_PEEK) > 0)
        port->deaf = true;
    else
        host_gone(port);
}

/* -- output -- */

static void ring_put(struct port *port, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t at = (port->ring_end + i) % PORT_RING_BYTES;
        size_t part = MIN(len - i, PORT_RING_BYTES - at);
        memcpy(port->ring + at, bytes + i, part);
        i += part;
    }
    port->ring_end += len;
}

/* A file that can't take it lacks it: said once, and again by the exit status. */
static void file_lost(struct port *port, int r)
{
    if (!port->lost)
        (void)log_error(r, "%s: port %s: write", port->dev->name, port->name);
    port->lost = true;
}

/* How many bytes are done with; -EAGAIN: they wait for the other end. */
static ssize_t host_write(struct port *port, const struct iovec *iov, int count, size_t len)
{
    if (port->to == TO_RING)
        for (int i = 0; i < count; i++)
            ring_put(port, iov[i].iov_base, iov[i].iov_len);
    if (port->host.fd < 0 || port->deaf)
        return (ssize_t)len;
    ssize_t n = writev(port->host.fd, iov, count);
    if (n > 0)
        return n;
    int r = n == 0 ? -EIO : -errno;
    if (r == -EAGAIN && port->to != TO_PTY)
        return r;
    if (port->to == TO_FILE)
        file_lost(port, r);
    else if (r != -EAGAIN)
        host_deaf(port);
    return (ssize_t)len;
}

/* Goes on with the request under way, for so many bytes: 0; -EAGAIN: it waits for the other end;
 * -EBUSY: it has had its turn. */
static int send_request(struct port *port, size_t *left)
{
    struct iovec iov[PORT_PIECES_MAX];
    size_t whole = chain_readable(&port->out);

    if (chain_writable(&port->out) > 0)
        return 0; /* the driver broke §5.3.6.2: dropped */
    if (port->to == TO_RING && whole > PORT_RING_BYTES)
        (void)chain_skip(&port->out, whole - PORT_RING_BYTES); /* it would be overwritten at once */
    while (chain_readable(&port->out) > 0) {
        struct chain ahead = port->out; /* to look at, for a part of it may be taken */
        size_t len = MIN((size_t)chain_readable(&ahead), *left);
        if (len == 0)
            return -EBUSY;
        int count = chain_read_iov(&ahead, len, iov, PORT_PIECES_MAX);
        ssize_t n = host_write(port, iov, count, len);
        if (n < 0)
            return (int)n;
        *left -= (size_t)n;
        (void)chain_skip(&port->out, (size_t)n);
    }
    return 0;
}

/* Whether a client has sent all that it will, and the guest has read it. */
static bool has_ended(const struct port *port)
{
    char byte;

    return port->to == TO_SOCKET && port->host.fd >= 0 &&
           recv(port->host.fd, &byte, 1, MSG_PEEK) == 0;
}

/* The guest closed the port, and all it wrote is out. */
static void end_output(struct port *port)
{
    port->closing = false;
    if (port->to == TO_FD && port->host.fd >= 0)
        (void)shutdown(port->host.fd, SHUT_WR); /* a pipe has no other way to tell */
    if (port->silent || has_ended(port))
        host_gone(port); /* it has all */
}

void port_send(struct port *port)
{
    struct virtq *vq = tx(port);
    size_t left = SENT_BYTES_MAX;
    int r = 1, sent = 0;

    while (r > 0) {
        if (!port->sending && (r = virtq_pop(vq, &port->out)) <= 0)
            break;
        port->sending = true;
        sent = send_request(port, &left);
        if (sent < 0)
            break;
        virtq_push(vq, &port->out);
        port->sending = false;
    }
    if (r == 0 && port->closing && virtq_empty(vq))
        end_output(port);
    if (sent == -EBUSY)
        virtq_kick(vq);
    if (r == 0 || port->sending)
        r = watch(port);
    if (r < 0)
        virtio_fail(port->dev, r, port->name);
    virtio_signal(port->dev, vq);
}

/* -- input -- */

/* A buffer of the driver's to read into: 1, 0 if there is none. */
static int take_buffer(struct port *port)
{
    int r = port->receiving ? 1 : 0;

    while (!port->receiving && (r = virtq_pop(rx(port), &port->in)) > 0) {
        port->receiving = chain_writable(&port->in) > 0 && chain_readable(&port->in) == 0;
        if (!port->receiving)
            virtq_push(rx(port), &port->in); /* it broke §5.3.6.2: dropped */
    }
    return r;
}

/* There is no more input. A socket's client may have closed one way only, and standard input end
 * before the output. */
static void input_ended(struct port *port)
{
    struct pollfd other = {.fd = port->host.fd};

    if (port->to != TO_FD && !port->deaf && poll(&other, 1, 0) == 0)
        port->silent = true;
    else
        host_gone(port);
}

/* Fills the buffer: 1, or 0 if there was nothing to read, or nobody. */
static int fill_buffer(struct port *port)
{
    struct iovec iov[PORT_PIECES_MAX];
    struct chain ahead = port->in;
    int count = chain_write_iov(&ahead, chain_writable(&ahead), iov, PORT_PIECES_MAX);
    ssize_t n = readv(port->host.fd, iov, count);

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0) {
        input_ended(port);
        return 0;
    }
    (void)chain_write_iov(&port->in, (size_t)n, iov, PORT_PIECES_MAX);
    virtq_push(rx(port), &port->in);
    port->receiving = false;
    return 1;
}

static void read_host(struct port *port)
{
    int r = 1;

    for (unsigned i = 0; i < READS_MAX && r > 0 && port->host.fd >= 0 && !port->silent; i++) {
        r = take_buffer(port);
        if (r > 0)
            r = fill_buffer(port);
    }
    if (r < 0)
        virtio_fail(port->dev, r, port->name);
    port_receive(port);
}

void port_receive(struct port *port)
{
    int r = port->guest_open && has_input(port) ? take_buffer(port) : 0;

    if (r >= 0)
        r = watch(port);
    if (r < 0)
        virtio_fail(port->dev, r, port->name);
    virtio_signal(port->dev, rx(port));
}

static void host_ready(struct watch *host, uint32_t epoll_events)
{
    struct port *port = container_of(host, struct port, host);

    if ((epoll_events & EPOLLOUT) != 0) {
        virtq_round(tx(port));
        port_send(port);
    }
    if ((epoll_events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || port->host.fd < 0)
        return;
    if (port->guest_open && has_input(port) && !port->silent) {
        virtq_round(rx(port));
        read_host(port);
    } else if ((epoll_events & (EPOLLHUP | EPOLLERR)) != 0) {
        host_gone(port);
    }
}

static void door_ready(struct watch *door, uint32_t epoll_events)
{
    struct port *port = container_of(door, struct port, door);
    int fd = loop_accept(door);

    (void)epoll_events;
    if (fd < 0)
        return; /* it has left already, or waits */
    loop_remove(&port->door);
    port->host.fd = fd;
    port->changed(port);
    port_receive(port);
}

/* -- what the driver does -- */

void port_guest(struct port *port, bool open)
{
    if (port->guest_open == open)
        return;
    port->guest_open = open;
    port->closing = !open;
    port_send(port);
    port_receive(port);
}

int port_listen(struct port *port)
{
    if (port->door.fd < 0 || port->host.fd >= 0 || port->door.loop != NULL)
        return 0;
    return loop_add(virtio_loop(port->dev), &port->door, EPOLLIN);
}

void port_reset(struct port *port)
{
    loop_remove(&port->host);
    loop_remove(&port->door);
    port->watched = 0;
    port->guest_open = port->closing = port->sending = port->receiving = false;
}

void port_queue_reset(struct port *port, const struct virtq *vq)
{
    if (vq == tx(port))
        port->sending = false;
    else
        port->receiving = false;
    int r = watch(port);
    if (r < 0)
        virtio_fail(port->dev, r, port->name);
}

/* -- opening -- */

int port_open(struct port *port, const struct opts *opts)
{
    port->host = (struct watch){.fd = -1, .ready = host_ready};
    port->door = (struct watch){.fd = -1, .ready = door_ready};
    port->listener = (struct unix_listener){.fd = -1};
    port->pty_fd = port->stdio_fd = -1;
    port->to = opts_choice(opts, "to");
    (void)snprintf(port->name, sizeof(port->name), "%s", opts_str(opts, "name"));
    return port_open_host(port, opts_choice_arg(opts, "to"));
}

void port_close(struct port *port)
{
    fd_close(&port->host.fd);
    fd_close(&port->pty_fd);
    pump_stop(&port->pump[STDOUT_FILENO]); /* when what the guest wrote is out */
    pump_stop(&port->pump[STDIN_FILENO]);
    fd_close(&port->stdio_fd);
    unix_unlisten(&port->listener);
    free(port->ring);
    port->ring = NULL;
}

/* -- what is in a ring -- */

static void print_line(char *line, size_t len, FILE *out)
{
    bool clean = text_is_clean(line, len);

    for (size_t i = 0; !clean && i < len; i++)
        if (line[i] < ' ' || line[i] > '~')
            line[i] = '.';
    (void)fprintf(out, "%.*s\n", (int)len, line);
}

int port_print(const struct port *port, FILE *out)
{
    uint64_t at = port->ring_end - MIN(port->ring_end, (uint64_t)PORT_RING_BYTES);
    char line[LINE_MAX];
    size_t len = 0;

    if (port->ring == NULL)
        return -ENODATA;
    for (; at < port->ring_end; at++) {
        char c = (char)port->ring[at % PORT_RING_BYTES];
        if (c == '\n' || len == sizeof(line)) {
            print_line(line, len, out);
            len = 0;
        }
        if (c != '\n' && c != '\r')
            line[len++] = c;
    }
    if (len > 0)
        print_line(line, len, out);
    return 0;
}
