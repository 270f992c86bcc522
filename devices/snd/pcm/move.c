/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of frames between guest memory and the host, see stream.h. On it they pass the mixer's
 * controls, the faults that the user ordered, and the stream's ear. Worker.
 */
#include "devices/snd/pcm/move.h"

#include "devices/snd/snd.h"

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
    ear_hear(&stream->snd->ears.ear[stream->id],
             stream->snd->scratch + (begin - first_frame) * stream->params.frame_bytes,
             (size_t)(end - begin));
}

/* Gives the host up to `count` frames that are in the scratch buffer: how many it took, or
 * -errno. Without a host they vanish. */
static ssize_t host_write(struct stream *stream, uint32_t count)
{
    struct host *host = stream->host;

    if (stream->host_state != HOST_OPEN)
        return count;
    return host->class->write(host, stream->snd->scratch, count);
}

/* The same the other way; without a host there is silence. */
static ssize_t host_read(struct stream *stream, uint32_t count)
{
    struct host *host = stream->host;

    if (stream->host_state == HOST_OPEN)
        return host->class->read(host, stream->snd->scratch, count);
    pcm_silence(stream->params.format, stream->snd->scratch,
                (size_t)count * stream->params.channels);
    return count;
}

/* The frames of a message that the user wants lost become silence. */
static void lose_if_faulty(const struct stream *stream, const struct message *message,
                           size_t frames)
{
    if (fault_is(message->fault, FAULT_DROP) || fault_is(message->fault, FAULT_IO_ERR))
        pcm_silence(stream->params.format, stream->snd->scratch, frames * stream->params.channels);
}

/* One piece of a playback message, from guest memory to the host. */
static ssize_t piece_out(struct stream *stream, struct message *message, uint32_t count)
{
    const uint32_t frame_bytes = stream->params.frame_bytes;
    struct chain before = message->chain;
    int r = chain_read(&message->chain, stream->snd->scratch, (size_t)count * frame_bytes);

    assert(r == 0); /* counted when the message came */
    ctl_apply(stream, stream->snd->scratch, count);
    lose_if_faulty(stream, message, count);
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

    if (given <= 0)
        return given;
    ctl_apply(stream, stream->snd->scratch, (size_t)given);
    lose_if_faulty(stream, message, (size_t)given);
    int r = chain_write(&message->chain, stream->snd->scratch, (size_t)given * frame_bytes);
    assert(r == 0); /* counted when the message came */
    return given;
}

/* When the frames up to `frame` were due, at the latest now. */
static uint64_t due_now(const struct stream *stream, uint64_t frame)
{
    uint64_t now = snd_now_ns(stream->snd);

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
        stream->host->due_ns = due_now(stream, stream->moved_frames + count);
        ssize_t moved = stream_is_output(stream) ? piece_out(stream, message, count)
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

void stream_move_until(struct stream *stream, uint64_t end)
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
    if (!stream_is_output(stream))
        skip_in(stream, frame);
    if (!stream_is_output(stream) || frame == stream->moved_frames)
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
