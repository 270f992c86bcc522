/* SPDX-License-Identifier: BSD-3-Clause */
/* See mac.h. */
#include "devices/net/mac.h"

#include <stdio.h>
#include <string.h>

/* FNV-1a: the same name gives the same address, always. */
static uint64_t hash(const char *text, uint64_t number)
{
    uint64_t value = 0xcbf29ce484222325;

    for (; *text != '\0'; text++)
        value = (value ^ (uint8_t)*text) * 0x100000001b3;
    return (value ^ number) * 0x100000001b3;
}

static int mac_set(struct opts *opts, const char *name, unsigned index)
{
    uint64_t bits = hash(name, index);
    char text[18];

    bits ^= bits >> 40; /* the upper bits count, too */
    (void)snprintf(text, sizeof(text), "02:%02x:%02x:%02x:%02x:%02x", (unsigned)(bits >> 32) & 255,
                   (unsigned)(bits >> 24) & 255, (unsigned)(bits >> 16) & 255,
                   (unsigned)(bits >> 8) & 255, (unsigned)bits & 255);
    return opts_set(opts, "--net ", "mac", text);
}

int net_macs_set(struct config *config)
{
    int r = 0;

    if (!opts_given(config->options, "name"))
        return 0;
    for (size_t kind = 0; kind < config->kinds_count; kind++) {
        if (strcmp(config->kinds[kind].name, "net") != 0)
            continue;
        struct config_devices *cards = &config->devices[kind];
        for (unsigned i = 0; i < cards->count && r == 0; i++)
            if (!opts_given(cards->items[i], "mac"))
                r = mac_set(cards->items[i], opts_str(config->options, "name"), i);
    }
    return r;
}

int net_mac_parse(const char *text, uint8_t ret_mac[6])
{
    char end;
    int count = sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &ret_mac[0], &ret_mac[1],
                       &ret_mac[2], &ret_mac[3], &ret_mac[4], &ret_mac[5], &end);

    if (count != 6 || strspn(text, "0123456789abcdefABCDEF:") != 17 || strlen(text) != 17)
        return -EINVAL;
    return (ret_mac[0] & 1) == 0 ? 0 : -EINVAL;
}
