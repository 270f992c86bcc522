/* SPDX-License-Identifier: BSD-3-Clause */
/* The streams of a device together, see serve.c and pcm.h. */
#pragma once

#include "devices/snd/pcm/pcm.h"

/* Main. With room for so many streams. 0, or -ENOMEM after a line; pcm_fini() accepts what that
 * left. */
int pcm_init(struct pcm *pcm, struct virtio_device *dev, void (*xrun)(struct stream *stream),
             unsigned streams_max);
/* Main. One more stream: name, info, host, ear and clock_kind are to be filled in. */
struct stream *pcm_add(struct pcm *pcm);
void pcm_fini(struct pcm *pcm);

/* The driver is there. */
void pcm_activate(struct pcm *pcm);
void pcm_reset(struct pcm *pcm);

/* Takes what waits in a queue, tx or rx, then serves the streams that have something to do. */
void pcm_serve(struct pcm *pcm, struct virtq *vq);
/* The same with both. */
void pcm_serve_all(struct pcm *pcm);

/* The machine is paused and goes on: no time passes in between, nothing is served. */
void pcm_pause(struct pcm *pcm);
void pcm_resume(struct pcm *pcm);
