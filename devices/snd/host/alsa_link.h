/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between a stream's host (host_alsa.c) and the helper that has its PCM (alsa_serve.c): messages on
 * a socket, frames in memory that both have, an eventfd each way that says "look there".
 *
 *   frame   first       card_frames         moved          our_frames
 *   +---------+--------------+----------------+-----------------+-----> frames
 *             | played       | in the card's  | to be moved     |
 *             |              | ring           | there           |
 *
 * Playback keeps a frame in the shared ring until the card has consumed it. So when the card lost
 * what was in its own ring (it was suspended, dropped, stopped by itself) the helper moves the
 * frames there once more, and nobody else needs to know. For capture card_frames counts those
 * recorded into the shared ring, and our_frames those fetched from it.
 *
 * Both count from the start of the program on and never back. OPEN says at which frame the ring
 * begins, `first`; frame n lies at (n - first) % ring_frames, and the ring is the guest's buffer.
 * Each side writes its own count only, copies the other's once, and brings it within what can be.
 */
#pragma once

#include "devices/snd/host/host.h"

#include <stdatomic.h>

/* Room for the largest buffer that a guest may have (9 MiB), rounded up to whole pages. */
#define ALSA_RING_BYTES (9u << 20)

struct alsa_shared {
    /* Ours. */
    _Atomic uint64_t our_frames;
    /* The helper's. */
    _Atomic uint64_t card_frames;
    _Atomic uint64_t at_ns;          /* when that was so; CLOCK_MONOTONIC */
    _Atomic uint32_t latency_frames; /* as host_position's */
    _Atomic uint32_t wants_kick;     /* frames are to be told of; else it looks by itself in time */
    _Atomic uint64_t restarts;       /* the card stopped by itself with frames in its ring */
    _Atomic uint64_t lost_frames;    /* recorded, and overwritten before they were fetched */
    _Alignas(4096) uint8_t ring[ALSA_RING_BYTES];
};

enum alsa_word {
    ALSA_CAPS,   /* theirs, first and once: struct alsa_caps; the others are struct alsa_message */
    ALSA_OPEN,   /* ours: serial, params, first, distrust. Closes what was open */
    ALSA_OPENED, /* theirs: serial, result, period_frames of the card */
    ALSA_START,  /* ours: as host.h has it, and the following */
    ALSA_STOP,
    ALSA_CLOSE,
    ALSA_FAILED, /* theirs: serial, result; it is closed */
};

struct alsa_message {
    uint32_t word;
    uint32_t serial; /* of the OPEN that it belongs to */
    int32_t result;
    uint32_t format; /* its code */
    uint32_t rate_hz, channels, period_frames, buffer_frames;
    uint64_t first;
    uint32_t distrust; /* not 0: it has hung before; opened is what moves frames */
    uint32_t zero;
};

/* What the PCM can do. */
struct alsa_caps {
    uint32_t word;
    int32_t result;
    struct host_caps can;
    /* By format and rate: the numbers of channels that go with them, bit n: n channels, up to 31;
     * all ones: the user did not ask for these, so it was not looked. */
    uint32_t channels[PCM_FORMAT_COUNT][PCM_RATE_COUNT];
};

/* What a helper is told when it is forked. */
struct alsa_job {
    const char *device; /* the PCM's name; outlives the helper */
    enum pcm_direction direction;
    bool real_time;
    uint64_t formats, rates; /* what the user asked for */
    struct alsa_shared *shared;
    int kick_fd, news_fd; /* eventfds: to the helper, to us */
};

/* The helper: serves the PCM of `job`, a struct alsa_job, until the socket ends. */
void alsa_serve(int socket, const void *job);
