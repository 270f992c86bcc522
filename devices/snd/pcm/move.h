/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of frames between guest memory and the host, and the host that comes and goes; see
 * pcm.h. Worker.
 */
#pragma once

#include "devices/snd/pcm/pcm.h"

/* The clock that the stream has with, or without, its host. */
enum clock_kind stream_clock_kind(const struct stream *stream);

/* 0: the host is open. -EINPROGRESS: its opened() will be called. Else why it can't be. */
int stream_open_host(struct stream *stream);
void stream_close_host(struct stream *stream);
/* Frames begin to move in it, or stand still; 0, or why it failed. Without it there is nothing to
 * do.
 */
int stream_start_host(struct stream *stream);
int stream_stop_host(struct stream *stream);
/* It failed while it was in use: goes on in real time without it. */
void stream_lose_host(struct stream *stream);
/* It is there in the middle of a stream. */
void stream_return_host(struct stream *stream);
/* It can't be had now: tries again a little later, if there is hope. */
void stream_await_host(struct stream *stream);
/* Tries, if it is time. */
void stream_retry_host(struct stream *stream, uint64_t now_ns);

/* Gives the host as many frames as it takes now; only hosts with a clock take any ahead of time. */
void stream_move_ahead(struct stream *stream);
/* Moves the oldest message to its end: what the host that is there does not take or have is lost.
 */
void stream_move_oldest(struct stream *stream);
/* Moves what the clock had consumed at `at_ns`, completes nothing. */
void stream_catch_up(struct stream *stream, uint64_t at_ns);
/* A host's played(). */
void stream_played(struct host *host, const void *frames, size_t count);

/* The next frames of a capture message are silence. */
void message_fill(struct stream *stream, struct message *message, uint32_t frames);
