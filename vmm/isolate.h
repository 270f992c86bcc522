/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device of ours as a process of its own: `linnet device KIND --fd N KEYS`, the same program, at
 * the other end of a socket for a device of class vhost-user, which is what this process has of it.
 * It is started before there is guest RAM or KVM. It ends when that socket closes, and with us.
 *
 *   linnet run --snd isolate,...            linnet device snd --fd 3 ...
 *    | isolate_start() --------------------> | makes its device, waits for messages
 *    |  <--------- vhost-user -------------> |
 *    |  <- commands, results: isolate_link-> |
 *    | the device is finished: closed -----> | finishes its own: recordings, expectations
 *    | isolate_end() <------ exit status --- |
 */
#pragma once

#include "vmm/isolate_link.h"

#include <sys/types.h>

/* A recording may have to be written out. */
#define ISOLATE_MS_MAX 5000

struct isolate {
    pid_t pid;     /* 0: there is none */
    char name[16]; /* of the device */
    const struct virtio_class *class;
    struct isolate_link link;
};

/* The key by which a device of that class asks for it; NULL: none may. No class knows of it. */
const struct opt *isolate_key(const struct virtio_class *class);
/* True if these options ask for it. */
bool isolate_wanted(const struct opts *opts);

/* Main, while there is no other thread. Starts `program` for instance `index` of isolate->class,
 * with which main's loop will speak: 0 and the socket, or -errno after a line. */
int isolate_start(struct isolate *isolate, const char *program, unsigned index,
                  const struct opts *opts, struct loop *loop, int *ret_fd);

/* True if there is a process. */
static inline bool isolate_runs(const struct isolate *isolate)
{
    return isolate->pid != 0;
}

/* As virtio_report(): it has made the device. */
void isolate_report(const struct isolate *isolate);

/* Main, after the socket was closed: waits until it has ended, for wait_ms at most, then kills it.
 * What it says of the device, as virtio_finish() does; -EINVAL: its options will not do. It has
 * said so itself. Its results stay. Does nothing if there is none. */
int isolate_end(struct isolate *isolate, int wait_ms);
/* It has ended. Accepts a zeroed one. */
void isolate_fini(struct isolate *isolate);
