/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --trace FILE: a timeline for Perfetto's viewer (ui.perfetto.dev), in the JSON format of Chrome's
 * traces: per thread its kicks, requests, interrupts, periods of sound, exits of vCPUs. The last
 * TRACE_EVENTS_MAX events are kept in memory, and written when the run has ended.
 */
#pragma once

#include "vmm/transcript.h"

#define TRACE_EVENTS_MAX  (1u << 18)
#define TRACE_THREADS_MAX 256

struct trace {
    struct event_sink sink;
    const struct told_devices *told;
    uint64_t began_ns, count, lost; /* events so far; lost ones are not among them */
    struct traced *events;          /* owned, mapped: a ring */
    unsigned thread_count;
    struct {
        int32_t number;
        char name[16];
    } threads[TRACE_THREADS_MAX];
};

/* Main. -errno. */
int trace_init(struct trace *trace, const struct told_devices *told);
/* Writes the file; its errors are the stream's. Main, when no event comes any more. */
void trace_write(const struct trace *trace, FILE *out);
/* Accepts a zeroed one. */
void trace_fini(struct trace *trace);
