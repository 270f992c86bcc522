/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_ctl.h. */
#include "devices/snd/mixer/alsa_ctl.h"

#include "devices/snd/host/alsa_pcm.h"
#include "vmm/base/log.h"

#include <stdio.h>
#include <string.h>

/* Items of an enumeration: more than any card has, and a limit. */
#define ITEMS_MAX 256

/* From <sound/tlv.h>: a list of ranges, each with its own metadata. */
#define TLV_DB_RANGE 3

/* By snd_ctl_elem_type_t: what it is on the wire, and how many values the wire has room for. */
static const struct {
    enum wire_ctl_type type;
    unsigned count_max; /* 0: not passed on */
} types[] = {
    [SND_CTL_ELEM_TYPE_BOOLEAN] = {WIRE_CTL_BOOLEAN, 128},
    [SND_CTL_ELEM_TYPE_INTEGER] = {WIRE_CTL_INTEGER, 128},
    [SND_CTL_ELEM_TYPE_INTEGER64] = {WIRE_CTL_INTEGER64, 64},
    [SND_CTL_ELEM_TYPE_ENUMERATED] = {WIRE_CTL_ENUMERATED, 128},
};

/* -- opening -- */

void alsa_ctl_name(const char *pcm_name, char ret_name[ALSA_CTL_NAME_BYTES])
{
    snd_pcm_info_t *info = NULL;
    struct alsa_pcm pcm;
    int card = -1;

    (void)alsa.pcm_info_malloc(&info); /* without memory no card is found */
    for (unsigned d = PCM_OUTPUT; d <= PCM_INPUT && card < 0 && info != NULL; d++) {
        if (alsa_pcm_open(&pcm, pcm_name, (enum pcm_direction)d) < 0)
            continue;
        if (alsa.pcm_info(pcm.handle, info) == 0)
            card = alsa.pcm_info_get_card(info);
        alsa_pcm_close(&pcm);
    }
    if (info != NULL)
        alsa.pcm_info_free(info);
    (void)snprintf(ret_name, ALSA_CTL_NAME_BYTES, "default");
    if (card >= 0)
        (void)snprintf(ret_name, ALSA_CTL_NAME_BYTES, "hw:%d", card);
}

int alsa_ctl_open(struct alsa_ctl *ctl, const char *name)
{
    int r = 0;

    if (ctl->info == NULL &&
        (alsa.ctl_elem_info_malloc(&ctl->info) < 0 || alsa.ctl_elem_value_malloc(&ctl->value) < 0 ||
         alsa.ctl_elem_id_malloc(&ctl->id) < 0 || alsa.ctl_event_malloc(&ctl->event) < 0))
        return -ENOMEM; /* and the helper ends */
    r = alsa.ctl_open(&ctl->handle, name, SND_CTL_NONBLOCK);
    if (r < 0) {
        ctl->handle = NULL;
        return alsa_result(r);
    }
    r = alsa.ctl_subscribe_events(ctl->handle, 1);
    if (r < 0)
        alsa_ctl_close(ctl);
    return alsa_result(r);
}

void alsa_ctl_close(struct alsa_ctl *ctl)
{
    if (ctl->handle != NULL)
        (void)alsa.ctl_close(ctl->handle); /* nothing is lost by a failure */
    ctl->handle = NULL;
}

/* -- what an element is -- */

static uint32_t access_of(const snd_ctl_elem_info_t *info)
{
    return (alsa.ctl_elem_info_is_readable(info) ? WIRE_CTL_READ : 0) |
           (alsa.ctl_elem_info_is_writable(info) ? WIRE_CTL_WRITE : 0) |
           (alsa.ctl_elem_info_is_volatile(info) ? WIRE_CTL_VOLATILE : 0) |
           (alsa.ctl_elem_info_is_inactive(info) ? WIRE_CTL_INACTIVE : 0) |
           (alsa.ctl_elem_info_is_tlv_readable(info) ? WIRE_CTL_TLV_READ : 0);
}

static int integer_fill(struct alsa_elem *elem, const snd_ctl_elem_info_t *info)
{
    int64_t min = alsa.ctl_elem_info_get_min(info), max = alsa.ctl_elem_info_get_max(info);
    int64_t step = alsa.ctl_elem_info_get_step(info), span;

    if (ckd_sub(&span, max, min) || span < 0 || step < 0 || step > INT32_MAX)
        return -ERANGE;
    elem->shifted = min < 0 ? min : 0;
    if (max - elem->shifted > INT32_MAX)
        return -ERANGE;
    elem->info.limits.integer.min = to_le32((uint32_t)(min - elem->shifted));
    elem->info.limits.integer.max = to_le32((uint32_t)(max - elem->shifted));
    elem->info.limits.integer.step = to_le32((uint32_t)step);
    return 0;
}

