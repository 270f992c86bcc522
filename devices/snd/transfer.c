/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O messages of a stream (virtio 1.4 §5.14.6.8): taken in, moved to the host, completed when the
 * clock has consumed them. See stream.h for the picture, clock.h for time. Worker.
 *
 * Two rules are not in the specification; the stock driver needs them. It counts completed bytes
 * modulo its buffer, and looks at the count now and then:
 *
 * - The last message held is completed only some time after the one before it (hold_ns()). While
 *   one is held the driver's count is unambiguous however late it looks; if all came back at once,
 *   a full buffer would read as no progress at all.
 * - When we are late by more than about a period (the host stalled, the VM was stopped), the rest
 * of the timeline moves by that much, instead of periods ending in a burst. Less lateness than that
 *   never moves it, so there is no drift.
 */
#include "devices/snd/transfer.h"

#include "devices/snd/snd.h"

#define MS_NS 1000000ull

static uint64_t now_ns(const struct stream *stream)
{
    return stream->snd->timebase->now_ns(stream->snd->timebase);
}

/* -- taking messages in -- */

/* Bytes of frames in a message that has just come; 0 if it has no whole number of them. */
static uint32_t message_bytes(const struct stream *stream, const struct chain *chain)
{
    uint32_t status_bytes = sizeof(struct wire_pcm_status);
    uint32_t bytes = stream->info.direction == VIRTIO_SND_D_OUTPUT
                         ? chain_readable(chain)
                         : chain_writable(chain) - status_bytes;
    uint32_t limit = stream->params.buffer_frames * stream->params.frame_bytes;

    return bytes > limit || bytes % stream->params.frame_bytes != 0 ? 0 : bytes;
}

static bool takes_messages(const struct stream *stream)
{
    return stream->state == STREAM_PREPARED || stream->state == STREAM_RUNNING ||
           stream->state == STREAM_STOPPED;
}

/* The guest is back after all its frames were consumed. Silence was played meanwhile. */
static void gap_end(struct stream *stream)
{
    if (!stream->gap_is_start && stream->clock_kind != CLOCK_KIND_FREE)
        stream->counts.xruns++;
    clock_shift(&stream->clock, now_ns(stream), stream->submitted_frames);
}

void stream_submit(struct stream *stream, struct chain *chain)
{
    struct snd *snd = stream->snd;
    uint32_t bytes = takes_messages(stream) ? message_bytes(stream, chain) : 0;

    if (bytes == 0) {
        stream->counts.bad_messages++;
        snd_complete(stream->vq, chain, VIRTIO_SND_S_IO_ERR, 0);
        return;
    }
    if (stream->state == STREAM_RUNNING && stream->oldest == NULL)
        gap_end(stream);
    stream->gap_is_start = false;

    struct message *message = snd->free_messages;
    assert(message != NULL); /* as many as the queues can have under way */
    snd->free_messages = message->next;
    *message = (struct message){
        .begin = *chain,
        .chain = *chain,
        .start_frame = stream->submitted_frames,
        .frames = bytes / stream->params.frame_bytes,
    };
    *stream->newest_next = message;
    stream->newest_next = &message->next;
    stream->submitted_frames += message->frames;
    stream->dirty = true;
}

/* -- moving frames -- */

/* Counts and shows frames that went to or came from the host, each of them once. */
static void tap(struct stream *stream, uint64_t first_frame, uint32_t frames)
{
    uint64_t end = first_frame + frames;

    if (end <= stream->tapped_frames)
        return; /* the host lost them and they were moved again */
    stream->counts.frames += end - stream->tapped_frames;
    stream->tapped_frames = end;
}

/* Moves up to `frames` frames of a playback message: how many the host took, or -errno. */
static int64_t move_out(struct stream *stream, struct message *message, uint32_t frames)
{
    const uint32_t frame_bytes = stream->params.frame_bytes;
    struct host *host = stream->host;
    uint32_t moved = 0;

    while (moved < frames) {
        uint32_t count = MIN(frames - moved, SND_SCRATCH_BYTES / frame_bytes);
        struct chain before = message->chain;
        int r = chain_read(&message->chain, stream->snd->scratch, (size_t)count * frame_bytes);
        assert(r == 0); /* counted when the message came */
        ssize_t taken = host->class->write(host, stream->snd->scratch, count);
        if (taken < 0)
            return taken;
        tap(stream, message->start_frame + message->moved_frames, (uint32_t)taken);
        message->moved_frames += (uint32_t)taken;
        moved += (uint32_t)taken;
        if (taken < count) {
            message->chain = before;
            (void)chain_skip(&message->chain, (size_t)taken * frame_bytes); /* fits: was read */
            break;
        }
    }
    return moved;
}

