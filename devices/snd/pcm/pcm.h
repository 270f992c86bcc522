/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCM streams of a device (virtio 1.4 §5.14.6.6): their states, the messages they hold, their
 * clocks and hosts. What the files of this folder share; each calls only those below it:
 *
 *   serve.c     the tx and rx queues; whom the worker wakes up for
 *   stream.c    commands and the state machine
 *   transfer.c  messages, taken in and completed
 *   move.c      their frames, and the host they go to or come from
 *   clock.c  volume.c  fault.c
 *
 *              SET_PARAMS     PREPARE       START
 *   [init] ---> [params] ---> [prepared] ---> [running] <---+
 *                  ^  ^ SET_PARAMS | RELEASE     | STOP     | START
 *                  |  +------------+             v          |
 *                  |               v          [stopped] ----+
 *                  +--------- [released] <------+ RELEASE
 *                 SET_PARAMS       | PREPARE
 *                                  +--> [prepared]
 *
 * Frames are counted from 0 at PREPARE. A message has a place on that line; it is completed when
 * the clock has consumed its last frame, in the order in which messages came:
 *
 *   0          completed          consumed   moved       submitted
 *   +--------------+-----------------+---------+-------------+----> frames
 *                  | oldest message held ...                 |
 *
 * Frames move from guest memory to the host as late as they can: without a clock in the host, when
 * the message is completed; with one, as soon as the host has room.
 *
 * Times are the guest's: while the machine is paused they stand still. All on the device's worker,
 * except init and fini (main) and reset (the worker is joined).
 */
#pragma once

#include "devices/snd/base/reply.h"
#include "devices/snd/base/wire.h"
#include "devices/snd/hear/ear.h"
#include "devices/snd/pcm/clock.h"
#include "devices/snd/pcm/fault.h"
#include "devices/snd/pcm/volume.h"
#include "virtio/device.h"

/* Largest buffer_bytes accepted (SND-38): 160 ms of 18 channels of 8 bytes at 384 kHz. */
#define STREAM_BUFFER_BYTES_MAX (9u << 20)

#define PCM_SCRATCH_BYTES 16384

struct pcm;
struct stream;

enum stream_state {
    STREAM_INIT,
    STREAM_PARAMS,
    STREAM_PREPARED,
    STREAM_RUNNING,
    STREAM_STOPPED,
    STREAM_RELEASED,
    STREAM_STATE_COUNT,
};

enum host_state { HOST_CLOSED, HOST_OPENING, HOST_OPEN };

/* An I/O message taken from tx or rx and not completed. */
struct message {
    struct message *next;
    struct chain begin; /* as it came: cursors at the first frame */
    struct chain chain; /* cursors at the next frame to move; this copy is pushed */
    uint64_t start_frame;
    uint32_t frames;
    const struct fault *fault; /* what is to go wrong with it, or NULL */
    bool fault_begun;
    uint32_t moved_frames; /* playback: given to the host; capture: filled in */
};

/* What happened to a stream since start-up. Worker; main once it was joined. */
struct stream_counts {
    uint64_t frames;       /* that the host consumed or recorded */
    uint64_t messages;     /* completed with S_OK, not counting flushed ones */
    uint64_t xruns;        /* the guest was late */
    uint64_t stalls;       /* we were late by so much that the timeline was shifted */
    uint64_t stalled_ns;   /* in sum */
    uint64_t late_max_ns;  /* latest completion after its deadline, stalls included */
    uint64_t bad_messages; /* completed with S_IO_ERR */
};

struct stream {
    struct pcm *pcm;
    unsigned id;
    char name[32]; /* "snd0 out1" */
    struct wire_pcm_info info;
    struct virtq *vq;            /* tx or rx */
    struct host *host;           /* owned */
    struct ear *ear;             /* that hears what it plays or records; borrowed */
    enum host_state host_state;  /* its open() */
    enum clock_kind clock_kind;  /* while the host is there */
    const struct volume *volume; /* that a mixer sets; NULL: there is none */

    enum stream_state state;
    struct pcm_params params; /* valid from PARAMS on */
    uint32_t features;        /* selected by SET_PARAMS */

    struct clock clock;
    uint64_t wake_ns;    /* when to serve it; TIME_NEVER: not by time */
    uint64_t retry_ns;   /* absent host: when to try again; TIME_NEVER: not */
    struct chain parked; /* a PREPARE that waits for the host, if is_parked */
    bool is_parked;
    uint64_t park_end_ns;
    bool dirty; /* to be served by pcm_serve() */

    struct message *oldest, **newest_next;
    uint64_t submitted_frames;
    uint64_t moved_frames; /* of the messages up to here the host has what it needs */
    uint64_t heard_frames; /* counted and told up to here */
    uint64_t completed_ns; /* when the last message was completed */
    bool gap_is_start;     /* no message came since START: being without one is no xrun */
    uint64_t xrun_ns;      /* when to tell that the guest is late; TIME_NEVER: it isn't, or told */

    struct faults faults;
    uint64_t fault_end_frame;    /* up to here everything is due at once */
    uint64_t fault_stall_end_ns; /* nothing is completed before */
    bool fault_dries;            /* and then everything */
    uint64_t fault_latency_ns;   /* more than there is */

    struct stream_counts counts;
};

struct pcm {
    struct virtio_device *dev;
    void (*xrun)(struct stream *stream); /* tells the driver that the guest is late */
    bool is_paused;                      /* the machine is */
    uint64_t pause_begin_ns, paused_ns;  /* in sum */

