/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa.h. */
#include "devices/snd/lib/alsa.h"

struct alsa alsa;

static const struct library alsa_library =
    LIBRARY("libasound.so.2", "libasound2", alsa, ALSA_FUNCTIONS);

/* What it would write to standard error is for its developers. */
static void say_nothing(const char *file, int line, const char *function, int error,
                        const char *fmt, ...)
{
    (void)file, (void)line, (void)function, (void)error, (void)fmt;
}

int alsa_load(void)
{
    int r = library_load(&alsa_library);

    if (r == 0)
        (void)alsa.lib_error_set_handler(say_nothing); /* only stores it */
    return r;
}

int alsa_result(long result)
{
    /* alsa-lib has a few codes of its own, far above any errno. */
    return result < -4095 ? -EIO : (int)result;
}

const char *alsa_remedy(int error)
{
    switch (-error) {
    case EBUSY:
    case EAGAIN:
        return "another program has it; stop that, or share one (device=default)";
    case EACCES:
    case EPERM:
        return "not permitted; be in the group 'audio', or take device=default";
    case ECONNREFUSED:
    case EHOSTDOWN:
    case ETIMEDOUT:
        return "its sound server does not answer";
    case EOPNOTSUPP:
        return "it has no such sound; device=plughw:... converts";
    default:
        return "'aplay -L' and 'arecord -L' list the names there are";
    }
}
