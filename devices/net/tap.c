/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network device on a TAP interface of the host's kernel: Documentation/networking/tuntap.rst.
 * Each frame has virtio's own header in front (IFF_VNET_HDR), so checksums and segmentation are
 * passed on as the guest left them, and its bytes go straight between guest RAM and the kernel.
 */
#include "devices/net/host.h"

#include "vmm/base/log.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#define BIT(n) (1ull << (n))

#define TAP_FEATURES                                                                               \
    (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |          \
     BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |    \
     BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN))

static int tap_error(unsigned pair)
{
    switch (errno) {
    case EAGAIN:
    case EINTR:
    case ENOBUFS:
    case ENOMEM:
        return -EAGAIN;
    case EBADFD: /* the interface was deleted, or this is one of several that is not used */
        return pair == 0 ? -EPIPE : -EIO;
    default: /* it is down, or the frame is no good */
        return -EIO;
    }
}

static int tap_send(struct net_host *host, unsigned pair, const struct iovec *iov, unsigned count)
{
    if (count == 0)
        return 0;
    return writev(host->fd[pair], iov, (int)count) < 0 ? tap_error(pair) : 0;
}

static ssize_t tap_receive(struct net_host *host, unsigned pair, const struct iovec *iov,
                           unsigned count)
{
    ssize_t len = readv(host->fd[pair], iov, (int)count);

    if (len < 0)
        return tap_error(pair) == -EPIPE ? -EPIPE : -EAGAIN;
    return len < NET_HDR_BYTES + NET_FRAME_MIN ? 0 : len;
}

static int tap_offloads(struct net_host *host, uint64_t features)
{
    static const struct {
        uint64_t feature;
        unsigned flag;
    } rows[] = {
        {BIT(VIRTIO_NET_F_GUEST_TSO4), TUN_F_TSO4},
        {BIT(VIRTIO_NET_F_GUEST_TSO6), TUN_F_TSO6},
        {BIT(VIRTIO_NET_F_GUEST_ECN), TUN_F_TSO_ECN},
    };
    unsigned long flags = 0;

    if ((features & BIT(VIRTIO_NET_F_GUEST_CSUM)) != 0) {
        flags = TUN_F_CSUM;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
            if ((features & rows[i].feature) != 0)
                flags |= rows[i].flag;
    }
    return ioctl(host->fd[0], TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}

static int tap_pairs_use(struct net_host *host, unsigned count)
{
    for (unsigned i = 1; i < host->pairs; i++) {
        struct ifreq request = {.ifr_flags = i < count ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};
        /* EINVAL: it is so already */
        if (ioctl(host->fd[i], TUNSETQUEUE, &request) < 0 && errno != EINVAL)
            return -errno;
    }
    return 0;
}

static void tap_close(struct net_host *host)
{
    for (unsigned i = 0; i < host->pairs; i++)
        fd_close(&host->fd[i]);
    free(host);
}

static const struct net_host_ops tap_ops = {
    .send = tap_send,
    .receive = tap_receive,
    .offloads = tap_offloads,
    .pairs_use = tap_pairs_use,
    .close = tap_close,
};

/* The header as virtio 1.x has it. */
static int tap_setup(int fd)
{
    int header = NET_HDR_BYTES, little_endian = 1;

    if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 || ioctl(fd, TUNSETVNETLE, &little_endian) < 0 ||
        ioctl(fd, TUNSETOFFLOAD, 0ul) < 0)
        return -errno;
    return 0;
}

/* Makes fd a queue of that interface, which need not exist. */
static int tap_attach(int fd, const char *interface, bool several)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};

    if (several)
        request.ifr_flags = (short)(request.ifr_flags | IFF_MULTI_QUEUE);
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    return ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : 0;
}

