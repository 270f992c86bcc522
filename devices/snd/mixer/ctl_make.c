/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which control elements a card has (see ctl.h): volume and mute for each function group and
 * direction, named so that Linux's mixers pair them; or those of a card of the host. Main.
 */
#include "devices/snd/mixer/ctl.h"

#include "devices/snd/mixer/ctl_host.h"

#include <stdio.h>
#include <string.h>

/* controls= */
enum { CONTROLS_OFF, CONTROLS_ON, CONTROLS_HOST };

/* Metadata as ALSA has them: the dB of a volume whose steps are even in amplitude (DB_LINEAR, 8
 * bytes), from "silence" to 0 dB. */
static const int32_t db_linear[] = {2, 8, -9999999, 0};

/* Adds an element of the group of the streams `like` this one, all of whose values are `value`. */
static struct ctl *add(struct ctls *ctls, const char *name, enum wire_ctl_type type,
                       const struct wire_pcm_info *like, uint32_t role, uint32_t count,
                       uint32_t value)
{
    struct ctl *ctl = &ctls->item[ctls->count++];
    struct wire_ctl_head *head = &ctl->info.head;

    (void)snprintf((char *)head->name, sizeof(head->name), "%s", name);
    head->hda_fn_nid = like->hda_fn_nid;
    head->role = to_le32(WIRE_CTL_ROLE(role, like->direction));
    head->type = to_le32(type);
    head->access = to_le32(WIRE_CTL_READ | WIRE_CTL_WRITE);
    head->count = to_le32(count);
    for (uint32_t i = 0; i < count; i++)
        ctl->value.number[i] = to_le32(value);
    return ctl;
}

/* -- volume and mute -- */

static bool alike(const struct wire_pcm_info *a, const struct wire_pcm_info *b)
{
    return a->direction == b->direction && a->hda_fn_nid.raw == b->hda_fn_nid.raw;
}

/* Adds a group for the streams that are `like` this one; `index` tells it from others of its
 * direction. */
static void group_add(struct ctls *ctls, const struct wire_pcm_info *like, uint32_t index)
{
    bool plays = like->direction == VIRTIO_SND_D_OUTPUT;
    struct ctl_group *group = &ctls->group[ctls->group_count++];
    uint32_t channels = 1;

    volume_init(&group->volume);
    for (unsigned i = 0; i < ctls->pcm->stream_count; i++) {
        struct stream *stream = &ctls->pcm->streams[i];
        if (!alike(&stream->info, like))
            continue;
        stream->volume = &group->volume;
        channels = MAX(channels, (uint32_t)stream->info.channels_max);
    }
    group->level_id = ctls->count;
    struct ctl *volume =
        add(ctls, plays ? "Master Playback Volume" : "Capture Volume", WIRE_CTL_INTEGER, like,
            WIRE_CTL_ROLE_VOLUME, channels, VOLUME_LEVEL_MAX);
    volume->info.limits.integer.max = to_le32(VOLUME_LEVEL_MAX);
    volume->info.limits.integer.step = to_le32(1);
    volume->info.head.access.raw |= to_le32(WIRE_CTL_TLV_READ).raw;
    for (size_t i = 0; i < ARRAY_SIZE(db_linear); i++)
        volume->tlv[i] = to_le32((uint32_t)db_linear[i]);
    group->mute_id = ctls->count;
    struct ctl *mute = add(ctls, plays ? "Master Playback Switch" : "Capture Switch",
                           WIRE_CTL_BOOLEAN, like, WIRE_CTL_ROLE_MUTE, 1, 1); /* heard */
    volume->info.head.index = mute->info.head.index = to_le32(index);
}

static int own_add(struct ctls *ctls)
{
    uint32_t index[2] = {0, 0}; /* by direction */
    size_t streams = ctls->pcm->stream_count;

    ctls->item = calloc(2 * streams + 1, sizeof(ctls->item[0])); /* none without a stream */
    ctls->group = calloc(streams + 1, sizeof(ctls->group[0]));
    if (ctls->item == NULL || ctls->group == NULL)
        return log_error(-ENOMEM, "control elements");
    for (unsigned i = 0; i < streams; i++) {
        const struct stream *stream = &ctls->pcm->streams[i];
        if (stream->volume == NULL)
            group_add(ctls, &stream->info, index[stream->info.direction]++);
    }
    return 0;
}

/* -- all of them -- */

/* The elements of the card whose mixer is named, or of the PCM: "hw:1" of "hw:1,0". */
static int card_add(struct ctls *ctls, const struct opts *opts)
{
    const char *device = opts_str(opts, "device");
    bool uses_card = opts_has(opts, "mixer");
    char name[128];

    for (unsigned i = 0; i < ctls->pcm->stream_count; i++)
        uses_card |= ctls->pcm->streams[i].host->class == &host_alsa;
    if (!uses_card)
        return opts_error("--snd controls: controls=host is for host=alsa; say whose mixer it is "
                          "to be (mixer=hw:0)");
    device += strncmp(device, "plughw:", 7) == 0 ? strlen("plug") : 0;
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
    return ctl_host_create(ctls, opts_has(opts, "mixer") ? opts_str(opts, "mixer") : name);
}

int ctls_init(struct ctls *ctls, const struct opts *opts)
{
    size_t choice = opts_choice(opts, "controls");
    int r = 0;

    if (opts_has(opts, "mixer") && choice != CONTROLS_HOST)
        return opts_error("--snd mixer: is for controls=host");
    if (choice != CONTROLS_OFF)
        r = choice == CONTROLS_HOST ? card_add(ctls, opts) : own_add(ctls);
    for (unsigned i = 0; i < ctls->count; i++)
        ctls->item[i].padded = (struct wire_ctl_info_padded){.head = ctls->item[i].info.head,
                                                             .limits = ctls->item[i].info.limits};
    return r;
}

void ctls_fini(struct ctls *ctls)
{
    ctl_host_destroy(ctls->host);
    free(ctls->item);
    free(ctls->group);
}
