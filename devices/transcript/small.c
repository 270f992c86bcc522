/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said to the console, the entropy device, the balloon, input devices, persistent memory.
 */
#include "devices/transcript/talk.h"

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

/* -- console (virtio 1.2 §5.3.6) -- */

static const char *const console_features[] = {"SIZE", "MULTIPORT", "EMERG_WRITE", NULL};
static const struct word console_events[] = {
    {VIRTIO_CONSOLE_DEVICE_READY, "DEVICE_READY"}, {VIRTIO_CONSOLE_PORT_ADD, "DEVICE_ADD"},
    {VIRTIO_CONSOLE_PORT_REMOVE, "DEVICE_REMOVE"}, {VIRTIO_CONSOLE_PORT_READY, "PORT_READY"},
    {VIRTIO_CONSOLE_CONSOLE_PORT, "CONSOLE_PORT"}, {VIRTIO_CONSOLE_RESIZE, "RESIZE"},
    {VIRTIO_CONSOLE_PORT_OPEN, "PORT_OPEN"},       {VIRTIO_CONSOLE_PORT_NAME, "PORT_NAME"},
};

static void console_control(struct saying *saying, const struct event *event)
{
    const struct bytes bytes = is_pop(event) ? bytes_sent(event) : bytes_answer(event);
    uint16_t what = bytes_16(bytes, 4);

    say_word(saying, console_events, ARRAY_SIZE(console_events), what);
    say(saying, " port %u value %u", bytes_32(bytes, 0), bytes_16(bytes, 6));
    if (what == VIRTIO_CONSOLE_PORT_NAME) {
        say(saying, " ");
        say_text(saying, bytes, 8, bytes.len > 8 ? bytes.len - 8 : 0);
    }
    saying->key = NULL;
}

/* Pairs, of which the second is for control. */
static unsigned console_lane(unsigned queue, unsigned queues)
{
    (void)queues;
    return queue / 2 == 1 ? queue : queue % 2;
}

static const struct lane console_lanes[] = {
    {"receiveq", "§5.3.6", "fill_queue()", "in_intr()", "bytes", say_room, say_bytes},
    {"transmitq", "§5.3.6", "__send_to_port()", "out_intr()", "bytes", say_bytes, say_done},
    {"receive", "§5.3.6.2", "fill_queue()", "control_work_handler()", "buffers", say_room,
     console_control},
    {"transmit", "§5.3.6.2", "__send_control_msg()", "__send_control_msg()", "buffers",
     console_control, say_done},
};

const struct talk talk_console = {
    .id = VIRTIO_ID_CONSOLE,
    .name = "console",
    .section = "§5.3",
    .probe = "virtcons_probe()",
    .features = console_features,
    .lanes = console_lanes,
    .lane_count = ARRAY_SIZE(console_lanes),
    .lane = console_lane,
};

/* -- entropy (§5.4.6) -- */

static const struct lane rng_lanes[] = {{"requestq", "§5.4.6", "request_entropy()",
                                         "random_recv_done()", "bytes", say_room, say_bytes}};

const struct talk talk_rng = {
    .id = VIRTIO_ID_RNG,
    .name = "entropy",
    .section = "§5.4",
    .probe = "probe_common()",
    .lanes = rng_lanes,
    .lane_count = ARRAY_SIZE(rng_lanes),
};

/* -- balloon (§5.5.6) -- */

static const char *const balloon_features[] = {
    "MUST_TELL_HOST", "STATS_VQ", "DEFLATE_ON_OOM", "FREE_PAGE_HINT", "PAGE_POISON",
    "REPORTING",      NULL};

static void balloon_pages(struct saying *saying, const struct event *event)
{
    say(saying, "%u pages from 0x%x on", event->a / 4, bytes_32(bytes_sent(event), 0));
}

static const struct lane balloon_lanes[] = {
    {"inflateq", "§5.5.6", "fill_balloon()", "balloon_ack()", "pages", balloon_pages, say_done},
    {"deflateq", "§5.5.6", "leak_balloon()", "balloon_ack()", "pages", balloon_pages, say_done},
    {"statsq", "§5.5.6.3", "stats_handle_request()", "stats_request()", NULL, say_bytes, say_done},
    {"reportingq", "§5.5.6.7", "virtballoon_free_page_report()", "balloon_ack()", "pages", say_room,
     say_done},
};

const struct talk talk_balloon = {
    .id = VIRTIO_ID_BALLOON,
    .name = "balloon",
    .section = "§5.5",
    .probe = "virtballoon_probe()",
    .features = balloon_features,
    .lanes = balloon_lanes,
    .lane_count = ARRAY_SIZE(balloon_lanes),
};

/* -- input (§5.8.6) -- */

static void input_event(struct saying *saying, const struct event *event)
{
    const struct bytes bytes = is_pop(event) ? bytes_sent(event) : bytes_answer(event);

    say(saying, "type %u code %u value %d", bytes_16(bytes, 0), bytes_16(bytes, 2),
        (int32_t)bytes_32(bytes, 4));
    saying->key = NULL;
}

static const struct lane input_lanes[] = {
    {"eventq", "§5.8.6", "virtinput_fill_evt()", "virtinput_recv_events()", "events", say_room,
     input_event},
    {"statusq", "§5.8.6", "virtinput_send_status()", "virtinput_recv_status()", NULL, input_event,
     say_done},
};

const struct talk talk_input = {
    .id = VIRTIO_ID_INPUT,
    .name = "input",
    .section = "§5.8",
    .probe = "virtinput_probe()",
    .lanes = input_lanes,
    .lane_count = ARRAY_SIZE(input_lanes),
};

/* -- persistent memory (§5.19.6) -- */

static const char *const pmem_features[] = {"SHMEM_REGION", NULL};

static void pmem_pop(struct saying *saying, const struct event *event)
{
    say(saying, "%s", bytes_32(bytes_sent(event), 0) == 0 ? "FLUSH" : "unknown request");
}

static void pmem_push(struct saying *saying, const struct event *event)
{
    say(saying, "%s", bytes_32(bytes_answer(event), 0) == 0 ? "OK" : "failed");
}

static const struct lane pmem_lanes[] = {{"requestq", "§5.19.6", "virtio_pmem_flush()",
                                          "virtio_pmem_host_ack()", NULL, pmem_pop, pmem_push}};

const struct talk talk_pmem = {
    .id = VIRTIO_ID_PMEM,
    .name = "persistent memory",
    .section = "§5.19",
    .probe = "virtio_pmem_probe()",
    .features = pmem_features,
    .lanes = pmem_lanes,
    .lane_count = ARRAY_SIZE(pmem_lanes),
};
