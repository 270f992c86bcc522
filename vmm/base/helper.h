/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A helper: a process of its own for what may block, hang or die, such as a library that talks to a
 * sound server. It is forked by main before there is guest RAM, KVM or another thread, and keeps
 * nothing but what it is handed. We and it share a socket that keeps messages apart.
 *
 *     us                                helper
 *      | helper_send(), helper_take() <-> |  its own loop
 *      | helper_end(), or we die -------> |  sees the end of the socket, has a few seconds to leave
 *      | sees the end of the socket <---- |  dies, or is killed
 *
 * Neither trusts the other: what comes is checked like a guest's, and we never wait for it.
 */
#pragma once

#include "vmm/base/base.h"

#include <sys/types.h>

/* Longest message. */
#define HELPER_BYTES_MAX 16384

struct helper {
    pid_t pid;  /* 0: none */
    int socket; /* owned; readable: a message, or the end */
};

/* Main. Has run(socket, arg) called in a process of that name, which ends when run() returns. Of
 * our descriptors it keeps the standard ones and `fd` (-1: none). 0 or -errno. */
int helper_start(struct helper *helper, const char *name, int fd,
                 void (*run)(int socket, const void *arg), const void *arg);
/* Main, before the guest runs: waits for the next message, of that size. 0, -ETIMEDOUT, or -EPIPE:
 * there is none, or another. */
int helper_wait(const struct helper *helper, void *ret_message, size_t size, int wait_ms);
/* Main. Asks it to end, and kills it if it has not after `wait_ms`: then -ETIMEDOUT. Does nothing
 * if there is none. */
int helper_end(struct helper *helper, int wait_ms);

/* Both sides; -EPIPE: the other has ended. Ours never waits: -EAGAIN, it takes no more. */
int helper_send(int socket, const void *message, size_t len);
/* Takes the next message: its length; 0 if there is none; -EPIPE: none will come. */
ssize_t helper_take(int socket, void *ret_message, size_t room);
