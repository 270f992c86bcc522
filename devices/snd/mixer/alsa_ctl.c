/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_ctl.h: opening, listing, events. Values and metadata are in alsa_value.c. */
#include "devices/snd/mixer/alsa_ctl.h"

#include "devices/snd/host/alsa_pcm.h"
#include "vmm/base/log.h"

#include <stdio.h>
#include <string.h>

/* Items of an enumeration: more than any card has, and a limit. */
#define ITEMS_MAX 1024

/* By snd_ctl_elem_type_t: what it is on the wire, and how many values the wire has room for. */
static const struct {
    bool known;
    enum wire_ctl_type type;
    unsigned count_max;
} types[] = {
    [SND_CTL_ELEM_TYPE_BOOLEAN] = {true, WIRE_CTL_BOOLEAN, 128},
    [SND_CTL_ELEM_TYPE_INTEGER] = {true, WIRE_CTL_INTEGER, 128},
    [SND_CTL_ELEM_TYPE_INTEGER64] = {true, WIRE_CTL_INTEGER64, 64},
    [SND_CTL_ELEM_TYPE_ENUMERATED] = {true, WIRE_CTL_ENUMERATED, 128},
    [SND_CTL_ELEM_TYPE_BYTES] = {true, WIRE_CTL_BYTES, 512},
    [SND_CTL_ELEM_TYPE_IEC958] = {true, WIRE_CTL_IEC958, 1},
};

/* -- opening -- */

void alsa_ctl_name(const char *pcm_name, char ret_name[ALSA_CTL_NAME_BYTES])
{
    snd_pcm_info_t *info;
    struct alsa_pcm pcm;
    int card = -1;

    snd_pcm_info_alloca(&info);
    for (unsigned d = PCM_OUTPUT; d <= PCM_INPUT && card < 0; d++) {
        if (alsa_pcm_open(&pcm, pcm_name, (enum pcm_direction)d) < 0)
            continue;
        if (snd_pcm_info(pcm.handle, info) == 0)
            card = snd_pcm_info_get_card(info);
        alsa_pcm_close(&pcm);
    }
    if (card < 0)
        (void)snprintf(ret_name, ALSA_CTL_NAME_BYTES, "default");
    else
        (void)snprintf(ret_name, ALSA_CTL_NAME_BYTES, "hw:%d", card);
}

int alsa_ctl_open(struct alsa_ctl *ctl, const char *name)
{
    int r = snd_ctl_open(&ctl->handle, name, SND_CTL_NONBLOCK);

    if (r < 0) {
        ctl->handle = NULL;
        return alsa_result(r);
    }
    r = snd_ctl_subscribe_events(ctl->handle, 1);
    if (r < 0)
        alsa_ctl_close(ctl);
    return alsa_result(r);
}

void alsa_ctl_close(struct alsa_ctl *ctl)
{
    if (ctl->handle != NULL)
        (void)snd_ctl_close(ctl->handle); /* nothing is lost by a failure */
    ctl->handle = NULL;
}

void alsa_ctl_fini(struct alsa_ctl *ctl)
{
    alsa_ctl_close(ctl);
    for (unsigned i = 0; i < ctl->count; i++) {
        snd_ctl_elem_id_free(ctl->elem[i].id);
        free(ctl->elem[i].items);
    }
    free(ctl->elem);
    *ctl = (struct alsa_ctl){0};
}

/* -- what an element is -- */

/* Metadata are read only: a driver of the host would have to make sense of what a guest writes. */
static uint32_t access_of(const snd_ctl_elem_info_t *info)
{
    return (snd_ctl_elem_info_is_readable(info) ? WIRE_CTL_READ : 0) |
           (snd_ctl_elem_info_is_writable(info) ? WIRE_CTL_WRITE : 0) |
           (snd_ctl_elem_info_is_volatile(info) ? WIRE_CTL_VOLATILE : 0) |
           (snd_ctl_elem_info_is_inactive(info) ? WIRE_CTL_INACTIVE : 0) |
           (snd_ctl_elem_info_is_tlv_readable(info) ? WIRE_CTL_TLV_READ : 0);
}

static void halves_set(int64_t number, le32 ret_halves[2])
{
    ret_halves[0] = to_le32((uint32_t)number);
    ret_halves[1] = to_le32((uint32_t)((uint64_t)number >> 32));
}

