/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands to the sound device from outside the guest (linnet control), see command.c. */
#pragma once

#include "virtio/device.h"

/* A virtio_class's command(). */
int snd_command(struct virtio_device *dev, const char *const words[], FILE *reply);
