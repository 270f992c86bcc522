/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which control elements a card has (see ctl.h): volume and mute for each function group and
 * direction, named so that Linux's mixers pair them; with controls=all one element of each type and
 * each kind of access besides, for people who test drivers and mixers. Main.
 */
#include "devices/snd/mixer/alsa_ctl.h"
#include "devices/snd/mixer/ctl.h"
#include "devices/snd/snd.h"

#include <stdio.h>
#include <string.h>

/* controls= */
enum { CONTROLS_OFF, CONTROLS_ON, CONTROLS_ALL, CONTROLS_HOST };

#define TESTS 9 /* elements of tests_add() */

#define READ_WRITE (WIRE_CTL_READ | WIRE_CTL_WRITE)

/* Metadata as ALSA has them: dB of a volume whose steps are even in amplitude (DB_LINEAR: from
 * "silence" to 0 dB), and a plain range in 0.01 dB (DB_MINMAX). */
static const uint32_t db_linear[] = {2, 8, (uint32_t)-9999999, 0};
static const uint32_t db_minmax[] = {4, 8, (uint32_t)-1000, 0};

/* Adds an element of which `what` has everything that is not 0; its number. */
static unsigned add(struct snd *snd, const char *name, const struct wire_ctl_info *what)
{
    unsigned id = snd->ctls.count++;
    struct ctl *ctl = &snd->ctls.item[id];
    size_t len = strlen(name);

    assert(id < EVENT_CONTROLS_MAX && len > 0 && len < WIRE_CTL_NAME_BYTES);
    ctl->info = *what;
    memcpy(ctl->info.head.name, name, len);
    ctl->padded = (struct wire_ctl_info_padded){.head = ctl->info.head, .limits = ctl->info.limits};
    return id;
}

/* Gives an element metadata, and room for up to `room` bytes of them. */
static int add_tlv(struct snd *snd, unsigned id, const uint32_t words[4], uint32_t room)
{
    struct ctl *ctl = &snd->ctls.item[id];
    const uint32_t bytes = 4 * sizeof(words[0]);

    assert(room >= bytes);
    ctl->tlv = calloc(1, room);
    if (ctl->tlv == NULL)
        return log_error(-ENOMEM, "%s: control elements", snd->dev.name);
    for (unsigned i = 0; i < 4; i++) {
        le32 word = to_le32(words[i]);
        memcpy(ctl->tlv + i * sizeof(word), &word, sizeof(word));
    }
    ctl->tlv_bytes = bytes;
    ctl->tlv_room = room;
    return 0;
}

/* -- volume and mute -- */

/* Most channels that a stream of the group has. */
static uint32_t group_channels(const struct snd *snd, const struct wire_pcm_info *like)
{
    uint32_t channels = 1;

    for (unsigned i = 0; i < snd->stream_count; i++) {
        const struct wire_pcm_info *info = &snd->streams[i].info;
        if (info->direction == like->direction && info->hda_fn_nid.raw == like->hda_fn_nid.raw)
            channels = MAX(channels, (uint32_t)info->channels_max);
    }
    return MIN(channels, (uint32_t)WIRE_CHANNELS_MAX);
}

/* The head of an element for the group of the stream `like`. */
static struct wire_ctl_head head_like(const struct wire_pcm_info *like, uint32_t role,
                                      uint32_t type, uint32_t count, uint32_t index)
{
    return (struct wire_ctl_head){
        .hda_fn_nid = like->hda_fn_nid,
        .role = to_le32(WIRE_CTL_ROLE(role, like->direction)),
        .type = to_le32(type),
        .access = to_le32(READ_WRITE | (type == WIRE_CTL_INTEGER ? WIRE_CTL_TLV_READ : 0)),
        .count = to_le32(count),
        .index = to_le32(index),
    };
}

/* Adds a group for the streams that are `like` this one; `index` tells it from others of its
 * direction. */
