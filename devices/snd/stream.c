/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a stream, see stream.h: the state machine and its commands (virtio 1.4 §5.14.6.6.3
 * to .6). Moving frames and completing messages is in transfer.c.
 */
#include "devices/snd/snd.h"
#include "devices/snd/transfer.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#define NO -1

/* Rows: states; columns: SET_PARAMS, PREPARE, START, STOP, RELEASE (§5.14.6.6.1). */
static const int8_t next_state[STREAM_STATE_COUNT][STREAM_COMMAND_COUNT] = {
    [STREAM_INIT] = {STREAM_PARAMS, NO, NO, NO, NO},
    [STREAM_PARAMS] = {STREAM_PARAMS, STREAM_PREPARED, NO, NO, NO},
    [STREAM_PREPARED] = {STREAM_PARAMS, STREAM_PREPARED, STREAM_RUNNING, NO, STREAM_RELEASED},
    [STREAM_RUNNING] = {NO, NO, NO, STREAM_STOPPED, NO},
    [STREAM_STOPPED] = {NO, NO, STREAM_RUNNING, NO, STREAM_RELEASED},
    [STREAM_RELEASED] = {STREAM_PARAMS, STREAM_PREPARED, NO, NO, NO},
};

int stream_next_state(enum stream_state state, enum stream_command command)
{
    assert(state < STREAM_STATE_COUNT && command < STREAM_COMMAND_COUNT);
    return next_state[state][command];
}

/* -- life -- */

static void timer_ready(struct watch *watch, uint32_t epoll_events)
{
    struct stream *stream = container_of(watch, struct stream, timer);
    uint64_t expirations;

    (void)epoll_events;
    (void)!read(watch->fd, &expirations, sizeof(expirations)); /* EAGAIN: was armed anew */
    stream->dirty = true;
    snd_serve(stream->snd, stream->vq);
}

static void host_wake(struct host *host)
{
    struct stream *stream = host->wake_ctx;

    stream->dirty = true;
    snd_serve(stream->snd, stream->vq);
}

int stream_init(struct stream *stream, struct snd *snd)
{
    stream->snd = snd;
    stream->newest_next = &stream->oldest;
    stream->host->wake = host_wake;
    stream->host->wake_ctx = stream;
    stream->host->loop = &snd->dev.worker.loop;
    stream->timer.ready = timer_ready;
    stream->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return stream->timer.fd < 0 ? -errno : 0;
}

void stream_fini(struct stream *stream)
{
    fd_close(&stream->timer.fd);
    if (stream->host != NULL)
        stream->host->class->destroy(stream->host);
    stream->host = NULL;
}

int stream_activate(struct stream *stream)
{
    return loop_add(&stream->snd->dev.worker.loop, &stream->timer, EPOLLIN);
}

static void host_close(struct stream *stream)
{
    if (stream->host_open)
        stream->host->class->close(stream->host);
    stream->host_open = false;
}

void stream_reset(struct stream *stream)
{
    struct timebase *timebase = stream->snd->timebase;

    timebase->arm(timebase, stream->timer.fd, CLOCK_NEVER);
    loop_remove(&stream->timer);
    host_close(stream);
    stream->oldest = NULL; /* the device puts all messages back */
    stream->newest_next = &stream->oldest;
    stream->clock.running = false;
    stream->state = STREAM_INIT;
}

/* -- SET_PARAMS -- */

/* Checks a request against the stream's pcm_info (SND-30 to SND-38). */
static uint32_t params_check(const struct stream *stream, const struct wire_pcm_params *wire,
                             struct pcm_params *ret_params)
{
    const struct pcm_format *format = pcm_format_by_code(wire->format);
    uint32_t rate_hz = pcm_rate_hz(wire->rate);
    uint32_t buffer_bytes = from_le32(wire->buffer_bytes);
    uint32_t period_bytes = from_le32(wire->period_bytes);
    uint32_t features = from_le32(wire->features);