static int integer_fill(struct alsa_elem *elem, const snd_ctl_elem_info_t *info)
{
    int64_t min = snd_ctl_elem_info_get_min(info), max = snd_ctl_elem_info_get_max(info);
    int64_t step = snd_ctl_elem_info_get_step(info), span;

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

static void integer64_fill(struct alsa_elem *elem, const snd_ctl_elem_info_t *info)
{
    halves_set(snd_ctl_elem_info_get_min64(info), elem->info.limits.integer64.min);
    halves_set(snd_ctl_elem_info_get_max64(info), elem->info.limits.integer64.max);
    halves_set(snd_ctl_elem_info_get_step64(info), elem->info.limits.integer64.step);
}

/* Asks for the names of an enumeration's items. */
static int items_fill(struct alsa_ctl *ctl, struct alsa_elem *elem, snd_ctl_elem_info_t *info)
{
    unsigned count = snd_ctl_elem_info_get_items(info);
    int r = 0;

    if (count == 0 || count > ITEMS_MAX)
        return -ERANGE;
    elem->items = calloc(count, sizeof(elem->items[0]) + WIRE_CTL_ITEM_BYTES);
    if (elem->items == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < count && r == 0; i++) {
        elem->items[i] = (char *)(elem->items + count) + (size_t)i * WIRE_CTL_ITEM_BYTES;
        snd_ctl_elem_info_set_item(info, i);
        r = snd_ctl_elem_info(ctl->handle, info);
        const char *name = r == 0 ? snd_ctl_elem_info_get_item_name(info) : "";
        (void)snprintf(elem->items[i], WIRE_CTL_ITEM_BYTES, "%s", name[0] != '\0' ? name : "-");
    }
    elem->info.limits.enumerated.items = to_le32(count);
    return alsa_result(r);
}

static int limits_fill(struct alsa_ctl *ctl, struct alsa_elem *elem, snd_ctl_elem_info_t *info)
{
    switch (snd_ctl_elem_info_get_type(info)) {
    case SND_CTL_ELEM_TYPE_INTEGER:
        return integer_fill(elem, info);
    case SND_CTL_ELEM_TYPE_INTEGER64:
        integer64_fill(elem, info);
        return 0;
    case SND_CTL_ELEM_TYPE_ENUMERATED:
        return items_fill(ctl, elem, info);
    default:
        return 0;
    }
}

/* 0; -ENOTSUP or -ERANGE for an element that the wire can't have. */
static int elem_fill(struct alsa_ctl *ctl, struct alsa_elem *elem, snd_ctl_elem_info_t *info)
{
    unsigned type = snd_ctl_elem_info_get_type(info);
    unsigned count = snd_ctl_elem_info_get_count(info);
    const char *name = snd_ctl_elem_info_get_name(info);
    size_t len = strlen(name);

    if (type >= ARRAY_SIZE(types) || !types[type].known || len == 0 || len >= WIRE_CTL_NAME_BYTES)
        return -ENOTSUP;
    if (count == 0 || count > types[type].count_max)
        return -ERANGE;
    elem->info.head.type = to_le32(types[type].type);
    elem->info.head.access = to_le32(access_of(info));
    elem->info.head.count = to_le32(count);
    elem->info.head.index = to_le32(snd_ctl_elem_info_get_index(info));
    memcpy(elem->info.head.name, name, len);
    return limits_fill(ctl, elem, info);
}

int alsa_ctl_look(struct alsa_ctl *ctl, unsigned index)
{
    struct alsa_elem *elem = &ctl->elem[index];
    snd_ctl_elem_info_t *info;

    snd_ctl_elem_info_alloca(&info);
    snd_ctl_elem_info_set_id(info, elem->id);
    int r = alsa_result(snd_ctl_elem_info(ctl->handle, info));
    if (r == 0 && snd_ctl_elem_info_get_numid(info) != 0)
        elem->numid = snd_ctl_elem_info_get_numid(info);
    elem->info.head.access = to_le32(r == 0 ? access_of(info) : WIRE_CTL_INACTIVE);
    return r;
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

/* Adds the element of that id, if the guest can have it. */
static int elem_add(struct alsa_ctl *ctl, snd_ctl_elem_id_t *id)
{
    struct alsa_elem *elem = &ctl->elem[ctl->count];
    snd_ctl_elem_info_t *info;

    snd_ctl_elem_info_alloca(&info);
    snd_ctl_elem_info_set_id(info, id);
    int r = snd_ctl_elem_info(ctl->handle, info);
    if (r < 0)
        return 0; /* it was removed meanwhile */
    *elem = (struct alsa_elem){0};
    r = snd_ctl_elem_id_malloc(&elem->id);
    if (r < 0)
        return -ENOMEM;
    snd_ctl_elem_id_copy(elem->id, id);
    elem->numid = snd_ctl_elem_id_get_numid(id);
    snd_ctl_elem_id_set_numid(elem->id, 0);
    r = elem_fill(ctl, elem, info);
    if (r == 0) {
        index_set(ctl, elem);
        ctl->count++;
        return 0;
    }
    log_debug("mixer element '%s' is not passed on: %s", snd_ctl_elem_id_get_name(id),
              snd_strerror(r));
    snd_ctl_elem_id_free(elem->id);
    free(elem->items);
    return r == -ENOMEM ? r : 0;
}

/* Adds those of a list that are of the mixer. */
static int elems_add(struct alsa_ctl *ctl, const snd_ctl_elem_list_t *list, unsigned count_max)
{
    snd_ctl_elem_id_t *id;
    int r = 0;

    snd_ctl_elem_id_alloca(&id);
    ctl->elem = calloc(MAX(count_max, 1u), sizeof(ctl->elem[0]));
    if (ctl->elem == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < snd_ctl_elem_list_get_used(list) && r == 0; i++) {
        snd_ctl_elem_list_get_id(list, i, id);
        if (snd_ctl_elem_id_get_interface(id) != SND_CTL_ELEM_IFACE_MIXER)
            continue;
        if (ctl->count == count_max) {
            log_info("this mixer has more elements than a guest can have; it gets %u", count_max);
            break;
        }
        r = elem_add(ctl, id);
    }
    return r;
}

int alsa_ctl_list(struct alsa_ctl *ctl, unsigned count_max)
{
    snd_ctl_elem_list_t *list;

    snd_ctl_elem_list_alloca(&list);
    int r = snd_ctl_elem_list(ctl->handle, list);
    unsigned count = r == 0 ? snd_ctl_elem_list_get_count(list) : 0;
    if (r == 0 && count == 0)
        return -ENODATA;
    if (r == 0)
        r = snd_ctl_elem_list_alloc_space(list, count);
    if (r == 0)
        r = snd_ctl_elem_list(ctl->handle, list);
    r = r < 0 ? alsa_result(r) : elems_add(ctl, list, MIN(count_max, count));
    snd_ctl_elem_list_free_space(list);
    return r == 0 && ctl->count == 0 ? -ENODATA : r;
}

/* -- what happens to them -- */

/* By all but the numid, which plugins don't have. */
static bool same_id(const snd_ctl_elem_id_t *a, const snd_ctl_elem_id_t *b)
{
    return snd_ctl_elem_id_get_interface(a) == snd_ctl_elem_id_get_interface(b) &&
           snd_ctl_elem_id_get_device(a) == snd_ctl_elem_id_get_device(b) &&
           snd_ctl_elem_id_get_subdevice(a) == snd_ctl_elem_id_get_subdevice(b) &&
           snd_ctl_elem_id_get_index(a) == snd_ctl_elem_id_get_index(b) &&
           strcmp(snd_ctl_elem_id_get_name(a), snd_ctl_elem_id_get_name(b)) == 0;
}

int alsa_ctl_event(struct alsa_ctl *ctl, unsigned *ret_index, unsigned *ret_mask)
{
    snd_ctl_event_t *event;
    snd_ctl_elem_id_t *id;

    snd_ctl_event_alloca(&event);
    snd_ctl_elem_id_alloca(&id);
    int r = snd_ctl_read(ctl->handle, event);
    if (r <= 0)
        return r == -EAGAIN ? 0 : alsa_result(r);
    *ret_index = *ret_mask = 0;
    if (snd_ctl_event_get_type(event) != SND_CTL_EVENT_ELEM)
        return 1;
    unsigned mask = snd_ctl_event_elem_get_mask(event);
    unsigned index = 0;
    snd_ctl_event_elem_get_id(event, id);
    while (index < ctl->count && !same_id(ctl->elem[index].id, id))
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
