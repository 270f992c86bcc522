/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_serve.h. */
#include "devices/snd/host/alsa_serve.h"

#include "devices/snd/host/helper.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

/* How long a PCM that was closed is kept: longer than a sound server takes to have its last frames
 * heard, shorter than another program would mind. */
#define KEEP_NS (2000 * MS_NS)
static uint64_t now_ns(const struct alsa_serve *serve)
{
    return serve->run.timebase->now_ns(serve->run.timebase);
}

static void tell(const struct alsa_serve *serve, enum alsa_word word, int result)
{
    const struct alsa_message message = {
        .word = word,
        .serial = serve->serial,
        .result = result,
        .period_frames = serve->run.pcm.period_frames,
    };

    (void)helper_send(serve->socket, &message, sizeof(message)); /* its end is seen when waiting */
}

/* -- messages -- */

/* Until what has left the ring is heard. */
static void linger(const struct alsa_serve *serve)
{
    const struct alsa_run *run = &serve->run;
    bool plays = run->pcm.handle != NULL && run->pcm.direction == PCM_OUTPUT;
    uint64_t tail = plays ? frames_to_ns(run->latency_frames, run->pcm.params.rate_hz) : 0;
    uint64_t now = now_ns(serve), end = MIN(run->at_ns + tail, now + KEEP_NS);

    if (now < end)
        (void)poll(NULL, 0, (int)((end - now) / MS_NS + 1));
}

static bool same_params(const struct pcm_params *a, const struct pcm_params *b)
{
    return pcm_params_alike(a, b) && a->period_frames == b->period_frames &&
           a->buffer_frames == b->buffer_frames;
}

static void do_close(struct alsa_serve *serve)
{
    if (!serve->in_use)
        return;
    serve->in_use = false;
    serve->keep_ns = now_ns(serve) + KEEP_NS;
    if (alsa_run_close(&serve->run) < 0)
        alsa_pcm_close(&serve->run.pcm);
}

static int open_pcm(struct alsa_serve *serve, const struct pcm_params *params, bool distrust)
{
    struct alsa_pcm *pcm = &serve->run.pcm;

    linger(serve);
    alsa_pcm_close(pcm);
    int r = alsa_pcm_open(pcm, serve->job.device, serve->job.direction);
    if (r == 0)
        r = alsa_pcm_setup(pcm, params);
    if (r == 0 && distrust) /* some servers can be opened while they hang */
        r = alsa_pcm_try(pcm);
    return r;
}

static int do_open(struct alsa_serve *serve, const struct alsa_message *message)
{
    const struct pcm_format *format = pcm_format_by_code(message->format);
    const struct pcm_params params = {
        .format = format,
        .rate_hz = message->rate_hz,
        .channels = message->channels,
        .frame_bytes = format == NULL ? 0 : format->sample_bytes * message->channels,
        .period_frames = message->period_frames,
        .buffer_frames = message->buffer_frames,
    };
    uint64_t bytes = (uint64_t)params.frame_bytes * params.buffer_frames;
    struct alsa_pcm *pcm = &serve->run.pcm;

    do_close(serve);
    if (format == NULL || format->alsa < 0 || params.rate_hz == 0 || params.channels - 1 > 254 ||
        params.period_frames - 1 >= params.buffer_frames || bytes > ALSA_RING_BYTES ||
        message->first > INT64_MAX)
        return -EINVAL;
    bool is_fresh =
        pcm->handle == NULL || !same_params(&pcm->params, &params) || message->distrust != 0;
    int r = is_fresh ? open_pcm(serve, &params, message->distrust != 0) : 0;
    if (r == 0)
        r = alsa_run_open(&serve->run, message->first, is_fresh);
    if (r < 0)
        alsa_pcm_close(pcm);
    serve->in_use = r == 0;
    return r;
}

static void fail(struct alsa_serve *serve, int r)
{
    alsa_pcm_close(&serve->run.pcm);
    serve->in_use = false;
    tell(serve, ALSA_FAILED, r);
}

static int do_start(struct alsa_serve *serve)
{
    if (serve->job.real_time)
        helper_real_time(serve->job.device);
    return alsa_run_start(&serve->run);
}

static void handle(struct alsa_serve *serve, const struct alsa_message *message)
{
    int r = 0;

    if (message->word == ALSA_OPEN) {
        serve->serial = message->serial;
        r = do_open(serve, message);
        tell(serve, ALSA_OPENED, r);
        return;
    }
    if (!serve->in_use || message->serial != serve->serial)
        return;
    if (message->word == ALSA_CLOSE)
        do_close(serve);
    else if (message->word == ALSA_START)
        r = do_start(serve);
    else if (message->word == ALSA_STOP)
        r = alsa_run_stop(&serve->run);
    if (r < 0)
        fail(serve, r);
}

