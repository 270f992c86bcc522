/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sound device's instance: what its files share. Everything on the worker unless said
 * otherwise; see virtio/device.h.
 */
#pragma once

#include "devices/snd/event.h"
#include "devices/snd/hear/ear.h"
#include "devices/snd/jack.h"
#include "devices/snd/mixer/ctl.h"
#include "devices/snd/pcm/stream.h"
#include "virtio/device.h"

#include <stdio.h>

#define SND_QUEUE_SIZE    256   /* 16 periods of 16 streams, with indirect descriptors */
#define SND_HELD_IOVS     65536 /* of pages, 256 KiB for each message in a full queue */
#define SND_STREAMS_MAX   64    /* of each direction */
#define SND_SCRATCH_BYTES 16384

struct snd {
    struct virtio_device dev;
    struct timebase *timebase;
    struct wire_config config;

    unsigned stream_count;
    struct stream *streams; /* outputs first; owned */
    unsigned chmap_count;
    struct wire_chmap_info *chmaps; /* owned */

    FILE *report; /* owned: report=; NULL: the log */
    char report_buffer[BUFSIZ];
    struct ears ears;

    struct jacks jacks;
    struct ctls ctls;
    struct events events;

    struct message *messages;                       /* owned; as many as tx and rx can hold */
    struct message *free_messages;                  /* list */
    _Alignas(8) uint8_t scratch[SND_SCRATCH_BYTES]; /* frames on their way */
};

static inline uint64_t snd_now_ns(const struct snd *snd)
{
    return snd->timebase->now_ns(snd->timebase);
}

/* Takes what waits in tx or rx and gives it to its streams. */
void snd_take_messages(struct snd *snd, struct virtq *vq);

/* The same, then serves the streams that have something to do. */
void snd_serve(struct snd *snd, struct virtq *vq);

/* Ends an I/O message: zeroes what is left of the writable part, with the status as its last 8
 * bytes, and returns the chain. The used length is what was recorded into it, and 8. */
void snd_complete(struct virtq *vq, struct chain *chain, uint32_t status, uint32_t latency_bytes);

/* Answers a control request that was parked. */
void snd_reply(struct snd *snd, struct chain *req, uint32_t status);

extern const struct virtio_class virtio_snd;
