/* SPDX-License-Identifier: BSD-3-Clause */
/* See ctl_host.h. Our half; the helper's is mixer.c. */
#include "devices/snd/mixer/ctl_host.h"

#include "devices/snd/base/reply.h"
#include "devices/snd/host/helper.h"
#include "devices/snd/mixer/mixer.h"
#include "vmm/base/timebase.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

/* Requests that the helper can have at once. Linux sends one for each program that waits. */
#define REQUESTS_MAX 64
/* How long a request may take; Linux waits for 1 s. */
#define PARK_NS (500 * MS_NS)
/* Messages taken in a row: a helper that floods us does not keep the worker. */
#define MESSAGES_MAX 1024
/* How long create() waits for each word of the helper's, and for how many. */
#define BEGIN_MS  5000
#define BEGIN_MAX 100000u

/* Access that an element of the host's may have. */
#define ACCESS                                                                                     \
    (WIRE_CTL_READ | WIRE_CTL_WRITE | WIRE_CTL_VOLATILE | WIRE_CTL_INACTIVE | WIRE_CTL_TLV_READ)

struct ctl_host {
    struct ctls *ctls; /* borrowed */
    char *name;        /* owned */
    struct helper helper;
    bool is_gone;          /* the helper is */
    struct watch messages; /* the helper's socket */
    struct watch timer;    /* timerfd: the first of the requests that takes too long */
    struct log_limit log_limit;
    char *items[MIXER_ELEMS_MAX]; /* owned: names of items, one behind the other */
    uint32_t sent;                /* requests, in all */
    struct ctl_request {
        uint32_t ticket; /* of what was sent: `sent` then */
        bool is_sent;    /* and not done */
        bool is_parked;  /* `req` waits for it */
        bool is_read;
        unsigned id;
        struct chain req;
        uint64_t end_ns;
    } requests[REQUESTS_MAX];
};

/* -- answers -- */

static void answer(struct ctl_host *host, struct ctl_request *request, uint32_t status)
{
    struct virtio_device *dev = host->ctls->pcm->dev;
    struct virtq *vq = &dev->queue[VIRTIO_SND_VQ_CONTROL];
    const struct ctl *ctl = &host->ctls->item[request->id];
    bool has_value = status == VIRTIO_SND_S_OK && request->is_read;

    request->is_parked = false;
    if (virtio_failed(dev))
        return;
    reply_write(&request->req, status, &ctl->value, has_value ? ctl_value_bytes(ctl) : 0);
    virtq_push(vq, &request->req);
    virtio_signal(dev, vq);
}

/* Sets the timer to the first request that takes too long. */
static void arm(struct ctl_host *host)
{
    uint64_t end_ns = TIME_NEVER;

    for (unsigned i = 0; i < REQUESTS_MAX; i++)
        if (host->requests[i].is_parked)
            end_ns = MIN(end_ns, host->requests[i].end_ns);
    pcm_arm(host->ctls->pcm, host->timer.fd, end_ns);
}

static void timer_ready(struct watch *watch, uint32_t epoll_events)
{
    struct ctl_host *host = container_of(watch, struct ctl_host, timer);
    uint64_t now = pcm_now_ns(host->ctls->pcm);

    (void)epoll_events;
    for (unsigned i = 0; i < REQUESTS_MAX; i++) {
        struct ctl_request *request = &host->requests[i];
        if (!request->is_parked || request->end_ns > now)
            continue;
        log_guest(&host->log_limit,
                  "%s: the host's mixer does not answer; the guest's request fails",
                  host->ctls->pcm->dev->name);
        answer(host, request, VIRTIO_SND_S_IO_ERR);
    }
    arm(host);
}

/* -- what the helper says -- */

static bool ends(const uint8_t *text, size_t room)
{
    return text[0] != '\0' && memchr(text, '\0', room) != NULL;
}

static bool info_is_valid(const struct wire_ctl_info *info)
{
    uint32_t type = from_le32(info->head.type), count = from_le32(info->head.count);
    uint32_t count_max = type == WIRE_CTL_INTEGER64 ? 64 : 128;

    return type <= WIRE_CTL_ENUMERATED && count >= 1 && count <= count_max &&
           (from_le32(info->head.access) & ~ACCESS) == 0 &&
           ends(info->head.name, sizeof(info->head.name));
}

/* The next element: takes it over as it is. 0 or -errno. */
static int elem_take(struct ctl_host *host, const struct mixer_message *message)
{
    struct ctls *ctls = host->ctls;
    struct ctl *ctl = &ctls->item[ctls->count];

    if (message->id != ctls->count || ctls->count == MIXER_ELEMS_MAX ||
        !info_is_valid(&message->info))
        return -EPROTO;
    ctl->info = message->info;
    ctl->info.head.hda_fn_nid = ctl->info.head.role = to_le32(0);
    ctl->padded = (struct wire_ctl_info_padded){.head = ctl->info.head, .limits = ctl->info.limits};
    ctls->count++;
    if (from_le32(ctl->info.head.type) != WIRE_CTL_ENUMERATED)
        return 0;
    uint32_t items = from_le32(ctl->info.limits.enumerated.items);
    const char **name = calloc(MIN(items, 1024u), sizeof(*name) + WIRE_CTL_ITEM_BYTES);
    if (items == 0 || items > 1024 || name == NULL) {
        free(name);
        return -EPROTO;
    }
    for (uint32_t i = 0; i < items; i++)
        name[i] = (char *)(name + items) + (size_t)i * WIRE_CTL_ITEM_BYTES;
    ctl->items = name;
    host->items[message->id] = (char *)name;
    return 0;
}

