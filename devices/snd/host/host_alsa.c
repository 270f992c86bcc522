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
#include "devices/snd/host/alsa_ring.h"
#include "devices/snd/host/helper.h"
#include "vmm/base/timebase.h"
#include "vmm/config/opts.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/* How long create() waits to hear what the PCM can do. */
#define PROBE_MS 5000
/* How long the last frames of all may take to be heard. */
#define LAST_MS 4000
enum link_state { LINK_CLOSED, LINK_OPENING, LINK_OPEN };

struct alsa_host {
    struct host host;
    char *device; /* owned; the PCM's name */
    bool real_time;
    struct helper helper;
    struct watch messages; /* the helper's socket */
    struct watch news;     /* eventfd, owned */
    struct alsa_caps caps;

    enum link_state state;
    uint32_t serial; /* of the last OPEN */
    struct alsa_ring ring;
    int error; /* why the PCM is of no use; 0: it is */
    int said;  /* the error of which the user was told last; 0: none, or it was overcome */
};

static struct alsa_host *alsa_host(struct host *host)
{
    return container_of(host, struct alsa_host, host);
}

static bool plays(const struct alsa_host *alsa)
{
    return alsa->ring.direction == PCM_OUTPUT;
}

/* What to tell a user of an open that failed: what is the matter, and what to do about it. */
static const char *explain(const struct alsa_host *alsa, int error)
{
    switch (-error) {
    case EBUSY:
    case EAGAIN:
        return "another program has it; stop that, or take a PCM that can be shared "
               "(device=default)";
    case EACCES:
    case EPERM:
        return "not permitted; be in the group 'audio', or take device=default";
    case ECONNREFUSED:
    case EHOSTDOWN:
    case ETIMEDOUT:
        return "its sound server does not answer";
    case EOPNOTSUPP:
        return plays(alsa) ? "it does not take such sound; device=plughw:... converts"
                           : "it does not give such sound; device=plughw:... converts";
    default:
        return plays(alsa) ? "'aplay -L' lists the names there are"
                           : "'arecord -L' lists the names there are";
    }
}

/* After a failure the PCM is of no use until it is opened again. */
static int fail(struct alsa_host *alsa, int r)
{
    alsa->error = r;
    if (alsa->said == r)
        return r;
    alsa->said = r;
    if (r == -EPIPE)
        log_warn("%s: the process that has \"%s\" ended; the guest goes on without it",
                 alsa->host.name, alsa->device);
    else if (r == -ENODEV)
        log_guest(&alsa->host.log_limit,
                  "%s: \"%s\" is gone; the guest goes on without it until it is back",
                  alsa->host.name, alsa->device);
    else
        log_guest(&alsa->host.log_limit,
                  "%s: \"%s\" failed: %s; the guest goes on without it, it is opened anew",
                  alsa->host.name, alsa->device, strerror(-r));
    return r;
}

static int send_word(struct alsa_host *alsa, enum alsa_word word)
{
    const struct pcm_params *params = &alsa->ring.params;
    const struct alsa_message message = {
        .word = word,
        .serial = alsa->serial,
        .format = params->format->code,
        .rate_hz = params->rate_hz,
        .channels = params->channels,
        .period_frames = params->period_frames,
        .buffer_frames = params->buffer_frames,
        .first = alsa->ring.first,
        .distrust = alsa->said == -ETIMEDOUT,
    };
    int r = helper_send(alsa->helper.socket, &message, sizeof(message));

    return r == -EAGAIN ? -ETIMEDOUT : r; /* it has not taken what came before */
}

/* -- while it is open -- */

static ssize_t alsa_write(struct host *host, const void *buf, size_t frames)
{
    struct alsa_host *alsa = alsa_host(host);

    return alsa->error != 0 ? alsa->error : alsa_ring_write(&alsa->ring, buf, frames);
}

static ssize_t alsa_read(struct host *host, void *ret_buf, size_t frames)
{
    struct alsa_host *alsa = alsa_host(host);

    return alsa->error != 0 ? alsa->error : alsa_ring_read(&alsa->ring, ret_buf, frames);
}

/* What was consumed since the last time is heard. */
static int look(struct alsa_host *alsa)
{
    uint64_t before = alsa->ring.theirs;
    int r = alsa->error != 0 ? alsa->error : alsa_ring_look(&alsa->ring);

    if (alsa->ring.theirs > before && alsa->said != 0 && r == 0) {
        log_info("%s: \"%s\" is back", alsa->host.name, alsa->device);
        alsa->said = 0;
    }
    return r < 0 && alsa->error == 0 ? fail(alsa, r) : r;
}

static int alsa_position(struct host *host, struct host_position *ret_position)
{
    struct alsa_host *alsa = alsa_host(host);
    int r = look(alsa);

    if (r == 0)
        *ret_position = alsa_ring_position(&alsa->ring);
    return r;
}

