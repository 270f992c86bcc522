/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which control elements a card has (see ctl.h): volume and mute for each function group and
 * direction, named so that Linux's mixers pair them; with controls=all one element of each type and
 * each kind of access besides, for people who test drivers and mixers. Main.
 */
#include "devices/snd/mixer/ctl.h"

#include "devices/snd/mixer/ctl_host.h"

#include <stdio.h>
#include <string.h>

/* controls= */
enum { CONTROLS_OFF, CONTROLS_ON, CONTROLS_ALL, CONTROLS_HOST };

#define READ_WRITE (WIRE_CTL_READ | WIRE_CTL_WRITE)
#define TLV_ALL    (WIRE_CTL_TLV_READ | WIRE_CTL_TLV_WRITE | WIRE_CTL_TLV_COMMAND)

/* What an element begins as. */
struct row {
    const char *name;
    enum wire_ctl_type type;
    uint32_t access;
    uint32_t count;
    int64_t min, max, step; /* of numbers; WIRE_CTL_ENUMERATED: max items */
};

/* Metadata as ALSA has them: dB of a volume whose steps are even in amplitude (DB_LINEAR: from
 * "silence" to 0 dB), and a plain range in 0.01 dB (DB_MINMAX). */
static const uint32_t db_linear[4] = {2, 8, (uint32_t)-9999999, 0};
static const uint32_t db_minmax[4] = {4, 8, (uint32_t)-1000, 0};

static void limits_set(const struct row *row, union wire_ctl_limits *ret_limits)
{
    if (row->type == WIRE_CTL_INTEGER64) {
        to_halves(row->min, ret_limits->integer64.min);
        to_halves(row->max, ret_limits->integer64.max);
        to_halves(row->step, ret_limits->integer64.step);
    } else if (row->type == WIRE_CTL_ENUMERATED) {
        ret_limits->enumerated.items = to_le32((uint32_t)row->max);
    } else {
        ret_limits->integer.min = to_le32((uint32_t)row->min);
        ret_limits->integer.max = to_le32((uint32_t)row->max);
        ret_limits->integer.step = to_le32((uint32_t)row->step);
    }
}

/* Adds an element, of the group of the streams `like` this one if that is not NULL. */
static struct ctl *add(struct ctls *ctls, const struct row *row, const struct wire_pcm_info *like,
                       uint32_t role, uint32_t index)
{
    struct ctl *ctl = &ctls->item[ctls->count++];
    struct wire_ctl_head *head = &ctl->info.head;
    size_t len = strlen(row->name);

    assert(len > 0 && len < WIRE_CTL_NAME_BYTES);
    memcpy(head->name, row->name, len);
    head->type = to_le32(row->type);
    head->access = to_le32(row->access);
    head->count = to_le32(row->count);
    head->index = to_le32(index);
    if (like != NULL) {
        head->hda_fn_nid = like->hda_fn_nid;
        head->role = to_le32(WIRE_CTL_ROLE(role, like->direction));
    }
    limits_set(row, &ctl->info.limits);
    ctl->padded = (struct wire_ctl_info_padded){.head = *head, .limits = ctl->info.limits};
    return ctl;
}

/* Gives an element metadata, and room for all that a driver may write if it may. */
static int add_tlv(struct ctl *ctl, const uint32_t words[4])
{
    const uint32_t bytes = 4 * sizeof(words[0]);

    ctl->tlv = calloc(1, ctl_has(ctl, WIRE_CTL_TLV_WRITE)
                             ? sizeof(struct wire_ctl_tlv) + WIRE_CTL_TLV_BYTES_MAX
                             : bytes);
    if (ctl->tlv == NULL)
        return log_error(-ENOMEM, "control elements");
    for (unsigned i = 0; i < 4; i++) {
        le32 word = to_le32(words[i]);
        memcpy(ctl->tlv + i * sizeof(word), &word, sizeof(word));
    }
    ctl->tlv_bytes = bytes;
    return 0;
}

/* -- volume and mute -- */

static bool alike(const struct wire_pcm_info *a, const struct wire_pcm_info *b)
{
    return a->direction == b->direction && a->hda_fn_nid.raw == b->hda_fn_nid.raw;
}

/* Adds a group for the streams that are `like` this one; `index` tells it from others of its
 * direction. */
