/* SPDX-License-Identifier: BSD-3-Clause */
/* See ctl_host.h. Our half; the helper's is mixer.c. */
#include "devices/snd/mixer/ctl_host.h"

#include "devices/snd/mixer/mixer.h"
#include "vmm/base/helper.h"

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
};

/* -- what the helper says -- */

static bool elem_is_valid(const struct ctl *ctl)
{
    const struct wire_ctl_head *head = &ctl->info.head;
    uint32_t type = from_le32(head->type), items = from_le32(ctl->info.limits.enumerated.items);

    return (type == WIRE_CTL_BOOLEAN || type == WIRE_CTL_INTEGER ||
            (type == WIRE_CTL_ENUMERATED && items >= 1 && items <= CTL_ITEMS_MAX)) &&
           ctl_count(ctl) >= 1 && ctl_count(ctl) <= ARRAY_SIZE(ctl->value.number) &&
           (from_le32(head->access) & ~ACCESS) == 0 && head->name[0] != '\0' &&
           memchr(head->name, '\0', sizeof(head->name)) != NULL &&
           ctl_tlv_bytes(ctl) <= sizeof(ctl->tlv) && ctl_value_is_valid(ctl, &ctl->value);
}

/* Hears what elements there are. */
static int elems_take(struct ctl_host *host)
{
    struct ctls *ctls = host->ctls;
    int32_t count;

    int r = helper_wait(&host->helper, &count, sizeof(count), BEGIN_MS);
    if (r < 0 || count < 0)
        return r < 0 ? r : count;
    if (count > CTLS_MAX)
        return -EPROTO;
    for (; r == 0 && ctls->count < (unsigned)count; ctls->count++) {
        struct ctl *ctl = &ctls->item[ctls->count];
        r = helper_wait(&host->helper, ctl, sizeof(*ctl), BEGIN_MS);
        if (r == 0 && !elem_is_valid(ctl))
            return -EPROTO;
        ctl->info.head.hda_fn_nid = ctl->info.head.role = to_le32(0);
        for (uint32_t i = 0; i < CTL_ITEMS_MAX; i++)
            ctl->items[i][WIRE_CTL_ITEM_BYTES - 1] = '\0';
    }
    return r;
}

/* 0, or -EPROTO if it can't be. */
static int message_take(struct ctls *ctls, const struct mixer_value *message)
{
    struct ctl *ctl = &ctls->item[message->id < ctls->count ? message->id : 0];

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
        if (len > 0 && (len != sizeof(message) || message_take(host->ctls, &message) < 0))
            len = -EPROTO;
    }
    if (len >= 0)
        return;
    log_warn("%s: the host's mixer is gone; the guest goes on without it",
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

    return host->is_gone || helper_send(host->helper.socket, &message, sizeof(message)) < 0 ? -EIO
                                                                                            : 0;
}

/* -- life -- */

int ctl_host_create(struct ctls *ctls, const char *name)
{
    struct ctl_host *host = calloc(1, sizeof(*host));

    ctls->host = host;
    ctls->item = calloc(CTLS_MAX, sizeof(ctls->item[0]));
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
    if (host != NULL)
        (void)helper_end(&host->helper, host->is_gone ? 0 : 1000); /* nothing is lost by a kill */
    free(host);
}

int ctl_host_activate(struct ctl_host *host, struct loop *loop)
{
    return host == NULL || host->is_gone ? 0 : loop_add(loop, &host->messages, EPOLLIN);
}

void ctl_host_reset(struct ctl_host *host)
{
    if (host != NULL)
        loop_remove(&host->messages);
}