/* All that there are; the socket's end has the last sound heard. */
static void take_messages(struct alsa_serve *serve)
{
    struct alsa_message message;
    ssize_t len;

    while ((len = helper_take(serve->socket, &message, sizeof(message))) > 0)
        if (len == sizeof(message))
            handle(serve, &message);
    if (len == 0)
        return;
    serve->ended = true;
    do_close(serve);
    linger(serve); /* first the time: there are PCMs that cut off what has left their ring */
    if (serve->run.pcm.handle != NULL && serve->run.state != ALSA_DRY) {
        (void)alsa.pcm_nonblock(serve->run.pcm.handle, 0);
        (void)alsa.pcm_drain(serve->run.pcm.handle);
    }
    alsa_pcm_close(&serve->run.pcm);
}

/* -- the helper -- */

static void probe(const struct alsa_serve *serve, struct alsa_pcm *pcm, struct alsa_caps *caps)
{
    const struct host_caps *can = &caps->can;

    caps->result = alsa_load();
    if (caps->result == 0)
        caps->result = alsa_pcm_open(pcm, serve->job.device, serve->job.direction);
    if (caps->result == 0)
        caps->result = alsa_pcm_caps(pcm, &caps->can);
    memset(caps->channels, 0xff, sizeof(caps->channels));
    for (unsigned code = 0; code < PCM_FORMAT_COUNT; code++)
        for (unsigned rate = 0; rate < PCM_RATE_COUNT; rate++)
            if ((can->formats & serve->job.formats & 1ull << code) != 0 &&
                (can->rates & serve->job.rates & 1ull << rate) != 0)
                caps->channels[code][rate] =
                    alsa_pcm_channels(pcm, pcm_format_by_code(code), pcm_rate_hz(rate));
    alsa_pcm_close(pcm);
}

void alsa_serve_begin(struct alsa_serve *serve, int socket, const struct alsa_job *job)
{
    struct alsa_caps caps = {.word = ALSA_CAPS};

    *serve = (struct alsa_serve){
        .job = *job,
        .socket = socket,
        .run = {.shared = job->shared, .news_fd = job->news_fd, .timebase = &timebase_monotonic},
    };
    probe(serve, &serve->run.pcm, &caps);
    (void)helper_send(socket, &caps, sizeof(caps));
}

/* The PCM is not in use: how long it is kept. */
static uint64_t keep(struct alsa_serve *serve)
{
    uint64_t now = now_ns(serve);

    if (serve->run.pcm.handle == NULL)
        return TIME_NEVER;
    if (now < serve->keep_ns)
        return serve->keep_ns - now;
    alsa_pcm_close(&serve->run.pcm);
    return TIME_NEVER;
}

uint64_t alsa_serve_round(struct alsa_serve *serve, uint64_t wait_ns)
{
    struct alsa_run *run = &serve->run;
    struct pollfd fds[2 + ALSA_FDS_MAX] = {{.fd = serve->socket, .events = POLLIN},
                                           {.fd = serve->job.kick_fd, .events = POLLIN}};
    unsigned count = serve->in_use && alsa_run_listens(run) ? run->pcm.fd_count : 0;
    const struct timespec wait = {.tv_sec = (time_t)(wait_ns / SECOND_NS),
                                  .tv_nsec = (long)(wait_ns % SECOND_NS)};
    unsigned short fired = 0;
    eventfd_t kicks;

    memcpy(fds + 2, run->pcm.fds, count * sizeof(fds[0]));
    int ready = ppoll(fds, 2 + count, wait_ns == TIME_NEVER ? NULL : &wait, NULL);
    bool told = ready > 0 && fds[0].revents != 0;
    if (told)
        take_messages(serve);
    if (ready > 0 && fds[1].revents != 0)
        (void)eventfd_read(serve->job.kick_fd, &kicks);
    if (!serve->in_use)
        return keep(serve);
    for (unsigned i = 0; i < count && !told; i++)
        fired |= (unsigned short)fds[2 + i].revents;
    if (fired != 0) {
        run->futile++;
        (void)alsa.pcm_poll_descriptors_revents(run->pcm.handle, fds + 2, count, &fired);
    }
    int r = alsa_run_serve(run, told || ready <= 0 || fired != 0);
    if (r < 0)
        fail(serve, r);
    return r < 0 ? TIME_NEVER : alsa_run_wait(run);
}

void alsa_serve(int socket, const void *job)
{
    struct alsa_serve serve;
    uint64_t wait_ns = 0;

    alsa_serve_begin(&serve, socket, job);
    while (!serve.ended)
        wait_ns = alsa_serve_round(&serve, wait_ns);
}
