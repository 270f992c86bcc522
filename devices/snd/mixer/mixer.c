/* SPDX-License-Identifier: BSD-3-Clause */
/* See mixer.h. */
#include "devices/snd/mixer/mixer.h"

#include "vmm/base/helper.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define FDS_MAX 4

/* From <sound/tlv.h>: a list of ranges, each with its own metadata. */
#define TLV_DB_RANGE 3

/* -- what an element is -- */

/* Fills in type and limits of the element of mixer->info. False: it is not passed on. */
static bool limits_fill(const snd_ctl_elem_info_t *info, struct mixer_elem *elem, struct ctl *ctl)
{
    union wire_ctl_limits *limits = &ctl->info.limits;
    long step;

    elem->max = 1;
    switch (alsa.ctl_elem_info_get_type(info)) {
    case SND_CTL_ELEM_TYPE_BOOLEAN:
        elem->type = WIRE_CTL_BOOLEAN;
        return true;
    case SND_CTL_ELEM_TYPE_INTEGER:
        elem->type = WIRE_CTL_INTEGER;
        elem->min = alsa.ctl_elem_info_get_min(info);
        elem->max = alsa.ctl_elem_info_get_max(info);
        step = alsa.ctl_elem_info_get_step(info);
        elem->shifted = MIN(elem->min, 0);
        limits->integer.min = to_le32((uint32_t)(elem->min - elem->shifted));
        limits->integer.max = to_le32((uint32_t)(elem->max - elem->shifted));
        limits->integer.step = to_le32((uint32_t)step);
        return elem->min >= INT32_MIN && elem->min <= elem->max && elem->max <= INT32_MAX &&
               elem->max - elem->shifted <= INT32_MAX && step >= 0 && step <= INT32_MAX;
    case SND_CTL_ELEM_TYPE_ENUMERATED:
        elem->type = WIRE_CTL_ENUMERATED;
        elem->max = (int64_t)alsa.ctl_elem_info_get_items(info) - 1;
        limits->enumerated.items = to_le32((uint32_t)elem->max + 1);
        return elem->max >= 0 && elem->max < CTL_ITEMS_MAX;
    default:
        return false;
    }
}

/* ALSA tells elements of one name and index apart by their device; the wire can't (SND-80), so the
 * guest gets the first. */
static bool is_known(const struct mixer *mixer, snd_hctl_elem_t *elem)
{
    for (unsigned i = 0; i < mixer->count; i++) {
        snd_hctl_elem_t *other = mixer->elem[i].elem;
        if (alsa.hctl_elem_get_index(other) == alsa.hctl_elem_get_index(elem) &&
            strcmp(alsa.hctl_elem_get_name(other), alsa.hctl_elem_get_name(elem)) == 0)
            return true;
    }
    return false;
}

/* True if the guest can have the card's element: what it is, but for its values. */
static bool elem_fill(const struct mixer *mixer, struct mixer_elem *elem, struct ctl *ctl)
{
    const snd_ctl_elem_info_t *info = mixer->info;
    const char *name = alsa.hctl_elem_get_name(elem->elem);
    struct wire_ctl_head *head = &ctl->info.head;

    alsa.ctl_elem_info_set_item(mixer->info, 0);
    if (alsa.hctl_elem_get_interface(elem->elem) != SND_CTL_ELEM_IFACE_MIXER || name[0] == '\0' ||
        strlen(name) >= sizeof(head->name) || is_known(mixer, elem->elem) ||
        alsa.hctl_elem_info(elem->elem, mixer->info) < 0 || alsa.ctl_elem_info_is_volatile(info) ||
        !limits_fill(info, elem, ctl))
        return false;
    elem->access = (alsa.ctl_elem_info_is_readable(info) ? WIRE_CTL_READ : 0) |
                   (alsa.ctl_elem_info_is_writable(info) ? WIRE_CTL_WRITE : 0) |
                   (alsa.ctl_elem_info_is_inactive(info) ? WIRE_CTL_INACTIVE : 0);
    elem->count = alsa.ctl_elem_info_get_count(info);
    memcpy(head->name, name, strlen(name));
    head->index = to_le32(alsa.hctl_elem_get_index(elem->elem));
    head->type = to_le32(elem->type);
    head->access = to_le32(elem->access);
    head->count = to_le32(elem->count);
    return elem->count > 0 && elem->count <= ARRAY_SIZE(ctl->value.number);
}

