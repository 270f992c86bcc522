/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between a stream's host (host_alsa.c) and the helper that has its PCM (alsa_serve.c): messages on
 * a socket, frames in memory that both have, and an eventfd by which the helper says "look there".
 *
 *   frame   0           card_frames         moved          our_frames
 *   +---------+--------------+----------------+-----------------+-----> frames
 *             | played       | in the card's  | to be moved     |
 *             |              | ring           | there           |
 *
 * Playback keeps a frame in the shared ring until the card has consumed it. So when the card lost
 * what was in its own ring (it was suspended, dropped, stopped by itself) the helper moves the
 * frames there once more, and nobody else needs to know. For capture card_frames counts those
 * recorded into the shared ring, and our_frames those fetched from it.
 *
 * Both count from 0 at each OPEN; frame n lies at n % buffer_frames, as many as the guest has. Each
 * side writes its own count only, copies the other's once, and brings it within what can be.
 */
#pragma once

#include "devices/snd/host/host.h"

#include <stdatomic.h>

/* Room for the largest buffer that a guest may have (9 MiB), rounded up to whole pages. */
#define ALSA_RING_BYTES (9u << 20)

struct alsa_shared {
    /* Ours. */
    _Atomic uint64_t our_frames;
    /* The helper's. The last two only grow. */
    _Atomic uint64_t card_frames;
    _Atomic uint32_t latency_frames; /* as host_position's */
    _Atomic uint32_t wants_kick;     /* of frames it is to be told; else it looks in time */
    _Atomic uint64_t stops;          /* the card stopped, and neither we nor the guest were late */
    _Atomic uint64_t lost_frames;    /* recorded, and overwritten before they were fetched */
    _Alignas(4096) uint8_t ring[ALSA_RING_BYTES];
};

/* To the helper. Closes what was open; START and STOP are as host.h has them. */
enum alsa_word { ALSA_OPEN, ALSA_START, ALSA_STOP, ALSA_CLOSE, ALSA_KICK };

struct alsa_request {
    uint32_t word;
    uint32_t serial;          /* of the OPEN that it belongs to */
    uint32_t format;          /* its code */
    struct pcm_params params; /* but for the format */
};

/* From the helper: what has become of an OPEN. First 0 or why it failed; later, why it ended. */
struct alsa_answer {
    uint32_t serial;
    int32_t result;
};

/* From the helper, first and once: what the PCM can do. */
struct alsa_caps {
    int32_t result;
    struct host_caps can;
};

/* What a helper is told when it is forked. */
struct alsa_job {
    const char *device; /* the PCM's name; outlives the helper */
    enum pcm_direction direction;
    struct alsa_shared *shared;
    int news_fd; /* eventfd, to us */
};

/* The helper: serves the PCM of `job`, a struct alsa_job, until the socket ends. */
void alsa_serve(int socket, const void *job);
