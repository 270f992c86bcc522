/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Input device (virtio 1.2 §5.8): a keyboard, a mouse or a touch screen whose events come from
 * clients of a socket, or any node of this host's evdev.
 *
 *   eventq   a buffer an event, device to driver: events go out in whole groups (source.c)
 *   statusq  lamps of a keyboard: to all sources
 *
 * Config space answers questions (abilities.c). One worker; nothing here takes a lock.
 */
#include "devices/input/input.h"

#include "devices/input/evdev.h"
#include "devices/input/keys.h"
#include "devices/registry.h"

#include <linux/virtio_input.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define CHORD_KEYS_MAX 8

enum { EVENTQ, STATUSQ };
enum { KIND_KEYBOARD, KIND_MOUSE, KIND_TOUCH, KIND_EVDEV };
static const char *const kinds[] = {"keyboard", "mouse", "touch", "evdev:FILE", NULL};

static struct input *input_of(struct virtio_device *dev)
{
    return container_of(dev, struct input, dev);
}

/* -- events to the guest -- */

/* Keeps buffers of the guest's until there are `count`. */
static bool hold_buffers(struct input *input, unsigned count)
{
    struct virtq *vq = &input->dev.queue[EVENTQ];
    int r = 1;

    while (input->held_count < count && r > 0) {
        struct chain *req = &input->held[input->held_count];
        r = virtq_pop(vq, req);
        if (r <= 0)
            break;
        if (chain_writable(req) >= sizeof(struct event) && chain_readable(req) == 0)
            input->held_count++;
        else
            virtq_push(vq, req); /* it broke §5.8.6.2: dropped */
    }
    if (r < 0)
        virtio_fail(&input->dev, r, "events");
    return input->held_count >= count;
}

bool input_give(struct input *input, const struct event *events, unsigned count)
{
    struct virtq *vq = &input->dev.queue[EVENTQ];
    bool enough = hold_buffers(input, count);

    if (enough) {
        for (unsigned i = 0; i < count; i++)
            (void)chain_write(&input->held[i], &events[i], sizeof(events[i])); /* it fits */
        virtq_push_all(vq, input->held, count);
        input->held_count -= count;
        memmove(input->held, input->held + count, input->held_count * sizeof(input->held[0]));
    }
    virtio_signal(&input->dev, vq);
    return enough;
}

static void take_status(struct input *input, struct virtq *vq)
{
    struct chain req;
    struct event event;
    int r;

    while ((r = virtq_pop(vq, &req)) > 0) {
        bool whole = chain_read(&req, &event, sizeof(event)) == 0;
        unsigned type = from_le16(event.type);
        virtq_push(vq, &req);
        if (!whole || (type != EV_LED && type != EV_SND) ||
            !abilities_has(&input->abilities, type, from_le16(event.code)))
            continue;
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
            source_tell(&input->source[i], &event);
    }
    if (r < 0)
        virtio_fail(&input->dev, r, "status");
    virtio_signal(&input->dev, vq);
}

static void input_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct input *input = input_of(dev);

    if (vq->index == STATUSQ) {
        take_status(input, vq);
        return;
    }
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        source_serve(&input->source[i]);
}

/* -- clients -- */

static struct source *find_free(struct input *input)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (source_free(&input->source[i]))
            return &input->source[i];
    return NULL;
}

static int watch_door(struct input *input)
{
    bool open = input->door.fd >= 0 && input->active && find_free(input) != NULL;

    if (!open)
        loop_remove(&input->door);
    else if (input->door.loop == NULL)
        return loop_add(virtio_loop(&input->dev), &input->door, EPOLLIN);
    return 0;
}

void input_source_free(struct input *input)
{
    int r = watch_door(input);

    if (r < 0)
        virtio_fail(&input->dev, r, "socket");
}

static void door_ready(struct watch *door, uint32_t epoll_events)
{
    struct input *input = container_of(door, struct input, door);
    struct source *source = find_free(input);
    int fd = loop_accept(door);

    (void)epoll_events;
    if (fd < 0)
        return; /* it has left already, or waits */
    source_open(source, input, fd, false);
    int r = source_start(source);
    if (r == 0)
        r = watch_door(input);
    if (r < 0)
        virtio_fail(&input->dev, r, "socket");
}

/* -- its life -- */

static void answer(struct input *input, uint8_t select, uint8_t subsel)
{
    struct input_config config;

    abilities_answer(&input->abilities, select, subsel, &config);
    virtio_config_take(&input->dev, 0, &config, sizeof(config));
}

static void input_config_write(struct virtio_device *dev, size_t off, const void *buf, size_t len)
{
    struct input *input = input_of(dev);
    uint8_t asked[2] = {input->config.select, input->config.subsel};

    if (off >= sizeof(asked))
        return;
    memcpy(asked + off, buf, MIN(len, sizeof(asked) - off));
    answer(input, asked[0], asked[1]);
}

static int input_activate(struct virtio_device *dev)
{
    struct input *input = input_of(dev);
    int r = 0;

    input->active = true;
    for (unsigned i = 0; i < CLIENTS_MAX && r == 0; i++)
        r = source_start(&input->source[i]);
    return r < 0 ? r : watch_door(input);
}

static void input_reset(struct virtio_device *dev)
{
    struct input *input = input_of(dev);

    input->active = false;
    input->held_count = 0;
    loop_remove(&input->door);
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        source_stop(&input->source[i]);
    answer(input, VIRTIO_INPUT_CFG_UNSET, 0);
}

static void input_queue_reset(struct virtio_device *dev, struct virtq *vq)
{
    if (vq->index == EVENTQ)
        input_of(dev)->held_count = 0;
}

