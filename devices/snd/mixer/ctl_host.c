/* SPDX-License-Identifier: BSD-3-Clause */
/* See ctl_host.h. The worker's half; the thread's is mixer.c. */
#include "devices/snd/mixer/ctl_host.h"

#include "devices/snd/base/reply.h"
#include "devices/snd/lib/alsa.h"
#include "devices/snd/mixer/mixer.h"
#include "vmm/base/timebase.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

/* Requests that the thread can have at once. Linux sends one for each program that waits. */
#define JOBS_MAX 64

/* How long a request may take; Linux waits for 1 s. */
#define PARK_NS 500000000ull

struct ctl_host {
    struct ctls *ctls; /* borrowed */
    struct mixer *mixer;
    struct watch done;  /* the mixer's eventfd */
    struct watch timer; /* timerfd: the first of the jobs that takes too long */
    struct mixer_job *free;
    struct ctl_request {
        struct mixer_job job; /* first: a job is its request */
        bool is_parked;
        struct chain req;
        uint64_t end_ns;
    } requests[JOBS_MAX];
};

/* -- answers -- */

/* A status; `data` follows it as far as there is room. */
static void answer(struct ctl_host *host, struct ctl_request *request, uint32_t status,
                   const void *data, size_t len)
{
    struct virtio_device *dev = host->ctls->pcm->dev;
    struct virtq *vq = &dev->queue[VIRTIO_SND_VQ_CONTROL];
    const le32 reply = to_le32(status);

    request->is_parked = false;
    if (virtio_failed(dev))
        return;
    int r = chain_write(&request->req, &reply, sizeof(reply));
    if (status == VIRTIO_SND_S_OK && len > 0)
        r |= chain_write(&request->req, data, MIN(len, chain_writable(&request->req)));
    assert(r == 0); /* there was room for a status when it came */
    virtq_push(vq, &request->req);
    virtio_signal(dev, vq);
}

/* Sets the timer to the first request that takes too long. */
static void arm(struct ctl_host *host)
{
    uint64_t end_ns = TIME_NEVER;

    for (unsigned i = 0; i < JOBS_MAX; i++)
        if (host->requests[i].is_parked)
            end_ns = MIN(end_ns, host->requests[i].end_ns);
    pcm_arm(host->ctls->pcm, host->timer.fd, end_ns);
}

static void timer_ready(struct watch *watch, uint32_t epoll_events)
{
    struct ctl_host *host = container_of(watch, struct ctl_host, timer);
    uint64_t now = pcm_now_ns(host->ctls->pcm);

    (void)epoll_events;
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        struct ctl_request *request = &host->requests[i];
        if (!request->is_parked || request->end_ns > now)
            continue;
        log_guest(&host->ctls->pcm->dev->log_limit,
                  "%s: the host's mixer does not answer; the guest's request fails",
                  host->ctls->pcm->dev->name);
        answer(host, request, VIRTIO_SND_S_IO_ERR, NULL, 0);
    }
    arm(host);
}

/* -- what the thread has found out -- */

static void access_set(struct ctl *ctl, uint32_t access)
{
    ctl->info.head.access = to_le32(access);
    ctl->padded.head.access = to_le32(access);
}

static void news_take(struct ctls *ctls, unsigned id, const struct mixer_news *news)
{
    struct ctl *ctl = &ctls->item[id];
    unsigned mask = news->mask & WIRE_CTL_TLV;

    if ((news->mask & WIRE_CTL_INFO) != 0 && from_le32(ctl->info.head.access) != news->access) {
        access_set(ctl, news->access);
        mask |= WIRE_CTL_INFO;
    }
    if ((news->mask & WIRE_CTL_VALUE) != 0 &&
        memcmp(ctl->value.bytes, news->value.bytes, sizeof(ctl->value.bytes)) != 0) {
        ctl->value = news->value;
        if ((from_le32(ctl->info.head.access) & WIRE_CTL_VOLATILE) == 0)
            mask |= WIRE_CTL_VALUE;
    }
    ctls->changed(ctls, id, mask);
}

static void job_end(struct ctl_host *host, struct mixer_job *job)
{
    struct ctl_request *request = container_of(job, struct ctl_request, job);
    uint32_t status = job->result < 0 ? VIRTIO_SND_S_IO_ERR : VIRTIO_SND_S_OK;
    const struct ctl *ctl = &host->ctls->item[job->id];

    if (request->is_parked && job->kind == MIXER_READ)
        answer(host, request, status, &ctl->value, ctl_value_bytes(ctl));
    else if (request->is_parked && job->kind == MIXER_TLV_READ)
        answer(host, request, status, job->tlv, job->tlv_bytes);
    else if (request->is_parked)
        answer(host, request, status, NULL, 0);
    free(job->tlv);
    job->tlv = NULL;
    job->next = host->free;
    host->free = job;
}

static void settle(struct ctl_host *host)
{
    struct mixer_news news;
    struct mixer_job *done = mixer_done(host->mixer);

    /* News first: they hold what a job has read, or written. */
    for (unsigned id = 0; id < host->ctls->count; id++)
        if (mixer_news(host->mixer, id, &news))
            news_take(host->ctls, id, &news);
    while (done != NULL) {
        struct mixer_job *job = done;
        done = job->next;
        job_end(host, job);
    }
    arm(host);
}

