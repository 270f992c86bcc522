/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Socket device (virtio 1.4 "Socket Device", 1.2 §5.10) in user space: byte streams between ports
 * of the guest (AF_VSOCK there) and Unix sockets of this host, so that it needs no kernel module,
 * no root, and no number that other machines may not have.
 *
 *   a program here connects to PATH, says "CONNECT port", is answered "OK port"    to the guest
 *   a program here listens at PATH_port                                            from the guest
 *   a client of a TCP door (forward=)                                              to the guest
 *
 * Streams only: no SEQPACKET. Where nobody listens RST is the answer. See vsock.h.
 */
#include "devices/vsock/vsock.h"
#include "devices/registry.h"
#include "vmm/base/sparse.h"

#include <linux/virtio_config.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define CID_MAX        (UINT32_MAX - 1) /* the last one means any */
#define FIRST_PORT     0x40000000u      /* of the host, above those that anybody gives a meaning */
#define FDS_FOR_OTHERS ((rlim_t)256)
#define CONNS_MIN      16 /* where there are hardly any */
#define BUFS_BYTES     ((size_t)CONNS_MAX * CONN_BUF_BYTES)

static struct vsock *vsock_of(struct virtio_device *dev)
{
    return container_of(dev, struct vsock, dev);
}

/* -- the table of streams -- */

static struct conn **bucket(struct vsock *vsock, uint32_t guest_port, uint32_t host_port)
{
    return &vsock->hash[(guest_port * 31 + host_port) % CONNS_MAX];
}

struct conn *conn_find(struct vsock *vsock, uint32_t guest_port, uint32_t host_port)
{
    struct conn *conn = *bucket(vsock, guest_port, host_port);

    while (conn != NULL && (conn->guest_port != guest_port || conn->host_port != host_port))
        conn = conn->hash_next;
    return conn;
}

void conn_enter(struct conn *conn)
{
    struct conn **first = bucket(conn->vsock, conn->guest_port, conn->host_port);

    assert(conn->state == CONN_HELLO);
    conn->vsock->hellos--;
    conn->state = CONN_ASKING;
    conn->hash_next = *first;
    *first = conn;
}

void conn_leave(struct conn *conn)
{
    struct conn **at = bucket(conn->vsock, conn->guest_port, conn->host_port);

    while (*at != NULL && *at != conn)
        at = &(*at)->hash_next;
    if (*at != NULL)
        *at = conn->hash_next;
}

struct conn *conn_new(struct vsock *vsock, int fd)
{
    struct conn *conn = vsock->free;

    if (conn == NULL && vsock->touched == vsock->conns_max) {
        fd_close(&fd);
        return NULL;
    }
    if (conn == NULL)
        conn = &vsock->conns[vsock->touched++];
    else
        vsock->free = conn->hash_next;
    /* A stream may still be in the queue from its last life: so it stays there. */
    *conn = (struct conn){.vsock = vsock,
                          .host = {.fd = fd, .ready = conn_ready},
                          .state = CONN_HELLO,
                          .deadline_ns = TIME_NEVER,
                          .queued = conn->queued,
                          .next = conn->next};
    vsock->count++;
    vsock->hellos++;
    vsock->conns_ever++;
    if (loop_add(virtio_loop(&vsock->dev), &conn->host, EPOLLIN | EPOLLRDHUP | EPOLLET) == 0)
        return conn;
    conn_free(conn);
    return NULL;
}

/* What a slow peer had it keep goes back to the host's kernel. */
static void buf_clean(struct conn *conn)
{
    if (conn->buf_touched)
        (void)madvise(conn_buf(conn), CONN_BUF_BYTES, MADV_DONTNEED); /* or it stays */
    conn->buf_touched = false;
}

void conn_free(struct conn *conn)
{
    struct vsock *vsock = conn->vsock;

    if (conn->state == CONN_HELLO)
        vsock->hellos--;
    conn_leave(conn);
    loop_remove(&conn->host);
    fd_close(&conn->host.fd);
    buf_clean(conn);
    conn->state = CONN_FREE;
    conn->tell = 0;
    conn->deadline_ns = TIME_NEVER;
    conn->hash_next = vsock->free;
    vsock->free = conn;
    vsock->count--;
}

/* -- time -- */

/* A client that does not say what it wants, a guest that does not answer. */
static void time_is_up(struct conn *conn)
{
    if (conn->state == CONN_HELLO || (conn->tell & TELL_REQUEST) != 0)
        conn_free(conn);
    else
        conn_reset(conn);
}

