/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sound device (virtio 1.4 §5.14): the class. It is made in card.c; control requests are in
 * control.c, streams with their queues in pcm/, where they play to in host/, what is heard in
 * hear/, control elements in mixer/.
 *
 * One worker owns everything: control, event, tx and rx queues, the streams' timers and the hosts'
 * fds. Does not do shared memory.
 */
#include "devices/snd/snd.h"

#include "devices/snd/card.h"
#include "devices/snd/mixer/ctl_host.h"
#include "devices/snd/report.h"

#define QUEUE_SIZE 1024  /* 16 periods of 64 streams, with indirect descriptors */
#define HELD_IOVS  65536 /* of pages, 64 KiB for each message in a full queue */

static struct snd *snd_of(struct virtio_device *dev)
{
    return container_of(dev, struct snd, dev);
}

/* -- life -- */

static int snd_activate(struct virtio_device *dev)
{
    struct snd *snd = snd_of(dev);

    pcm_activate(&snd->pcm);
    return ctl_host_activate(snd->ctls.host, virtio_loop(dev));
}

static void snd_reset(struct virtio_device *dev)
{
    struct snd *snd = snd_of(dev);

    pcm_reset(&snd->pcm);
    ctl_host_reset(snd->ctls.host);
    events_forget(&snd->events);
}

static void snd_queue_reset(struct virtio_device *dev, struct virtq *vq)
{
    pcm_queue_reset(&snd_of(dev)->pcm, vq);
}

static void snd_pause(struct virtio_device *dev)
{
    pcm_pause(&snd_of(dev)->pcm);
}

static void snd_resume(struct virtio_device *dev, uint64_t paused_ns)
{
    (void)paused_ns; /* from pause() to here, which is what counts for a stream, is a little less */
    pcm_resume(&snd_of(dev)->pcm);
    events_deliver(&snd_of(dev)->events); /* what commands did meanwhile */
}

static void snd_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct snd *snd = snd_of(dev);

    if (vq->index == VIRTIO_SND_VQ_CONTROL)
        control_notify(snd, vq);
    else if (vq->index == VIRTIO_SND_VQ_EVENT)
        events_deliver(&snd->events);
    else
        pcm_serve(&snd->pcm, vq);
}

/* -- the end, and what is told -- */

static void snd_report(struct virtio_device *dev)
{
    struct snd *snd = snd_of(dev);
    struct report report;

    for (unsigned i = 0; i < snd->pcm.stream_count; i++) {
        report_note(&snd->pcm.streams[i], &report);
        if (snd->report == NULL)
            report_log(&report);
        else
            ear_ask(snd->pcm.streams[i].ear, &report, sizeof(report));
    }
}

/* A lost recording outweighs a sound that was not as expected. */
static int snd_start(struct virtio_device *dev)
{
    return ears_start(&snd_of(dev)->ears, dev->name);
}

static int snd_finish(struct virtio_device *dev)
{
    struct snd *snd = snd_of(dev);
    int verdict, lost = 0;

    ears_stop(&snd->ears);
    if (snd->report != NULL) {
        snd_report(dev);
        ears_hear(&snd->ears);
    }
    verdict = snd->verdict = ears_judge(&snd->ears);
    snd->finished = true;
    for (unsigned i = 0; i < snd->pcm.stream_count; i++) {
        struct host *host = snd->pcm.streams[i].host;
        int r = host->class->finish != NULL ? host->class->finish(host) : 0;
        lost = r < 0 ? r : lost;
    }
    return lost < 0 ? lost : verdict;
}

/* Why the expectation was not met, in a line. */
static const char *why(const struct snd *snd)
{
    for (unsigned i = 0; i < snd->ears.count; i++)
        if (snd->ears.ear[i].failed > 0)
            return snd->ears.ear[i].why;
    return "not all of it could be heard";
}

static void snd_results(struct virtio_device *dev, struct results *results)
{
    struct snd *snd = snd_of(dev);

    for (unsigned i = 0; i < snd->pcm.stream_count; i++) {
        struct host *host = snd->pcm.streams[i].host;
        if (host->class->results != NULL)
            host->class->results(host, results);
    }
    if (snd->expect != NULL && snd->finished)
        results_expect(results, dev->name, snd->expect, snd->verdict == 0, why(snd));
}

const struct virtio_class virtio_snd = {
    .name = "snd",
    .help = "sound card (virtio-snd)",
    .id = VIRTIO_ID_SOUND,
    .queue_count = VIRTIO_SND_VQ_MAX,
    .fill_queues = 1u << VIRTIO_SND_VQ_EVENT,
    .limits = {.size = QUEUE_SIZE, .chain_descs = 1024, .held_iovs = HELD_IOVS},
    .instance_size = sizeof(struct snd),
    .instance_offset = offsetof(struct snd, dev),
    .opts = card_opts,
    .create = card_create,
    .destroy = card_destroy,
    .start = snd_start,
    .activate = snd_activate,
    .reset = snd_reset,
    .queue_reset = snd_queue_reset,
    .notify = snd_notify,
    .pause = snd_pause,
    .resume = snd_resume,
    .finish = snd_finish,
    .results = snd_results,
    .report = snd_report,
    .command = snd_command,
};
