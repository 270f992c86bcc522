/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host for tests: remembers what it was given, and does as it is told: fails, is slow, is full,
 * or has a clock that the test sets. Put in place of a stream's host by probe_install().
 */
#pragma once

#include "tests/devices/snd/sound_rig.h"

#define PROBE_FRAMES_MAX 100000

struct probe {
    struct host host;
    struct host_class class; /* of its own, so that tests can change it */
    uint32_t frame_bytes;
    unsigned opens, closes, starts, stops; /* calls */

    uint8_t *got; /* all frames written, in order of write() */
    uint64_t got_frames;
    uint64_t first_frame, played; /* of these: the first since open(); told to be played */
    uint8_t next_sample;          /* what read() gives: bytes counting up */

    int open_result, start_result, stop_result, write_result, position_result;

    /* With a clock: set by the test. */
    uint64_t consumed, accepted, capacity;
    uint32_t latency;
};

/* Takes the place of the host of a stream that is in state INIT. */
void probe_install(struct probe *probe, struct rig *rig, unsigned stream, bool own_clock);
/* After rig_end(). */
void probe_fini(struct probe *probe);
