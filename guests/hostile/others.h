/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages for devices other than sound: those of each have a form, what is in them is by dice. */
#pragma once

#include "guests/hostile/device.h"

/* Sends some. */
void other_messages(struct device *dev, struct dice *dice);
/* Sends one that is right; true if it comes back. The device was just started. */
bool other_answers(struct device *dev);
