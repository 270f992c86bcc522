/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mixer of a sound card that a test moves by hand: the control "fake", made with alsa-lib's own
 * kit for control plugins. It stands behind the table of alsa-lib's functions
 * (devices/snd/lib/alsa.h) that helpers call; other names are alsa-lib's.
 */
#pragma once

#include "vmm/base/base.h"

#include <alsa/asoundlib.h>
#include <alsa/control_external.h>

/* Its elements, in its own order. */
enum fake_element {
    FAKE_VOLUME, /* integer, 2 values, -50 to 100, a list of dB ranges */
    FAKE_SWITCH, /* boolean */
    FAKE_JACK,   /* boolean, but not of the mixer */
    FAKE_SOURCE, /* enumerated: Line, Mic, (nameless) */
    FAKE_SERIAL, /* 4 bytes */
    FAKE_IEC958,
    FAKE_BIG,          /* integer64, 2 values, -2^40 to 2^40 */
    FAKE_METER,        /* integer, 0 to 99, volatile, read only; each read counts it up */
    FAKE_OTHER_SWITCH, /* as FAKE_SWITCH, of another device */
    FAKE_HUGE,         /* integer, a range that 32 bits don't have */
    FAKE_ELEMENTS,
};

union fake_value {
    long integer[2];
    int64_t integer64[2];
    unsigned item;
    unsigned char bytes[4];
    snd_aes_iec958_t iec958;
};

void fake_mixer_init(void);
void fake_mixer_fini(void);

/* Its value now, and a new one by somebody else's hand. */
union fake_value fake_mixer_value(enum fake_element element);
void fake_mixer_change(enum fake_element element, const union fake_value *value);
/* The element is there no more. */
void fake_mixer_remove(enum fake_element element);
/* From now on writes have this result; 0: they work. */
void fake_mixer_fail(int error);
/* Whoever has it open is told that it is gone, and opening fails; or it is back. */
void fake_mixer_unplug(bool unplugged);
