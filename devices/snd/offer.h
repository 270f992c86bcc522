/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the device offers the guest: sets of formats and rates, and a range of channels, as the user
 * writes them ("S16+S24", "all", "1-8"). Main thread.
 */
#pragma once

#include "devices/snd/host/host.h"

/* Reads formats=, rates=, channels=. -EINVAL after a line that says which word is wrong. */
int offer_parse(const struct opts *opts, struct host_caps *ret_offer);
