/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests about control elements, see ctl_serve.c. Worker. */
#pragma once

#include "devices/snd/base/reply.h"
#include "devices/snd/mixer/ctl.h"

/* Serves a request of this code, behind which the chain's readable cursor is: a VIRTIO_SND_S_* to
 * reply, or as reply.h says. There is room for a status. */
uint32_t ctls_serve(struct ctls *ctls, uint32_t code, struct chain *req);
