/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O messages of a stream (virtio 1.4 §5.14.6.8): taken in, and completed when the clock has
 * consumed them. See pcm.h for the picture, clock.h for time, move.c for what happens to their
 * frames. Worker.
 *
 * Two rules are not in the specification; the stock driver needs them. It counts completed bytes
 * modulo its buffer, and looks at the count now and then:
 *
 * - The last message held is completed only some time after the one before it (hold_ns()). While
 *   one is held the driver's count is unambiguous however late it looks; if all came back at once,
 *   a full buffer would read as no progress at all.
 * - When we are late by more than about a period (the host stalled, the VM was stopped), the rest
 *   of the timeline moves by that much, instead of periods ending in a burst. Less lateness than
 *   that never moves it, so there is no drift.
 */
#include "devices/snd/pcm/pcm.h"
#include "virtio/events.h"

/* How long the guest may have nothing submitted before it is late: when it drains a stream, its
 * STOP comes a little after the last message was completed. */
#define XRUN_NS (10 * MS_NS)

/* -- taking messages in -- */

/* Bytes of frames in a message that has just come; 0 if it has no whole number of them. */
static uint32_t message_bytes(const struct stream *stream, const struct chain *chain)
{
    uint32_t status_bytes = sizeof(struct wire_pcm_status);
    uint32_t bytes =
        stream_is_output(stream) ? chain_readable(chain) : chain_writable(chain) - status_bytes;
    uint32_t limit = stream->params.buffer_frames * stream->params.frame_bytes;

    return bytes > limit || bytes % stream->params.frame_bytes != 0 ? 0 : bytes;
}

static bool takes_messages(const struct stream *stream)
{
    return stream->state == STREAM_PREPARED || stream->state == STREAM_RUNNING ||
           stream->state == STREAM_STOPPED;
}

/* Ends an I/O message: zeroes what is left of the writable part, with the status as its last 8
 * bytes, and returns the chain. The used length is what was recorded into it, and 8. */
static void message_end(struct virtq *vq, struct chain *chain, uint32_t status,
                        uint32_t latency_bytes)
{
    const struct wire_pcm_status reply = {to_le32(status), to_le32(latency_bytes)};
    uint32_t recorded = chain->written;
    uint32_t room = chain_writable(chain);

    /* Without room for a status, or with more than a stream can mean, nothing is written (SND-55).
     */
    if (room >= sizeof(reply) && room - sizeof(reply) <= STREAM_BUFFER_BYTES_MAX) {
        int r = chain_zero(chain, room - sizeof(reply));
        r |= chain_write(chain, &reply, sizeof(reply));
        assert(r == 0); /* fits, see room */
        chain->written = recorded + (uint32_t)sizeof(reply);
    }
    virtq_push(vq, chain);
}

/* The guest is late, or was. */
static void tell_xrun(struct stream *stream)
{
    if (stream->xrun_ns != TIME_NEVER)
        stream->pcm->xrun(stream);
    stream->xrun_ns = TIME_NEVER;
}

/* The guest is back after all its frames were consumed. Silence was played meanwhile. */
static void gap_end(struct stream *stream)
{
    if (!stream->gap_is_start && stream->clock_kind != CLOCK_KIND_FREE)
        stream->counts.xruns++;
    tell_xrun(stream);
    clock_shift(&stream->clock, pcm_now_ns(stream->pcm), stream->submitted_frames);
}

static struct message *message_get(struct pcm *pcm)
{
    struct message *message = pcm->free_messages;

    if (message == NULL)
        return &pcm->messages[pcm->messages_used++]; /* as many as the queues have under way */
    pcm->free_messages = message->next;
    return message;
}

/* Takes a message; the chain's readable cursor is behind the header. */
static void submit(struct stream *stream, struct chain *chain)
{
    uint32_t bytes = takes_messages(stream) ? message_bytes(stream, chain) : 0;

    if (bytes == 0) {
        stream->counts.bad_messages++;
        message_end(stream->vq, chain, VIRTIO_SND_S_IO_ERR, 0);
        return;
    }
    if (stream->state == STREAM_RUNNING && stream->oldest == NULL)
        gap_end(stream);
    stream->gap_is_start = false;

    struct message *message = message_get(stream->pcm);
    *message = (struct message){
        .begin = *chain,
        .chain = *chain,
        .start_frame = stream->submitted_frames,
        .frames = bytes / stream->params.frame_bytes,
    };
    message->fault =
        faults_next(&stream->faults, frames_to_ns(message->frames, stream->params.rate_hz));
    *stream->newest_next = message;
    stream->newest_next = &message->next;
    stream->submitted_frames += message->frames;
    stream->dirty = true;
}

