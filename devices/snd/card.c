/* SPDX-License-Identifier: BSD-3-Clause */
/* See card.h. */
#include "devices/snd/card.h"

#include "devices/snd/offer.h"
#include "devices/snd/report.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Where playback goes, and where capture comes from: the words of host= and source=. */
static const struct host_class *const sinks[] = {&host_null, &host_file, &host_alsa,
                                                 &host_loopback};
static const char *const sink_names[] = {"null", "file", "alsa", "loopback", NULL};
static const struct host_class *const sources[] = {&host_null, &host_source, &host_alsa,
                                                   &host_loopback, &host_tone};
static const char *const source_names[] = {"null", "file", "alsa", "loopback", "tone", NULL};
enum { HOST_NULL, HOST_FILE, HOST_ALSA, HOST_LOOPBACK }; /* in both */

static const char *const clock_names[] = {"auto", "free", NULL};
static const char *const control_names[] = {"off", "on", "host", NULL};

/*
 * The stock driver derives its bounds from the offer: the shortest period is 10 ms of the smallest
 * frame at the lowest rate, in bytes, whatever is chosen later; the longest buffer is 160 ms of the
 * largest. A wide offer lets a 48 kHz program ask for periods of 0.3 ms. So it is narrow by
 * default.
 */
const struct opt card_opts[] = {
    {"host", "null",
     "where playback goes: null nowhere, in real time; file a recording; alsa a sound card; "
     "loopback to the capture stream of the same number",
     OPT_CHOICE, .choices = sink_names},
    {"path", NULL,
     "host=file: the recording, NAME.wav. A second stream records into NAME-s1.wav, another format "
     "into NAME.2.wav",
     OPT_PATH},
    {"source", NULL,
     "where capture comes from: null is silence; file a sound file; alsa a sound card; loopback "
     "what is played; tone a sine (default: as host, or silence)",
     OPT_CHOICE, .choices = source_names},
    {"source-path", NULL, "source=file: the sound file to record from", OPT_PATH},
    {"source-loop", "off", "source=file: begin again at its end, else silence follows", OPT_BOOL},
    {"tone-freq", "440", "source=tone: frequency", OPT_INT, .min = 1, .max = 100000, .arg = "HZ"},
    {"tone-level", "6", "source=tone: level, in dB below full scale", OPT_INT, .max = 120,
     .arg = "DB"},
    {"device", "default", "alsa: name of the PCM, such as hw:0,0", .arg = "PCM"},
    {"expect", NULL,
     "what the guest must play, else exit status 38: 'freq=440,tol=1,seconds=2,gaps=0' (in quotes; "
     "`linnet listen --help` has the keys)",
     .arg = "WHAT"},
    {"clock", "auto",
     "pace: auto is the host's own clock or else real time; free is as fast as possible",
     OPT_CHOICE, .choices = clock_names},
    {"report", NULL, "what each stream did, a line of JSON each, at the end and on SIGUSR1",
     OPT_PATH},
    {"fault", NULL,
     "what is to go wrong: 'xrun@1s,stall=300ms@2s,drop=7,io-err@3s,latency=50ms' (in quotes)",
     .arg = "WHAT"},
    {"streams", "1", "playback streams", OPT_INT, .max = SND_STREAMS_MAX},
    {"capture", NULL, "capture streams (default: 1 if there is a source, else 0)", OPT_INT,
     .max = SND_STREAMS_MAX},
    {"pcms", "1", "PCM devices that the guest sees; streams are dealt out to them in turn", OPT_INT,
     .min = 1, .max = SND_STREAMS_MAX},
    {"jacks", NULL,
     "sockets of the card, joined by '+': line-out, speaker, headphone, spdif-out, hdmi, line-in, "
     "mic, spdif-in; each as it is or with :unplugged",
     .arg = "WHAT"},
    {"controls", "off",
     "mixer controls: on is volume and mute, which act on the samples; host is the mixer of the "
     "host's card",
     OPT_CHOICE, .choices = control_names},
    {"mixer", NULL, "controls=host: whose mixer, such as hw:0 (default: that of device=)",
     .arg = "CTL"},
    {"formats", "S16+S24+S32+FLOAT",
     "offered sample formats, joined by '+', or 'all' that the host can do"},
    {"rates", "44100+48000", "offered frame rates, joined by '+', or 'all' that the host can do"},
    {"channels", "1-2", "offered channels: a number or a range, 1-8"},
    {0},
};

_Static_assert(2 * SND_STREAMS_MAX <= EVENT_STREAMS_MAX, "a place for each stream");
_Static_assert(2 * 2 * SND_STREAMS_MAX <= CTLS_MAX, "two elements for each");

