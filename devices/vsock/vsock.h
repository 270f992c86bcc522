/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the socket device: streams, each between a port of the guest and a socket of this
 * host.
 *
 *   host                                                      guest
 *   client of PATH      vsock.c   life, options, time, table
 *   client of a door -> host.c    sockets         guest.c  -> tx queue: packets of the guest's
 *   PATH_port        <- conn.c    one stream               <- rx queue: packets to it
 *
 * Bytes for the guest stay in the host's socket until the guest has both a buffer in the rx queue
 * and room for them (credit). Bytes from the guest go into the socket at once; what it does not
 * take is kept in the stream's buffer, of the size that the guest was told, so that a peer who does
 * not read stalls its own stream alone. What there is to say of a stream is bits, not a list.
 *
 * One worker; all is made by create(), but for the sockets. Nothing here waits.
 */
#pragma once

#include "devices/vhost.h"
#include "devices/vsock/wire.h"
#include "vmm/base/unix_listener.h"
#include "vmm/config/forward.h"

#include <sys/epoll.h>

#define CONNS_MAX        1024
#define CONN_BUF_BYTES   131072u /* that a stream may have on its way to the host */
#define HELLOS_MAX       64      /* clients that have not said yet what they want */
#define HELLO_BYTES_MAX  32      /* in which they must */
#define REFUSALS_MAX     64      /* refusals that wait for a buffer; when full, tx waits */
#define VSOCK_PIECES_MAX 64      /* descriptors of a chain */

/* Deadlines: for a client to say which port, for the guest to answer, for it to let go. */
#define HELLO_NS   (5 * SECOND_NS)
#define ANSWER_NS  (10 * SECOND_NS)
#define CLOSING_NS (8 * SECOND_NS)

enum { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

/*
 *   client of PATH --> HELLO --"CONNECT port"--.
 *   client of a door --------------------------+--> ASKING --RESPONSE--.
 *   REQUEST of the guest's, PATH_port is there ------------------------+--> OPEN
 *
 *   OPEN           the host is done in both directions                   --> CLOSING
 *   CLOSING        the guest says RST                                    --> FREE
 *   OPEN, CLOSING  the guest is done, broke the rules, or time is up     --> RESETTING
 *   RESETTING      RST was told                                          --> FREE
 *   OPEN           the guest let go, and not all is given to the host    --> DRAINING
 *   DRAINING       it is, or nobody is there who would take it           --> FREE
 */
enum conn_state {
    CONN_FREE,
    CONN_HELLO,
    CONN_ASKING,
    CONN_OPEN,
    CONN_CLOSING,
    CONN_RESETTING,
    CONN_DRAINING,
};

/* What is to be said to the guest, in this order. */
enum {
    TELL_RST = 1,
    TELL_REQUEST = 2,
    TELL_RESPONSE = 4,
    TELL_SHUTDOWN = 8,
    TELL_CREDIT_REQUEST = 16,
    TELL_CREDIT_UPDATE = 32,
};

struct conn {
    struct vsock *vsock;
    struct watch host; /* owned fd; -1: closed */
    enum conn_state state;
    bool from_path; /* its client waits for "OK port" */
    bool tcp;
    uint32_t guest_port, host_port;
    struct conn *hash_next; /* of those with the same hash; or of the free ones */
    uint64_t deadline_ns;   /* TIME_NEVER: none */

    uint8_t tell;
    bool queued; /* among those with something for the guest: */
    struct conn *next;

    bool readable;           /* the socket may have something */
    bool hung_up;            /* the host's peer has left */
    bool wait_out;           /* the watch is for EPOLLOUT, too */
    bool credit_asked;       /* since there was none */
    uint8_t host_shut;       /* VIRTIO_VSOCK_SHUTDOWN_*: what the host does no more, */
    uint8_t guest_shut;      /* and what the guest does no more, */
    uint8_t guest_shut_done; /* as far as the socket was told */
    uint32_t tx_cnt;         /* bytes ever sent to the guest; this and the next wrap */
    uint32_t peer_buf_alloc, peer_fwd_cnt; /* as the guest says */
    uint32_t rx_cnt, fwd_cnt; /* bytes that came from the guest, and that are done with */
    uint32_t fwd_told;        /* fwd_cnt as the guest knows it */
    uint32_t held_at, held;   /* of its buffer: where those bytes begin, and how many they are */
    bool buf_touched;

    char hello[HELLO_BYTES_MAX];
    unsigned hello_len;
};

/* Where clients come in. */
struct door {
    struct vsock *vsock;
    struct watch watch; /* owned fd, unless it is PATH's */
    uint32_t port;      /* of the guest; 0: they say which */
};

/* Whom a packet is for. */
struct address {
    uint32_t guest_port, host_port;
    uint16_t type;
};

struct vsock {
    struct virtio_device dev;
    le64 config_cid;
    uint32_t cid;
    struct unix_listener listener;
    struct forwards forwards;
    struct door doors[1 + FORWARDS_MAX]; /* PATH's first */
    unsigned door_count;

