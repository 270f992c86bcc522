/* SPDX-License-Identifier: BSD-3-Clause */
/* How stream.c has messages completed; see transfer.c. Worker. */
#pragma once

#include "devices/snd/pcm/stream.h"

/* Frames begin to flow, after a start or a gap: the host's clock is measured from here. */
void stream_span_begin(struct stream *stream);

/* Completes every message held, unplayed: with S_OK for RELEASE, with S_IO_ERR when the driver
 * threw them away. */
void stream_flush(struct stream *stream, uint32_t status);
