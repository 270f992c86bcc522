/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The helper's half of controls=host, and what it and ours (ctl_host.c) tell each other, on the
 * socket of host/helper.h: a struct mixer_message each, cut behind what its word needs.
 *
 *   theirs, first   ELEM, its ITEMs and NEWS for each element; then READY
 *   ours            READ, WRITE: with a ticket
 *   theirs          DONE: the ticket's; NEWS, before it if there are. GONE, BACK: the card
 */
#pragma once

#include "devices/snd/mixer/alsa_ctl.h"

#define MIXER_ELEMS_MAX 256
#define MIXER_TLV_BYTES 4096

enum mixer_word {
    MIXER_ELEM,  /* id, info */
    MIXER_ITEM,  /* id, index, item */
    MIXER_NEWS,  /* id, mask, access, value if that is new */
    MIXER_TLV,   /* id, tlv; a NEWS follows */
    MIXER_READY, /* result */
    MIXER_READ,  /* id, ticket */
    MIXER_WRITE, /* id, ticket, value */
    MIXER_DONE,  /* ticket, result */
    MIXER_GONE,  /* result */
    MIXER_BACK,
};

struct mixer_message {
    uint32_t word, id, ticket;
    int32_t result;
    uint32_t mask, access, index, zero;
    union {
        struct wire_ctl_info info;
        union wire_ctl_value value;
        char item[WIRE_CTL_ITEM_BYTES];
        uint32_t tlv[MIXER_TLV_BYTES / 4]; /* a struct wire_ctl_tlv and its bytes */
    };
};

/* What a helper is told when it is forked. */
struct mixer_job {
    const char *name;   /* of the mixer; NULL: that of ... */
    const char *device; /* ... this PCM */
};

/* The helper: until the socket ends. */
void mixer_serve(int socket, const void *job);

struct mixer {
    int socket;
    char name[ALSA_CTL_NAME_BYTES];
    struct alsa_ctl card;
    bool ended;
};

/* In a helper: says what there is; serves what comes within `wait_ms`, -1: at any time. How long to
 * wait next. */
void mixer_begin(struct mixer *mixer, int socket, const struct mixer_job *job);
int mixer_round(struct mixer *mixer, int wait_ms);