    struct conn *conns;     /* owned: CONNS_MAX */
    uint8_t *bufs;          /* owned, mapped: CONN_BUF_BYTES for each */
    unsigned conns_max;     /* CONNS_MAX, or fewer where there are few descriptors */
    unsigned touched;       /* streams from here on were never used since reset */
    unsigned count, hellos; /* in use; those in HELLO */
    struct conn *free, *hash[CONNS_MAX];
    uint32_t next_port; /* of the host, for streams that it begins */

    struct conn *queue, **queue_end;       /* with something for the guest, in turn */
    struct address refusals[REFUSALS_MAX]; /* RST to what belongs to no stream */
    unsigned refusal_first, refusal_count;
    bool tx_stopped; /* there was no room for another one */
    bool has_buffer; /* of the rx queue, taken and not used: */
    struct chain buffer;

    uint64_t to_guest_bytes, from_guest_bytes, conns_ever;

    struct vhost vhost; /* open: the kernel serves it, and all of the above but addresses rests */
};

/* -- the table (vsock.c) -- */

/* One that is not in use, with that socket, in state HELLO; NULL: they all are. */
struct conn *conn_new(struct vsock *vsock, int fd);
/* Closes it. The guest is told nothing. */
void conn_free(struct conn *conn);
/* Its ports are set: it is in state ASKING now, and conn_find() finds it. */
void conn_enter(struct conn *conn);
struct conn *conn_find(struct vsock *vsock, uint32_t guest_port, uint32_t host_port);
/* The guest has let go of it: its ports may be used again. */
void conn_leave(struct conn *conn);
void conn_deadline(struct conn *conn, uint64_t in_ns);

static inline uint64_t vsock_now_ns(struct vsock *vsock)
{
    struct timebase *timebase = virtio_loop(&vsock->dev)->timebase;

    return timebase->now_ns(timebase);
}

static inline uint8_t *conn_buf(const struct conn *conn)
{
    const struct vsock *vsock = conn->vsock;

    return vsock->bufs + (size_t)(conn - vsock->conns) * CONN_BUF_BYTES;
}

/* -- a stream (conn.c) -- */

/* The guest accepted it, or asked for it: from now on bytes flow. */
void conn_open(struct conn *conn);
/* A packet of the guest's for it; `req` is behind the header. */
void conn_hear(struct conn *conn, const struct vsock_hdr *hdr, struct chain *req);
/* Says the next thing to the guest in a buffer that can hold a header: true if it was used. */
bool conn_say(struct conn *conn, struct chain *buffer);
/* Ends it now: RST to the guest, the host's peer sees its socket closed. */
void conn_reset(struct conn *conn);
/* If it has something for the guest, puts it among those that do. */
void conn_queue(struct conn *conn);
/* Its socket has news. */
void conn_ready(struct watch *watch, uint32_t epoll_events);

/* -- the guest's side (guest.c) -- */

/* Takes what the guest sent. */
void vsock_hear(struct vsock *vsock);
/* Sends it what there is, as far as it has buffers. */
void vsock_say(struct vsock *vsock);
/* Fills in the header of a packet to the guest, and writes it. */
void vsock_write_hdr(struct vsock *vsock, struct chain *buffer, struct vsock_hdr *hdr,
                     const struct address *ports);

/* -- the host's side (host.c) -- */

/* Main. -errno, logged. */
int vsock_doors_open(struct vsock *vsock, const struct opts *opts);
void vsock_doors_close(struct vsock *vsock);
/* Lets clients in, or not: by what there is room for. */
void vsock_doors_watch(struct vsock *vsock);
void vsock_doors_shut(struct vsock *vsock);
/* What a client in HELLO says. */
void vsock_hello(struct conn *conn);
/* The guest wants to be connected to PATH_port: a stream that is open, or NULL. */
struct conn *vsock_connect(struct vsock *vsock, uint32_t guest_port, uint32_t host_port);

/* -- in the host's kernel (kernel.c) -- */

/* Whether it is to be there. */
bool vsock_kernel_wanted(const struct opts *opts);
int vsock_kernel_open(struct vsock *vsock, const struct opts *opts);
/* All of these do nothing if it is not there. On failure vsock_kernel_stop() may follow. */
int vsock_kernel_start(struct vsock *vsock);
void vsock_kernel_stop(struct vsock *vsock);
/* It goes on, or stands still. */
int vsock_kernel_run(struct vsock *vsock, bool run);