/* The metadata, if it has some. Ranges in them are of the card's numbers, which are shifted for the
 * guest. */
static void tlv_fill(const struct mixer *mixer, const struct mixer_elem *elem, struct ctl *ctl)
{
    unsigned words[CTL_TLV_WORDS] = {0};

    if (!alsa.ctl_elem_info_is_tlv_readable(mixer->info) ||
        alsa.hctl_elem_tlv_read(elem->elem, words, sizeof(words)) < 0 ||
        words[1] > sizeof(words) - sizeof(struct wire_ctl_tlv))
        return;
    size_t count = 2 + ((size_t)words[1] + 3) / 4;
    for (size_t i = 2; words[0] == TLV_DB_RANGE && i + 4 <= count && words[i + 3] <= words[1];
         i += 4 + ((size_t)words[i + 3] + 3) / 4) {
        words[i] -= (unsigned)elem->shifted;
        words[i + 1] -= (unsigned)elem->shifted;
    }
    for (size_t i = 0; i < count; i++)
        ctl->tlv[i] = to_le32(words[i]);
    ctl->info.head.access.raw |= to_le32(WIRE_CTL_TLV_READ).raw;
}

static void items_fill(const struct mixer *mixer, const struct mixer_elem *elem, struct ctl *ctl)
{
    for (unsigned i = 0; elem->type == WIRE_CTL_ENUMERATED && i <= elem->max; i++) {
        alsa.ctl_elem_info_set_item(mixer->info, i);
        int r = alsa.hctl_elem_info(elem->elem, mixer->info);
        const char *name = r == 0 ? alsa.ctl_elem_info_get_item_name(mixer->info) : "";
        (void)snprintf(ctl->items[i], sizeof(ctl->items[i]), "%s", name[0] != '\0' ? name : "-");
    }
}

/* -- its values -- */

static int value_read(const struct mixer_elem *elem, struct wire_ctl_value *ret_value)
{
    const snd_ctl_elem_value_t *value = elem->mixer->value;

    *ret_value = (struct wire_ctl_value){0};
    if ((elem->access & WIRE_CTL_READ) == 0)
        return 0;
    int r = elem->elem != NULL ? alsa.hctl_elem_read(elem->elem, elem->mixer->value) : -ENOENT;
    for (unsigned i = 0; i < elem->count && r >= 0; i++) {
        int64_t number = elem->type == WIRE_CTL_BOOLEAN ? alsa.ctl_elem_value_get_boolean(value, i)
                         : elem->type == WIRE_CTL_INTEGER
                             ? alsa.ctl_elem_value_get_integer(value, i)
                             : alsa.ctl_elem_value_get_enumerated(value, i);
        number = MAX(MIN(number, elem->max), elem->min);
        ret_value->number[i] = to_le32((uint32_t)(number - elem->shifted));
    }
    return r;
}

static void value_write(const struct mixer_elem *elem, const struct wire_ctl_value *from)
{
    snd_ctl_elem_value_t *value = elem->mixer->value;

    for (unsigned i = 0; i < elem->count; i++) {
        int64_t number = from_le32(from->number[i]) + elem->shifted;
        if (elem->type == WIRE_CTL_BOOLEAN)
            alsa.ctl_elem_value_set_boolean(value, i, number);
        else if (elem->type == WIRE_CTL_INTEGER)
            alsa.ctl_elem_value_set_integer(value, i, number);
        else
            alsa.ctl_elem_value_set_enumerated(value, i, (unsigned)number);
    }
    if (elem->elem != NULL)
        (void)alsa.hctl_elem_write(elem->elem, value); /* the value tells of a failure */
}

/* -- telling; it waits if ours takes nothing now, whose end is seen when waiting -- */

