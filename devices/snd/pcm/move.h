/* SPDX-License-Identifier: BSD-3-Clause */
/* How the frames of a stream's messages are moved; see move.c. Worker. */
#pragma once

#include "devices/snd/pcm/stream.h"

/* Gives the host as many frames as it takes now; only hosts with a clock take any ahead of time. */
void stream_move_ahead(struct stream *stream);

/* Moves the oldest message up to the stream's frame `end`, if it was not; a second try is without
 * the host that failed in the first. */
void stream_move_until(struct stream *stream, uint64_t end);

/* Moves what the clock had consumed at `at_ns`, completes nothing. */
void stream_catch_up(struct stream *stream, uint64_t at_ns);

/* Goes on moving at frame `frame`; or again from where the host has lost some. Playback. */
void stream_seek(struct stream *stream, uint64_t frame);
void stream_seek_back(struct stream *stream);
