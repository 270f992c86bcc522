/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls that fail on purpose, and a look over the shoulder of a walk. The test program
 * is linked with --wrap for each call below, so calls from our own files pass through here. (For
 * malloc and its like see alloc_fail.h.) Arm and stop on one thread while no other makes the call,
 * except getrandom, which a worker may be calling.
 */
#pragma once

#include "vmm/base/base.h"
#include "vmm/base/memory.h"

enum wrap_call {
    WRAP_EVENTFD,
    WRAP_EPOLL_CREATE1,
    WRAP_EPOLL_CTL,
    WRAP_EPOLL_PWAIT2,
    WRAP_TIMERFD_CREATE,
    WRAP_PTHREAD_CREATE,
    WRAP_MMAP,
    WRAP_MPROTECT,
    WRAP_GETRANDOM,
    WRAP_MEMFD_CREATE,
    WRAP_PREAD,
    WRAP_ACCEPT4,
    WRAP_CALLS,
};

/* Lets `count` calls succeed, then fails every one with the errno `error`. */
void wrap_fail_after(enum wrap_call call, unsigned count, int error);
/* How many calls failed so far. */
unsigned wrap_failures(enum wrap_call call);
/* On a worker: waits for the first failure, and then sees that it is not asked for again and again,
 * as by a loop that spins. Back to normal. */
void wrap_stop_if_calm(enum wrap_call call);
/* Back to normal. How many calls failed. */
unsigned wrap_stop(enum wrap_call call);

/* What getrandom(2) gives instead, on whichever thread calls it; NULL: the kernel's again. */
void wrap_getrandom(ssize_t (*instead)(void *buf, size_t len));

/* Calls hook() once in the next walk over a request (virtio/queue_inside.h), which has by then
 * copied the first descriptor with bytes, and found these. NULL: not any more. */
void wrap_walk(void (*hook)(void));

/* Lets memfd_create() take ordinary memory where pages that were set aside are asked for, of which
 * this machine may have none; ends that, and tells the flags that were asked for last. */
void wrap_memfd_ordinary(void);
unsigned wrap_memfd_stop(void);
