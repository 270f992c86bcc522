/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The helper's half of controls=host: it has the mixer of a card of ALSA, and any call of it may
 * block for as long as a sound server likes. What it and ours (ctl_host.c) tell each other, on the
 * socket of vmm/base/helper.h:
 *
 *   theirs, first   int32_t: how many elements, or -errno; then as many struct ctl
 *   ours            struct mixer_value: to be written
 *   theirs          struct mixer_value: as it is now, when it has changed or was to be written
 *
 * A helper whose card is gone ends.
 *
 * Of alsa-lib's elements those of the interface MIXER that are numbers of 32 bits, switches or
 * choices, and don't change by themselves (volatile).
 *
 * 64-bit Linux takes a guest's 32-bit numbers as unsigned, so a range that begins below 0 is
 * shifted to begin there: -50 to 100 are 0 to 150 for the guest, and the dB that it sees the same.
 */
#pragma once

#include "devices/snd/lib/alsa.h"
#include "devices/snd/mixer/ctl.h"

struct mixer_value {
    uint32_t id;
    struct wire_ctl_value value;
};

/* The helper of the mixer of that name, a string: until the socket or the card ends. */
void mixer_serve(int socket, const void *name);

struct mixer {
    int socket;
    bool ended;
    snd_hctl_t *card; /* NULL: it could not be opened */
    unsigned count;
    struct mixer_elem {
        struct mixer *mixer;
        snd_hctl_elem_t *elem; /* NULL: the driver has removed it */
        uint32_t type, access, count;
        int64_t min, max, shifted; /* the card's number is the guest's and this */
    } elem[CTLS_MAX];
    /* For calls. */
    snd_ctl_elem_info_t *info;
    snd_ctl_elem_value_t *value;
};

/* In a helper: says what there is; serves what comes within `wait_ms`, -1: at any time. */
void mixer_begin(struct mixer *mixer, int socket, const char *name);
void mixer_round(struct mixer *mixer, int wait_ms);
