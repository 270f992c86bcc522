/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What drivers and devices say to each other, in words: a table for each class of devices, with the
 * names that the specification has and the functions of Linux's driver (6.12, drivers/virtio/,
 * sound/virtio/ ...) in which a message is likely made or taken. For --transcript only; one thread.
 *
 * Messages are the guest's bytes, of which an event has some: what is missing reads 0.
 */
#pragma once

#include "vmm/base/events.h"

/* What is said of an event. */
struct saying {
    char text[240];
    size_t len;
    const char *section;  /* of the specification; "": none */
    const char *function; /* of Linux */
    const char *key;      /* what this is one more of, where there may be many; NULL: tell each */
};

/* Adds to the text; what has no room is cut off. */
void say(struct saying *saying, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The name of a number in a table, or the number. */
struct word {
    uint32_t number;
    const char *name;
};
void say_word(struct saying *saying, const struct word *words, size_t count, uint32_t number);
/* Text of the guest's, up to a NUL. */
struct bytes {
    const uint8_t *at;
    size_t len;
};
void say_text(struct saying *saying, struct bytes bytes, size_t off, size_t len);

/* What the driver sent; the beginning of what the device answered; its last bytes. */
struct bytes bytes_sent(const struct event *event);
struct bytes bytes_answer(const struct event *event);
struct bytes bytes_end(const struct event *event);
/* Little endian numbers in them, 0 where there are none. */
uint8_t bytes_8(struct bytes bytes, size_t off);
uint16_t bytes_16(struct bytes bytes, size_t off);
uint32_t bytes_32(struct bytes bytes, size_t off);
uint64_t bytes_64(struct bytes bytes, size_t off);

static inline bool is_pop(const struct event *event)
{
    return event->kind == EVENT_POP;
}

/* What is said in a queue. */
struct lane {
    const char *name, *section;
    const char *driver, *device; /* functions of Linux: who sends, who looks at what came back */
    const char *key;             /* what there may be many of; NULL: tell each */
    /* The words. They may also say section, function and key where those are not the lane's. */
    void (*pop)(struct saying *saying, const struct event *event);
    void (*push)(struct saying *saying, const struct event *event);
};

/* A class of devices. */
struct talk {
    uint32_t id;
    const char *name, *section, *probe;
    const char *const *features; /* names by bit, up to NULL; "" where there is none */
    const struct lane *lanes;
    unsigned lane_count; /* by queue, */
    /* or by this, of a device that may have any number of queues */
    unsigned (*lane)(unsigned queue, unsigned queues);
};

/* Words for messages that are only bytes. */
void say_room(struct saying *saying, const struct event *event);
void say_bytes(struct saying *saying, const struct event *event);
void say_done(struct saying *saying, const struct event *event);

extern const struct talk talk_snd, talk_blk, talk_net, talk_console, talk_rng, talk_balloon,
    talk_vsock, talk_fs, talk_input, talk_pmem;

/* By device id; one without lanes, if it is unknown. */
const struct talk *talk_of(uint32_t id);
/* Its words. `queues`: how many the device has. */
void talk_say(const struct talk *talk, struct saying *saying, const struct event *event,
              unsigned queues, bool pci);
/* The name of a queue. */
void talk_queue(const struct talk *talk, char ret_name[24], unsigned queue, unsigned queues);