    unsigned stream_count;
    struct stream *streams; /* outputs first; owned */

    struct message *messages; /* owned; as many as tx and rx can hold */
    size_t messages_used;     /* those behind were never taken */
    struct message *free_messages;
    _Alignas(8) uint8_t scratch[PCM_SCRATCH_BYTES]; /* frames on their way */
};

/* By the worker's clock. */
static inline uint64_t pcm_host_ns(const struct pcm *pcm)
{
    struct timebase *timebase = virtio_loop(pcm->dev)->timebase;

    return timebase->now_ns(timebase);
}

/* The guest's time. */
static inline uint64_t pcm_now_ns(const struct pcm *pcm)
{
    uint64_t now = pcm->is_paused ? pcm->pause_begin_ns : pcm_host_ns(pcm);

    return now - pcm->paused_ns;
}

static inline bool stream_is_output(const struct stream *stream)
{
    return stream->info.direction == VIRTIO_SND_D_OUTPUT;
}

/* -- move.c: the way of frames between guest memory and the host, which comes and goes -- */

/* The clock that the stream has with, or without, its host. */
enum clock_kind stream_clock_kind(const struct stream *stream);

/* 0: the host is open. -EINPROGRESS: its opened() will be called. Else why it can't be. */
int stream_open_host(struct stream *stream);
void stream_close_host(struct stream *stream);
/* Frames begin to move in it, or stand still. Without it there is nothing to do; one that fails is
 * lost. */
void stream_start_host(struct stream *stream);
void stream_stop_host(struct stream *stream);
/* It failed while it was in use: goes on in real time without it. */
void stream_lose_host(struct stream *stream);
/* It is there in the middle of a stream. */
void stream_return_host(struct stream *stream);
/* It can't be had now: tries again a little later, if there is hope. */
void stream_await_host(struct stream *stream);
/* Tries, if it is time. */
void stream_retry_host(struct stream *stream, uint64_t now_ns);

/* Gives the host as many frames as it takes now; only hosts with a clock take any ahead of time. */
void stream_move_ahead(struct stream *stream);
/* Moves the oldest message to its end: what the host that is there does not take or have is lost.
 */
void stream_move_oldest(struct stream *stream, uint64_t now_ns);
/* Moves what the clock had consumed at `at_ns`, completes nothing. */
void stream_catch_up(struct stream *stream, uint64_t at_ns);
/* A host's played(). */
void stream_played(struct host *host, const void *frames, size_t count);

/* The next frames of a capture message are silence. */
void message_fill(struct stream *stream, struct message *message, uint32_t frames);

/* -- transfer.c: I/O messages -- */

/* Takes what waits in the stream's queue, for all streams: served later. */
void pcm_take(struct pcm *pcm, struct virtq *vq);

/* Running: moves what can move, completes what is due, says when to look again. */
void stream_transfer(struct stream *stream, uint64_t now_ns);

/* Completes every message held, unplayed: with S_OK for RELEASE, with S_IO_ERR when the driver
 * threw them away. */
void stream_flush(struct stream *stream, uint32_t status);

/* -- stream.c: a stream's commands -- */

/* VIRTIO_SND_R_PCM_SET_PARAMS and so on, from 0. */
enum stream_command {
    STREAM_SET_PARAMS,
    STREAM_PREPARE,
    STREAM_RELEASE,
    STREAM_START,
    STREAM_STOP,
    STREAM_COMMAND_COUNT,
};

/* State INIT, host closed, messages forgotten. */
void stream_reset(struct stream *stream);

/* Control requests: VIRTIO_SND_S_*. stream_command() may also keep *req, to be answered within
 * STREAM_PARK_NS, and then returns REPLY_PARKED. */
#define STREAM_PARK_NS (500 * MS_NS) /* Linux waits for 1 s */
uint32_t stream_set_params(struct stream *stream, const struct wire_pcm_params *params);
uint32_t stream_command(struct stream *stream, enum stream_command command,
                        const struct chain *req);

/* Answers a request that was kept: the wait for the host is over. */
void stream_unpark(struct stream *stream);

/* An open() that was in progress has ended: with r. */
void stream_opened(struct stream *stream, int r);

/* Does what is due, and sets wake_ns. */
void stream_serve(struct stream *stream, uint64_t now_ns);

/* The machine is paused, and goes on: what runs by itself is to stand still meanwhile. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);

/* -- serve.c: the streams of a device together -- */

/* Main. With room for so many streams. 0, or -ENOMEM after a line; pcm_fini() accepts what that
 * left. */
int pcm_init(struct pcm *pcm, struct virtio_device *dev, void (*xrun)(struct stream *stream),
             unsigned streams_max);
/* Main. One more stream: name, info, host, ear and clock_kind are to be filled in. */
struct stream *pcm_add(struct pcm *pcm);
void pcm_fini(struct pcm *pcm);

/* The driver is there. */
void pcm_activate(struct pcm *pcm);
void pcm_reset(struct pcm *pcm);

/* One queue is to stop: what it still has is answered. Streams of tx or rx begin anew. */
void pcm_queue_reset(struct pcm *pcm, const struct virtq *vq);

/* Takes what waits in a queue, tx or rx, then serves the streams that have something to do. */
void pcm_serve(struct pcm *pcm, struct virtq *vq);
/* The same with both. */
void pcm_serve_all(struct pcm *pcm);

/* The machine is paused and goes on: no time passes in between, nothing is served. */
void pcm_pause(struct pcm *pcm);
void pcm_resume(struct pcm *pcm);
