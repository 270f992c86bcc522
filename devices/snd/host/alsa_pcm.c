/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_pcm.h. */
#include "devices/snd/host/alsa_pcm.h"

#include "vmm/base/log.h"

#include <linux/virtio_snd.h>
#include <poll.h>
#include <string.h>

/* How long to wait for a frame to move, and how long between looks. */
#define TRY_MS      1000
#define TRY_POLL_MS 10

/* Frames that go through a copy at once. */
#define COPY_FRAMES 1024

/* Positions have the same numbers in both worlds. */
_Static_assert((int)VIRTIO_SND_CHMAP_FL == (int)SND_CHMAP_FL &&
                   (int)VIRTIO_SND_CHMAP_LFE == (int)SND_CHMAP_LFE &&
                   (int)VIRTIO_SND_CHMAP_RC == (int)SND_CHMAP_RC,
               "channel positions");

/* -- opening -- */

int alsa_pcm_open(struct alsa_pcm *pcm, const char *name, enum pcm_direction direction)
{
    snd_pcm_stream_t stream =
        direction == PCM_OUTPUT ? SND_PCM_STREAM_PLAYBACK : SND_PCM_STREAM_CAPTURE;

    *pcm = (struct alsa_pcm){.direction = direction};
    int r = alsa.pcm_open(&pcm->handle, name, stream, SND_PCM_NONBLOCK);
    if (r < 0)
        pcm->handle = NULL;
    if (r == 0)
        r = alsa.pcm_hw_params_malloc(&pcm->hw);
    if (r == 0)
        r = alsa.pcm_sw_params_malloc(&pcm->sw);
    if (r == 0)
        r = alsa.pcm_status_malloc(&pcm->status);
    if (r < 0) {
        alsa_pcm_close(pcm);
        return alsa_result(r);
    }
    snd_pcm_type_t type = alsa.pcm_type(pcm->handle);
    pcm->is_card = type == SND_PCM_TYPE_HW;
    pcm->may_mix = direction == PCM_OUTPUT && !pcm->is_card && type != SND_PCM_TYPE_IOPLUG;
    return 0;
}

void alsa_pcm_close(struct alsa_pcm *pcm)
{
    if (pcm->handle != NULL) {
        (void)alsa.pcm_drop(pcm->handle); /* fails if it was not set up */
        (void)alsa.pcm_close(pcm->handle);
    }
    if (pcm->hw != NULL)
        alsa.pcm_hw_params_free(pcm->hw);
    if (pcm->sw != NULL)
        alsa.pcm_sw_params_free(pcm->sw);
    if (pcm->status != NULL)
        alsa.pcm_status_free(pcm->status);
    free(pcm->copy);
    *pcm = (struct alsa_pcm){.direction = pcm->direction};
}

/* All configurations of the PCM that have their channels side by side. */
static int params_any(const struct alsa_pcm *pcm)
{
    int r = alsa.pcm_hw_params_any(pcm->handle, pcm->hw);

    if (r < 0)
        return alsa_result(r);
    r = alsa.pcm_hw_params_set_access(pcm->handle, pcm->hw, SND_PCM_ACCESS_RW_INTERLEAVED);
    return r < 0 ? -EOPNOTSUPP : 0;
}

static int channels_get(const struct alsa_pcm *pcm, unsigned *ret_min, unsigned *ret_max)
{
    int r = alsa.pcm_hw_params_get_channels_min(pcm->hw, ret_min);

    return r < 0 ? r : alsa.pcm_hw_params_get_channels_max(pcm->hw, ret_max);
}

int alsa_pcm_caps(const struct alsa_pcm *pcm, struct host_caps *ret_caps)
{
    struct host_caps caps = {0};
    unsigned min, max;

    int r = params_any(pcm);
    if (r < 0)
        return r;
    for (unsigned code = 0; code < PCM_FORMAT_COUNT; code++) {
        const struct pcm_format *format = pcm_format_by_code(code);
        if (format != NULL && format->alsa >= 0 &&
            alsa.pcm_hw_params_test_format(pcm->handle, pcm->hw, (snd_pcm_format_t)format->alsa) ==
                0)
            caps.formats |= 1ull << code;
    }
    for (unsigned code = 0; code < PCM_RATE_COUNT; code++)
        if (alsa.pcm_hw_params_test_rate(pcm->handle, pcm->hw, pcm_rate_hz(code), 0) == 0)
            caps.rates |= 1ull << code;
    r = channels_get(pcm, &min, &max);
    if (r < 0)
        return alsa_result(r);
    caps.channels_min = MAX(min, 1u);
    caps.channels_max = MIN(max, 255u); /* as many as SET_PARAMS can say */
    *ret_caps = caps;
    return 0;
}

