/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a stream asks of a host: the place where its frames go to or come from (a sound card, a
 * file, nowhere, another stream). One struct host per stream, made at start-up, alive until exit.
 *
 *                 open(), opened()      write()... start()
 *   create --> [closed] ------> [open] ------------------> [running] <--+
 *                 ^               |                           | stop()  | start()
 *                 +---------------+                           v         |
 *                 |   close()                             [stopped] ----+
 *                 +-------------------------------------------+
 *
 * There are two sorts:
 *
 * - Without a clock (file, null, loopback, tone). The stream's timer decides when frames are due. A
 *   write() or read() happens at the moment the frames are played or recorded, takes all of them at
 *   once, and does not block. `position` and `remaining_ns` are NULL.
 * - With a clock (`own_clock`: a sound card). The stream writes ahead into the host's buffer as far
 *   as the host has room, and completes the guest's messages by position(). What the host took it
 *   keeps until it was consumed, whatever happens to its card meanwhile.
 *
 * Frames are counted from 0 at open(); only frames of the guest count. When a host with a clock
 * runs dry (the guest is late), it plays silence or stands still by itself, as suits it; that
 * silence is not counted, and position() stays where it is until there are frames again.
 *
 * Threads. create, finish, destroy: main, with no worker running. Everything else: the worker;
 * close also on the thread that resets the device, when the worker is joined. So a host takes no
 * locks. Nothing but create may block: what opens slowly says -EINPROGRESS, and opened() when it is
 * done.
 *
 * Errors are -errno. A host says in a line of the log, once per occurrence and not once per period,
 * what broke and what it does about it; the stream adds nothing. A stream whose host fails goes on
 * in real time without it (frames vanish, recordings are silence), and tries open() again about
 * once a second if `reopens`.
 */
#pragma once

#include "devices/snd/base/format.h"
#include "devices/snd/base/wire.h"
#include "vmm/base/log.h"
#include "vmm/base/loop.h"
#include "vmm/base/results.h"

struct host;
struct opts;
struct timebase;

/* What create() has to go by. Borrowed for the call, but for `name`. */
struct host_setup {
    const struct opts *opts; /* of this --snd: path=, device=, ... */
    const char *name;        /* log prefix, "snd0 out1"; lives longer than the host */
    enum pcm_direction direction;
    unsigned stream_index; /* among the streams of this direction in this device */
    struct host *peer;     /* capture: the playback host of the same stream_index, or NULL */
};

/* What a host can really do: bit n = code n. Constant from create() on. Not every combination need
 * be possible: then open() fails. */
struct host_caps {
    uint64_t formats;
    uint64_t rates;
    uint32_t channels_min, channels_max;
};

/* Of a host to which all is alike. */
static inline struct host_caps host_caps_any(void)
{
    return (struct host_caps){pcm_formats(), (1u << PCM_RATE_COUNT) - 1, 1, WIRE_CHANNELS_MAX};
}

struct host_position {
    uint64_t consumed_frames; /* left the host's buffer to be heard (playback), or were captured */
    uint32_t latency_frames;  /* consumed but not yet heard; captured but not yet readable */
};

struct host_class {
    const char *name;     /* host=NAME */
    size_t instance_size; /* of the struct that begins with a struct host */
    bool own_clock;
    bool reopens; /* after a failure a later open() may succeed (a card is plugged in again) */

    /* Fills a zeroed instance, with `caps`. Tells what is wrong in one line that names the option
     * (a file that can't be written, a device that does not exist) and returns -errno; then it is
     * destroyed. */
    int (*create)(struct host *host, const struct host_setup *setup);
    /* In state closed (perhaps an open() that was taken back is still under way). Frees it. */
    void (*destroy)(struct host *host);

