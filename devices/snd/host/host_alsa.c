/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host=alsa: a sound card or any other PCM of alsa-lib, with its own clock. Our half: alsa-lib is
 * called by a helper, one for each stream (alsa_serve.h), and nothing here waits for it but
 * create(), for some seconds. See alsa_link.h for what the two share.
 *
 * A PCM that fails says so once, and is opened anew (by the stream, now and then) until that works.
 * A helper that hangs, or moves no frame for too long, is as a PCM that failed; when it goes on, it
 * finds what it was asked meanwhile. One that dies is not started again: its card is gone for good.
 */
#include "devices/snd/host/alsa_link.h"
#include "devices/snd/lib/alsa.h"
#include "vmm/base/helper.h"
#include "vmm/base/timebase.h"
#include "vmm/config/opts.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/* How long create() waits to hear what the PCM can do. */
#define PROBE_MS 5000
/* How long the last frames of all may take to be heard. */
#define LAST_MS 4000
/* The helper says when a period has ended. If that is late, it is looked for now and then. */
#define LATE_NS (50 * MS_NS)
/* A sound server that is stopped moves no frame, and its PCM does not tell: after this it is given
 * up, or after the ring's time less a period. Servers may move all but two periods at once, and
 * Linux waits for any frame for 1.1 times the ring's time. */
#define STUCK_NS (250 * MS_NS)

struct alsa_host {
    struct host host;
    char *device; /* owned; the PCM's name */
    bool plays;
    struct helper helper;
    struct watch answers; /* the helper's socket */
    struct watch news;    /* eventfd, owned */
    struct alsa_shared *shared;

    bool is_opening;
    uint32_t serial; /* of the last OPEN */
    int error;       /* why the PCM is of no use; 0: it is */
    int said;        /* the error of which the user was told last; 0: none, or it was overcome */

    struct pcm_params params;
    bool wanted;                /* between start and stop */
    uint64_t ours, theirs;      /* frames: written (fetched), consumed */
    uint64_t stops, lost;       /* the helper's counts, as they were last */
    uint64_t look_ns, stuck_ns; /* when it was looked last, 0: not since a start; for how long no
                                 * frame was consumed */
};

static struct alsa_host *alsa_host(struct host *host)
{
    return container_of(host, struct alsa_host, host);
}

/* After a failure the PCM is of no use until it is opened again. */
static int fail(struct alsa_host *card, int r)
{
    card->error = r;
    if (card->said == r)
        return r;
    card->said = r;
    if (r == -EPIPE)
        log_warn("%s: the process that has \"%s\" ended; the guest goes on without it",
                 card->host.name, card->device);
    else
        log_guest(&card->host.log_limit,
                  "%s: \"%s\" failed: %s; the guest goes on without it, it is opened anew",
                  card->host.name, card->device, strerror(-r));
    return r;
}

static int ask(struct alsa_host *card, enum alsa_word word)
{
    const struct alsa_request request = {
        .word = word,
        .serial = card->serial,
        .format = card->params.format->code,
        .params = card->params,
    };
    int r = helper_send(card->helper.socket, &request, sizeof(request));

    return r == -EAGAIN ? -ETIMEDOUT : r; /* it has not taken what came before */
}

/* -- the shared ring -- */

/* Where frame `frame` lies; *frames is cut to what lies there in one piece. */
static uint8_t *ring_at(const struct alsa_host *card, uint64_t frame, size_t *frames)
{
    uint64_t room = card->params.buffer_frames, at = frame % room;

    *frames = (size_t)MIN((uint64_t)*frames, room - at);
    return card->shared->ring + at * card->params.frame_bytes;
}

/* Copies frames into the ring, or out of it, from ours on. */
static ssize_t copy(struct alsa_host *card, void *buf, uint64_t frames)
{
    size_t done = 0, piece;

    if (card->error != 0)
        return card->error;
    for (; done < frames; done += piece) {
        piece = frames - done;
        uint8_t *there = ring_at(card, card->ours + done, &piece);
        uint8_t *here = (uint8_t *)buf + done * card->params.frame_bytes;
        memcpy(card->plays ? there : here, card->plays ? here : there,
               piece * card->params.frame_bytes);
    }
    card->ours += done;
    atomic_store(&card->shared->our_frames, card->ours);
    if (done > 0 && atomic_load(&card->shared->wants_kick) != 0)
        (void)ask(card, ALSA_KICK); /* no room: it has not looked yet, and will */
    return (ssize_t)done;
}

