/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sound device (virtio 1.4 §5.14): options, streams and queues. What a stream does is in
 * stream.c and transfer.c, control requests are in control.c, hosts in host_*.c.
 *
 * One worker owns everything: control, event, tx and rx queues, the streams' timers and the hosts'
 * fds. Does not do shared memory, and does not offer message polling.
 */
#include "devices/snd/snd.h"

#include "devices/snd/control.h"
#include "devices/snd/offer.h"

#include <stdio.h>

const struct host_class *const host_classes[] = {&host_null, &host_file, &host_alsa, NULL};

static const char *const host_names[] = {"null", "file", "alsa", NULL};
static const char *const clock_names[] = {"auto", "timer", "free", NULL};

static const char *const unplugged_names[] = {"silence", "error", NULL};

/*
 * The stock driver derives its bounds from the offer: the shortest period is 10 ms of the smallest
 * frame at the lowest rate, in bytes, whatever is chosen later; the longest buffer is 160 ms of the
 * largest. A wide offer lets a 48 kHz program ask for periods of 0.3 ms. So it is narrow by
 * default.
 */
static const struct opt snd_opts[] = {
    {.name = "host",
     .value = "null",
     .type = OPT_CHOICE,
     .choices = host_names,
     .help = "where sound goes: null nowhere, in real time; file a recording; alsa a sound card"},
    {.name = "path",
     .type = OPT_PATH,
     .help = "host=file: the recording; its ending says what kind"},
    {.name = "device",
     .value = "default",
     .arg = "PCM",
     .help = "host=alsa: name of the ALSA PCM, such as hw:0,0"},
    {.name = "rt",
     .value = "on",
     .type = OPT_BOOL,
     .help = "host=alsa: real-time priority for the device's thread, where that is allowed"},
    {.name = "expect",
     .arg = "WHAT",
     .help = "what the guest must play, else exit status 38: 'freq=440,tol=1,seconds=2,gaps=0' "
             "(in quotes; `linnet listen --help` has the keys)"},
    {.name = "clock",
     .value = "auto",
     .type = OPT_CHOICE,
     .choices = clock_names,
     .help = "pace: auto is the host's own clock or else real time; free is as fast as possible"},
    {.name = "unplugged",
     .value = "silence",
     .type = OPT_CHOICE,
     .choices = unplugged_names,
     .help = "while a card is gone: silence plays to nobody, error fails the guest's messages"},
    {.name = "streams",
     .value = "1",
     .type = OPT_INT,
     .min = 0,
     .max = SND_STREAMS_MAX,
     .help = "playback streams"},
    {.name = "formats",
     .value = "S16+S24+S32+FLOAT",
     .help = "offered sample formats, joined by '+', or 'all' that the host can do"},
    {.name = "rates",
     .value = "44100+48000",
     .help = "offered frame rates, joined by '+', or 'all' that the host can do"},
    {.name = "channels", .value = "1-2", .help = "offered channels: a number or a range, 1-8"},
    {0},
};

/* -- making it -- */

