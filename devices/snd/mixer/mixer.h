/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card's mixer behind a thread of its own: whoever uses it sends jobs, and is told by an eventfd
 * when some are done or something has changed. Nothing here blocks but opening.
 *
 * Main: open, start, destroy. The rest: one user at a time.
 */
#pragma once

#include "devices/snd/mixer/alsa_ctl.h"

struct mixer;

enum mixer_job_kind {
    MIXER_READ, /* the value comes as news */
    MIXER_WRITE,
    MIXER_TLV_READ,
};

/* The mixer's from mixer_send() until mixer_done() has it. */
struct mixer_job {
    struct mixer_job *next;
    enum mixer_job_kind kind;
    unsigned id; /* of the element */
    int result;  /* 0 or -errno */
    union wire_ctl_value value;
    uint8_t *tlv; /* owned: a struct wire_ctl_tlv and its bytes */
    size_t tlv_bytes;
};

/* What is new of an element. */
struct mixer_news {
    unsigned mask; /* WIRE_CTL_VALUE: `value`; WIRE_CTL_INFO: `access`; WIRE_CTL_TLV */
    uint32_t access;
    union wire_ctl_value value;
};

/* Opens it and reads everything; may block. At most `count_max` elements. */
int mixer_open(const char *name, unsigned count_max, struct mixer **ret_mixer);
int mixer_start(struct mixer *mixer);
/* False: its thread hangs, and everything has to stay as it is. Accepts NULL. */
bool mixer_destroy(struct mixer *mixer);

/* Its elements as they were when it was opened; their `info` and `items` don't change. Before
 * start. */
const struct alsa_ctl *mixer_card(const struct mixer *mixer);
int mixer_done_fd(const struct mixer *mixer);

void mixer_send(struct mixer *mixer, struct mixer_job *job);
/* Those that are done, oldest first. */
struct mixer_job *mixer_done(struct mixer *mixer);
/* True if there are news of an element since the last call. Those of a job are there when it is
 * done. */
bool mixer_news(const struct mixer *mixer, unsigned id, struct mixer_news *ret_news);