/* Moves all of a message up to the stream's frame `end`. */
static void move_until(struct stream *stream, struct message *message, uint64_t end)
{
    uint64_t have = message->start_frame + message->moved_frames;

    if (end > have)
        (void)move_out(stream, message, (uint32_t)(end - have));
}

void stream_move_ahead(struct stream *stream)
{
    if (stream->clock_kind != CLOCK_KIND_HOST)
        return;
    for (struct message *m = stream->oldest; m != NULL; m = m->next) {
        uint32_t left = m->frames - m->moved_frames;
        if (left > 0 && move_out(stream, m, left) < left)
            return;
    }
}

/* -- completing them -- */

/* Takes the oldest message off and gives it back to the driver. */
static void complete_oldest(struct stream *stream, uint32_t status, uint32_t latency_bytes)
{
    struct message *message = stream->oldest;

    stream->oldest = message->next;
    if (stream->oldest == NULL)
        stream->newest_next = &stream->oldest;
    snd_complete(stream->vq, &message->chain, status, latency_bytes);
    message->next = stream->snd->free_messages;
    stream->snd->free_messages = message;
}

static uint64_t period_ns(const struct stream *stream)
{
    return frames_to_ns(stream->params.period_frames, stream->params.rate_hz);
}

/* How long the last message is kept after the one before it was completed: time for the guest to
 * look. A free clock may be far ahead of a slow guest, and it only waits when the guest does not
 * feed it, so it can afford more. */
static uint64_t hold_ns(const struct stream *stream)
{
    uint64_t period = period_ns(stream);

    if (stream->clock_kind == CLOCK_KIND_FREE)
        return MIN(MAX(period / 4, 1 * MS_NS), 10 * MS_NS);
    return MIN(period / 2, 1 * MS_NS);
}

/* From which lateness on the timeline is shifted: a period, or what takes short periods out of the
 * noise of scheduling, as long as half the buffer is left to the guest. */
static uint64_t stall_ns(const struct stream *stream)
{
    uint64_t half = frames_to_ns(stream->params.buffer_frames / 2, stream->params.rate_hz);

    return MAX(period_ns(stream), MIN(10 * MS_NS, half));
}

static void note_lateness(struct stream *stream, uint64_t now, uint64_t end_frame)
{
    if (stream->clock_kind != CLOCK_KIND_TIMER)
        return;
    uint64_t late = now - clock_when(&stream->clock, now, end_frame);
    stream->counts.late_max_ns = MAX(stream->counts.late_max_ns, late);
    if (late <= stall_ns(stream))
        return;
    stream->counts.stalls++;
    stream->counts.stalled_ns += late;
    clock_shift(&stream->clock, now, end_frame);
}

/* Completes the oldest message if it is time, else says when to look again. */
static bool complete_if_due(struct stream *stream, uint64_t now, uint64_t *ret_next)
{
    struct message *message = stream->oldest;
    uint64_t end_frame = message->start_frame + message->frames;
    uint64_t due = clock_when(&stream->clock, now, end_frame);

    if (message->next == NULL && stream->completed_ns != 0 && due <= now)
        due = MAX(due, stream->completed_ns + hold_ns(stream));
    if (due > now) {
        *ret_next = due;
        return false;
    }
    note_lateness(stream, now, end_frame);
    move_until(stream, message, end_frame);
    stream->counts.messages++;
    stream->completed_ns = now;
    complete_oldest(stream, VIRTIO_SND_S_OK,
                    stream->clock.host_position.latency_frames * stream->params.frame_bytes);
    return true;
}

void stream_serve(struct stream *stream)
{
    struct timebase *timebase = stream->snd->timebase;
    uint64_t now = now_ns(stream);
    uint64_t next = CLOCK_NEVER;

    if (stream->state != STREAM_RUNNING)
        return;
    if (clock_look(&stream->clock) == 0)
        stream_move_ahead(stream);
    while (stream->oldest != NULL && complete_if_due(stream, now, &next))
        continue;
    timebase->arm(timebase, stream->timer.fd, next);
    virtio_signal(&stream->snd->dev, stream->vq);
}

void stream_flush(struct stream *stream, uint32_t status)
{
    uint64_t consumed = clock_consumed(&stream->clock, now_ns(stream), stream->submitted_frames);

    while (stream->oldest != NULL) {
        struct message *message = stream->oldest;
        uint64_t end = message->start_frame + message->frames;
        if (status == VIRTIO_SND_S_OK && stream->host_open)
            move_until(stream, message, MIN(end, consumed));
        complete_oldest(stream, status, 0);
    }
    virtio_signal(&stream->snd->dev, stream->vq);
}
