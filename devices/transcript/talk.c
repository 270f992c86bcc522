/* SPDX-License-Identifier: BSD-3-Clause */
/* See talk.h: what is common to all devices (virtio 1.2 §2, §3.1). */
#include "devices/transcript/talk.h"

#include "vmm/base/text.h"

#include <linux/virtio_config.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* -- text and bytes -- */

void say(struct saying *saying, const char *fmt, ...)
{
    size_t room = sizeof(saying->text) - saying->len;
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(saying->text + saying->len, room, fmt, args);
    va_end(args);
    saying->len += MIN((size_t)MAX(len, 0), room - 1);
    while ((size_t)MAX(len, 0) >= room && !text_is_clean(saying->text, saying->len))
        saying->text[--saying->len] = '\0'; /* a character was cut */
}

void say_word(struct saying *saying, const struct word *words, size_t count, uint32_t number)
{
    for (size_t i = 0; i < count; i++)
        if (words[i].number == number) {
            say(saying, "%s", words[i].name);
            return;
        }
    say(saying, "0x%x", number);
}

void say_text(struct saying *saying, struct bytes bytes, size_t off, size_t len)
{
    char text[TEXT_QUOTE_BYTES_MAX + 1] = "", quoted[TEXT_QUOTE_SIZE];
    size_t room = MIN(len, sizeof(text) - 1);

    for (size_t i = 0; i < room; i++)
        text[i] = (char)bytes_8(bytes, off + i);
    say(saying, "%s", text_quote(quoted, text));
}

struct bytes bytes_sent(const struct event *event)
{
    return (struct bytes){event->data, event->sent};
}

struct bytes bytes_answer(const struct event *event)
{
    return (struct bytes){event->data + event->sent, event->answer};
}

struct bytes bytes_end(const struct event *event)
{
    size_t begin = event->tail > 0 ? event->sent + event->answer : event->sent;

    return (struct bytes){event->data + begin, event->tail > 0 ? event->tail : event->answer};
}

uint64_t bytes_64(struct bytes bytes, size_t off)
{
    le64 val = {0};

    if (off < bytes.len)
        memcpy(&val, bytes.at + off, MIN(sizeof(val), bytes.len - off));
    return from_le64(val);
}

uint32_t bytes_32(struct bytes bytes, size_t off)
{
    return (uint32_t)bytes_64(bytes, off);
}

uint16_t bytes_16(struct bytes bytes, size_t off)
{
    return (uint16_t)bytes_64(bytes, off);
}

uint8_t bytes_8(struct bytes bytes, size_t off)
{
    return (uint8_t)bytes_64(bytes, off);
}

/* -- classes -- */

static const struct talk talk_unknown = {.name = "unknown", .section = "", .probe = ""};

static const struct talk *const talks[] = {&talk_net,   &talk_blk,     &talk_console, &talk_rng,
                                           &talk_snd,   &talk_balloon, &talk_vsock,   &talk_fs,
                                           &talk_input, &talk_pmem};

const struct talk *talk_of(uint32_t id)
{
    for (size_t i = 0; i < ARRAY_SIZE(talks); i++)
        if (talks[i]->id == id)
            return talks[i];
    return &talk_unknown;
}

static const struct lane *lane_of(const struct talk *talk, unsigned queue, unsigned queues)
{
    unsigned lane = talk->lane != NULL ? talk->lane(queue, queues) : queue;

    return lane < talk->lane_count ? &talk->lanes[lane] : NULL;
}

void talk_queue(const struct talk *talk, char ret_name[24], unsigned queue, unsigned queues)
{
    const struct lane *lane = lane_of(talk, queue, queues);

    if (lane != NULL && talk->lane == NULL)
        (void)snprintf(ret_name, 24, "%s", lane->name);
    else
        (void)snprintf(ret_name, 24, "%s %u", lane != NULL ? lane->name : "queue", queue);
}

