/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a stream, see pcm.h: the state machine and its commands (virtio 1.4 §5.14.6.6.3 to
 * .6).
 */
#include "devices/snd/pcm/pcm.h"

#define NO (-1)

/* Rows: states; columns: SET_PARAMS, PREPARE, RELEASE, START, STOP (§5.14.6.6.1). NO: not allowed.
 */
static const int8_t next_state[STREAM_STATE_COUNT][STREAM_COMMAND_COUNT] = {
    [STREAM_INIT] = {STREAM_PARAMS, NO, NO, NO, NO},
    [STREAM_PARAMS] = {STREAM_PARAMS, STREAM_PREPARED, NO, NO, NO},
    [STREAM_PREPARED] = {STREAM_PARAMS, STREAM_PREPARED, STREAM_RELEASED, STREAM_RUNNING, NO},
    [STREAM_RUNNING] = {NO, NO, NO, NO, STREAM_STOPPED},
    [STREAM_STOPPED] = {NO, NO, STREAM_RELEASED, STREAM_RUNNING, NO},
    [STREAM_RELEASED] = {STREAM_PARAMS, STREAM_PREPARED, NO, NO, NO},
};

/* -- life -- */

void stream_reset(struct stream *stream)
{
    stream_close_host(stream);
    stream->oldest = NULL; /* all messages are free again */
    stream->newest_next = &stream->oldest;
    stream->is_parked = false;
    stream->dirty = false;
    stream->wake_ns = stream->retry_ns = stream->xrun_ns = TIME_NEVER;
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
    if (format == NULL || (from_le64(stream->info.formats) >> wire->format & 1) == 0 ||
        (from_le64(stream->info.rates) >> wire->rate & 1) == 0 ||
        (features & ~from_le32(stream->info.features)) != 0)
        return VIRTIO_SND_S_NOT_SUPP;
    if (wire->channels < stream->info.channels_min || wire->channels > stream->info.channels_max)
        return VIRTIO_SND_S_NOT_SUPP;
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

    stream_unpark(stream);
    int8_t next = next_state[stream->state][STREAM_SET_PARAMS];
    if (next < 0)
        return VIRTIO_SND_S_NOT_SUPP;
    uint32_t status = params_check(stream, wire, &params);
    if (status != VIRTIO_SND_S_OK)
        return status;
    pcm_take(stream->pcm, stream->vq);
    stream_flush(stream, VIRTIO_SND_S_IO_ERR); /* SND-40 */
    stream_close_host(stream);
    stream->params = params;
    stream->features = from_le32(wire->features);
    stream->state = (enum stream_state)next;
    return VIRTIO_SND_S_OK;
}

/* -- PREPARE -- */

/* Did opening fail because there is no card now, or no sound server? Each was there once: when the
 * device was made. What else can fail (another program has the card, say) is for the guest to hear
 * of. */
static bool is_gone(int r)
{
    return r == -ENODEV || r == -ENOENT || r == -ENXIO || r == -ECONNREFUSED || r == -EHOSTDOWN ||
           r == -ETIMEDOUT;
}

/* The host is open, or has failed to open (r), or is late: then, or if it is gone and may be back,
 * the stream begins without it. */
static uint32_t prepare_status(struct stream *stream, int r)
{
    bool gone = is_gone(r) && stream->host->class->reopens;

    if (r < 0 && r != -EINPROGRESS && !gone)
        return VIRTIO_SND_S_IO_ERR;
    clock_init(&stream->clock, stream_clock_kind(stream), stream->params.rate_hz, stream->host);
    ear_tune(stream->ear, &stream->params);
    stream->submitted_frames = stream->moved_frames = stream->heard_frames = 0;
    stream->completed_ns = stream->fault_end_frame = stream->fault_stall_end_ns = 0;
    stream->fault_dries = false;
    stream->retry_ns = TIME_NEVER;
    if (gone)
        stream_await_host(stream);
    stream->state = STREAM_PREPARED;
    return VIRTIO_SND_S_OK;
}

/* Answers a parked PREPARE. */
static void prepare_end(struct stream *stream, int r)
{
    struct virtio_device *dev = stream->pcm->dev;
    struct virtq *vq = &dev->queue[VIRTIO_SND_VQ_CONTROL];

    stream->is_parked = false;
    reply_write(&stream->parked, prepare_status(stream, r), NULL, 0);
    virtq_push(vq, &stream->parked);
    virtio_signal(dev, vq);
}

