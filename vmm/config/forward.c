/* SPDX-License-Identifier: BSD-3-Clause */
/* See forward.h. */
#include "vmm/config/forward.h"

#include "vmm/config/opts.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

static int port_parse(const char *text, uint32_t max, uint32_t *ret_port, char end)
{
    char *rest;
    unsigned long port = strtoul(text, &rest, 10);

    *ret_port = (uint32_t)port;
    return text[0] >= '0' && text[0] <= '9' && *rest == end && port <= max ? 0 : -EINVAL;
}

/* "tcp:127.0.0.1:2222-22", "udp:[::1]:0-53". */
static int forward_parse(char *text, uint32_t to_max, struct forward *ret_forward)
{
    char *address = text + 4, *ports = strrchr(text, ':'), *to = strchr(text, '-');
    uint32_t from;

    if ((strncmp(text, "tcp:", 4) != 0 && strncmp(text, "udp:", 4) != 0) || ports < address ||
        to == NULL)
        return -EINVAL;
    *ports++ = '\0';
    ret_forward->udp = text[0] == 'u';
    if (address[0] == '[' && ports[-2] == ']') {
        address++;
        ports[-2] = '\0';
    }
    if (strlen(address) >= sizeof(ret_forward->address) || address[0] == '\0')
        return -EINVAL;
    (void)snprintf(ret_forward->address, sizeof(ret_forward->address), "%s", address);
    if (port_parse(ports, UINT16_MAX, &from, '-') < 0 ||
        port_parse(to + 1, to_max, &ret_forward->to, '\0') < 0 || ret_forward->to == 0)
        return -EINVAL;
    ret_forward->from = (uint16_t)from;
    return 0;
}

int forwards_parse(const char *option, const char *text, uint32_t to_max,
                   struct forwards *ret_forwards)
{
    auto_free char *copy = strdup(text);
    char *rest = copy, *item;

    if (copy == NULL)
        return log_error(-ENOMEM, "%s forward", option);
    ret_forwards->count = 0;
    while ((item = strsep(&rest, "+")) != NULL) {
        if (ret_forwards->count == FORWARDS_MAX)
            return opts_error("%s forward: too many; at most %d are taken", option, FORWARDS_MAX);
        if (forward_parse(item, to_max, &ret_forwards->item[ret_forwards->count++]) < 0)
            return opts_error("%s forward: \"%s\" will not do; give tcp:ADDRESS:PORT-GUESTPORT or "
                              "udp:..., several with + between, as tcp:127.0.0.1:2222-22",
                              option, text);
    }
    return 0;
}

int forward_bind(const char *option, struct forward *forward)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = forward->udp ? SOCK_DGRAM : SOCK_STREAM};
    struct addrinfo *address;
    char port[8];
    int one = 1, r = 0;

    (void)snprintf(port, sizeof(port), "%u", forward->from);
    if (getaddrinfo(forward->address, port, &hints, &address) != 0)
        return opts_error("%s forward: \"%s\" is not an address of IP", option, forward->address);
    auto_close int fd =
        socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 ||
        (!forward->udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0) ||
        bind(fd, address->ai_addr, address->ai_addrlen) < 0 ||
        getsockname(fd, address->ai_addr, &address->ai_addrlen) < 0 ||
        getnameinfo(address->ai_addr, address->ai_addrlen, NULL, 0, port, sizeof(port),
                    NI_NUMERICSERV) != 0)
        r = -errno;
    freeaddrinfo(address);
    if (r < 0)
        return log_error(r, "%s forward: %s port %u: give another one, or 0 for any that is free",
                         option, forward->address, forward->from);
    if (forward->from == 0)
        log_info("%s forward: %s port %s leads to the guest's port %u", option, forward->address,
                 port, forward->to);
    forward->from = (uint16_t)strtoul(port, NULL, 10);
    return fd_take(&fd);
}
