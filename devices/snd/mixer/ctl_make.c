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

/* -- volume and mute -- */

static bool alike(const struct wire_pcm_info *a, const struct wire_pcm_info *b)
{
    return a->direction == b->direction && a->hda_fn_nid.raw == b->hda_fn_nid.raw;
}

/* Adds a group for the streams that are `like` this one; `index` tells it from others of its
 * direction. */
static void group_add(struct ctls *ctls, const struct wire_pcm_info *like, uint32_t index)
{
    static const struct {
        const char *names[2]; /* by direction */
        uint32_t type, role, access, value;
    } kinds[2] = {
        {{"Master Playback Volume", "Capture Volume"},
         WIRE_CTL_INTEGER,
         WIRE_CTL_ROLE_VOLUME,
         WIRE_CTL_READ | WIRE_CTL_WRITE | WIRE_CTL_TLV_READ,
         VOLUME_LEVEL_MAX},
        {{"Master Playback Switch", "Capture Switch"},
         WIRE_CTL_BOOLEAN,
         WIRE_CTL_ROLE_MUTE,
         WIRE_CTL_READ | WIRE_CTL_WRITE,
         1},
    };
    struct volume *volume = &ctls->volume[ctls->count / 2];
    uint32_t channels = 1;

    for (uint32_t i = 0; i < WIRE_CHANNELS_MAX; i++)
        volume->level[i] = VOLUME_LEVEL_MAX;
    for (unsigned i = 0; i < ctls->pcm->stream_count; i++) {
        struct stream *stream = &ctls->pcm->streams[i];
        if (!alike(&stream->info, like))
            continue;
        stream->volume = volume;
        channels = MAX(channels, (uint32_t)stream->info.channels_max);
    }
    for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct ctl *ctl = &ctls->item[ctls->count++];
        uint32_t count = kinds[k].type == WIRE_CTL_INTEGER ? channels : 1;
        ctl->info.head = (struct wire_ctl_head){
            .hda_fn_nid = like->hda_fn_nid,
            .role = to_le32(WIRE_CTL_ROLE(kinds[k].role, like->direction)),
            .type = to_le32(kinds[k].type),
            .access = to_le32(kinds[k].access),
            .count = to_le32(count),
            .index = to_le32(index),
        };
        (void)strcpy((char *)ctl->info.head.name, kinds[k].names[like->direction]);
        for (uint32_t i = 0; i < count; i++)
            ctl->value.number[i] = to_le32(kinds[k].value);
    }
    struct ctl *level = &ctls->item[ctls->count - 2];
    level->info.limits.integer.max = to_le32(VOLUME_LEVEL_MAX);
    level->info.limits.integer.step = to_le32(1);
    for (size_t i = 0; i < ARRAY_SIZE(db_linear); i++)
        level->tlv[i] = to_le32((uint32_t)db_linear[i]);
}

static int own_add(struct ctls *ctls)
{
    uint32_t index[2] = {0, 0}; /* by direction */
    size_t streams = ctls->pcm->stream_count;

    ctls->item = calloc(2 * streams + 1, sizeof(ctls->item[0])); /* none without a stream */
    ctls->volume = calloc(streams + 1, sizeof(ctls->volume[0]));
    if (ctls->item == NULL || ctls->volume == NULL)
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
    free(ctls->volume);
}
