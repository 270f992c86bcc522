/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_serve.h. */
#include "devices/snd/host/alsa_serve.h"

#include "vmm/base/helper.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

/* How long after the time at which it should be a period's end is looked for; and how long after
 * that again, if it was not there: a quarter of the period, within these. */
#define SLACK_NS     100000ull
#define SPARE_NS_MIN (1 * MS_NS)
#define SPARE_NS_MAX (50 * MS_NS)
/* How long the last frames that have left the ring are given to be heard. */
#define LINGER_NS (2000 * MS_NS)

static bool plays(const struct alsa_serve *serve)
{
    return serve->pcm.direction == PCM_OUTPUT;
}

static uint64_t now_ns(const struct alsa_serve *serve)
{
    return serve->timebase->now_ns(serve->timebase);
}

/* -- the shared ring -- */

/* How many frames can be moved as far as the other side goes: its count is brought within what can
 * be. */
static uint64_t movable(const struct alsa_serve *serve)
{
    uint64_t frames = atomic_load(&serve->job.shared->our_frames);
    uint64_t room = serve->pcm.params.buffer_frames;

    if (plays(serve))
        return MAX(MIN(frames, serve->consumed + room), serve->moved) - serve->moved;
    uint64_t least = serve->moved - MIN(serve->moved, room);
    return room - (serve->moved - MAX(MIN(frames, serve->moved), least));
}

/* Says where the PCM is, and if a period of the guest's has ended, or all there is. */
static void publish(struct alsa_serve *serve)
{
    struct alsa_shared *shared = serve->job.shared;
    uint32_t period = serve->pcm.params.period_frames;
    bool is_dry = plays(serve) && serve->consumed == serve->moved && serve->told < serve->consumed;

    atomic_store_explicit(&shared->latency_frames, serve->latency_frames, memory_order_relaxed);
    atomic_store_explicit(&shared->card_frames, serve->consumed, memory_order_release);
    if (serve->consumed / period == serve->told / period && !is_dry)
        return;
    serve->told = serve->consumed;
    (void)eventfd_write(serve->job.news_fd, 1);
}

/* -- the PCM -- */

/* What is in the PCM's ring is lost, or there is nothing. It is prepared when there are frames:
 * that could cut off what has left the ring and is not heard yet. */
static void start_over(struct alsa_serve *serve)
{
    serve->state = ALSA_DRY;
    serve->moved = serve->consumed;
}

/* Takes over the PCM's numbers. */
static void settle(struct alsa_serve *serve, const struct alsa_look *now)
{
    uint32_t in_ring = now->avail_frames, out = serve->pcm.buffer_frames - serve->pcm.fill_frames;

    serve->avail_frames = now->avail_frames;
    if (plays(serve)) {
        in_ring = serve->pcm.buffer_frames - now->avail_frames;
        serve->avail_frames -= MIN(out, now->avail_frames);
        serve->consumed = serve->moved - MIN((uint64_t)in_ring, serve->moved - serve->consumed);
    }
    serve->latency_frames = now->delay_frames - MIN(in_ring, now->delay_frames);
    serve->at_ns = now_ns(serve);
}

/* Finds out where the PCM is. If it has stopped (it ran dry or over, or slept with the machine) it
 * starts over. */
static int look(struct alsa_serve *serve)
{
    struct alsa_shared *shared = serve->job.shared;
    struct alsa_look now;

    if (serve->state == ALSA_DRY)
        return 0;
    int r = alsa_pcm_look(&serve->pcm, &now);
    if (r < 0)
        return r;
    settle(serve, &now);
    if (now.state == SND_PCM_STATE_RUNNING || now.state == SND_PCM_STATE_PAUSED ||
        now.state == SND_PCM_STATE_PREPARED || now.state == SND_PCM_STATE_DRAINING)
        return 0;
    if (now.state == SND_PCM_STATE_DISCONNECTED)
        return -ENODEV;
    bool untimely = plays(serve) ? serve->moved > serve->consumed : movable(serve) > 0;
    atomic_fetch_add(&shared->stops, untimely);
    if (!plays(serve))
        atomic_fetch_add(&shared->lost_frames, now.avail_frames);
    start_over(serve);
    return 0;
}

/* Readies a dry PCM. */
static int prepare(struct alsa_serve *serve)
{
    serve->avail_frames = plays(serve) ? serve->pcm.fill_frames : 0;
    return alsa_result(alsa.pcm_prepare(serve->pcm.handle));
}

/* It runs, from what is in its ring now. */
static int begin(struct alsa_serve *serve)
{
    int r = alsa_result(alsa.pcm_start(serve->pcm.handle));

    /* Some plugins start by themselves. */
    if (r < 0 && alsa.pcm_state(serve->pcm.handle) != SND_PCM_STATE_RUNNING)
        return r;
    serve->state = ALSA_MOVING;
    serve->at_ns = now_ns(serve);
    return 0;
}

