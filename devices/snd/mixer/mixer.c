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

/* From <sound/tlv.h>: a list of ranges, each with its own metadata. */
#define TLV_DB_RANGE 3

/* -- what an element is -- */

static uint32_t access_of(const snd_ctl_elem_info_t *info)
{
    return (alsa.ctl_elem_info_is_readable(info) ? WIRE_CTL_READ : 0) |
           (alsa.ctl_elem_info_is_writable(info) ? WIRE_CTL_WRITE : 0) |
           (alsa.ctl_elem_info_is_inactive(info) ? WIRE_CTL_INACTIVE : 0);
}

/* Fills in type and limits. False: it is not passed on. */
static bool limits_fill(struct mixer_own *elem, const snd_ctl_elem_info_t *info)
{
    union wire_ctl_limits *limits = &elem->info.limits;
    long step;

    elem->max = 1;
    switch (alsa.ctl_elem_info_get_type(info)) {
    case SND_CTL_ELEM_TYPE_BOOLEAN:
        elem->info.head.type = to_le32(WIRE_CTL_BOOLEAN);
        return true;
    case SND_CTL_ELEM_TYPE_INTEGER:
        elem->info.head.type = to_le32(WIRE_CTL_INTEGER);
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
        elem->info.head.type = to_le32(WIRE_CTL_ENUMERATED);
        elem->max = (int64_t)alsa.ctl_elem_info_get_items(info) - 1;
        limits->enumerated.items = to_le32((uint32_t)elem->max + 1);
        return elem->max >= 0 && elem->max < MIXER_ITEMS_MAX;
    default:
        return false;
    }
}

/* The element of that name and index; MIXER_ELEMS_MAX: none. */
static unsigned find(const struct mixer *mixer, const snd_ctl_elem_id_t *id)
{
    const char *name = alsa.ctl_elem_id_get_name(id);
    uint32_t index = alsa.ctl_elem_id_get_index(id);

    for (unsigned i = 0; i < mixer->count; i++) {
        const struct wire_ctl_head *head = &mixer->elem[i].info.head;
        if (from_le32(head->index) == index && strcmp((const char *)head->name, name) == 0)
            return i;
    }
    return MIXER_ELEMS_MAX;
}

/* True if the guest can have the element of mixer->id. ALSA tells those of one name and index apart
 * by their device; the wire can't (SND-80), so it gets the first. */
static bool elem_fill(struct mixer *mixer, struct mixer_own *elem)
{
    struct wire_ctl_head *head = &elem->info.head;
    const char *name = alsa.ctl_elem_id_get_name(mixer->id);
    size_t len = strlen(name);

    *elem = (struct mixer_own){0};
    if (alsa.ctl_elem_id_get_interface(mixer->id) != SND_CTL_ELEM_IFACE_MIXER || len == 0 ||
        len >= WIRE_CTL_NAME_BYTES || find(mixer, mixer->id) != MIXER_ELEMS_MAX)
        return false;
    alsa.ctl_elem_info_set_id(mixer->info, mixer->id);
    if (alsa.ctl_elem_info(mixer->handle, mixer->info) < 0)
        return false; /* it was removed meanwhile */
    unsigned count = alsa.ctl_elem_info_get_count(mixer->info);
    memcpy(head->name, name, len);
    head->index = to_le32(alsa.ctl_elem_id_get_index(mixer->id));
    head->access = to_le32(access_of(mixer->info));
    head->count = to_le32(count);
    return count > 0 && count <= ARRAY_SIZE(((struct wire_ctl_value *)0)->number) &&
           !alsa.ctl_elem_info_is_volatile(mixer->info) && limits_fill(elem, mixer->info);
}

/* -- values, and what goes with them -- */

static int value_read(struct mixer *mixer, unsigned id, struct wire_ctl_value *ret_value)
{
    const struct mixer_own *elem = &mixer->elem[id];
    const struct wire_ctl_head *head = &elem->info.head;

    *ret_value = (struct wire_ctl_value){0};
    if ((from_le32(head->access) & WIRE_CTL_READ) == 0)
        return 0;
    alsa.ctl_elem_value_set_id(mixer->value, elem->id);
    int r = alsa.ctl_elem_read(mixer->handle, mixer->value);
    for (unsigned i = 0; i < from_le32(head->count) && r >= 0; i++) {
        int64_t number = from_le32(head->type) == WIRE_CTL_BOOLEAN
                             ? alsa.ctl_elem_value_get_boolean(mixer->value, i)
                         : from_le32(head->type) == WIRE_CTL_INTEGER
                             ? alsa.ctl_elem_value_get_integer(mixer->value, i)
                             : alsa.ctl_elem_value_get_enumerated(mixer->value, i);
        number = MAX(MIN(number, elem->max), elem->min);
        ret_value->number[i] = to_le32((uint32_t)(number - elem->shifted));
    }
    return r;
}

