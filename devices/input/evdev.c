/* SPDX-License-Identifier: BSD-3-Clause */
/* See evdev.h. */
#include "devices/input/evdev.h"

#include "vmm/config/opts.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

/* What is taken over: not force feedback. */
static const unsigned types[] = {EV_KEY, EV_REL, EV_ABS, EV_MSC, EV_SW, EV_LED, EV_SND};

static int take_over(int fd, struct abilities *abilities)
{
    uint8_t has[EV_CNT / 8] = {0};

    if (ioctl(fd, EVIOCGBIT(0, sizeof(has)), has) < 0 || ioctl(fd, EVIOCGID, &abilities->id) < 0)
        return -errno;
    /* Nodes may lack these. */
    (void)ioctl(fd, EVIOCGNAME(ABILITIES_TEXT_MAX), abilities->name);
    (void)ioctl(fd, EVIOCGUNIQ(ABILITIES_TEXT_MAX), abilities->serial);
    (void)ioctl(fd, EVIOCGPROP(sizeof(abilities->properties)), abilities->properties);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (bit_get(has, types[i]) &&
            ioctl(fd, EVIOCGBIT(types[i], ABILITIES_KEYS), abilities->codes[types[i]]) < 0)
            return -errno;
    if (bit_get(has, EV_REP))
        abilities->codes[EV_REP][0] = 1u << REP_DELAY | 1u << REP_PERIOD;
    for (unsigned code = 0; code < ABS_CNT; code++)
        if (abilities_has(abilities, EV_ABS, code) &&
            ioctl(fd, EVIOCGABS(code), &abilities->axis[code]) < 0)
            return -errno;
    return 0;
}

int evdev_grab(int fd, bool on)
{
    return ioctl(fd, EVIOCGRAB, (unsigned long)on) < 0 ? -errno : 0;
}

void evdev_keys(int fd, uint8_t ret_down[ABILITIES_KEYS])
{
    memset(ret_down, 0, ABILITIES_KEYS);
    (void)ioctl(fd, EVIOCGKEY(ABILITIES_KEYS), ret_down); /* gone: none */
}

/* It is grabbed once, to learn whether it can be. */
int evdev_open(const char *path, struct abilities *ret_abilities, int *ret_fd)
{
    auto_close int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return opts_error("--input kind: evdev:%s: %s", path, strerror(errno));
    if (take_over(fd, ret_abilities) < 0)
        return opts_error("--input kind: evdev:%s: give an event node, as /dev/input/event0", path);
    int r = evdev_grab(fd, true);
    if (r == 0)
        r = evdev_grab(fd, false);
    if (r < 0)
        return opts_error("--input kind: evdev:%s: another program has it for itself (%s)", path,
                          strerror(-r));
    *ret_fd = fd_take(&fd);
    return 0;
}
