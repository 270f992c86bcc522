/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_pcm.h. How frames are moved is in alsa_move.c. */
#include "devices/snd/host/alsa_pcm.h"

#include "devices/snd/host/alsa_guard.h"
#include "vmm/base/log.h"
#include "vmm/base/timebase.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How long to wait for a frame to move, and how long between looks. */
#define TRY_MS      1000
#define TRY_POLL_MS 10

/* How to reach the samples, the best first. */
static const snd_pcm_access_t accesses[] = {
    SND_PCM_ACCESS_MMAP_INTERLEAVED,    SND_PCM_ACCESS_RW_INTERLEAVED,
    SND_PCM_ACCESS_MMAP_NONINTERLEAVED, SND_PCM_ACCESS_MMAP_COMPLEX,
    SND_PCM_ACCESS_RW_NONINTERLEAVED,
};

int alsa_result(long result)
{
    /* alsa-lib has a few codes of its own, far above any errno. */
    return result < -4095 ? -EIO : (int)result;
}

static void log_alsa(const char *file, int line, const char *function, int error, const char *fmt,
                     ...) PRINTF_LIKE(5, 6);

static void log_alsa(const char *file, int line, const char *function, int error, const char *fmt,
                     ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    log_debug("alsa-lib: %s:%d: %s: %s%s%s", file, line, function, text, error != 0 ? ": " : "",
              error != 0 ? snd_strerror(error) : "");
}

void alsa_pcm_quiet(void)
{
    (void)snd_lib_error_set_handler(log_alsa); /* only stores it */
}

const char *alsa_pcm_explain(int error, enum pcm_direction direction)
{
    bool plays = direction == PCM_OUTPUT;

    switch (-error) {
    case EBUSY:
    case EAGAIN:
        return "another program has it; stop that, or take a PCM that can be shared "
               "(device=default)";
    case EACCES:
    case EPERM:
        return "not permitted; be in the group 'audio', or take device=default";
    case ECONNREFUSED:
    case EHOSTDOWN:
    case ETIMEDOUT:
        return "its sound server does not answer";
    case EOPNOTSUPP:
        return plays ? "it does not take such sound; device=plughw:... converts"
                     : "it does not give such sound; device=plughw:... converts";
    default:
        return plays ? "'aplay -L' lists the names there are"
                     : "'arecord -L' lists the names there are";
    }
}

/* -- opening -- */

int alsa_pcm_open(struct alsa_pcm *pcm, const char *name, enum pcm_direction direction)
{
    snd_pcm_stream_t stream =
        direction == PCM_OUTPUT ? SND_PCM_STREAM_PLAYBACK : SND_PCM_STREAM_CAPTURE;

    *pcm = (struct alsa_pcm){.direction = direction};
    int r = snd_pcm_status_malloc(&pcm->status);
    if (r == 0)
        r = snd_pcm_open(&pcm->handle, name, stream, SND_PCM_NONBLOCK);
    if (r < 0) {
        pcm->handle = NULL;
        alsa_pcm_close(pcm);
        return alsa_result(r);
    }
    snd_pcm_type_t type = snd_pcm_type(pcm->handle);
    pcm->is_card = type == SND_PCM_TYPE_HW;
    pcm->may_mix = direction == PCM_OUTPUT && !pcm->is_card && type != SND_PCM_TYPE_IOPLUG;
    return 0;
}

void alsa_pcm_close(struct alsa_pcm *pcm)
{
    if (pcm->handle != NULL) {
        (void)snd_pcm_drop(pcm->handle); /* fails if it was not set up */
        (void)snd_pcm_close(pcm->handle);
    }
    if (pcm->status != NULL)
        snd_pcm_status_free(pcm->status);
    alsa_move_end(pcm);
    pcm->handle = NULL;
    pcm->status = NULL;
}

/* All configurations of the PCM that move frames in a way we know. */
static int params_any(const struct alsa_pcm *pcm, snd_pcm_hw_params_t *hw,
                      snd_pcm_access_t *ret_access)
{
    int r = snd_pcm_hw_params_any(pcm->handle, hw);

    if (r < 0)
        return alsa_result(r);
    for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
        if (snd_pcm_hw_params_set_access(pcm->handle, hw, accesses[i]) == 0) {
            *ret_access = accesses[i];
            return 0;
        }
    }
    return -EOPNOTSUPP;
}

