/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of network cards. */
#pragma once

#include "vmm/config/config.h"

/* Main, before the machine is made. Gives each card without a mac= one that follows from --name and
 * the card's number, if the machine has a name of its own. 0 or -errno. */
int net_macs_set(struct config *config);

/* "52:54:00:12:34:56" of one card, not of a group: 0 or -EINVAL. */
int net_mac_parse(const char *text, uint8_t ret_mac[6]);
