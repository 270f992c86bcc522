/* SPDX-License-Identifier: BSD-3-Clause */
/* A node of this host's evdev, /dev/input/event*. */
#pragma once

#include "devices/input/abilities.h"

/* Main. Opens it, and takes over what it can do. -EINVAL after a line. */
int evdev_open(const char *path, struct abilities *ret_abilities, int *ret_fd);
/* From now on (or no longer) its events are ours alone. -errno */
int evdev_grab(int fd, bool on);
/* Which keys are down; none if it is gone. */
void evdev_keys(int fd, uint8_t ret_down[ABILITIES_KEYS]);
