/* SPDX-License-Identifier: BSD-3-Clause */
/* The control queue of the sound device, see control.c. Worker. */
#pragma once

#include "devices/snd/card.h"

/* Serves what waits in it. */
void control_notify(struct snd *snd, struct virtq *vq);
