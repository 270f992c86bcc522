/* SPDX-License-Identifier: BSD-3-Clause */
/* The control queue of the sound device, see control.c. Worker. */
#pragma once

#include "devices/snd/snd.h"

/* Serves one request. The chain is complete afterwards, to be pushed. */
void control_serve(struct snd *snd, struct chain *req);