static void time_came(struct loop *loop, void *ctx);

/* Has deadlines looked at by then. */
static void wake(struct vsock *vsock, uint64_t at_ns)
{
    struct loop *loop = virtio_loop(&vsock->dev);

    if (at_ns < loop->alarm_ns)
        loop_alarm(loop, at_ns, time_came, vsock);
}

static void time_came(struct loop *loop, void *ctx)
{
    struct vsock *vsock = ctx;
    uint64_t now = vsock_now_ns(vsock), next = TIME_NEVER;

    (void)loop;
    for (unsigned i = 0; i < vsock->touched; i++) {
        if (vsock->conns[i].deadline_ns <= now)
            time_is_up(&vsock->conns[i]);
        next = MIN(next, vsock->conns[i].deadline_ns);
    }
    wake(vsock, next);
    vsock_say(vsock);
    vsock_doors_watch(vsock);
}

void conn_deadline(struct conn *conn, uint64_t in_ns)
{
    conn->deadline_ns = vsock_now_ns(conn->vsock) + in_ns;
    wake(conn->vsock, conn->deadline_ns);
}

static void vsock_resume(struct virtio_device *dev, uint64_t paused_ns)
{
    struct vsock *vsock = vsock_of(dev);

    for (unsigned i = 0; i < vsock->touched; i++)
        if (vsock->conns[i].deadline_ns != TIME_NEVER)
            vsock->conns[i].deadline_ns += paused_ns; /* the alarm looks again then */
    int r = vsock_kernel_run(vsock, true);
    if (r < 0)
        virtio_fail(dev, r, "vhost-vsock");
}

static void vsock_pause(struct virtio_device *dev)
{
    (void)vsock_kernel_run(vsock_of(dev), false); /* fails on our own bugs only */
}

/* -- its life -- */

static int vsock_activate(struct virtio_device *dev)
{
    struct vsock *vsock = vsock_of(dev);

    vsock_doors_watch(vsock);
    return vsock->vhost.fd > 0 ? vsock_kernel_start(vsock) : 0;
}

static void vsock_reset(struct virtio_device *dev)
{
    struct vsock *vsock = vsock_of(dev);

    for (unsigned i = 0; i < vsock->touched; i++) {
        if (vsock->conns[i].state != CONN_FREE)
            conn_free(&vsock->conns[i]);
        vsock->conns[i].queued = false;
    }
    vsock->queue_end = &vsock->queue;
    vsock->queue = vsock->free = NULL;
    vsock->touched = vsock->refusal_count = 0;
    vsock->tx_stopped = vsock->has_buffer = false;
    vsock_doors_shut(vsock);
    loop_alarm(virtio_loop(dev), TIME_NEVER, NULL, NULL);
    vsock_kernel_stop(vsock);
}

static void vsock_queue_reset(struct virtio_device *dev, struct virtq *vq)
{
    if (vq->index == VSOCK_RX)
        vsock_of(dev)->has_buffer = false;
}

static void vsock_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct vsock *vsock = vsock_of(dev);

    if (vq->index == VSOCK_EVENT)
        return; /* nothing ever happens to the transport: its buffers stay where they are */
    if (vq->index == VSOCK_TX)
        vsock_hear(vsock);
    vsock_say(vsock);
    vsock_doors_watch(vsock);
}

/* Each stream is a descriptor, and the last ones are not for the guest to take. How many streams
 * there may be. */
static unsigned raise_fd_limit(void)
{
    const rlim_t wanted = CONNS_MAX + FDS_FOR_OTHERS;
    struct rlimit limit = {FDS_FOR_OTHERS, wanted};

    (void)getrlimit(RLIMIT_NOFILE, &limit); /* fails on our own bugs only */
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = MIN(limit.rlim_max, wanted);
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* up to the hard limit it may be raised */
    }
    return (unsigned)(MIN(MAX(limit.rlim_cur, FDS_FOR_OTHERS + CONNS_MIN), wanted) -
                      FDS_FOR_OTHERS);
}

