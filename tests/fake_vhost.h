/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scripted vhost devices of the host's kernel, for tests that need no module: what they are told is
 * kept, and as the kernel's they refuse what comes too early or too late. They serve nothing: that
 * is the test's. Between start and stop open() and ioctl() come here, by fake_kvm.c.
 */
#pragma once

#include "vmm/base/base.h"

#include <linux/vhost_types.h>

#define FAKE_VHOSTS_MAX 4

struct fake_vring {
    unsigned num, base;
    struct vhost_vring_addr addr;
    int kick, call; /* eventfds, borrowed; -1: not set */
    int backend;    /* -1: it stands still */
};

struct fake_vhost {
    int fd;
    bool owned;
    uint64_t features; /* of the driver's */
    unsigned regions;
    struct vhost_memory_region region[4];
    struct fake_vring ring[2];
    uint64_t cid; /* vhost-vsock: the guest's address, */
    int running;  /* and that it serves the guest */
};

struct fake_vhosts {
    const char *path;   /* of the device */
    uint64_t known;     /* features */
    int open_error;     /* opening fails with it; 0: does not */
    uint64_t cid_taken; /* by another machine */
    int requests;       /* so far */
    int fails_at;       /* the request of that number fails, with EIO; -1: none does */
    unsigned opened;
    struct fake_vhost vhost[FAKE_VHOSTS_MAX];
};

/* `vhosts` lives until the stop. */
void fake_vhost_start(struct fake_vhosts *vhosts);
void fake_vhost_stop(void);

/* For fake_kvm.c: as those of fake_tap.h. */
int fake_vhost_open(const char *path);
int fake_vhost_ioctl(int fd, unsigned long request, unsigned long number);