uint32_t alsa_pcm_channels(const struct alsa_pcm *pcm, const struct pcm_format *format,
                           uint32_t rate_hz)
{
    unsigned min, max;
    uint32_t set = 0;

    if (params_any(pcm) < 0 ||
        alsa.pcm_hw_params_set_format(pcm->handle, pcm->hw, (snd_pcm_format_t)format->alsa) < 0 ||
        alsa.pcm_hw_params_set_rate(pcm->handle, pcm->hw, rate_hz, 0) < 0 ||
        channels_get(pcm, &min, &max) < 0)
        return 0;
    for (unsigned channels = min; channels <= MIN(max, 31u); channels++)
        if (alsa.pcm_hw_params_test_channels(pcm->handle, pcm->hw, channels) == 0)
            set |= 1u << channels;
    return set;
}

/* -- which channel is where -- */

/* Finds the PCM's channel for each of the stream's. False: it has others. */
static bool channels_match(const snd_pcm_chmap_t *map, const uint8_t *positions, uint8_t *ret_order)
{
    unsigned found = 0;

    for (unsigned i = 0; i < map->channels; i++) {
        unsigned j = 0;
        while (j < map->channels && map->pos[j] != positions[i])
            j++;
        ret_order[i] = (uint8_t)j;
        found += j < map->channels;
    }
    return found == map->channels;
}

/* Asks the PCM to have its channels in this order: some can choose. */
static bool chmap_set(const struct alsa_pcm *pcm, const uint8_t *positions)
{
    unsigned words[1 + CHMAP_CHANNELS_MAX] = {pcm->params.channels};
    snd_pcm_chmap_t *map = (snd_pcm_chmap_t *)words;

    for (unsigned i = 0; i < pcm->params.channels; i++)
        map->pos[i] = positions[i];
    return alsa.pcm_set_chmap(pcm->handle, map) == 0;
}