static int limits_fill(struct alsa_elem *elem, const snd_ctl_elem_info_t *info)
{
    unsigned items;

    switch (alsa.ctl_elem_info_get_type(info)) {
    case SND_CTL_ELEM_TYPE_INTEGER:
        return integer_fill(elem, info);
    case SND_CTL_ELEM_TYPE_INTEGER64:
        to_halves(alsa.ctl_elem_info_get_min64(info), elem->info.limits.integer64.min);
        to_halves(alsa.ctl_elem_info_get_max64(info), elem->info.limits.integer64.max);
        to_halves(alsa.ctl_elem_info_get_step64(info), elem->info.limits.integer64.step);
        return 0;
    case SND_CTL_ELEM_TYPE_ENUMERATED:
        items = alsa.ctl_elem_info_get_items(info);
        elem->info.limits.enumerated.items = to_le32(items);
        return items == 0 || items > ITEMS_MAX ? -ERANGE : 0;
    default:
        return 0;
    }
}

/* 0; -ENOTSUP or -ERANGE for an element that the wire can't have. */
static int elem_fill(struct alsa_elem *elem, const snd_ctl_elem_info_t *info)
{
    unsigned type = alsa.ctl_elem_info_get_type(info);
    unsigned count = alsa.ctl_elem_info_get_count(info);
    const char *name = alsa.ctl_elem_info_get_name(info);
    size_t len = strlen(name);

    if (type >= ARRAY_SIZE(types) || len == 0 || len >= WIRE_CTL_NAME_BYTES)
        return -ENOTSUP;
    if (count == 0 || count > types[type].count_max)
        return -ERANGE;
    elem->info.head.type = to_le32(types[type].type);
    elem->info.head.access = to_le32(access_of(info));
    elem->info.head.count = to_le32(count);
    elem->info.head.index = to_le32(alsa.ctl_elem_info_get_index(info));
    memcpy(elem->info.head.name, name, len);
    return limits_fill(elem, info);
}

/* `item`: of an enumeration, to be told its name. What is left from another element is no item. */
static int info_get(struct alsa_ctl *ctl, const snd_ctl_elem_id_t *id, unsigned item)
{
    alsa.ctl_elem_info_set_id(ctl->info, id);
    alsa.ctl_elem_info_set_item(ctl->info, item);
    return alsa_result(alsa.ctl_elem_info(ctl->handle, ctl->info));
}

void alsa_ctl_look(struct alsa_ctl *ctl, unsigned index)
{
    struct alsa_elem *elem = &ctl->elem[index];
    int r = info_get(ctl, elem->id, 0);

    elem->info.head.access = to_le32(r == 0 ? access_of(ctl->info) : WIRE_CTL_INACTIVE);
}

void alsa_ctl_item(struct alsa_ctl *ctl, unsigned index, unsigned item,
                   char ret_name[WIRE_CTL_ITEM_BYTES])
{
    int r = info_get(ctl, ctl->elem[index].id, item);
    const char *name = r == 0 ? alsa.ctl_elem_info_get_item_name(ctl->info) : "";
    (void)snprintf(ret_name, WIRE_CTL_ITEM_BYTES, "%s", name[0] != '\0' ? name : "-");
}

/* -- which there are -- */

/* Another has the same name and index: ALSA tells them apart by their device, the wire can't
 * (SND-80), so this one gets an index that is free. */
static void index_set(const struct alsa_ctl *ctl, struct alsa_elem *elem)
{
    uint32_t index = from_le32(elem->info.head.index);

    for (unsigned i = 0; i < ctl->count; i++) {
        const struct wire_ctl_head *other = &ctl->elem[i].info.head;
        if (from_le32(other->index) == index &&
            memcmp(other->name, elem->info.head.name, WIRE_CTL_NAME_BYTES) == 0) {
            index++;
            i = (unsigned)-1; /* from the first one again */
        }
    }
    elem->info.head.index = to_le32(index);
}

/* Adds the element of id ctl->id, if the guest can have it. */
static int elem_add(struct alsa_ctl *ctl)
{
    struct alsa_elem *elem = &ctl->elem[ctl->count];

    if (info_get(ctl, ctl->id, 0) < 0)
        return 0; /* it was removed meanwhile */
    *elem = (struct alsa_elem){.numid = alsa.ctl_elem_id_get_numid(ctl->id)};
    int r = elem_fill(elem, ctl->info);
    if (r < 0) {
        log_debug("mixer element '%s' is not passed on: %s", alsa.ctl_elem_id_get_name(ctl->id),
                  strerror(-r));
        return 0;
    }
    if (alsa.ctl_elem_id_malloc(&elem->id) < 0)
        return -ENOMEM;
    alsa.ctl_elem_id_copy(elem->id, ctl->id);
    alsa.ctl_elem_id_set_numid(elem->id, 0);
    index_set(ctl, elem);
    ctl->count++;
    return 0;
}

