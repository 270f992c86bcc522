/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_mixer.h. */
#include "tests/fake_mixer.h"

#include "devices/snd/lib/alsa.h"

#include <string.h>
#include <sys/eventfd.h>

#define RW (SND_CTL_EXT_ACCESS_READWRITE)

static const struct {
    const char *name;
    snd_ctl_elem_iface_t interface;
    unsigned device;
    int type;
    unsigned access, count;
    int64_t min, max;
} rows[FAKE_ELEMENTS] = {
    [FAKE_VOLUME] = {"Master Playback Volume", SND_CTL_ELEM_IFACE_MIXER, 0,
                     SND_CTL_ELEM_TYPE_INTEGER,
                     RW | SND_CTL_EXT_ACCESS_TLV_READWRITE | SND_CTL_EXT_ACCESS_TLV_COMMAND |
                         SND_CTL_EXT_ACCESS_TLV_CALLBACK,
                     2, -50, 100},
    [FAKE_SWITCH] = {"Master Playback Switch", SND_CTL_ELEM_IFACE_MIXER, 0,
                     SND_CTL_ELEM_TYPE_BOOLEAN, RW, 1, 0, 1},
    [FAKE_JACK] = {"Headphone Jack", SND_CTL_ELEM_IFACE_CARD, 0, SND_CTL_ELEM_TYPE_BOOLEAN,
                   SND_CTL_EXT_ACCESS_READ, 1, 0, 1},
    [FAKE_SOURCE] = {"Capture Source", SND_CTL_ELEM_IFACE_MIXER, 0, SND_CTL_ELEM_TYPE_ENUMERATED,
                     RW, 1, 0, 3},
    [FAKE_SERIAL] = {"Serial", SND_CTL_ELEM_IFACE_MIXER, 0, SND_CTL_ELEM_TYPE_BYTES, RW, 4, 0, 0},
    [FAKE_IEC958] = {"IEC958 Playback Default", SND_CTL_ELEM_IFACE_MIXER, 0,
                     SND_CTL_ELEM_TYPE_IEC958, RW, 1, 0, 0},
    [FAKE_BIG] = {"Big", SND_CTL_ELEM_IFACE_MIXER, 0, SND_CTL_ELEM_TYPE_INTEGER64, RW, 2,
                  -(1ll << 40), 1ll << 40},
    [FAKE_METER] = {"Meter", SND_CTL_ELEM_IFACE_MIXER, 0, SND_CTL_ELEM_TYPE_INTEGER,
                    SND_CTL_EXT_ACCESS_READ | SND_CTL_EXT_ACCESS_VOLATILE, 1, 0, 99},
    [FAKE_OTHER_SWITCH] = {"Master Playback Switch", SND_CTL_ELEM_IFACE_MIXER, 1,
                           SND_CTL_ELEM_TYPE_BOOLEAN, RW, 1, 0, 1},
    [FAKE_HUGE] = {"Huge", SND_CTL_ELEM_IFACE_MIXER, 0, SND_CTL_ELEM_TYPE_INTEGER, RW, 1, 0,
                   1ll << 40},
};

static struct {
    int fd; /* eventfd: events, or gone */
    union fake_value value[FAKE_ELEMENTS];
    unsigned news[FAKE_ELEMENTS]; /* SND_CTL_EVENT_MASK_* */
    int error;
    bool unplugged;
    snd_ctl_ext_t ext;
} fake;

/* alsa-lib's functions behind ours. */
static struct alsa real;

/* -- what alsa-lib calls -- */

static int on_count(snd_ctl_ext_t *ext)
{
    (void)ext;
    return FAKE_ELEMENTS;
}

static void id_set(snd_ctl_elem_id_t *id, unsigned element)
{
    snd_ctl_elem_id_set_interface(id, rows[element].interface);
    snd_ctl_elem_id_set_device(id, rows[element].device);
    snd_ctl_elem_id_set_name(id, rows[element].name);
}