/* What loudspeakers the channels of a frame belong to: ALSA's usual layouts, filled up. */
static const uint8_t layouts[][8] = {
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

/* A map for each number of channels that some stream of this direction has. All have the function
 * group 0, as the streams do: a map without a stream makes Linux 6.12 oops. */
static void chmaps_add(struct snd *snd, uint8_t direction)
{
    for (uint8_t channels = 1; channels <= ARRAY_SIZE(layouts); channels++) {
        bool used = false;
        for (unsigned i = 0; i < snd->stream_count; i++) {
            const struct wire_pcm_info *info = &snd->streams[i].info;
            used |= info->direction == direction && channels >= info->channels_min &&
                    channels <= info->channels_max;
        }
        if (!used)
            continue;
        struct wire_chmap_info *map = &snd->chmaps[snd->chmap_count++];
        *map = (struct wire_chmap_info){.direction = direction, .channels = channels};
        for (unsigned i = 0; i < channels; i++)
            map->positions[i] = layouts[channels - 1][i];
    }
}

/* Which clock goes with a host. */
static int clock_choose(const struct opts *opts, const struct host_class *host,
                        enum clock_kind *ret_kind)
{
    static const enum clock_kind by_choice[] = {CLOCK_KIND_TIMER, CLOCK_KIND_TIMER,
                                                CLOCK_KIND_FREE};
    size_t choice = opts_choice(opts, "clock");

    if (host->own_clock && choice != 0)
        return opts_error("--snd clock: host=%s has a clock of its own, leave clock=%s out",
                          host->name, clock_names[choice]);
    *ret_kind = host->own_clock ? CLOCK_KIND_HOST : by_choice[choice];
    return 0;
}

/* Fills in what the guest is told: what the user asked for, as far as the host can do it. */
static int info_fill(struct stream *stream, const struct offer *offer)
{
    const struct host_caps *caps = &stream->attach.host->caps;
    uint64_t formats = offer->formats & caps->formats;
    uint64_t rates = offer->rates & caps->rates;
    uint32_t channels_min = MAX(offer->channels_min, caps->channels_min);
    uint32_t channels_max = MIN(offer->channels_max, caps->channels_max);
    const char *missing = formats == 0                  ? "formats"
                          : rates == 0                  ? "rates"
                          : channels_min > channels_max ? "channels"
                                                        : NULL;

    if (missing != NULL)
        return opts_error("--snd %s: host=%s can do none of these", missing,
                          stream->attach.host->class->name);
    stream->info = (struct wire_pcm_info){
        .formats = to_le64(formats),
        .rates = to_le64(rates),
        .direction = VIRTIO_SND_D_OUTPUT,
        .channels_min = (uint8_t)channels_min,
        .channels_max = (uint8_t)channels_max,
    };
    return 0;
}

static int stream_create(struct snd *snd, unsigned index, const struct opts *opts,
                         const struct offer *offer)
{
    const struct host_class *class = host_classes[opts_choice(opts, "host")];
    struct stream *stream = &snd->streams[index];

    (void)snprintf(stream->name, sizeof(stream->name), "%s out%u", snd->dev.name, index);
    const struct host_setup setup = {
        .opts = opts,
        .name = stream->name,
        .direction = PCM_OUTPUT,
        .device_index = snd->dev.index,
        .stream_index = index,
        .formats = offer->formats,
        .rates = offer->rates,
    };
    int r = clock_choose(opts, class, &stream->clock_kind);
    if (r == 0)
        r = class->create(&setup, &stream->attach.host);
    if (r < 0)
        return r;
    stream->id = index;
    stream->fail_when_absent = opts_choice(opts, "unplugged") == 1;
    stream->vq = &snd->dev.queue[VIRTIO_SND_VQ_TX];
    r = ear_init(&stream->ear, stream->name, opts_str(opts, "expect"));
    if (r == 0)
        r = info_fill(stream, offer);
    return r < 0 ? r : stream_init(stream, snd);
}

static void messages_forget(struct snd *snd)
{
    snd->free_messages = NULL;
    for (size_t i = 0; i < 2 * SND_QUEUE_SIZE; i++) {
        snd->messages[i].next = snd->free_messages;
        snd->free_messages = &snd->messages[i];
    }
}

static int snd_create(struct virtio_device *dev, const struct opts *opts)
{
    struct snd *snd = container_of(dev, struct snd, dev);
    unsigned stream_count = (unsigned)opts_u64(opts, "streams");
    struct offer offer;
    int r = offer_parse(opts, &offer);

    if (r < 0)
        return r;
    snd->timebase = &timebase_monotonic;
    snd->messages = calloc((size_t)2 * SND_QUEUE_SIZE, sizeof(snd->messages[0]));
    snd->streams = calloc(MAX(stream_count, 1u), sizeof(snd->streams[0]));
    if (snd->messages == NULL || snd->streams == NULL)
        return log_error(-ENOMEM, "%s", dev->name);
    messages_forget(snd);
    for (unsigned i = 0; i < stream_count; i++)
        snd->streams[i].timer.fd = snd->streams[i].attach.done.fd = -1;
    while (snd->stream_count < stream_count) {
        r = stream_create(snd, snd->stream_count++, opts, &offer);
        if (r < 0)
            return r;
    }
    chmaps_add(snd, VIRTIO_SND_D_OUTPUT);
    snd->config.streams = to_le32(snd->stream_count);
    snd->config.chmaps = to_le32(snd->chmap_count);
    dev->config = (uint8_t *)&snd->config;
    dev->config_size = offsetof(struct wire_config, controls);
    return 0;
}

static void snd_destroy(struct virtio_device *dev)
{
    struct snd *snd = container_of(dev, struct snd, dev);

    for (unsigned i = 0; i < snd->stream_count; i++)
        stream_fini(&snd->streams[i]);
    free(snd->streams);
    free(snd->messages);
}

/* -- running it -- */

static int snd_activate(struct virtio_device *dev)
{
    struct snd *snd = container_of(dev, struct snd, dev);
    int r = 0;

    for (unsigned i = 0; i < snd->stream_count && r == 0; i++)
        r = stream_activate(&snd->streams[i]);
    return r;
}

static void snd_reset(struct virtio_device *dev)
{
    struct snd *snd = container_of(dev, struct snd, dev);

    for (unsigned i = 0; i < snd->stream_count; i++)
        stream_reset(&snd->streams[i]);
    messages_forget(snd);
}

void snd_complete(struct virtq *vq, struct chain *chain, uint32_t status, uint32_t latency_bytes)
{
    const struct wire_pcm_status reply = {to_le32(status), to_le32(latency_bytes)};
    uint32_t recorded = chain->written;
    uint32_t room = chain_writable(chain);

    /* Without room for a status, or with more than a stream can mean, nothing is written (SND-55).
     */
    if (room >= sizeof(reply) && room - sizeof(reply) <= STREAM_BUFFER_BYTES_MAX) {
        int r = chain_zero(chain, room - sizeof(reply));
        r |= chain_write(chain, &reply, sizeof(reply));
        assert(r == 0); /* fits, see room */
        chain->written = recorded + (uint32_t)sizeof(reply);
    }
    virtq_push(vq, chain);
}

static void message_route(struct snd *snd, struct virtq *vq, struct chain *chain)
{
    struct wire_pcm_xfer xfer;

    if (chain_writable(chain) < sizeof(struct wire_pcm_status) ||
        chain_read(chain, &xfer, sizeof(xfer)) < 0 ||
        from_le32(xfer.stream_id) >= snd->stream_count ||
        snd->streams[from_le32(xfer.stream_id)].vq != vq)
        snd_complete(vq, chain, VIRTIO_SND_S_IO_ERR, 0);
    else
        stream_submit(&snd->streams[from_le32(xfer.stream_id)], chain);
}

void snd_take_messages(struct snd *snd, struct virtq *vq)
{
    struct chain chain;
    int r = 1;

    if (!vq->running)
        return;
    /* One look at the whole ring: at most its size, however fast the guest refills it. */
    for (unsigned taken = 0; r > 0 && taken < vq->size; taken++) {
        virtq_round(vq);
        r = virtq_pop(vq, &chain);
        if (r > 0)
            message_route(snd, vq, &chain);
    }
    if (r > 0)
        virtq_kick(vq); /* more may wait: the worker comes back for it */
    if (r < 0)
        virtio_fail(&snd->dev, r, vq->index == VIRTIO_SND_VQ_TX ? "tx queue" : "rx queue");
    virtio_signal(&snd->dev, vq); /* those that were refused at once */
}

static void serve_dirty(struct snd *snd)
{
    if (virtio_failed(&snd->dev))
        return; /* the queues are dead; the reset will stop the streams */
    for (unsigned i = 0; i < snd->stream_count; i++) {
        if (snd->streams[i].dirty)
            stream_serve(&snd->streams[i]);
        snd->streams[i].dirty = false;
    }
}

void snd_serve(struct snd *snd, struct virtq *vq)
{
    snd_take_messages(snd, vq);
    serve_dirty(snd);
}

void snd_reply(struct snd *snd, struct chain *req, uint32_t status)
{
    struct virtq *vq = &snd->dev.queue[VIRTIO_SND_VQ_CONTROL];

    control_reply(req, status);
    virtq_push(vq, req);
    virtio_signal(&snd->dev, vq);
}

static void control_notify(struct snd *snd, struct virtq *vq)
{
    struct chain req;
    int r;

    while ((r = virtq_pop(vq, &req)) > 0) {
        if (control_serve(snd, &req))
            virtq_push(vq, &req);
        virtio_signal(&snd->dev, vq);
    }
    if (r < 0)
        virtio_fail(&snd->dev, r, "control queue");
    serve_dirty(snd);
}

static void snd_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct snd *snd = container_of(dev, struct snd, dev);

    if (vq->index == VIRTIO_SND_VQ_CONTROL)
        control_notify(snd, vq);
    else if (vq->index != VIRTIO_SND_VQ_EVENT)
        snd_serve(snd, vq);
}

