/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults on command (--snd fault=...), for people who test drivers and sound servers. Each happens
 * once, to one message of a stream: the Nth, or the one that holds a moment of the stream's own
 * time (what the guest has submitted since start-up, so a fast clock does not matter).
 *
 * - xrun@1s: nothing is completed for most of a buffer, then all at once, with an event: the guest
 *   has run dry (capture: over) and has to begin anew. Its frames are heard.
 * - stall=300ms@2s: nothing is completed for that long.
 * - drop=7, drop@2s: the frames of the 7th message are lost: silence.
 * - io-err@3s, io-err=7: a message fails: its frames are lost, its status is IO_ERR.
 * - latency=50ms@4s: from then on latency_bytes is that much larger (without @: from the start).
 *
 * Main parses; else the worker.
 */
#pragma once

#include "vmm/base/base.h"

enum fault_kind { FAULT_XRUN, FAULT_STALL, FAULT_DROP, FAULT_IO_ERR, FAULT_LATENCY };

struct fault {
    enum fault_kind kind;
    uint64_t at_ns;    /* stream time; if `number` is 0 */
    uint64_t number;   /* of the message, from 1 */
    uint64_t value_ns; /* of a stall, of latency */
    bool done;
};

#define FAULTS_MAX 16

struct faults {
    unsigned count;
    struct fault item[FAULTS_MAX];
    uint64_t number;  /* messages seen */
    uint64_t time_ns; /* stream time that they fill */
};

/* Reads "fault,fault,..."; -EINVAL after a line. */
int faults_parse(const char *text, struct faults *ret_faults);

/* The fault of the next message, which lasts `ns`; NULL: none. */
const struct fault *faults_next(struct faults *faults, uint64_t ns);

static inline bool fault_is(const struct fault *fault, enum fault_kind kind)
{
    return fault != NULL && fault->kind == kind;
}
