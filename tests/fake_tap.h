/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scripted /dev/net/tun, for tests that need no permission: each queue is a socket that keeps
 * frames apart, of which the test has the other end. Between start and stop open() and ioctl() come
 * here, by fake_kvm.c. What is not a tap's goes on.
 */
#pragma once

#include "vmm/base/base.h"

#define FAKE_TAP_QUEUES_MAX 8

struct fake_tap {
    unsigned opened;                    /* queues */
    int ours[FAKE_TAP_QUEUES_MAX];      /* the test's ends */
    int theirs[FAKE_TAP_QUEUES_MAX];    /* the program's */
    char name[16];                      /* of the interface */
    int flags;                          /* of TUNSETIFF */
    int header_bytes, little_endian;    /* as set */
    _Atomic unsigned offloads;          /* the last set */
    bool attached[FAKE_TAP_QUEUES_MAX]; /* as TUNSETQUEUE has it */
    int error;                          /* TUNSETIFF fails with it; 0: does not */
};

/* `tap` lives until the stop. */
void fake_tap_start(struct fake_tap *tap);
void fake_tap_stop(void);

/* For fake_kvm.c: a result, -1 with errno, or -ENOSYS: it is not a tap's. */
int fake_tap_open(const char *path);
/* A result, -errno, or -ENOSYS. */
int fake_tap_ioctl(int fd, unsigned long request, unsigned long number);
