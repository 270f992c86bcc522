/* SPDX-License-Identifier: BSD-3-Clause */
/* libsndfile, which reads sound files, by vmm/base/library.h. */
#pragma once

#include "vmm/base/library.h"

#include <sndfile.h>

#define SF_FUNCTIONS(F)                                                                            \
    F(sf_, open_fd)                                                                                \
    F(sf_, open_virtual)                                                                           \
    F(sf_, close)                                                                                  \
    F(sf_, command)                                                                                \
    F(sf_, error)                                                                                  \
    F(sf_, strerror)                                                                               \
    F(sf_, seek)                                                                                   \
    F(sf_, readf_double)

struct sf {
    SF_FUNCTIONS(LIBRARY_FIELD)
};
extern struct sf sf;
extern const struct library sf_library;