static void value_write(struct mixer *mixer, unsigned id, const struct wire_ctl_value *value)
{
    const struct mixer_own *elem = &mixer->elem[id];
    uint32_t type = from_le32(elem->info.head.type);

    alsa.ctl_elem_value_set_id(mixer->value, elem->id);
    for (unsigned i = 0; i < from_le32(elem->info.head.count); i++) {
        int64_t number = from_le32(value->number[i]) + elem->shifted;
        if (type == WIRE_CTL_BOOLEAN)
            alsa.ctl_elem_value_set_boolean(mixer->value, i, number);
        else if (type == WIRE_CTL_INTEGER)
            alsa.ctl_elem_value_set_integer(mixer->value, i, number);
        else
            alsa.ctl_elem_value_set_enumerated(mixer->value, i, (unsigned)number);
    }
    (void)alsa.ctl_elem_write(mixer->handle, mixer->value); /* the value tells of a failure */
}

/* The metadata of the element of mixer->id, if it has some. Ranges in them are of the card's
 * numbers, which are shifted for the guest. */
static void tlv_fill(struct mixer *mixer, const struct mixer_own *own, struct mixer_elem *elem)
{
    unsigned words[MIXER_TLV_WORDS] = {0};

    if (!alsa.ctl_elem_info_is_tlv_readable(mixer->info) ||
        alsa.ctl_elem_tlv_read(mixer->handle, mixer->id, words, sizeof(words)) < 0 ||
        words[1] > sizeof(words) - sizeof(struct wire_ctl_tlv))
        return;
    size_t count = 2 + ((size_t)words[1] + 3) / 4;
    for (size_t i = 2; words[0] == TLV_DB_RANGE && i + 4 <= count && words[i + 3] <= words[1];
         i += 4 + ((size_t)words[i + 3] + 3) / 4) {
        words[i] -= (unsigned)own->shifted;
        words[i + 1] -= (unsigned)own->shifted;
    }
    for (size_t i = 0; i < count; i++)
        elem->tlv[i] = to_le32(words[i]);
    elem->info.head.access.raw |= to_le32(WIRE_CTL_TLV_READ).raw;
}

static void items_fill(struct mixer *mixer, const struct mixer_own *own, struct mixer_elem *elem)
{
    for (unsigned i = 0; i <= own->max; i++) {
        alsa.ctl_elem_info_set_id(mixer->info, own->id);
        alsa.ctl_elem_info_set_item(mixer->info, i);
        int r = alsa.ctl_elem_info(mixer->handle, mixer->info);
        const char *name = r == 0 ? alsa.ctl_elem_info_get_item_name(mixer->info) : "";
        (void)snprintf(elem->items[i], sizeof(elem->items[i]), "%s", name[0] != '\0' ? name : "-");
    }
}

/* -- telling; it waits if ours takes nothing now, whose end is seen when waiting -- */

static void tell_card(const struct mixer *mixer, int result)
{
    const struct mixer_value message = {.id = MIXER_CARD, .result = result};

    (void)helper_send(mixer->socket, &message, sizeof(message));
}

static void tell_value(struct mixer *mixer, unsigned id)
{
    struct mixer_value message = {.id = id};

    if (value_read(mixer, id, &message.value) >= 0)
        (void)helper_send(mixer->socket, &message, sizeof(message));
}

/* -- the card -- */

static int card_open(struct mixer *mixer)
{
    int r = alsa.ctl_open(&mixer->handle, mixer->name, SND_CTL_NONBLOCK);

    if (r < 0)
        mixer->handle = NULL;
    else if ((r = alsa.ctl_subscribe_events(mixer->handle, 1)) < 0)
        (void)alsa.ctl_close(mixer->handle);
    return alsa_result(r);
}

/* Keeps the elements of a list that the guest can have: how many. Says that, and what they are. */
static int elems_tell(struct mixer *mixer, const snd_ctl_elem_list_t *list)
{
    unsigned at[MIXER_ELEMS_MAX], used = alsa.ctl_elem_list_get_used(list);

    for (unsigned i = 0; i < used && mixer->count < MIXER_ELEMS_MAX; i++) {
        struct mixer_own *own = &mixer->elem[mixer->count];
        alsa.ctl_elem_list_get_id(list, i, mixer->id);
        if (!elem_fill(mixer, own))
            continue;
        if (alsa.ctl_elem_id_malloc(&own->id) < 0)
            return -ENOMEM;
        alsa.ctl_elem_id_copy(own->id, mixer->id);
        alsa.ctl_elem_id_set_numid(own->id, 0);
        at[mixer->count++] = i;
    }
    if (mixer->count == 0)
        return -ENODATA;
    tell_card(mixer, (int)mixer->count);
    for (unsigned id = 0; id < mixer->count; id++) {
        struct mixer_elem elem = {.info = mixer->elem[id].info};
        alsa.ctl_elem_list_get_id(list, at[id], mixer->id); /* plugins have metadata by numid */
        alsa.ctl_elem_info_set_id(mixer->info, mixer->id);
        if (alsa.ctl_elem_info(mixer->handle, mixer->info) == 0)
            tlv_fill(mixer, &mixer->elem[id], &elem);
        if (from_le32(elem.info.head.type) == WIRE_CTL_ENUMERATED)
            items_fill(mixer, &mixer->elem[id], &elem);
        (void)value_read(mixer, id, &elem.value);
        (void)helper_send(mixer->socket, &elem, sizeof(elem));
    }
    return 0;
}