int alsa_pcm_caps(const struct alsa_pcm *pcm, struct host_caps *ret_caps)
{
    struct host_caps caps = {0};
    snd_pcm_access_t access;
    snd_pcm_hw_params_t *hw;
    unsigned min, max;

    snd_pcm_hw_params_alloca(&hw);
    int r = params_any(pcm, hw, &access);
    if (r < 0)
        return r;
    for (unsigned code = 0; code < PCM_FORMAT_COUNT; code++) {
        const struct pcm_format *format = pcm_format_by_code(code);
        if (format != NULL && format->alsa >= 0 &&
            snd_pcm_hw_params_test_format(pcm->handle, hw, (snd_pcm_format_t)format->alsa) == 0)
            caps.formats |= 1ull << code;
    }
    for (unsigned code = 0; code < PCM_RATE_COUNT; code++)
        if (snd_pcm_hw_params_test_rate(pcm->handle, hw, pcm_rate_hz(code), 0) == 0)
            caps.rates |= 1ull << code;
    r = snd_pcm_hw_params_get_channels_min(hw, &min);
    if (r == 0)
        r = snd_pcm_hw_params_get_channels_max(hw, &max);
    if (r < 0)
        return alsa_result(r);
    caps.channels_min = MAX(min, 1u);
    caps.channels_max = MIN(max, (unsigned)ALSA_CHANNELS_MAX);
    *ret_caps = caps;
    return 0;
}

uint32_t alsa_pcm_channels(const struct alsa_pcm *pcm, const struct pcm_format *format,
                           uint32_t rate_hz)
{
    snd_pcm_access_t access;
    snd_pcm_hw_params_t *hw;
    unsigned min, max;
    uint32_t set = 0;

    snd_pcm_hw_params_alloca(&hw);
    if (params_any(pcm, hw, &access) < 0 ||
        snd_pcm_hw_params_set_format(pcm->handle, hw, (snd_pcm_format_t)format->alsa) < 0 ||
        snd_pcm_hw_params_set_rate(pcm->handle, hw, rate_hz, 0) < 0 ||
        snd_pcm_hw_params_get_channels_min(hw, &min) < 0 ||
        snd_pcm_hw_params_get_channels_max(hw, &max) < 0)
        return 0;
    for (unsigned channels = min; channels <= MIN(max, 31u); channels++)
        if (snd_pcm_hw_params_test_channels(pcm->handle, hw, channels) == 0)
            set |= 1u << channels;
    return set;
}

/* -- setting up -- */

/* The ring: the guest's period and buffer, or what comes nearest. dmix gets a period more that
 * stays free: it mixes only when it is given frames, and as far as there is room up to the period
 * that the card plays. What it had no room for when the last frames came would never be heard. */
static int ring_setup(struct alsa_pcm *pcm, snd_pcm_hw_params_t *hw,
                      const struct pcm_params *params)
{
    snd_pcm_uframes_t period = params->period_frames;
    /* One period alone would have the card wait for us between any two. */
    snd_pcm_uframes_t buffer = MAX(params->buffer_frames, 2 * params->period_frames) +
                               (pcm->may_mix ? params->period_frames : 0);
    int dir = 0;

    int r = snd_pcm_hw_params_set_period_size_near(pcm->handle, hw, &period, &dir);
    if (r == 0)
        r = snd_pcm_hw_params_set_buffer_size_near(pcm->handle, hw, &buffer);
    if (r == 0)
        r = snd_pcm_hw_params(pcm->handle, hw);
    if (r == 0)
        r = snd_pcm_hw_params_get_period_size(hw, &period, &dir);
    if (r == 0)
        r = snd_pcm_hw_params_get_buffer_size(hw, &buffer);
    if (r < 0)
        return alsa_result(r);
    if (period == 0 || buffer < period || buffer > UINT32_MAX / 2)
        return -EINVAL; /* a plugin out of its mind */
    pcm->period_frames = (uint32_t)period;
    pcm->buffer_frames = (uint32_t)buffer;
    pcm->fill_frames = (uint32_t)(pcm->may_mix && buffer >= 3 * period ? buffer - period : buffer);
    return 0;
}

/* It starts when told, stops when it has run dry or over, and wakes us once a period. */
static int wake_setup(const struct alsa_pcm *pcm, snd_pcm_sw_params_t *sw)
{
    snd_pcm_uframes_t never;

    int r = snd_pcm_sw_params_current(pcm->handle, sw);
    if (r == 0)
        r = snd_pcm_sw_params_get_boundary(sw, &never);
    if (r == 0)
        r = snd_pcm_sw_params_set_start_threshold(pcm->handle, sw, never);
    if (r == 0)
        r = snd_pcm_sw_params_set_stop_threshold(pcm->handle, sw, pcm->buffer_frames);
    if (r == 0)
        r = snd_pcm_sw_params_set_avail_min(
            pcm->handle, sw, pcm->buffer_frames - pcm->fill_frames + pcm->period_frames);
    /* Not every plugin knows time stamps; alsa_pcm_look() takes the time itself then. */
    if (r == 0)
        (void)snd_pcm_sw_params_set_tstamp_mode(pcm->handle, sw, SND_PCM_TSTAMP_ENABLE);
    if (r == 0)
        (void)snd_pcm_sw_params_set_tstamp_type(pcm->handle, sw, SND_PCM_TSTAMP_TYPE_MONOTONIC);
    return r;
}

