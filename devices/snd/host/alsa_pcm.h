/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ALSA PCM, as much of alsa-lib as the sound card host needs: open, ask what it can do, set up,
 * move frames, look where it is. alsa-lib's results become -errno here and nowhere else, and what
 * alsa-lib would print goes to the debug log. Always non-blocking, but opening and closing may take
 * as long as a sound server likes. One thread at a time uses one PCM. Recovers from nothing: that
 * is host_alsa.c.
 */
#pragma once

#include "devices/snd/host/host.h"

#include <alsa/asoundlib.h>

/* Most channels of a frame, in SET_PARAMS. */
#define ALSA_CHANNELS_MAX 255

/* Fds of a PCM that can be watched; one that has more goes by time. */
#define ALSA_FDS_MAX 8

struct alsa_guard;

struct alsa_pcm {
    snd_pcm_t *handle;        /* owned; NULL: closed */
    snd_pcm_status_t *status; /* owned; for alsa_pcm_look() */
    enum pcm_direction direction;
    bool can_pause;
    bool is_card; /* the kernel's own PCM with nothing between: dropping silences it at once */
    bool may_mix; /* dmix may be behind it */
    snd_pcm_access_t access;
    snd_pcm_format_t format;
    uint32_t rate_hz, channels, frame_bytes;
    uint32_t period_frames, buffer_frames; /* of the PCM's ring: near what was asked for */
    uint32_t fill_frames; /* of the ring to be filled at most; the fds fire a period below that */
    uint8_t channel[ALSA_CHANNELS_MAX]; /* of the PCM, by channel of the stream: where it goes */
    struct pollfd fds[ALSA_FDS_MAX];    /* say when there is room, or there are frames */
    unsigned fd_count;
    struct alsa_guard *guard; /* owned; makes the calls below, see alsa_guard.h; NULL: nobody */
    void *copy; /* owned: frames on their way, if they can't be moved from where they are */
};

struct alsa_look {
    snd_pcm_state_t state;
    uint32_t avail_frames; /* room (playback), readable (capture); at most buffer_frames */
    uint32_t delay_frames; /* until a frame written now is heard; age of the next one to read */
    uint64_t at_ns;        /* when that was so; CLOCK_MONOTONIC */
};

/* What is asked of a PCM that is set up. */
enum alsa_op {
    ALSA_START,
    ALSA_PREPARE,
    ALSA_RESUME,
    ALSA_PAUSE,
    ALSA_GO_ON, /* after a pause */
    ALSA_DROP,
    ALSA_STATE, /* results in a snd_pcm_state_t */
    ALSA_WRITE, /* buf, frames */
    ALSA_READ,  /* buf, frames */
    ALSA_LOOK,  /* look */
    ALSA_FIRED, /* fds; results in poll() events */
};

struct alsa_call {
    enum alsa_op op;
    void *buf;
    size_t frames;
    struct alsa_look look;
    struct pollfd fds[ALSA_FDS_MAX];
};

/* Sends alsa-lib's messages, which are for its developers, to log_debug(). Main, before threads. */
void alsa_pcm_quiet(void);

/* What to tell a user of an open or setup that failed with `error`: what is the matter, and what to
 * do about it. */
const char *alsa_pcm_explain(int error, enum pcm_direction direction);

/* Opens the PCM of that name; may block. */
int alsa_pcm_open(struct alsa_pcm *pcm, const char *name, enum pcm_direction direction);
/* What is still in the ring is not heard. May block. Does nothing if closed. */
void alsa_pcm_close(struct alsa_pcm *pcm);

/* What an open PCM that is not set up can do. Not every combination need be possible. */
int alsa_pcm_caps(const struct alsa_pcm *pcm, struct host_caps *ret_caps);
/* The numbers of channels that it can have with a format at a rate; bit n: n channels, up to 31. */
uint32_t alsa_pcm_channels(const struct alsa_pcm *pcm, const struct pcm_format *format,
                           uint32_t rate_hz);
/* Format, rate and channels exactly; ring and period as near as it can. Leaves it prepared. */
int alsa_pcm_setup(struct alsa_pcm *pcm, const struct pcm_params *params);
/* Plays (records) silence on a PCM that was set up, until a frame has moved: so it is with a sound
 * server that works. Leaves it prepared. -ETIMEDOUT: none did, in a second. May block. */
int alsa_pcm_try(struct alsa_pcm *pcm, const struct pcm_format *format);

/* How the frames of a PCM that is set up will be moved: each channel to its loudspeaker, if the PCM
 * says where those are. 0 or -ENOMEM. */
int alsa_move_begin(struct alsa_pcm *pcm);
void alsa_move_end(struct alsa_pcm *pcm);
/* alsa_pcm_write() and alsa_pcm_read() on this thread. */
ssize_t alsa_move_out(const struct alsa_pcm *pcm, void *buf, size_t frames);
ssize_t alsa_move_in(const struct alsa_pcm *pcm, void *ret_buf, size_t frames);

/* Makes a call, on this thread; its result. */
long alsa_pcm_do(struct alsa_pcm *pcm, struct alsa_call *call);
/* The same on the guard's thread, if there is one. */
int alsa_pcm_ask(struct alsa_pcm *pcm, enum alsa_op op);

/* Moves up to `frames` frames between buf and the ring; returns how many, 0 if there is no room, or
 * nothing to read. -EPIPE: it has run dry or over; -ESTRPIPE: suspended. */
ssize_t alsa_pcm_write(struct alsa_pcm *pcm, const void *buf, size_t frames);
ssize_t alsa_pcm_read(struct alsa_pcm *pcm, void *ret_buf, size_t frames);

/* 0, or what alsa-lib said. Note that a PCM which has run dry is looked at without an error. */
int alsa_pcm_look(struct alsa_pcm *pcm, struct alsa_look *ret_look);

/* What it means that some of the PCM's fds are ready, as poll() has it of `fds`: POLLIN, POLLOUT,
 * POLLERR, 0 if nothing for us, or -errno. */
int alsa_pcm_fired(struct alsa_pcm *pcm, const struct pollfd *fds);

/* -errno of a result of alsa-lib; 0 and above stay. */
int alsa_result(long result);
