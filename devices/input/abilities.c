/* SPDX-License-Identifier: BSD-3-Clause */
/* See abilities.h. */
#include "devices/input/abilities.h"

#include <linux/virtio_input.h>
#include <stdio.h>
#include <string.h>

#define KEYS_LAST   KEY_MICMUTE /* the last of a PC's keyboard */
#define FINGERS_MAX 10

struct absinfo {
    le32 min, max, fuzz, flat, res;
};
struct devids {
    le16 bustype, vendor, product, version;
};

/* -- kinds -- */

static void begin(struct abilities *abilities, const char *name, uint16_t product)
{
    (void)snprintf(abilities->name, sizeof(abilities->name), "linnet %s", name);
    abilities->id = (struct input_id){.bustype = BUS_VIRTUAL, .product = product, .version = 1};
}

static void add(struct abilities *abilities, unsigned type, unsigned first, unsigned last)
{
    for (unsigned code = first; code <= last; code++)
        bit_set(abilities->codes[type], code, true);
}

/* With EV_REP the guest repeats keys by itself. */
void abilities_keyboard(struct abilities *abilities)
{
    begin(abilities, "keyboard", 1);
    add(abilities, EV_KEY, KEY_ESC, KEYS_LAST);
    add(abilities, EV_LED, LED_NUML, LED_SCROLLL);
    add(abilities, EV_REP, REP_DELAY, REP_PERIOD);
}

void abilities_mouse(struct abilities *abilities)
{
    begin(abilities, "mouse", 2);
    add(abilities, EV_KEY, BTN_LEFT, BTN_EXTRA);
    add(abilities, EV_REL, REL_X, REL_Y);
    add(abilities, EV_REL, REL_HWHEEL, REL_HWHEEL);
    add(abilities, EV_REL, REL_WHEEL, REL_WHEEL);
}

static void add_axis(struct abilities *abilities, unsigned code, uint32_t maximum)
{
    add(abilities, EV_ABS, code, code);
    abilities->axis[code] = (struct input_absinfo){.maximum = (int32_t)maximum};
}

void abilities_touch(struct abilities *abilities, uint32_t width, uint32_t height)
{
    begin(abilities, "touch screen", 3);
    bit_set(abilities->properties, INPUT_PROP_DIRECT, true);
    add(abilities, EV_KEY, BTN_TOUCH, BTN_TOUCH);
    add_axis(abilities, ABS_X, width - 1);
    add_axis(abilities, ABS_Y, height - 1);
    add_axis(abilities, ABS_MT_SLOT, FINGERS_MAX - 1);
    add_axis(abilities, ABS_MT_POSITION_X, width - 1);
    add_axis(abilities, ABS_MT_POSITION_Y, height - 1);
    add_axis(abilities, ABS_MT_TRACKING_ID, UINT16_MAX);
}

bool abilities_has(const struct abilities *abilities, unsigned type, unsigned code)
{
    return type < EV_CNT && code < KEY_CNT && bit_get(abilities->codes[type], code);
}

/* -- config space -- */

static void answer_text(const char *text, struct input_config *config)
{
    config->size = (uint8_t)strlen(text);
    memcpy(config->answer, text, config->size);
}

static void answer_ids(const struct input_id *id, struct input_config *config)
{
    const struct devids ids = {to_le16(id->bustype), to_le16(id->vendor), to_le16(id->product),
                               to_le16(id->version)};

    config->size = sizeof(ids);
    memcpy(config->answer, &ids, sizeof(ids));
}

/* Up to the last byte that is not zero. */
static void answer_bits(const uint8_t *bits, uint8_t bytes, struct input_config *config)
{
    while (bytes > 0 && bits[bytes - 1] == 0)
        bytes--;
    config->size = bytes;
    memcpy(config->answer, bits, bytes);
}

static void answer_axis(const struct input_absinfo *axis, struct input_config *config)
{
    const struct absinfo info = {
        to_le32((uint32_t)axis->minimum),    to_le32((uint32_t)axis->maximum),
        to_le32((uint32_t)axis->fuzz),       to_le32((uint32_t)axis->flat),
        to_le32((uint32_t)axis->resolution),
    };

    config->size = sizeof(info);
    memcpy(config->answer, &info, sizeof(info));
}

void abilities_answer(const struct abilities *abilities, uint8_t select, uint8_t subsel,
                      struct input_config *ret_config)
{
    *ret_config = (struct input_config){.select = select, .subsel = subsel};
    if (select == VIRTIO_INPUT_CFG_EV_BITS && subsel < EV_CNT)
        answer_bits(abilities->codes[subsel], ABILITIES_KEYS, ret_config);
    else if (select == VIRTIO_INPUT_CFG_ABS_INFO && abilities_has(abilities, EV_ABS, subsel))
        answer_axis(&abilities->axis[subsel], ret_config);
    if (subsel != 0)
        return;
    if (select == VIRTIO_INPUT_CFG_ID_NAME)
        answer_text(abilities->name, ret_config);
    else if (select == VIRTIO_INPUT_CFG_ID_SERIAL)
        answer_text(abilities->serial, ret_config);
    else if (select == VIRTIO_INPUT_CFG_ID_DEVIDS)
        answer_ids(&abilities->id, ret_config);
    else if (select == VIRTIO_INPUT_CFG_PROP_BITS)
        answer_bits(abilities->properties, sizeof(abilities->properties), ret_config);
}
