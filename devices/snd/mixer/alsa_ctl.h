/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mixer of a card of ALSA, in a helper: its elements as the guest is to see them (virtio 1.4
 * §5.14.6.10), and their values. Any call may block for as long as a sound server likes. Of
 * alsa-lib's elements those of the interface MIXER that are numbers, switches or choices: jacks,
 * what belongs to a PCM, and bytes that only a driver knows the meaning of are not passed on.
 *
 * 64-bit Linux takes a guest's 32-bit numbers as unsigned, so a range that begins below 0 is
 * shifted to begin there: -50 to 100 are 0 to 150 for the guest, and the dB that it sees the same.
 */
#pragma once

#include "devices/snd/base/wire_ctl.h"
#include "devices/snd/lib/alsa.h"

struct alsa_elem {
    snd_ctl_elem_id_t *id; /* owned; without a numid: they are others after a replug */
    unsigned numid;        /* by which plugins want to be asked for metadata */
    struct wire_ctl_info info;
    int64_t shifted; /* WIRE_CTL_INTEGER: the card's number is the guest's and this */
};

struct alsa_ctl {
    snd_ctl_t *handle; /* NULL: closed */
    unsigned count;
    struct alsa_elem *elem; /* fixed once listed */
    /* For the calls below. */
    snd_ctl_elem_info_t *info;
    snd_ctl_elem_value_t *value;
    snd_ctl_elem_id_t *id;
    snd_ctl_event_t *event;
};

#define ALSA_CTL_NAME_BYTES 64

/* The name of the mixer that goes with a PCM. */
void alsa_ctl_name(const char *pcm_name, char ret_name[ALSA_CTL_NAME_BYTES]);

/* Opens the mixer of that name, and asks to be told of changes. `ctl` is zeroed, or was closed. */
int alsa_ctl_open(struct alsa_ctl *ctl, const char *name);
/* The elements stay. Does nothing if closed. */
void alsa_ctl_close(struct alsa_ctl *ctl);
/* Lists up to `count_max` elements, once. -ENODATA: there is none. */
int alsa_ctl_list(struct alsa_ctl *ctl, unsigned count_max);
/* The name of an item of an enumeration; "-" if it has none. */
void alsa_ctl_item(struct alsa_ctl *ctl, unsigned index, unsigned item,
                   char ret_name[WIRE_CTL_ITEM_BYTES]);

/* Looks an element up again, by its name: what may be done with it can have changed. */
void alsa_ctl_look(struct alsa_ctl *ctl, unsigned index);
/* Values that the element's limits don't allow are brought within them. */
int alsa_ctl_read(struct alsa_ctl *ctl, unsigned index, union wire_ctl_value *ret_value);
int alsa_ctl_write(struct alsa_ctl *ctl, unsigned index, const union wire_ctl_value *value);
/* Metadata: a struct wire_ctl_tlv and its bytes; how many bytes in all. */
ssize_t alsa_ctl_tlv(struct alsa_ctl *ctl, unsigned index, void *ret_tlv, size_t room);

/* Takes the next event: 1 and an element with what has changed of it (WIRE_CTL_VALUE, ...), which
 * may be nothing; 0 if there is none; -errno when the card is gone. */
int alsa_ctl_event(struct alsa_ctl *ctl, unsigned *ret_index, unsigned *ret_mask);