/* Moves what can be moved, and starts the PCM with that. -EPIPE or so: it has stopped meanwhile. */
static int move(struct alsa_serve *serve)
{
    const struct pcm_params *params = &serve->pcm.params;
    bool is_dry = serve->state == ALSA_DRY;
    uint64_t frames = movable(serve);
    ssize_t r = 0;

    if (!serve->wanted)
        return 0;
    if (is_dry && (frames > 0 || !plays(serve)))
        r = prepare(serve);
    while (r >= 0 && (frames = MIN(movable(serve), (uint64_t)serve->avail_frames)) > 0) {
        uint64_t at = serve->moved % params->buffer_frames;
        alsa_pcm_silence(&serve->pcm, false);
        r = alsa_pcm_move(&serve->pcm, serve->job.shared->ring + at * params->frame_bytes,
                          MIN(frames, params->buffer_frames - at));
        if (r <= 0)
            break;
        serve->moved += (uint64_t)r;
        serve->avail_frames -= (uint32_t)MIN((uint64_t)r, frames);
    }
    if (!plays(serve))
        serve->consumed = serve->moved;
    bool begins = is_dry && (!plays(serve) || serve->moved > serve->consumed);
    r = r >= 0 && begins ? begin(serve) : MIN(r, 0);
    if (plays(serve) && serve->moved - serve->consumed < serve->pcm.silence_frames)
        alsa_pcm_silence(&serve->pcm, true);
    return (int)r;
}

/* A card that has much to play is not worth a kick for each period: it looks when one ends. Nor is
 * one that has room for its recording. */
static bool wants_kick(const struct alsa_serve *serve)
{
    uint64_t queued = serve->moved - serve->consumed;

    if (!serve->wanted)
        return false;
    return plays(serve)
               ? serve->state != ALSA_MOVING || queued < 2ull * serve->pcm.params.period_frames
               : movable(serve) == 0;
}

/* Looks where the PCM is, moves what can be moved, and once more what came before it was known that
 * a kick is wanted, or if the PCM has stopped between the two. */
static int advance(struct alsa_serve *serve)
{
    int r = look(serve);

    for (unsigned i = 0; i < 2 && r == 0; i++) {
        r = move(serve);
        if (r == -EPIPE || r == -ESTRPIPE)
            r = look(serve);
        atomic_store(&serve->job.shared->wants_kick, wants_kick(serve));
    }
    if (r == 0)
        publish(serve);
    return r;
}

/* How long until a period of the guest's should have ended, or all that the PCM has. TIME_NEVER:
 * there is nothing to play, or no room to record, until a kick. */
static uint64_t until_next(const struct alsa_serve *serve)
{
    const struct pcm_params *params = &serve->pcm.params;
    uint64_t spare = frames_to_ns(params->period_frames, params->rate_hz) / 4;
    uint64_t left = params->period_frames - serve->consumed % params->period_frames;
    uint64_t now = now_ns(serve);

    if (plays(serve))
        left = MIN(left, serve->moved - serve->consumed);
    else if (movable(serve) == 0)
        left = 0;
    uint64_t due = serve->at_ns + frames_to_ns(left, params->rate_hz);
    if (serve->wanted && (serve->state == ALSA_MOVING ? left > 0 : movable(serve) > 0))
        return now < due ? due - now + SLACK_NS : MIN(MAX(spare, SPARE_NS_MIN), SPARE_NS_MAX);
    return TIME_NEVER;
}

/* -- requests -- */

/* What has left the ring is heard, what has not is not. */
static void do_close(struct alsa_serve *serve)
{
    if (serve->state == ALSA_CLOSED)
        return;
    uint64_t tail = plays(serve) && look(serve) == 0 && serve->moved == serve->consumed
                        ? frames_to_ns(serve->latency_frames, serve->pcm.params.rate_hz)
                        : 0;
    uint64_t now = now_ns(serve), end = serve->at_ns + MIN(tail, LINGER_NS);
    if (now < end)
        (void)poll(NULL, 0, (int)((end - now) / MS_NS + 1));
    alsa_pcm_close(&serve->pcm);
    serve->state = ALSA_CLOSED;
    serve->wanted = false;
}

static int do_open(struct alsa_serve *serve, const struct alsa_request *request)
{
    struct pcm_params params = request->params;

    params.format = pcm_format_by_code(request->format);
    if (params.format == NULL || params.rate_hz == 0 || params.channels - 1 > 254 ||
        params.frame_bytes != params.format->sample_bytes * params.channels ||
        params.period_frames - 1 >= params.buffer_frames ||
        (uint64_t)params.frame_bytes * params.buffer_frames > ALSA_RING_BYTES)
        return -EINVAL;
    int r = alsa_pcm_open(&serve->pcm, serve->job.device, serve->job.direction);
    if (r == 0)
        r = alsa_pcm_setup(&serve->pcm, &params);
    if (r < 0)
        return r;
    serve->moved = serve->consumed = serve->told = 0;
    serve->latency_frames = 0;
    serve->at_ns = now_ns(serve);
    serve->state = ALSA_DRY;
    publish(serve);
    return 0;
}