static int item_take(struct ctl_host *host, const struct mixer_message *message)
{
    struct ctl *ctl = message->id < host->ctls->count ? &host->ctls->item[message->id] : NULL;

    if (ctl == NULL || ctl->items == NULL ||
        message->index >= from_le32(ctl->info.limits.enumerated.items) ||
        !ends((const uint8_t *)message->item, sizeof(message->item)))
        return -EPROTO;
    memcpy((char *)(uintptr_t)ctl->items[message->index], message->item, sizeof(message->item));
    return 0;
}

static int tlv_take(struct ctl *ctl, const struct mixer_message *message)
{
    uint32_t len = le32toh(message->tlv[1]);

    if (len > MIXER_TLV_BYTES - sizeof(struct wire_ctl_tlv))
        return -EPROTO;
    uint8_t *tlv = realloc(ctl->tlv, sizeof(struct wire_ctl_tlv) + len);
    if (tlv == NULL)
        return -ENOMEM;
    ctl->tlv = tlv;
    ctl->tlv_bytes = (uint32_t)sizeof(struct wire_ctl_tlv) + len;
    memcpy(tlv, message->tlv, ctl->tlv_bytes);
    return 0;
}

static void news_take(struct ctls *ctls, const struct mixer_message *news)
{
    struct ctl *ctl = &ctls->item[news->id];
    unsigned mask = news->mask & WIRE_CTL_TLV;

    if ((news->mask & WIRE_CTL_INFO) != 0 &&
        from_le32(ctl->info.head.access) != (news->access & ACCESS)) {
        ctl->info.head.access = ctl->padded.head.access = to_le32(news->access & ACCESS);
        mask |= WIRE_CTL_INFO;
    }
    if ((news->mask & WIRE_CTL_VALUE) != 0 && ctl_value_is_valid(ctl, &news->value) &&
        memcmp(&ctl->value, &news->value, ctl_value_bytes(ctl)) != 0) {
        memcpy(&ctl->value, &news->value, ctl_value_bytes(ctl));
        mask |= ctl_has(ctl, WIRE_CTL_VOLATILE) ? 0 : WIRE_CTL_VALUE;
    }
    if (mask != 0)
        ctls->changed(ctls, news->id, mask);
}

static void done_take(struct ctl_host *host, const struct mixer_message *message)
{
    struct ctl_request *request = &host->requests[message->ticket % REQUESTS_MAX];

    if (!request->is_sent || request->ticket != message->ticket)
        return;
    request->is_sent = false;
    if (request->is_parked)
        answer(host, request, message->result < 0 ? VIRTIO_SND_S_IO_ERR : VIRTIO_SND_S_OK);
}

/* 0, or -errno if it can't be. */
static int message_take(struct ctl_host *host, const struct mixer_message *message)
{
    struct ctls *ctls = host->ctls;

    switch ((enum mixer_word)message->word) {
    case MIXER_TLV:
        return message->id < ctls->count ? tlv_take(&ctls->item[message->id], message) : -EPROTO;
    case MIXER_NEWS:
        if (message->id >= ctls->count)
            return -EPROTO;
        news_take(ctls, message);
        return 0;
    case MIXER_DONE:
        done_take(host, message);
        return 0;
    case MIXER_GONE:
        log_guest(&host->log_limit,
                  "%s: the host's mixer is gone; the guest goes on without it until it is back",
                  ctls->pcm->dev->name);
        return 0;
    case MIXER_BACK:
        log_info("%s: the host's mixer is back", ctls->pcm->dev->name);
        return 0;
    default:
        return -EPROTO;
    }
}

/* The helper has ended, or talks nonsense: the values stay as they are. */
static void lose_helper(struct ctl_host *host)
{
    if (!host->is_gone)
        log_warn("%s: the process that has the host's mixer ended; the guest goes on without it",
                 host->ctls->pcm->dev->name);
    host->is_gone = true;
    loop_remove(&host->messages);
    for (unsigned i = 0; i < REQUESTS_MAX; i++)
        if (host->requests[i].is_parked)
            answer(host, &host->requests[i], VIRTIO_SND_S_IO_ERR);
}

void ctl_host_settle(struct ctl_host *host)
{
    struct mixer_message message = {0};
    ssize_t len = 1;
    int r = 0;

    for (unsigned i = 0; i < MESSAGES_MAX && !host->is_gone && r == 0 && len > 0; i++) {
        len = helper_take(host->helper.socket, &message, sizeof(message));
        if (len > 0)
            r = message_take(host, &message);
    }
    if (!host->is_gone && (len < 0 || r < 0))
        lose_helper(host);
    arm(host);
}

