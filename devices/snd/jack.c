/* SPDX-License-Identifier: BSD-3-Clause */
/* See jack.h. */
#include "devices/snd/jack.h"

#include "vmm/base/text.h"

#include <string.h>

/* Pin default configuration (HDA §7.3.3.31): a number of 4 bits names what is plugged in there;
 * association and sequence order the pins. */
#define DEFCONF_ASSOCIATION_SHIFT 4
#define DEFCONF_DEVICE_SHIFT      20
#define DEFCONF_LOCATION_SHIFT    24
#define DEFCONF_LOCATION_HDMI     0x18u

/* Pin capabilities (HDA §7.3.4.9). */
#define CAPS_PRESENCE  (1u << 2)
#define CAPS_HEADPHONE (1u << 3)
#define CAPS_OUTPUT    (1u << 4)
#define CAPS_INPUT     (1u << 5)

/* What jacks= may name. Linux makes its label from device and location: "Headphone Jack". */
static const struct jack_kind {
    const char *name;
    uint8_t device;
    uint8_t location;
    uint8_t direction;
    uint8_t caps;
} kinds[] = {
    {"line-out", 0x0, 0, VIRTIO_SND_D_OUTPUT, CAPS_OUTPUT},
    {"speaker", 0x1, 0, VIRTIO_SND_D_OUTPUT, CAPS_OUTPUT},
    {"headphone", 0x2, 0, VIRTIO_SND_D_OUTPUT, CAPS_OUTPUT | CAPS_HEADPHONE},
    {"spdif-out", 0x4, 0, VIRTIO_SND_D_OUTPUT, CAPS_OUTPUT},
    {"hdmi", 0x5, DEFCONF_LOCATION_HDMI, VIRTIO_SND_D_OUTPUT, CAPS_OUTPUT},
    {"line-in", 0x8, 0, VIRTIO_SND_D_INPUT, CAPS_INPUT},
    {"mic", 0xa, 0, VIRTIO_SND_D_INPUT, CAPS_INPUT},
    {"spdif-in", 0xc, 0, VIRTIO_SND_D_INPUT, CAPS_INPUT},
};
#define KIND_NAMES "line-out, speaker, headphone, spdif-out, hdmi, line-in, mic or spdif-in"

/* The function group of the streams that this jack belongs to: the first of its direction. */
static le32 function_of(const struct pcm *pcm, const struct jack_kind *kind)
{
    for (unsigned i = 0; i < pcm->stream_count; i++)
        if (pcm->streams[i].info.direction == kind->direction)
            return pcm->streams[i].info.hda_fn_nid;
    return to_le32(0);
}

static void jack_add(struct jacks *jacks, const struct pcm *pcm, const struct jack_kind *kind,
                     bool connected)
{
    /* Association 0 is reserved; one for each direction, in the order in which they were given. */
    uint32_t association = kind->direction == VIRTIO_SND_D_OUTPUT ? 1 : 2;
    uint32_t sequence = jacks->count++;
    struct jack *jack = &jacks->item[sequence];

    jack->name = kind->name;
    jack->info = (struct wire_jack_info){
        .hda_fn_nid = function_of(pcm, kind),
        .hda_reg_defconf = to_le32((uint32_t)kind->location << DEFCONF_LOCATION_SHIFT |
                                   (uint32_t)kind->device << DEFCONF_DEVICE_SHIFT |
                                   association << DEFCONF_ASSOCIATION_SHIFT | sequence),
        .hda_reg_caps = to_le32(kind->caps | CAPS_PRESENCE),
        .connected = connected,
    };
}

/* Adds the jack of one word, "mic" or "mic:unplugged". */
static int word_add(struct jacks *jacks, const struct pcm *pcm, const char *word)
{
    if (jacks->count == EVENT_JACKS_MAX)
        return opts_error("--snd jacks: too many; at most %d are taken", EVENT_JACKS_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t len = strlen(kinds[i].name);
        bool connected = strcmp(word, kinds[i].name) == 0;
        if (!connected &&
            (strncmp(word, kinds[i].name, len) != 0 || strcmp(word + len, ":unplugged") != 0))
            continue;
        jack_add(jacks, pcm, &kinds[i], connected);
        return 0;
    }
    return opts_error("--snd jacks: '%s' is not known; give " KIND_NAMES
                      " joined by '+', each as it is or with :unplugged",
                      word);
}

int jacks_init(struct jacks *jacks, const struct pcm *pcm, const struct opts *opts)
{
    const char *text = opts_str(opts, "jacks");
    char word[TEXT_WORD_SIZE];
    int r = 0;

    while (r == 0 && text_word(&text, '+', word))
        r = word_add(jacks, pcm, word);
    return r;
}

void jack_plug(struct jacks *jacks, unsigned jack, bool connected)
{
    struct wire_jack_info *info = &jacks->item[jack].info;

    if (info->connected == connected)
        return;
    info->connected = connected;
    events_jack(jacks->events, jack, connected);
}
