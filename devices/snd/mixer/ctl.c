/* SPDX-License-Identifier: BSD-3-Clause */
/* See ctl.h: values of control elements, and what they do. */
#include "devices/snd/mixer/ctl.h"

#include "devices/snd/mixer/ctl_host.h"
#include "devices/snd/pcm/move.h"

#include <string.h>

static uint32_t count_of(const struct ctl *ctl)
{
    return from_le32(ctl->info.head.count);
}

size_t ctl_value_bytes(const struct ctl *ctl)
{
    static const size_t bytes[WIRE_CTL_TYPES] = {
        [WIRE_CTL_BOOLEAN] = 4,    [WIRE_CTL_INTEGER] = 4, [WIRE_CTL_INTEGER64] = 8,
        [WIRE_CTL_ENUMERATED] = 4, [WIRE_CTL_BYTES] = 1,   [WIRE_CTL_IEC958] = 176,
    };

    return bytes[ctl_type(ctl)] * count_of(ctl);
}

/* -- values as numbers -- */

int64_t ctl_number(const struct ctl *ctl, const union wire_ctl_value *value, uint32_t i)
{
    switch (ctl_type(ctl)) {
    case WIRE_CTL_INTEGER:
        return (int32_t)from_le32(value->integer[i]);
    case WIRE_CTL_INTEGER64:
        return (int64_t)from_le64(value->integer64[i]);
    case WIRE_CTL_BYTES:
    case WIRE_CTL_IEC958:
        return value->bytes[i];
    default:
        return from_le32(value->integer[i]);
    }
}

void ctl_number_set(const struct ctl *ctl, union wire_ctl_value *value, uint32_t i, int64_t number)
{
    switch (ctl_type(ctl)) {
    case WIRE_CTL_INTEGER64:
        value->integer64[i] = to_le64((uint64_t)number);
        break;
    case WIRE_CTL_BYTES:
    case WIRE_CTL_IEC958:
        value->bytes[i] = (uint8_t)number;
        break;
    default:
        value->integer[i] = to_le32((uint32_t)number);
        break;
    }
}

struct ctl_range ctl_range(const struct ctl *ctl)
{
    const union wire_ctl_limits *limits = &ctl->info.limits;

    switch (ctl_type(ctl)) {
    case WIRE_CTL_BOOLEAN:
        return (struct ctl_range){0, 1, 1};
    case WIRE_CTL_INTEGER:
        return (struct ctl_range){(int32_t)from_le32(limits->integer.min),
                                  (int32_t)from_le32(limits->integer.max),
                                  from_le32(limits->integer.step)};
    case WIRE_CTL_INTEGER64:
        return (struct ctl_range){from_halves(limits->integer64.min),
                                  from_halves(limits->integer64.max),
                                  (uint64_t)from_halves(limits->integer64.step)};
    case WIRE_CTL_ENUMERATED:
        return (struct ctl_range){0, (int64_t)from_le32(limits->enumerated.items) - 1, 1};
    default:
        return (struct ctl_range){0, UINT8_MAX, 1};
    }
}

bool ctl_allows(const struct ctl *ctl, int64_t number)
{
    struct ctl_range range = ctl_range(ctl);

    return number >= range.min && number <= range.max &&
           (range.step == 0 || ((uint64_t)number - (uint64_t)range.min) % range.step == 0);
}

bool ctl_value_is_valid(const struct ctl *ctl, const union wire_ctl_value *value)
{
    for (uint32_t i = 0; i < count_of(ctl); i++)
        if (!ctl_allows(ctl, ctl_number(ctl, value, i)))
            return false;
    return true;
}

/* -- what it does -- */

/* What was played or recorded until now was so at the old gain. A host with a clock has been given
 * frames ahead of time, and keeps them as they are. */
static void catch_up(struct pcm *pcm, const struct ctl_group *group)
{
    uint64_t now = pcm_now_ns(pcm);

    for (unsigned i = 0; i < pcm->stream_count; i++) {
        struct stream *stream = &pcm->streams[i];
        if (stream->volume == &group->volume && stream->state == STREAM_RUNNING &&
            stream->clock.kind != CLOCK_KIND_HOST)
            stream_catch_up(stream, now);
    }
}

static void group_update(struct ctls *ctls, struct ctl_group *group)
{
    const struct ctl *level = &ctls->item[group->level_id];
    bool muted = from_le32(ctls->item[group->mute_id].value.integer[0]) == 0;

    catch_up(ctls->pcm, group);
    for (uint32_t i = 0; i < WIRE_CHANNELS_MAX; i++) {
        uint32_t at = MIN(i, count_of(level) - 1);
        group->volume.level[i] = muted ? 0 : (uint16_t)from_le32(level->value.integer[at]);
    }
}

int ctl_set(struct ctls *ctls, unsigned id, const union wire_ctl_value *value)
{
    struct ctl *ctl = &ctls->item[id];
    size_t len = ctl_value_bytes(ctl);

    if (ctl_has(ctl, WIRE_CTL_INACTIVE) || memcmp(&ctl->value, value, len) == 0)
        return 0;
    if (ctls->host != NULL && ctl_host_write(ctls->host, id, value) < 0)
        return -EIO;
    memcpy(&ctl->value, value, len);
    for (unsigned i = 0; i < ctls->group_count; i++) {
        struct ctl_group *group = &ctls->group[i];
        if (id == group->level_id || id == group->mute_id)
            group_update(ctls, group);
    }
    if (!ctl_has(ctl, WIRE_CTL_VOLATILE))
        ctls->changed(ctls, id, WIRE_CTL_VALUE);
    return 0;
}