void say_room(struct saying *saying, const struct event *event)
{
    say(saying, "room for %u bytes", event->b);
}

void say_bytes(struct saying *saying, const struct event *event)
{
    say(saying, "%u bytes", is_pop(event) ? event->a : event->b);
}

void say_done(struct saying *saying, const struct event *event)
{
    (void)event;
    say(saying, "done");
}

static void message(struct saying *saying, const struct talk *talk, const struct event *event,
                    unsigned queues)
{
    static const struct lane any = {.section = "",
                                    .driver = "virtqueue_add_sgs()",
                                    .device = "virtqueue_get_buf()",
                                    .key = "buffers",
                                    .pop = say_bytes,
                                    .push = say_bytes};
    const struct lane *lane = lane_of(talk, event->queue, queues);

    if (lane == NULL)
        lane = &any;
    saying->section = lane->section;
    saying->function = is_pop(event) ? lane->driver : lane->device;
    saying->key = lane->key;
    say(saying, is_pop(event) ? "> " : "< ");
    (is_pop(event) ? lane->pop : lane->push)(saying, event);
}

/* -- what the framework tells -- */

static const struct word core_features[] = {
    {24, "NOTIFY_ON_EMPTY"}, {27, "ANY_LAYOUT"},        {28, "INDIRECT_DESC"},
    {29, "EVENT_IDX"},       {32, "VERSION_1"},         {33, "ACCESS_PLATFORM"},
    {34, "RING_PACKED"},     {35, "IN_ORDER"},          {36, "ORDER_PLATFORM"},
    {37, "SR_IOV"},          {38, "NOTIFICATION_DATA"}, {39, "NOTIF_CONFIG_DATA"},
    {40, "RING_RESET"},      {41, "ADMIN_VQ"},
};

static void say_features(struct saying *saying, const struct talk *talk, uint32_t word,
                         uint32_t bits)
{
    unsigned known = 0;

    while (talk->features != NULL && talk->features[known] != NULL)
        known++;
    for (unsigned i = 0; i < 32; i++) {
        uint32_t bit = word * 32 + i;
        if ((bits >> i & 1) == 0)
            continue;
        say(saying, " ");
        if (bit < known && talk->features[bit][0] != '\0')
            say(saying, "%s", talk->features[bit]);
        else
            say_word(saying, core_features, ARRAY_SIZE(core_features), bit);
    }
    say(saying, "%s", bits == 0 ? " none" : "");
}

static void features(struct saying *saying, const struct talk *talk, const struct event *event)
{
    bool offered = event->kind == EVENT_FEATURES_READ;

    say(saying, "%s bits %u to %u:", offered ? "offered" : "accepted", event->a * 32,
        event->a * 32 + 31);
    say_features(saying, talk, event->a, event->b);
    saying->section = "§2.2";
    saying->function = offered ? "virtio_dev_probe()" : "finalize_features()";
}

/* In the order in which they are set. */
static const struct {
    uint32_t bit;
    const char *name, *function;
} statuses[] = {
    {VIRTIO_CONFIG_S_ACKNOWLEDGE, "ACKNOWLEDGE", "register_virtio_device()"},
    {VIRTIO_CONFIG_S_DRIVER, "DRIVER", "virtio_dev_probe()"},
    {VIRTIO_CONFIG_S_FEATURES_OK, "FEATURES_OK", "virtio_features_ok()"},
    {VIRTIO_CONFIG_S_DRIVER_OK, "DRIVER_OK", "virtio_device_ready()"},
    {VIRTIO_CONFIG_S_NEEDS_RESET, "NEEDS_RESET", ""},
    {VIRTIO_CONFIG_S_FAILED, "FAILED", "virtio_dev_probe()"},
};