static int make_kind(struct input *input, const struct opts *opts)
{
    size_t kind = opts_choice(opts, "kind");
    int fd, r;

    if (kind != KIND_TOUCH && (opts_given(opts, "width") || opts_given(opts, "height")))
        return opts_error("--input width, height: are for kind=touch; leave them out");
    switch (kind) {
    case KIND_KEYBOARD:
        abilities_keyboard(&input->abilities);
        break;
    case KIND_MOUSE:
        abilities_mouse(&input->abilities);
        break;
    case KIND_TOUCH:
        abilities_touch(&input->abilities, (uint32_t)opts_u64(opts, "width"),
                        (uint32_t)opts_u64(opts, "height"));
        break;
    default:
        if (opts_has(opts, "socket"))
            return opts_error("--input socket: events come from the evdev node; leave it out");
        r = evdev_open(opts_choice_arg(opts, "kind"), &input->abilities, &fd);
        if (r == 0)
            source_open(&input->source[0], input, fd, true);
        return r;
    }
    (void)snprintf(input->abilities.serial, sizeof(input->abilities.serial), "%s", input->dev.name);
    return 0;
}

static int input_create(struct virtio_device *dev, const struct opts *opts)
{
    struct input *input = input_of(dev);

    dev->config = (uint8_t *)&input->config;
    dev->config_size = sizeof(input->config);
    input->door = (struct watch){.fd = -1, .ready = door_ready};
    input->listener = (struct unix_listener){.fd = -1};
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        source_open(&input->source[i], input, -1, false);
    int r = make_kind(input, opts);
    if (r == 0 && opts_has(opts, "socket"))
        r = unix_listen("--input socket", opts_str(opts, "socket"), &input->listener);
    if (r == 0)
        input->door.fd = input->listener.fd;
    return r;
}

static void input_destroy(struct virtio_device *dev)
{
    struct input *input = input_of(dev);

    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        source_close(&input->source[i]);
    unix_unlisten(&input->listener);
}

/* -- commands -- */

/* Each key down in their order, then up in the other. */
static unsigned make_chord(const int keys[], unsigned count, struct event *ret_events)
{
    unsigned at = 0;

    for (unsigned i = 0; i < 2 * count; i++) {
        int key = keys[i < count ? i : 2 * count - 1 - i];
        ret_events[at++] = event_of(EV_KEY, (uint16_t)key, i < count);
        ret_events[at++] = event_of(EV_SYN, SYN_REPORT, 0);
    }
    return at;
}

/* KEY+KEY...: how many, or -EINVAL and a line. */
static int parse_chord(const struct input *input, const char *text, int ret_keys[], FILE *reply)
{
    int count = 0;

    for (const char *end = "+"; *end != '\0'; text = end + 1) {
        end = text + strcspn(text, "+");
        int key = key_find(text, (size_t)(end - text));
        if (key < 0 || !abilities_has(&input->abilities, EV_KEY, (unsigned)key))
            return virtio_refuse(reply, -EINVAL,
                                 "%s has no key \"%.*s\"; keys are such as a, enter, f1, leftmeta, "
                                 "btn_left, or a number of evdev's",
                                 input->dev.name, (int)(end - text), text);
        if (count == CHORD_KEYS_MAX)
            return virtio_refuse(reply, -EINVAL, "at most %d keys at once", CHORD_KEYS_MAX);
        ret_keys[count++] = key;
    }
    return count;
}

static int press(struct input *input, const char *text, FILE *reply)
{
    struct event events[4 * CHORD_KEYS_MAX];
    int keys[CHORD_KEYS_MAX] = {0};
    int r = parse_chord(input, text, keys, reply);

    if (r < 0)
        return r;
    if (!input->active)
        return virtio_refuse(reply, -EAGAIN, "the guest has no driver for %s", input->dev.name);
    virtq_round(&input->dev.queue[EVENTQ]);
    unsigned count = make_chord(keys, (unsigned)r, events);
    if (!input_give(input, events, count))
        return virtio_refuse(reply, -EAGAIN, "the guest takes no events at present");
    return 0;
}

/* press KEY[+KEY...]: down and up again. */
static int input_command(struct virtio_device *dev, const char *const words[], FILE *reply)
{
    if (strcmp(words[0], "press") != 0 || words[1] == NULL || words[2] != NULL)
        return virtio_refuse(reply, -EINVAL, "input devices take `press KEY[+KEY...]`");
    return press(input_of(dev), words[1], reply);
}

/* -- the class -- */

static const struct opt input_opts[] = {
    {"kind", NULL,
     "what it is; evdev: as an event node of this host, which is the guest's alone "
     "while that has a driver for it",
     OPT_CHOICE, .flags = OPT_REQUIRED | OPT_POSITIONAL, .choices = kinds},
    {"socket", NULL,
     "make a socket there, whose clients send events: type, code (16 bits each) and "
     "value (32 bits), little-endian",
     OPT_PATH, .flags = OPT_UNIQUE, .arg = "SOCKET"},
    {"width", "1280", "touch: points from left to right", OPT_INT, .min = 1, .max = 65536},
    {"height", "800", "touch: from top to bottom", OPT_INT, .min = 1, .max = 65536},
    {0},
};

const struct virtio_class virtio_input = {
    .name = "input",
    .help = "keyboard, mouse or touch screen (virtio-input)",
    .id = VIRTIO_ID_INPUT,
    .queue_count = 2,
    .fill_queues = 1,
    .limits = {.size = GROUP_EVENTS_MAX, .chain_descs = 8},
    .instance_size = sizeof(struct input),
    .instance_offset = offsetof(struct input, dev),
    .opts = input_opts,
    .create = input_create,
    .destroy = input_destroy,
    .activate = input_activate,
    .reset = input_reset,
    .queue_reset = input_queue_reset,
    .notify = input_notify,
    .config_write = input_config_write,
    .command = input_command,
};
