/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See dhcp.h.
 *
 *   0        20    28                                       264     268
 *   +--------+-----+----------------------------------------+-------+-----------------+
 *   | IPv4   | UDP | op, ids, addresses, MAC (236 bytes)    | magic | options, 255    |
 *   +--------+-----+----------------------------------------+-------+-----------------+
 */
#include "vmm/run/guest/dhcp.h"

#include <string.h>

#define IP_SIZE     20
#define UDP_SIZE    8
#define IP_UDP      17
#define SERVER_PORT 67
#define CLIENT_PORT 68

/* In the packet, where the IP head has its least size. */
enum {
    AT_UDP = IP_SIZE,
    AT_MESSAGE = AT_UDP + UDP_SIZE,
    AT_ID = AT_MESSAGE + 4,
    AT_FLAGS = AT_MESSAGE + 10,
    AT_YOURS = AT_MESSAGE + 16, /* the address that is given */
    AT_MAC = AT_MESSAGE + 28,
    AT_MAGIC = AT_MESSAGE + 236,
    AT_OPTIONS = AT_MAGIC + 4,
};

enum {
    OPTION_PAD = 0,
    OPTION_MASK = 1,
    OPTION_ROUTER = 3,
    OPTION_NAMES = 6,
    OPTION_ADDRESS = 50,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_WANTED = 55,
    OPTION_END = 255,
};

static const uint8_t magic[4] = {99, 130, 83, 99};

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint8_t *put_option(uint8_t *at, int option, const void *value, size_t size)
{
    at[0] = (uint8_t)option;
    at[1] = (uint8_t)size;
    memcpy(at + 2, value, size);
    return at + 2 + size;
}

/* RFC 791: the sum of an IP head, its own field 0. */
static unsigned ip_sum(const uint8_t *head)
{
    unsigned sum = 0;

    for (int i = 0; i < IP_SIZE; i += 2)
        sum += get16(head + i);
    sum = (sum & 0xffff) + (sum >> 16);
    sum += sum >> 16;
    return ~sum & 0xffff;
}

void dhcp_write(const struct dhcp_client *client, int type, const struct dhcp_lease *offer,
                uint8_t packet[DHCP_SIZE])
{
    static const uint8_t wanted[] = {OPTION_MASK, OPTION_ROUTER, OPTION_NAMES};
    const uint8_t kind = (uint8_t)type;
    uint8_t *at = packet + AT_OPTIONS;

    memset(packet, 0, DHCP_SIZE);
    packet[0] = 0x45;
    put16(packet + 2, DHCP_SIZE);
    packet[8] = 64; /* hops */
    packet[9] = IP_UDP;
    memset(packet + 16, 0xff, 4); /* to all */
    put16(packet + 10, ip_sum(packet));
    put16(packet + AT_UDP, CLIENT_PORT);
    put16(packet + AT_UDP + 2, SERVER_PORT);
    put16(packet + AT_UDP + 4, DHCP_SIZE - IP_SIZE); /* its sum is 0: none */
    memcpy(packet + AT_MESSAGE, (const uint8_t[]){1, 1, sizeof(client->mac)}, 3);
    memcpy(packet + AT_ID, &client->id, sizeof(client->id));
    put16(packet + AT_FLAGS, 0x8000); /* answer to all, too: nobody has the address yet */
    memcpy(packet + AT_MAC, client->mac, sizeof(client->mac));
    memcpy(packet + AT_MAGIC, magic, sizeof(magic));
    at = put_option(at, OPTION_TYPE, &kind, sizeof(kind));
    at = put_option(at, OPTION_WANTED, wanted, sizeof(wanted));
    if (offer != NULL) {
        at = put_option(at, OPTION_ADDRESS, &offer->address, sizeof(offer->address));
        at = put_option(at, OPTION_SERVER, &offer->server, sizeof(offer->server));
    }
    *at = OPTION_END;
}

static void take_option(struct dhcp_lease *lease, int option, const uint8_t *value, size_t size)
{
    if (size < sizeof(lease->mask))
        return;
    if (option == OPTION_MASK)
        memcpy(&lease->mask, value, sizeof(lease->mask));
    if (option == OPTION_ROUTER)
        memcpy(&lease->router, value, sizeof(lease->router));
    if (option == OPTION_SERVER)
        memcpy(&lease->server, value, sizeof(lease->server));
    if (option == OPTION_NAMES)
        memcpy(lease->names, value, MIN(size, sizeof(lease->names)) & ~(size_t)3);
}

/* The message's type; 0 if it tells none. */
static int read_options(const uint8_t *at, const uint8_t *end, struct dhcp_lease *lease)
{
    int type = 0;

    while (at < end && *at != OPTION_END) {
        int option = *at++;
        if (option == OPTION_PAD)
            continue;
        if (at == end || *at > end - at - 1)
            return 0;
        size_t size = *at++;
        if (option == OPTION_TYPE && size == 1)
            type = *at;
        take_option(lease, option, at, size);
        at += size;
    }
    return type;
}

bool dhcp_read(const struct dhcp_client *client, int type, const uint8_t *packet, size_t size,
               struct dhcp_lease *ret_lease)
{
    struct dhcp_lease lease = {0};
    size_t head = size < AT_OPTIONS ? 0 : (size_t)(packet[0] & 15) * 4;

    if (size < AT_OPTIONS || packet[0] >> 4 != 4 || head < IP_SIZE || packet[9] != IP_UDP ||
        get16(packet + 2) > size)
        return false;
    size = get16(packet + 2); /* behind that the link may have padded */
    packet += head - IP_SIZE;
    if (size < head - IP_SIZE + AT_OPTIONS)
        return false;
    size -= head - IP_SIZE;
    if (get16(packet + AT_UDP + 2) != CLIENT_PORT || packet[AT_MESSAGE] != 2 ||
        memcmp(packet + AT_ID, &client->id, sizeof(client->id)) != 0 ||
        memcmp(packet + AT_MAC, client->mac, sizeof(client->mac)) != 0 ||
        memcmp(packet + AT_MAGIC, magic, sizeof(magic)) != 0)
        return false;
    memcpy(&lease.address, packet + AT_YOURS, sizeof(lease.address));
    if (read_options(packet + AT_OPTIONS, packet + size, &lease) != type || lease.address == 0)
        return false;
    *ret_lease = lease;
    return true;
}
