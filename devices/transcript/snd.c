/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said to the sound device (virtio 1.4 §5.14). */
#include "devices/snd/base/format.h"
#include "devices/snd/base/wire_ctl.h"
#include "devices/transcript/talk.h"

#include <linux/virtio_ids.h>

static const char *const features[] = {"CTLS", NULL};

static const struct word statuses[] = {
    {VIRTIO_SND_S_OK, "OK"},
    {VIRTIO_SND_S_BAD_MSG, "BAD_MSG"},
    {VIRTIO_SND_S_NOT_SUPP, "NOT_SUPP"},
    {VIRTIO_SND_S_IO_ERR, "IO_ERR"},
};

static void say_status(struct saying *saying, uint32_t status)
{
    say_word(saying, statuses, ARRAY_SIZE(statuses), status);
}

/* -- requests, and what comes of them -- */

static void say_query(struct saying *saying, struct bytes sent)
{
    say(saying, " of %u from %u on, %u bytes each", bytes_32(sent, 8), bytes_32(sent, 4),
        bytes_32(sent, 12));
}

static void say_stream(struct saying *saying, struct bytes sent)
{
    say(saying, " stream %u", bytes_32(sent, 4));
}

static void say_params(struct saying *saying, struct bytes sent)
{
    const struct pcm_format *format = pcm_format_by_code(bytes_8(sent, 21));

    say_stream(saying, sent);
    say(saying, ": %s, %u Hz, %u channels, period %u bytes, buffer %u",
        format != NULL ? format->name : "unknown format", pcm_rate_hz(bytes_8(sent, 22)),
        bytes_8(sent, 20), bytes_32(sent, 12), bytes_32(sent, 8));
}

static void say_control(struct saying *saying, struct bytes sent)
{
    say(saying, " control %u", bytes_32(sent, 4));
}

/* One item of a list that is asked for; `at` is where it begins. */
static void say_jack(struct saying *saying, struct bytes got, size_t at)
{
    say(saying, "%s", bytes_8(got, at + 16) != 0 ? "plugged in" : "unplugged");
}

static void say_pcm(struct saying *saying, struct bytes got, size_t at)
{
    uint64_t formats = bytes_64(got, at + 8), rates = bytes_64(got, at + 16);

    say(saying, "%s, %u to %u channels,", bytes_8(got, at + 24) == 0 ? "playback" : "capture",
        bytes_8(got, at + 25), bytes_8(got, at + 26));
    for (unsigned i = 0; i < PCM_FORMAT_COUNT; i++)
        if ((formats >> i & 1) != 0 && pcm_format_by_code(i) != NULL)
            say(saying, " %s", pcm_format_by_code(i)->name);
    for (unsigned i = 0; i < PCM_RATE_COUNT; i++)
        if ((rates >> i & 1) != 0)
            say(saying, " %u", pcm_rate_hz(i));
}

static void say_chmap(struct saying *saying, struct bytes got, size_t at)
{
    say(saying, "%s, %u channels", bytes_8(got, at + 4) == 0 ? "playback" : "capture",
        bytes_8(got, at + 5));
}

static void say_element(struct saying *saying, struct bytes got, size_t at)
{
    say_text(saying, got, at + offsetof(struct wire_ctl_head, name), WIRE_CTL_NAME_BYTES);
}

static const struct request {
    uint32_t code;
    const char *name, *section, *function;
    void (*sent)(struct saying *saying, struct bytes sent);
    void (*item)(struct saying *saying, struct bytes got, size_t at);
} requests[] = {
    {VIRTIO_SND_R_JACK_INFO, "JACK_INFO", "§5.14.6.4.1", "virtsnd_jack_parse_cfg()", say_query,
     say_jack},
    {VIRTIO_SND_R_JACK_REMAP, "JACK_REMAP", "§5.14.6.4.2", "", NULL, NULL},
    {VIRTIO_SND_R_PCM_INFO, "PCM_INFO", "§5.14.6.6.2", "virtsnd_pcm_parse_cfg()", say_query,
     say_pcm},
    {VIRTIO_SND_R_PCM_SET_PARAMS, "SET_PARAMS", "§5.14.6.6.3", "virtsnd_pcm_hw_params()",
     say_params, NULL},
    {VIRTIO_SND_R_PCM_PREPARE, "PREPARE", "§5.14.6.6.4", "virtsnd_pcm_prepare()", say_stream, NULL},
    {VIRTIO_SND_R_PCM_RELEASE, "RELEASE", "§5.14.6.6.5", "virtsnd_pcm_sync_stop()", say_stream,
     NULL},
    {VIRTIO_SND_R_PCM_START, "START", "§5.14.6.6.6", "virtsnd_pcm_trigger()", say_stream, NULL},
    {VIRTIO_SND_R_PCM_STOP, "STOP", "§5.14.6.6.7", "virtsnd_pcm_trigger()", say_stream, NULL},
    {VIRTIO_SND_R_CHMAP_INFO, "CHMAP_INFO", "§5.14.6.9.1", "virtsnd_chmap_parse_cfg()", say_query,
     say_chmap},
    {WIRE_R_CTL_INFO, "CTL_INFO", "§5.14.6.10.1", "virtsnd_kctl_parse_cfg()", say_query,
     say_element},
    {WIRE_R_CTL_ENUM_ITEMS, "CTL_ENUM_ITEMS", "§5.14.6.10.2", "virtsnd_kctl_get_enum_items()",
     say_control, NULL},
    {WIRE_R_CTL_READ, "CTL_READ", "§5.14.6.10.3", "virtsnd_kctl_get()", say_control, NULL},
    {WIRE_R_CTL_WRITE, "CTL_WRITE", "§5.14.6.10.3", "virtsnd_kctl_put()", say_control, NULL},
    {WIRE_R_CTL_TLV_READ, "CTL_TLV_READ", "§5.14.6.10.4", "virtsnd_kctl_tlv_op()", say_control,
     NULL},
    {WIRE_R_CTL_TLV_READ + 1, "CTL_TLV_WRITE", "§5.14.6.10.4", "virtsnd_kctl_tlv_op()", say_control,
     NULL},
    {WIRE_R_CTL_LAST, "CTL_TLV_COMMAND", "§5.14.6.10.4", "virtsnd_kctl_tlv_op()", say_control,
     NULL},
};