/* -- what the options mean -- */

static size_t sink_index(const struct opts *opts)
{
    /* A recording's name says enough. */
    return opts_given(opts, "path") && !opts_given(opts, "host") ? HOST_FILE
                                                                 : opts_choice(opts, "host");
}

static size_t source_index(const struct opts *opts)
{
    size_t sink = sink_index(opts);

    if (opts_given(opts, "source"))
        return opts_choice(opts, "source");
    if (opts_given(opts, "source-path"))
        return HOST_FILE;
    return sink == HOST_ALSA || sink == HOST_LOOPBACK ? sink : HOST_NULL;
}

static unsigned capture_count(const struct opts *opts)
{
    if (opts_given(opts, "capture"))
        return (unsigned)opts_u64(opts, "capture");
    return opts_given(opts, "source") || opts_given(opts, "source-path") ||
           sink_index(opts) == HOST_LOOPBACK;
}

/* Which clock goes with a host. */
static int clock_choose(const struct opts *opts, const struct host_class *host,
                        enum clock_kind *ret_kind)
{
    bool is_free = opts_choice(opts, "clock") == 1;

    if (is_free && (host->own_clock || host == &host_loopback))
        return opts_error("--snd clock: host=%s needs real time, leave clock=free out", host->name);
    *ret_kind = host->own_clock ? CLOCK_KIND_HOST : is_free ? CLOCK_KIND_FREE : CLOCK_KIND_TIMER;
    return 0;
}

/* -- channel maps -- */

#define CHMAP_CHANNELS_MAX 8

/* ALSA's usual layouts, filled up. */
static const uint8_t layouts[CHMAP_CHANNELS_MAX][CHMAP_CHANNELS_MAX] = {
    {VIRTIO_SND_CHMAP_MONO},
    {VIRTIO_SND_CHMAP_FL, VIRTIO_SND_CHMAP_FR},
    {VIRTIO_SND_CHMAP_FL, VIRTIO_SND_CHMAP_FR, VIRTIO_SND_CHMAP_LFE},
    {VIRTIO_SND_CHMAP_FL, VIRTIO_SND_CHMAP_FR, VIRTIO_SND_CHMAP_RL, VIRTIO_SND_CHMAP_RR},
    {VIRTIO_SND_CHMAP_FL, VIRTIO_SND_CHMAP_FR, VIRTIO_SND_CHMAP_RL, VIRTIO_SND_CHMAP_RR,
     VIRTIO_SND_CHMAP_FC},
    {VIRTIO_SND_CHMAP_FL, VIRTIO_SND_CHMAP_FR, VIRTIO_SND_CHMAP_RL, VIRTIO_SND_CHMAP_RR,
     VIRTIO_SND_CHMAP_FC, VIRTIO_SND_CHMAP_LFE},
    {VIRTIO_SND_CHMAP_FL, VIRTIO_SND_CHMAP_FR, VIRTIO_SND_CHMAP_RL, VIRTIO_SND_CHMAP_RR,
     VIRTIO_SND_CHMAP_FC, VIRTIO_SND_CHMAP_LFE, VIRTIO_SND_CHMAP_RC},
    {VIRTIO_SND_CHMAP_FL, VIRTIO_SND_CHMAP_FR, VIRTIO_SND_CHMAP_RL, VIRTIO_SND_CHMAP_RR,
     VIRTIO_SND_CHMAP_FC, VIRTIO_SND_CHMAP_LFE, VIRTIO_SND_CHMAP_SL, VIRTIO_SND_CHMAP_SR},
};

static bool used(const struct snd *snd, uint32_t nid, uint8_t direction, unsigned channels)
{
    for (unsigned i = 0; i < snd->pcm.stream_count; i++) {
        const struct wire_pcm_info *info = &snd->pcm.streams[i].info;
        if (from_le32(info->hda_fn_nid) == nid && info->direction == direction &&
            channels >= info->channels_min && channels <= info->channels_max)
            return true;
    }
    return false;
}

/* A map for each number of channels that some stream of this function group and direction has. A
 * map of a group without a stream would make Linux 6.12 oops. */
static void chmaps_add(struct snd *snd, uint32_t nid, uint8_t direction)
{
    for (unsigned channels = 1; channels <= CHMAP_CHANNELS_MAX; channels++) {
        if (!used(snd, nid, direction, channels))
            continue;
        struct wire_chmap_info *map = &snd->chmaps[snd->chmap_count++];
        *map = (struct wire_chmap_info){
            .hda_fn_nid = to_le32(nid), .direction = direction, .channels = (uint8_t)channels};
        for (unsigned i = 0; i < channels; i++)
            map->positions[i] = layouts[channels - 1][i];
    }
}

