/* SPDX-License-Identifier: BSD-3-Clause */
/* See control_clients.h. */
#include "vmm/control/control_clients.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* The longest answer fits (a card has some hundred controls, some with 512 values), and very many
 * events. */
#define OUT_BYTES_MAX ((size_t)1 << 20)
#define OUT_STEP      ((size_t)4096) /* in which the room for it grows */

/* -- out -- */

/* Room for `all` bytes, by which what is owed is to grow; NULL: there is none. */
static char *make_room(struct control_client *client, size_t all)
{
    size_t steps = (all + OUT_STEP - 1) / OUT_STEP;

    if (client->out != NULL && steps == (client->out_len + OUT_STEP - 1) / OUT_STEP)
        return client->out;
    return realloc(client->out, steps * OUT_STEP);
}

void control_tell(struct control_client *client, json_t *object)
{
    size_t len = json_dumpb(object, NULL, 0, JSON_COMPACT), all = client->out_len + len + 1;
    bool fits = len > 0 && all <= OUT_BYTES_MAX && !client->gone;
    char *out = fits ? make_room(client, all) : NULL;

    client->gone = out == NULL;
    if (out != NULL) {
        (void)json_dumpb(object, out + client->out_len, len, JSON_COMPACT);
        out[all - 1] = '\n';
        client->out = out;
        client->out_len = all;
    }
    json_decref(object);
}

json_t *control_line(const char *text)
{
    json_t *line = json_stringn(text, strcspn(text, "\n"));

    return line != NULL ? line : json_string("(this is no UTF-8)");
}

void control_refuse(struct control_client *client, json_t *id, const char *why)
{
    control_tell(client,
                 json_pack("{s:O*, s:b, s:o}", "id", id, "ok", 0, "error", control_line(why)));
}

void control_send(struct control_client *client)
{
    if (client->gone || client->out_len == 0)
        return;
    ssize_t sent =
        send(client->watch.fd, client->out, client->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        client->gone = errno != EAGAIN;
        return;
    }
    client->out_len -= (size_t)sent;
    memmove(client->out, client->out + sent, client->out_len);
}

/* -- in -- */

static const char *line_end(const struct control_client *client)
{
    return memchr(client->in, '\n', client->in_len);
}

/* Reads what fits. A line that does not fit, or has no end, is the last one. */
static void client_read(struct control_client *client)
{
    size_t room = sizeof(client->in) - client->in_len;
    ssize_t got = recv(client->watch.fd, client->in + client->in_len, room, MSG_DONTWAIT);

    if (got < 0) {
        client->gone = errno != EAGAIN;
        return;
    }
    client->in_len += (size_t)got;
    if (got > 0 && (client->in_len < sizeof(client->in) || line_end(client) != NULL))
        return;
    if (client->in_len > 0)
        control_refuse(client, NULL,
                       got > 0 ? "the line is too long" : "a line ends with a newline");
    client->closing = true;
}

static void client_serve(struct control_client *client)
{
    const char *end = line_end(client);

    if (end == NULL || client->gone || client->busy || client->out_len > 0)
        return;
    size_t len = (size_t)(end - client->in);
    client->clients->serve(client, client->in, len);
    client->in_len -= len + 1;
    memmove(client->in, end + 1, client->in_len);
}

/* -- waiting -- */

/* Its place is free once it is not busy. */
static void client_remove(struct control_client *client)
{
    loop_remove(&client->watch);
    fd_close(&client->watch.fd);
    free(client->out);
    client->out = NULL;
    client->gone = true;
}

static void client_wait(struct control_client *client)
{
    bool goes_on = client->out_len > 0 || (!client->busy && line_end(client) != NULL);
    bool ended = client->gone || (client->closing && client->out_len == 0);

    if (ended || loop_change(&client->watch, goes_on ? EPOLLOUT : client->busy ? 0 : EPOLLIN) < 0)
        client_remove(client);
}

void control_clients_settle(struct control_clients *clients)
{
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
        client_serve(&clients->item[i]);
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) { /* one may have told others an event */
        if (clients->item[i].watch.fd < 0)
            continue;
        control_send(&clients->item[i]);
        client_wait(&clients->item[i]);
    }
}

void control_clients_flush(struct control_clients *clients, unsigned patience_ms)
{
    uint64_t now = monotonic_ns(), end = now + patience_ms * MS_NS;
    int waiting = 1;

    for (; waiting > 0 && now < end; now = monotonic_ns()) {
        struct pollfd poll_for[CONTROL_CLIENTS_MAX];
        waiting = 0;
        for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
            struct control_client *client = &clients->item[i];
            control_send(client);
            bool waits = !client->gone && client->out_len > 0;
            poll_for[i] = (struct pollfd){waits ? client->watch.fd : -1, POLLOUT, 0};
            waiting += waits;
        }
        if (waiting > 0)
            (void)poll(poll_for, CONTROL_CLIENTS_MAX, (int)((end - now + MS_NS - 1) / MS_NS));
    }
}

static void client_ready(struct watch *watch, uint32_t epoll_events)
{
    struct control_client *client = container_of(watch, struct control_client, watch);

    if ((epoll_events & EPOLLIN) != 0)
        client_read(client);
    else if ((epoll_events & (EPOLLERR | EPOLLHUP)) != 0)
        client->gone = true; /* nothing is left to read: no use in an answer */
    control_clients_settle(client->clients);
}

/* -- they come -- */

/* The door, with an answer if it takes one. */
static void turn_away(int fd, const char *why)
{
    struct control_client client = {.watch.fd = fd};

    control_refuse(&client, NULL, why);
    control_send(&client);
    client_remove(&client);
}

/* Of the user that the machine runs as, or root. */
static bool may_ask(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

struct control_client *control_clients_add(struct control_clients *clients, int fd)
{
    struct control_client *client = clients->item, *end = client + CONTROL_CLIENTS_MAX;

    if (!may_ask(fd)) {
        turn_away(fd, "this machine is another user's");
        return NULL;
    }
    while (client < end && (client->watch.fd >= 0 || client->busy))
        client++;
    if (client == end) {
        turn_away(fd, "there are too many clients; try again when one has gone");
        return NULL;
    }
    *client =
        (struct control_client){.watch = {.fd = fd, .ready = client_ready}, .clients = clients};
    if (loop_add(clients->loop, &client->watch, EPOLLIN) == 0)
        return client;
    client_remove(client);
    return NULL;
}

static void listener_ready(struct watch *watch, uint32_t epoll_events)
{
    struct control_clients *clients = container_of(watch, struct control_clients, listener);
    int fd = loop_accept(watch);

    (void)epoll_events;
    if (fd >= 0)
        (void)control_clients_add(clients, fd); /* it was told */
}

int control_clients_init(struct control_clients *clients, struct loop *loop, int fd)
{
    clients->loop = loop;
    clients->listener = (struct watch){.fd = fd, .ready = listener_ready};
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
        clients->item[i] = (struct control_client){.watch.fd = -1, .gone = true};
    return fd < 0 ? 0 : loop_add(loop, &clients->listener, EPOLLIN);
}

void control_clients_fini(struct control_clients *clients)
{
    if (clients->loop == NULL)
        return;
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
        client_remove(&clients->item[i]);
    loop_remove(&clients->listener);
}
