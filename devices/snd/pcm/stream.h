/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream's commands and its life, see stream.c. Worker; init and fini: main. */
#pragma once

#include "devices/snd/base/reply.h"
#include "devices/snd/pcm/pcm.h"

/* VIRTIO_SND_R_PCM_SET_PARAMS and so on, from 0. */
enum stream_command {
    STREAM_SET_PARAMS,
    STREAM_PREPARE,
    STREAM_RELEASE,
    STREAM_START,
    STREAM_STOP,
    STREAM_COMMAND_COUNT,
};

/* State INIT, host closed, messages forgotten. */
void stream_reset(struct stream *stream);

/* Control requests: VIRTIO_SND_S_*. stream_command() may also keep *req, to be answered within
 * STREAM_PARK_NS, and then returns REPLY_PARKED. */
#define STREAM_PARK_NS (500 * MS_NS) /* Linux waits for 1 s */
uint32_t stream_set_params(struct stream *stream, const struct wire_pcm_params *params);
uint32_t stream_command(struct stream *stream, enum stream_command command,
                        const struct chain *req);

/* An open() that was in progress has ended: with r. */
void stream_opened(struct stream *stream, int r);

/* Does what is due, and sets wake_ns. */
void stream_serve(struct stream *stream);

/* The machine is paused, and goes on: what runs by itself is to stand still meanwhile. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);
