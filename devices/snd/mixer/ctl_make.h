/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a card's control elements, see ctl_make.c. Main. */
#pragma once

#include "devices/snd/mixer/ctl.h"

/* Makes what controls= asks for; `pcm`, with all its streams, and `changed` are set. 0, or -errno
 * after a line. */
int ctls_init(struct ctls *ctls, const struct opts *opts);
/* Accepts what a failed init left. */
void ctls_fini(struct ctls *ctls);