static void done_ready(struct watch *watch, uint32_t epoll_events)
{
    uint64_t count;

    (void)epoll_events;
    (void)!read(watch->fd, &count, sizeof(count));
    settle(container_of(watch, struct ctl_host, done));
}

/* -- requests -- */

/* A job that is filled in but for its data; NULL: all are under way. */
static struct mixer_job *job_get(struct ctl_host *host, enum mixer_job_kind kind, unsigned id)
{
    struct mixer_job *job = host->free;

    if (job == NULL)
        return NULL;
    host->free = job->next;
    *job = (struct mixer_job){.kind = kind, .id = id};
    return job;
}

static uint32_t job_send(struct ctl_host *host, struct mixer_job *job, const struct chain *req)
{
    struct ctl_request *request = container_of(job, struct ctl_request, job);

    request->is_parked = req != NULL;
    if (req != NULL)
        request->req = *req;
    request->end_ns = pcm_now_ns(host->ctls->pcm) + PARK_NS;
    mixer_send(host->mixer, job);
    arm(host);
    return req != NULL ? REPLY_PARKED : VIRTIO_SND_S_OK;
}

static uint32_t card_read(struct ctls *ctls, unsigned id, const struct chain *req)
{
    struct mixer_job *job = job_get(ctls->host, MIXER_READ, id);

    return job == NULL ? VIRTIO_SND_S_IO_ERR : job_send(ctls->host, job, req);
}

static uint32_t card_write(struct ctls *ctls, unsigned id, const union wire_ctl_value *value,
                           const struct chain *req)
{
    struct mixer_job *job = job_get(ctls->host, MIXER_WRITE, id);

    if (job == NULL)
        return VIRTIO_SND_S_IO_ERR;
    job->value = *value;
    return job_send(ctls->host, job, req);
}

static uint32_t card_tlv_read(struct ctls *ctls, unsigned id, const struct chain *req)
{
    struct mixer_job *job = job_get(ctls->host, MIXER_TLV_READ, id);

    return job == NULL ? VIRTIO_SND_S_IO_ERR : job_send(ctls->host, job, req);
}

static void card_settle(struct ctls *ctls)
{
    settle(ctls->host);
}

static const struct ctl_card_ops card_ops = {
    .read = card_read,
    .write = card_write,
    .tlv_read = card_tlv_read,
    .settle = card_settle,
};

/* -- life -- */

/* Makes the guest's elements of the card's. */
static int items_make(struct ctls *ctls, const struct mixer *mixer)
{
    const struct alsa_ctl *card = mixer_card(mixer);
    struct mixer_news news;

    ctls->item = calloc(card->count, sizeof(ctls->item[0]));
    if (ctls->item == NULL)
        return -ENOMEM;
    ctls->count = card->count;
    for (unsigned id = 0; id < card->count; id++) {
        struct ctl *ctl = &ctls->item[id];
        ctl->info = card->elem[id].info;
        ctl->padded =
            (struct wire_ctl_info_padded){.head = ctl->info.head, .limits = ctl->info.limits};
        ctl->items = (const char *const *)card->elem[id].items;
        if (mixer_news(mixer, id, &news))
            ctl->value = news.value;
    }
    return 0;
}

int ctl_host_create(struct ctls *ctls, const char *name)
{
    struct ctl_host *host = calloc(1, sizeof(*host));
    int r = -ENOMEM;

    if (host == NULL)
        return log_error(r, "%s: mixer", ctls->pcm->dev->name);
    host->ctls = ctls;
    host->timer = (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                 .ready = timer_ready};
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        host->requests[i].job.next = host->free;
        host->free = &host->requests[i].job;
    }
    (void)alsa_load();
    r = host->timer.fd < 0 ? -errno : mixer_open(name, CTLS_MAX, &host->mixer);
    if (r == 0)
        r = items_make(ctls, host->mixer);
    if (r == 0)
        r = mixer_start(host->mixer);
    if (r < 0) {
        (void)log_error(0,
                        "%s: --snd mixer: can't use \"%s\": %s; 'amixer -D NAME' shows what it "
                        "has",
                        ctls->pcm->dev->name, name,
                        r == -ENODATA ? "it has no elements" : snd_strerror(r));
        ctl_host_destroy(host);
        /* -EINVAL would say that the option is written wrong, which is more than we know. */
        return r == -EINVAL ? -ENXIO : r;
    }
    host->done = (struct watch){.fd = mixer_done_fd(host->mixer), .ready = done_ready};
    ctls->host = host;
    ctls->ask = &card_ops;
    return 0;
}

void ctl_host_destroy(struct ctl_host *host)
{
    if (host == NULL)
        return;
    fd_close(&host->timer.fd);
    if (!mixer_destroy(host->mixer))
        return; /* hangs, and with it all that it uses until the process ends */
    for (unsigned i = 0; i < JOBS_MAX; i++)
        free(host->requests[i].job.tlv);
    free(host);
}

int ctl_host_activate(struct ctl_host *host, struct loop *loop)
{
    int r = loop_add(loop, &host->timer, EPOLLIN);

    return r < 0 ? r : loop_add(loop, &host->done, EPOLLIN);
}

void ctl_host_reset(struct ctl_host *host)
{
    for (unsigned i = 0; i < JOBS_MAX; i++)
        host->requests[i].is_parked = false;
    arm(host);
    loop_remove(&host->timer);
    loop_remove(&host->done);
}