static void messages_ready(struct watch *watch, uint32_t epoll_events)
{
    (void)epoll_events;
    ctl_host_settle(container_of(watch, struct ctl_host, messages));
}

/* -- requests -- */

static uint32_t ask(struct ctl_host *host, enum mixer_word word, unsigned id,
                    const union wire_ctl_value *value, const struct chain *req)
{
    struct ctl_request *request = &host->requests[host->sent % REQUESTS_MAX];
    struct mixer_message message = {.word = word, .id = id, .ticket = host->sent};

    if (value != NULL)
        message.value = *value;
    if (host->is_gone || request->is_sent || request->is_parked ||
        helper_send(host->helper.socket, &message,
                    offsetof(struct mixer_message, value) + sizeof(message.value)) < 0)
        return VIRTIO_SND_S_IO_ERR;
    *request = (struct ctl_request){
        .ticket = host->sent++,
        .is_sent = true,
        .is_parked = req != NULL,
        .is_read = word == MIXER_READ,
        .id = id,
        .end_ns = pcm_now_ns(host->ctls->pcm) + PARK_NS,
    };
    if (req == NULL)
        return VIRTIO_SND_S_OK;
    request->req = *req;
    arm(host);
    return REPLY_PARKED;
}

uint32_t ctl_host_read(struct ctl_host *host, unsigned id, const struct chain *req)
{
    return ask(host, MIXER_READ, id, NULL, req);
}

uint32_t ctl_host_write(struct ctl_host *host, unsigned id, const union wire_ctl_value *value,
                        const struct chain *req)
{
    return ask(host, MIXER_WRITE, id, value, req);
}

/* -- life -- */

/* Before the guest runs: hears what elements there are. */
static int elems_take(struct ctl_host *host)
{
    struct pollfd ready = {.fd = host->helper.socket, .events = POLLIN};
    struct mixer_message message;
    int r = 0;

    for (unsigned i = 0; i < BEGIN_MAX && r == 0; i++) {
        message = (struct mixer_message){0};
        if (poll(&ready, 1, BEGIN_MS) == 0)
            return -ETIMEDOUT;
        if (helper_take(host->helper.socket, &message, sizeof(message)) < 0)
            return -EPIPE;
        if (message.word == MIXER_READY)
            return MIN(message.result, 0);
        r = message.word == MIXER_ELEM   ? elem_take(host, &message)
            : message.word == MIXER_ITEM ? item_take(host, &message)
                                         : message_take(host, &message);
    }
    return r < 0 ? r : -EPROTO;
}

int ctl_host_create(struct ctls *ctls, const char *name, const char *device)
{
    const struct mixer_job job = {.name = name, .device = device};

    struct ctl_host *host = calloc(1, sizeof(*host));

    ctls->item = calloc(MIXER_ELEMS_MAX, sizeof(ctls->item[0]));
    if (host == NULL || ctls->item == NULL) {
        free(host);
        return log_error(-ENOMEM, "%s: mixer", ctls->pcm->dev->name);
    }
    host->ctls = ctls;
    host->timer = (struct watch){.fd = timebase_timer(), .ready = timer_ready};
    ctls->host = host;
    int r = MIN(host->timer.fd, 0);
    if (r == 0)
        r = helper_start(&host->helper, "linnet mixer", -1, mixer_serve, &job);
    host->messages = (struct watch){.fd = host->helper.socket, .ready = messages_ready};
    if (r == 0)
        r = elems_take(host);
    if (r < 0 && r != -ENOPKG) /* that has its own line */
        (void)log_error(0,
                        "%s: --snd mixer: can't use \"%s\": %s; 'amixer -D NAME' shows what it has",
                        ctls->pcm->dev->name, name != NULL ? name : device,
                        r == -ENODATA ? "it has no elements" : strerror(-r));
    host->is_gone = r < 0;
    /* -EINVAL would say that the option is written wrong, which is more than we know. */
    return r == -EINVAL ? -ENXIO : r;
}

void ctl_host_destroy(struct ctl_host *host)
{
    if (host == NULL)
        return;
    (void)helper_end(&host->helper, host->is_gone ? 0 : 1000); /* nothing is lost by a kill */
    fd_close(&host->timer.fd);
    for (unsigned i = 0; i < MIXER_ELEMS_MAX; i++)
        free(host->items[i]);
    free(host);
}

int ctl_host_activate(struct ctl_host *host, struct loop *loop)
{
    int r = loop_add(loop, &host->timer, EPOLLIN);

    return r < 0 || host->is_gone ? r : loop_add(loop, &host->messages, EPOLLIN);
}

void ctl_host_reset(struct ctl_host *host)
{
    for (unsigned i = 0; i < REQUESTS_MAX; i++)
        host->requests[i].is_parked = false;
    arm(host);
    loop_remove(&host->timer);
    loop_remove(&host->messages);
}
