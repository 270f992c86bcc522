/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_card.h. */
#include "tests/fake_card.h"

#include "devices/snd/lib/alsa.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

struct fake_card fake_card;

/* alsa-lib's functions behind ours. */
static struct alsa real;

static uint64_t queued_frames(void)
{
    return fake_card.io.appl_ptr - fake_card.hw_frames;
}

/* -- what alsa-lib calls -- */

static int on_start(snd_pcm_ioplug_t *io)
{
    (void)io;
    if (fake_card.start_error != 0)
        return fake_card.start_error;
    fake_card.starts++;
    fake_card.running = true;
    return 0;
}

static int on_stop(snd_pcm_ioplug_t *io)
{
    (void)io;
    fake_card.stops++;
    fake_card.running = false;
    return 0;
}

static snd_pcm_sframes_t on_pointer(snd_pcm_ioplug_t *io)
{
    (void)io;
    if (fake_card.moves && fake_card.running)
        fake_card.hw_frames++;
    return (snd_pcm_sframes_t)fake_card.hw_frames;
}

static int on_prepare(snd_pcm_ioplug_t *io)
{
    (void)io;
    fake_card.prepares++;
    fake_card.hw_frames = 0;
    fake_card.running = false;
    return 0;
}

/* One frame of the areas, 16 bits of each of two channels. */
static char *sample_at(const snd_pcm_channel_area_t *area, snd_pcm_uframes_t frame)
{
    return (char *)area->addr + (area->first + frame * area->step) / 8;
}

/* An interrupt: the card has played so many frames more, and the kernel has silence follow on those
 * that it knows of. */
static void interrupt(unsigned frames)
{
    uint64_t from = fake_card.hw_frames + fake_card.silence_frames;

    fake_card_run(frames);
    for (uint64_t at = MAX(from, fake_card.io.appl_ptr);
         at < fake_card.hw_frames + fake_card.silence_frames; at++)
        fake_card.ring[at % FAKE_CARD_RING_FRAMES] = 0;
}

static snd_pcm_sframes_t on_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
                                     snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
    for (snd_pcm_uframes_t i = 0; i < size; i++) {
        uint32_t *frame = &fake_card.ring[(io->appl_ptr + i) % FAKE_CARD_RING_FRAMES];
        for (unsigned channel = 0; channel < 2; channel++) {
            char *theirs = sample_at(&areas[channel], offset + i);
            char *ours = (char *)frame + (size_t)channel * 2;
            if (io->stream == SND_PCM_STREAM_PLAYBACK)
                memcpy(ours, theirs, 2);
            else
                memcpy(theirs, ours, 2);
        }
    }
    if (fake_card.frames_in_write > 0)
        interrupt(fake_card.frames_in_write);
    return (snd_pcm_sframes_t)size;
}

static int on_close(snd_pcm_ioplug_t *io)
{
    (void)io;
    fake_card.closes++;
    fake_card.is_open = false;
    return 0;
}

static int on_hw_params(snd_pcm_ioplug_t *io, snd_pcm_hw_params_t *params)
{
    (void)io;
    (void)params;
    return fake_card.setup_error;
}

static int on_pause(snd_pcm_ioplug_t *io, int enable)
{
    (void)io;
    if (fake_card.pause_error != 0)
        return fake_card.pause_error;
    fake_card.running = !enable;
    return 0;
}

static int on_delay(snd_pcm_ioplug_t *io, snd_pcm_sframes_t *delay)
{
    uint64_t in_ring = io->stream == SND_PCM_STREAM_PLAYBACK ? queued_frames()
                                                             : fake_card.hw_frames - io->appl_ptr;

    *delay = (snd_pcm_sframes_t)(in_ring + fake_card.fifo_frames);
    return 0;
}

static snd_pcm_ioplug_callback_t callbacks;

static int restrict_params(snd_pcm_ioplug_t *io)
{
    static const unsigned formats[] = {SND_PCM_FORMAT_S16_LE, SND_PCM_FORMAT_FLOAT_LE};
    static const unsigned channels[] = {2, 4, 6};
    const unsigned access =
        fake_card.is_planar ? SND_PCM_ACCESS_RW_NONINTERLEAVED : SND_PCM_ACCESS_RW_INTERLEAVED;
    int r = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 1, &access);

    r |= snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, ARRAY_SIZE(formats), formats);
    r |= snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_CHANNELS, ARRAY_SIZE(channels),
                                       channels);
    r |= snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, 32000, 48000);
    r |= snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 64,
                                         fake_card.period_frames_max * 4);
    r |= snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_BUFFER_BYTES, 128,
                                         FAKE_CARD_RING_FRAMES * 4);
    return r;
}

