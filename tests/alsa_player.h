/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream as host=alsa sees one: writes frames 1, 2, 3, ... (S16 stereo, the number's low half
 * left) and completes by position; or reads them. Its loop and its helper (tests/fake_helper.h) are
 * run by hand, or it is in real time with a timer, as the device's worker does it.
 */
#pragma once

#include "devices/snd/host/host.h"
#include "vmm/base/timebase.h"

struct player {
    struct host *host;
    struct loop loop;
    struct watch timer; /* timerfd, armed by player_serve() */
    enum pcm_direction direction;
    bool is_open;
    bool is_stepped; /* no: in real time */
    struct timebase *timebase;
    int opening; /* the result of open(), or of opened() */
    unsigned wakes;
    uint64_t next;                 /* playback: frames written; capture: fetched */
    uint32_t played;               /* of these, said to have been heard, each in its turn */
    uint64_t limit;                /* what the guest has queued so far */
    struct host_position position; /* at the last look */
    int error;                     /* of the last player_serve() */
    uint64_t due_ns;               /* when to look again, of a clock that runs; 0: it does not */
    uint64_t late_ns;              /* the most by which a look was late, so far */

    /* The first frames captured. */
    uint32_t *captured; /* owned by the test; NULL: not kept */
    size_t captured_max;
};

struct opts;

/* Options of host=alsa; to be destroyed. */
struct opts *player_opts(const char *device);
/* host_create() of host_alsa. */
int player_create(const struct opts *opts, enum pcm_direction direction, struct host **ret_host);

/* Asserts that there is such a PCM. */
void player_init_opts(struct player *player, struct opts *opts, enum pcm_direction direction);
void player_init(struct player *player, const char *device, enum pcm_direction direction);
/* Closes what is open. Accepts one that is all zero, or was ended already. */
void player_fini(struct player *player);

/* The host's calls. */
int player_open(struct player *player, uint32_t rate_hz, uint32_t period_frames,
                uint32_t buffer_frames);
void player_close(struct player *player);
int player_start(struct player *player);
int player_stop(struct player *player);
ssize_t player_write(struct player *player, size_t frames);
ssize_t player_read(struct player *player, uint32_t *ret_frames, size_t frames);
/* Fills in player->position. */
int player_look(struct player *player);
uint64_t player_remaining(struct player *player, uint64_t frame);

/* Looks, and asserts that this is found: frames that the card consumed, and for playback how many
 * were written. */
void player_check(struct player *player, uint64_t consumed_frames, uint64_t moved_frames);
/* Asserts that the fake card was heard to play frames 1, 2, ... `count`, each of them once. */
void fake_card_check_heard(uint64_t count);

/* Looks, then moves what can be moved, up to `limit`. */
void player_serve(struct player *player);
/* Serves whatever is ready in the loop, without waiting: how many wake-ups the host had. */
unsigned player_step(struct player *player);
/* Serves in real time until all up to `limit` is consumed (playback) or fetched (capture), or
 * `limit_ms` have passed. True if that was it. Looks again whenever a period should be over, and
 * measures how late it is. */
bool player_run(struct player *player, uint32_t period_frames, unsigned limit_ms);
