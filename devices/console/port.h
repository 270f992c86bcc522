/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port of the console device: a pair of queues, and where its bytes come from and go to on the
 * host.
 *
 *   to=        output                                       input
 *   null       is dropped                                   none
 *   file:PATH  is written, by the worker: it is a file      none
 *   ring       the last of it is kept, to be read later     none
 *   pty        is dropped while nobody takes it             what is typed
 *   fifo:PATH  waits in the guest's queue while it is full  none
 *   socket:PATH, fd:N  waits likewise                       what the other end sends
 *   stdio     waits likewise, for a thread (vmm/base/pump.h)  standard input
 *
 * A port's output waits by itself: other ports have queues of their own. A socket with nobody at
 * its other end is a port that is closed on the host's side: the driver lets nobody write to it.
 * (One that is full has somebody, who is slow.) Input is read only into buffers of a driver that
 * has the port open, for what comes before is thrown away there; it is given before the port is
 * said to be closed. A client that only says that it sends no more (shutdown) still gets what the
 * guest sends, until the guest closes the port: to the guest a port is open both ways or closed.
 *
 * On the device's worker, but for port_open() and port_close().
 */
#pragma once

#include "virtio/device.h"
#include "vmm/base/pump.h"
#include "vmm/base/unix_listener.h"

#define PORT_NAME_BYTES_MAX 64
#define PORT_RING_BYTES     65536
/* Descriptors of a chain: Linux makes one of each page that is spliced from a pipe of 1 MiB. */
#define PORT_PIECES_MAX 256

/* Those from TO_PTY on have input. */
enum { TO_NULL, TO_RING, TO_FILE, TO_FIFO, TO_PTY, TO_SOCKET, TO_STDIO, TO_FD };
extern const char *const port_choices[];

struct port {
    struct virtio_device *dev;
    char name[PORT_NAME_BYTES_MAX + 1];
    uint16_t rx, tx; /* its queues */
    size_t to;       /* TO_* */

    struct watch host;             /* owned fd; -1: nobody is there */
    uint32_t watched;              /* events; 0: not added */
    struct unix_listener listener; /* socket: its file, */
    struct watch door;             /* and the same descriptor: watched while nobody is there */
    int pty_fd;          /* owned; -1: none. The terminal's other side, so that it has one */
    int stdio_fd;        /* owned; -1: none. The other end of `host`, */
    struct pump pump[2]; /* between which and standard input and output these copy */
    uint8_t *ring;       /* owned, PORT_RING_BYTES */
    uint64_t ring_end;   /* bytes ever written to it */
    bool lost;           /* a file lacks something */

    bool guest_open;         /* the driver has it open */
    bool closing;            /* it has closed it: the host learns when all is out */
    bool silent;             /* the other end sends no more */
    bool deaf;               /* it takes no more, and what it has sent is still to be read */
    bool sending, receiving; /* there is a request under way: */
    struct chain out, in;

    /* Somebody came to the other end, or left it. */
    void (*changed)(struct port *port);
};

/* Main, from --console. -errno, logged, -EINVAL if the user should give something else;
 * port_close() follows in any case, also on one that is zeroed but for its descriptors. dev, queues
 * and changed are set. */
int port_open(struct port *port, const struct opts *opts);
/* A part of it (open.c): what is behind the colon of to=. */
int port_open_host(struct port *port, const char *arg);
void port_close(struct port *port);

/* There is somebody at the other end, or none is needed. */
bool port_connected(const struct port *port);

/* Lets somebody come to a socket where nobody is: not before the driver was told that the last one
 * left, or it would never know. */
int port_listen(struct port *port);
void port_reset(struct port *port);
/* One of its two queues is to stop: it keeps no request of that. */
void port_queue_reset(struct port *port, const struct virtq *vq);
/* The driver opened or closed it. */
void port_guest(struct port *port, bool open);
/* The driver has news in the queue. */
void port_send(struct port *port);
void port_receive(struct port *port);

/* What the ring holds, as lines of clean text. -ENODATA if the port has none. */
int port_print(const struct port *port, FILE *out);