static int on_list(snd_ctl_ext_t *ext, unsigned offset, snd_ctl_elem_id_t *id)
{
    (void)ext;
    id_set(id, offset);
    return 0;
}

static snd_ctl_ext_key_t on_find(snd_ctl_ext_t *ext, const snd_ctl_elem_id_t *id)
{
    (void)ext;
    for (unsigned i = 0; i < FAKE_ELEMENTS; i++)
        if (strcmp(rows[i].name, snd_ctl_elem_id_get_name(id)) == 0 &&
            rows[i].device == snd_ctl_elem_id_get_device(id))
            return i;
    return SND_CTL_EXT_KEY_NOT_FOUND;
}

static int on_attribute(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, int *type, unsigned *access,
                        unsigned *count)
{
    (void)ext;
    *access = rows[key].access;
    *type = rows[key].type;
    *count = rows[key].count;
    return 0;
}

static int on_integer_info(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *min, long *max,
                           long *step)
{
    (void)ext;
    *min = (long)rows[key].min;
    *max = (long)rows[key].max;
    *step = 0;
    return 0;
}

static int on_integer64_info(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, int64_t *min, int64_t *max,
                             int64_t *step)
{
    (void)ext;
    *min = rows[key].min;
    *max = rows[key].max;
    *step = 0;
    return 0;
}

static int on_items(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, unsigned *items)
{
    (void)ext;
    *items = (unsigned)rows[key].max;
    return 0;
}

static int on_item(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, unsigned item, char *name, size_t len)
{
    static const char *const names[] = {"Line", "Mic", ""};

    (void)ext;
    (void)key;
    (void)snprintf(name, len, "%s", names[item]);
    return 0;
}

static int value_get(unsigned element, void *ret_data, size_t len)
{
    if (element == FAKE_METER)
        fake.value[element].integer[0]++;
    memcpy(ret_data, &fake.value[element], len);
    return 0;
}

static int value_set(unsigned element, const void *data, size_t len)
{
    int r = fake.error;
    if (r == 0) {
        r = memcmp(&fake.value[element], data, len) != 0;
        memcpy(&fake.value[element], data, len);
    }
    return r;
}

static int on_read_integer(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *value)
{
    (void)ext;
    return value_get((unsigned)key, value, rows[key].count * sizeof(*value));
}

static int on_read_integer64(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, int64_t *value)
{
    (void)ext;
    return value_get((unsigned)key, value, rows[key].count * sizeof(*value));
}

static int on_read_item(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, unsigned *items)
{
    (void)ext;
    return value_get((unsigned)key, items, sizeof(*items));
}

static int on_read_bytes(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, unsigned char *data, size_t max)
{
    (void)ext;
    (void)max;
    return value_get((unsigned)key, data, rows[key].count);
}

static int on_read_iec958(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, snd_aes_iec958_t *iec958)
{
    (void)ext;
    return value_get((unsigned)key, iec958, sizeof(*iec958));
}

static int on_write_integer(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *value)
{
    (void)ext;
    return value_set((unsigned)key, value, rows[key].count * sizeof(*value));
}

static int on_write_integer64(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, int64_t *value)
{
    (void)ext;
    return value_set((unsigned)key, value, rows[key].count * sizeof(*value));
}

static int on_write_item(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, unsigned *items)
{
    (void)ext;
    return value_set((unsigned)key, items, sizeof(*items));
}

static int on_write_bytes(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, unsigned char *data,
                          size_t max)
{
    (void)ext;
    (void)max;
    return value_set((unsigned)key, data, rows[key].count);
}

static int on_write_iec958(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, snd_aes_iec958_t *iec958)
{
    (void)ext;
    return value_set((unsigned)key, iec958, sizeof(*iec958));
}

/* A list of two ranges (<sound/tlv.h>): -50 to 0 and 0 to 100, each with a scale. */
static const unsigned ranges[] = {3, 48, (unsigned)-50,   0, 1, 8, (unsigned)-9000, 100, 0, 100,
                                  1, 8,  (unsigned)-4000, 40};