static int group_add(struct snd *snd, const struct wire_pcm_info *like, uint32_t index)
{
    bool plays = like->direction == VIRTIO_SND_D_OUTPUT;
    uint32_t channels = group_channels(snd, like);
    struct ctl_group *group = &snd->ctls.group[snd->ctls.group_count++];
    const struct wire_ctl_info level = {
        .head = head_like(like, WIRE_CTL_ROLE_VOLUME, WIRE_CTL_INTEGER, channels, index),
        .limits.integer = {.max = to_le32(VOLUME_LEVEL_MAX), .step = to_le32(1)},
    };
    const struct wire_ctl_info mute = {
        .head = head_like(like, WIRE_CTL_ROLE_MUTE, WIRE_CTL_BOOLEAN, 1, index)};

    *group = (struct ctl_group){.hda_fn_nid = like->hda_fn_nid, .direction = like->direction};
    volume_init(&group->volume);
    group->level_id = add(snd, plays ? "Master Playback Volume" : "Capture Volume", &level);
    group->mute_id = add(snd, plays ? "Master Playback Switch" : "Capture Switch", &mute);
    for (uint32_t i = 0; i < channels; i++)
        snd->ctls.item[group->level_id].value.integer[i] = to_le32(VOLUME_LEVEL_MAX);
    snd->ctls.item[group->mute_id].value.integer[0] = to_le32(1); /* not muted */
    return add_tlv(snd, group->level_id, db_linear, sizeof(db_linear));
}

static int groups_add(struct snd *snd)
{
    uint32_t index[2] = {0, 0}; /* by direction */
    int r = 0;

    for (unsigned i = 0; i < snd->stream_count && r == 0; i++) {
        const struct wire_pcm_info *info = &snd->streams[i].info;
        bool known = false;
        for (unsigned g = 0; g < snd->ctls.group_count; g++)
            known |= snd->ctls.group[g].direction == info->direction &&
                     snd->ctls.group[g].hda_fn_nid.raw == info->hda_fn_nid.raw;
        if (!known)
            r = group_add(snd, info, index[info->direction]++);
    }
    return r;
}

/* -- one of each, for tests -- */

/*
 * None of their 32-bit numbers is negative: 64-bit Linux 6.12 takes them as unsigned. Where an
 * element has several, each may be 0: the kernel's mixer-test leaves all but one of them so.
 */

static const char *const colours[] = {"Red", "Green", "Blue", NULL};

static void played_frames(const struct snd *snd, struct ctl *ctl)
{
    uint64_t frames = 0;

    for (unsigned i = 0; i < snd->stream_count; i++)
        if (snd->streams[i].info.direction == VIRTIO_SND_D_OUTPUT)
            frames += snd->streams[i].counts.frames;
    ctl->value.integer64[0] = to_le64(frames);
}

static struct wire_ctl_head test_head(uint32_t type, uint32_t access, uint32_t count)
{
    return (struct wire_ctl_head){
        .type = to_le32(type), .access = to_le32(access), .count = to_le32(count)};
}

static struct wire_ctl_info integer64(uint32_t access, uint32_t count, int64_t min, int64_t max,
                                      int64_t step)
{
    struct wire_ctl_info info = {.head = test_head(WIRE_CTL_INTEGER64, access, count)};

    ctl_to_halves(min, info.limits.integer64.min);
    ctl_to_halves(max, info.limits.integer64.max);
    ctl_to_halves(step, info.limits.integer64.step);
    return info;
}

static struct wire_ctl_info integer(uint32_t access, uint32_t count, int32_t min, int32_t max,
                                    uint32_t step)
{
    return (struct wire_ctl_info){
        .head = test_head(WIRE_CTL_INTEGER, access, count),
        .limits.integer = {to_le32((uint32_t)min), to_le32((uint32_t)max), to_le32(step)},
    };
}

