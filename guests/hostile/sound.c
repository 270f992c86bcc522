/* SPDX-License-Identifier: BSD-3-Clause */
/* See sound.h. */
#include "guests/hostile/sound.h"

#include <linux/virtio_snd.h>

#define CONFIG_STREAMS    4      /* offset in config space */
#define CTL_FIRST         0x0300 /* mixer controls: VIRTIO_SND_R_CTL_INFO and those that follow */
#define CTL_COUNT         8
#define CTL_INFO_BYTES    92
#define CTL_VALUE_BYTES   516
#define REQUEST_WORDS_MAX 130
#define REPLY_BYTES_MAX   4096

/* A message is about one of them; now and then about none. */
static uint32_t any_stream(const struct device *dev, struct dice *dice)
{
    uint32_t streams = peek32(dev->at.config + CONFIG_STREAMS);

    return one_in(dice, 30) ? streams + roll(dice, 2) : roll(dice, streams);
}

/* -- control messages: each fills in words behind the code and returns their number, the code
 * included; *ret_reply_bytes is what the device writes at most -- */

static unsigned info_request(struct dice *dice, uint32_t *words, uint32_t *ret_reply_bytes)
{
    static const uint32_t codes[] = {VIRTIO_SND_R_JACK_INFO, VIRTIO_SND_R_PCM_INFO,
                                     VIRTIO_SND_R_CHMAP_INFO, CTL_FIRST};
    static const uint32_t sizes[] = {sizeof(struct virtio_snd_jack_info),
                                     sizeof(struct virtio_snd_pcm_info),
                                     sizeof(struct virtio_snd_chmap_info), CTL_INFO_BYTES};
    uint32_t kind = roll(dice, ARRAY_SIZE(codes));

    words[0] = codes[kind];
    words[1] = roll(dice, 3);
    words[2] = 1 + roll(dice, 3);
    words[3] = sizes[kind];
    *ret_reply_bytes = 4 + words[2] * words[3];
    return 4;
}

static unsigned control_request(struct dice *dice, uint32_t *words, uint32_t *ret_reply_bytes)
{
    static const uint32_t value_words[] = {0, 1, 2, 4, 44, REQUEST_WORDS_MAX - 2};
    uint32_t count = 2 + value_words[roll(dice, ARRAY_SIZE(value_words))];

    *ret_reply_bytes = CTL_VALUE_BYTES;
    words[0] = one_in(dice, 8) ? VIRTIO_SND_R_JACK_REMAP : CTL_FIRST + roll(dice, CTL_COUNT);
    words[1] = roll(dice, 12);
    for (uint32_t i = 2; i < count; i++)
        words[i] = roll(dice, 2);
    if (count > 3 && one_in(dice, 2))
        words[3] = roll(dice, 5) * 4; /* the length of metadata */
    return count;
}

static uint32_t period_bytes(struct dice *dice, uint32_t frame_bytes)
{
    static const uint32_t frames[] = {480, 240, 441, 1024, 4800, 1};

    return frame_bytes * frames[roll(dice, ARRAY_SIZE(frames))];
}

static unsigned params_request(struct dice *dice, uint32_t stream, uint32_t *words)
{
    static const uint8_t formats[] = {VIRTIO_SND_PCM_FMT_S16, VIRTIO_SND_PCM_FMT_S32,
                                      VIRTIO_SND_PCM_FMT_FLOAT, VIRTIO_SND_PCM_FMT_S24};
    uint32_t format = roll(dice, ARRAY_SIZE(formats)), channels = 1 + roll(dice, 2);
    uint32_t rate = one_in(dice, 2) ? VIRTIO_SND_PCM_RATE_44100 : VIRTIO_SND_PCM_RATE_48000;

    words[0] = VIRTIO_SND_R_PCM_SET_PARAMS;
    words[1] = stream;
    words[3] = period_bytes(dice, channels * (format == 0 ? 2 : 4));
    words[2] = words[3] * (2 + roll(dice, 8));
    words[4] = one_in(dice, 2) ? 1 << VIRTIO_SND_PCM_F_EVT_XRUNS : 0;
    words[5] = channels | (uint32_t)formats[format] << 8 | rate << 16;
    return 6;
}

static void control_send(struct device *dev, uint32_t *words, unsigned count, uint32_t reply_bytes,
                         struct dice *dice)
{
    uint64_t request = arena_piece(dice, 4 * REQUEST_WORDS_MAX),
             reply = arena_piece(dice, REPLY_BYTES_MAX);
    struct part parts[] = {{request, 4 * count, 0}, {reply, reply_bytes, VRING_DESC_F_WRITE}};

