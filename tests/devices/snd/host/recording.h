/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of recordings share: a folder for them, what is played, and a look at what is there.
 */
#pragma once

#include "tests/devices/snd/sound_rig.h"

#include <limits.h>
#include <sndfile.h>

extern char recording_folder[PATH_MAX];
void recording_folder_make(void);
void recording_folder_remove(void);

/* A name in the folder; the next call but three overwrites it. */
const char *recording_path(const char *name);
/* Options of a device that records into it, and more of them; the next call overwrites them. */
const char *recording_options(const char *name, const char *more);

/* Samples that differ all along: a small random generator, bytes cut to what the format means. */
void recording_pattern(uint8_t *bytes, uint32_t len, uint32_t seed);
/* Sends a period and lets it be played. */
void recording_play(struct rig *rig, const void *bytes, uint32_t len);

/* Opens what was recorded. */
SNDFILE *recording_reopen(const char *name, SF_INFO *ret_info);
