/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a sound device from its options: streams, hosts, channel maps. Main thread. */
#pragma once

#include "devices/snd/snd.h"

/* The options of --snd. */
extern const struct opt card_opts[];

/* Fills a zeroed instance. -errno after a line; card_fini() undoes what was done. */
int card_init(struct snd *snd, const struct opts *opts);
void card_fini(struct snd *snd);

/* All messages are free again. Also with the worker joined. */
void card_messages_forget(struct snd *snd);
