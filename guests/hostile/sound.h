/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages for a sound device (virtio 1.2 §5.14): right but for one thing, or for none. */
#pragma once

#include "guests/hostile/device.h"

/* Sends one, or some that belong together. */
void sound_messages(struct device *dev, struct dice *dice);
/* Asks for the first stream; true if it is told. The device was just started. */
bool sound_answers(struct device *dev);