static void status(struct saying *saying, const struct event *event)
{
    saying->section = "§3.1.1";
    if (event->a == 0) {
        say(saying, "0: reset");
        saying->section = "§2.4";
        saying->function = "virtio_reset_device()";
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        uint32_t bit = statuses[i].bit;
        if ((event->a & bit) == 0)
            continue;
        say(saying, "%s%s%s", saying->len > 0 ? " " : "", statuses[i].name,
            (event->b & bit) == 0 ? " (refused)" : "");
        saying->function = statuses[i].function; /* of the last one, which is new */
    }
}

static void queue(struct saying *saying, const struct event *event, bool pci)
{
    const struct bytes at = bytes_sent(event);

    say(saying, "%s, size %u of %u, at 0x%llx 0x%llx 0x%llx",
        event->value != 0 ? "enabled" : "disabled", event->a, event->b,
        (unsigned long long)bytes_64(at, 0), (unsigned long long)bytes_64(at, 8),
        (unsigned long long)bytes_64(at, 16));
    saying->section = pci ? "§4.1.5.1.3" : "§4.2.3.2";
    saying->function = pci ? "vp_find_vqs()" : "vm_setup_vq()";
}

static void config(struct saying *saying, const struct event *event)
{
    bool written = event->kind == EVENT_CONFIG_WRITE;

    say(saying, "%s %u bytes at %u: 0x%llx", written ? "written" : "read", event->b, event->a,
        (unsigned long long)bytes_64(bytes_sent(event), 0));
    saying->section = "§2.5";
    saying->function = written ? "virtio_cwrite()" : "virtio_cread()";
    saying->key = written ? NULL : "read";
}

static void fail(struct saying *saying, const struct event *event)
{
    say(saying, "needs a reset: ");
    say_text(saying, bytes_sent(event), 0, event->sent);
    say(saying, ": %s", strerror((int)event->a));
    saying->section = "§2.1.2";
}

/* Events of which there is nothing more to tell. */
static const struct {
    const char *text, *section, *function;
} plain[] = {
    [EVENT_RESET] = {"at rest, status 0", "§2.4", ""},
    [EVENT_QUEUE_RESET] = {"reset", "§2.6.1", "virtqueue_resize()"},
    [EVENT_CONFIG_NEWS] = {"interrupt: configuration changed", "§2.3", "virtio_config_changed()"},
    [EVENT_INTERRUPT] = {"interrupt", "§2.7.7", "vring_interrupt()"},
};

void talk_say(const struct talk *talk, struct saying *saying, const struct event *event,
              unsigned queues, bool pci)
{
    *saying = (struct saying){.section = "", .function = ""};
    switch (event->kind) {
    case EVENT_LOST:
        say(saying, "%llu events lost: they came faster than they can be written",
            (unsigned long long)event->value);
        break;
    case EVENT_DEVICE:
        if (event->b == EVENT_NO_SLOT)
            say(saying, "%s, id %u, vhost-user", talk->name, event->a);
        else
            say(saying, "%s, id %u, %s, slot %u", talk->name, event->a, pci ? "pci" : "mmio",
                event->b);
        saying->section = talk->section;
        saying->function = talk->probe;
        break;
    case EVENT_FEATURES_READ:
    case EVENT_FEATURES_WRITE:
        features(saying, talk, event);
        break;
    case EVENT_STATUS:
        status(saying, event);
        break;
    case EVENT_QUEUE:
        queue(saying, event, pci);
        break;
    case EVENT_ACTIVE:
        say(saying, "%s", event->a == 0 ? "ready" : strerror((int)event->a));
        saying->section = "§3.1.1";
        break;
    case EVENT_FAIL:
        fail(saying, event);
        break;
    case EVENT_CONFIG_READ:
    case EVENT_CONFIG_WRITE:
        config(saying, event);
        break;
    case EVENT_POP:
    case EVENT_PUSH:
        message(saying, talk, event, queues);
        break;
    default:
        if (event->kind >= ARRAY_SIZE(plain) || plain[event->kind].text == NULL)
            break;
        say(saying, "%s", plain[event->kind].text);
        saying->section = plain[event->kind].section;
        saying->function = plain[event->kind].function;
    }
}
