/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports of this machine that lead into the guest, as an option names them:
 * tcp:ADDRESS:PORT-GUESTPORT or udp:..., several with + between. Main thread.
 */
#pragma once

#include "vmm/base/base.h"

#define FORWARDS_MAX 16

struct forward {
    bool udp;
    char address[64];
    uint16_t from; /* the host's port; 0: any that is free */
    uint32_t to;   /* the guest's */
};

struct forwards {
    struct forward item[FORWARDS_MAX];
    unsigned count;
};

/* For `option`, which messages name. -EINVAL or -ENOMEM, logged. */
int forwards_parse(const char *option, const char *text, uint32_t to_max,
                   struct forwards *ret_forwards);

/* A socket bound to the host's port: its descriptor. A port 0 becomes the one that it got, which is
 * told. -errno, logged; -EINVAL if the user should give another address. */
int forward_bind(const char *option, struct forward *forward);
