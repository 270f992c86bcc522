/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control elements of the sound device (virtio 1.4 §5.14.6.10): what amixer shows in the guest.
 * Those for volume and mute act on the samples of their streams (volume.h). Values are the host's
 * state: a reset of the device does not change them. What the elements are is in ctl_make.c,
 * requests about them are in ctl_serve.c; those that a card of the host has are in ctl_host.c.
 *
 * Main: init, fini. Else the worker, or whoever owns the device while it is inactive.
 */
#pragma once

#include "devices/snd/base/wire_ctl.h"
#include "devices/snd/event.h"
#include "devices/snd/mixer/ctl_host.h"
#include "devices/snd/mixer/volume.h"

struct opts;
struct snd;
struct stream;

struct ctl {
    struct wire_ctl_info info;
    struct wire_ctl_info_padded padded; /* the same */
    union wire_ctl_value value;
    const char *const *items; /* WIRE_CTL_ENUMERATED */
    uint8_t *tlv;             /* owned; a struct wire_ctl_tlv and its bytes; NULL: none */
    uint32_t tlv_bytes;       /* both */
    uint32_t tlv_room;        /* of `tlv` */
    /* WIRE_CTL_VOLATILE: puts what holds now into `value`. NULL: it is there. */
    void (*refresh)(const struct snd *snd, struct ctl *ctl);
};

/* The streams of a direction in a function group, and the elements that rule them. */
struct ctl_group {
    le32 hda_fn_nid;
    uint8_t direction;
    unsigned level_id, mute_id;
    struct volume volume;
};

#define CTL_GROUPS_MAX EVENT_STREAMS_MAX /* there is no group without a stream */

struct ctls {
    unsigned count;
    struct ctl *item;      /* owned */
    struct ctl_host *host; /* owned; whose elements all of them are; NULL: our own */
    unsigned group_count;
    struct ctl_group group[CTL_GROUPS_MAX];
};

/* Makes what controls= asks for; the streams are there. 0 or -ENOMEM. */
int ctls_init(struct snd *snd, const struct opts *opts);
/* Accepts what a failed init left. */
void ctls_fini(struct snd *snd);

/* Bytes of an element's value on the wire. */
size_t ctl_value_bytes(const struct ctl *ctl);
/* True if each of the values is one that the element may have. */
bool ctl_value_is_valid(const struct ctl *ctl, const union wire_ctl_value *value);
/* Gives an element a valid value; what it rules follows, and the driver is told if it changed. A
 * host's element has it a little later, or never if the host refuses it. */
void ctl_set(struct snd *snd, unsigned id, const union wire_ctl_value *value);

/* By its name or number: its number, or -ENOENT. */
int ctl_find(const struct snd *snd, const char *word);

/* Scales frames of a stream in place. */
void ctl_apply(const struct stream *stream, void *buf, size_t frames);

/* The integer64 limits, which the wire has as halves. */
int64_t ctl_from_halves(const le32 halves[2]);
void ctl_to_halves(int64_t number, le32 ret_halves[2]);
