/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_pcm.h. */
#include "devices/snd/host/alsa_pcm.h"

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
    if (pcm->handle == NULL)
        return;
    (void)alsa.pcm_drop(pcm->handle); /* fails if it was not set up */
    (void)alsa.pcm_close(pcm->handle);
    alsa.pcm_hw_params_free(pcm->hw); /* these take NULL */
    alsa.pcm_sw_params_free(pcm->sw);
    alsa.pcm_status_free(pcm->status);
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

int alsa_pcm_caps(const struct alsa_pcm *pcm, struct host_caps *ret_caps)
{
    unsigned min, max;

    int r = params_any(pcm);
    if (r < 0)
        return r;
    *ret_caps = (struct host_caps){0};
    for (unsigned code = 0; code < PCM_FORMAT_COUNT; code++) {
        const struct pcm_format *format = pcm_format_by_code(code);
        if (format != NULL && alsa.pcm_hw_params_test_format(pcm->handle, pcm->hw,
                                                             (snd_pcm_format_t)format->alsa) == 0)
            ret_caps->formats |= 1ull << code;
    }
    for (unsigned code = 0; code < PCM_RATE_COUNT; code++)
        if (alsa.pcm_hw_params_test_rate(pcm->handle, pcm->hw, pcm_rate_hz(code), 0) == 0)
            ret_caps->rates |= 1ull << code;
    r = alsa.pcm_hw_params_get_channels_min(pcm->hw, &min);
    if (r == 0)
        r = alsa.pcm_hw_params_get_channels_max(pcm->hw, &max);
    if (r < 0)
        return alsa_result(r);
    ret_caps->channels_min = MAX(min, 1u);
    ret_caps->channels_max = MIN(max, 255u); /* as many as SET_PARAMS can say */
    return 0;
}

/* -- setting up -- */

/* It starts when told, and stops when it has run dry or over. */
static int sw_setup(struct alsa_pcm *pcm)
{
    snd_pcm_uframes_t never;

    int r = alsa.pcm_sw_params_current(pcm->handle, pcm->sw);
    if (r == 0)
        r = alsa.pcm_sw_params_get_boundary(pcm->sw, &never);
    if (r == 0)
        r = alsa.pcm_sw_params_set_start_threshold(pcm->handle, pcm->sw, never);
    if (r == 0)
        r = alsa.pcm_sw_params_set_stop_threshold(pcm->handle, pcm->sw, pcm->buffer_frames);
    if (r < 0)
        return alsa_result(r);
    return alsa_result(alsa.pcm_sw_params(pcm->handle, pcm->sw));
}

/* Plugins that can't have this do without. */
void alsa_pcm_silence(struct alsa_pcm *pcm, bool on)
{
    snd_pcm_uframes_t frames = on ? pcm->silence_frames : 0;

    if (pcm->silences == on)
        return;
    pcm->silences = on;
    (void)alsa.pcm_sw_params_set_silence_threshold(pcm->handle, pcm->sw, frames);
    (void)alsa.pcm_sw_params_set_silence_size(pcm->handle, pcm->sw, frames);
    (void)alsa.pcm_sw_params(pcm->handle, pcm->sw);
}

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
    pcm->buffer_frames = (uint32_t)buffer;
    pcm->fill_frames = (uint32_t)(pcm->may_mix && buffer >= 3 * period ? buffer - period : buffer);
    pcm->silence_frames = (uint32_t)MIN(2 * period, buffer - 1);
    return sw_setup(pcm);
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
    pcm->can_pause = r == 0 && alsa.pcm_hw_params_can_pause(pcm->hw) != 0;
    return r;
}

/* -- looking -- */

int alsa_pcm_look(struct alsa_pcm *pcm, struct alsa_look *ret_look)
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
    };
    return 0;
}

ssize_t alsa_pcm_move(struct alsa_pcm *pcm, void *buf, size_t frames)
{
    snd_pcm_sframes_t r = pcm->direction == PCM_OUTPUT ? alsa.pcm_writei(pcm->handle, buf, frames)
                                                       : alsa.pcm_readi(pcm->handle, buf, frames);

    return r == -EAGAIN ? 0 : alsa_result(r);
}
