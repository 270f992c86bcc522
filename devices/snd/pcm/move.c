/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See pcm.h. On their way frames pass the mixer's volume and the faults that the user ordered, and
 * are heard.
 *
 * Where frames stand: stream->moved_frames is the stream's frame that moves next; messages before
 * the one that holds it have moved whole, those behind it not at all.
 */
#include "devices/snd/pcm/pcm.h"

/* How often an absent host is tried again. */
#define RETRY_NS SECOND_NS

/* -- moving -- */

/* Counts and tells of frames that were moved, which are in the scratch buffer. Each once: the host
 * may have lost them and had them again. */
static void tell(struct stream *stream, uint64_t first_frame, uint32_t frames)
{
    uint64_t end = first_frame + frames;
    uint64_t begin = MAX(first_frame, stream->heard_frames);

    if (end <= begin)
        return;
    stream->counts.frames += end - begin;
    stream->heard_frames = end;
    ear_hear(stream->ear, stream->pcm->scratch + (begin - first_frame) * stream->params.frame_bytes,
             end - begin);
}

/* The same for what a card has consumed of what it was given. */
void stream_played(struct host *host, const void *frames, size_t count)
{
    struct stream *stream = host->wake_ctx;

    stream->counts.frames += count;
    stream->heard_frames += count;
    ear_hear(stream->ear, frames, count);
}

static void silence(const struct stream *stream, uint32_t frames)
{
    pcm_silence(stream->params.format, stream->pcm->scratch,
                (size_t)frames * stream->params.channels);
}

/* What is done to frames that are in the scratch buffer. */
static void change(const struct stream *stream, const struct message *message, uint32_t frames)
{
    if (fault_is(message->fault, FAULT_DROP) || fault_is(message->fault, FAULT_IO_ERR))
        silence(stream, frames);
    else if (stream->volume != NULL)
        volume_apply(stream->volume, &stream->params, stream->pcm->scratch, frames);
}

/* One piece of a playback message, from guest memory to the host: how many frames it took, or
 * -errno. Without a host they vanish. */
static ssize_t piece_out(struct stream *stream, struct message *message, uint32_t count)
{
    const uint32_t frame_bytes = stream->params.frame_bytes;
    struct chain before = message->chain;
    ssize_t taken = count;
    int r = chain_read(&message->chain, stream->pcm->scratch, (size_t)count * frame_bytes);

    assert(r == 0); /* counted when the message came */
    change(stream, message, count);
    if (stream->host_state == HOST_OPEN)
        taken = MIN(stream->host->class->write(stream->host, stream->pcm->scratch, count), taken);
    if (taken < (ssize_t)count) {
        message->chain = before;
        (void)chain_skip(&message->chain, (size_t)MAX(taken, 0) * frame_bytes); /* was read */
    }
    return taken;
}

/* One piece of a capture message, from the host to guest memory. Without a host it is silence. */
static ssize_t piece_in(struct stream *stream, struct message *message, uint32_t count)
{
    ssize_t given = count;

    if (stream->host_state == HOST_OPEN)
        given = MIN(stream->host->class->read(stream->host, stream->pcm->scratch, count), given);
    else
        silence(stream, count);
    if (given <= 0)
        return given;
    change(stream, message, (uint32_t)given);
    int r = chain_write(&message->chain, stream->pcm->scratch,
                        (size_t)given * stream->params.frame_bytes);
    assert(r == 0); /* counted when the message came */
    return given;
}

/* When the frames up to `frame` were due, at the latest now. */
static uint64_t due_ns(const struct stream *stream, uint64_t frame, uint64_t now)
{
    return stream->clock.kind == CLOCK_KIND_TIMER ? MIN(now, clock_when(&stream->clock, now, frame))
                                                  : now;
}

/* Moves up to `frames` frames of a message. False: the host takes, or has, no more now, or has
 * failed; then it is lost. */
static bool move(struct stream *stream, struct message *message, uint64_t frames, uint64_t now)
{
    while (frames > 0) {
        uint32_t count = (uint32_t)MIN(frames, PCM_SCRATCH_BYTES / stream->params.frame_bytes);
        stream->host->due_ns = due_ns(stream, stream->moved_frames + count, now);
        ssize_t moved = stream_is_output(stream) ? piece_out(stream, message, count)
                                                 : piece_in(stream, message, count);
        if (moved < 0) {
            stream_lose_host(stream);
            return false;
        }
        if (!stream_is_output(stream) || stream->clock.kind != CLOCK_KIND_HOST)
            tell(stream, stream->moved_frames, (uint32_t)moved);
        message->moved_frames += (uint32_t)moved;
        stream->moved_frames += (uint32_t)moved;
        frames -= (uint32_t)moved;
        if (moved < (ssize_t)count)
            return false;
    }
    return true;
}

void message_fill(struct stream *stream, struct message *message, uint32_t frames)
{
    const uint32_t frame_bytes = stream->params.frame_bytes;

    silence(stream, MIN(frames, PCM_SCRATCH_BYTES / frame_bytes));
    while (frames > 0) {
        uint32_t count = MIN(frames, PCM_SCRATCH_BYTES / frame_bytes);
        int r = chain_write(&message->chain, stream->pcm->scratch, (size_t)count * frame_bytes);
        assert(r == 0); /* counted when the message came */
        frames -= count;
    }
}

