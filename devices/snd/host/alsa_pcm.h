/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ALSA PCM, as much of alsa-lib as a helper needs: open, ask what it can do, set up, move
 * frames, look where it is. Any call may block for as long as a sound server likes. Recovers from
 * nothing: that is alsa_serve.c.
 */
#pragma once

#include "devices/snd/host/host.h"
#include "devices/snd/lib/alsa.h"

struct alsa_pcm {
    snd_pcm_t *handle; /* owned, as are the next three; NULL: closed */
    snd_pcm_hw_params_t *hw;
    snd_pcm_sw_params_t *sw;
    snd_pcm_status_t *status;
    enum pcm_direction direction;
    bool is_card; /* the kernel's own PCM with nothing between: dropping silences it at once */
    bool may_mix; /* dmix may be behind it */

    /* Set up. */
    struct pcm_params params;
    bool can_pause;
    uint32_t buffer_frames;  /* of the PCM's ring: near what was asked for */
    uint32_t fill_frames;    /* of the ring to be filled at most */
    uint32_t silence_frames; /* kept by alsa_pcm_silence() */
    bool silences;
};

struct alsa_look {
    snd_pcm_state_t state;
    uint32_t avail_frames; /* room (playback), readable (capture); at most buffer_frames */
    uint32_t delay_frames; /* until a frame written now is heard; age of the next one to read */
};

/* Opens the PCM of that name. */
int alsa_pcm_open(struct alsa_pcm *pcm, const char *name, enum pcm_direction direction);
/* What is still in the ring is not heard. Does nothing if closed. */
void alsa_pcm_close(struct alsa_pcm *pcm);

/* What an open PCM that is not set up can do. Not every combination need be possible. */
int alsa_pcm_caps(const struct alsa_pcm *pcm, struct host_caps *ret_caps);
/* Format, rate and channels exactly; ring and period as near as it can. Leaves it prepared. */
int alsa_pcm_setup(struct alsa_pcm *pcm, const struct pcm_params *params);

/* A card goes on for a moment before it is noticed that it has run dry, and would play once more
 * what it has played. `on`: while less than two periods are left, the kernel keeps silence behind
 * them. Not so while frames are written: those it does not know of until all are there, and an
 * interrupt meanwhile would have it silence some. */
void alsa_pcm_silence(struct alsa_pcm *pcm, bool on);

/* Moves `frames` frames, of which there is room for, or as many to read: how many. -EPIPE: it has
 * run dry or over; -ESTRPIPE: suspended. */
ssize_t alsa_pcm_move(struct alsa_pcm *pcm, void *buf, size_t frames);
/* A PCM that has run dry is looked at without an error. */
int alsa_pcm_look(struct alsa_pcm *pcm, struct alsa_look *ret_look);
