/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine's or device's results (vmm/base/results.h) in the language of the control socket:
 *
 *   {"event": "results", "told": [{"file": "out.wav"}, {"port": 40123, "name": "tcp:22"},
 *                                 {"expect": "freq=440", "passed": false, "why": "heard 439.2"}]}
 *
 * No state; any thread.
 */
#pragma once

#include "vmm/base/results.h"

#include <jansson.h>

#define CONTROL_RESULTS_MAX 256

/* What is behind "told". What is no clean text is left out. NULL: no memory. */
json_t *control_results_list(const struct results *results);

/* Adds what stands there, as that of `who`, whatever process has written it: 0, or -EPROTO if it
 * is no such list, and then some of it may be there. */
int control_results_read(const json_t *told, const char *who, struct results *results);