static ssize_t alsa_write(struct host *host, const void *buf, size_t frames)
{
    struct alsa_host *card = alsa_host(host);
    uint64_t room = card->params.buffer_frames - (card->ours - card->theirs);

    return copy(card, (void *)(uintptr_t)buf, MIN(room, frames)); /* which only reads it */
}

static ssize_t alsa_read(struct host *host, void *ret_buf, size_t frames)
{
    struct alsa_host *card = alsa_host(host);

    return copy(card, ret_buf, MIN(card->theirs - card->ours, frames));
}

/* True if frames can be consumed: there is something to play, or room to record. */
static bool can_move(const struct alsa_host *card)
{
    return card->wanted && (card->plays ? card->ours > card->theirs
                                        : card->theirs - card->ours < card->params.buffer_frames);
}

/* The card stopped without need, or has run dry. If the stream had two periods there (`spare`) at
 * its last look, this process did not get to run. Else the guest was late; that is told by the
 * stream. */
static void note_stops(struct alsa_host *card, uint64_t spare)
{
    uint64_t stops = atomic_load(&card->shared->stops);
    uint64_t lost = atomic_load(&card->shared->lost_frames);
    bool dry =
        card->plays && card->ours == card->theirs && spare * 2 > card->params.period_frames * 3ull;

    if (stops != card->stops || dry) {
        card->host.xruns++;
        log_guest(&card->host.log_limit,
                  "%s: this machine was too busy for \"%s\", or it stopped by itself: the sound "
                  "has a gap",
                  card->host.name, card->device);
    }
    card->host.lost_frames += lost - card->lost;
    card->stops = stops;
    card->lost = lost;
}

/* Time in which nobody looked does not count: maybe nobody on this machine got to run. */
static int note_standstill(struct alsa_host *card, bool moved)
{
    const struct pcm_params *params = &card->params;
    uint64_t now = card->host.timebase->now_ns(card->host.timebase);
    uint64_t limit = frames_to_ns(params->buffer_frames - params->period_frames, params->rate_hz);

    if (moved || !can_move(card))
        card->stuck_ns = 0;
    else if (card->look_ns > 0)
        card->stuck_ns += MIN(now - card->look_ns, LATE_NS);
    card->look_ns = now;
    return card->stuck_ns >= MAX(limit, STUCK_NS) ? fail(card, -ETIMEDOUT) : 0;
}

/* Takes over the helper's numbers, brought within what can be, and tells the stream what was
 * played. */
static int look(struct alsa_host *card)
{
    uint64_t now = atomic_load_explicit(&card->shared->card_frames, memory_order_acquire);
    uint64_t before = card->theirs, spare = card->ours - before;

    if (card->error != 0 || !card->wanted)
        return card->error;
    now = MIN(now, card->plays ? card->ours : card->ours + card->params.buffer_frames);
    while (card->plays && card->theirs < now) {
        size_t frames = (size_t)(now - card->theirs);
        const uint8_t *at = ring_at(card, card->theirs, &frames);
        card->host.played(&card->host, at, frames);
        card->theirs += frames;
    }
    card->theirs = MAX(card->theirs, now);
    bool moved = card->theirs > before;
    note_stops(card, moved && card->look_ns > 0 ? spare : 0);
    if (moved && card->said != 0) {
        log_info("%s: \"%s\" is back", card->host.name, card->device);
        card->said = 0;
    }
    return note_standstill(card, moved);
}

static int alsa_position(struct host *host, struct host_position *ret_position)
{
    struct alsa_host *card = alsa_host(host);
    int r = look(card);

    if (r == 0)
        *ret_position = (struct host_position){
            .consumed_frames = card->theirs,
            .latency_frames = atomic_load(&card->shared->latency_frames),
        };
    return r;
}

