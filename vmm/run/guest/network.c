/* SPDX-License-Identifier: BSD-3-Clause */
/* Loopback, and an address for each network card that linnet gives the network of its host. */
#include "vmm/run/guest/dhcp.h"
#include "vmm/run/guest/guest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/route.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <time.h>

#define ANSWER_MS 1000
#define TRIES     5
#define RESOLV    "/etc/resolv.conf"
#define OWN       "/run/linnet.resolv.conf"

static bool interface_up(int fd, const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_UP};

    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

/* -- asking -- */

static int packets_open(int control, const char *name, struct sockaddr_ll *ret_all,
                        struct dhcp_client *client)
{
    struct ifreq request = {0};

    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (ioctl(control, SIOCGIFHWADDR, &request) < 0)
        return -1;
    memcpy(client->mac, request.ifr_hwaddr.sa_data, sizeof(client->mac));
    (void)getrandom(&client->id, sizeof(client->id), GRND_NONBLOCK);
    *ret_all = (struct sockaddr_ll){
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETHERTYPE_IP),
        .sll_ifindex = (int)if_nametoindex(name),
        .sll_halen = ETHER_ADDR_LEN,
    };
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETHERTYPE_IP));
    if (fd >= 0 && bind(fd, (const struct sockaddr *)ret_all, sizeof(*ret_all)) < 0)
        fd_close(&fd);
    memset(ret_all->sll_addr, 0xff, ETHER_ADDR_LEN);
    return fd;
}

static long now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Says it once; false if no answer of that type comes in a second. Other packets pass by. */
static bool ask(int fd, const struct sockaddr_ll *all, const struct dhcp_client *client, int type,
                struct dhcp_lease *lease)
{
    const long until = now_ms() + ANSWER_MS;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    uint8_t packet[1500];

    dhcp_write(client, type, type == DHCP_REQUEST ? lease : NULL, packet);
    if (sendto(fd, packet, DHCP_SIZE, 0, (const struct sockaddr *)all, sizeof(*all)) < 0)
        return false;
    for (long left = ANSWER_MS; left > 0; left = until - now_ms()) {
        ssize_t size = poll(&ready, 1, (int)left) > 0 ? recv(fd, packet, sizeof(packet), 0) : -1;
        if (size > 0 && dhcp_read(client, type == DHCP_REQUEST ? DHCP_ACK : DHCP_OFFER, packet,
                                  (size_t)size, lease))
            return true;
    }
    return false;
}

/* -- what was told -- */

static struct sockaddr address(uint32_t number)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = number};
    struct sockaddr any;

    memcpy(&any, &in, sizeof(any));
    return any;
}

static void route_add(int control, const char *name, uint32_t to, uint32_t mask, uint32_t router)
{
    struct rtentry route = {
        .rt_dst = address(to),
        .rt_genmask = address(mask),
        .rt_gateway = address(router),
        .rt_flags = RTF_UP | (router != 0 ? RTF_GATEWAY : 0) | (mask == UINT32_MAX ? RTF_HOST : 0),
        .rt_dev = (char *)(uintptr_t)name,
    };

    (void)ioctl(control, SIOCADDRT, &route); /* it may be there already */
}

static bool configure(int control, const char *name, const struct dhcp_lease *lease)
{
    struct ifreq request = {.ifr_addr = address(lease->address)};

    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (ioctl(control, SIOCSIFADDR, &request) < 0)
        return false;
    request.ifr_addr = address(lease->mask);
    if (lease->mask != 0 && ioctl(control, SIOCSIFNETMASK, &request) < 0)
        return false;
    if (lease->router == 0)
        return true;
    if (((lease->router ^ lease->address) & lease->mask) != 0) /* beyond its own network */
        route_add(control, name, lease->router, UINT32_MAX, 0);
    route_add(control, name, 0, 0, lease->router);
    return true;
}

/* -- name servers -- */

static bool names_write(const char *path, const struct dhcp_lease *lease)
{
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    char text[INET_ADDRSTRLEN];

    for (int i = 0; fd >= 0 && i < DHCP_SERVERS_MAX && lease->names[i] != 0; i++)
        (void)dprintf(fd, "nameserver %s\n",
                      inet_ntop(AF_INET, &lease->names[i], text, sizeof(text)));
    return fd >= 0;
}

/*
 * In the place of the root's own, which most often leads to something in /run that is not here or
 * names a server of the host's. A disk is not written: there ours lies over the root's.
 */
static void names_set(struct guest *guest, const struct dhcp_lease *lease)
{
    bool disk = strcmp(run_string(guest, RUN_ROOT, NULL), "disk") == 0;

    if (lease->names[0] == 0)
        return;
    make_folders("/etc");
    if (!disk) {
        (void)unlink(RESOLV);
        (void)names_write(RESOLV, lease);
    } else if (names_write(OWN, lease)) {
        (void)mount(OWN, RESOLV, NULL, MS_BIND, NULL);
    }
}

/* -- */

static void card_up(struct guest *guest, int control, const char *name)
{
    struct dhcp_client client = {0};
    struct dhcp_lease lease = {0};
    struct sockaddr_ll all;
    bool offered = false, given = false;

    if (!interface_up(control, name))
        unfit(guest, "network card %s: %s", name, strerror(errno));
    auto_close int fd = packets_open(control, name, &all, &client);
    for (int i = 0; i < TRIES && fd >= 0 && !given; i++) {
        offered = offered || ask(fd, &all, &client, DHCP_DISCOVER, &lease);
        given = offered && ask(fd, &all, &client, DHCP_REQUEST, &lease);
    }
    if (fd < 0)
        unfit(guest, "network card %s: DHCP: %s", name, strerror(errno));
    if (!given)
        unfit(guest, "network card %s: no address by DHCP in %d s", name, TRIES * ANSWER_MS / 1000);
    if (!configure(control, name, &lease))
        unfit(guest, "network card %s: %s", name, strerror(errno));
    names_set(guest, &lease);
}

void network_up(struct guest *guest)
{
    auto_close int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const char *name = NULL;

    (void)interface_up(control, "lo"); /* a kernel without network needs none */
    while ((name = run_string(guest, RUN_DHCP, name)) != NULL)
        card_up(guest, control, name);
}
