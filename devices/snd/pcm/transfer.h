/* SPDX-License-Identifier: BSD-3-Clause */
/* I/O messages, see transfer.c. Worker. */
#pragma once

#include "devices/snd/pcm/pcm.h"

/* Takes what waits in the stream's queue, for all streams: served later. */
void pcm_take(struct pcm *pcm, struct virtq *vq);

/* Running: moves what can move, completes what is due, says when to look again. */
void stream_transfer(struct stream *stream, uint64_t now_ns);

/* Completes every message held, unplayed: with S_OK for RELEASE, with S_IO_ERR when the driver
 * threw them away. */
void stream_flush(struct stream *stream, uint32_t status);
