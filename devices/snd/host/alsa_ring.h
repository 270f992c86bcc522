/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our half of the ring that a stream shares with its helper (alsa_link.h): frames in and out, where
 * the card's clock is, and whether all goes as it should. It believes nothing of the helper's: what
 * its counts can not be they are not. The worker; nothing waits.
 */
#pragma once

#include "devices/snd/host/alsa_link.h"
#include "devices/snd/host/host.h"

struct alsa_ring {
    struct host *host;  /* borrowed: counts, name, time, whom to tell what was played */
    const char *device; /* borrowed; the PCM's name */
    enum pcm_direction direction;
    struct alsa_shared *shared; /* owned by the host, as is the next */
    int kick_fd;                /* eventfd */

    struct pcm_params params;
    uint32_t look_frames;       /* looks need be no closer: a period */
    bool wanted;                /* between start and stop */
    uint64_t first;             /* our count at OPEN; from here on frames count from 0 */
    uint64_t ours, theirs;      /* frames: written (fetched), consumed */
    uint64_t restarts, lost;    /* the helper's counts, as they were last */
    uint64_t look_ns, stuck_ns; /* when it was looked last, 0: not since a stop; for how long no
                                 * frame was consumed */
};

/* Frames count from 0 from now on. */
void alsa_ring_open(struct alsa_ring *ring, const struct pcm_params *params);
void alsa_ring_start(struct alsa_ring *ring);
/* The position stands still. */
void alsa_ring_stop(struct alsa_ring *ring);

/* As host.h has it of the calls of the same names. */
ssize_t alsa_ring_write(struct alsa_ring *ring, const void *buf, size_t frames);
ssize_t alsa_ring_read(struct alsa_ring *ring, void *ret_buf, size_t frames);

/* Takes over the helper's numbers, and tells the stream what was played. -ETIMEDOUT: no frame was
 * consumed for too long. */
int alsa_ring_look(struct alsa_ring *ring);
/* As of the last look. */
struct host_position alsa_ring_position(const struct alsa_ring *ring);
uint64_t alsa_ring_remaining_ns(const struct alsa_ring *ring, uint64_t frame);
