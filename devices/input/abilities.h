/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an input device can do, numbered as Linux's evdev does: types of events, the codes of each,
 * the ranges of axes. Config space says it, a question at a time, and no event that is not among it
 * reaches the guest. Main makes it, nobody changes it after.
 */
#pragma once

#include "vmm/base/base.h"

#include <linux/input.h>

#define ABILITIES_TEXT_MAX 128
#define ABILITIES_KEYS     (KEY_CNT / 8) /* bytes of the longest bitmap, that of keys */

/* Config space (virtio 1.2 §5.8.4): what is asked for, and the answer. */
struct input_config {
    uint8_t select, subsel, size, reserved[5];
    uint8_t answer[128];
};
_Static_assert(sizeof(struct input_config) == 136, "§5.8.4");

struct abilities {
    char name[ABILITIES_TEXT_MAX + 1], serial[ABILITIES_TEXT_MAX + 1];
    struct input_id id;
    uint8_t properties[INPUT_PROP_CNT / 8];
    uint8_t codes[EV_CNT][ABILITIES_KEYS];
    struct input_absinfo axis[ABS_CNT];
};

/* The device of that kind; of a touch screen, how many points it has each way. */
void abilities_keyboard(struct abilities *abilities);
void abilities_mouse(struct abilities *abilities);
void abilities_touch(struct abilities *abilities, uint32_t width, uint32_t height);

static inline bool bit_get(const uint8_t *bits, unsigned bit)
{
    return (bits[bit / 8] >> bit % 8 & 1) != 0;
}
static inline void bit_set(uint8_t *bits, unsigned bit, bool on)
{
    bits[bit / 8] = (uint8_t)((bits[bit / 8] & ~(1u << bit % 8)) | (on ? 1u : 0u) << bit % 8);
}

/* Whether it has events of that type and code. Takes any numbers. */
bool abilities_has(const struct abilities *abilities, unsigned type, unsigned code);

/* Answers a question, with size 0 if there is no answer. */
void abilities_answer(const struct abilities *abilities, uint8_t select, uint8_t subsel,
                      struct input_config *ret_config);
