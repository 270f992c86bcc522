/* SPDX-License-Identifier: BSD-3-Clause */
/* See ctl_host.h. Our half; the helper's is mixer.c. */
#include "devices/snd/mixer/ctl_host.h"

#include "devices/snd/host/helper.h"
#include "devices/snd/mixer/mixer.h"

#include <string.h>
#include <sys/epoll.h>

/* Messages taken in a row: a helper that floods us does not keep the worker. */
#define MESSAGES_MAX 1024
/* How long create() waits for each word of the helper's. */
#define BEGIN_MS 5000

/* Access that an element of the host's may have. */
#define ACCESS (WIRE_CTL_READ | WIRE_CTL_WRITE | WIRE_CTL_INACTIVE | WIRE_CTL_TLV_READ)

struct ctl_host {
    struct ctls *ctls; /* borrowed */
    struct helper helper;
    struct watch messages; /* the helper's socket */
    bool is_gone;          /* the helper is */
    bool card_is_gone;
    struct log_limit log_limit;
};

/* -- what the helper says -- */

static bool elem_is_valid(const struct mixer_elem *elem)
{
    const struct wire_ctl_head *head = &elem->info.head;
    uint32_t type = from_le32(head->type), items = from_le32(elem->info.limits.enumerated.items);
    uint32_t count = from_le32(head->count);

    return (type == WIRE_CTL_BOOLEAN || type == WIRE_CTL_INTEGER ||
            (type == WIRE_CTL_ENUMERATED && items >= 1 && items <= MIXER_ITEMS_MAX)) &&
           count >= 1 && count <= ARRAY_SIZE(elem->value.number) &&
           (from_le32(head->access) & ~ACCESS) == 0 && head->name[0] != '\0' &&
           memchr(head->name, '\0', sizeof(head->name)) != NULL &&
           from_le32(elem->tlv[1]) <= sizeof(elem->tlv) - sizeof(struct wire_ctl_tlv);
}

static void *copy_of(const void *data, size_t len)
{
    void *copy = malloc(len);

    return copy == NULL ? NULL : memcpy(copy, data, len);
}

/* The next element: takes it over as it is. */
static int elem_take(struct ctls *ctls, struct mixer_elem *elem)
{
    struct ctl *ctl = &ctls->item[ctls->count];
    uint32_t items = from_le32(elem->info.limits.enumerated.items);

    if (!elem_is_valid(elem))
        return -EPROTO;
    ctl->info = elem->info;
    ctl->info.head.hda_fn_nid = ctl->info.head.role = to_le32(0);
    ctl->value = elem->value;
    ctl->tlv_bytes = (uint32_t)sizeof(struct wire_ctl_tlv) + from_le32(elem->tlv[1]);
    ctl->tlv = copy_of(elem->tlv, ctl->tlv_bytes);
    for (uint32_t i = 0; i < MIXER_ITEMS_MAX; i++)
        elem->items[i][WIRE_CTL_ITEM_BYTES - 1] = '\0';
    if (ctl_type(ctl) == WIRE_CTL_ENUMERATED)
        ctl->items = copy_of(elem->items, items * sizeof(elem->items[0]));
    ctls->count++;
    if (ctl->tlv == NULL || (ctl->items == NULL && ctl_type(ctl) == WIRE_CTL_ENUMERATED))
        return -ENOMEM;
    return ctl_value_is_valid(ctl, &ctl->value) ? 0 : -EPROTO;
}

static void card_take(struct ctl_host *host, int result)
{
    const char *name = host->ctls->pcm->dev->name;

    host->card_is_gone = result < 0;
    if (result < 0)
        log_guest(&host->log_limit,
                  "%s: the host's mixer is gone; the guest goes on without it until it is back",
                  name);
    else
        log_info("%s: the host's mixer is back", name);
}

