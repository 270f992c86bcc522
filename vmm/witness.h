/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who sees what happens in a machine and writes it down: --transcript and --trace, over one struct
 * events. Main.
 */
#pragma once

#include "vmm/config/opts.h"
#include "vmm/trace.h"
#include "vmm/transcript.h"

/* Zeroed: nobody wants to know. */
struct witness {
    struct events events;
    struct told_devices told;
    struct witness_file {
        const char *option, *path; /* borrowed */
        FILE *out;                 /* NULL: not wanted */
    } transcript_file, trace_file;
    struct transcript transcript;
    struct trace trace;
    bool running;
};

/* Opens the files. -EINVAL, logged. */
int witness_open(struct witness *witness, const struct opts *options);
/* All devices are made; nothing runs yet. They are borrowed until witness_end(). Logged. */
int witness_start(struct witness *witness, struct virtio_device *const *devices,
                  const unsigned *slots, unsigned count, const bool *pci);
/* Nothing happens any more: completes the files. -errno if one can't be written, logged. Does
 * nothing the second time. */
int witness_end(struct witness *witness);
/* After the devices are gone. */
void witness_close(struct witness *witness);

/* To be told; NULL: nobody wants to know. */
static inline struct events *witness_events(struct witness *witness)
{
    return witness->running ? &witness->events : NULL;
}