/* -- in place of alsa-lib's functions -- */

static int fake_open(snd_pcm_t **pcm, const char *name, snd_pcm_stream_t stream, int mode)
{
    snd_pcm_ioplug_t *io = &fake_card.io;

    if (strcmp(name, "fake") != 0)
        return real.pcm_open(pcm, name, stream, mode);
    fake_card.opens++;
    if (fake_card.open_error != 0)
        return fake_card.open_error;
    if (fake_card.is_open)
        return -EBUSY;
    callbacks = (snd_pcm_ioplug_callback_t){
        .start = on_start,
        .stop = on_stop,
        .pointer = on_pointer,
        .transfer = on_transfer,
        .close = on_close,
        .hw_params = on_hw_params,
        .prepare = on_prepare,
        .pause = fake_card.can_pause ? on_pause : NULL,
        .delay = on_delay,
    };
    *io = (snd_pcm_ioplug_t){
        .version = SND_PCM_IOPLUG_VERSION,
        .name = "fake",
        .flags = SND_PCM_IOPLUG_FLAG_MONOTONIC | SND_PCM_IOPLUG_FLAG_BOUNDARY_WA,
        .poll_fd = fake_card.fd,
        .poll_events = POLLIN,
        .callback = &callbacks,
    };
    int r = snd_pcm_ioplug_create(io, name, stream, mode);
    if (r == 0)
        r = restrict_params(io);
    fake_card.is_open = r == 0;
    *pcm = io->pcm;
    return r;
}

static int fake_status(snd_pcm_t *pcm, snd_pcm_status_t *status)
{
    fake_card.looks++;
    return fake_card.status_error != 0 ? fake_card.status_error : real.pcm_status(pcm, status);
}

static int fake_sw_params(snd_pcm_t *pcm, snd_pcm_sw_params_t *params)
{
    snd_pcm_uframes_t frames;
    int r = snd_pcm_sw_params_get_silence_threshold(params, &frames);

    fake_card.silence_frames = frames;
    return r < 0 ? r : real.pcm_sw_params(pcm, params);
}

static snd_pcm_type_t fake_type(snd_pcm_t *pcm)
{
    if (fake_card.is_card)
        return SND_PCM_TYPE_HW;
    return fake_card.is_plug ? SND_PCM_TYPE_PLUG : real.pcm_type(pcm);
}

/* -- what tests call -- */

void fake_card_init(void)
{
    memset(&fake_card, 0, sizeof(fake_card));
    if (real.pcm_open == NULL && alsa_load() == 0)
        real = alsa;
    assert(real.pcm_open != NULL);
    alsa.pcm_open = fake_open;
    alsa.pcm_status = fake_status;
    alsa.pcm_sw_params = fake_sw_params;
    alsa.pcm_type = fake_type;
    fake_card.period_frames_max = FAKE_CARD_RING_FRAMES / 2;
    fake_card.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert(fake_card.fd >= 0);
}

void fake_card_fini(void)
{
    fd_close(&fake_card.fd);
    memset(&fake_card, 0, sizeof(fake_card));
    alsa = real;
}

static void play_one(void)
{
    uint32_t frame = fake_card.ring[fake_card.hw_frames % FAKE_CARD_RING_FRAMES];

    assert(fake_card.heard_frames < FAKE_CARD_HEARD_FRAMES);
    fake_card.heard[fake_card.heard_frames++] = frame;
    fake_card.hw_frames++;
}

static void record_one(void)
{
    fake_card.ring[fake_card.hw_frames % FAKE_CARD_RING_FRAMES] = ++fake_card.recorded;
    fake_card.hw_frames++;
}

void fake_card_run(unsigned frames)
{
    bool plays = fake_card.io.stream == SND_PCM_STREAM_PLAYBACK;

    for (unsigned i = 0; i < frames && fake_card.running; i++) {
        if (plays && queued_frames() > 0)
            play_one();
        else if (!plays)
            record_one();
        if (plays ? queued_frames() == 0
                  : fake_card.hw_frames - fake_card.io.appl_ptr >= fake_card.io.buffer_size)
            fake_card_trip();
    }
}

void fake_card_suspend(void)
{
    fake_card.running = false;
    (void)snd_pcm_ioplug_set_state(&fake_card.io, SND_PCM_STATE_SUSPENDED);
}

void fake_card_trip(void)
{
    fake_card.running = false;
    (void)snd_pcm_ioplug_set_state(&fake_card.io, SND_PCM_STATE_XRUN);
}

void fake_card_unplug(void)
{
    fake_card.running = false;
    fake_card.open_error = -ENODEV;
    (void)snd_pcm_ioplug_set_state(&fake_card.io, SND_PCM_STATE_DISCONNECTED);
}
