/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host=loopback: what playback stream N plays, capture stream N of the same device records. See
 * host.h. Like a cable: both sides run by the same clock, so a frame is recorded at the moment it
 * is played, plus SLACK_FRAMES. What is played while nobody records is gone; where nothing is
 * played there is silence.
 *
 *    playback stream --write()--> [ ring, of the capture side ] --read()--> capture stream
 *         ^                                                                    |
 *         +------- catch_up(): write what was played up to now <---------------+
 *
 * Both streams belong to one worker, so there is no lock. Both sides must have the same format,
 * rate and channels: who opens second has to follow.
 */
#include "devices/snd/host/host.h"
#include "vmm/base/log.h"

#include <string.h>

/* Two streams count the frames of a span of time to one more or less; this much is kept back so
 * that the difference does not tear a hole. */
#define SLACK_FRAMES 2

struct loopback {
    struct host host;
    struct loopback *peer; /* borrowed; NULL: nobody is at the other end */
    bool records;          /* the capture side */
    bool running;
    struct pcm_params params; /* without a format: closed */

    /* Capture side: what was played and not recorded. */
    uint8_t *ring;     /* owned, while open */
    size_t size;       /* frames */
    uint64_t put, got; /* frames since start */
    uint64_t last_ns;  /* when the last of them was played */
    bool flows;        /* the last read() had all it wanted */
};

static struct loopback *loopback_of(struct host *host)
{
    return container_of(host, struct loopback, host);
}

/* -- life -- */

static int loopback_create(struct host *host, const struct host_setup *setup)
{
    struct loopback *loop = loopback_of(host);

    host->caps = host_caps_any();
    loop->records = setup->direction == PCM_INPUT;
    if (setup->peer != NULL && setup->peer->class == &host_loopback) {
        loop->peer = loopback_of(setup->peer);
        loop->peer->peer = loop;
    }
    return 0;
}

static void loopback_destroy(struct host *host)
{
    struct loopback *loop = loopback_of(host);

    if (loop->peer != NULL)
        loop->peer->peer = NULL;
    free(loop->ring);
    free(loop);
}

static int loopback_open(struct host *host, const struct pcm_params *params)
{
    struct loopback *loop = loopback_of(host);
    const struct pcm_params *has =
        loop->peer != NULL && loop->peer->params.format != NULL ? &loop->peer->params : params;

    if (!pcm_params_alike(has, params)) {
        log_guest(&host->log_limit,
                  "%s: the other end of the loopback has %s, %u Hz, %u channels: choose the same",
                  host->name, has->format->name, has->rate_hz, has->channels);
        return -EINVAL;
    }
    if (loop->records) {
        loop->size = 2 * (size_t)params->buffer_frames; /* one is the least (§5.14.6.6.3.1) */
        loop->ring = malloc(loop->size * params->frame_bytes);
        if (loop->ring == NULL)
            return log_error(-ENOMEM, "%s", host->name);
    }
    loop->params = *params;
    return 0;
}

static void loopback_close(struct host *host)
{
    struct loopback *loop = loopback_of(host);

    free(loop->ring);
    loop->ring = NULL;
    loop->params.format = NULL;
    loop->running = false;
}

static int loopback_start(struct host *host)
{
    struct loopback *loop = loopback_of(host);

    if (loop->records && loop->peer != NULL && loop->peer->running)
        loop->peer->host.catch_up(&loop->peer->host, host->due_ns); /* that was before us */
    loop->put = loop->got = 0;
    loop->flows = false;
    loop->running = true;
    return 0;
}

static int loopback_stop(struct host *host)
{
    loopback_of(host)->running = false;
    return 0;
}

/* -- the ring -- */

/* Adds frames; the oldest make room. */
static void ring_put(struct loopback *to, const uint8_t *frames, size_t count)
{
    const size_t frame_bytes = to->params.frame_bytes;

    for (; count > 0; count--, to->put++, frames += frame_bytes)
        memcpy(to->ring + to->put % to->size * frame_bytes, frames, frame_bytes);
    uint64_t lost = to->put - MIN(to->put, to->got + to->size);
    to->host.lost_frames += lost;
    to->got += lost;
}

static void ring_get(struct loopback *from, uint8_t *ret_frames, size_t count)
{
    const size_t frame_bytes = from->params.frame_bytes;

    for (; count > 0; count--, from->got++, ret_frames += frame_bytes)
        memcpy(ret_frames, from->ring + from->got % from->size * frame_bytes, frame_bytes);
}

static ssize_t loopback_write(struct host *host, const void *buf, size_t frames)
{
    struct loopback *peer = loopback_of(host)->peer;

    if (peer != NULL && peer->running)
        ring_put(peer, buf, frames);
    if (peer != NULL)
        peer->last_ns = host->due_ns;
    return (ssize_t)frames;
}

/* How many of the frames in the ring may be recorded by the time `due_ns`, where none were before.
 */
static size_t frames_ready(const struct loopback *loop, uint64_t due_ns)
{
    uint64_t later =
        loop->last_ns > due_ns ? ns_to_frames(loop->last_ns - due_ns, loop->params.rate_hz) : 0;

    return loop->put - MIN(loop->put, loop->got + later + SLACK_FRAMES);
}

static ssize_t loopback_read(struct host *host, void *ret_buf, size_t frames)
{
    struct loopback *loop = loopback_of(host);
    const struct pcm_params *params = &loop->params;
    uint8_t *out = ret_buf;

    if (loop->peer != NULL && loop->peer->running)
        loop->peer->host.catch_up(&loop->peer->host, host->due_ns);
    size_t ready =
        MIN(frames, loop->flows ? loop->put - loop->got : frames_ready(loop, host->due_ns));
    size_t silent = frames - ready;
    /* A sound that begins comes at the end of the block, one that ends at its start. */
    size_t before = loop->flows ? 0 : silent;
    pcm_silence(params->format, out, before * params->channels);
    ring_get(loop, out + before * params->frame_bytes, ready);
    pcm_silence(params->format, out + (before + ready) * params->frame_bytes,
                (silent - before) * params->channels);
    loop->flows = ready > 0 && (before > 0 || silent == 0);
    return (ssize_t)frames;
}

const struct host_class host_loopback = {
    .name = "loopback",
    .instance_size = sizeof(struct loopback),
    .create = loopback_create,
    .destroy = loopback_destroy,
    .open = loopback_open,
    .close = loopback_close,
    .start = loopback_start,
    .stop = loopback_stop,
    .write = loopback_write,
    .read = loopback_read,
};