    if (buffer_bytes == 0 || period_bytes == 0 || buffer_bytes % period_bytes != 0)
        return VIRTIO_SND_S_BAD_MSG;
    if (wire->format >= PCM_FORMAT_COUNT || rate_hz == 0 ||
        features >> (VIRTIO_SND_PCM_F_EVT_XRUNS + 1) != 0)
        return VIRTIO_SND_S_BAD_MSG;
    if ((from_le64(stream->info.formats) >> wire->format & 1) == 0 ||
        (from_le64(stream->info.rates) >> wire->rate & 1) == 0 ||
        (features & ~from_le32(stream->info.features)) != 0)
        return VIRTIO_SND_S_NOT_SUPP;
    if (wire->channels < stream->info.channels_min || wire->channels > stream->info.channels_max)
        return VIRTIO_SND_S_NOT_SUPP;
    assert(format != NULL); /* offered ones have a row */
    uint32_t frame_bytes = (uint32_t)wire->channels * format->sample_bytes;
    if (period_bytes % frame_bytes != 0 || buffer_bytes > STREAM_BUFFER_BYTES_MAX)
        return VIRTIO_SND_S_NOT_SUPP;
    *ret_params = (struct pcm_params){
        .format = format,
        .rate_hz = rate_hz,
        .channels = wire->channels,
        .frame_bytes = frame_bytes,
        .period_frames = period_bytes / frame_bytes,
        .buffer_frames = buffer_bytes / frame_bytes,
    };
    return VIRTIO_SND_S_OK;
}

uint32_t stream_set_params(struct stream *stream, const struct wire_pcm_params *wire)
{
    struct pcm_params params;
    int next = stream_next_state(stream->state, STREAM_SET_PARAMS);

    if (next < 0)
        return VIRTIO_SND_S_NOT_SUPP;
    uint32_t status = params_check(stream, wire, &params);
    if (status != VIRTIO_SND_S_OK)
        return status;
    snd_take_messages(stream->snd, stream->vq);
    stream_flush(stream, VIRTIO_SND_S_IO_ERR); /* SND-40 */
    host_close(stream);
    stream->params = params;
    stream->features = from_le32(wire->features);
    stream->state = (enum stream_state)next;
    return VIRTIO_SND_S_OK;
}

/* -- the other commands: each returns 0 or why the host failed -- */

static int stream_prepare(struct stream *stream)
{
    bool own_clock = stream->clock_kind == CLOCK_KIND_HOST;

    snd_take_messages(stream->snd, stream->vq); /* those were meant to be discarded too */
    stream_flush(stream, VIRTIO_SND_S_IO_ERR);  /* SND-44 */
    if (!stream->host_open) {
        int r = stream->host->class->open(stream->host, &stream->params);
        if (r < 0)
            return r;
        stream->host_open = true;
    }
    clock_init(&stream->clock, stream->clock_kind, stream->params.rate_hz,
               own_clock ? stream->host : NULL);
    stream->submitted_frames = stream->moved_frames = stream->tapped_frames = 0;
    return 0;
}

static int stream_start(struct stream *stream)
{
    const struct host_class *class = stream->host->class;

    snd_take_messages(stream->snd, stream->vq);
    stream_move_ahead(stream);
    int r = class->start != NULL ? class->start(stream->host) : 0;
    if (r < 0)
        return r;
    clock_start(&stream->clock, stream->snd->timebase->now_ns(stream->snd->timebase));
    stream->gap_is_start = stream->oldest == NULL;
    return 0;
}

static int stream_stop(struct stream *stream)
{
    const struct host_class *class = stream->host->class;
    struct timebase *timebase = stream->snd->timebase;

    snd_take_messages(stream->snd, stream->vq);
    stream_serve(stream); /* what is due was heard before the stop */
    int r = class->stop != NULL ? class->stop(stream->host) : 0;
    if (r < 0)
        return r;
    clock_stop(&stream->clock, timebase->now_ns(timebase), stream->submitted_frames);
    timebase->arm(timebase, stream->timer.fd, CLOCK_NEVER);
    return 0;
}

static int stream_release(struct stream *stream)
{
    snd_take_messages(stream->snd, stream->vq); /* SND-48: the two rings are not ordered */
    stream_flush(stream, VIRTIO_SND_S_OK);
    host_close(stream);
    return 0;
}

uint32_t stream_command(struct stream *stream, enum stream_command command)
{
    static int (*const act[STREAM_COMMAND_COUNT])(struct stream *) = {
        [STREAM_PREPARE] = stream_prepare,
        [STREAM_START] = stream_start,
        [STREAM_STOP] = stream_stop,
        [STREAM_RELEASE] = stream_release,
    };
    int next = stream_next_state(stream->state, command);

    /* A guest that unwinds a stream which a device reset has closed already (SND-52). */
    if (stream->state == STREAM_INIT && (command == STREAM_STOP || command == STREAM_RELEASE))
        return VIRTIO_SND_S_OK;
    if (next < 0)
        return VIRTIO_SND_S_NOT_SUPP;
    if (act[command](stream) < 0)
        return VIRTIO_SND_S_IO_ERR;
    stream->state = (enum stream_state)next;
    stream->dirty = true;
    return VIRTIO_SND_S_OK;
}