static void route(struct pcm *pcm, struct virtq *vq, struct chain *chain)
{
    struct wire_pcm_xfer xfer;

    if (chain_writable(chain) < sizeof(struct wire_pcm_status) ||
        chain_read(chain, &xfer, sizeof(xfer)) < 0 ||
        from_le32(xfer.stream_id) >= pcm->stream_count ||
        pcm->streams[from_le32(xfer.stream_id)].vq != vq)
        message_end(vq, chain, VIRTIO_SND_S_IO_ERR, 0);
    else
        submit(&pcm->streams[from_le32(xfer.stream_id)], chain);
}

void pcm_take(struct pcm *pcm, struct virtq *vq)
{
    struct chain chain;
    int r = 1;

    if (!vq->running)
        return;
    /* One look at the whole ring: at most its size, however fast the guest refills it. */
    for (unsigned taken = 0; r > 0 && taken < vq->size; taken++) {
        virtq_round(vq);
        r = virtq_pop(vq, &chain);
        if (r > 0)
            route(pcm, vq, &chain);
    }
    if (r > 0)
        virtq_kick(vq); /* more may wait: the worker comes back for it */
    if (r < 0)
        virtio_fail(pcm->dev, r, vq->index == VIRTIO_SND_VQ_TX ? "tx queue" : "rx queue");
    virtio_signal(pcm->dev, vq); /* those that were refused at once */
}

/* -- completing them -- */

/* Takes the oldest message off and gives it back to the driver. */
static void complete_oldest(struct stream *stream, uint32_t status, uint32_t latency_bytes)
{
    struct message *message = stream->oldest;
    uint32_t recorded = message->chain.written;

    stream->oldest = message->next;
    if (stream->oldest == NULL)
        stream->newest_next = &stream->oldest;
    if (!stream_is_output(stream)) {
        message_fill(stream, message, message->frames - message->moved_frames);
        message->chain.written = recorded;
    }
    message_end(stream->vq, &message->chain, status, latency_bytes);
    message->next = stream->pcm->free_messages;
    stream->pcm->free_messages = message;
}

static uint64_t period_ns(const struct stream *stream)
{
    return frames_to_ns(stream->params.period_frames, stream->params.rate_hz);
}

/*
 * How long the last message is kept after the one before it was completed: time for the guest to
 * look. Linux looks in a work item, on a thread that waits for its turn like any other. As traced
 * in a guest whose player fed a whole buffer by a pipe and fell asleep: the interrupt of the first
 * three periods came 0.9 ms later, that of the last one after another 1 ms, while the programs
 * that fill the pipe ran; the work item ran 0.9 ms after that, found the position where it had
 * been, and nothing moved any more, until the player gave up after 100 ms. With a clock of real
 * time that takes a stall of ours of a whole buffer. A free clock does it all the time, and waits
 * only when the guest does not feed it: so it can afford more.
 */
static uint64_t hold_ns(const struct stream *stream)
{
    if (stream->clock_kind == CLOCK_KIND_FREE)
        return 100 * MS_NS;
    return MIN(period_ns(stream) / 2, 1 * MS_NS);
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
    uint64_t captured = clock->host_base + clock->host_position.consumed_frames;
    uint64_t frames = 0;

    if (clock->kind == CLOCK_KIND_HOST)
        frames = clock->host_position.latency_frames;
    if (clock->kind == CLOCK_KIND_HOST && !stream_is_output(stream) && captured > end_frame)
        frames += captured - end_frame;
    frames += ns_to_frames(stream->fault_latency_ns, stream->params.rate_hz);
    return (uint32_t)MIN(frames * stream->params.frame_bytes, UINT32_MAX);
}

static void note_lateness(struct stream *stream, uint64_t now, uint64_t end_frame)
{
    uint64_t when = clock_when(&stream->clock, now, end_frame);
    uint64_t late = now - when;

    if (stream->clock.kind != CLOCK_KIND_TIMER || when > now)
        return;
    stream->counts.late_max_ns = MAX(stream->counts.late_max_ns, late);
    if (late <= stall_ns(stream))
        return;
    stream->counts.stalls++;
    stream->counts.stalled_ns += late;
    clock_shift(&stream->clock, now, end_frame);
}