    if (one_in(dice, 8))
        words[roll(dice, count)] = evil_32(dice);
    if (one_in(dice, 30))
        parts[roll(dice, 2)].bytes = roll(dice, 5);
    for (unsigned i = 0; i < count; i++)
        poke32(request + 4 * i, words[i]);
    queue_offer_badly(dev, VIRTIO_SND_VQ_CONTROL, parts, ARRAY_SIZE(parts), dice);
    if (one_in(dice, 16)) /* while it is read */
        poke32(request + 4 * roll(dice, count), evil_32(dice));
}

static void pcm_send(struct device *dev, uint32_t code, uint32_t stream, struct dice *dice)
{
    uint32_t words[REQUEST_WORDS_MAX];
    unsigned count = 2;

    words[0] = code;
    words[1] = stream;
    if (code == VIRTIO_SND_R_PCM_SET_PARAMS)
        count = params_request(dice, stream, words);
    control_send(dev, words, count, 4, dice);
}

/* -- frames, and room for frames and events -- */

static void frames_send(struct device *dev, unsigned queue, uint32_t stream, struct dice *dice)
{
    uint16_t flags = queue == VIRTIO_SND_VQ_RX ? VRING_DESC_F_WRITE : 0;
    uint32_t bytes = period_bytes(dice, one_in(dice, 2) ? 4 : 8);
    uint32_t pieces = one_in(dice, 8) ? 1 + roll(dice, CHAIN_PARTS_MAX - 2) : 1;
    uint64_t header = arena_piece(dice, 4), data = arena_piece(dice, 0x10000);
    struct part parts[CHAIN_PARTS_MAX];
    unsigned count = 0;

    poke32(header, stream);
    parts[count++] = (struct part){header, 4, 0};
    for (uint32_t i = 0; i < pieces; i++)
        parts[count++] = (struct part){data + i * (bytes / pieces), bytes / pieces, flags};
    parts[count++] = (struct part){arena_piece(dice, 8), 8, VRING_DESC_F_WRITE};
    if (one_in(dice, 12))
        parts[roll(dice, count)].bytes = roll(dice, 10);
    queue_offer_badly(dev, queue, parts, count, dice);
}

/* As a driver begins: parameters, PREPARE, frames, START. */
static void begin(struct device *dev, struct dice *dice)
{
    uint32_t stream = any_stream(dev, dice);
    unsigned queue = one_in(dice, 3) ? VIRTIO_SND_VQ_RX : VIRTIO_SND_VQ_TX;

    pcm_send(dev, VIRTIO_SND_R_PCM_SET_PARAMS, stream, dice);
    pcm_send(dev, VIRTIO_SND_R_PCM_PREPARE, stream, dice);
    for (uint32_t i = roll(dice, 6); i > 0; i--)
        frames_send(dev, queue, stream, dice);
    pcm_send(dev, VIRTIO_SND_R_PCM_START, stream, dice);
}

void sound_messages(struct device *dev, struct dice *dice)
{
    const struct part room = {arena_piece(dice, 8), sizeof(struct virtio_snd_event),
                              VRING_DESC_F_WRITE};
    uint32_t words[REQUEST_WORDS_MAX], reply_bytes, kind = roll(dice, 16);
    unsigned count;

    switch (kind) {
    case 0:
        count = info_request(dice, words, &reply_bytes);
        control_send(dev, words, count, reply_bytes, dice);
        break;
    case 1:
        count = control_request(dice, words, &reply_bytes);
        control_send(dev, words, count, reply_bytes, dice);
        break;
    case 2:
    case 3:
    case 4:
        pcm_send(dev, VIRTIO_SND_R_PCM_SET_PARAMS + roll(dice, 5), any_stream(dev, dice), dice);
        break;
    case 5:
        queue_offer_badly(dev, VIRTIO_SND_VQ_EVENT, &room, 1, dice);
        break;
    case 6:
    case 7:
    case 8:
        begin(dev, dice);
        break;
    default:
        frames_send(dev, kind < 13 ? VIRTIO_SND_VQ_TX : VIRTIO_SND_VQ_RX, any_stream(dev, dice),
                    dice);
        break;
    }
}

bool sound_answers(struct device *dev)
{
    uint64_t request = ARENA + RING_BYTES * QUEUES_MAX * DEVICES_MAX, reply = request + 16;
    const struct part parts[] = {
        {request, 16, 0}, {reply, 4 + sizeof(struct virtio_snd_pcm_info), VRING_DESC_F_WRITE}};

    poke32(request, VIRTIO_SND_R_PCM_INFO);
    poke32(request + 4, 0);
    poke32(request + 8, 1);
    poke32(request + 12, sizeof(struct virtio_snd_pcm_info));
    poke32(reply, 0);
    queue_offer(dev, VIRTIO_SND_VQ_CONTROL, parts, ARRAY_SIZE(parts));
    return queue_wait(dev, VIRTIO_SND_VQ_CONTROL) && peek32(reply) == VIRTIO_SND_S_OK;
}
