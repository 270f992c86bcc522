/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host=alsa: a sound card or any other PCM of alsa-lib, with its own clock. See host.h for what a
 * host is, alsa_ring.h for where the frames are, alsa_pcm.h for what is asked of alsa-lib.
 *
 * A PCM that fails says so once, and is opened anew (by the stream, now and then) until that works.
 *
 * Threads: those of host.h, and one that closes a PCM after its last frames were heard. It has that
 * PCM to itself; open(), finish() and destroy() wait for it.
 *
 * A sound server's PCM may block in calls that ALSA has declared non-blocking: see alsa_guard.h.
 */
#include "devices/snd/host/alsa_farewell.h"
#include "devices/snd/host/alsa_guard.h"
#include "devices/snd/host/alsa_opener.h"
#include "devices/snd/host/alsa_ring.h"
#include "vmm/config/opts.h"

#include <sched.h>
#include <string.h>
#include <sys/resource.h>

/* With rt=on: before all that is not real time, behind the sound servers, which have 20 and more.
 */
#define REAL_TIME_PRIORITY 10

struct alsa_host {
    struct host host;
    char *device; /* owned; the PCM's name */
    enum pcm_direction direction;
    bool real_time;
    /* By format and rate: what channels go with them, as alsa_pcm_channels() says; all ones: the
     * user did not ask for these, so it was not looked. */
    uint32_t channels[PCM_FORMAT_COUNT][PCM_RATE_COUNT];
    int error; /* why the PCM is of no use; 0: it is */
    int said;  /* the error of which the user was told last; 0: none, or it was overcome */
    struct opener opener;
    struct alsa_ring ring;
    struct alsa_farewell *farewell; /* NULL: no PCM is being closed */
};

static struct alsa_host *alsa_host(struct host *host)
{
    return container_of(host, struct alsa_host, host);
}

static const char *direction_name(const struct alsa_host *alsa)
{
    return alsa->direction == PCM_OUTPUT ? "playback" : "capture";
}

/* Passes a result on; after a failure the PCM is of no use until it is opened again. */
static int result(struct alsa_host *alsa, ssize_t r)
{
    const char *name = alsa->host.name;

    if (r >= 0)
        return (int)r;
    alsa->error = (int)r;
    if (alsa->said == alsa->error)
        return alsa->error;
    alsa->said = alsa->error;
    if (r == -ENODEV)
        log_warn("%s: \"%s\" is gone; the guest goes on without it until it is back", name,
                 alsa->device);
    else
        log_warn("%s: \"%s\" failed: %s; the guest goes on without it, it is opened anew", name,
                 alsa->device, snd_strerror(alsa->error));
    return alsa->error;
}

/* -- while it is open -- */

static ssize_t alsa_write(struct host *host, const void *buf, size_t frames)
{
    struct alsa_host *alsa = alsa_host(host);

    return alsa->error != 0 ? alsa->error : result(alsa, alsa_ring_write(&alsa->ring, buf, frames));
}

static ssize_t alsa_read(struct host *host, void *ret_buf, size_t frames)
{
    struct alsa_host *alsa = alsa_host(host);

    return alsa->error != 0 ? alsa->error
                            : result(alsa, alsa_ring_read(&alsa->ring, ret_buf, frames));
}

static int alsa_position(struct host *host, struct host_position *ret_position)
{
    struct alsa_host *alsa = alsa_host(host);

    return alsa->error != 0 ? alsa->error
                            : result(alsa, alsa_ring_position(&alsa->ring, ret_position));
}

static uint64_t alsa_remaining_ns(struct host *host, uint64_t frame)
{
    return alsa_ring_remaining_ns(&alsa_host(host)->ring, frame);
}

/* rt=on: the thread that serves the PCM goes before others. Most users may not have that; it is
 * asked for, no more. */
static void raise_priority(const struct alsa_host *alsa)
{
    struct sched_param param = {.sched_priority = REAL_TIME_PRIORITY};
    struct rlimit limit;

    if (!alsa->real_time || sched_getscheduler(0) != SCHED_OTHER)
        return;
    int r = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
    if (r < 0 && getrlimit(RLIMIT_RTPRIO, &limit) == 0 && limit.rlim_cur > 0 &&
        limit.rlim_cur < REAL_TIME_PRIORITY) {
        param.sched_priority = (int)limit.rlim_cur;
        r = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
    }
    if (r < 0)
        log_debug("%s: no real-time priority: %s (see 'ulimit -r')", alsa->host.name,
                  strerror(errno));
    else
        log_debug("%s: real-time priority %d", alsa->host.name, param.sched_priority);
}

static int alsa_start(struct host *host)
{
    struct alsa_host *alsa = alsa_host(host);

    raise_priority(alsa);
    if (alsa->real_time && alsa->ring.pcm.guard != NULL)
        alsa_guard_prioritize(alsa->ring.pcm.guard);
    return alsa->error != 0 ? alsa->error : result(alsa, alsa_ring_start(&alsa->ring));
}

/* A PCM that fails stands still too, which is what was asked for: start() tells of it. */
static int alsa_stop(struct host *host)
{
    struct alsa_host *alsa = alsa_host(host);

    if (alsa->error == 0)
        (void)result(alsa, alsa_ring_stop(&alsa->ring));
    return 0;
}

/* -- opening and closing -- */

static bool alsa_check(struct host *host, const struct pcm_params *params)
{
    const struct alsa_host *alsa = alsa_host(host);
    int rate = pcm_rate_by_hz(params->rate_hz);

    assert(rate >= 0); /* was a code */
    return params->channels > 31 ||
           (alsa->channels[params->format->code][rate] >> params->channels & 1) != 0;
}