static uint64_t alsa_remaining_ns(struct host *host, uint64_t frame)
{
    return alsa_ring_remaining_ns(&alsa_host(host)->ring, frame);
}

static int alsa_start(struct host *host)
{
    struct alsa_host *alsa = alsa_host(host);

    if (alsa->error != 0)
        return alsa->error;
    if (alsa->real_time)
        helper_real_time(host->name);
    alsa_ring_start(&alsa->ring);
    int r = send_word(alsa, ALSA_START);
    return r < 0 ? fail(alsa, r) : 0;
}

/* A PCM that fails stands still too, which is what was asked for: start() tells of it. */
static int alsa_stop(struct host *host)
{
    struct alsa_host *alsa = alsa_host(host);
    int r = look(alsa);

    alsa_ring_stop(&alsa->ring);
    if (r == 0)
        r = send_word(alsa, ALSA_STOP);
    if (r < 0 && alsa->error == 0)
        (void)fail(alsa, r);
    return 0;
}

/* -- opening and closing -- */

static bool alsa_check(struct host *host, const struct pcm_params *params)
{
    const struct alsa_host *alsa = alsa_host(host);
    int rate = pcm_rate_by_hz(params->rate_hz);

    assert(rate >= 0); /* was a code */
    return params->channels > 31 ||
           (alsa->caps.channels[params->format->code][rate] >> params->channels & 1) != 0;
}

/* An open() in progress has ended. */
static void opened(struct alsa_host *alsa, int r, uint32_t card_period_frames)
{
    const struct pcm_params *params = &alsa->ring.params;

    alsa->state = r == 0 ? LINK_OPEN : LINK_CLOSED;
    alsa->error = r;
    alsa->ring.look_frames = MAX(params->period_frames, card_period_frames);
    if (r < 0) {
        loop_remove(&alsa->messages);
        loop_remove(&alsa->news);
        if (alsa->said != r && alsa->said != -EPIPE)
            log_guest(&alsa->host.log_limit,
                      "%s: can't open \"%s\" for %s of %s, %u Hz, %u channels: %s; %s",
                      alsa->host.name, alsa->device, plays(alsa) ? "playback" : "capture",
                      params->format->name, params->rate_hz, params->channels, strerror(-r),
                      explain(alsa, r));
        alsa->said = alsa->said == -EPIPE ? -EPIPE : r;
    }
    alsa->host.opened(&alsa->host, r);
}

static void messages_ready(struct watch *watch, uint32_t epoll_events)
{
    struct alsa_host *alsa = container_of(watch, struct alsa_host, messages);
    bool is_opening = alsa->state == LINK_OPENING;
    struct alsa_message message = {.serial = alsa->serial};
    ssize_t len = helper_take(watch->fd, &message, sizeof(message));

    (void)epoll_events;
    if (len == -EPIPE) {
        loop_remove(watch);
        (void)fail(alsa, -EPIPE);
        message.word = is_opening ? ALSA_OPENED : ALSA_FAILED;
        message.result = -ENODEV;
    } else if (len != sizeof(message) || message.serial != alsa->serial) {
        return;
    }
    int r = message.result > 0 || message.result < -4095 ? -EIO : message.result;
    if (message.word == ALSA_OPENED && is_opening) {
        opened(alsa, r, message.period_frames);
    } else if (message.word == ALSA_FAILED && alsa->state == LINK_OPEN) {
        if (len > 0)
            (void)fail(alsa, r < 0 ? r : -EIO);
        alsa->host.wake(&alsa->host);
    }
}

static void news_ready(struct watch *watch, uint32_t epoll_events)
{
    struct alsa_host *alsa = container_of(watch, struct alsa_host, news);
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count);
    if (alsa->state == LINK_OPEN)
        alsa->host.wake(&alsa->host);
}

static void alsa_close(struct host *host)
{
    struct alsa_host *alsa = alsa_host(host);

    if (alsa->state == LINK_CLOSED)
        return;
    loop_remove(&alsa->messages);
    loop_remove(&alsa->news);
    (void)look(alsa); /* what it consumed was heard */
    alsa->state = LINK_CLOSED;
    alsa_ring_stop(&alsa->ring);
    (void)send_word(alsa, ALSA_CLOSE); /* if it is too busy, the next OPEN says it, too */
}

static int alsa_open(struct host *host, const struct pcm_params *params)
{
    struct alsa_host *alsa = alsa_host(host);

    if (alsa->said == -EPIPE ||
        (uint64_t)params->buffer_frames * params->frame_bytes > ALSA_RING_BYTES)
        return -ENODEV;
    alsa_ring_open(&alsa->ring, params);
    alsa->serial++;
    int r = send_word(alsa, ALSA_OPEN);
    if (r == 0)
        r = loop_add(host->loop, &alsa->messages, EPOLLIN);
    if (r == 0)
        r = loop_add(host->loop, &alsa->news, EPOLLIN);
    if (r < 0) {
        loop_remove(&alsa->messages);
        return fail(alsa, r) == -EPIPE ? -ENODEV : r;
    }
    alsa->error = 0;
    alsa->state = LINK_OPENING;
    return -EINPROGRESS;
}