/* Adds those of a list that are of the mixer. */
static int elems_add(struct alsa_ctl *ctl, const snd_ctl_elem_list_t *list, unsigned count_max)
{
    int r = 0;

    ctl->elem = calloc(count_max, sizeof(ctl->elem[0]));
    if (ctl->elem == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < alsa.ctl_elem_list_get_used(list) && r == 0; i++) {
        alsa.ctl_elem_list_get_id(list, i, ctl->id);
        if (alsa.ctl_elem_id_get_interface(ctl->id) != SND_CTL_ELEM_IFACE_MIXER)
            continue;
        if (ctl->count == count_max) {
            log_info("this mixer has more elements than a guest can have; it gets %u", count_max);
            break;
        }
        r = elem_add(ctl);
    }
    return r == 0 && ctl->count == 0 ? -ENODATA : r;
}

int alsa_ctl_list(struct alsa_ctl *ctl, unsigned count_max)
{
    snd_ctl_elem_list_t *list;
    int r = alsa.ctl_elem_list_malloc(&list);

    if (r < 0)
        return -ENOMEM;
    r = alsa.ctl_elem_list(ctl->handle, list);
    if (r == 0)
        r = alsa.ctl_elem_list_alloc_space(list, alsa.ctl_elem_list_get_count(list));
    if (r == 0)
        r = alsa.ctl_elem_list(ctl->handle, list);
    r = r < 0 ? alsa_result(r) : elems_add(ctl, list, count_max);
    alsa.ctl_elem_list_free_space(list);
    alsa.ctl_elem_list_free(list);
    return r;
}

/* -- what happens to them -- */

/* By all but the numid, which plugins don't have. */
static bool same_id(const snd_ctl_elem_id_t *a, const snd_ctl_elem_id_t *b)
{
    return alsa.ctl_elem_id_get_interface(a) == alsa.ctl_elem_id_get_interface(b) &&
           alsa.ctl_elem_id_get_device(a) == alsa.ctl_elem_id_get_device(b) &&
           alsa.ctl_elem_id_get_subdevice(a) == alsa.ctl_elem_id_get_subdevice(b) &&
           alsa.ctl_elem_id_get_index(a) == alsa.ctl_elem_id_get_index(b) &&
           strcmp(alsa.ctl_elem_id_get_name(a), alsa.ctl_elem_id_get_name(b)) == 0;
}

int alsa_ctl_event(struct alsa_ctl *ctl, unsigned *ret_index, unsigned *ret_mask)
{
    unsigned index = 0;
    int r = alsa.ctl_read(ctl->handle, ctl->event);

    if (r <= 0)
        return r == -EAGAIN ? 0 : alsa_result(r);
    *ret_index = *ret_mask = 0;
    if (alsa.ctl_event_get_type(ctl->event) != SND_CTL_EVENT_ELEM)
        return 1;
    unsigned mask = alsa.ctl_event_elem_get_mask(ctl->event);
    alsa.ctl_event_elem_get_id(ctl->event, ctl->id);
    while (index < ctl->count && !same_id(ctl->elem[index].id, ctl->id))
        index++;
    if (index == ctl->count)
        return 1;
    *ret_index = index;
    if (mask == SND_CTL_EVENT_MASK_REMOVE)
        *ret_mask = WIRE_CTL_INFO;
    else
        *ret_mask = ((mask & SND_CTL_EVENT_MASK_VALUE) != 0 ? WIRE_CTL_VALUE : 0) |
                    ((mask & SND_CTL_EVENT_MASK_INFO) != 0 ? WIRE_CTL_INFO : 0) |
                    ((mask & SND_CTL_EVENT_MASK_TLV) != 0 ? WIRE_CTL_TLV : 0);
    return 1;
}

/* -- values -- */

static int64_t clamp(int64_t number, int64_t min, int64_t max)
{
    return MAX(min, MIN(number, max));
}

static void one_get(const struct alsa_elem *elem, const snd_ctl_elem_value_t *from, unsigned i,
                    union wire_ctl_value *ret_value)
{
    const union wire_ctl_limits *limits = &elem->info.limits;
    int64_t number;

