/* SPDX-License-Identifier: BSD-3-Clause */
/* The control queue of the sound device, see control.c. Worker. */
#pragma once

#include "devices/snd/snd.h"

/* Serves one request. True: the chain is complete, to be pushed. False: it was parked. */
bool control_serve(struct snd *snd, struct chain *req);

/* Writes the status of a reply that has nothing else. */
void control_reply(struct chain *req, uint32_t status);
