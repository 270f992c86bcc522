/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said to the console, the entropy device, the balloon, input devices, persistent memory.
 */
#include "devices/transcript/talk.h"

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdio.h>

/* -- console (virtio 1.2 §5.3.6) -- */

static const char *const console_features[] = {"SIZE", "MULTIPORT", "EMERG_WRITE", NULL};
static const struct word console_events[] = {
    {VIRTIO_CONSOLE_DEVICE_READY, "DEVICE_READY"}, {VIRTIO_CONSOLE_PORT_ADD, "DEVICE_ADD"},
    {VIRTIO_CONSOLE_PORT_REMOVE, "DEVICE_REMOVE"}, {VIRTIO_CONSOLE_PORT_READY, "PORT_READY"},
    {VIRTIO_CONSOLE_CONSOLE_PORT, "CONSOLE_PORT"}, {VIRTIO_CONSOLE_RESIZE, "RESIZE"},
    {VIRTIO_CONSOLE_PORT_OPEN, "PORT_OPEN"},       {VIRTIO_CONSOLE_PORT_NAME, "PORT_NAME"},
};

/* 0: the first port's receiveq, transmitq; 2: control; 4: the other ports'. */
static void console_queue(char ret_name[24], unsigned queue, unsigned queues)
{
    const char *what = queue / 2 == 1   ? queue == 2 ? "control rx" : "control tx"
                       : queue % 2 == 0 ? "receiveq"
                                        : "transmitq";

    (void)queues;
    if (queue / 2 == 1)
        (void)snprintf(ret_name, 24, "%s", what);
    else
        (void)snprintf(ret_name, 24, "%s%u", what, queue < 2 ? 0 : queue / 2 - 1);
}

static void console_control(struct saying *saying, const struct event *event)
{
    bool said = is_pop(event) == (event->queue == 3); /* else an empty buffer is on its way */
    const struct bytes bytes = is_pop(event) ? bytes_sent(event) : bytes_answer(event);
    uint16_t what = bytes_16(bytes, 4);

    saying->section = "§5.3.6.2";
    saying->function = event->queue == 3 ? "__send_control_msg()" : "control_work_handler()";
    if (!said) {
        say(saying, event->queue == 3 ? "sent" : "room for %u bytes", event->b);
        saying->key = "control";
        return;
    }
    say_word(saying, console_events, ARRAY_SIZE(console_events), what);
    say(saying, " port %u", bytes_32(bytes, 0));
    if (what == VIRTIO_CONSOLE_PORT_NAME) {
        say(saying, " ");
        say_text(saying, bytes, 8, bytes.len > 8 ? bytes.len - 8 : 0);
    } else {
        say(saying, " value %u", bytes_16(bytes, 6));
    }
}

static void console_message(struct saying *saying, const struct event *event, unsigned queues)
{
    bool receives = event->queue % 2 == 0;

    (void)queues;
    if (event->queue / 2 == 1) {
        console_control(saying, event);
        return;
    }
    saying->section = "§5.3.6";
    saying->function = receives ? "in_intr()" : is_pop(event) ? "__send_to_port()" : "out_intr()";
    saying->key = "bytes";
    say(saying, receives && is_pop(event) ? "room for %u bytes" : "%u bytes",
        receives ? event->b : event->a);
}

const struct talk talk_console = {
    .id = VIRTIO_ID_CONSOLE,
    .name = "console",
    .section = "§5.3",
    .probe = "virtcons_probe()",
    .features = console_features,
    .queue = console_queue,
    .message = console_message,
};

/* -- entropy (§5.4.6) -- */

static const char *const rng_queues[] = {"requestq", NULL};

static void rng_message(struct saying *saying, const struct event *event, unsigned queues)
{
    (void)queues;
    say(saying, is_pop(event) ? "room for %u bytes" : "%u random bytes", event->b);
    saying->section = "§5.4.6";
    saying->function = is_pop(event) ? "request_entropy()" : "random_recv_done()";
    saying->key = "bytes";
}