/* When a message is to be completed, as far as can be told now. */
static uint64_t due_ns(const struct stream *stream, const struct message *message, uint64_t now)
{
    uint64_t end_frame = message->start_frame + message->frames;
    bool dry = end_frame <= stream->fault_end_frame;
    uint64_t due = dry ? now : clock_when(&stream->clock, now, end_frame);

    if (due > now)
        return due;
    if (stream->clock.kind == CLOCK_KIND_FREE && ear_is_behind(stream->ear))
        return now + MS_NS; /* as fast as guest and ear */
    if (message->next == NULL && !dry)
        due = MAX(due, stream->completed_ns + hold_ns(stream));
    if (!stream_is_output(stream) && stream->clock.kind == CLOCK_KIND_HOST && !dry &&
        message->moved_frames < message->frames)
        due = now + 1 * MS_NS; /* captured, but not to be had yet */
    return MAX(due, stream->fault_stall_end_ns);
}

/*
 * For how long nothing is completed, from the end of a period on, before all is, so that Linux
 * finds its buffer empty. With the last message, too, the count of bytes is back where it was.
 * Linux takes that for a whole buffer and not for nothing if its last look, a period ago, was more
 * than half a buffer and a tick ago. A program that waits for longer than 1.1 buffers, at least 100
 * ms, fails.
 */
static uint64_t dry_ns(const struct stream *stream)
{
    uint64_t buffer = frames_to_ns(stream->params.buffer_frames, stream->params.rate_hz);
    uint64_t from_look = MAX(buffer / 4 * 3, buffer / 2 + 25 * MS_NS);
    uint64_t passed = period_ns(stream);

    return from_look > passed ? from_look - passed : 0;
}

/* A message is due that the user wants to go wrong. What concerns its frames is in move.c. */
static void fault_begin(struct stream *stream, struct message *message, uint64_t now)
{
    const struct fault *fault = message->fault;

    message->fault_begun = true;
    stream->fault_dries |= fault_is(fault, FAULT_XRUN);
    if (fault_is(fault, FAULT_XRUN))
        stream->fault_stall_end_ns = now + dry_ns(stream);
    else if (fault_is(fault, FAULT_STALL))
        stream->fault_stall_end_ns = now + fault->value_ns;
    else if (fault_is(fault, FAULT_LATENCY))
        stream->fault_latency_ns = fault->value_ns;
}

/* All that the guest has submitted ends now. */
static void run_dry(struct stream *stream, uint64_t now)
{
    stream->fault_dries = false;
    stream->fault_end_frame = stream->submitted_frames;
    stream->gap_is_start = true; /* the gap that follows is counted here */
    stream->xrun_ns = now;
    stream->counts.xruns++;
}

/* Completes the oldest message if it is time, else says when to look again. */
static bool complete_if_due(struct stream *stream, uint64_t now, uint64_t *ret_next)
{
    struct message *message = stream->oldest;
    uint64_t end_frame = message->start_frame + message->frames;
    uint64_t due = due_ns(stream, message, now);
    bool failed = fault_is(message->fault, FAULT_IO_ERR);

    if (due <= now && message->fault != NULL && !message->fault_begun) {
        fault_begin(stream, message, now);
        due = due_ns(stream, message, now);
    }
    if (due > now) {
        *ret_next = due;
        return false;
    }
    if (stream->fault_dries)
        run_dry(stream, now);
    if (end_frame > stream->fault_end_frame)
        note_lateness(stream, now, end_frame);
    stream_move_oldest(stream, now);
    stream->counts.messages++;
    note(stream->pcm->dev, EVENT_PERIOD, 0, stream->id, message->frames);
    stream->completed_ns = now;
    complete_oldest(stream, failed ? VIRTIO_SND_S_IO_ERR : VIRTIO_SND_S_OK,
                    latency_bytes(stream, end_frame));
    if (stream->oldest == NULL && stream->clock_kind != CLOCK_KIND_FREE)
        stream->xrun_ns = MIN(stream->xrun_ns, now + MAX(period_ns(stream), XRUN_NS));
    return true;
}

/* Lets the host's clock be known, and the host have or give what it can now. */
static void look_and_move(struct stream *stream)
{
    if (clock_look(&stream->clock) < 0)
        stream_lose_host(stream);
    else
        stream_move_ahead(stream);
}

void stream_transfer(struct stream *stream, uint64_t now)
{
    uint64_t next = TIME_NEVER;

    stream_retry_host(stream, now);
    look_and_move(stream);
    while (stream->oldest != NULL && complete_if_due(stream, now, &next))
        continue;
    virtio_signal(stream->pcm->dev, stream->vq);
    /* Not before: the event's interrupt would have Linux look at a part of the completions. */
    if (now >= stream->xrun_ns)
        tell_xrun(stream);
    next = MIN(next, stream->retry_ns);
    stream->wake_ns = MIN(next, stream->xrun_ns);
}

void stream_flush(struct stream *stream, uint32_t status)
{
    while (stream->oldest != NULL)
        complete_oldest(stream, status, 0);
    virtio_signal(stream->pcm->dev, stream->vq);
}
