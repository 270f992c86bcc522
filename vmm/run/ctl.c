/* SPDX-License-Identifier: BSD-3-Clause */
/* See ctl.h. */
#include "vmm/run/ctl.h"

#include "vmm/run/run.h"

#include <string.h>

static const struct message {
    uint8_t type, size_min, size_max;
    bool ends;
} messages[] = {
    {CTL_HELLO, 0, 0, false}, {CTL_STARTED, 0, 0, false}, {CTL_EXITED, 1, 1, true},
    {CTL_KILLED, 1, 1, true}, {CTL_NOT_RUN, 1, 1, true},  {CTL_UNFIT, 0, CTL_SIZE_MAX, true},
};

/* Of a head, which need not have come whole yet: -EPROTO as soon as it is wrong. */
static int message_find(const struct ctl *ctl, const struct message **ret_message)
{
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        const struct message *one = &messages[i];
        if (one->type != ctl->heard[0])
            continue;
        if (ctl->heard_len >= CTL_HEAD_BYTES &&
            (ctl->heard[1] < one->size_min || ctl->heard[1] > one->size_max))
            return -EPROTO;
        *ret_message = one;
        return 0;
    }
    return -EPROTO;
}

static void message_take(struct ctl *ctl, const struct message *message)
{
    const uint8_t *bytes = ctl->heard + CTL_HEAD_BYTES;

    ctl->hello |= message->type == CTL_HELLO;
    ctl->started |= message->type == CTL_STARTED;
    if (!message->ends)
        return;
    ctl->end = message->type;
    if (message->type == CTL_UNFIT)
        memcpy(ctl->text, bytes, ctl->heard[1]); /* its NUL is there: it was zero */
    else
        ctl->number = bytes[0];
}

int ctl_hear(struct ctl *ctl, const uint8_t *bytes, size_t size)
{
    const struct message *message;

    for (; size > 0 && ctl->end == 0; bytes++, size--) {
        ctl->heard[ctl->heard_len++] = *bytes;
        int r = message_find(ctl, &message);
        if (r < 0)
            return r;
        if (ctl->heard_len < CTL_HEAD_BYTES ||
            ctl->heard_len < CTL_HEAD_BYTES + (size_t)ctl->heard[1])
            continue;
        message_take(ctl, message);
        ctl->heard_len = 0;
    }
    return 0;
}

int ctl_status(const struct ctl *ctl)
{
    switch (ctl->end) {
    case CTL_EXITED:
        return ctl->number;
    case CTL_KILLED:
        return RUN_STATUS_SIGNAL + ctl->number % 128;
    case CTL_NOT_RUN:
        return ctl->number == ENOENT ? RUN_STATUS_NOT_FOUND : RUN_STATUS_NOT_RUN;
    default:
        return RUN_STATUS_FAILED;
    }
}