/* The next frames of a message will never be heard, or never were. */
static void skip(struct stream *stream, struct message *message, uint32_t frames)
{
    if (stream_is_output(stream))
        (void)chain_skip(&message->chain, (size_t)frames * stream->params.frame_bytes); /* all in */
    else
        message_fill(stream, message, frames);
    message->moved_frames += frames;
    stream->moved_frames += frames;
}

void stream_move_oldest(struct stream *stream, uint64_t now)
{
    struct message *message = stream->oldest;

    if (move(stream, message, message->frames - message->moved_frames, now) ||
        (stream->host_state != HOST_OPEN && /* it failed: again, without it */
         move(stream, message, message->frames - message->moved_frames, now)))
        return;
    uint32_t lost = message->frames - message->moved_frames;
    skip(stream, message, lost);
    stream->host->lost_frames += lost;
    stream->clock.host_base += lost;
}

void stream_move_ahead(struct stream *stream)
{
    if (stream->clock.kind != CLOCK_KIND_HOST)
        return;
    for (struct message *m = stream->oldest; m != NULL; m = m->next)
        if (!move(stream, m, m->frames - m->moved_frames, 0)) /* asked for without a clock only */
            return;
}

void stream_catch_up(struct stream *stream, uint64_t at_ns)
{
    uint64_t consumed = clock_consumed(&stream->clock, at_ns, stream->submitted_frames);

    for (struct message *m = stream->oldest; m != NULL && stream->moved_frames < consumed;
         m = m->next)
        if (!move(stream, m, MIN(m->frames - m->moved_frames, consumed - stream->moved_frames),
                  at_ns))
            return;
}

/* Playback: goes on moving at frame `frame`, or as near as what is held allows. */
static void seek(struct stream *stream, uint64_t frame)
{
    uint64_t first =
        stream->oldest != NULL ? stream->oldest->start_frame : stream->submitted_frames;

    frame = MIN(MAX(frame, first), stream->submitted_frames);
    if (frame == stream->moved_frames)
        return;
    for (struct message *m = stream->oldest; m != NULL; m = m->next) {
        uint64_t before = frame > m->start_frame ? frame - m->start_frame : 0;
        m->chain = m->begin;
        m->moved_frames = (uint32_t)MIN(before, m->frames);
        (void)chain_skip(&m->chain, (size_t)m->moved_frames * stream->params.frame_bytes);
    }
    stream->moved_frames = frame;
}

/* -- the host comes and goes -- */

enum clock_kind stream_clock_kind(const struct stream *stream)
{
    bool without = stream->clock_kind == CLOCK_KIND_HOST && stream->host_state != HOST_OPEN;

    return without ? CLOCK_KIND_TIMER : stream->clock_kind;
}

/* Goes on by the clock that there is now, from the frame that is reached. What was to be recorded
 * meanwhile is silence. */
static void switch_clock(struct stream *stream)
{
    clock_switch(&stream->clock, pcm_now_ns(stream->pcm), stream->submitted_frames,
                 stream_clock_kind(stream), stream->host);
    uint64_t frame = stream->clock.anchor_frames;
    if (stream_is_output(stream))
        seek(stream, frame);
    for (struct message *m = stream->oldest; m != NULL && stream->moved_frames < frame; m = m->next)
        skip(stream, m, (uint32_t)MIN(m->frames - m->moved_frames, frame - stream->moved_frames));
}

int stream_open_host(struct stream *stream)
{
    if (stream->host_state != HOST_CLOSED)
        return stream->host_state == HOST_OPEN ? 0 : -EINPROGRESS;
    int r = stream->host->class->open(stream->host, &stream->params);
    if (r == 0 || r == -EINPROGRESS)
        stream->host_state = r == 0 ? HOST_OPEN : HOST_OPENING;
    return r;
}

void stream_close_host(struct stream *stream)
{
    const struct host_class *class = stream->host->class;

    if (stream->host_state != HOST_CLOSED && class->close != NULL)
        class->close(stream->host);
    stream->host_state = HOST_CLOSED;
}

void stream_lose_host(struct stream *stream)
{
    if (stream->host_state != HOST_OPEN)
        return;
    stream_close_host(stream);
    switch_clock(stream);
    stream_await_host(stream);
}

void stream_start_host(struct stream *stream)
{
    const struct host_class *class = stream->host->class;

    if (stream->host_state == HOST_OPEN && class->start != NULL && class->start(stream->host) < 0)
        stream_lose_host(stream);
}

void stream_stop_host(struct stream *stream)
{
    const struct host_class *class = stream->host->class;
    bool stops = stream->host_state == HOST_OPEN && class->stop != NULL;

    if ((stops && class->stop(stream->host) < 0) || clock_look(&stream->clock) < 0)
        stream_lose_host(stream);
}

void stream_return_host(struct stream *stream)
{
    switch_clock(stream);
    if (stream->state != STREAM_RUNNING)
        return;
    stream_move_ahead(stream);
    stream_start_host(stream);
}

void stream_await_host(struct stream *stream)
{
    if (stream->host->class->reopens)
        stream->retry_ns = pcm_now_ns(stream->pcm) + RETRY_NS;
}

void stream_retry_host(struct stream *stream, uint64_t now)
{
    if (now < stream->retry_ns)
        return;
    stream->retry_ns = TIME_NEVER;
    int r = stream_open_host(stream);
    if (r == 0)
        stream_return_host(stream);
    else if (r != -EINPROGRESS)
        stream_await_host(stream);
}