static int list_tell(struct mixer *mixer)
{
    snd_ctl_elem_list_t *list;

    if (alsa.ctl_elem_info_malloc(&mixer->info) < 0 ||
        alsa.ctl_elem_value_malloc(&mixer->value) < 0 || alsa.ctl_elem_id_malloc(&mixer->id) < 0 ||
        alsa.ctl_event_malloc(&mixer->event) < 0 || alsa.ctl_elem_list_malloc(&list) < 0)
        return -ENOMEM; /* and the helper ends */
    int r = alsa.ctl_elem_list(mixer->handle, list);
    if (r == 0)
        r = alsa.ctl_elem_list_alloc_space(list, alsa.ctl_elem_list_get_count(list));
    if (r == 0)
        r = alsa.ctl_elem_list(mixer->handle, list);
    r = r < 0 ? alsa_result(r) : elems_tell(mixer, list);
    alsa.ctl_elem_list_free_space(list);
    alsa.ctl_elem_list_free(list);
    return r;
}

/* -- serving -- */

static void requests_take(struct mixer *mixer)
{
    struct mixer_value message;
    ssize_t len;

    while ((len = helper_take(mixer->socket, &message, sizeof(message))) > 0) {
        if (len != sizeof(message) || message.id >= mixer->count || mixer->handle == NULL)
            continue;
        value_write(mixer, message.id, &message.value);
        tell_value(mixer, message.id); /* what has become of it */
    }
    mixer->ended = len < 0;
}

/* `failed`: the card's fd says that it is gone. */
static void events_take(struct mixer *mixer, bool failed)
{
    unsigned taken = 0;
    int r = 1;

    for (; taken < EVENTS_MAX && r > 0; taken += r > 0) {
        r = alsa.ctl_read(mixer->handle, mixer->event);
        if (r <= 0 || alsa.ctl_event_get_type(mixer->event) != SND_CTL_EVENT_ELEM)
            continue;
        alsa.ctl_event_elem_get_id(mixer->event, mixer->id);
        unsigned id = find(mixer, mixer->id);
        if (id < mixer->count)
            tell_value(mixer, id);
    }
    if (r >= 0 || r == -EAGAIN) {
        if (!failed || taken > 0)
            return;
        r = -ENODEV;
    }
    (void)alsa.ctl_close(mixer->handle); /* nothing is lost by a failure */
    mixer->handle = NULL;
    tell_card(mixer, alsa_result(r));
}

/* The card may have been plugged in again. */
static void card_retry(struct mixer *mixer)
{
    if (card_open(mixer) < 0)
        return;
    tell_card(mixer, 0);
    for (unsigned id = 0; id < mixer->count; id++)
        tell_value(mixer, id);
}

void mixer_begin(struct mixer *mixer, int socket, const char *name)
{
    *mixer = (struct mixer){.socket = socket};
    (void)snprintf(mixer->name, sizeof(mixer->name), "%s", name);
    int r = alsa_load();
    if (r == 0)
        r = card_open(mixer);
    if (r == 0)
        r = list_tell(mixer);
    if (r < 0)
        tell_card(mixer, r);
}

int mixer_round(struct mixer *mixer, int wait_ms)
{
    struct pollfd fds[1 + FDS_MAX] = {{.fd = mixer->socket, .events = POLLIN}};
    bool is_open = mixer->handle != NULL;
    int count = is_open ? alsa.ctl_poll_descriptors(mixer->handle, fds + 1, FDS_MAX) : 0;
    int ready = poll(fds, 1 + (nfds_t)MAX(count, 0), wait_ms);

    if (ready > 0 && fds[0].revents != 0)
        requests_take(mixer);
    else if (ready == 0 && !is_open)
        card_retry(mixer);
    if (ready > 0 && count > 0)
        events_take(mixer, (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0);
    return mixer->handle != NULL ? -1 : RETRY_MS;
}

void mixer_serve(int socket, const void *name)
{
    static struct mixer mixer;
    int wait_ms = 0;

    mixer_begin(&mixer, socket, name);
    while (!mixer.ended)
        wait_ms = mixer_round(&mixer, wait_ms);
}