static int tests_add(struct snd *snd)
{
    const uint32_t metadata_access =
        READ_WRITE | WIRE_CTL_TLV_READ | WIRE_CTL_TLV_WRITE | WIRE_CTL_TLV_COMMAND;
    const int64_t high = 1ll << 32; /* the least that a 32-bit value would lose */
    const struct wire_ctl_info boolean = {.head = test_head(WIRE_CTL_BOOLEAN, READ_WRITE, 2)};
    const struct wire_ctl_info number = integer(READ_WRITE, 3, 0, 30, 2);
    const struct wire_ctl_info large = integer64(READ_WRITE, 2, -3 * high, 3 * high, high);
    const struct wire_ctl_info colour = {.head = test_head(WIRE_CTL_ENUMERATED, READ_WRITE, 2),
                                         .limits.enumerated = {to_le32(3)}};
    const struct wire_ctl_info bytes = {.head = test_head(WIRE_CTL_BYTES, READ_WRITE, 512)};
    const struct wire_ctl_info iec958 = {.head = test_head(WIRE_CTL_IEC958, READ_WRITE, 1)};
    const struct wire_ctl_info metadata = integer(metadata_access, 1, 10, 30, 2);
    const struct wire_ctl_info inactive = integer(READ_WRITE | WIRE_CTL_INACTIVE, 1, 0, 10, 1);
    const struct wire_ctl_info played =
        integer64(WIRE_CTL_READ | WIRE_CTL_VOLATILE, 1, 0, INT64_MAX, 0);

    (void)add(snd, "Test Switch", &boolean);
    (void)add(snd, "Test Integer", &number);
    (void)add(snd, "Test Integer64", &large);
    snd->ctls.item[add(snd, "Test Enumerated", &colour)].items = colours;
    (void)add(snd, "Test Bytes", &bytes);
    (void)add(snd, "IEC958 Playback Default", &iec958);
    (void)add(snd, "Test Inactive", &inactive);
    snd->ctls.item[add(snd, "Played Frames", &played)].refresh = played_frames;
    unsigned id = add(snd, "Test Metadata", &metadata);
    snd->ctls.item[id].value.integer[0] = metadata.limits.integer.min;
    return add_tlv(snd, id, db_minmax, sizeof(struct wire_ctl_tlv) + WIRE_CTL_TLV_BYTES_MAX);
}

/* -- all of them -- */

/* The elements of the card whose mixer is named, or that the streams use. */
static int host_add(struct snd *snd, const struct opts *opts)
{
    char name[ALSA_CTL_NAME_BYTES];
    bool uses_card = false;

    for (unsigned i = 0; i < snd->stream_count; i++)
        uses_card |= snd->streams[i].host->class == &host_alsa;
    if (opts_has(opts, "mixer"))
        return ctl_host_create(snd, opts_str(opts, "mixer"), &snd->ctls.host);
    if (!uses_card)
        return opts_error("--snd controls: controls=host is for host=alsa; say whose mixer it is "
                          "to be (mixer=hw:0)");
    alsa_ctl_name(opts_str(opts, "device"), name);
    return ctl_host_create(snd, name, &snd->ctls.host);
}

static int own_add(struct snd *snd, bool tests)
{
    snd->ctls.item = calloc((size_t)2 * snd->stream_count + TESTS, sizeof(snd->ctls.item[0]));
    if (snd->ctls.item == NULL)
        return log_error(-ENOMEM, "%s: control elements", snd->dev.name);
    int r = groups_add(snd);
    return r == 0 && tests ? tests_add(snd) : r;
}

int ctls_init(struct snd *snd, const struct opts *opts)
{
    size_t choice = opts_choice(opts, "controls");

    if (opts_has(opts, "mixer") && choice != CONTROLS_HOST)
        return opts_error("--snd mixer: is for controls=host");
    if (choice == CONTROLS_OFF)
        return 0;
    int r = choice == CONTROLS_HOST ? host_add(snd, opts) : own_add(snd, choice == CONTROLS_ALL);
    if (r < 0 || snd->ctls.count == 0)
        return r;
    snd->config.controls = to_le32(snd->ctls.count);
    snd->dev.config_size = sizeof(snd->config);
    snd->dev.features |= 1ull << WIRE_F_CTLS;
    return 0;
}

void ctls_fini(struct snd *snd)
{
    for (unsigned i = 0; i < snd->ctls.count; i++)
        free(snd->ctls.item[i].tlv);
    ctl_host_destroy(snd->ctls.host);
    free(snd->ctls.item);
}