static int group_add(struct ctls *ctls, const struct wire_pcm_info *like, uint32_t index)
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
    const struct row level = {.name = plays ? "Master Playback Volume" : "Capture Volume",
                              .type = WIRE_CTL_INTEGER,
                              .access = READ_WRITE | WIRE_CTL_TLV_READ,
                              .count = channels,
                              .max = VOLUME_LEVEL_MAX,
                              .step = 1};
    const struct row mute = {.name = plays ? "Master Playback Switch" : "Capture Switch",
                             .type = WIRE_CTL_BOOLEAN,
                             .access = READ_WRITE,
                             .count = 1};
    group->level_id = ctls->count;
    struct ctl *volume = add(ctls, &level, like, WIRE_CTL_ROLE_VOLUME, index);
    for (uint32_t i = 0; i < channels; i++)
        volume->value.integer[i] = to_le32(VOLUME_LEVEL_MAX);
    group->mute_id = ctls->count;
    add(ctls, &mute, like, WIRE_CTL_ROLE_MUTE, index)->value.integer[0] = to_le32(1); /* heard */
    return add_tlv(volume, db_linear);
}

static int groups_add(struct ctls *ctls)
{
    uint32_t index[2] = {0, 0}; /* by direction */
    int r = 0;

    for (unsigned i = 0; i < ctls->pcm->stream_count && r == 0; i++) {
        const struct stream *stream = &ctls->pcm->streams[i];
        if (stream->volume == NULL)
            r = group_add(ctls, &stream->info, index[stream->info.direction]++);
    }
    return r;
}

/* -- one of each, for tests -- */

#define HIGH (1ll << 32) /* the least that a 32-bit value would lose */

/*
 * None of the 32-bit numbers is negative: 64-bit Linux 6.12 takes them as unsigned. Where an
 * element has several, each may be 0: the kernel's mixer-test leaves all but one of them so.
 */
static const struct row tests[] = {
    {"Test Switch", WIRE_CTL_BOOLEAN, READ_WRITE, 2},
    {"Test Integer", WIRE_CTL_INTEGER, READ_WRITE, 3, 0, 30, 2},
    {"Test Integer64", WIRE_CTL_INTEGER64, READ_WRITE, 2, -3 * HIGH, 3 * HIGH, HIGH},
    {"Test Enumerated", WIRE_CTL_ENUMERATED, READ_WRITE, 2, .max = 3},
    {"Test Bytes", WIRE_CTL_BYTES, READ_WRITE, 512},
    {"IEC958 Playback Default", WIRE_CTL_IEC958, READ_WRITE, 1},
    {"Test Inactive", WIRE_CTL_INTEGER, READ_WRITE | WIRE_CTL_INACTIVE, 1, 0, 10, 1},
    {"Played Frames", WIRE_CTL_INTEGER64, WIRE_CTL_READ | WIRE_CTL_VOLATILE, 1, 0, INT64_MAX},
    {"Test Metadata", WIRE_CTL_INTEGER, READ_WRITE | TLV_ALL, 1, 10, 30, 2},
};

static const char colours[][WIRE_CTL_ITEM_BYTES] = {"Red", "Green", "Blue"};

static void played_frames(const struct ctls *ctls, struct ctl *ctl)
{
    uint64_t frames = 0;

    for (unsigned i = 0; i < ctls->pcm->stream_count; i++)
        if (stream_is_output(&ctls->pcm->streams[i]))
            frames += ctls->pcm->streams[i].counts.frames;
    ctl->value.integer64[0] = to_le64(frames);
}

static int tests_add(struct ctls *ctls)
{
    struct ctl *ctl = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        ctl = add(ctls, &tests[i], NULL, 0, 0);
        if (tests[i].type == WIRE_CTL_ENUMERATED)
            ctl->items = colours;
        if (ctl_has(ctl, WIRE_CTL_VOLATILE))
            ctl->refresh = played_frames;
    }
    ctl->value.integer[0] = ctl->info.limits.integer.min;
    return add_tlv(ctl, db_minmax);
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

static int own_add(struct ctls *ctls, bool all)
{
    size_t streams = ctls->pcm->stream_count;

    ctls->item = calloc(2 * streams + ARRAY_SIZE(tests), sizeof(ctls->item[0]));
    ctls->group = calloc(streams + 1, sizeof(ctls->group[0])); /* none without a stream */
    if (ctls->item == NULL || ctls->group == NULL)
        return log_error(-ENOMEM, "control elements");
    int r = groups_add(ctls);
    return r == 0 && all ? tests_add(ctls) : r;
}

int ctls_init(struct ctls *ctls, const struct opts *opts)
{
    size_t choice = opts_choice(opts, "controls");

    if (opts_has(opts, "mixer") && choice != CONTROLS_HOST)
        return opts_error("--snd mixer: is for controls=host");
    if (choice == CONTROLS_OFF)
        return 0;
    return choice == CONTROLS_HOST ? card_add(ctls, opts) : own_add(ctls, choice == CONTROLS_ALL);
}

void ctls_fini(struct ctls *ctls)
{
    for (unsigned i = 0; i < ctls->count; i++)
        free(ctls->item[i].tlv);
    ctl_host_destroy(ctls->host);
    free(ctls->item);
    free(ctls->group);
}
