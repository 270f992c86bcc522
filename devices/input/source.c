/* SPDX-License-Identifier: BSD-3-Clause */
/* See source.h. */
#include "devices/input/input.h"

#include "devices/input/evdev.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READS_MAX 16 /* in one go */

/* -- the next record -- */

static size_t record_bytes(const struct source *source)
{
    return source->evdev ? sizeof(struct input_event) : sizeof(struct event);
}

/* Nobody is there any more: no key stays down. What was not whole is dropped. */
static void gone(struct source *source)
{
    loop_remove(&source->host);
    fd_close(&source->host.fd);
    if (source->evdev)
        log_warn("%s: %s is gone", source->input->dev.name, source->input->abilities.name);
    memset(source->down, 0, sizeof(source->down));
    source->at = source->len = 0;
    source->count = source->whole ? source->count : 0;
    source->skipping = false;
    source->settling = source->lifting = true;
}

/* More bytes; false if there are none at present. */
static bool read_more(struct source *source)
{
    if (source->host.fd < 0)
        return false;
    source->len -= source->at;
    memmove(source->bytes, source->bytes + source->at, source->len);
    source->at = 0;
    ssize_t n =
        read(source->host.fd, source->bytes + source->len, sizeof(source->bytes) - source->len);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        gone(source);
    else
        source->len += (size_t)n;
    return true;
}

static bool take_record(struct source *source, struct event *ret_event)
{
    const uint8_t *bytes = source->bytes + source->at;
    struct input_event event;

    if (source->len - source->at < record_bytes(source))
        return false;
    source->at += record_bytes(source);
    if (!source->evdev) {
        memcpy(ret_event, bytes, sizeof(*ret_event));
        return true;
    }
    memcpy(&event, bytes, sizeof(event));
    *ret_event = event_of(event.type, event.code, (uint32_t)event.value);
    return true;
}

/* -- groups -- */

/* Whether such events go to the guest; those of lamps come from it. It repeats keys by itself, if
 * it was told that keys repeat. */
static bool is_for_guest(const struct abilities *abilities, unsigned type, unsigned code,
                         uint32_t value)
{
    bool repeated = type == EV_KEY && value == 2 && abilities_has(abilities, EV_REP, REP_DELAY);

    return type >= EV_KEY && type <= EV_SW && !repeated && abilities_has(abilities, type, code);
}

static void group_end(struct source *source, const struct event *event)
{
    if (source->skipping) {
        source->skipping = false;
        source->settling = source->lifting = true;
    } else if (source->count > 0) {
        source->group[source->count++] = *event;
        source->whole = true;
    }
}

static void group_skip(struct source *source)
{
    source->count = 0;
    source->skipping = true;
}

static void group_add(struct source *source, const struct event *event)
{
    unsigned type = from_le16(event->type), code = from_le16(event->code);
    uint32_t value = from_le32(event->value);

    if (type == EV_SYN && code == SYN_REPORT) {
        group_end(source, event);
        return;
    }
    if (type == EV_SYN && code == SYN_DROPPED && source->evdev)
        group_skip(source); /* the host's kernel had no room */
    if (!is_for_guest(&source->input->abilities, type, code, value))
        return;
    if (type == EV_KEY)
        bit_set(source->down, code, value != 0);
    if (source->count == GROUP_EVENTS_MAX - 1)
        group_skip(source);
    if (!source->skipping)
        source->group[source->count++] = *event;
}

static void put(struct source *source, uint16_t type, uint16_t code, uint32_t value)
{
    source->group[source->count++] = event_of(type, code, value);
}

/* A group that lifts all fingers, as many as there may be. */
static void lift_fingers(struct source *source)
{
    const struct abilities *abilities = &source->input->abilities;
    int last = MIN(abilities->axis[ABS_MT_SLOT].maximum, GROUP_EVENTS_MAX / 2 - 2);

    if (!abilities_has(abilities, EV_ABS, ABS_MT_SLOT))
        return;
    for (int slot = 0; slot <= last; slot++) {
        put(source, EV_ABS, ABS_MT_SLOT, (uint32_t)slot);
        put(source, EV_ABS, ABS_MT_TRACKING_ID, UINT32_MAX);
    }
}

