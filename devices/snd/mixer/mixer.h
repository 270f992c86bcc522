/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The helper's half of controls=host: it has the mixer of a card of ALSA, and any call of it may
 * block for as long as a sound server likes. What it and ours (ctl_host.c) tell each other, on the
 * socket of host/helper.h:
 *
 *   theirs, first   struct mixer_value of MIXER_CARD: how many elements; as many struct mixer_elem
 *   ours            struct mixer_value: to be written
 *   theirs          struct mixer_value: as it is now, when it has changed or was to be written; of
 *                   MIXER_CARD: the card is gone, or back
 *
 * Of alsa-lib's elements those of the interface MIXER that are numbers of 32 bits, switches or
 * choices, and don't change by themselves (volatile).
 *
 * 64-bit Linux takes a guest's 32-bit numbers as unsigned, so a range that begins below 0 is
 * shifted to begin there: -50 to 100 are 0 to 150 for the guest, and the dB that it sees the same.
 */
#pragma once

#include "devices/snd/base/wire_ctl.h"
#include "devices/snd/lib/alsa.h"

#define MIXER_ELEMS_MAX 256
#define MIXER_ITEMS_MAX 128 /* of an enumeration: more than most cards have */
#define MIXER_TLV_WORDS 128
#define MIXER_CARD      UINT32_MAX

struct mixer_value {
    uint32_t id;
    int32_t result; /* of MIXER_CARD; below 0: -errno */
    struct wire_ctl_value value;
};

struct mixer_elem {
    struct wire_ctl_info info;
    struct wire_ctl_value value;
    le32 tlv[MIXER_TLV_WORDS]; /* a struct wire_ctl_tlv and its bytes; 0: none */
    char items[MIXER_ITEMS_MAX][WIRE_CTL_ITEM_BYTES];
};

/* The helper of the mixer of that name, a string: until the socket ends. */
void mixer_serve(int socket, const void *name);

struct mixer {
    int socket;
    char name[128];
    bool ended;
    snd_ctl_t *handle; /* NULL: the card is gone */
    unsigned count;
    struct mixer_own {
        snd_ctl_elem_id_t *id; /* owned; without a numid: they are others after a replug */
        struct wire_ctl_info info;
        int64_t min, max, shifted; /* the card's number is the guest's and this */
    } elem[MIXER_ELEMS_MAX];
    /* For calls. */
    snd_ctl_elem_info_t *info;
    snd_ctl_elem_value_t *value;
    snd_ctl_elem_id_t *id;
    snd_ctl_event_t *event;
};

/* In a helper: says what there is; serves what comes within `wait_ms`, -1: at any time. How long to
 * wait next. */
void mixer_begin(struct mixer *mixer, int socket, const char *name);
int mixer_round(struct mixer *mixer, int wait_ms);
