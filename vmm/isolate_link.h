/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is said with the process of a device of ours (vmm/isolate.h) beside the device's own work:
 * the language of the control socket, in which we are a client of it.
 *
 *   linnet run                                    linnet device --control-fd N
 *    |  <-------- {"event": "results", ...} -------- |  it has made the device
 *    |  {"do": ["snd0", "jack"]} ------------------> |
 *    |  <------------------ {"ok": true, ...} ------ |
 *    |  <-------- {"event": "results", ...} -------- |  it has finished it
 *    |  <-------- {"event": "end", ...} ------------ |
 *
 * The guest may have taken that process over: what comes is bounded and checked, is of that device
 * alone, whatever it says, and an answer that takes too long is not waited for. Main thread, on its
 * loop, which waits for nothing here.
 */
#pragma once

#include "virtio/device.h"

#define ISOLATE_ANSWER_NS        (5 * SECOND_NS)
#define ISOLATE_ANSWER_BYTES_MAX ((size_t)1 << 20) /* as the control socket's */

struct isolate_link {
    const char *name;    /* borrowed: of the device */
    struct watch socket; /* owned; -1: it says no more, or is not listened to any more */
    struct watch timer;  /* owned timerfd: the first command's deadline */
    const char *lost;    /* why there is no socket; NULL: there never was */
    char *in;            /* owned: what has come of a line, */
    size_t in_len, in_size;
    /* what it is asked for, one at a time; oldest first */
    struct virtio_command *commands, **commands_end;
    bool late; /* it has not answered in time, and still may: nothing else is asked until then */
    struct results results; /* the last that it told, */
    unsigned results_told;  /* and how often */
    bool ended;             /* it has said so */
};

/* Takes `fd`; `name` is borrowed. -errno; end and fini may follow in any case. */
int isolate_link_init(struct isolate_link *link, const char *name, int fd, struct loop *loop);
/* Accepts a zeroed one. Nothing is under way. */
void isolate_link_fini(struct isolate_link *link);

/* As virtio_command(), but it is done by main. */
void isolate_link_command(struct isolate_link *link, struct virtio_command *command);
/* Takes what has come. Accepts a zeroed one. */
void isolate_link_read(struct isolate_link *link);
/* The process has ended: takes what it said last, and refuses what it did not come to. */
void isolate_link_end(struct isolate_link *link);
