/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scripted /dev/input/fake, for tests that need neither such a node nor a permission: a keyboard
 * with a knob, whose events the test sends by a socket. Between start and stop open() and ioctl()
 * come here, by fake_kvm.c. What is not its own goes on.
 */
#pragma once

#include "vmm/base/base.h"

#include <stdatomic.h>

#define FAKE_EVDEV "/dev/input/fake"

struct fake_evdev {
    int ours, theirs; /* the test's end, the program's */
    int grab_error;   /* EVIOCGRAB fails with it; 0: does not */
    bool no_node;     /* what is opened is none */
    bool any_finger;  /* it has as many slots as there are numbers */
    atomic_bool grabbed;
    uint8_t down[96]; /* the keys, as EVIOCGKEY has them */
};

/* `evdev` lives until the stop. */
void fake_evdev_start(struct fake_evdev *evdev);
void fake_evdev_stop(void);

/* For fake_kvm.c: a result, or -ENOSYS: it is not a node's. */
int fake_evdev_open(const char *path);
/* A result, -errno, or -ENOSYS. */
int fake_evdev_ioctl(int fd, unsigned long request, unsigned long number);