/* The helper wakes the stream before: this is for when it does not. */
static uint64_t alsa_remaining_ns(struct host *host, uint64_t frame)
{
    const struct alsa_host *card = alsa_host(host);

    if (frame <= card->theirs)
        return 0;
    if (!can_move(card))
        return TIME_NEVER;
    uint64_t left = card->stuck_ns > 0 ? 0 : frame - card->theirs;
    return frames_to_ns(left, card->params.rate_hz) + LATE_NS;
}

/* -- starting and stopping -- */

static int alsa_start(struct host *host)
{
    struct alsa_host *card = alsa_host(host);

    if (card->error != 0)
        return card->error;
    card->wanted = true;
    card->stuck_ns = 0;
    int r = ask(card, ALSA_START);
    return r < 0 ? fail(card, r) : 0;
}

/* A PCM that fails stands still too, which is what was asked for: start() tells of it. What is
 * played all the same may run dry, and that is nobody's fault. */
static int alsa_stop(struct host *host)
{
    struct alsa_host *card = alsa_host(host);
    int r = look(card);

    card->wanted = false;
    card->look_ns = 0;
    if (r == 0)
        r = ask(card, ALSA_STOP);
    if (r < 0 && card->error == 0)
        (void)fail(card, r);
    return 0;
}

/* -- opening and closing -- */

/* An open() in progress has ended. */
static void opened(struct alsa_host *card, int r)
{
    const struct pcm_params *params = &card->params;

    card->is_opening = false;
    card->error = r;
    if (r < 0) {
        loop_remove(&card->answers);
        loop_remove(&card->news);
        if (card->said != r && card->said != -EPIPE) {
            card->said = r;
            log_guest(&card->host.log_limit,
                      "%s: can't open \"%s\" for %s of %s, %u Hz, %u channels: %s; %s",
                      card->host.name, card->device, card->plays ? "playback" : "capture",
                      params->format->name, params->rate_hz, params->channels, strerror(-r),
                      alsa_remedy(r));
        }
    }
    card->host.opened(&card->host, r);
}

static void answers_ready(struct watch *watch, uint32_t epoll_events)
{
    struct alsa_host *card = container_of(watch, struct alsa_host, answers);
    bool is_opening = card->is_opening;
    struct alsa_answer answer;
    ssize_t len = helper_take(watch->fd, &answer, sizeof(answer));

    (void)epoll_events;
    if (len >= 0 && (len != sizeof(answer) || answer.serial != card->serial))
        return;
    int r = len < 0 ? -EPIPE : answer.result;
    if (r > 0 || r < -4095)
        r = -EIO;
    if (len < 0)
        loop_remove(watch);
    if (r < 0 && (len < 0 || !is_opening))
        (void)fail(card, r);
    if (is_opening)
        opened(card, len < 0 ? -ENODEV : r);
    else if (r < 0)
        card->host.wake(&card->host);
}

/* Edge triggered: nobody reads it. */
static void news_ready(struct watch *watch, uint32_t epoll_events)
{
    struct alsa_host *card = container_of(watch, struct alsa_host, news);

    (void)epoll_events;
    if (!card->is_opening)
        card->host.wake(&card->host);
}

static void alsa_close(struct host *host)
{
    struct alsa_host *card = alsa_host(host);

    loop_remove(&card->answers);
    loop_remove(&card->news);
    (void)look(card); /* what it consumed was heard */
    card->is_opening = card->wanted = false;
    (void)ask(card, ALSA_CLOSE); /* if it is too busy, the next OPEN says it, too */
}

static int alsa_open(struct host *host, const struct pcm_params *params)
{
    struct alsa_host *card = alsa_host(host);

    if (card->said == -EPIPE ||
        (uint64_t)params->buffer_frames * params->frame_bytes > ALSA_RING_BYTES)
        return -ENODEV;
    card->params = *params;
    card->ours = card->theirs = 0;
    atomic_store(&card->shared->our_frames, 0);
    card->stops = atomic_load(&card->shared->stops);
    card->lost = atomic_load(&card->shared->lost_frames);
    card->look_ns = 0;
    card->serial++;
    int r = ask(card, ALSA_OPEN);
    if (r == 0)
        r = loop_add(host->loop, &card->answers, EPOLLIN);
    if (r == 0)
        r = loop_add(host->loop, &card->news, EPOLLIN | EPOLLET);
    if (r < 0) {
        loop_remove(&card->answers);
        return fail(card, r) == -EPIPE ? -ENODEV : r;
    }
    card->error = 0;
    card->is_opening = true;
    return -EINPROGRESS;
}