    switch ((enum wire_ctl_type)from_le32(elem->info.head.type)) {
    case WIRE_CTL_BOOLEAN:
        ret_value->integer[i] = to_le32(alsa.ctl_elem_value_get_boolean(from, i) != 0);
        break;
    case WIRE_CTL_INTEGER:
        number = clamp(alsa.ctl_elem_value_get_integer(from, i), INT32_MIN, INT32_MAX);
        number = clamp(number - elem->shifted, from_le32(limits->integer.min),
                       from_le32(limits->integer.max));
        ret_value->integer[i] = to_le32((uint32_t)number);
        break;
    case WIRE_CTL_INTEGER64:
        ret_value->integer64[i] = to_le64((uint64_t)alsa.ctl_elem_value_get_integer64(from, i));
        break;
    default:
        ret_value->enumerated[i] = to_le32(MIN(alsa.ctl_elem_value_get_enumerated(from, i),
                                               from_le32(limits->enumerated.items) - 1));
        break;
    }
}

static void one_set(const struct alsa_elem *elem, const union wire_ctl_value *value, unsigned i,
                    snd_ctl_elem_value_t *ret_to)
{
    switch ((enum wire_ctl_type)from_le32(elem->info.head.type)) {
    case WIRE_CTL_BOOLEAN:
        alsa.ctl_elem_value_set_boolean(ret_to, i, (long)from_le32(value->integer[i]));
        break;
    case WIRE_CTL_INTEGER:
        alsa.ctl_elem_value_set_integer(
            ret_to, i, (long)((int32_t)from_le32(value->integer[i]) + elem->shifted));
        break;
    case WIRE_CTL_INTEGER64:
        alsa.ctl_elem_value_set_integer64(ret_to, i, (long long)from_le64(value->integer64[i]));
        break;
    default:
        alsa.ctl_elem_value_set_enumerated(ret_to, i, from_le32(value->enumerated[i]));
        break;
    }
}

int alsa_ctl_read(struct alsa_ctl *ctl, unsigned index, union wire_ctl_value *ret_value)
{
    const struct alsa_elem *elem = &ctl->elem[index];

    alsa.ctl_elem_value_set_id(ctl->value, elem->id);
    int r = alsa.ctl_elem_read(ctl->handle, ctl->value);
    if (r < 0)
        return alsa_result(r);
    memset(ret_value, 0, sizeof(*ret_value));
    for (unsigned i = 0; i < from_le32(elem->info.head.count); i++)
        one_get(elem, ctl->value, i, ret_value);
    return 0;
}

int alsa_ctl_write(struct alsa_ctl *ctl, unsigned index, const union wire_ctl_value *value)
{
    const struct alsa_elem *elem = &ctl->elem[index];

    alsa.ctl_elem_value_set_id(ctl->value, elem->id);
    for (unsigned i = 0; i < from_le32(elem->info.head.count); i++)
        one_set(elem, value, i, ctl->value);
    int r = alsa.ctl_elem_write(ctl->handle, ctl->value);
    return r < 0 ? alsa_result(r) : 0; /* 1: it has changed */
}

/* -- metadata -- */

/* Ranges are of the card's numbers, where the element's are shifted for the guest. */
static void ranges_shift(uint32_t *words, size_t count, int64_t shifted)
{
    if (shifted == 0 || words[0] != TLV_DB_RANGE)
        return;
    for (size_t i = 2; i + 4 <= count && words[i + 3] <= WIRE_CTL_TLV_BYTES_MAX;
         i += 4 + ((size_t)words[i + 3] + 3) / 4) {
        words[i] -= (uint32_t)shifted;
        words[i + 1] -= (uint32_t)shifted;
    }
}

ssize_t alsa_ctl_tlv(struct alsa_ctl *ctl, unsigned index, void *ret_tlv, size_t room)
{
    const struct alsa_elem *elem = &ctl->elem[index];
    uint32_t *words = ret_tlv;

    assert(room >= sizeof(struct wire_ctl_tlv));
    alsa.ctl_elem_id_copy(ctl->id, elem->id);
    alsa.ctl_elem_id_set_numid(ctl->id, elem->numid);
    int r = alsa.ctl_elem_tlv_read(ctl->handle, ctl->id, words, (unsigned)room);
    if (r < 0)
        return alsa_result(r);
    if (words[1] > room - sizeof(struct wire_ctl_tlv))
        return -EIO;
    size_t count = 2 + ((size_t)words[1] + 3) / 4;
    ranges_shift(words, count, elem->shifted);
    for (size_t i = 0; i < count; i++)
        words[i] = to_le32(words[i]).raw;
    return (ssize_t)(count * sizeof(words[0]));
}