static void tell_value(const struct mixer_elem *elem)
{
    struct mixer_value message = {.id = (uint32_t)(elem - elem->mixer->elem)};

    if (value_read(elem, &message.value) >= 0)
        (void)helper_send(elem->mixer->socket, &message, sizeof(message));
}

static int changed(snd_hctl_elem_t *card_elem, unsigned mask)
{
    struct mixer_elem *elem = alsa.hctl_elem_get_callback_private(card_elem);

    if (mask == SND_CTL_EVENT_MASK_REMOVE)
        elem->elem = NULL;
    else
        tell_value(elem);
    return 0;
}

static int card_open(struct mixer *mixer, const char *name)
{
    snd_ctl_t *ctl;

    int r = alsa_load();
    if (r == 0)
        r = alsa.ctl_open(&ctl, name, SND_CTL_NONBLOCK);
    if (r == 0)
        r = alsa.hctl_open_ctl(&mixer->card, ctl);
    if (r == 0)
        r = alsa.hctl_load(mixer->card); /* which subscribes to what changes */
    if (r == 0)
        r = alsa.ctl_elem_info_malloc(&mixer->info);
    return r == 0 ? alsa.ctl_elem_value_malloc(&mixer->value) : r;
}

void mixer_begin(struct mixer *mixer, int socket, const char *name)
{
    static struct ctl ctls[CTLS_MAX];

    *mixer = (struct mixer){.socket = socket};
    int r = card_open(mixer, name);
    for (snd_hctl_elem_t *one = r < 0 ? NULL : alsa.hctl_first_elem(mixer->card);
         one != NULL && mixer->count < CTLS_MAX; one = alsa.hctl_elem_next(one)) {
        struct mixer_elem *elem = &mixer->elem[mixer->count];
        struct ctl *ctl = &ctls[mixer->count];
        *elem = (struct mixer_elem){.mixer = mixer, .elem = one};
        *ctl = (struct ctl){0};
        if (!elem_fill(mixer, elem, ctl))
            continue;
        tlv_fill(mixer, elem, ctl);
        items_fill(mixer, elem, ctl);
        (void)value_read(elem, &ctl->value);
        alsa.hctl_elem_set_callback(one, changed);
        alsa.hctl_elem_set_callback_private(one, elem);
        mixer->count++;
    }
    int32_t begin = r < 0 ? alsa_result(r) : mixer->count > 0 ? (int32_t)mixer->count : -ENODATA;
    (void)helper_send(socket, &begin, sizeof(begin));
    for (unsigned i = 0; i < mixer->count; i++)
        (void)helper_send(socket, &ctls[i], sizeof(ctls[i]));
    mixer->ended = begin < 0;
}

/* -- serving -- */

static void requests_take(struct mixer *mixer)
{
    struct mixer_value message;
    ssize_t len;

    while ((len = helper_take(mixer->socket, &message, sizeof(message))) > 0) {
        if (len != sizeof(message) || message.id >= mixer->count)
            continue;
        value_write(&mixer->elem[message.id], &message.value);
        tell_value(&mixer->elem[message.id]); /* what has become of it */
    }
    mixer->ended = len < 0;
}

void mixer_round(struct mixer *mixer, int wait_ms)
{
    struct pollfd fds[1 + FDS_MAX] = {{.fd = mixer->socket, .events = POLLIN}};
    int count = alsa.hctl_poll_descriptors(mixer->card, fds + 1, FDS_MAX);

    if (poll(fds, 1 + (nfds_t)MAX(count, 0), wait_ms) <= 0)
        return;
    if (fds[0].revents != 0)
        requests_take(mixer);
    int r = fds[1].revents != 0 ? alsa.hctl_handle_events(mixer->card) : 0;
    if ((r < 0 && r != -ENOENT) || (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
        mixer->ended = true; /* the card is gone; ENOENT: an element that came since */
}

void mixer_serve(int socket, const void *name)
{
    static struct mixer mixer;

    mixer_begin(&mixer, socket, name);
    while (!mixer.ended)
        mixer_round(&mixer, -1);
}
