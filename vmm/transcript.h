/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --transcript FILE: what drivers and devices say to each other, in lines for people, or (a FILE
 * that ends in .jsonl) as JSON, an object a line, with the bytes of messages.
 *
 *   0.512345  snd0    controlq  > START stream 0         §5.14.6.6.6  virtsnd_pcm_trigger()
 *   0.512391  snd0    controlq  < OK                     §5.14.6.6.6  virtsnd_ctl_notify_cb()
 *
 * ">" is from the driver to the device, "<" the other way. In lines for people data buffers are
 * told once a second after the first few, as are reads of config space. The writer's thread.
 */
#pragma once

#include "virtio/device.h"
#include "vmm/base/events.h"

#include <stdio.h>

/* The devices that events are of, by number. Borrowed, as what is in it. */
struct told_devices {
    struct virtio_device *const *devices;
    unsigned count;
    const bool *pci; /* what each is behind; NULL: none is on PCI */
};

struct transcript {
    struct event_sink sink;
    FILE *out; /* borrowed */
    const struct told_devices *told;
    bool json;
    int error; /* 0, or the first -errno of writing */
    uint64_t began_ns;
    struct told_run *runs; /* owned: of each device's queues, and of its config space */
    unsigned *first_run;   /* owned: where those of a device begin */
};

/* Main. -ENOMEM. */
int transcript_init(struct transcript *transcript, FILE *out, bool json,
                    const struct told_devices *told);
/* Tells what is left to tell. Accepts a zeroed one. */
void transcript_fini(struct transcript *transcript);
