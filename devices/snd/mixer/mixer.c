/* SPDX-License-Identifier: BSD-3-Clause */
/* See mixer.h. */
#include "devices/snd/mixer/mixer.h"

#include "devices/snd/host/helper.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

/* How often a card that is gone is looked for. */
#define RETRY_MS 1000

#define FDS_MAX    4
#define EVENTS_MAX 64 /* taken in a row: a flood of them does not keep requests waiting */

/* -- telling -- */

static void tell(const struct mixer *mixer, const struct mixer_message *message, size_t len)
{
    /* Waits if ours takes nothing now. Its end is seen when waiting. */
    (void)helper_send(mixer->socket, message, offsetof(struct mixer_message, info) + len);
}

static void tell_result(const struct mixer *mixer, enum mixer_word word, uint32_t ticket, int r)
{
    const struct mixer_message message = {.word = word, .ticket = ticket, .result = r};

    tell(mixer, &message, 0);
}

/* Asks the card what of an element `mask` says, and tells it. */
static int tell_news(struct mixer *mixer, unsigned id, unsigned mask)
{
    struct mixer_message news = {.word = MIXER_NEWS, .id = id};
    struct mixer_message tlv = {.word = MIXER_TLV, .id = id};
    int r = 0;

    if ((mask & WIRE_CTL_INFO) != 0)
        alsa_ctl_look(&mixer->card, id);
    news.access = from_le32(mixer->card.elem[id].info.head.access);
    if ((mask & WIRE_CTL_TLV) != 0 && (news.access & WIRE_CTL_TLV_READ) != 0) {
        ssize_t len = alsa_ctl_tlv(&mixer->card, id, tlv.tlv, sizeof(tlv.tlv));
        if (len > 0)
            tell(mixer, &tlv, (size_t)len);
    }
    if ((mask & WIRE_CTL_VALUE) != 0 && (news.access & WIRE_CTL_READ) != 0)
        r = alsa_ctl_read(&mixer->card, id, &news.value);
    else
        mask &= ~WIRE_CTL_VALUE;
    news.mask = r < 0 ? mask & ~WIRE_CTL_VALUE : mask;
    tell(mixer, &news, sizeof(news.value));
    return r;
}

static void tell_elem(struct mixer *mixer, unsigned id)
{
    struct mixer_message message = {.id = id};
    struct wire_ctl_info *info = &mixer->card.elem[id].info;

    message.word = MIXER_ELEM;
    message.info = *info;
    tell(mixer, &message, sizeof(message.info));
    message.word = MIXER_ITEM;
    uint32_t items = from_le32(info->head.type) == WIRE_CTL_ENUMERATED
                         ? from_le32(info->limits.enumerated.items)
                         : 0;
    for (; message.index < items; message.index++) {
        alsa_ctl_item(&mixer->card, id, message.index, message.item);
        tell(mixer, &message, sizeof(message.item));
    }
    (void)tell_news(mixer, id, WIRE_CTL_VALUE | WIRE_CTL_TLV);
}

/* -- serving -- */

static int request_do(struct mixer *mixer, const struct mixer_message *message)
{
    int r = 0;

    if (mixer->card.handle == NULL)
        return -ENODEV;
    if (message->id >= mixer->card.count)
        return -EINVAL;
    if (message->word == MIXER_WRITE)
        r = alsa_ctl_write(&mixer->card, message->id, &message->value);
    int read = tell_news(mixer, message->id, WIRE_CTL_VALUE); /* also what has become of it */
    return r < 0 || message->word == MIXER_WRITE ? r : read;
}

static void requests_take(struct mixer *mixer)
{
    struct mixer_message message = {0};
    ssize_t len;

    while ((len = helper_take(mixer->socket, &message, sizeof(message))) > 0)
        tell_result(mixer, MIXER_DONE, message.ticket, request_do(mixer, &message));
    mixer->ended = len < 0;
}

/* `failed`: the card's fd says that it is gone. */
static void events_take(struct mixer *mixer, bool failed)
{
    unsigned id, mask, taken = 0;
    int r = 1;

    for (; taken < EVENTS_MAX && r > 0; taken += r > 0) {
        r = alsa_ctl_event(&mixer->card, &id, &mask);
        if (r > 0 && mask != 0)
            (void)tell_news(mixer, id, mask);
    }
    if (failed && taken == 0 && r == 0)
        r = -ENODEV;
    if (r >= 0)
        return;
    alsa_ctl_close(&mixer->card);
    tell_result(mixer, MIXER_GONE, 0, r);
}

/* The card may have been plugged in again. */
static void card_retry(struct mixer *mixer)
{
    if (alsa_ctl_open(&mixer->card, mixer->name) < 0)
        return;
    tell_result(mixer, MIXER_BACK, 0, 0);
    for (unsigned id = 0; id < mixer->card.count; id++)
        (void)tell_news(mixer, id, WIRE_CTL_VALUE | WIRE_CTL_INFO);
}

/* -- the helper -- */

void mixer_begin(struct mixer *mixer, int socket, const struct mixer_job *job)
{
    *mixer = (struct mixer){.socket = socket};
    int r = alsa_load();
    if (r == 0 && job->name == NULL)
        alsa_ctl_name(job->device, mixer->name);
    else
        (void)snprintf(mixer->name, sizeof(mixer->name), "%s", job->name);
    if (r == 0)
        r = alsa_ctl_open(&mixer->card, mixer->name);
    if (r == 0)
        r = alsa_ctl_list(&mixer->card, MIXER_ELEMS_MAX);
    for (unsigned id = 0; id < mixer->card.count && r == 0; id++)
        tell_elem(mixer, id);
    tell_result(mixer, MIXER_READY, 0, r);
}

int mixer_round(struct mixer *mixer, int wait_ms)
{
    struct pollfd fds[1 + FDS_MAX] = {{.fd = mixer->socket, .events = POLLIN}};
    bool is_open = mixer->card.handle != NULL;
    int count = is_open ? alsa.ctl_poll_descriptors(mixer->card.handle, fds + 1, FDS_MAX) : 0;
    int ready = poll(fds, 1 + (nfds_t)MAX(count, 0), wait_ms);

    if (ready > 0 && fds[0].revents != 0)
        requests_take(mixer);
    else if (ready == 0 && !is_open)
        card_retry(mixer);
    if (ready > 0 && count > 0)
        events_take(mixer, (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0);
    return mixer->card.handle != NULL ? -1 : RETRY_MS;
}

void mixer_serve(int socket, const void *job)
{
    struct mixer mixer;
    int wait_ms = 0;

    mixer_begin(&mixer, socket, job);
    while (!mixer.ended)
        wait_ms = mixer_round(&mixer, wait_ms);
}