/* On the opener's thread. */
static int card_open(struct host *host, const struct pcm_params *params)
{
    struct alsa_host *alsa = alsa_host(host);
    struct alsa_pcm *pcm = &alsa->ring.pcm;

    alsa_farewell_end(&alsa->farewell);
    int r = alsa_pcm_open(pcm, alsa->device, alsa->direction);
    if (r == 0)
        r = alsa_pcm_setup(pcm, params);
    if (r == 0 && alsa->said == -ETIMEDOUT) /* some servers can be opened while they hang */
        r = alsa_pcm_try(pcm, params->format);
    if (r == 0)
        r = alsa_guard_begin(pcm);
    if (r < 0) {
        alsa_pcm_close(pcm);
        alsa->error = r;
        if (alsa->said != r)
            log_warn("%s: can't open \"%s\" for %s of %s, %u Hz, %u channels: %s; %s", host->name,
                     alsa->device, direction_name(alsa), params->format->name, params->rate_hz,
                     params->channels, snd_strerror(r), alsa_pcm_explain(r, alsa->direction));
        alsa->said = r;
        return r;
    }
    if (alsa->said != 0)
        log_info("%s: \"%s\" is back", host->name, alsa->device);
    alsa->error = alsa->said = 0;
    alsa_ring_init(&alsa->ring, params);
    return 0;
}

static void card_close(struct host *host)
{
    struct alsa_host *alsa = alsa_host(host);
    uint64_t tail_ns = 0;

    alsa_ring_end(&alsa->ring);
    if (alsa->error == 0)
        tail_ns = alsa_ring_tail_ns(&alsa->ring);
    alsa_guard_end(&alsa->ring.pcm);
    alsa_farewell_begin(&alsa->ring.pcm, tail_ns, &alsa->farewell);
}

static int alsa_open(struct host *host, const struct pcm_params *params)
{
    return opener_open(&alsa_host(host)->opener, params);
}

static void alsa_close(struct host *host)
{
    opener_close(&alsa_host(host)->opener);
}

/* Nothing is lost that anybody would miss. */
static int alsa_finish(struct host *host)
{
    struct alsa_host *alsa = alsa_host(host);

    if (alsa->opener.state == OPENER_OPENING)
        return 0; /* it is the opener's */
    if (alsa_farewell_last(&alsa->farewell) < 0)
        log_warn("%s: \"%s\" does not close; it is left alone", host->name, alsa->device);
    return 0;
}

static void alsa_destroy(struct host *host)
{
    if (host == NULL)
        return;
    struct alsa_host *alsa = alsa_host(host);
    if (!opener_fini(&alsa->opener))
        return; /* hangs, and with it all that it uses until the process ends */
    (void)alsa_finish(host);
    free(alsa->device);
    free(alsa);
}

/* Looks what channels go with the formats and rates that will be offered. */
static void channels_probe(struct alsa_host *alsa, const struct alsa_pcm *pcm,
                           const struct host_setup *setup)
{
    uint64_t formats = alsa->host.caps.formats & setup->formats;
    uint64_t rates = alsa->host.caps.rates & setup->rates;

    memset(alsa->channels, 0xff, sizeof(alsa->channels));
    for (unsigned code = 0; code < PCM_FORMAT_COUNT; code++)
        for (unsigned rate = 0; rate < PCM_RATE_COUNT; rate++)
            if ((formats >> code & 1) != 0 && (rates >> rate & 1) != 0)
                alsa->channels[code][rate] =
                    alsa_pcm_channels(pcm, pcm_format_by_code(code), pcm_rate_hz(rate));
}

/* Opens the PCM for a moment to see what it can do. */
static int probe(struct alsa_host *alsa, const struct host_setup *setup)
{
    struct alsa_pcm pcm;
    int r = alsa_pcm_open(&pcm, alsa->device, alsa->direction);

    if (r == 0)
        r = alsa_pcm_caps(&pcm, &alsa->host.caps);
    if (r == 0)
        channels_probe(alsa, &pcm, setup);
    alsa_pcm_close(&pcm);
    if (r == 0)
        return 0;
    (void)log_error(0, "%s: --snd device: can't open \"%s\" for %s: %s; %s", alsa->host.name,
                    alsa->device, direction_name(alsa), snd_strerror(r),
                    alsa_pcm_explain(r, alsa->direction));
    /* -EINVAL would say that the option is written wrong, which is more than we know. */
    return r == -EINVAL ? -ENXIO : r;
}

static int alsa_create(const struct host_setup *setup, struct host **ret_host)
{
    struct alsa_host *alsa = calloc(1, sizeof(*alsa));
    char *device = strdup(opts_str(setup->opts, "device"));

    if (alsa == NULL || device == NULL) {
        free(alsa);
        free(device);
        return log_error(-ENOMEM, "%s", setup->name);
    }
    *alsa = (struct alsa_host){
        .host = {.class = &host_alsa, .name = setup->name},
        .device = device,
        .direction = setup->direction,
        .real_time = opts_bool(setup->opts, "rt"),
        .opener = {.host = &alsa->host, .open = card_open, .close = card_close},
        .ring = {.host = &alsa->host, .device = device},
    };
    alsa_pcm_quiet();
    int r = opener_init(&alsa->opener);
    if (r == 0)
        r = probe(alsa, setup);
    if (r < 0) {
        alsa_destroy(&alsa->host);
        return r;
    }
    *ret_host = &alsa->host;
    return 0;
}

const struct host_class host_alsa = {
    .name = "alsa",
    .help = "a sound card, or any other PCM of ALSA",
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