void stream_opened(struct stream *stream, int r)
{
    stream->host_state = r < 0 ? HOST_CLOSED : HOST_OPEN;
    if (stream->is_parked)
        prepare_end(stream, r);
    else if (r == 0)
        stream_return_host(stream);
    else
        stream_await_host(stream);
}

/* Another command, or the time that is up, ends the wait for the host. */
void stream_unpark(struct stream *stream)
{
    if (!stream->is_parked)
        return;
    log_guest(&stream->pcm->dev->log_limit,
              "%s: host=%s is slow to open; the guest goes on, to be heard when it is there",
              stream->name, stream->host->class->name);
    prepare_end(stream, -EINPROGRESS);
}

static uint32_t stream_prepare(struct stream *stream, const struct chain *req)
{
    pcm_take(stream->pcm, stream->vq);         /* those were meant to be discarded too */
    stream_flush(stream, VIRTIO_SND_S_IO_ERR); /* SND-44 */
    int r = stream_open_host(stream);
    if (r != -EINPROGRESS)
        return prepare_status(stream, r);
    stream->parked = *req;
    stream->is_parked = true;
    stream->park_end_ns = pcm_now_ns(stream->pcm) + STREAM_PARK_NS;
    stream->dirty = true; /* has stream_serve() set wake_ns */
    return REPLY_PARKED;
}

/* -- START, STOP, RELEASE -- */

static void stream_start(struct stream *stream)
{
    pcm_take(stream->pcm, stream->vq);
    stream_move_ahead(stream);
    uint64_t now = pcm_now_ns(stream->pcm);
    stream->host->due_ns = now;
    stream_start_host(stream);
    clock_start(&stream->clock, now);
    stream->gap_is_start = stream->oldest == NULL;
}

static void stream_stop(struct stream *stream)
{
    pcm_take(stream->pcm, stream->vq);
    uint64_t now = pcm_now_ns(stream->pcm);
    stream_transfer(stream, now); /* what is due was heard before the stop, */
    if (stream->clock.kind != CLOCK_KIND_HOST)
        stream_catch_up(stream, now); /* and what is not, in part */
    stream_stop_host(stream);
    clock_stop(&stream->clock, now, stream->submitted_frames);
    stream->wake_ns = stream->xrun_ns = TIME_NEVER;
}

static void stream_release(struct stream *stream)
{
    pcm_take(stream->pcm, stream->vq); /* SND-48: the two rings are not ordered */
    stream_flush(stream, VIRTIO_SND_S_OK);
    stream_close_host(stream);
}

uint32_t stream_command(struct stream *stream, enum stream_command command, const struct chain *req)
{
    static void (*const act[STREAM_COMMAND_COUNT])(struct stream *) = {
        [STREAM_RELEASE] = stream_release,
        [STREAM_START] = stream_start,
        [STREAM_STOP] = stream_stop,
    };

    stream_unpark(stream);
    /* A guest that unwinds a stream which a device reset has closed already (SND-52). */
    if (stream->state == STREAM_INIT && (command == STREAM_STOP || command == STREAM_RELEASE))
        return VIRTIO_SND_S_OK;
    int8_t next = next_state[stream->state][command];
    if (next < 0)
        return VIRTIO_SND_S_NOT_SUPP;
    if (command == STREAM_PREPARE)
        return stream_prepare(stream, req);
    act[command](stream);
    stream->state = (enum stream_state)next;
    stream->dirty = true;
    return VIRTIO_SND_S_OK;
}

void stream_serve(struct stream *stream, uint64_t now)
{
    if (stream->state == STREAM_RUNNING)
        stream_transfer(stream, now);
    else if (stream->is_parked && now >= stream->park_end_ns)
        stream_unpark(stream);
    else if (stream->is_parked)
        stream->wake_ns = stream->park_end_ns;
}

/* -- the machine is paused -- */

/* A host with a clock has a life of its own; without one, it does what the stream tells it. */
void stream_pause(struct stream *stream)
{
    if (stream->state == STREAM_RUNNING && stream->clock.kind == CLOCK_KIND_HOST)
        stream_stop_host(stream);
}

void stream_resume(struct stream *stream)
{
    if (stream->state != STREAM_RUNNING || stream->clock.kind != CLOCK_KIND_HOST)
        return;
    stream_move_ahead(stream);
    stream_start_host(stream);
}
