/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCM stream (virtio 1.4 §5.14.6.6): its state, the messages it holds, its clock and its host.
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
 * the message is completed; with one, as soon as the host has room, and again from the start of
 * what the host lost. All on the device's worker, except init and fini (main) and reset (the
 * worker is joined).
 */
#pragma once

#include "devices/snd/base/wire.h"
#include "devices/snd/host/host.h"
#include "devices/snd/pcm/clock.h"
#include "devices/snd/pcm/fault.h"
#include "virtio/queue.h"

struct snd;

/* Largest buffer_bytes accepted (SND-38): 160 ms of 18 channels of 8 bytes at 384 kHz. */
#define STREAM_BUFFER_BYTES_MAX (9u << 20)

enum stream_state {
    STREAM_INIT,
    STREAM_PARAMS,
    STREAM_PREPARED,
    STREAM_RUNNING,
    STREAM_STOPPED,
    STREAM_RELEASED,
    STREAM_STATE_COUNT,
};

enum stream_command {
    STREAM_SET_PARAMS,
    STREAM_PREPARE,
    STREAM_START,
    STREAM_STOP,
    STREAM_RELEASE,
    STREAM_COMMAND_COUNT,
};

/* The table of the specification: the next state, or -1 where the command is not allowed. */
int stream_next_state(enum stream_state state, enum stream_command command);

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

/* Bins of lateness; the last one is for all from 2^22 us, 4 s, on. */
#define STREAM_LATE_BINS 24

/* What happened to a stream since start-up. Worker; main once it was joined. */
struct stream_counts {
    uint64_t frames;       /* that the host consumed or recorded */
    uint64_t messages;     /* completed with S_OK, not counting flushed ones */
    uint64_t xruns;        /* the guest was late */
    uint64_t stalls;       /* we were late by so much that the timeline was shifted */
    uint64_t stalled_ns;   /* in sum */
    uint64_t late_max_ns;  /* latest completion after its deadline, stalls included */
    uint64_t bad_messages; /* completed with S_IO_ERR */
    uint64_t span_frames;  /* since the last start or gap so many frames took ... */
    uint64_t span_ns;      /* ... that long by our clock */

    uint64_t late[STREAM_LATE_BINS]; /* completions by lateness; bin n: below 2^n us */
};

enum host_state { HOST_CLOSED, HOST_OPENING, HOST_OPEN };

struct stream {
    struct snd *snd;
    unsigned id;
    char name[32]; /* "snd0 out1" */
    struct wire_pcm_info info;
    struct virtq *vq;  /* tx or rx */
    struct host *host; /* owned */
    enum host_state host_state;
    enum clock_kind clock_kind; /* while the host is there */
    uint64_t period_min_ns;     /* shorter ones are refused, as are */
    uint64_t buffer_max_ns;     /* longer ones */
    bool fail_when_absent;      /* messages get IO_ERR while it is not; else they play to nobody */

    enum stream_state state;
    struct pcm_params params; /* valid from PARAMS on */
    uint32_t features;        /* selected by SET_PARAMS */

    struct clock clock;
    struct watch timer;  /* timerfd */
    uint64_t armed_ns;   /* what it is set to; TIME_NEVER: not at all */
    uint64_t retry_ns;   /* absent host: when to try again; TIME_NEVER: not */
    struct chain parked; /* a PREPARE that waits for the host, if is_parked */
    bool is_parked;
    uint64_t park_end_ns;
    bool gap_is_start; /* no message came since START: being without one is no xrun */
    bool dirty;        /* to be served by snd_serve() */

    struct message *oldest, **newest_next;
    uint64_t submitted_frames;
    uint64_t moved_frames;  /* of the messages up to here the host has what it needs */
    uint64_t tapped_frames; /* counted and listened to up to here */
    uint64_t completed_ns;  /* when the last message was completed */

    uint64_t span_begin_ns, span_begin_frame; /* since the last start or gap */

    struct faults faults;
    uint64_t fault_end_frame;    /* up to here everything is due at once */
    uint64_t fault_stall_end_ns; /* nothing is completed before */
    bool fault_dries;            /* and then everything */
    uint64_t fault_latency_ns;   /* more than there is */

    struct stream_counts counts;
};

static inline bool stream_is_output(const struct stream *stream)
{
    return stream->info.direction == VIRTIO_SND_D_OUTPUT;
}

/* Main. `stream` is zeroed; name, info, host and clock_kind are set. */
int stream_init(struct stream *stream, struct snd *snd);
/* Main. Accepts what a failed init left. Destroys the host. */
void stream_fini(struct stream *stream);

/* vCPU thread, worker not running. */
int stream_activate(struct stream *stream);
/* Worker joined: state INIT, host closed, messages forgotten. */
void stream_reset(struct stream *stream);

/* Control requests: VIRTIO_SND_S_*. stream_command() may also keep *req, to be answered by
 * snd_reply() within STREAM_PARK_NS, and then returns STREAM_PARKED. */
#define STREAM_PARKED  1u
#define STREAM_PARK_NS 500000000ull /* Linux waits for 1 s */
uint32_t stream_set_params(struct stream *stream, const struct wire_pcm_params *params);
uint32_t stream_command(struct stream *stream, enum stream_command command,
                        const struct chain *req);

/* The host failed while it was in use: goes on in real time without it. */
void stream_lose_host(struct stream *stream);

/* Takes a message; the chain's readable cursor is behind the header. Served later. */
void stream_submit(struct stream *stream, struct chain *chain);

/* Moves what can move, completes what is due, arms the timer. */
void stream_serve(struct stream *stream);

/* Sets the timer, if it is not set so. */
void stream_arm(struct stream *stream, uint64_t deadline_ns);

/* What runs out while a stream stands still: a parked request. */
void stream_idle(struct stream *stream, uint64_t now_ns);
/* Tries again to open an absent host, if it is time. */
void stream_retry_host(struct stream *stream, uint64_t now_ns);
