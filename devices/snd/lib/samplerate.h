/* SPDX-License-Identifier: BSD-3-Clause */
/* libsamplerate, which resamples, by vmm/base/library.h. */
#pragma once

#include "vmm/base/library.h"

#include <samplerate.h>

#define SRC_FUNCTIONS(F)                                                                           \
    F(src_, callback_new)                                                                          \
    F(src_, callback_read)                                                                         \
    F(src_, delete)                                                                                \
    F(src_, reset)                                                                                 \
    F(src_, is_valid_ratio)                                                                        \
    F(src_, strerror)

struct src {
    SRC_FUNCTIONS(LIBRARY_FIELD)
};
extern struct src src;
extern const struct library src_library;