/* -- the helper's life -- */

/* Nothing is lost that anybody would miss. */
static int alsa_finish(struct host *host)
{
    struct alsa_host *card = alsa_host(host);

    if (helper_end(&card->helper, card->error == -ETIMEDOUT ? 0 : LAST_MS) < 0)
        log_warn("%s: \"%s\" does not close; it is left alone", host->name, card->device);
    return 0;
}

static void alsa_destroy(struct host *host)
{
    struct alsa_host *card = alsa_host(host);

    (void)alsa_finish(host);
    if (card->shared != NULL)
        (void)munmap(card->shared, sizeof(*card->shared));
    fd_close(&card->news.fd);
    free(card->device);
    free(card);
}

static int helper_make(struct alsa_host *card, const struct host_setup *setup)
{
    card->news.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Of a size that nobody can change; what is never used costs nothing. */
    void *shared = mmap(NULL, sizeof(*card->shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED || card->news.fd < 0)
        return -errno;
    card->shared = shared;
    const struct alsa_job job = {
        .device = card->device,
        .direction = setup->direction,
        .shared = card->shared,
        .news_fd = card->news.fd,
    };
    int r = helper_start(&card->helper, setup->name, card->news.fd, alsa_serve, &job);
    card->answers.fd = card->helper.socket;
    return r;
}

/* Waits to hear what the PCM can do. */
static int caps_take(struct alsa_host *card)
{
    struct alsa_caps caps;
    int r = helper_wait(&card->helper, &caps, sizeof(caps), PROBE_MS);

    if (r < 0 || caps.result < 0)
        return r < 0 ? r : caps.result;
    if (caps.result > 0 || caps.can.channels_min < 1 ||
        caps.can.channels_min > caps.can.channels_max)
        return -EPIPE;
    card->host.caps = caps.can;
    card->host.caps.formats &= pcm_formats();
    card->host.caps.rates &= (1ull << PCM_RATE_COUNT) - 1;
    return 0;
}

static int alsa_create(struct host *host, const struct host_setup *setup)
{
    const char *device = opts_str(setup->opts, "device");
    struct alsa_host *card = alsa_host(host);

    *card = (struct alsa_host){
        .host = *host,
        .device = strdup(device),
        .plays = setup->direction == PCM_OUTPUT,
        .helper = {.socket = -1},
        .answers = {.ready = answers_ready},
        .news = {.fd = -1, .ready = news_ready},
    };
    host->timebase = &timebase_monotonic;
    if (strcmp(device, "null") == 0)
        return opts_error("--snd device: ALSA's \"null\" keeps no time; take host=null");
    int r = card->device == NULL ? -ENOMEM : helper_make(card, setup);
    if (r < 0)
        (void)log_error(r, "%s: no process for the sound card", setup->name);
    else if ((r = caps_take(card)) < 0 && r != -ENOPKG) /* that has its own line */
        (void)log_error(0, "%s: --snd device: can't open \"%s\" for %s: %s; %s", setup->name,
                        device, card->plays ? "playback" : "capture", strerror(-r), alsa_remedy(r));
    card->error = r; /* one that hangs is not waited for */
    /* -EINVAL would say that the option is written wrong, which is more than we know. */
    return r == -EINVAL ? -ENXIO : r;
}

const struct host_class host_alsa = {
    .name = "alsa",
    .instance_size = sizeof(struct alsa_host),
    .own_clock = true,
    .reopens = true,
    .create = alsa_create,
    .destroy = alsa_destroy,
    .open = alsa_open,
    .close = alsa_close,
    .start = alsa_start,
    .stop = alsa_stop,
    .write = alsa_write,
    .read = alsa_read,
    .position = alsa_position,
    .remaining_ns = alsa_remaining_ns,
    .finish = alsa_finish,
};
