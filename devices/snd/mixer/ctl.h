/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control elements of the sound device (virtio 1.4 §5.14.6.10): what amixer shows in the guest.
 * Those for volume and mute act on the samples of their streams (volume.h). Values are the host's
 * state: a reset of the device does not change them. What the elements are is in ctl_make.c,
 * requests about them are in ctl_serve.c; those that a card of the host has are in ctl_host.c.
 *
 * The worker, or whoever owns the device while it is inactive.
 */
#pragma once

#include "devices/snd/base/wire_ctl.h"
#include "devices/snd/pcm/pcm.h"

#define CTLS_MAX      256
#define CTL_ITEMS_MAX 64 /* of an enumeration: more than most cards have */
#define CTL_TLV_WORDS 128

struct ctls;

struct ctl {
    struct wire_ctl_info info;
    struct wire_ctl_info_padded padded; /* the same */
    struct wire_ctl_value value;
    le32 tlv[CTL_TLV_WORDS]; /* WIRE_CTL_TLV_READ: a struct wire_ctl_tlv and its bytes */
    char items[CTL_ITEMS_MAX][WIRE_CTL_ITEM_BYTES]; /* WIRE_CTL_ENUMERATED */
};

struct ctls {
    struct pcm *pcm;                                 /* whose streams they rule; borrowed */
    void (*changed)(struct ctls *ctls, unsigned id); /* tells the driver of a new value */

    unsigned count;
    struct ctl *item; /* owned */
    /* Owned; of our own elements 2n and 2n + 1 are volume and switch of number n, which is of the
     * streams of a direction in a function group. */
    struct volume *volume;
    struct ctl_host *host; /* owned; whose elements all of them are; NULL: our own */
};

static inline bool ctl_has(const struct ctl *ctl, uint32_t access)
{
    return (from_le32(ctl->info.head.access) & access) == access;
}

static inline enum wire_ctl_type ctl_type(const struct ctl *ctl)
{
    return (enum wire_ctl_type)from_le32(ctl->info.head.type);
}

static inline uint32_t ctl_count(const struct ctl *ctl)
{
    return from_le32(ctl->info.head.count);
}

static inline uint64_t ctl_tlv_bytes(const struct ctl *ctl)
{
    return sizeof(struct wire_ctl_tlv) + (uint64_t)from_le32(ctl->tlv[1]);
}

/* A value may be min, min + step, ... max; step 0: all in between. */
struct ctl_range {
    int64_t min, max, step;
};
struct ctl_range ctl_range(const struct ctl *ctl);
bool ctl_allows(const struct ctl *ctl, int64_t number);

/* Bytes of an element's value on the wire. */
size_t ctl_value_bytes(const struct ctl *ctl);
/* True if each of the values is one that the element may have. */
bool ctl_value_is_valid(const struct ctl *ctl, const struct wire_ctl_value *value);
/* Gives an element a valid value; what it rules follows, and the driver is told if it changed. A
 * card's element gets its old one back a little later if the card refuses it. -EIO: the card is
 * gone. */
int ctl_set(struct ctls *ctls, unsigned id, const struct wire_ctl_value *value);

/* Main. Makes what controls= asks for; `pcm`, with all its streams, and `changed` are set. 0, or
 * -errno after a line. */
int ctls_init(struct ctls *ctls, const struct opts *opts);
/* Accepts what a failed init left. */
void ctls_fini(struct ctls *ctls);

/* Serves a request of this code, behind which the chain's readable cursor is: a VIRTIO_SND_S_* to
 * reply, or REPLY_DONE. There is room for a status. */
uint32_t ctls_serve(struct ctls *ctls, uint32_t code, struct chain *req);