static int chmaps_make(struct snd *snd, const struct opts *opts)
{
    uint32_t pcms = (uint32_t)opts_u64(opts, "pcms");

    snd->chmaps = calloc((size_t)2 * pcms * CHMAP_CHANNELS_MAX, sizeof(snd->chmaps[0]));
    if (snd->chmaps == NULL)
        return log_error(-ENOMEM, "%s", snd->dev.name);
    for (uint32_t nid = 0; nid < pcms; nid++) {
        chmaps_add(snd, nid, VIRTIO_SND_D_OUTPUT);
        chmaps_add(snd, nid, VIRTIO_SND_D_INPUT);
    }
    return 0;
}

/* -- streams -- */

/* What is offered of one thing: what the user asked for, as far as the host can do it; all that the
 * host can do, if that is nothing and the user did not ask. */
static uint64_t choose(const struct opts *opts, const char *key, uint64_t asked, uint64_t able)
{
    return (asked & able) != 0 || opts_given(opts, key) ? asked & able : able;
}

/* Channel counts as a set, bit n: n channels. */
static uint64_t channel_set(uint32_t min, uint32_t max)
{
    max = MIN(max, (uint32_t)WIRE_CHANNELS_MAX);
    return min > max ? 0 : ((2ull << max) - 1) & ~((1ull << min) - 1);
}

/* Fills in what the guest is told. */
static int info_fill(struct stream *stream, const struct opts *opts, const struct host_caps *offer)
{
    const struct host *host = stream->host;
    uint64_t formats = choose(opts, "formats", offer->formats, host->caps.formats);
    uint64_t rates = choose(opts, "rates", offer->rates, host->caps.rates);
    uint64_t channels =
        choose(opts, "channels", channel_set(offer->channels_min, offer->channels_max),
               channel_set(host->caps.channels_min, host->caps.channels_max));
    const char *missing = formats == 0    ? "formats"
                          : rates == 0    ? "rates"
                          : channels == 0 ? "channels"
                                          : NULL;

    if (missing != NULL)
        return opts_error("--snd %s: %s (%s) can do none of these; leave %s= out", missing,
                          stream->name, host->class->name, missing);
    stream->info.features = to_le32(1u << VIRTIO_SND_PCM_F_EVT_XRUNS);
    stream->info.formats = to_le64(formats);
    stream->info.rates = to_le64(rates);
    stream->info.channels_min = (uint8_t)__builtin_ctzll(channels);
    stream->info.channels_max = (uint8_t)(63 - __builtin_clzll(channels));
    return 0;
}

/* What was asked about a stream, answered by its ear. */
static void told(void *ctx, const void *question, const struct listener_report *heard)
{
    const struct snd *snd = ctx;
    int r = report_write(question, heard, snd->report);

    if (r < 0)
        (void)log_error(r, "%s: report", snd->dev.name);
}

/* Opens the stream's ear, if anybody wants to know what it plays. */
static int ear_make(struct snd *snd, const struct stream *stream, const struct opts *opts)
{
    const char *expect = stream_is_output(stream) ? opts_str(opts, "expect") : NULL;

    if (expect == NULL && snd->report == NULL)
        return 0;
    snd->ears.told = told;
    snd->ears.ctx = snd;
    return ear_open(&snd->ears, stream->id, stream->name, expect, &stream->info);
}

/* Makes the next stream, number `index` of its direction. */
static int stream_make(struct snd *snd, enum pcm_direction direction, unsigned index,
                       const struct opts *opts, const struct host_caps *offer)
{
    bool plays = direction == PCM_OUTPUT;
    const struct host_class *class = plays ? sinks[sink_index(opts)] : sources[source_index(opts)];
    unsigned output_count = (unsigned)opts_u64(opts, "streams");
    struct stream *stream = pcm_add(&snd->pcm);

    stream->ear = &snd->ears.ear[stream->id];
    (void)snprintf(stream->name, sizeof(stream->name), "%s %s%u", snd->dev.name,
                   plays ? "out" : "in", index);
    stream->info.direction = plays ? VIRTIO_SND_D_OUTPUT : VIRTIO_SND_D_INPUT;
    stream->info.hda_fn_nid = to_le32(index % (uint32_t)opts_u64(opts, "pcms"));
    const struct host_setup setup = {
        .opts = opts,
        .name = stream->name,
        .direction = direction,
        .stream_index = index,
        .peer = !plays && index < output_count ? snd->pcm.streams[index].host : NULL,
    };
    int r = clock_choose(opts, class, &stream->clock_kind);
    if (r == 0)
        r = host_create(class, &setup, &stream->host);
    if (r == 0 && opts_has(opts, "fault"))
        r = faults_parse(opts_str(opts, "fault"), &stream->faults);
    if (r == 0)
        r = info_fill(stream, opts, offer);
    if (r == 0)
        r = ear_make(snd, stream, opts);
    return r;
}