/* A card goes on for a moment before it is noticed that it has run dry, and would play once more
 * what it has played. So while less than two periods are left, the kernel keeps silence behind
 * them. Not more: to do that all the time would be work, and kernels before 6.4 have a race there.
 * Plugins that can't have this do without. */
static int sw_setup(const struct alsa_pcm *pcm)
{
    const snd_pcm_uframes_t silence = MIN(2 * pcm->period_frames, pcm->buffer_frames - 1);
    snd_pcm_sw_params_t *sw;

    snd_pcm_sw_params_alloca(&sw);
    int r = wake_setup(pcm, sw);
    if (r < 0)
        return alsa_result(r);
    if (snd_pcm_sw_params_set_silence_threshold(pcm->handle, sw, silence) == 0 &&
        snd_pcm_sw_params_set_silence_size(pcm->handle, sw, silence) == 0 &&
        snd_pcm_sw_params(pcm->handle, sw) == 0)
        return 0;
    (void)snd_pcm_sw_params_set_silence_size(pcm->handle, sw, 0);
    (void)snd_pcm_sw_params_set_silence_threshold(pcm->handle, sw, 0);
    return alsa_result(snd_pcm_sw_params(pcm->handle, sw));
}

/* They may change when a PCM is set up, and not later. */
static void take_fds(struct alsa_pcm *pcm)
{
    int count = snd_pcm_poll_descriptors_count(pcm->handle);

    if (count < 1 || count > ALSA_FDS_MAX)
        return;
    count = snd_pcm_poll_descriptors(pcm->handle, pcm->fds, (unsigned)count);
    pcm->fd_count = (unsigned)MAX(count, 0);
}

int alsa_pcm_setup(struct alsa_pcm *pcm, const struct pcm_params *params)
{
    snd_pcm_format_t format = (snd_pcm_format_t)params->format->alsa;
    snd_pcm_hw_params_t *hw;

    snd_pcm_hw_params_alloca(&hw);
    int r = params_any(pcm, hw, &pcm->access);
    if (r == 0)
        r = snd_pcm_hw_params_set_format(pcm->handle, hw, format);
    if (r == 0)
        r = snd_pcm_hw_params_set_channels(pcm->handle, hw, params->channels);
    if (r == 0)
        r = snd_pcm_hw_params_set_rate(pcm->handle, hw, params->rate_hz, 0);
    if (r < 0)
        return r == -EINVAL ? -EOPNOTSUPP : alsa_result(r);
    r = ring_setup(pcm, hw, params);
    if (r == 0)
        r = sw_setup(pcm);
    if (r < 0)
        return r;
    pcm->can_pause = snd_pcm_hw_params_can_pause(hw) != 0;
    pcm->format = format;
    pcm->rate_hz = params->rate_hz;
    pcm->channels = params->channels;
    pcm->frame_bytes = params->frame_bytes;
    take_fds(pcm);
    return alsa_move_begin(pcm);
}

/* -- looking -- */

/* When the status was taken: its own time stamp if that can be true. */
static uint64_t status_ns(const snd_pcm_status_t *status)
{
    uint64_t now = timebase_monotonic.now_ns(&timebase_monotonic);
    snd_htimestamp_t stamp;

    snd_pcm_status_get_htstamp(status, &stamp);
    uint64_t at = (uint64_t)stamp.tv_sec * 1000000000 + (uint64_t)stamp.tv_nsec;
    return at <= now && now - at < 1000000000 ? at : now;
}

static int look(const struct alsa_pcm *pcm, struct alsa_look *ret_look)
{
    int r = snd_pcm_status(pcm->handle, pcm->status);

    if (r < 0)
        return alsa_result(r);
    snd_pcm_uframes_t avail = snd_pcm_status_get_avail(pcm->status);
    snd_pcm_sframes_t delay = snd_pcm_status_get_delay(pcm->status);
    *ret_look = (struct alsa_look){
        .state = snd_pcm_status_get_state(pcm->status),
        .avail_frames = (uint32_t)MIN(avail, (snd_pcm_uframes_t)pcm->buffer_frames),
        .delay_frames = (uint32_t)MIN(MAX(delay, 0l), (long)INT32_MAX),
        .at_ns = status_ns(pcm->status),
    };
    return 0;
}