const struct talk talk_rng = {
    .id = VIRTIO_ID_RNG,
    .name = "entropy",
    .section = "§5.4",
    .probe = "probe_common()",
    .queues = rng_queues,
    .message = rng_message,
};

/* -- balloon (§5.5.6) -- */

static const char *const balloon_features[] = {
    "MUST_TELL_HOST", "STATS_VQ", "DEFLATE_ON_OOM", "FREE_PAGE_HINT", "PAGE_POISON",
    "REPORTING",      NULL};
static const char *const balloon_queues[] = {"inflateq",   "deflateq",   "statsq",
                                             "reportingq", "reportingq", NULL};

static void balloon_message(struct saying *saying, const struct event *event, unsigned queues)
{
    (void)queues;
    saying->section = event->queue == 2 ? "§5.5.6.3" : event->queue > 2 ? "§5.5.6.7" : "§5.5.6";
    saying->function = event->queue == 2  ? "stats_handle_request()"
                       : event->queue > 2 ? "virtballoon_free_page_report()"
                                          : "tell_host()";
    saying->key = event->queue == 2 ? NULL : "pages";
    if (!is_pop(event))
        say(saying, event->queue == 2 ? "the device wants to know" : "done");
    else if (event->queue == 2)
        say(saying, "%u numbers", event->a / 10);
    else if (event->queue > 2)
        say(saying, "%u bytes are free", event->b);
    else
        say(saying, "%u pages from 0x%x on", event->a / 4, bytes_32(bytes_sent(event), 0));
}

const struct talk talk_balloon = {
    .id = VIRTIO_ID_BALLOON,
    .name = "balloon",
    .section = "§5.5",
    .probe = "virtballoon_probe()",
    .features = balloon_features,
    .queues = balloon_queues,
    .message = balloon_message,
};

/* -- input (§5.8.6) -- */

static const char *const input_queues[] = {"eventq", "statusq", NULL};

static void input_message(struct saying *saying, const struct event *event, unsigned queues)
{
    bool status = event->queue == 1, said = status == is_pop(event);
    const struct bytes bytes = is_pop(event) ? bytes_sent(event) : bytes_answer(event);

    (void)queues;
    saying->section = "§5.8.6";
    saying->function = status
                           ? is_pop(event) ? "virtinput_send_status()" : "virtinput_recv_status()"
                       : is_pop(event) ? "virtinput_fill_evt()"
                                       : "virtinput_recv_events()";
    saying->key = said ? NULL : "event";
    if (said)
        say(saying, "type %u code %u value %d", bytes_16(bytes, 0), bytes_16(bytes, 2),
            (int32_t)bytes_32(bytes, 4));
    else
        say(saying, "%s", status ? "taken" : "room for an event");
}

const struct talk talk_input = {
    .id = VIRTIO_ID_INPUT,
    .name = "input",
    .section = "§5.8",
    .probe = "virtinput_probe()",
    .queues = input_queues,
    .message = input_message,
};

/* -- persistent memory (virtio 1.4 "PMEM Device") -- */

static const char *const pmem_features[] = {"SHMEM_REGION", NULL};
static const char *const pmem_queues[] = {"requestq", NULL};

static void pmem_message(struct saying *saying, const struct event *event, unsigned queues)
{
    (void)queues;
    if (is_pop(event))
        say(saying, "%s", bytes_32(bytes_sent(event), 0) == 0 ? "FLUSH" : "unknown request");
    else
        say(saying, "%s", bytes_32(bytes_answer(event), 0) == 0 ? "OK" : "failed");
    saying->function = is_pop(event) ? "virtio_pmem_flush()" : "virtio_pmem_host_ack()";
}

const struct talk talk_pmem = {
    .id = VIRTIO_ID_PMEM,
    .name = "persistent memory",
    .section = "§5.19",
    .probe = "virtio_pmem_probe()",
    .features = pmem_features,
    .queues = pmem_queues,
    .message = pmem_message,
};
