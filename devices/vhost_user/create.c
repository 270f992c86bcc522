/* SPDX-License-Identifier: BSD-3-Clause */
/* Meets a back-end before there is guest RAM, KVM or another thread, see vhost_user.h: finds out
 * what the device is that it serves. What is wrong is told in a line. */
#include "devices/vhost_user/vhost_user.h"

#include "devices/registry.h"

#include <fcntl.h>
#include <linux/virtio_fs.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define PROTOCOL_WANTED                                                                            \
    (1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK |                  \
     1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE)
#define PROTOCOL_OF_CONFIG                                                                         \
    (1ull << VHOST_USER_PROTOCOL_F_CONFIG | 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ)

static int refuse(const struct opts *opts, const char *where, const char *why)
{
    const char *between = where[0] == '\0' ? "" : ": ";

    if (opts_has(opts, "fd"))
        return opts_error("--vhost-user fd: %llu: %s%s%s", (unsigned long long)opts_u64(opts, "fd"),
                          where, between, why);
    return opts_error("--vhost-user socket: %s: %s%s%s", opts_str(opts, "socket"), where, between,
                      why);
}

/* How many queues there are. */
static int find_queues(struct vhost_user *vu, const struct opts *opts)
{
    const struct vu_kind *kind = &vu->kind;
    uint16_t told = vu->queues;

    if (told == 0 && opts_given(opts, "queues"))
        told = (uint16_t)opts_u64(opts, "queues");
    if (told == 0 && kind->name == NULL)
        return refuse(opts, "", "it does not say how many queues it has; add queues=N");
    if (told == 0)
        told = kind->queues_min;
    if (told < kind->queues_min)
        return refuse(opts, "", "it has too few queues for such a device; look at kind=");
    vu->dev.queue_count = told < kind->queues_max ? told : kind->queues_max;
    return 0;
}

/* Asks for all of config space, or where that is too much piece by piece, for what there is. */
static int ask_config(struct vhost_user *vu)
{
    vu->piece_bytes = vu->kind.config_bytes;
    vu->pieces = 1;
    int r = vu_session_run(vu, vu_config);
    if (r != -EREMOTEIO)
        return r;
    vu->piece_bytes = VU_PIECE;
    vu->pieces = vu->kind.config_bytes / VU_PIECE;
    r = vu_session_run(vu, vu_config);
    vu->pieces = vu->got / VU_PIECE;
    return r == -EREMOTEIO && vu->pieces > 0 ? 0 : r;
}

/* A share's, if the back-end has none: its tag, and how many queues it has. */
static int make_config(struct vhost_user *vu, const struct opts *opts)
{
    struct virtio_fs_config *config = (void *)vu->config;
    const char *tag = opts_str(opts, "tag");

    if (vu->kind.id != VIRTIO_ID_FS)
        return 0;
    if (tag == NULL || tag[0] == '\0')
        return refuse(opts, "", "it does not tell its tag; add tag=NAME");
    memcpy(config->tag, tag, MIN(strlen(tag), sizeof(config->tag)));
    config->num_request_queues = htole32(vu->dev.queue_count - 1u);
    vu->got = sizeof(*config);
    return 0;
}

static int find_config(struct vhost_user *vu, const struct opts *opts)
{
    if (vu->kind.config_bytes == 0)
        return 0;
    int r = 0;
    if (vu_has(vu, VHOST_USER_PROTOCOL_F_CONFIG)) {
        r = ask_config(vu);
        if (r < 0)
            return refuse(opts, vu->session.last, vu_error(r));
        memcpy(vu->config, vu->fresh, vu->got);
    } else if (vu->kind.config_needed) {
        return refuse(opts, "", "it has no config space, which such a device needs; look at kind=");
    } else {
        vu->features &= ~vu->kind.config_features;
        r = make_config(vu, opts);
    }
    vu->dev.config = vu->config;
    vu->dev.config_size = vu->got;
    return r;
}

static int make_calls(struct vhost_user *vu)
{
    for (unsigned i = 0; i < vu->dev.queue_count; i++) {
        vu->call[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (vu->call[i].fd < 0)
            return log_error(-errno, "%s: eventfd", vu->dev.name);
    }
    return 0;
}

/* The socket, and the pair for what the back-end says unasked. */
static int connect_to(struct vhost_user *vu, const struct opts *opts)
{
    int ends[2];

    if (opts_has(opts, "socket") == opts_has(opts, "fd"))
        return opts_error("--vhost-user: give socket=PATH, where the back-end listens");
    if (opts_has(opts, "fd"))
        vu->link.fd = (int)opts_u64(opts, "fd");
    else if (vu_connect(opts_str(opts, "socket"), vu->patience_ns, &vu->link.fd) < 0)
        return -EINVAL;
    (void)fcntl(vu->link.fd, F_SETFD, FD_CLOEXEC); /* one that is not open is refused by hello */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return log_error(-errno, "%s: socket", vu->dev.name);
    vu->channel.fd = ends[0];
    vu->channel_other = ends[1];
    return 0;
}

static int say_hello(struct vhost_user *vu, const struct opts *opts)
{
    vu->protocol = PROTOCOL_WANTED;
    if (vu->kind.config_bytes > 0 && !opts_given(opts, "tag"))
        vu->protocol |= PROTOCOL_OF_CONFIG;
    int r = vu_session_run(vu, vu_hello);
    if ((r == -ENODATA || r == -ECONNRESET || r == -EPIPE) && vu->dev.class == &virtio_isolated)
        return -EPIPE; /* it has said why */
    if (r < 0)
        return refuse(opts, vu->session.last, vu_error(r));
    fd_close(&vu->channel_other);
    if (!vu_has(vu, VHOST_USER_PROTOCOL_F_BACKEND_REQ))
        fd_close(&vu->channel.fd);
    return 0;
}

int vu_meet(struct vhost_user *vu, const struct opts *opts)
{
    struct virtio_device *dev = &vu->dev;

    vu->patience_ns = opts_ns(opts, "timeout");
    int r = vu_kind_find(opts_str(opts, "kind"), &vu->kind);
    if (r == 0)
        r = connect_to(vu, opts);
    if (r == 0)
        r = say_hello(vu, opts);
    if (r == 0)
        r = find_queues(vu, opts);
    if (r == 0)
        r = find_config(vu, opts);
    if (r == 0)
        r = make_calls(vu);
    dev->id = vu->kind.id;
    dev->limits.size = vu->kind.queue_size;
    dev->features = vu->features;
    return r;
}

const struct opt vu_opts[] = {
    {"kind", NULL,
     "what it is: net, disk, console, rng, input, vsock, snd, share, or the number of a virtio "
     "device type",
     OPT_STRING, .max = 16, .flags = OPT_REQUIRED, .arg = "KIND"},
    {"socket", NULL, "where the back-end listens", OPT_PATH, .flags = OPT_UNIQUE},
    {"fd", NULL, "an open descriptor instead", OPT_INT, .min = 3, .max = 1 << 20},
    {"timeout", "5s", "for the back-end to come up, and for each of its answers", OPT_DURATION,
     .min = MS_NS, .max = 300 * SECOND_NS},
    {"tag", NULL, "share: name by which the guest mounts it, if the back-end has none", OPT_STRING,
     .max = sizeof(((struct virtio_fs_config *)0)->tag)},
    {"queues", NULL, "how many it has, if the back-end does not say", OPT_INT, .min = 1,
     .max = VU_QUEUES_MAX},
    {0},
};