static int fired(const struct alsa_pcm *pcm, struct pollfd *fds)
{
    unsigned short events = 0;
    int r = snd_pcm_poll_descriptors_revents(pcm->handle, fds, pcm->fd_count, &events);

    return r < 0 ? alsa_result(r) : events;
}

/* True if frames have moved since `begin`, or have done so and run out. */
static bool has_moved(const struct alsa_look *begin, const struct alsa_look *now)
{
    return now->avail_frames != begin->avail_frames || now->state != SND_PCM_STATE_RUNNING;
}

int alsa_pcm_try(struct alsa_pcm *pcm, const struct pcm_format *format)
{
    struct alsa_look begin, now;
    void *silence = malloc((size_t)pcm->period_frames * pcm->frame_bytes);
    ssize_t r = silence == NULL ? -ENOMEM : 0;

    if (r == 0)
        pcm_silence(format, silence, (size_t)pcm->period_frames * pcm->channels);
    if (r == 0 && pcm->direction == PCM_OUTPUT)
        r = alsa_move_out(pcm, silence, pcm->period_frames);
    free(silence);
    if (r >= 0)
        r = look(pcm, &begin);
    if (r == 0)
        r = alsa_result(snd_pcm_start(pcm->handle));
    if (r == 0)
        r = look(pcm, &now);
    for (unsigned ms = 0; r == 0 && !has_moved(&begin, &now); ms += TRY_POLL_MS) {
        (void)poll(NULL, 0, TRY_POLL_MS); /* a pause; cut short by a signal is fine */
        r = ms < TRY_MS ? look(pcm, &now) : -ETIMEDOUT;
    }
    if (r == 0)
        r = alsa_result(snd_pcm_drop(pcm->handle));
    return (int)(r == 0 ? alsa_result(snd_pcm_prepare(pcm->handle)) : r);
}

/* -- all calls -- */

long alsa_pcm_do(struct alsa_pcm *pcm, struct alsa_call *call)
{
    switch (call->op) {
    case ALSA_START:
        return alsa_result(snd_pcm_start(pcm->handle));
    case ALSA_PREPARE:
        return alsa_result(snd_pcm_prepare(pcm->handle));
    case ALSA_RESUME:
        return alsa_result(snd_pcm_resume(pcm->handle));
    case ALSA_PAUSE:
    case ALSA_GO_ON:
        return alsa_result(snd_pcm_pause(pcm->handle, call->op == ALSA_PAUSE));
    case ALSA_DROP:
        return alsa_result(snd_pcm_drop(pcm->handle));
    case ALSA_STATE:
        return (long)snd_pcm_state(pcm->handle);
    case ALSA_WRITE:
        return alsa_move_out(pcm, call->buf, call->frames);
    case ALSA_READ:
        return alsa_move_in(pcm, call->buf, call->frames);
    case ALSA_LOOK:
        return look(pcm, &call->look);
    case ALSA_FIRED:
        return fired(pcm, call->fds);
    }
    assert(false); /* those were all */
    return -EINVAL;
}

static long make(struct alsa_pcm *pcm, struct alsa_call *call)
{
    return pcm->guard != NULL ? alsa_guard_call(pcm->guard, call) : alsa_pcm_do(pcm, call);
}

int alsa_pcm_ask(struct alsa_pcm *pcm, enum alsa_op op)
{
    struct alsa_call call = {.op = op};

    return (int)make(pcm, &call);
}

ssize_t alsa_pcm_write(struct alsa_pcm *pcm, const void *buf, size_t frames)
{
    /* Only read from; ALSA's areas have no const. */
    struct alsa_call call = {.op = ALSA_WRITE, .buf = (void *)(uintptr_t)buf, .frames = frames};

    return make(pcm, &call);
}

ssize_t alsa_pcm_read(struct alsa_pcm *pcm, void *ret_buf, size_t frames)
{
    struct alsa_call call = {.op = ALSA_READ, .buf = ret_buf, .frames = frames};

    return make(pcm, &call);
}

int alsa_pcm_look(struct alsa_pcm *pcm, struct alsa_look *ret_look)
{
    struct alsa_call call = {.op = ALSA_LOOK};
    int r = (int)make(pcm, &call);

    if (r == 0)
        *ret_look = call.look;
    return r;
}

int alsa_pcm_fired(struct alsa_pcm *pcm, const struct pollfd *fds)
{
    struct alsa_call call = {.op = ALSA_FIRED};

    memcpy(call.fds, fds, sizeof(call.fds));
    return (int)make(pcm, &call);
}
