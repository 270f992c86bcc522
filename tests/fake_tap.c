/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_tap.h. */
#include "tests/fake_tap.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct fake_tap *fake; /* NULL: not started */

void fake_tap_start(struct fake_tap *tap)
{
    fake = tap;
}

void fake_tap_stop(void)
{
    for (unsigned i = 0; i < fake->opened; i++)
        (void)close(fake->ours[i]);
    fake = NULL;
}

int fake_tap_open(const char *path)
{
    int ends[2];

    if (fake == NULL || strcmp(path, "/dev/net/tun") != 0)
        return -ENOSYS;
    if (fake->opened == FAKE_TAP_QUEUES_MAX ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    fake->ours[fake->opened] = ends[0];
    fake->theirs[fake->opened] = ends[1];
    fake->attached[fake->opened++] = true;
    return ends[1];
}

static int serve(unsigned queue, unsigned long request, unsigned long number)
{
    struct ifreq *asked = (void *)(uintptr_t)number; /* NOLINT: it is one, for two requests */
    const int *value = (const void *)(uintptr_t)number;

    switch (request) {
    case TUNSETIFF:
        if (fake->error != 0)
            return -fake->error;
        memcpy(fake->name, asked->ifr_name, sizeof(fake->name));
        fake->flags = asked->ifr_flags;
        return 0;
    case TUNGETIFF:
        asked->ifr_flags = (short)fake->flags;
        return 0;
    case TUNSETVNETHDRSZ:
        fake->header_bytes = *value;
        return 0;
    case TUNSETVNETLE:
        fake->little_endian = *value;
        return 0;
    case TUNSETOFFLOAD:
        fake->offloads = (unsigned)number;
        return 0;
    case TUNSETQUEUE:
        if (fake->attached[queue] == (asked->ifr_flags == IFF_ATTACH_QUEUE))
            return -EINVAL;
        fake->attached[queue] = !fake->attached[queue];
        return 0;
    default:
        return -EINVAL;
    }
}

int fake_tap_ioctl(int fd, unsigned long request, unsigned long number)
{
    for (unsigned i = 0; fake != NULL && i < fake->opened; i++)
        if (fake->theirs[i] == fd)
            return serve(i, request, number);
    return -ENOSYS;
}
