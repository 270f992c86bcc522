/* SPDX-License-Identifier: BSD-3-Clause */
/* See keys.h. */
#include "devices/input/keys.h"

#include <ctype.h>
#include <linux/input-event-codes.h>
#include <string.h>

/* Rows of a keyboard, whose codes follow each other. '+' joins keys and has none here. */
static const struct {
    int first;
    const char *keys;
} rows[] = {
    {KEY_1, "1234567890-="},
    {KEY_Q, "qwertyuiop[]"},
    {KEY_A, "asdfghjkl;'`"},
    {KEY_BACKSLASH, "\\zxcvbnm,./"},
};

/* clang-format off */
#define KEY(name) {#name, KEY_##name}
#define BUTTON(name) {#name, name}
static const struct {
    const char *name;
    int code;
} names[] = {
    KEY(ESC), KEY(BACKSPACE), KEY(TAB), KEY(ENTER), KEY(SPACE), KEY(CAPSLOCK), KEY(NUMLOCK),
    KEY(SCROLLLOCK), KEY(SYSRQ), KEY(PAUSE), KEY(LEFTCTRL), KEY(RIGHTCTRL), KEY(LEFTSHIFT),
    KEY(RIGHTSHIFT), KEY(LEFTALT), KEY(RIGHTALT), KEY(LEFTMETA), KEY(RIGHTMETA), KEY(COMPOSE),
    KEY(F1), KEY(F2), KEY(F3), KEY(F4), KEY(F5), KEY(F6), KEY(F7), KEY(F8), KEY(F9), KEY(F10),
    KEY(F11), KEY(F12), KEY(HOME), KEY(END), KEY(UP), KEY(DOWN), KEY(LEFT), KEY(RIGHT),
    KEY(PAGEUP), KEY(PAGEDOWN), KEY(INSERT), KEY(DELETE), KEY(MENU), KEY(BACK), KEY(HOMEPAGE),
    KEY(POWER), KEY(SLEEP), KEY(MUTE), KEY(VOLUMEUP), KEY(VOLUMEDOWN), KEY(PLAYPAUSE),
    BUTTON(BTN_LEFT), BUTTON(BTN_RIGHT), BUTTON(BTN_MIDDLE), BUTTON(BTN_TOUCH),
};
/* clang-format on */

static int find_sign(char sign)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *at = strchr(rows[i].keys, tolower((unsigned char)sign));
        if (at != NULL)
            return rows[i].first + (int)(at - rows[i].keys);
    }
    return -1;
}

/* Two digits or more: one alone is the key that has it. */
static int find_number(const char *name, size_t len)
{
    int number = 0;

    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)name[i]) || number >= KEY_CNT)
            return -1;
        number = 10 * number + (name[i] - '0');
    }
    return number < KEY_CNT ? number : -1;
}

int key_find(const char *name, size_t len)
{
    if (len == 0)
        return -1;
    if (len == 1)
        return find_sign(name[0]);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strlen(names[i].name) == len && strncasecmp(names[i].name, name, len) == 0)
            return names[i].code;
    return find_number(name, len);
}
