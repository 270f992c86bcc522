/* SPDX-License-Identifier: BSD-3-Clause */
/* See others.h. */
#include "guests/hostile/others.h"

#define WORDS_MAX   16
#define PAGE        4096
#define PARTS_EXTRA 4

/* A message that does little if all that the driver says is zeros: to which queue, and how many
 * bytes either of the two may write. */
static const struct form {
    uint32_t id;
    uint8_t queue;
    uint16_t said_bytes, told_bytes;
} forms[] = {
    {VIRTIO_ID_RNG, 0, 0, 64},      {VIRTIO_ID_BLOCK, 0, 16, 513}, /* reads sector 0 */
    {VIRTIO_ID_NET, 1, 12 + 60, 0}, {VIRTIO_ID_CONSOLE, 3, 8, 0},  /* "device ready" */
    {VIRTIO_ID_INPUT, 1, 8, 0},                                    /* a lamp */
    {VIRTIO_ID_VSOCK, 1, 44, 0},    {VIRTIO_ID_FS, 1, 40, 16},     /* no operation */
    {VIRTIO_ID_PMEM, 0, 4, 4},                                     /* flush */
};

static struct form form_of(const struct device *dev)
{
    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++)
        if (forms[i].id == dev->at.id)
            return forms[i];
    return (struct form){.told_bytes = 64};
}

/* Mostly small numbers: a kind, how many of something. */
static uint64_t any_words(uint32_t bytes, struct dice *dice)
{
    uint64_t at = arena_piece(dice, 0x10000);

    for (uint32_t i = 0; i < bytes / 4 && i < WORDS_MAX; i++)
        poke32(at + 4 * (uint64_t)i, one_in(dice, 4) ? evil_32(dice) : roll(dice, 64));
    return at;
}

/* Of its form, and perhaps something more. */
static void other_message(struct device *dev, struct dice *dice)
{
    struct form form = form_of(dev);
    uint32_t queue = one_in(dice, 4) ? roll(dice, dev->queue_count) : form.queue;
    struct part parts[2 + PARTS_EXTRA];
    unsigned count = 0, extra = one_in(dice, 2) ? roll(dice, PARTS_EXTRA) : 0;

    if (form.said_bytes > 0)
        parts[count++] = (struct part){any_words(form.said_bytes, dice), form.said_bytes, 0};
    for (; extra > 0 && form.said_bytes > 0; extra--) {
        uint32_t bytes = one_in(dice, 8) ? evil_32(dice) : 4 + roll(dice, 600);
        parts[count++] = (struct part){any_words(bytes, dice), bytes, 0};
    }
    if (form.told_bytes > 0 || one_in(dice, 4))
        parts[count++] =
            (struct part){arena_piece(dice, 0x10000),
                          one_in(dice, 4) ? evil_32(dice) : form.told_bytes, VRING_DESC_F_WRITE};
    if (count > 0)
        queue_offer_badly(dev, queue % dev->queue_count, parts, count, dice);
}

void other_messages(struct device *dev, struct dice *dice)
{
    for (uint32_t i = roll(dice, 50); i > 0; i--)
        other_message(dev, dice);
}

bool other_answers(struct device *dev)
{
    const uint64_t at = ARENA + RING_BYTES * QUEUES_MAX * DEVICES_MAX;
    struct form form = form_of(dev);
    struct part parts[2];
    unsigned count = 0;

    for (uint32_t i = 0; i < WORDS_MAX + 4; i++)
        poke32(at + 4 * (uint64_t)i, 0);
    if (form.said_bytes > 0)
        parts[count++] = (struct part){at, form.said_bytes, 0};
    if (form.told_bytes > 0)
        parts[count++] = (struct part){at + PAGE, form.told_bytes, VRING_DESC_F_WRITE};
    queue_offer(dev, form.queue, parts, count);
    return queue_wait(dev, form.queue);
}
