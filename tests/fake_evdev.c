/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_evdev.h. */
#include "tests/fake_evdev.h"

#include <linux/input.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct fake_evdev *fake; /* NULL: not started */

void fake_evdev_start(struct fake_evdev *evdev)
{
    int ends[2];
    int r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);

    assert(r == 0);
    fake = evdev;
    fake->ours = ends[0];
    fake->theirs = ends[1];
}

void fake_evdev_stop(void)
{
    if (fake != NULL)
        fd_close(&fake->ours);
    fake = NULL;
}

int fake_evdev_open(const char *path)
{
    return fake != NULL && strcmp(path, FAKE_EVDEV) == 0 ? fake->theirs : -ENOSYS;
}

/* What it answers to the requests that read, by their number. */
static const struct {
    uint8_t nr, len;
    uint8_t bytes[24];
} answers[] = {
    {0x02, 8, {3, 0, 0x34, 0x12, 0x78, 0x56, 1, 0}}, /* ids */
    {0x06, 9, "Knobs Inc"},                          /* name */
    {0x08, 4, "0815"},                               /* uniq */
    {0x09, 1, {1}},                                  /* a pointer */
    {0x20, 4, {0x0b, 0, 0x32, 0}},                   /* SYN, KEY, ABS; LED, REP, FF */
    {0x21, 3, {0, 0, 0x10}},                         /* KEY_T */
    {0x23, 8, {0, 1, 0, 0, 0, 0x80}},                /* ABS_WHEEL, ABS_MT_SLOT */
    {0x31, 1, {2}},                                  /* LED_CAPSL */
    {0x48, 24, {9, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4}},
    {0x6f, 24, {0, 0, 0, 0, 0, 0, 0, 0, 1}}, /* two fingers */
};

int fake_evdev_ioctl(int fd, unsigned long request, unsigned long number)
{
    uint8_t *out = (uint8_t *)number; /* NOLINT: it is one, for those that read */
    size_t size = _IOC_SIZE(request);

    if (fake == NULL || fd != fake->theirs || _IOC_TYPE(request) != 'E')
        return -ENOSYS;
    if (fake->no_node)
        return -ENOTTY;
    if (request == EVIOCGRAB) {
        fake->grabbed = number != 0;
        return -fake->grab_error;
    }
    if (_IOC_NR(request) == 0x18)
        memcpy(out, fake->down, MIN(size, sizeof(fake->down)));
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        if (answers[i].nr == _IOC_NR(request))
            memcpy(out, answers[i].bytes, MIN(size, (size_t)answers[i].len));
    if (_IOC_NR(request) == 0x6f && fake->any_finger)
        memcpy(out + 8, "\xff\xff\xff\x7f", 4);
    return 0;
}
