/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clients of the control socket: lines in, JSON objects out. Knows nothing of what is asked.
 * Nothing that a client does, or does not do, holds up the owner or another client:
 *
 *   each fd that is ready: read what it brings; then a round over all clients, settle():
 *   one line of each is served, what is owed is sent, and then: what to wait for
 *
 * A client's next line waits until it has taken the answer to the one before, and is not read
 * meanwhile. One that is owed too much (events that it does not read) is closed. Main thread.
 */
#pragma once

#include "vmm/base/loop.h"
#include "vmm/control/control_request.h"

#define CONTROL_CLIENTS_MAX 16

struct control_client {
    struct watch watch; /* owned fd; -1: a free place, unless `busy` */
    struct control_clients *clients;
    bool busy;         /* the owner's: serves a line still, takes no other */
    bool wants_events; /* the owner's */
    bool closing;      /* when all is sent */
    bool gone;         /* at once; what is told is lost */
    char *out;         /* owned: not sent yet */
    size_t out_len, in_len;
    char in[CONTROL_LINE_MAX];
};

struct control_clients {
    struct loop *loop;
    struct watch listener; /* borrows its fd */
    /* Set by the owner: serves one line, without its newline; at once, or it makes it busy. */
    void (*serve)(struct control_client *client, const char *line, size_t len);
    struct control_client item[CONTROL_CLIENTS_MAX];
};

/* Takes clients that come to the listening socket `fd` (borrowed; -1: none come): 0 or -errno. */
int control_clients_init(struct control_clients *clients, struct loop *loop, int fd);
/* One more, at the other end of `fd`, which is taken. NULL: it was sent away. */
struct control_client *control_clients_add(struct control_clients *clients, int fd);
/* None is busy. Accepts a struct of zeroes, and an init() that failed. */
void control_clients_fini(struct control_clients *clients);
/* When a client is not busy any more, or was told something out of turn. */
void control_clients_settle(struct control_clients *clients);

/* Sends what all are owed, for which who reads slowly has so long. */
void control_clients_flush(struct control_clients *clients, unsigned patience_ms);

/* Owes the client an object; takes the reference. NULL is lack of memory, which it is closed for.
 */
void control_tell(struct control_client *client, json_t *object);
/* The first line of a text; what a host's card is called may be no UTF-8. NULL: no memory. */
json_t *control_line(const char *text);
/* The answer that says no, with the first line of `why`. */
void control_refuse(struct control_client *client, json_t *id, const char *why);
/* Sends what can be sent now. */
void control_send(struct control_client *client);
