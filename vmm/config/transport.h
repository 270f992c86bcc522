/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the guest finds and drives its virtio devices: --transport says it for all of them, the key
 * transport= of a device for that one. No class knows of the key: it is put behind their own here.
 * Main thread.
 */
#pragma once

#include "vmm/config/config.h"

extern const char *const transport_choices[]; /* in the order of enum config_transport */

/* A table of a device's keys with transport= behind them, and `also` (NULL: nothing). Lives as long
 * as the program; there is room for those of one machine. */
const struct opt *transport_add_key(const struct opt *table, const struct opt *also);

/* Of a device made from these options; what a later one says wins. */
enum config_transport transport_of(const struct config *config, const struct opts *const opts[],
                                   unsigned count);

/* Is there a device behind it, or would a further one be? */
bool transport_used(const struct config *config, enum config_transport transport);
