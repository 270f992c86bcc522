/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the device offers the guest: sets of formats and rates, and a range of channels, as the user
 * writes them ("S16+S24", "all", "1-8"). Main thread.
 */
#pragma once

#include "vmm/base/base.h"

struct opts;

struct offer {
    uint64_t formats, rates; /* bit n: code n */
    uint32_t channels_min, channels_max;
};

/* Reads formats=, rates=, channels=. -EINVAL after a line that says which word is wrong. */
int offer_parse(const struct opts *opts, struct offer *ret_offer);