static int on_tlv(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, int op, unsigned numid, unsigned *tlv,
                  unsigned size)
{
    (void)ext;
    (void)key;
    (void)numid;
    if (op == 0) {
        memcpy(tlv, ranges, MIN(sizeof(ranges), (size_t)size));
        return 0;
    }
    return -EPERM; /* nobody writes metadata */
}

static int on_event(snd_ctl_ext_t *ext, snd_ctl_elem_id_t *id, unsigned *mask)
{
    int r = -EAGAIN;

    (void)ext;
    for (unsigned i = 0; i < FAKE_ELEMENTS && r < 0; i++) {
        if (fake.news[i] == 0)
            continue;
        id_set(id, i);
        *mask = fake.news[i];
        fake.news[i] = 0;
        r = 1;
    }
    if (fake.unplugged)
        r = -ENODEV;
    if (r == -EAGAIN)
        (void)eventfd_read(fake.fd, &(eventfd_t){0});
    return r;
}

static const snd_ctl_ext_callback_t callbacks = {
    .elem_count = on_count,
    .elem_list = on_list,
    .find_elem = on_find,
    .get_attribute = on_attribute,
    .get_integer_info = on_integer_info,
    .get_integer64_info = on_integer64_info,
    .get_enumerated_info = on_items,
    .get_enumerated_name = on_item,
    .read_integer = on_read_integer,
    .read_integer64 = on_read_integer64,
    .read_enumerated = on_read_item,
    .read_bytes = on_read_bytes,
    .read_iec958 = on_read_iec958,
    .write_integer = on_write_integer,
    .write_integer64 = on_write_integer64,
    .write_enumerated = on_write_item,
    .write_bytes = on_write_bytes,
    .write_iec958 = on_write_iec958,
    .read_event = on_event,
};

/* -- in place of alsa-lib's function -- */

static int fake_open(snd_ctl_t **ctl, const char *name, int mode)
{
    snd_ctl_ext_t *ext = &fake.ext;

    if (strcmp(name, "fake") != 0)
        return real.ctl_open(ctl, name, mode);
    if (fake.unplugged)
        return -ENODEV;
    *ext = (snd_ctl_ext_t){
        .version = SND_CTL_EXT_VERSION,
        .id = "fake",
        .poll_fd = fake.fd,
        .callback = &callbacks,
        .tlv.c = on_tlv,
    };
    int r = snd_ctl_ext_create(ext, name, mode);
    *ctl = ext->handle;
    return r;
}

/* -- what tests call -- */

void fake_mixer_init(void)
{
    memset(fake.value, 0, sizeof(fake.value));
    memset(fake.news, 0, sizeof(fake.news));
    fake.error = 0;
    fake.unplugged = false;
    if (real.ctl_open == NULL && alsa_load() == 0)
        real = alsa;
    assert(real.ctl_open != NULL);
    alsa.ctl_open = fake_open;
    fake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert(fake.fd >= 0);
}

void fake_mixer_fini(void)
{
    fd_close(&fake.fd);
    alsa.ctl_open = real.ctl_open;
}

union fake_value fake_mixer_value(enum fake_element element)
{
    union fake_value value = fake.value[element];
    return value;
}

static void tell(enum fake_element element, unsigned mask)
{
    fake.news[element] |= mask;
    (void)eventfd_write(fake.fd, 1);
}

void fake_mixer_change(enum fake_element element, const union fake_value *value)
{
    fake.value[element] = *value;
    tell(element, SND_CTL_EVENT_MASK_VALUE);
}

void fake_mixer_remove(enum fake_element element)
{
    tell(element, SND_CTL_EVENT_MASK_REMOVE);
}

void fake_mixer_fail(int error)
{
    fake.error = error;
}

void fake_mixer_unplug(bool unplugged)
{
    fake.unplugged = unplugged;
    (void)eventfd_write(fake.fd, 1);
}