/* The guest is late: silence is played, or frames were recorded for nobody. */
static void tell_xrun(struct stream *stream)
{
    events_xrun(&container_of(stream->pcm, struct snd, pcm)->events, stream->id);
}

static int streams_make(struct snd *snd, const struct opts *opts)
{
    const unsigned counts[] = {
        [PCM_OUTPUT] = (unsigned)opts_u64(opts, "streams"), [PCM_INPUT] = capture_count(opts)};
    unsigned total = counts[PCM_OUTPUT] + counts[PCM_INPUT];
    struct host_caps offer;
    int r = offer_parse(opts, &offer);

    if (r == 0)
        r = pcm_init(&snd->pcm, &snd->dev, tell_xrun, total);
    if (r < 0)
        return r;
    if (ears_init(&snd->ears, MAX(total, 1u)) < 0)
        return log_error(-ENOMEM, "%s", snd->dev.name);
    if (counts[PCM_OUTPUT] == 0 && opts_has(opts, "expect"))
        return opts_error("--snd expect: nothing is played that could be judged; leave streams=0 "
                          "out");
    if (opts_has(opts, "expect") && (snd->expect = strdup(opts_str(opts, "expect"))) == NULL)
        return log_error(-ENOMEM, "%s", snd->dev.name);
    for (unsigned d = PCM_OUTPUT; d <= PCM_INPUT; d++)
        for (unsigned i = 0; i < counts[d] && r == 0; i++)
            r = stream_make(snd, (enum pcm_direction)d, i, opts, &offer);
    return r;
}

/* -- all of it -- */

static int report_open(struct snd *snd, const struct opts *opts)
{
    const char *path = opts_str(opts, "report");

    if (path == NULL)
        return 0;
    auto_close int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    struct stat there;
    if (fd < 0 && errno != ENXIO)
        return log_error(-errno, "--snd report: %s", path);
    if (fd < 0 || fstat(fd, &there) < 0 || S_ISFIFO(there.st_mode)) /* the end would wait for it */
        return opts_error("--snd report: %s: is a pipe; give it a file", path);
    (void)fcntl(fd, F_SETFL, 0); /* of our own open file */
    snd->report = fdopen(fd, "w");
    if (snd->report == NULL)
        return log_error(-errno, "--snd report: %s", path);
    (void)fd_take(&fd);
    (void)setvbuf(snd->report, snd->report_buffer, _IOFBF, sizeof(snd->report_buffer));
    return 0;
}

static void control_changed(struct ctls *ctls, unsigned id)
{
    events_control(&container_of(ctls, struct snd, ctls)->events, id);
}

int card_create(struct virtio_device *dev, const struct opts *opts)
{
    struct snd *snd = container_of(dev, struct snd, dev);

    snd->events = (struct events){.dev = &snd->dev, .pcm = &snd->pcm};
    snd->jacks.events = &snd->events;
    snd->ctls = (struct ctls){.pcm = &snd->pcm, .changed = control_changed};
    int r = report_open(snd, opts);
    if (r == 0)
        r = streams_make(snd, opts);
    if (r == 0)
        r = chmaps_make(snd, opts);
    if (r == 0)
        r = jacks_init(&snd->jacks, &snd->pcm, opts);
    if (r == 0)
        r = ctls_init(&snd->ctls, opts);
    bool controls = snd->ctls.count > 0;
    snd->config = (struct wire_config){.jacks = to_le32(snd->jacks.count),
                                       .streams = to_le32(snd->pcm.stream_count),
                                       .chmaps = to_le32(snd->chmap_count),
                                       .controls = to_le32(snd->ctls.count)};
    snd->dev.config = (uint8_t *)&snd->config;
    snd->dev.config_size = controls ? sizeof(snd->config) : offsetof(struct wire_config, controls);
    snd->dev.features |= controls ? 1ull << WIRE_F_CTLS : 0;
    return r;
}

void card_destroy(struct virtio_device *dev)
{
    struct snd *snd = container_of(dev, struct snd, dev);

    ears_fini(&snd->ears);
    if (snd->report != NULL)
        (void)fclose(snd->report); /* each line was flushed, and checked */
    ctls_fini(&snd->ctls);
    pcm_fini(&snd->pcm);
    free(snd->chmaps);
    free(snd->expect);
}