/* The list that came, as far as it was kept. */
static void say_items(struct saying *saying, const struct request *request, struct bytes sent,
                      struct bytes got)
{
    uint32_t size = bytes_32(sent, 12), count = bytes_32(sent, 8);

    if (size == 0)
        return;
    for (uint32_t i = 0; i < count && size <= got.len && 4 + i * size <= got.len - size; i++) {
        say(saying, "; #%u ", bytes_32(sent, 4) + i);
        request->item(saying, got, 4 + i * size);
    }
}

static const struct request *request_of(const struct event *event)
{
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
        if (requests[i].code == bytes_32(bytes_sent(event), 0))
            return &requests[i];
    return NULL;
}

static void control_pop(struct saying *saying, const struct event *event)
{
    const struct request *request = request_of(event);

    say(saying, "%s", request != NULL ? request->name : "unknown request");
    if (request == NULL)
        return;
    saying->section = request->section;
    saying->function = request->function;
    if (request->sent != NULL)
        request->sent(saying, bytes_sent(event));
}

static void control_push(struct saying *saying, const struct event *event)
{
    const struct bytes got = bytes_answer(event);
    const struct request *request = request_of(event);

    say_status(saying, bytes_32(got, 0));
    if (request == NULL)
        return;
    saying->section = request->section;
    if (request->item != NULL && bytes_32(got, 0) == VIRTIO_SND_S_OK)
        say_items(saying, request, bytes_sent(event), got);
}

/* -- the other queues -- */

static const struct word events[] = {
    {VIRTIO_SND_EVT_JACK_CONNECTED, "JACK_CONNECTED jack"},
    {VIRTIO_SND_EVT_JACK_DISCONNECTED, "JACK_DISCONNECTED jack"},
    {VIRTIO_SND_EVT_PCM_PERIOD_ELAPSED, "PCM_PERIOD_ELAPSED stream"},
    {VIRTIO_SND_EVT_PCM_XRUN, "PCM_XRUN stream"},
    {WIRE_EVT_CTL_NOTIFY, "CTL_NOTIFY control"},
};

static void event_push(struct saying *saying, const struct event *event)
{
    const struct bytes got = bytes_answer(event);

    say_word(saying, events, ARRAY_SIZE(events), bytes_32(got, 0));
    say(saying, " %u", bytes_16(got, 4));
    saying->key = NULL;
}

/* The frames are between a stream's number and 8 bytes of status. */
static void frames_pop(struct saying *saying, const struct event *event)
{
    say(saying, "stream %u, %u bytes", bytes_32(bytes_sent(event), 0), event->a + event->b - 12);
}

static void frames_push(struct saying *saying, const struct event *event)
{
    const struct bytes end = bytes_end(event);
    size_t at = end.len >= 8 ? end.len - 8 : 0;

    say(saying, "stream %u, ", bytes_32(bytes_sent(event), 0));
    say_status(saying, bytes_32(end, at));
    say(saying, ", latency %u bytes", bytes_32(end, at + 4));
}

static const struct lane lanes[] = {
    {"controlq", "§5.14.6", "virtsnd_ctl_msg_send()", "virtsnd_ctl_notify_cb()", NULL, control_pop,
     control_push},
    {"eventq", "§5.14.6", "virtsnd_event_send()", "virtsnd_event_notify_cb()", "events", say_room,
     event_push},
    {"txq", "§5.14.6.8", "virtsnd_pcm_msg_send()", "virtsnd_pcm_tx_notify_cb()", "frames",
     frames_pop, frames_push},
    {"rxq", "§5.14.6.8", "virtsnd_pcm_msg_send()", "virtsnd_pcm_rx_notify_cb()", "frames",
     frames_pop, frames_push},
};

const struct talk talk_snd = {
    .id = VIRTIO_ID_SOUND,
    .name = "sound",
    .section = "§5.14",
    .probe = "virtsnd_probe()",
    .features = features,
    .lanes = lanes,
    .lane_count = ARRAY_SIZE(lanes),
};
