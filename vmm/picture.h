/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sound file drawn as a PNG: for each channel the waveform, with gaps and clicks marked, and a
 * spectrogram. Main thread.
 */
#pragma once

#include "devices/snd/listener.h"

/* Draws the sound file at `path`, of which `report` was heard, to `png`. 0, or -errno after one
 * line on standard error. */
int picture_draw(const char *path, const struct listener_report *report, const char *png);
