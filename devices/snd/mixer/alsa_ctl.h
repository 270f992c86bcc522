/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mixer of a card of ALSA: its elements as the guest is to see them (virtio 1.4 §5.14.6.10),
 * and their values. alsa-lib's results become -errno here. Each call may take as long as the card,
 * or a sound server, likes. One thread at a time. Of alsa-lib's elements those of the interface
 * MIXER: jacks and what belongs to a PCM are not passed on.
 *
 * 64-bit Linux takes a guest's 32-bit numbers as unsigned, so a range that begins below 0 is
 * shifted to begin there: -50 to 100 are 0 to 150 for the guest, and the dB that it sees the same.
 */
#pragma once

#include "devices/snd/base/wire_ctl.h"

#include <alsa/asoundlib.h>

struct alsa_elem {
    snd_ctl_elem_id_t *id; /* owned; without a numid: they are others after a replug */
    unsigned numid;        /* by which plugins want to be asked for metadata */
    struct wire_ctl_info info;
    char **items;    /* WIRE_CTL_ENUMERATED: their names; owned, one block */
    int64_t shifted; /* WIRE_CTL_INTEGER: the card's number is the guest's and this */
};

struct alsa_ctl {
    snd_ctl_t *handle; /* owned; NULL: closed */
    unsigned count;
    struct alsa_elem *elem; /* owned; fixed once listed */
};

#define ALSA_CTL_NAME_BYTES 64

/* The name of the mixer that goes with a PCM. */
void alsa_ctl_name(const char *pcm_name, char ret_name[ALSA_CTL_NAME_BYTES]);

/* Opens the mixer of that name, and asks to be told of changes. */
int alsa_ctl_open(struct alsa_ctl *ctl, const char *name);
/* The elements stay. Does nothing if closed. */
void alsa_ctl_close(struct alsa_ctl *ctl);
/* Lists up to `count_max` elements. -ENODATA: there is none. */
int alsa_ctl_list(struct alsa_ctl *ctl, unsigned count_max);
/* Closes and forgets all. */
void alsa_ctl_fini(struct alsa_ctl *ctl);

/* Looks an element up again, by its name: what may be done with it can have changed. */
int alsa_ctl_look(struct alsa_ctl *ctl, unsigned index);
/* Values that the element's limits don't allow are brought within them. */
int alsa_ctl_read(struct alsa_ctl *ctl, unsigned index, union wire_ctl_value *ret_value);
int alsa_ctl_write(struct alsa_ctl *ctl, unsigned index, const union wire_ctl_value *value);
/* Metadata: a struct wire_ctl_tlv and its bytes; how many bytes in all. */
ssize_t alsa_ctl_tlv_read(struct alsa_ctl *ctl, unsigned index, void *ret_tlv, size_t room);

/* Takes the next event: 1 and an element with what has changed of it (WIRE_CTL_VALUE, ...), which
 * may be nothing; 0 if there is none; -errno when the card is gone. */
int alsa_ctl_event(struct alsa_ctl *ctl, unsigned *ret_index, unsigned *ret_mask);
