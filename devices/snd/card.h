/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sound card: the device's instance, which is made from its options: streams, hosts, channel
 * maps. Main; then everything on the worker, see virtio/device.h.
 */
#pragma once

#include "devices/snd/event.h"
#include "devices/snd/jack.h"
#include "devices/snd/mixer/ctl.h"
#include "devices/snd/pcm/pcm.h"

#include <stdio.h>

#define SND_STREAMS_MAX 64 /* of each direction */

struct snd {
    struct virtio_device dev;
    struct wire_config config;

    struct pcm pcm;
    struct ears ears;
    unsigned chmap_count;
    struct wire_chmap_info *chmaps; /* owned */
    struct jacks jacks;
    struct ctls ctls;
    struct events events;

    char *expect;  /* owned: expect=; NULL: none */
    bool finished; /* it was judged, and the verdict is */
    int verdict;   /* 0 or -EPROTO */
    FILE *report;  /* owned: report=; NULL: the log */
    char report_buffer[BUFSIZ];
};

/* The options of --snd. */
extern const struct opt card_opts[];

/* The class's callbacks. */
int card_create(struct virtio_device *dev, const struct opts *opts);
void card_destroy(struct virtio_device *dev);

/* control.c, worker: serves what waits in the control queue. */
void control_notify(struct snd *snd, struct virtq *vq);
/* command.c: the class's command(). */
int snd_command(struct virtio_device *dev, const char *const words[], FILE *reply);