/* A lost recording outweighs a sound that was not as expected. */
static int snd_finish(struct virtio_device *dev)
{
    struct snd *snd = container_of(dev, struct snd, dev);
    int verdict = 0, lost = 0;
    bool heard = false;

    for (unsigned i = 0; i < snd->stream_count; i++) {
        struct stream *stream = &snd->streams[i];
        const struct host_class *class = stream->attach.host->class;
        int r = ear_judge(&stream->ear);
        heard |= stream->ear.judged > 0;
        verdict = r < 0 ? r : verdict;
        r = class->finish != NULL ? class->finish(stream->attach.host) : 0;
        lost = r < 0 ? r : lost;
    }
    if (!heard && snd->stream_count > 0)
        verdict = ear_judge_nothing(&snd->streams[0].ear);
    return lost < 0 ? lost : verdict;
}

const struct virtio_class virtio_snd = {
    .name = "snd",
    .help = "sound card (virtio-snd)",
    .id = VIRTIO_ID_SOUND,
    .queue_count = VIRTIO_SND_VQ_MAX,
    .queue_size = SND_QUEUE_SIZE,
    .slot_first = 1,
    .count_max = 4,
    .instance_size = sizeof(struct snd),
    .instance_offset = offsetof(struct snd, dev),
    .opts = snd_opts,
    .create = snd_create,
    .destroy = snd_destroy,
    .activate = snd_activate,
    .reset = snd_reset,
    .notify = snd_notify,
    .finish = snd_finish,
};