/* Each channel is to go to its loudspeaker, if the PCM says where those are. */
static int channels_find(struct alsa_pcm *pcm)
{
    static const uint8_t straight[CHMAP_CHANNELS_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    unsigned channels = pcm->params.channels;
    snd_pcm_chmap_t *map =
        channels > 1 && channels <= CHMAP_CHANNELS_MAX ? alsa.pcm_get_chmap(pcm->handle) : NULL;

    if (map == NULL)
        return 0; /* it does not say */
    bool matches =
        map->channels == channels && channels_match(map, chmap_of(channels), pcm->channel);
    free(map);
    if ((matches && memcmp(pcm->channel, straight, channels) == 0) ||
        chmap_set(pcm, chmap_of(channels)))
        return 0;
    if (!matches) {
        log_debug("this PCM has other loudspeakers than %u channels are for", channels);
        return 0;
    }
    pcm->copy = malloc((size_t)COPY_FRAMES * pcm->params.frame_bytes);
    return pcm->copy == NULL ? -ENOMEM : 0;
}

/* -- setting up -- */

/* The ring: the guest's period and buffer, or what comes nearest. dmix gets a period more that
 * stays free: it mixes only when it is given frames, and as far as there is room up to the period
 * that the card plays. What it had no room for when the last frames came would never be heard. */
static int ring_setup(struct alsa_pcm *pcm, const struct pcm_params *params)
{
    snd_pcm_uframes_t period = params->period_frames;
    /* One period alone would have the card wait for us between any two. */
    snd_pcm_uframes_t buffer = MAX(params->buffer_frames, 2 * params->period_frames) +
                               (pcm->may_mix ? params->period_frames : 0);
    int dir = 0;

    int r = alsa.pcm_hw_params_set_period_size_near(pcm->handle, pcm->hw, &period, &dir);
    if (r == 0)
        r = alsa.pcm_hw_params_set_buffer_size_near(pcm->handle, pcm->hw, &buffer);
    if (r == 0)
        r = alsa.pcm_hw_params(pcm->handle, pcm->hw);
    if (r == 0)
        r = alsa.pcm_hw_params_get_period_size(pcm->hw, &period, &dir);
    if (r == 0)
        r = alsa.pcm_hw_params_get_buffer_size(pcm->hw, &buffer);
    if (r < 0)
        return alsa_result(r);
    if (period == 0 || buffer < period || buffer > UINT32_MAX / 2)
        return -EINVAL; /* a plugin out of its mind */
    pcm->period_frames = (uint32_t)period;
    pcm->buffer_frames = (uint32_t)buffer;
    pcm->fill_frames = (uint32_t)(pcm->may_mix && buffer >= 3 * period ? buffer - period : buffer);
    return 0;
}

/* It starts when told, and stops when it has run dry or over. */
static int run_setup(struct alsa_pcm *pcm)
{
    snd_pcm_uframes_t never;

    int r = alsa.pcm_sw_params_current(pcm->handle, pcm->sw);
    if (r == 0)
        r = alsa.pcm_sw_params_get_boundary(pcm->sw, &never);
    if (r == 0)
        r = alsa.pcm_sw_params_set_start_threshold(pcm->handle, pcm->sw, never);
    if (r == 0)
        r = alsa.pcm_sw_params_set_stop_threshold(pcm->handle, pcm->sw, pcm->buffer_frames);
    if (r == 0)
        r = alsa.pcm_sw_params_set_avail_min(pcm->handle, pcm->sw, pcm->period_frames);
    pcm->wake_frames = pcm->period_frames;
    /* Not every plugin knows time stamps; alsa_pcm_look() takes the time itself then. */
    if (r == 0)
        (void)alsa.pcm_sw_params_set_tstamp_mode(pcm->handle, pcm->sw, SND_PCM_TSTAMP_ENABLE);
    if (r == 0)
        (void)alsa.pcm_sw_params_set_tstamp_type(pcm->handle, pcm->sw,
                                                 SND_PCM_TSTAMP_TYPE_MONOTONIC);
    return r;
}

/* A card goes on for a moment before it is noticed that it has run dry, and would play once more
 * what it has played. So while less than two periods are left, the kernel keeps silence behind
 * them. Not more: to do that all the time would be work. Plugins that can't have this do without.
 */
static int sw_setup(struct alsa_pcm *pcm)
{
    const snd_pcm_uframes_t silence = MIN(2 * pcm->period_frames, pcm->buffer_frames - 1);

    int r = run_setup(pcm);
    if (r < 0)
        return alsa_result(r);
    if (alsa.pcm_sw_params_set_silence_threshold(pcm->handle, pcm->sw, silence) == 0 &&
        alsa.pcm_sw_params_set_silence_size(pcm->handle, pcm->sw, silence) == 0 &&
        alsa.pcm_sw_params(pcm->handle, pcm->sw) == 0)
        return 0;
    (void)alsa.pcm_sw_params_set_silence_size(pcm->handle, pcm->sw, 0);
    (void)alsa.pcm_sw_params_set_silence_threshold(pcm->handle, pcm->sw, 0);
    return alsa_result(alsa.pcm_sw_params(pcm->handle, pcm->sw));
}

/* They may change when a PCM is set up, and not later. */
static void fds_take(struct alsa_pcm *pcm)
{
    int count = alsa.pcm_poll_descriptors_count(pcm->handle);

    if (count < 1 || count > ALSA_FDS_MAX)
        return;
    count = alsa.pcm_poll_descriptors(pcm->handle, pcm->fds, (unsigned)count);
    pcm->fd_count = (unsigned)MAX(count, 0);
}

int alsa_pcm_setup(struct alsa_pcm *pcm, const struct pcm_params *params)
{
    int r = params_any(pcm);

    if (r == 0)
        r = alsa.pcm_hw_params_set_format(pcm->handle, pcm->hw,
                                          (snd_pcm_format_t)params->format->alsa);
    if (r == 0)
        r = alsa.pcm_hw_params_set_channels(pcm->handle, pcm->hw, params->channels);
    if (r == 0)
        r = alsa.pcm_hw_params_set_rate(pcm->handle, pcm->hw, params->rate_hz, 0);
    if (r < 0)
        return r == -EINVAL ? -EOPNOTSUPP : alsa_result(r);
    pcm->params = *params;
    r = ring_setup(pcm, params);
    if (r == 0)
        r = sw_setup(pcm);
    if (r < 0)
        return r;
    pcm->can_pause = alsa.pcm_hw_params_can_pause(pcm->hw) != 0;
    fds_take(pcm);
    return channels_find(pcm);
}

int alsa_pcm_wake_at(struct alsa_pcm *pcm, uint32_t frames)
{
    if (frames == pcm->wake_frames)
        return 0;
    pcm->wake_frames = frames;
    int r = alsa.pcm_sw_params_set_avail_min(pcm->handle, pcm->sw, frames);
    return alsa_result(r < 0 ? r : alsa.pcm_sw_params(pcm->handle, pcm->sw));
}

/* -- looking -- */

/* When the status was taken: its own time stamp if that can be true. */
static uint64_t status_ns(const snd_pcm_status_t *status, uint64_t now)
{
    snd_htimestamp_t stamp;

    alsa.pcm_status_get_htstamp(status, &stamp);
    uint64_t at = (uint64_t)stamp.tv_sec * SECOND_NS + (uint64_t)stamp.tv_nsec;
    return at <= now && now - at < SECOND_NS ? at : now;
}

int alsa_pcm_look(struct alsa_pcm *pcm, struct timebase *timebase, struct alsa_look *ret_look)
{
    int r = alsa.pcm_status(pcm->handle, pcm->status);

    if (r < 0)
        return alsa_result(r);
    snd_pcm_uframes_t avail = alsa.pcm_status_get_avail(pcm->status);
    snd_pcm_sframes_t delay = alsa.pcm_status_get_delay(pcm->status);
    *ret_look = (struct alsa_look){
        .state = alsa.pcm_status_get_state(pcm->status),
        .avail_frames = (uint32_t)MIN(avail, (snd_pcm_uframes_t)pcm->buffer_frames),
        .delay_frames = (uint32_t)MIN(MAX(delay, 0l), (long)INT32_MAX),
        .at_ns = status_ns(pcm->status, timebase->now_ns(timebase)),
    };
    return 0;
}

/* -- moving frames -- */

/* How many of `frames` can be moved now. (Asked for more, some plugins move nothing.) */
static ssize_t movable(const struct alsa_pcm *pcm, size_t frames)
{
    snd_pcm_sframes_t avail = alsa.pcm_avail_update(pcm->handle);

    frames = pcm->copy != NULL ? MIN(frames, (size_t)COPY_FRAMES) : frames;
    return avail < 0 ? avail : (ssize_t)MIN((size_t)avail, frames);
}

/* Between frames of the stream's and pcm->copy. */
static void copy_channels(const struct alsa_pcm *pcm, uint8_t *stream, size_t frames)
{
    const size_t bytes = pcm->params.format->sample_bytes;
    uint8_t *card = pcm->copy;

    for (; frames > 0; frames--, stream += pcm->params.frame_bytes, card += pcm->params.frame_bytes)
        for (unsigned i = 0; i < pcm->params.channels; i++) {
            uint8_t *theirs = card + pcm->channel[i] * bytes, *ours = stream + i * bytes;
            if (pcm->direction == PCM_OUTPUT)
                memcpy(theirs, ours, bytes);
            else
                memcpy(ours, theirs, bytes);
        }
}

ssize_t alsa_pcm_write(struct alsa_pcm *pcm, const void *buf, size_t frames)
{
    ssize_t r = movable(pcm, frames);

    if (r > 0 && pcm->copy != NULL)
        copy_channels(pcm, (uint8_t *)(uintptr_t)buf, (size_t)r); /* which only reads it */
    if (r > 0)
        r = alsa.pcm_writei(pcm->handle, pcm->copy != NULL ? pcm->copy : buf, (snd_pcm_uframes_t)r);
    return r == -EAGAIN ? 0 : alsa_result(r);
}

ssize_t alsa_pcm_read(struct alsa_pcm *pcm, void *ret_buf, size_t frames)
{
    ssize_t r = movable(pcm, frames);

    if (r > 0)
        r = alsa.pcm_readi(pcm->handle, pcm->copy != NULL ? pcm->copy : ret_buf,
                           (snd_pcm_uframes_t)r);
    if (r > 0 && pcm->copy != NULL)
        copy_channels(pcm, ret_buf, (size_t)r);
    return r == -EAGAIN ? 0 : alsa_result(r);
}

/* -- trying -- */

int alsa_pcm_try(struct alsa_pcm *pcm)
{
    const size_t samples = (size_t)pcm->period_frames * pcm->params.channels;
    void *silence = malloc(samples * pcm->params.format->sample_bytes);
    ssize_t r = silence == NULL ? -ENOMEM : 0;

    if (r == 0)
        pcm_silence(pcm->params.format, silence, samples);
    if (r == 0 && pcm->direction == PCM_OUTPUT)
        r = alsa_pcm_write(pcm, silence, pcm->period_frames);
    free(silence);
    if (r >= 0)
        r = alsa.pcm_start(pcm->handle);
    snd_pcm_sframes_t begin = alsa.pcm_avail_update(pcm->handle), now = begin;
    for (unsigned ms = 0; r == 0 && now == begin; ms += TRY_POLL_MS) {
        (void)poll(NULL, 0, TRY_POLL_MS);         /* a pause; cut short by a signal is fine */
        now = alsa.pcm_avail_update(pcm->handle); /* an error: has moved, and run out */
        r = ms < TRY_MS ? 0 : -ETIMEDOUT;
    }
    if (r == 0)
        r = alsa.pcm_drop(pcm->handle);
    return alsa_result(r == 0 ? alsa.pcm_prepare(pcm->handle) : r);
}
