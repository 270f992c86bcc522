/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WAV files: their header, and what samples are in them. A file that passes 4 GiB becomes RF64 (EBU
 * Tech 3306), in the room that is kept for its numbers. No state.
 */
#pragma once

#include "devices/snd/base/format.h"

#define WAV_HEADER_WORDS 23
#define WAV_HEADER_BYTES (4 * WAV_HEADER_WORDS)

/* What frames are in the file; every bit of them is kept. */
struct pcm_params wav_params(const struct pcm_params *played);

/* The header of a file with so many frames of these; they follow it. */
void wav_header(const struct pcm_params *stored, uint64_t frames, le32 ret_words[WAV_HEADER_WORDS]);