/* -- the helper's life -- */

/* Nothing is lost that anybody would miss. */
static int alsa_finish(struct host *host)
{
    struct alsa_host *alsa = alsa_host(host);

    if (helper_end(&alsa->helper, alsa->error == -ETIMEDOUT ? 0 : LAST_MS) < 0)
        log_warn("%s: \"%s\" does not close; it is left alone", host->name, alsa->device);
    return 0;
}

static void alsa_destroy(struct host *host)
{
    struct alsa_host *alsa = alsa_host(host);

    (void)alsa_finish(host);
    if (alsa->ring.shared != NULL)
        (void)munmap(alsa->ring.shared, sizeof(*alsa->ring.shared));
    fd_close(&alsa->ring.kick_fd);
    fd_close(&alsa->news.fd);
    free(alsa->device);
    free(alsa);
}

static int helper_make(struct alsa_host *alsa, const struct host_setup *setup)
{
    alsa->ring.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    alsa->news.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Of a size that nobody can change; what is never used costs nothing. */
    void *shared = mmap(NULL, sizeof(*alsa->ring.shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED || alsa->ring.kick_fd < 0 || alsa->news.fd < 0)
        return -errno;
    alsa->ring.shared = shared;
    const struct alsa_job job = {
        .device = alsa->device,
        .direction = alsa->ring.direction,
        .real_time = alsa->real_time,
        .formats = setup->formats,
        .rates = setup->rates,
        .shared = alsa->ring.shared,
        .kick_fd = alsa->ring.kick_fd,
        .news_fd = alsa->news.fd,
    };
    const int fds[HELPER_FDS_MAX] = {alsa->ring.kick_fd, alsa->news.fd};
    int r = helper_start(&alsa->helper, setup->name, fds, alsa_serve, &job);
    alsa->messages.fd = alsa->helper.socket;
    return r;
}

/* Waits to hear what the PCM can do. */
static int caps_take(struct alsa_host *alsa)
{
    struct pollfd ready = {.fd = alsa->helper.socket, .events = POLLIN};
    struct alsa_caps *caps = &alsa->caps;

    if (poll(&ready, 1, PROBE_MS) == 0)
        return -ETIMEDOUT;
    ssize_t len = helper_take(alsa->helper.socket, caps, sizeof(*caps));
    if (len != sizeof(*caps) || caps->word != ALSA_CAPS || caps->result > 0 ||
        caps->can.channels_min < 1 || caps->can.channels_min > caps->can.channels_max)
        return len < 0 || caps->result >= 0 ? -EPIPE : caps->result;
    alsa->host.caps = caps->can;
    alsa->host.caps.formats &= (1ull << PCM_FORMAT_COUNT) - 1;
    alsa->host.caps.rates &= (1ull << PCM_RATE_COUNT) - 1;
    return caps->result;
}

static int alsa_create(struct host *host, const struct host_setup *setup)
{
    const char *device = opts_str(setup->opts, "device");
    struct alsa_host *alsa = alsa_host(host);

    *alsa = (struct alsa_host){
        .host = *host,
        .device = strdup(device),
        .ring = {.host = host, .direction = setup->direction, .kick_fd = -1},
        .real_time = opts_bool(setup->opts, "rt"),
        .helper = {.socket = -1},
        .messages = {.ready = messages_ready},
        .news = {.fd = -1, .ready = news_ready},
    };
    host->timebase = &timebase_monotonic;
    alsa->ring.device = alsa->device;
    if (strcmp(device, "null") == 0)
        return opts_error("--snd device: ALSA's \"null\" keeps no time; take host=null");
    int r = alsa->device == NULL ? -ENOMEM : helper_make(alsa, setup);
    if (r < 0)
        (void)log_error(r, "%s: no process for the sound card", setup->name);
    else if ((r = caps_take(alsa)) < 0 && r != -ENOPKG) /* that has its own line */
        (void)log_error(0, "%s: --snd device: can't open \"%s\" for %s: %s; %s", setup->name,
                        device, plays(alsa) ? "playback" : "capture", strerror(-r),
                        explain(alsa, r));
    alsa->error = r; /* one that hangs is not waited for */
    /* -EINVAL would say that the option is written wrong, which is more than we know. */
    return r == -EINVAL ? -ENXIO : r;
}

const struct host_class host_alsa = {
    .name = "alsa",
    .instance_size = sizeof(struct alsa_host),
    .own_clock = true,
    .reopens = true,
    .create = alsa_create,
    .check = alsa_check,
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