static void do_start(struct alsa_serve *serve)
{
    serve->wanted = true;
    if (serve->state == ALSA_RUNOUT)
        serve->state = ALSA_MOVING;
    if (serve->state != ALSA_PAUSED)
        return;
    serve->state = ALSA_MOVING;
    if (alsa.pcm_pause(serve->pcm.handle, 0) == 0)
        return;
    (void)alsa.pcm_drop(serve->pcm.handle); /* it is prepared from any state */
    start_over(serve);
}

static int do_stop(struct alsa_serve *serve)
{
    int r = advance(serve); /* what was played or recorded until now */

    serve->wanted = false;
    if (r < 0 || serve->state != ALSA_MOVING)
        return r;
    bool has_tail = plays(serve) && serve->moved == serve->consumed;
    if (!has_tail && serve->pcm.can_pause && alsa.pcm_pause(serve->pcm.handle, 1) == 0) {
        serve->state = ALSA_PAUSED;
    } else if (has_tail || (plays(serve) && !serve->pcm.is_card)) {
        serve->state = ALSA_RUNOUT; /* dmix: dropped, its mix is heard */
        alsa_pcm_silence(&serve->pcm, plays(serve));
    } else {
        (void)alsa.pcm_drop(serve->pcm.handle); /* it is prepared from any state */
        start_over(serve);
    }
    return 0;
}

static void answer(struct alsa_serve *serve, int result)
{
    const struct alsa_answer message = {.serial = serve->serial, .result = result};

    if (result < 0) {
        alsa_pcm_close(&serve->pcm);
        serve->state = ALSA_CLOSED;
    }
    /* Its end is seen when waiting. */
    (void)helper_send(serve->socket, &message, sizeof(message));
}

static void handle(struct alsa_serve *serve, const struct alsa_request *request)
{
    int r = 0;

    if (request->word == ALSA_OPEN) {
        do_close(serve);
        serve->serial = request->serial;
        answer(serve, do_open(serve, request));
        return;
    }
    if (serve->state == ALSA_CLOSED || request->serial != serve->serial)
        return;
    if (request->word == ALSA_CLOSE)
        do_close(serve);
    else if (request->word == ALSA_START)
        do_start(serve);
    else if (request->word == ALSA_STOP)
        r = do_stop(serve);
    if (r < 0)
        answer(serve, r);
}

/* All that there are; the socket's end has the last sound heard. */
static void take_requests(struct alsa_serve *serve)
{
    struct alsa_request request;
    ssize_t len;

    while ((len = helper_take(serve->socket, &request, sizeof(request))) > 0)
        if (len == sizeof(request))
            handle(serve, &request);
    serve->ended = len < 0;
    if (serve->ended)
        do_close(serve);
}

/* -- the helper -- */

void alsa_serve_begin(struct alsa_serve *serve, int socket, const struct alsa_job *job)
{
    struct alsa_caps caps = {0};

    *serve = (struct alsa_serve){.job = *job, .socket = socket, .timebase = &timebase_monotonic};
    caps.result = alsa_load();
    if (caps.result == 0)
        caps.result = alsa_pcm_open(&serve->pcm, job->device, job->direction);
    if (caps.result == 0)
        caps.result = alsa_pcm_caps(&serve->pcm, &caps.can);
    alsa_pcm_close(&serve->pcm);
    (void)helper_send(socket, &caps, sizeof(caps));
}

uint64_t alsa_serve_round(struct alsa_serve *serve, uint64_t wait_ns)
{
    struct pollfd told = {.fd = serve->socket, .events = POLLIN};
    const struct timespec wait = {.tv_sec = (time_t)(wait_ns / SECOND_NS),
                                  .tv_nsec = (long)(wait_ns % SECOND_NS)};

    if (ppoll(&told, 1, wait_ns == TIME_NEVER ? NULL : &wait, NULL) > 0)
        take_requests(serve);
    if (serve->state == ALSA_CLOSED)
        return TIME_NEVER;
    int r = advance(serve);
    if (r < 0)
        answer(serve, r);
    return r < 0 ? TIME_NEVER : until_next(serve);
}

void alsa_serve(int socket, const void *job)
{
    struct alsa_serve serve;
    uint64_t wait_ns = 0;

    alsa_serve_begin(&serve, socket, job);
    while (!serve.ended)
        wait_ns = alsa_serve_round(&serve, wait_ns);
}