/* 0, or -errno if it can't be. */
static int message_take(struct ctl_host *host, const struct mixer_value *message)
{
    struct ctls *ctls = host->ctls;
    struct ctl *ctl = &ctls->item[message->id < ctls->count ? message->id : 0];

    if (message->id == MIXER_CARD) {
        card_take(host, message->result);
        return 0;
    }
    if (message->id >= ctls->count || !ctl_value_is_valid(ctl, &message->value))
        return -EPROTO;
    if (memcmp(&ctl->value, &message->value, ctl_value_bytes(ctl)) == 0)
        return 0;
    memcpy(&ctl->value, &message->value, ctl_value_bytes(ctl));
    ctls->changed(ctls, message->id);
    return 0;
}

void ctl_host_settle(struct ctl_host *host)
{
    struct mixer_value message;
    ssize_t len = 1;

    for (unsigned i = 0; i < MESSAGES_MAX && !host->is_gone && len > 0; i++) {
        len = helper_take(host->helper.socket, &message, sizeof(message));
        if (len > 0 && (len != sizeof(message) || message_take(host, &message) < 0))
            len = -EPROTO;
    }
    if (len >= 0)
        return;
    /* It has ended, or talks nonsense: the values stay as they are. */
    log_warn("%s: the process that has the host's mixer ended; the guest goes on without it",
             host->ctls->pcm->dev->name);
    host->is_gone = true;
    loop_remove(&host->messages);
}

static void messages_ready(struct watch *watch, uint32_t epoll_events)
{
    (void)epoll_events;
    ctl_host_settle(container_of(watch, struct ctl_host, messages));
}

int ctl_host_write(struct ctl_host *host, unsigned id, const struct wire_ctl_value *value)
{
    const struct mixer_value message = {.id = id, .value = *value};

    if (host->is_gone || host->card_is_gone)
        return -EIO;
    return helper_send(host->helper.socket, &message, sizeof(message)) < 0 ? -EIO : 0;
}

/* -- life -- */

/* Hears what elements there are. */
static int elems_take(struct ctl_host *host)
{
    struct ctls *ctls = host->ctls;
    struct mixer_value begin = {0};
    struct mixer_elem elem;

    int r = helper_wait(&host->helper, &begin, sizeof(begin), BEGIN_MS);
    if (r < 0 || begin.result < 0)
        return r < 0 ? r : begin.result;
    if (begin.result > MIXER_ELEMS_MAX)
        return -EPROTO;
    for (int i = 0; i < begin.result && r == 0; i++) {
        r = helper_wait(&host->helper, &elem, sizeof(elem), BEGIN_MS);
        if (r == 0)
            r = elem_take(ctls, &elem);
    }
    return r;
}

int ctl_host_create(struct ctls *ctls, const char *name)
{
    struct ctl_host *host = calloc(1, sizeof(*host));

    ctls->host = host;
    ctls->item = calloc(MIXER_ELEMS_MAX, sizeof(ctls->item[0]));
    if (host == NULL || ctls->item == NULL)
        return log_error(-ENOMEM, "%s: mixer", ctls->pcm->dev->name);
    host->ctls = ctls;
    int r = helper_start(&host->helper, "linnet mixer", -1, mixer_serve, name);
    host->messages = (struct watch){.fd = host->helper.socket, .ready = messages_ready};
    if (r == 0)
        r = elems_take(host);
    if (r < 0 && r != -ENOPKG) /* that has its own line */
        (void)log_error(0,
                        "%s: --snd mixer: can't use \"%s\": %s; say which (mixer=hw:0); 'amixer "
                        "-D NAME' shows what it has",
                        ctls->pcm->dev->name, name,
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
    for (unsigned i = 0; i < host->ctls->count; i++) {
        free((void *)(uintptr_t)host->ctls->item[i].items);
        free((void *)(uintptr_t)host->ctls->item[i].tlv);
    }
    free(host);
}

int ctl_host_activate(struct ctl_host *host, struct loop *loop)
{
    return host->is_gone ? 0 : loop_add(loop, &host->messages, EPOLLIN);
}

void ctl_host_reset(struct ctl_host *host)
{
    loop_remove(&host->messages);
}
