/* SPDX-License-Identifier: BSD-3-Clause */
/* How stream.c has messages moved and completed; see transfer.c. Worker. */
#pragma once

#include "devices/snd/stream.h"

/* Gives the host as many frames as it takes now; only hosts with a clock take any ahead of time. */
void stream_move_ahead(struct stream *stream);

/* Moves what the clock had consumed at `at_ns`, completes nothing. */
void stream_catch_up(struct stream *stream, uint64_t at_ns);

/* Goes on moving at frame `frame`; or again from where the host has lost some. Playback. */
void stream_seek(struct stream *stream, uint64_t frame);
void stream_seek_back(struct stream *stream);

/* Completes every message held, unplayed: with S_OK for RELEASE (what the clock consumed of them is
 * moved to the host first), with S_IO_ERR when the driver threw them away. */
void stream_flush(struct stream *stream, uint32_t status);
