/* SPDX-License-Identifier: BSD-3-Clause */
/* See ctl.h: values of control elements, and what they do. */
#include "devices/snd/mixer/ctl.h"

#include "devices/snd/mixer/ctl_host.h"

#include <string.h>

size_t ctl_value_bytes(const struct ctl *ctl)
{
    return ctl_count(ctl) * sizeof(ctl->value.number[0]);
}

struct ctl_range ctl_range(const struct ctl *ctl)
{
    const union wire_ctl_limits *limits = &ctl->info.limits;

    switch (ctl_type(ctl)) {
    case WIRE_CTL_INTEGER:
        return (struct ctl_range){(int32_t)from_le32(limits->integer.min),
                                  (int32_t)from_le32(limits->integer.max),
                                  from_le32(limits->integer.step)};
    case WIRE_CTL_ENUMERATED:
        return (struct ctl_range){0, (int64_t)from_le32(limits->enumerated.items) - 1, 1};
    default:
        return (struct ctl_range){0, 1, 1};
    }
}

bool ctl_allows(const struct ctl *ctl, int64_t number)
{
    struct ctl_range range = ctl_range(ctl);

    return number >= range.min && number <= range.max &&
           (range.step == 0 || (number - range.min) % range.step == 0);
}

bool ctl_value_is_valid(const struct ctl *ctl, const struct wire_ctl_value *value)
{
    for (uint32_t i = 0; i < ctl_count(ctl); i++)
        if (!ctl_allows(ctl, (int32_t)from_le32(value->number[i])))
            return false;
    return true;
}

/* -- what it does -- */

/* What was played or recorded until now was so at the old gain. A host with a clock has been given
 * frames ahead of time, and keeps them as they are. */
static void catch_up(struct pcm *pcm, const struct volume *volume)
{
    uint64_t now = pcm_now_ns(pcm);

    for (unsigned i = 0; i < pcm->stream_count; i++) {
        struct stream *stream = &pcm->streams[i];
        if (stream->volume == volume && stream->state == STREAM_RUNNING &&
            stream->clock.kind != CLOCK_KIND_HOST)
            stream_catch_up(stream, now);
    }
}

static void volume_update(struct ctls *ctls, unsigned index)
{
    struct volume *volume = &ctls->volume[index];
    const struct ctl *level = &ctls->item[2 * index];
    bool muted = from_le32(level[1].value.number[0]) == 0;

    catch_up(ctls->pcm, volume);
    for (uint32_t i = 0; i < WIRE_CHANNELS_MAX; i++) {
        uint32_t at = MIN(i, ctl_count(level) - 1);
        volume->level[i] = muted ? 0 : (uint16_t)from_le32(level->value.number[at]);
    }
}

int ctl_set(struct ctls *ctls, unsigned id, const struct wire_ctl_value *value)
{
    struct ctl *ctl = &ctls->item[id];
    size_t len = ctl_value_bytes(ctl);

    if (ctl_has(ctl, WIRE_CTL_INACTIVE) || memcmp(&ctl->value, value, len) == 0)
        return 0;
    if (ctls->host != NULL && ctl_host_write(ctls->host, id, value) < 0)
        return -EIO;
    memcpy(&ctl->value, value, len);
    if (ctls->host == NULL)
        volume_update(ctls, id / 2);
    ctls->changed(ctls, id);
    return 0;
}