    /* Gets ready for `params` (borrowed for the call), positions at 0. 0: it is open. -EINPROGRESS:
     * opened() will be called once. Else why it stays closed. */
    int (*open)(struct host *host, const struct pcm_params *params);
    /* At once, at any time after open(): what was accepted and not consumed may be dropped; what
     * was consumed is heard or recorded to its end (it may go on after the call). While open() is
     * in progress it takes that back: opened() is not called any more. NULL: nothing to do. */
    void (*close)(struct host *host);

    /* Frames begin to move. For playback the stream has written what it has and the host takes;
     * that may be nothing: then the host starts with the first write. NULL: nothing to do. */
    int (*start)(struct host *host);
    /* Frames stand still at once, and position() with them; what was consumed is heard to its end.
     * NULL: nothing to do. */
    int (*stop)(struct host *host);

    /* Takes up to `frames` frames; returns how many, 0 if there is no room now. Without a clock:
     * all of them. NULL for a host that only records. */
    ssize_t (*write)(struct host *host, const void *buf, size_t frames);
    /* Gives up to `frames` frames; returns how many, 0 if there are none yet. Without a clock: all
     * of them, and silence where the source has none. NULL for a host that only plays. */
    ssize_t (*read)(struct host *host, void *ret_buf, size_t frames);

    /* Where the clock is now. Cheap: called at least twice a period. */
    int (*position)(struct host *host, struct host_position *ret_position);
    /* Nanoseconds from now until consumed_frames will be `frame`: an estimate by the host's latest
     * position, never less than it is if that is known. The stream looks again then. UINT64_MAX:
     * unknown, the host will call wake(). */
    uint64_t (*remaining_ns)(struct host *host, uint64_t frame);

    /* Last words after the VM ended: closes a recording. 0, or the -errno of data that was lost
     * (said when it was). NULL: nothing to do. */
    int (*finish)(struct host *host);
    /* Names the files that it has written (struct virtio_class has the same). Main. */
    void (*results)(struct host *host, struct results *results);
};

/* First member of a host's own struct. */
struct host {
    const struct host_class *class;
    const char *name; /* log prefix, borrowed from the setup */
    struct host_caps caps;

    /* Set by the stream before open(). The loop is the worker's: a host may keep watches in it from
     * open() to close(). */
    struct loop *loop;
    struct timebase *timebase;
    /* To be called when an open() that was in progress has ended: 0, or why it failed. Never from
     * within a call of the stream's. */
    void (*opened)(struct host *host, int r);
    /* To be called on the worker when position or room changed: the stream then looks. Never from
     * within a call of the stream's. */
    void (*wake)(struct host *host);
    /* To be called with frames that were consumed, in order and each once, from within position(),
     * stop() or close(). Playback, with a clock. */
    void (*played)(struct host *host, const void *frames, size_t count);
    /* Writes what the stream's clock had consumed at `at_ns`, which it does at the end of a period
     * only, left to itself. May be called from within a call of another stream's. Playback. */
    void (*catch_up)(struct host *host, uint64_t at_ns);
    /* Set before write() and read(), without a clock: when by the stream's clock the last of these
     * frames was due, in ns of CLOCK_MONOTONIC. The call itself comes a little later. Before
     * start(): now. */
    uint64_t due_ns;
    void *wake_ctx; /* the stream */

    /* For all lines that a guest provokes, of this host: log_guest(). */
    struct log_limit log_limit;

    /* Told in reports; the host counts, on the worker. */
    uint64_t xruns;       /* times the host ran dry or over although the stream was not to blame */
    uint64_t lost_frames; /* that could not be written (disk full) or were overwritten (capture) */
};

/* Main. 0, or -errno after a line. */
int host_create(const struct host_class *class, const struct host_setup *setup,
                struct host **ret_host);

extern const struct host_class host_null;
extern const struct host_class host_file;   /* playback */
extern const struct host_class host_source; /* capture from a file */
extern const struct host_class host_tone;   /* capture */
extern const struct host_class host_loopback;
extern const struct host_class host_alsa;
