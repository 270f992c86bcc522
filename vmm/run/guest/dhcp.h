/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of DHCP (RFC 2131, 2132) with what is around them in an IPv4 packet. No system calls. */
#pragma once

#include "vmm/base/base.h"

#define DHCP_SIZE        332 /* of what we send: IP and UDP heads, message, our few options */
#define DHCP_SERVERS_MAX 3   /* name servers: as many as resolv.conf(5) takes */

enum { DHCP_DISCOVER = 1, DHCP_OFFER = 2, DHCP_REQUEST = 3, DHCP_ACK = 5 };

/* Addresses are in network byte order, 0: none was told. */
struct dhcp_lease {
    uint32_t address, mask, router, server;
    uint32_t names[DHCP_SERVERS_MAX];
};

struct dhcp_client {
    uint32_t id; /* of the exchange */
    uint8_t mac[6];
};

/* A packet to everybody: DISCOVER, or REQUEST of what `offer` has. */
void dhcp_write(const struct dhcp_client *client, int type, const struct dhcp_lease *offer,
                uint8_t packet[DHCP_SIZE]);
/* False if the packet is anything else than a message of that type for us. */
bool dhcp_read(const struct dhcp_client *client, int type, const uint8_t *packet, size_t size,
               struct dhcp_lease *ret_lease);
