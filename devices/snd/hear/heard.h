/* SPDX-License-Identifier: BSD-3-Clause */
/* What was heard, as text. Allocates nothing; any thread. */
#pragma once

#include "devices/snd/hear/listener.h"

#include <stdio.h>

/* For people: aligned lines. */
void heard_print(const struct listener_report *report, FILE *out);
/* For programs: members of a JSON object. */
void heard_json(const struct listener_report *report, FILE *out);
