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

static bool is_output(const struct stream *stream)
{
    return stream->info.direction == VIRTIO_SND_D_OUTPUT;
}

/* -- taking messages in -- */

/* Bytes of frames in a message that has just come; 0 if it has no whole number of them. */
static uint32_t message_bytes(const struct stream *stream, const struct chain *chain)
{
    uint32_t status_bytes = sizeof(struct wire_pcm_status);
    uint32_t bytes =
        is_output(stream) ? chain_readable(chain) : chain_writable(chain) - status_bytes;
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
    if (!stream->gap_is_start && stream->clock_kind != CLOCK_KIND_FREE) {
        stream->counts.xruns++;
        events_xrun(stream);
    }
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

/* Counts and hears `frames` frames that were moved, which are in the scratch buffer. Each once: the
 * host may have lost them and had them again. */
static void tap(struct stream *stream, uint64_t first_frame, uint32_t frames)
{
    uint64_t end = first_frame + frames;
    uint64_t begin = MAX(first_frame, stream->tapped_frames);

    if (end <= begin)
        return;
    stream->counts.frames += end - begin;
    stream->tapped_frames = end;
    ear_hear(&stream->ear,
             stream->snd->scratch + (begin - first_frame) * stream->params.frame_bytes,
             (size_t)(end - begin));
}

/* Gives the host up to `count` frames that are in the scratch buffer: how many it took, or
 * -errno. Without a host they vanish. */
static ssize_t host_write(struct stream *stream, uint32_t count)
{
    struct host *host = stream->attach.host;

    if (!attach_is_open(&stream->attach))
        return count;
    return host->class->write(host, stream->snd->scratch, count);
}

/* The same the other way; without a host there is silence. */
static ssize_t host_read(struct stream *stream, uint32_t count)
{
    struct host *host = stream->attach.host;

    if (attach_is_open(&stream->attach))
        return host->class->read(host, stream->snd->scratch, count);
    pcm_silence(stream->params.format, stream->snd->scratch,
                (size_t)count * stream->params.channels);
    return count;
}

/* One piece of a playback message, from guest memory to the host. */
static ssize_t piece_out(struct stream *stream, struct message *message, uint32_t count)
{
    const uint32_t frame_bytes = stream->params.frame_bytes;
    struct chain before = message->chain;
    int r = chain_read(&message->chain, stream->snd->scratch, (size_t)count * frame_bytes);

    assert(r == 0); /* counted when the message came */
    ctl_apply(stream, stream->snd->scratch, count);
    ssize_t taken = host_write(stream, count);
    if (taken < (ssize_t)count) {
        message->chain = before;
        (void)chain_skip(&message->chain, (size_t)MAX(taken, 0) * frame_bytes); /* was read */
    }
    return taken;
}

/* One piece of a capture message, from the host to guest memory. */
static ssize_t piece_in(struct stream *stream, struct message *message, uint32_t count)
{
    const uint32_t frame_bytes = stream->params.frame_bytes;
    ssize_t given = host_read(stream, count);
    if (given > 0)
        ctl_apply(stream, stream->snd->scratch, (size_t)given);
    int r = given > 0
                ? chain_write(&message->chain, stream->snd->scratch, (size_t)given * frame_bytes)
                : 0;

    assert(r == 0); /* counted when the message came */
    return given;
}

/* When the frames up to `frame` were due, at the latest now. */
static uint64_t due_now(const struct stream *stream, uint64_t frame)
{
    uint64_t now = now_ns(stream);

    if (stream->clock.kind != CLOCK_KIND_TIMER)
        return now;
    return MIN(now, clock_when(&stream->clock, now, frame));
}

/* Moves up to `frames` frames between a message and the host. False: the host takes, or has, no
 * more now, or has failed; then it is lost. */
static bool move(struct stream *stream, struct message *message, uint32_t frames)
{
    while (frames > 0) {
        uint32_t count = MIN(frames, SND_SCRATCH_BYTES / stream->params.frame_bytes);
        stream->attach.host->due_ns = due_now(stream, stream->moved_frames + count);
        ssize_t moved = is_output(stream) ? piece_out(stream, message, count)
                                          : piece_in(stream, message, count);
        if (moved < 0) {
            stream_lose_host(stream);
            return false;
        }
        tap(stream, stream->moved_frames, (uint32_t)moved);
        message->moved_frames += (uint32_t)moved;
        stream->moved_frames += (uint32_t)moved;
        frames -= (uint32_t)moved;
        if (moved < (ssize_t)count)
            return false;
    }
    return true;
}

/* Moves all of the oldest message up to the stream's frame `end`; a second try is without the host
 * that has failed in the first. */
static void move_until(struct stream *stream, uint64_t end)
{
    for (int tries = 0; tries < 2 && end > stream->moved_frames; tries++)
        (void)move(stream, stream->oldest, (uint32_t)(end - stream->moved_frames));
}

void stream_move_ahead(struct stream *stream)
{
    if (stream->clock.kind != CLOCK_KIND_HOST)
        return;
    for (struct message *m = stream->oldest; m != NULL; m = m->next)
        if (!move(stream, m, m->frames - m->moved_frames))
            return;
}

void stream_catch_up(struct stream *stream, uint64_t at_ns)
{
    uint64_t consumed = clock_consumed(&stream->clock, at_ns, stream->submitted_frames);

    for (struct message *m = stream->oldest; m != NULL && stream->moved_frames < consumed;
         m = m->next) {
        uint64_t left = MIN(m->frames - m->moved_frames, consumed - stream->moved_frames);
        if (left > 0 && !move(stream, m, (uint32_t)left))
            return;
    }
}

/* Fills a capture message with silence for what was missed while the host was away. */
static void skip_in(struct stream *stream, uint64_t frame)
{
    const uint32_t frame_bytes = stream->params.frame_bytes;
    struct message *m = stream->oldest;

    pcm_silence(stream->params.format, stream->snd->scratch,
                (size_t)SND_SCRATCH_BYTES / frame_bytes * stream->params.channels);
    while (m != NULL && stream->moved_frames < frame) {
        uint64_t left = MIN(m->frames - m->moved_frames, frame - stream->moved_frames);
        uint32_t count = (uint32_t)MIN(left, SND_SCRATCH_BYTES / frame_bytes);
        int r = chain_write(&m->chain, stream->snd->scratch, (size_t)count * frame_bytes);
        assert(r == 0); /* counted when the message came */
        m->moved_frames += count;
        stream->moved_frames += count;
        if (m->moved_frames == m->frames)
            m = m->next;
    }
}

void stream_seek(struct stream *stream, uint64_t frame)
{
    if (!is_output(stream))
        skip_in(stream, frame);
    if (!is_output(stream) || frame == stream->moved_frames)
        return;
    for (struct message *m = stream->oldest; m != NULL; m = m->next) {
        uint64_t before = frame > m->start_frame ? frame - m->start_frame : 0;
        uint32_t moved = (uint32_t)MIN(before, m->frames);
        m->chain = m->begin;
        m->moved_frames = moved;
        (void)chain_skip(&m->chain, (size_t)moved * stream->params.frame_bytes); /* all in it */
    }
    stream->moved_frames = frame;
}

void stream_seek_back(struct stream *stream)
{
    const struct clock *clock = &stream->clock;

    if (clock->kind == CLOCK_KIND_HOST)
        stream_seek(stream, MIN(clock->host_base + clock->host_position.accepted_frames,
                                stream->moved_frames));
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

/* How often tx or rx is looked into for a driver that need not kick (SND-41). */
static uint64_t poll_ns(const struct stream *stream)
{
    return MAX(period_ns(stream) / 4, 1 * MS_NS);
}

/* From which lateness on the timeline is shifted: a period, or what takes short periods out of the
 * noise of scheduling, as long as half the buffer is left to the guest. */
static uint64_t stall_ns(const struct stream *stream)
{
    uint64_t half = frames_to_ns(stream->params.buffer_frames / 2, stream->params.rate_hz);

    return MAX(period_ns(stream), MIN(10 * MS_NS, half));
}

/* What Linux adds to the frames in its own buffer to tell a program how far away the sound is:
 * those that were completed and not heard, or heard and not delivered (SND-56). */
static uint32_t latency_bytes(const struct stream *stream, uint64_t end_frame)
{
    const struct clock *clock = &stream->clock;
    uint64_t frames = clock->host_position.latency_frames;

    if (clock->kind != CLOCK_KIND_HOST)
        return 0;
    if (!is_output(stream))
        frames += clock->host_base + clock->host_position.consumed_frames - end_frame;
    return (uint32_t)MIN(frames * stream->params.frame_bytes, UINT32_MAX);
}

static void note_lateness(struct stream *stream, uint64_t now, uint64_t end_frame)
{
    if (stream->clock.kind != CLOCK_KIND_TIMER)
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
    if (due <= now && stream->clock.kind == CLOCK_KIND_HOST &&
        message->moved_frames < message->frames)
        due = now + 1 * MS_NS; /* captured, but not to be had yet */
    if (due > now) {
        *ret_next = due;
        return false;
    }
    note_lateness(stream, now, end_frame);
    move_until(stream, end_frame);
    stream->counts.messages++;
    stream->completed_ns = now;
    bool failed = stream->fail_when_absent && !attach_is_open(&stream->attach);
    complete_oldest(stream, failed ? VIRTIO_SND_S_IO_ERR : VIRTIO_SND_S_OK,
                    latency_bytes(stream, end_frame));
    return true;
}

/* Lets the host's clock be known, and the host have or give what it can now. */
static void look_and_move(struct stream *stream)
{
    if (clock_look(&stream->clock) < 0) {
        stream_lose_host(stream);
        return;
    }
    stream_seek_back(stream);
    stream_move_ahead(stream);
}

void stream_serve(struct stream *stream)
{
    struct timebase *timebase = stream->snd->timebase;
    uint64_t now = now_ns(stream);
    uint64_t next = CLOCK_NEVER;

    if (stream->state != STREAM_RUNNING) {
        stream_idle(stream, now);
        return;
    }
    stream_retry_host(stream, now);
    look_and_move(stream);
    while (stream->oldest != NULL && complete_if_due(stream, now, &next))
        continue;
    next = MIN(next, stream->retry_ns);
    if ((stream->features & 1u << VIRTIO_SND_PCM_F_MSG_POLLING) != 0)
        next = MIN(next, now + poll_ns(stream));
    timebase->arm(timebase, stream->timer.fd, next);
    virtio_signal(&stream->snd->dev, stream->vq);
}

void stream_flush(struct stream *stream, uint32_t status)
{
    uint64_t consumed = clock_consumed(&stream->clock, now_ns(stream), stream->submitted_frames);

    while (stream->oldest != NULL) {
        struct message *message = stream->oldest;
        uint64_t end = message->start_frame + message->frames;
        if (status == VIRTIO_SND_S_OK)
            move_until(stream, MIN(end, consumed));
        complete_oldest(stream, status, 0);
    }
    virtio_signal(&stream->snd->dev, stream->vq);
}
