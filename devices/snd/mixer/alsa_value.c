/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_ctl.h: values and metadata of mixer elements, alsa-lib's and the wire's. */
#include "devices/snd/host/alsa_pcm.h"
#include "devices/snd/mixer/alsa_ctl.h"

#include <string.h>

/* From <sound/tlv.h>: a list of ranges, each with its own metadata. */
#define TLV_DB_RANGE 3

_Static_assert(sizeof(snd_aes_iec958_t) == sizeof(struct wire_iec958), "the same structure");

static enum wire_ctl_type type_of(const struct alsa_elem *elem)
{
    return (enum wire_ctl_type)from_le32(elem->info.head.type);
}

static uint32_t count_of(const struct alsa_elem *elem)
{
    return from_le32(elem->info.head.count);
}

/* -- values -- */

static int64_t clamp(int64_t number, int64_t min, int64_t max)
{
    return MAX(min, MIN(number, max));
}

static uint32_t integer_get(const struct alsa_elem *elem, const snd_ctl_elem_value_t *from,
                            unsigned i)
{
    int64_t number = (int64_t)snd_ctl_elem_value_get_integer(from, i);

    return (uint32_t)clamp(clamp(number, INT32_MIN, INT32_MAX) - elem->shifted,
                           from_le32(elem->info.limits.integer.min),
                           from_le32(elem->info.limits.integer.max));
}

static void one_get(const struct alsa_elem *elem, const snd_ctl_elem_value_t *from, unsigned i,
                    union wire_ctl_value *ret_value)
{
    switch (type_of(elem)) {
    case WIRE_CTL_BOOLEAN:
        ret_value->integer[i] = to_le32(snd_ctl_elem_value_get_boolean(from, i) != 0);
        break;
    case WIRE_CTL_INTEGER:
        ret_value->integer[i] = to_le32(integer_get(elem, from, i));
        break;
    case WIRE_CTL_INTEGER64:
        ret_value->integer64[i] = to_le64((uint64_t)snd_ctl_elem_value_get_integer64(from, i));
        break;
    case WIRE_CTL_ENUMERATED:
        ret_value->enumerated[i] = to_le32(MIN(snd_ctl_elem_value_get_enumerated(from, i),
                                               from_le32(elem->info.limits.enumerated.items) - 1));
        break;
    case WIRE_CTL_BYTES:
        ret_value->bytes[i] = snd_ctl_elem_value_get_byte(from, i);
        break;
    default:
        memcpy(ret_value, snd_ctl_elem_value_get_bytes(from), sizeof(struct wire_iec958));
        break;
    }
}

static void one_set(const struct alsa_elem *elem, const union wire_ctl_value *value, unsigned i,
                    snd_ctl_elem_value_t *ret_to)
{
    switch (type_of(elem)) {
    case WIRE_CTL_BOOLEAN:
        snd_ctl_elem_value_set_boolean(ret_to, i, (long)from_le32(value->integer[i]));
        break;
    case WIRE_CTL_INTEGER:
        snd_ctl_elem_value_set_integer(
            ret_to, i, (long)((int32_t)from_le32(value->integer[i]) + elem->shifted));
        break;
    case WIRE_CTL_INTEGER64:
        snd_ctl_elem_value_set_integer64(ret_to, i, (long long)from_le64(value->integer64[i]));
        break;
    case WIRE_CTL_ENUMERATED:
        snd_ctl_elem_value_set_enumerated(ret_to, i, from_le32(value->enumerated[i]));
        break;
    case WIRE_CTL_BYTES:
        snd_ctl_elem_value_set_byte(ret_to, i, value->bytes[i]);
        break;
    default:
        snd_ctl_elem_set_bytes(ret_to, (void *)(uintptr_t)value, sizeof(struct wire_iec958));
        break;
    }
}

int alsa_ctl_read(struct alsa_ctl *ctl, unsigned index, union wire_ctl_value *ret_value)
{
    const struct alsa_elem *elem = &ctl->elem[index];
    snd_ctl_elem_value_t *from;

    snd_ctl_elem_value_alloca(&from);
    snd_ctl_elem_value_set_id(from, elem->id);
    int r = snd_ctl_elem_read(ctl->handle, from);
    if (r < 0)
        return alsa_result(r);
    memset(ret_value, 0, sizeof(*ret_value));
    for (unsigned i = 0; i < count_of(elem); i++)
        one_get(elem, from, i, ret_value);
    return 0;
}

int alsa_ctl_write(struct alsa_ctl *ctl, unsigned index, const union wire_ctl_value *value)
{
    const struct alsa_elem *elem = &ctl->elem[index];
    snd_ctl_elem_value_t *to;

    snd_ctl_elem_value_alloca(&to);
    snd_ctl_elem_value_set_id(to, elem->id);
    for (unsigned i = 0; i < count_of(elem); i++)
        one_set(elem, value, i, to);
    int r = snd_ctl_elem_write(ctl->handle, to);
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

static void id_get(const struct alsa_elem *elem, snd_ctl_elem_id_t *ret_id)
{
    snd_ctl_elem_id_copy(ret_id, elem->id);
    snd_ctl_elem_id_set_numid(ret_id, elem->numid);
}

ssize_t alsa_ctl_tlv_read(struct alsa_ctl *ctl, unsigned index, void *ret_tlv, size_t room)
{
    const struct alsa_elem *elem = &ctl->elem[index];
    uint32_t *words = ret_tlv;
    snd_ctl_elem_id_t *id;

    assert(room >= sizeof(struct wire_ctl_tlv));
    snd_ctl_elem_id_alloca(&id);
    id_get(elem, id);
    int r = snd_ctl_elem_tlv_read(ctl->handle, id, words, (unsigned)room);
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