/* Says what is wrong, and what to type. */
static int refused(int r, const char *name, const char *interface, unsigned pairs)
{
    const char *several = pairs > 1 ? " multi_queue" : "";

    if (r == -EPERM || r == -EACCES)
        return log_error(r,
                         "%s: tap %s: make it for you first: sudo ip tuntap add %s mode tap%s "
                         "vnet_hdr user $USER && sudo ip link set %s up",
                         name, interface, interface, several, interface);
    if (r == -EINVAL)
        return log_error(-ENODEV,
                         "%s: tap %s: there is one of another kind; make it by ip tuntap add %s "
                         "mode tap%s",
                         name, interface, interface, several);
    if (r == -EBUSY)
        return log_error(r, "%s: tap %s: another program has it; give another name", name,
                         interface);
    return log_error(r, "%s: tap %s", name, interface);
}

static int open_queue(const char *name, const char *interface, unsigned pairs, int *ret_fd)
{
    int r = 0;

    *ret_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (*ret_fd < 0)
        return log_error(-errno, "%s: /dev/net/tun (%s)", name,
                         errno == EACCES ? "let users have it: sudo chmod 666 /dev/net/tun"
                                         : "load the module tun: sudo modprobe tun");
    r = tap_attach(*ret_fd, interface, pairs > 1);
    if (r == -EINVAL && pairs == 1) /* one that was made for several has place for one */
        r = tap_attach(*ret_fd, interface, true);
    if (r == 0)
        r = tap_setup(*ret_fd);
    return r < 0 ? refused(r, name, interface, pairs) : 0;
}

/* One that somebody else opened and handed to us. */
static int inherit(const char *name, int given, int *ret_fd)
{
    struct ifreq request = {.ifr_flags = 0};

    if (ioctl(given, TUNGETIFF, &request) < 0)
        return opts_error("%s: fd %d: not a tap interface (%s); open one, and leave it open for "
                          "linnet",
                          name, given, strerror(errno));
    if ((request.ifr_flags & IFF_TAP) == 0 || (request.ifr_flags & IFF_NO_PI) == 0 ||
        (request.ifr_flags & IFF_VNET_HDR) == 0)
        return opts_error("%s: fd %d: open it with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR", name,
                          given);
    *ret_fd = given;
    if (fcntl(given, F_SETFL, O_NONBLOCK) < 0 || fcntl(given, F_SETFD, FD_CLOEXEC) < 0)
        return log_error(-errno, "%s: fd %d", name, given);
    int r = tap_setup(given);
    return r < 0 ? log_error(r, "%s: fd %d", name, given) : 0;
}

static int open_all(const char *name, const struct opts *opts, struct net_host *host)
{
    const char *interface = opts_str(opts, "name");
    int r = 0;

    if (opts_has(opts, "fd")) {
        (void)snprintf(host->about, sizeof(host->about), "tap, descriptor %d",
                       (int)opts_u64(opts, "fd"));
        return inherit(name, (int)opts_u64(opts, "fd"), &host->fd[0]);
    }
    (void)snprintf(host->about, sizeof(host->about), "tap %s", interface);
    for (unsigned i = 0; i < host->pairs && r == 0; i++)
        r = open_queue(name, interface, host->pairs, &host->fd[i]);
    return r;
}

int tap_open(const char *name, const struct opts *opts, struct net_host **ret_host)
{
    const char *interface = opts_str(opts, "name");

    if (opts_has(opts, "fd") == (interface != NULL))
        return opts_error("%s: tap wants either the name of an interface (name=tap0) or an open "
                          "one (fd=N)",
                          name);
    if (interface != NULL && strlen(interface) >= IFNAMSIZ)
        return opts_error("%s: name: \"%s\" is too long; give a name of at most %d letters", name,
                          interface, IFNAMSIZ - 1);
    if (interface == NULL && opts_u64(opts, "queues") > 1)
        return opts_error("%s: queues: a descriptor is one queue; give name= instead", name);
    struct net_host *host = calloc(1, sizeof(*host));
    if (host == NULL)
        return log_error(-ENOMEM, "%s", name);
    host->ops = &tap_ops;
    host->features = TAP_FEATURES;
    host->pairs = (unsigned)opts_u64(opts, "queues");
    for (unsigned i = 0; i < NET_PAIRS_MAX; i++)
        host->fd[i] = -1;
    int r = open_all(name, opts, host);
    if (r < 0)
        tap_close(host);
    else
        *ret_host = host;
    return r;
}
