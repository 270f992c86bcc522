/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the guest's init says over linnet.ctl (guest/wire.h), taken apart. A guest is a stranger:
 * any byte may come in any order, a message that is none ends it. No state but this struct's.
 */
#pragma once

#include "vmm/base/base.h"
#include "vmm/run/guest/wire.h"

struct ctl {
    bool hello;                  /* init has the ports */
    bool started;                /* CMD began */
    int end;                     /* CTL_EXITED, _KILLED, _NOT_RUN, _UNFIT; 0: not yet */
    uint8_t number;              /* of the first three */
    char text[CTL_SIZE_MAX + 1]; /* of the last */

    uint8_t heard[CTL_HEAD_BYTES + CTL_SIZE_MAX]; /* of a message, so far */
    size_t heard_len;
};

/* Takes bytes as they come. -EPROTO: what the guest said is no message. What comes behind the end
 * is not looked at. */
int ctl_hear(struct ctl *ctl, const uint8_t *bytes, size_t size);

/* Which exit status the end means: CMD's own, 128 and a signal, 126, 127, or 125. */
int ctl_status(const struct ctl *ctl);