/* A group of what the guest does not know yet; none if it knows all. All that was read was looked
 * at: what evdev says now holds. */
static void settle(struct source *source)
{
    const struct abilities *abilities = &source->input->abilities;

    if (source->evdev)
        evdev_keys(source->host.fd, source->down);
    if (source->lifting)
        lift_fingers(source);
    source->lifting = false;
    for (uint16_t key = 0; key < KEY_CNT && source->count < GROUP_EVENTS_MAX - 1; key++)
        if (bit_get(source->down, key) != bit_get(source->told, key) &&
            abilities_has(abilities, EV_KEY, key))
            put(source, EV_KEY, key, bit_get(source->down, key));
    source->settling = source->whole = source->count > 0;
    if (source->whole)
        put(source, EV_SYN, SYN_REPORT, 0);
}

static bool give(struct source *source)
{
    if (!input_give(source->input, source->group, source->count))
        return false;
    for (unsigned i = 0; i < source->count; i++)
        if (from_le16(source->group[i].type) == EV_KEY)
            bit_set(source->told, from_le16(source->group[i].code),
                    from_le32(source->group[i].value) != 0);
    source->count = 0;
    source->whole = false;
    return true;
}

/* -- serving -- */

/* A step: false if there is nothing to do now. */
static bool step(struct source *source, unsigned *reads_left)
{
    struct event event;

    if (source->whole)
        return give(source);
    if (take_record(source, &event))
        group_add(source, &event);
    else if (source->settling && source->count == 0 && !source->skipping)
        settle(source);
    else
        return (*reads_left)-- > 0 && read_more(source);
    return true;
}

/* Watches, unless the guest has to come first. */
static int watch(struct source *source)
{
    if (source->whole || source->host.fd < 0)
        loop_remove(&source->host);
    else if (source->host.loop == NULL)
        return loop_add(virtio_loop(&source->input->dev), &source->host, EPOLLIN);
    return 0;
}

void source_serve(struct source *source)
{
    unsigned reads_left = READS_MAX;

    while (step(source, &reads_left))
        ;
    int r = watch(source);
    if (r < 0)
        virtio_fail(&source->input->dev, r, "events");
    if (source_free(source))
        input_source_free(source->input);
}

static void host_ready(struct watch *host, uint32_t epoll_events)
{
    struct source *source = container_of(host, struct source, host);

    (void)epoll_events;
    virtq_round(&source->input->dev.queue[0]);
    source_serve(source);
}

void source_tell(struct source *source, const struct event *event)
{
    const struct input_event told = {.type = from_le16(event->type),
                                     .code = from_le16(event->code),
                                     .value = (int32_t)from_le32(event->value)};

    if (source->host.fd < 0)
        return;
    if (source->evdev)
        (void)!write(source->host.fd, &told, sizeof(told));
    else
        (void)send(source->host.fd, event, sizeof(*event), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* -- life -- */

void source_open(struct source *source, struct input *input, int fd, bool evdev)
{
    *source =
        (struct source){.input = input, .host = {.fd = fd, .ready = host_ready}, .evdev = evdev};
}

void source_close(struct source *source)
{
    fd_close(&source->host.fd);
}

/* What a node has had until now was for others. */
int source_start(struct source *source)
{
    int r = 0;

    if (source->evdev && source->host.fd >= 0) {
        r = evdev_grab(source->host.fd, true);
        while (read(source->host.fd, source->bytes, sizeof(source->bytes)) > 0)
            ;
    }
    source->settling = true;
    return r < 0 ? r : watch(source);
}

void source_stop(struct source *source)
{
    loop_remove(&source->host);
    if (source->evdev && source->host.fd >= 0)
        (void)evdev_grab(source->host.fd, false);
    source->skipping |= source->count > 0 && !source->whole;
    source->count = 0;
    source->whole = source->settling = false;
    memset(source->told, 0, sizeof(source->told));
}