static int vsock_create(struct virtio_device *dev, const struct opts *opts)
{
    struct vsock *vsock = vsock_of(dev);

    vsock->listener.fd = -1;
    vsock->cid = (uint32_t)opts_u64(opts, "cid");
    vsock->config_cid = to_le64(vsock->cid);
    vsock->next_port = FIRST_PORT;
    vsock->queue_end = &vsock->queue;
    dev->config = (uint8_t *)&vsock->config_cid;
    dev->config_size = sizeof(vsock->config_cid);
    if (vsock_kernel_wanted(opts))
        return vsock_kernel_open(vsock, opts);
    vsock->conns = calloc(CONNS_MAX, sizeof(*vsock->conns));
    vsock->bufs = sparse_map(BUFS_BYTES);
    if (vsock->conns == NULL || vsock->bufs == NULL)
        return log_error(-ENOMEM, "%s", dev->name);
    vsock->conns_max = raise_fd_limit();
    return vsock_doors_open(vsock, opts);
}

static void vsock_destroy(struct virtio_device *dev)
{
    struct vsock *vsock = vsock_of(dev);

    vhost_close(&vsock->vhost);
    vsock_doors_close(vsock);
    free(vsock->conns);
    sparse_unmap(vsock->bufs, BUFS_BYTES);
}

/* -- telling -- */

static int vsock_command(struct virtio_device *dev, const char *const words[], FILE *reply)
{
    const struct vsock *vsock = vsock_of(dev);

    if (strcmp(words[0], "status") != 0 || words[1] != NULL)
        return virtio_refuse(reply, -EINVAL, "%s takes: status", dev->name);
    if (vsock->vhost.fd > 0) {
        (void)fprintf(reply, "guest's address %u, of this host's AF_VSOCK\n", vsock->cid);
        return 0;
    }
    (void)fprintf(reply, "guest's address %u, here %s\n", vsock->cid, vsock->listener.path);
    for (unsigned i = 0; i < vsock->forwards.count; i++)
        (void)fprintf(reply, "tcp %s port %u to %u\n", vsock->forwards.item[i].address,
                      vsock->forwards.item[i].from, vsock->forwards.item[i].to);
    (void)fprintf(reply, "streams: %u, ever: %llu\n", vsock->count,
                  (unsigned long long)vsock->conns_ever);
    (void)fprintf(reply, "bytes to the guest: %llu, from it: %llu\n",
                  (unsigned long long)vsock->to_guest_bytes,
                  (unsigned long long)vsock->from_guest_bytes);
    return 0;
}

static void vsock_results(struct virtio_device *dev, struct results *results)
{
    const struct vsock *vsock = vsock_of(dev);

    for (unsigned i = 0; i < vsock->forwards.count; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "vsock:%u", vsock->forwards.item[i].to);
        results_port(results, name, vsock->forwards.item[i].from);
    }
}

/* -- the class -- */

static const struct opt vsock_opts[] = {
    {"path", NULL,
     "socket of this host: who connects and says \"CONNECT port\" gets to that port of the guest; "
     "what the guest connects to (address 2) is looked for at SOCKET_port. vhost: AF_VSOCK of this "
     "host instead, by the kernel's vhost-vsock",
     OPT_PATH, .flags = OPT_REQUIRED | OPT_POSITIONAL, .arg = "SOCKET|vhost"},
    {"cid", "3", "the guest's own address; other machines may have the same, but not with vhost",
     OPT_INT, .min = 3, .max = CID_MAX},
    {"forward", NULL,
     "TCP ports of this machine that lead to ports of the guest, as tcp:127.0.0.1:5555-5555, "
     "several with + between; port 0 is a free one, which `linnet control VM vsock0 status` tells",
     .arg = "PORTS"},
    {0},
};

const struct virtio_class virtio_vsock = {
    .name = "vsock",
    .help = "byte streams between programs here and in the guest (AF_VSOCK)",
    .id = VIRTIO_ID_VSOCK,
    .features =
        1ull << VIRTIO_F_IN_ORDER | 1ull << VSOCK_F_STREAM | 1ull << VSOCK_F_NO_IMPLIED_STREAM,
    .queue_count = VSOCK_QUEUES,
    .fill_queues = 1u << VSOCK_RX | 1u << VSOCK_EVENT,
    .limits = {.size = 256, .chain_descs = VSOCK_PIECES_MAX, .held_iovs = VSOCK_PIECES_MAX},
    .instance_size = sizeof(struct vsock),
    .instance_offset = offsetof(struct vsock, dev),
    .opts = vsock_opts,
    .create = vsock_create,
    .destroy = vsock_destroy,
    .activate = vsock_activate,
    .reset = vsock_reset,
    .queue_reset = vsock_queue_reset,
    .notify = vsock_notify,
    .pause = vsock_pause,
    .resume = vsock_resume,
    .command = vsock_command,
    .results = vsock_results,
};
